"""The command `nervure`."""

from __future__ import annotations

import re
import runpy
import sys

import numpy as np
import pytest

import nervure
from nervure import cli
from nervure.datasets import mnist


@pytest.fixture
def few_digits(monkeypatch):
    """Let the command train on few pictures, whose class is written in them."""
    labels = np.arange(600) % 10
    pictures = np.zeros((600, 28, 28), np.uint8)
    pictures[np.arange(600), labels] = 255
    data = (pictures, labels), (pictures[:100], labels[:100])
    monkeypatch.setattr(mnist, "load_data", lambda: data)


@pytest.mark.usefixtures("few_digits")
def test_mnist(tmp_path, capsys):
    picture = tmp_path / "curve.png"
    assert cli.main(["mnist", "--epochs", "3", "--out", str(picture)]) == 0
    output = capsys.readouterr().out
    assert "Total params: 25,450" in output
    assert "Epoch 3/3 - 5 steps - " in output
    assert re.search(r"Test loss: \d\.\d{3}\nTest accuracy: \d\.\d{3}\n", output)
    assert f"Learning curves: {picture}" in output
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.usefixtures("few_digits")
def test_mnist_is_repeatable(capsys):
    outputs = []
    for seed in ("3", "3", "4"):
        cli.main(["mnist", "--epochs", "1", "--no-plot", "--seed", seed])
        outputs.append(re.findall(r"loss: ([\d.]+)", capsys.readouterr().out))
    assert outputs[0] == outputs[1] != outputs[2]


@pytest.mark.usefixtures("few_digits")
def test_mnist_without_matplotlib(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(cli.importlib.util, "find_spec", lambda name: None)
    picture = tmp_path / "curve.png"
    assert cli.main(["mnist", "--epochs", "1", "--out", str(picture)]) == 0
    assert "matplotlib is not installed" in capsys.readouterr().out
    assert not picture.exists()


@pytest.mark.usefixtures("few_digits")
def test_a_picture_of_an_unknown_kind_spoils_nothing(tmp_path, capsys):
    picture = tmp_path / "curve.xyz"
    assert cli.main(["mnist", "--epochs", "1", "--out", str(picture)]) == 0
    captured = capsys.readouterr()
    assert "Test accuracy" in captured.out
    assert f"cannot write {picture}" in captured.err


def test_a_picture_without_a_place_is_refused_before_training(tmp_path, capsys):
    assert cli.main(["mnist", "--out", str(tmp_path / "none" / "curve.png")]) == 2
    assert cli.main(["mnist", "--out", str(tmp_path)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "there is no such folder" in captured.err
    assert "it is a folder" in captured.err


@pytest.mark.usefixtures("few_digits")
def test_ctrl_c(monkeypatch, capsys):
    def interrupted(*_arguments, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr(nervure.models.Sequential, "fit", interrupted)
    assert cli.main(["mnist", "--no-plot"]) == 130
    assert capsys.readouterr().err == "\ninterrupted\n"


def test_info(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("NERVURE_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("NERVURE_NUM_THREADS", "3")
    assert cli.main(["info"]) == 0
    rows = dict(
        re.split(r"  +", line, maxsplit=1)
        for line in capsys.readouterr().out.splitlines()
    )
    assert rows["nervure"] == nervure.__version__
    assert "reference" in rows["executors"]
    assert rows["devices"] == "cpu"
    assert rows["threads"] == "3"
    assert rows["cache folder"] == str(tmp_path)


@pytest.mark.parametrize(
    "words", [[], ["mnits"], ["mnist", "--epochs", "0"], ["mnist", "--epochs", "x"]]
)
def test_wrong_words(words, capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main(words)
    assert stopped.value.code == 2
    assert "usage: nervure" in capsys.readouterr().err


def test_version_and_module(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["nervure", "--version"])
    with pytest.raises(SystemExit) as stopped:
        runpy.run_module("nervure", run_name="__main__")
    assert stopped.value.code == 0
    assert capsys.readouterr().out == f"{nervure.__version__}\n"


@pytest.mark.slow
def test_the_lectures_network_reaches_its_accuracy(capsys):
    assert cli.main(["mnist", "--no-plot"]) == 0
    found = re.search(r"Test accuracy: (\d\.\d+)", capsys.readouterr().out)
    assert found is not None
    assert float(found[1]) >= 0.955


# --- nervure ostrich ------------------------------------------------------------------


@pytest.fixture
def quick_network(monkeypatch):
    """Let the command attack a network with which it takes no time."""
    from nervure import pretrained

    def network():
        nervure.utils.set_random_seed(0)
        layers = nervure.layers
        return nervure.models.Sequential(
            [
                layers.AveragePooling2D(56, input_shape=(224, 224, 3)),
                layers.Flatten(),
                layers.Dense(1000, kernel_initializer="orthogonal"),
                layers.Softmax(),
            ]
        )

    monkeypatch.setattr(pretrained, "efficientnet_lite0", network)


def photo(path, size=(300, 240)):
    from PIL import Image

    drawn = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    Image.fromarray(drawn).save(path)
    return str(path)


@pytest.mark.usefixtures("quick_network")
def test_ostrich(tmp_path, capsys):
    out = tmp_path / "out.png"
    assert cli.main(["ostrich", photo(tmp_path / "a.png"), str(out)]) == 0
    output = capsys.readouterr().out
    assert re.search(r"Before: .+, \d+ %\nAfter: .+, \d+ %\nPicture: ", output)
    assert out.read_bytes().startswith(b"\x89PNG")


@pytest.mark.usefixtures("quick_network")
@pytest.mark.parametrize(
    "words, message",
    [
        (["none.jpg", "out.png"], "cannot read .*none.jpg"),
        (["text.jpg", "out.png"], "text.jpg' is no JPEG or PNG"),
        (["a.png", "none/out.png"], "there is no such folder"),
        (["a.png", "out.xyz"], "cannot write .*out.xyz"),
        (["a.png", "out.png", "--target", "ostrisch"], "is it .*ostrich"),
    ],
)
def test_ostrich_refuses(words, message, tmp_path, capsys):
    photo(tmp_path / "a.png")
    (tmp_path / "text.jpg").write_text("no photo")
    paths = [str(tmp_path / one) for one in words[:2]]
    assert cli.main(["ostrich", *paths, *words[2:]]) == 2
    assert re.search(message, capsys.readouterr().err)


def test_the_middle_of_a_photo_is_kept(tmp_path):
    """A tall photo is cut above and below, also if the camera was turned."""
    from PIL import Image

    drawn = np.zeros((400, 200, 3), np.uint8)
    drawn[100:300] = 255
    plain, turned = tmp_path / "plain.png", tmp_path / "turned.png"
    Image.fromarray(drawn).save(plain)
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    Image.fromarray(np.rot90(drawn)).save(turned, exif=exif)
    for path in (plain, turned):
        cut = cli._square_photo(path)
        assert cut.shape == (224, 224, 3) and cut.dtype == np.uint8
        assert cut.min() == 255


@pytest.mark.slow
def test_the_real_network_sees_an_ostrich(tmp_path, capsys):
    from PIL import Image
    from sklearn.datasets import load_sample_image

    path = tmp_path / "flower.jpg"
    Image.fromarray(load_sample_image("flower.jpg")).save(path)
    assert cli.main(["ostrich", str(path), str(tmp_path / "out.png")]) == 0
    output = capsys.readouterr().out
    assert "Before: daisy" in output
    assert "After: ostrich" in output
