"""A loss that is no number any more: which operation, layer, line and rows it was."""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nervure as nv
from nervure.config import config
from nervure.errors import ArgumentError, NumericsError, NumericsWarning
from nervure.layers import Dense, Layer
from nervure.models import Sequential
from nervure.train import numerics_guard

X = np.random.default_rng(0).normal(size=(40, 3)).astype("float32")
X[17, 0] = X[31, 0] = -50.0
Y = X[:, 1:2]


class Root(Layer):
    """Takes a root, which is NaN for the rows 17 and 31."""

    def call(self, inputs: nv.Array) -> nv.Array:
        return nv.sqrt(inputs[:, :1] + 20.0)  # the line that is named


class Length(Layer):
    """Finite for every row, but not its derivative for rows of zeros."""

    def build(self, input_shape: Any) -> None:
        self.scale = self.add_weight((), initializer="ones", name="scale")

    def call(self, inputs: nv.Array) -> nv.Array:
        return nv.sqrt(nv.square(inputs[:, :1]) * self.scale)


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path) -> Any:
    with config.override(cache_dir=tmp_path):
        yield


def line_of(text: str) -> str:
    lines = Path(__file__).read_text().splitlines()
    number = 1 + next(n for n, line in enumerate(lines) if text in line)
    return f"{__file__}:{number}"


def rooted(layer: Layer, **options: Any) -> Sequential:
    nv.utils.set_random_seed(0)
    model = Sequential([layer, Dense(1, name="last")], name="net")
    model.compile(nv.optimizers.SGD(0.001), "mse", **options)
    return model


def weights(model: Sequential) -> list[np.ndarray]:
    return [np.array(one) for one in model.get_weights()]


def test_by_default_training_goes_on_with_a_warning() -> None:
    model = rooted(Root(name="root"))
    expected = "sqrt in layer 'net/root' makes the first NaN"
    with pytest.warns(NumericsWarning, match=expected) as seen:
        history = model.fit(X, Y, batch_size=8, epochs=3, verbose=0)
    assert len(seen) == 1 and len(history.epoch) == 3
    assert all(map(math.isnan, history.history["loss"]))
    report = history.facts.numerics
    assert report is not None and str(report) == str(seen[0].message)
    assert report.operation == "sqrt" and report.layer == "net/root"
    assert report.line == line_of("# the line that is named")
    assert not report.is_gradient and report.epoch == 1 and report.seen_in == "the loss"
    assert report.rows and set(report.rows) <= {17, 31}
    assert "fix: the root of a negative number" in report.text


def test_the_batch_is_kept_as_plain_data(tmp_path: Path) -> None:
    model = rooted(Root())
    with pytest.warns(NumericsWarning) as seen:
        history = model.fit(X, Y, batch_size=8, verbose=0, sample_weight=np.ones(40))
    report = history.facts.numerics
    assert report is not None
    path = Path(report.batch_file)
    assert path.parent == tmp_path / "numerics" and str(path) in str(seen[0].message)
    with np.load(path, allow_pickle=False) as kept:
        assert set(kept) == {"rows", "x", "y", "sample_weight"}
        np.testing.assert_array_equal(kept["x"], X[kept["rows"]])
        np.testing.assert_array_equal(kept["y"], Y[kept["rows"]])
        assert set(report.rows) <= set(kept["rows"].tolist())


def test_checks_undo_the_step_and_raise() -> None:
    """All steps before the bad one have been taken, with the same bits."""
    model = rooted(Root(), check_numerics=True)
    before = weights(rooted(Root()))
    with pytest.raises(NumericsError, match="sqrt in layer") as caught:
        model.fit(X, Y, batch_size=8, epochs=3, verbose=0, shuffle=False)
    report = caught.value.report
    assert report.step == 3 and report.rows == (17,)  # rows 16 to 23
    assert all(np.isfinite(one).all() for one in weights(model))

    plain = rooted(Root())
    plain.fit(X[:16], Y[:16], batch_size=8, verbose=0, shuffle=False)
    for ours, other, first in zip(weights(model), weights(plain), before):
        np.testing.assert_array_equal(ours, other)
        assert not np.array_equal(ours, first)


@pytest.mark.parametrize("checks", [None, True])
def test_a_gradient_that_shows_one_step_later(checks: bool | None) -> None:
    x = np.where(np.abs(X) > 40, 0.0, X).astype("float32")
    model = Sequential([Length(name="length")])
    model.compile("sgd", "mse", check_numerics=checks)
    if checks:
        with pytest.raises(NumericsError) as caught:
            model.fit(x, Y, batch_size=8, verbose=0, shuffle=False)
        report = caught.value.report
    else:
        with pytest.warns(NumericsWarning):
            report = model.fit(
                x, Y, batch_size=8, verbose=0, shuffle=False
            ).facts.numerics
    assert report.is_gradient and report.layer.endswith("/length")
    assert report.operation == "div" and report.step == 3 and report.rows == (17,)
    assert "scale" in report.seen_in and "gradient of layer" in report.text


def test_growing_weights_are_told_from_bad_rows() -> None:
    nv.utils.set_random_seed(0)
    model = Sequential([Dense(8), Dense(1)])
    model.compile(nv.optimizers.SGD(1e6), "mse", check_numerics=True)
    with pytest.raises(NumericsError, match="smaller learning rate") as caught:
        model.fit(X, Y, batch_size=8, epochs=9, verbose=0)
    assert len(caught.value.report.rows) in range(1, 9)


def test_it_may_be_switched_off_and_leaves_the_callback_alone(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        off = rooted(Root(), check_numerics=False)
        assert off.fit(X, Y, verbose=0).facts.numerics is None
        ends = [nv.callbacks.TerminateOnNaN()]
        model = rooted(Root())
        history = model.fit(X, Y, batch_size=8, epochs=9, verbose=0, callbacks=ends)
    assert len(history.epoch) == 1 and "so training ends" in capsys.readouterr().out
    assert history.facts.numerics is not None
    assert "the loss became nan" in history.facts.stopped


def test_nothing_happens_while_all_is_well(tmp_path: Path) -> None:
    results = []
    for checks in (None, True, False):
        nv.utils.set_random_seed(1)
        model = Sequential([Dense(4, activation="relu"), Dense(1)])
        model.compile("adam", "mse", check_numerics=checks)
        history = model.fit(X[:16], Y[:16], batch_size=4, epochs=2, verbose=0)
        results.append((history.history, weights(model)))
        assert history.facts.numerics is None
    for losses, values in results[1:]:
        assert losses == results[0][0]
        for one, other in zip(values, results[0][1]):
            np.testing.assert_array_equal(one, other)
    assert not (tmp_path / "numerics").exists()


def test_one_batch_and_plain_python() -> None:
    model = rooted(Root(), check_numerics=True)
    assert math.isfinite(model.train_on_batch(X[:8], Y[:8]))
    with pytest.raises(NumericsError, match=r"after a batch .*\n(.*\n)*  rows +of the"):
        model.train_on_batch(X[16:24], Y[16:24])
    eager = rooted(Root(), check_numerics=True, run_eagerly=True)
    with pytest.raises(NumericsError, match="without run_eagerly"):
        eager.fit(X, Y, batch_size=8, verbose=0)
    quiet = rooted(Root(), run_eagerly=True)
    assert math.isnan(quiet.fit(X, Y, batch_size=8, verbose=0).history["loss"][0])


def test_batches_that_come_ready() -> None:
    batches = [(X[n : n + 8], Y[n : n + 8]) for n in range(0, 40, 8)]
    model = rooted(Root(), check_numerics=True)
    with pytest.raises(NumericsError) as caught:
        model.fit((one for one in batches), steps_per_epoch=5, verbose=0)
    assert caught.value.report.rows == (1,)  # of the batch
    assert "of the batch" in caught.value.report.text


def test_a_train_step_of_ones_own() -> None:
    class Own(Sequential):
        def train_step(self, data: Any) -> dict[str, Any]:
            logs = super().train_step(data)
            return {"loss": logs["loss"]}

    model = Own([Root(), Dense(1)])
    model.compile("sgd", "mse")
    with pytest.warns(NumericsWarning, match="sqrt"):
        model.fit(X, Y, batch_size=8, verbose=0)


def test_files_are_few_and_a_folder_may_be_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(numerics_guard, "MOST_FILES", 2)
    model = rooted(Root(), check_numerics=True)
    for start in (16, 24, 17):
        with pytest.raises(NumericsError):
            model.fit(X[start:], Y[start:], epochs=1, batch_size=4, verbose=0)
    assert len(list((tmp_path / "numerics").glob("*.npz"))) <= 2
    (tmp_path / "file").write_text("")
    closed = config.override(cache_dir=tmp_path / "file")
    with closed, pytest.raises(NumericsError, match="no file, because"):
        model.fit(X, Y, verbose=0)


def test_the_argument_is_checked() -> None:
    with pytest.raises(ArgumentError, match="check_numerics"):
        rooted(Root(), check_numerics="yes")
