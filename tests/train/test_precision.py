"""compile(precision="mixed_bfloat16"): products in bfloat16, the rest in float32."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import nervure as nv
from nervure import dtypes
from nervure.errors import ArgumentError
from nervure.layers import BatchNormalization, Conv2D, Dense, Flatten
from nervure.models import Sequential, load_model


def network(precision: str = "mixed_bfloat16") -> Sequential:
    nv.utils.set_random_seed(0)
    model = Sequential(
        [
            Conv2D(4, 3, activation="relu", input_shape=(8, 8, 1)),
            BatchNormalization(),
            Flatten(),
            Dense(16, activation="relu"),
            Dense(3, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", precision=precision)
    return model


def data() -> tuple[np.ndarray, np.ndarray]:
    x = np.random.default_rng(0).normal(size=(96, 8, 8, 1)).astype(np.float32)
    return x, x[:, :3, 0, 0].argmax(axis=1)


def test_an_unknown_precision_is_explained() -> None:
    with pytest.raises(ArgumentError, match="mixed_bfloat16.*got 'half'"):
        network("half")


@pytest.mark.parametrize("executor", ["reference", "cpu"])
def test_training_is_near_that_in_float32(executor: str) -> None:
    losses = {}
    for precision in ("float32", "mixed_bfloat16"):
        with nv.config.override(executor=executor):
            model = network(precision)
            history = model.fit(*data(), batch_size=32, epochs=5, verbose=0)
        losses[precision] = history.history["loss"]
        assert all(one.dtype == np.float32 for one in model.get_weights())
    first, second = losses.values()
    np.testing.assert_allclose(first, second, rtol=0.05)
    assert first != second


def test_products_are_narrow_and_nothing_else() -> None:
    model = network()
    model.fit(*data(), batch_size=32, verbose=0)
    (steps,) = model._steps
    ((captured, _),) = steps.train._programs.values()
    products = [
        node
        for node in captured.graph.nodes
        if node.op.name == "dot" or node.op.name.startswith("conv")
    ]
    assert len(products) >= 8
    assert all(node.dtype == dtypes.bfloat16 for node in products)
    sums = [one for one in captured.graph.nodes if one.op.name == "reduce_sum"]
    assert all(one.dtype != dtypes.bfloat16 for one in sums)


def test_predictions_are_those_of_numpy_with_rounded_operands() -> None:
    def rounded(x: np.ndarray) -> np.ndarray:
        return x.astype(dtypes.bfloat16).astype(np.float32)

    model = Sequential([Dense(5, input_shape=(7,))])
    model.compile("sgd", "mse", precision="mixed_bfloat16")
    x = np.random.default_rng(1).normal(size=(4, 7)).astype(np.float32)
    kernel, bias = model.get_weights()
    expected = rounded(rounded(x) @ rounded(kernel)) + bias
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, rtol=1e-2)
    assert model.predict(x, verbose=0).dtype == np.float32


def test_a_saved_model_keeps_its_precision(tmp_path: Path) -> None:
    model = network()
    model.save(tmp_path / "m.nv")
    again = load_model(tmp_path / "m.nv")
    x, _ = data()
    np.testing.assert_array_equal(
        again.predict(x, verbose=0), model.predict(x, verbose=0)
    )
    assert again.require_compiled("a test").precision == "mixed_bfloat16"
