"""Large arrays are looked at while training reads them; bad ones undo the training."""

from __future__ import annotations

import numpy as np
import pytest

import nervure as nv
from nervure.errors import DataError
from nervure.layers import Dense, Dropout
from nervure.models import Sequential
from nervure.train import late_checks


@pytest.fixture(autouse=True)
def _all_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(late_checks, "LARGE", 1)


def network() -> Sequential:
    nv.utils.set_random_seed(0)
    model = Sequential(
        [Dense(4, activation="relu", input_shape=(3,)), Dropout(0.2), Dense(2)]
    )
    model.compile("adam", "mse", metrics=["mae"])
    return model


def data() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    return (
        random.normal(size=(50, 3)).astype(np.float32),
        random.normal(size=(50, 2)).astype(np.float32),
    )


def state(model: Sequential) -> list[np.ndarray]:
    assert model.optimizer is not None
    return [one.numpy() for one in [*model.variables, *model.optimizer.variables]]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("which", [0, 1])
def test_bad_values_are_named_and_nothing_is_lost(bad: float, which: int) -> None:
    model, arrays = network(), data()
    model.fit(*arrays, epochs=2, batch_size=8, verbose=0)
    before = state(model)
    arrays[which][31, 1] = bad
    with pytest.raises(DataError, match=rf"{'xy'[which]} holds .* at row 31, column 1"):
        model.fit(*arrays, epochs=3, batch_size=8, verbose=0)
    for one, other in zip(state(model), before, strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_is_good_trains_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    late = network()
    late.fit(*data(), epochs=3, batch_size=8, verbose=0)
    monkeypatch.setattr(late_checks, "LARGE", 2**40)
    early = network()
    early.fit(*data(), epochs=3, batch_size=8, verbose=0)
    for one, other in zip(state(late), state(early), strict=True):
        np.testing.assert_array_equal(one, other)


def test_rows_that_are_held_out_are_looked_at_beforehand() -> None:
    model, (x, y) = network(), data()
    x[49, 0] = np.nan
    began: list[int] = []
    watch = nv.callbacks.LambdaCallback(on_epoch_begin=lambda *_: began.append(1))
    with pytest.raises(DataError, match="row 49, column 0"):
        model.fit(x, y, validation_split=0.2, verbose=0, callbacks=[watch])
    with pytest.raises(DataError, match="validation_data holds NaN"):
        model.fit(*data(), validation_data=(x, y), verbose=0, callbacks=[watch])
    assert not began


def test_eager_training_looks_beforehand() -> None:
    model, (x, y) = network(), data()
    model.compile("sgd", "mse", run_eagerly=True)
    x[0, 0] = np.nan
    began: list[int] = []
    watch = nv.callbacks.LambdaCallback(on_epoch_begin=lambda *_: began.append(1))
    with pytest.raises(DataError, match="row 0, column 0"):
        model.fit(x, y, verbose=0, callbacks=[watch])
    assert not began


def test_ctrl_c_in_a_bad_epoch_restores_the_state() -> None:
    model, (x, y) = network(), data()
    model.fit(x, y, batch_size=8, verbose=0)
    before = state(model)
    x[:] = np.nan

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    stop = nv.callbacks.LambdaCallback(on_train_batch_end=interrupt)
    with pytest.raises(KeyboardInterrupt):
        model.fit(x, y, batch_size=8, verbose=0, callbacks=[stop])
    for one, other in zip(state(model), before, strict=True):
        np.testing.assert_array_equal(one, other)


def test_arrays_that_change_meanwhile_are_reported() -> None:
    model, (x, y) = network(), data()
    x[3, 1] = np.nan
    mend = nv.callbacks.LambdaCallback(
        on_train_batch_end=lambda *_: x.__setitem__((3, 1), 0.0)
    )
    with pytest.raises(DataError, match="not finite when it was used"):
        model.fit(x, y, batch_size=8, verbose=0, shuffle=False, callbacks=[mend])
