"""Predictions one like the other take a short way, with the same results and errors."""

from __future__ import annotations

import numpy as np
import pytest

import nervure as nv
from nervure.errors import ArgumentError, DataError, ShapeError
from nervure.layers import BatchNormalization, Dense, Dropout, Embedding, Flatten
from nervure.models import Sequential


def network() -> Sequential:
    nv.utils.set_random_seed(0)
    model = Sequential(
        [Dense(6, activation="relu", input_shape=(5,)), Dropout(0.5), Dense(3)]
    )
    model.compile("sgd", "mse")
    return model


def rows(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, 5)).astype(np.float32)


def by_hand(model: Sequential, x: np.ndarray) -> np.ndarray:
    first, bias, second, other = model.get_weights()
    return np.maximum(x @ first + bias, 0) @ second + other


@pytest.mark.parametrize("count", [1, 2, 3, 32])
def test_the_short_way_computes_the_same(count: int) -> None:
    model = network()
    for seed in range(3):
        x = rows(count, seed)
        result = model.predict(x, verbose=0)
        np.testing.assert_allclose(result, by_hand(model, x), rtol=1e-5, atol=1e-6)
    assert (model._repeated is not None) == (count != 3)  # 3 rows are filled up to 4


def test_it_reads_the_weights_of_now() -> None:
    model, x = network(), rows(1)
    model.predict(x, verbose=0)
    model.fit(rows(20), rows(20)[:, :3], verbose=0)
    np.testing.assert_allclose(
        model.predict(x, verbose=0), by_hand(model, x), rtol=1e-5, atol=1e-6
    )
    model.set_weights([np.zeros_like(one) for one in model.get_weights()])
    assert not model.predict(x, verbose=0).any()


def test_other_arrays_and_arguments_take_the_usual_way() -> None:
    model, x = network(), rows(4)
    model.predict(x, verbose=0)
    expected = by_hand(model, x)
    for other in (x.astype(np.float64), x.tolist(), np.asfortranarray(x)):
        np.testing.assert_allclose(
            model.predict(other, verbose=0), expected, rtol=1e-5, atol=1e-6
        )
    np.testing.assert_allclose(
        model.predict(x, batch_size=3, verbose=0), expected, rtol=1e-5, atol=1e-6
    )
    with pytest.raises(ShapeError):
        model.predict(rows(4)[:, :4], verbose=0)
    with pytest.raises(ArgumentError, match="batch_size"):
        model.predict(x, batch_size=0, verbose=0)
    with pytest.raises(ArgumentError, match="verbose"):
        model.predict(x, verbose=7)
    x[2, 1] = np.nan
    with pytest.raises(DataError, match="row 2, column 1"):
        model.predict(x, verbose=0)


def test_results_are_the_callers() -> None:
    model, x = network(), rows(1)
    model.predict(x, verbose=0)
    first = model.predict(x, verbose=0)
    first[:] = 7
    assert not np.array_equal(model.predict(x, verbose=0), first)


def test_a_new_layer_or_precision_is_regarded() -> None:
    model, x = network(), rows(2)
    model.predict(x, verbose=0)
    before = model.predict(x, verbose=0)
    model.compile("sgd", "mse", precision="mixed_bfloat16")
    after = model.predict(x, verbose=0)
    assert not np.array_equal(before, after)
    model.add(BatchNormalization())
    model.add(Dense(2))
    assert model.predict(x, verbose=0).shape == (2, 2)


def test_numbers_of_words_are_always_looked_at() -> None:
    model = Sequential([Embedding(4, 2, input_shape=(1,)), Flatten()])
    x = np.ones((1, 1), np.float32)
    model.predict(x, verbose=0)
    with pytest.raises(DataError):
        model.predict(x * 9, verbose=0)
