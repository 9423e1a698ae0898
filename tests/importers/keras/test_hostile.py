"""Files that claim to be Keras': nothing is executed, and nothing is believed."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

from nervure.errors import FileFormatError, NervureError, UnknownNameError
from nervure.models import load_model

GOLDEN = Path(__file__).parent / "golden"


def entries():
    with zipfile.ZipFile(GOLDEN / "dense.keras") as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(path, items, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in items:
            archive.writestr(name, data)
    return path


def with_layer(path, changes, place=1):
    """Write the golden model with another layer."""
    parts = entries()
    config = json.loads(parts["config.json"])
    layer = config["config"]["layers"][place]
    for key, value in changes.items():
        if key == "config":
            layer["config"] |= value
        else:
            layer[key] = value
    parts["config.json"] = json.dumps(config).encode()
    return zipped(path, parts.items())


def test_truncated(tmp_path):
    for name in ("dense.keras", "dense.h5", "dense.weights.h5"):
        data = (GOLDEN / name).read_bytes()
        path = tmp_path / name
        for size in (0, 7, len(data) // 2, len(data) - 30):
            path.write_bytes(data[:size])
            model = load_model(GOLDEN / "dense.keras")
            with pytest.raises(FileFormatError):
                model.load_weights(path)


def test_entries(tmp_path):
    parts = list(entries().items())
    path = tmp_path / "m.keras"
    for name in ("../evil.py", "/etc/passwd", "model.pkl", "config.json/x"):
        with pytest.raises(FileFormatError, match="unexpected"):
            load_model(zipped(path, [*parts, (name, b"")]))
    with pytest.warns(UserWarning, match="Duplicate"):
        zipped(path, [*parts, parts[0]])
    with pytest.raises(FileFormatError, match="two entries"):
        load_model(path)
    for missing in ("config.json", "model.weights.h5"):
        rest = [one for one in parts if one[0] != missing]
        with pytest.raises(FileFormatError, match="no entry"):
            load_model(zipped(path, rest))


def test_bombs(tmp_path):
    parts = entries()
    path = tmp_path / "m.keras"
    for name in ("config.json", "model.weights.h5"):
        items = (parts | {name: bytes(30_000_000)}).items()
        with pytest.raises(FileFormatError, match="claims"):
            load_model(zipped(path, items, zipfile.ZIP_DEFLATED))


def test_code_is_not_run(tmp_path, capsys):
    class Boom:
        def __reduce__(self):
            return print, ("executed",)

    bomb = pickle.dumps(Boom())
    path = tmp_path / "m.keras"
    code = {"class_name": "__lambda__", "config": {"code": "4wEAAAA="}}
    lambda_ = {"class_name": "Lambda", "config": {"function": code}}
    with pytest.raises(FileFormatError, match="Python code"):
        load_model(with_layer(path, lambda_))
    for function in (
        {"class_name": "function", "config": "system", "module": "os"},
        {"module": "builtins", "class_name": "function", "config": "exec"},
        {"class_name": "os>system", "config": {}},
        code,
        "__import__('os').system('true')",
    ):
        with pytest.raises(NervureError):
            load_model(with_layer(path, {"config": {"activation": function}}))
    for name in ("config.json", "model.weights.h5"):
        with pytest.raises(FileFormatError):
            load_model(zipped(path, (entries() | {name: bomb}).items()))
    assert "executed" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "changes, error",
    [
        ({"class_name": "Unknown"}, UnknownNameError),
        ({"class_name": None}, FileFormatError),
        ({"class_name": "os.system"}, UnknownNameError),
        ({"config": {"units": 10**12}}, FileFormatError),
        ({"config": {"units": "x"}}, FileFormatError),
        ({"config": {"surprise": 3}}, FileFormatError),
        ({"config": {"dtype": {"class_name": "DTypePolicy"}}}, FileFormatError),
        ({"config": {"name": "a/b"}}, FileFormatError),
        ({"config": {"units": 6}}, FileFormatError),
    ],
)
def test_layers_that_make_no_sense(tmp_path, changes, error):
    with pytest.raises(error):
        load_model(with_layer(tmp_path / "m.keras", changes))


def test_arguments_without_effect_are_left_out(tmp_path):
    config = {"implementation": 2, "quantization_config": None}
    model = load_model(with_layer(tmp_path / "m.keras", {"config": config}))
    assert model.layers[0].units == 5


def changed(tmp_path, change):
    """Write the golden model with changed weights."""
    parts = entries()
    buffer = io.BytesIO(parts["model.weights.h5"])
    with h5py.File(buffer, "r+") as file:
        change(file["layers/hidden" if "layers/hidden" in file else "layers/dense"])
    parts["model.weights.h5"] = buffer.getvalue()
    return zipped(tmp_path / "m.keras", parts.items())


def test_hdf5_is_believed_nothing(tmp_path):
    outside = tmp_path / "outside.h5"
    with h5py.File(outside, "w") as file:
        file["secret"] = np.ones((4, 5), "float32")

    def replaced(make):
        def change(layer):
            del layer["vars"]["0"]
            make(layer["vars"])

        return changed(tmp_path, change)

    def link(group):
        group["0"] = h5py.ExternalLink(str(outside), "secret")

    def soft(group):
        group["0"] = h5py.SoftLink("/layers")

    def huge(group):
        group.create_dataset("0", (10**7, 10**4), "float32", chunks=(1000, 1000))

    def external(group):
        place = [(str(outside), 0, 80)]
        group.create_dataset("0", (4, 5), "float32", external=place)

    def text(group):
        group["0"] = np.array([b"a"] * 20).reshape(4, 5)

    def wrong(group):
        group["0"] = np.ones((5, 4), "float32")

    def missing(group):
        del group

    for make, words in (
        (link, "link"),
        (soft, "link"),
        (huge, "does not hold"),
        (external, "another file"),
        (text, "not numbers|fewer numbers"),
        (wrong, "shape"),
        (missing, "fewer numbers"),
    ):
        with pytest.raises(FileFormatError, match=words):
            load_model(replaced(make))


def test_groups_in_a_circle(tmp_path):
    def change(layer):
        layer["round"] = layer

    with pytest.raises(FileFormatError, match="do not end"):
        load_model(changed(tmp_path, change))


def test_other_files(tmp_path):
    for name in ("m.h5", "m.keras", "m.weights.h5"):
        path = tmp_path / name
        path.write_bytes(b"something else")
        with pytest.raises(FileFormatError):
            load_model(path)
    with pytest.raises(FileFormatError, match="weights alone"):
        load_model(GOLDEN / "dense.weights.h5")
