"""Whole training runs on the cpu executor, against the reference."""

from __future__ import annotations

import numpy as np
import pytest

import nervure as nv
from nervure.config import config
from nervure.layers import Dense, Dropout
from nervure.models import Sequential

KINDS = {"dropout": 0.5, "plain": 0.0}


def trained(executor: str, rate: float, threads: int = 2) -> tuple[list, dict]:
    """Train a small network and return its weights and its history."""
    with config.override(executor=executor, num_threads=threads):
        nv.utils.set_random_seed(3)
        generator = np.random.default_rng(0)
        x = generator.normal(size=(300, 20)).astype("float32")
        y = x[:, :5].argmax(axis=1)
        model = Sequential(
            [
                Dense(33, activation="relu", input_shape=(20,)),
                Dropout(rate),
                Dense(5, activation="softmax"),
            ]
        )
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        history = model.fit(
            x, y, batch_size=32, epochs=5, verbose=0, validation_split=0.1
        )
        return model.get_weights(), history.history


@pytest.mark.parametrize("kind", KINDS)
def test_training_is_that_of_the_reference(kind: str) -> None:
    """The same batches, the same dropped units, the same numbers but for rounding."""
    weights, history = trained("cpu", KINDS[kind])
    expected, expected_history = trained("reference", KINDS[kind])
    for one, other in zip(weights, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)
    for name, values in expected_history.items():
        np.testing.assert_allclose(history[name], values, rtol=1e-3)


def test_training_gives_the_same_bits_for_any_number_of_threads() -> None:
    weights, history = trained("cpu", 0.5, threads=1)
    for threads in (2, 4):
        others, other_history = trained("cpu", 0.5, threads)
        assert other_history == history
        for one, other in zip(weights, others, strict=True):
            assert one.tobytes() == other.tobytes()


def test_gradients_and_compiled_functions_run_on_it() -> None:
    x = nv.asarray(np.linspace(-2, 2, 1000))
    with config.override(executor="cpu"):
        value, slope = nv.compile(
            nv.value_and_grad(lambda v: nv.sum(nv.tanh(v) * nv.sin(v)))
        )(x)
    t, s, c = np.tanh(np.asarray(x)), np.sin(np.asarray(x)), np.cos(np.asarray(x))
    np.testing.assert_allclose(value, (t * s).sum(), rtol=1e-12)
    np.testing.assert_allclose(slope, (1 - t**2) * s + t * c, rtol=1e-12, atol=1e-15)


def test_elementwise_work_after_a_product_along_batch_axes() -> None:
    """Found by random graphs: the epilogue met the wrong results."""
    x = np.arange(4, dtype=np.uint16)
    with config.override(executor="cpu"):
        result = nv.compile(lambda v: -nv.einsum("i,i->i", v, v + v))(nv.asarray(x))
    np.testing.assert_array_equal(result, -(x * (x + x)))
