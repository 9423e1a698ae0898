"""Penalties and constraints against NumPy in float64, and their use by layers."""

import numpy as np
import pytest

import nervure as nv
from nervure import constraints, regularizers
from nervure.errors import ArgumentError, ShapeError, UnknownNameError

VALUES = np.random.default_rng(0).normal(size=(4, 3))


def test_penalties():
    sizes, squares = np.abs(VALUES).sum(), (VALUES**2).sum()
    cases = {
        regularizers.L1(0.5): 0.5 * sizes,
        regularizers.L2(0.5): 0.5 * squares,
        regularizers.L1L2(0.5, 0.25): 0.5 * sizes + 0.25 * squares,
        regularizers.L1L2(): 0.0,
    }
    for regularizer, expected in cases.items():
        assert regularizer(VALUES).item() == pytest.approx(expected)


@pytest.mark.parametrize("mode", ["rows", "columns"])
def test_orthogonal_penalty(mode):
    rows = VALUES if mode == "rows" else VALUES.T
    units = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    above = np.abs(np.triu(units @ units.T, 1))
    count = len(rows)
    expected = 0.5 * above.sum() / (count * (count - 1) / 2)
    got = regularizers.OrthogonalRegularizer(0.5, mode)(VALUES).item()
    assert got == pytest.approx(expected)
    with pytest.raises(ShapeError, match="compares the rows of a matrix"):
        regularizers.OrthogonalRegularizer()(np.ones(3))
    with pytest.raises(UnknownNameError, match="mode of OrthogonalRegularizer"):
        regularizers.OrthogonalRegularizer(mode="row")


def test_factors_are_checked():
    for wrong in (-1.0, float("nan"), "much"):
        with pytest.raises(ArgumentError):
            regularizers.L2(wrong)
    assert regularizers.L1(None).l1 == 0.01
    assert regularizers.L1L2(None, None).get_config() == {"l1": 0.0, "l2": 0.0}


def test_constraints():
    lengths = np.linalg.norm(VALUES, axis=0)
    kept = constraints.MaxNorm(1.0)(VALUES).numpy()
    expected = np.minimum(lengths, 1.0)
    np.testing.assert_allclose(np.linalg.norm(kept, axis=0), expected, rtol=1e-6)
    unit = constraints.UnitNorm(axis=1)(VALUES).numpy()
    np.testing.assert_allclose(np.linalg.norm(unit, axis=1), 1.0, rtol=1e-6)
    between = constraints.MinMaxNorm(2.0, 2.5, rate=0.5)(VALUES).numpy()
    halfway = (lengths + np.clip(lengths, 2.0, 2.5)) / 2
    np.testing.assert_allclose(np.linalg.norm(between, axis=0), halfway, rtol=1e-6)
    np.testing.assert_array_equal(
        constraints.NonNeg()(VALUES).numpy(), np.maximum(VALUES, 0)
    )
    # Zeros stay zeros, without NaN.
    assert not constraints.UnitNorm()(np.zeros((2, 2))).numpy().any()


@pytest.mark.parametrize("module", [regularizers, constraints])
def test_lookup_and_configuration(module):
    for name in module.__all__:
        class_ = getattr(module, name)
        if (
            isinstance(class_, type)
            and name[0].isupper()
            and "__call__" in vars(class_)
        ):
            if name in ("Regularizer", "Constraint"):
                continue
            made = module.get(name)
            assert type(made) is class_
            again = module.deserialize(module.serialize(made))
            assert type(again) is class_
            assert again.get_config() == made.get_config()
    assert module.get(None) is None
    assert module.get(abs) is abs
    # As Keras writes it.
    name = "L2" if module is regularizers else "MaxNorm"
    written = {
        "module": f"keras.{module.__name__}",
        "class_name": name,
        "config": module.get(name).get_config(),
        "registered_name": None,
    }
    assert type(module.get(written)).__name__ == name
    with pytest.raises(UnknownNameError, match="did you mean"):
        module.get(name.lower() + "x")


def test_custom_objects():
    class Mine(regularizers.Regularizer):
        def __init__(self, by=1.0):
            self.by = by

        def __call__(self, x):
            return nv.sum(x) * self.by

    config = regularizers.serialize(Mine(2.0))
    assert regularizers.deserialize(config, {"Mine": Mine}).by == 2.0
    with pytest.raises(UnknownNameError):
        regularizers.deserialize(config)


def test_layers_use_them_by_name():
    layer = nv.layers.Dense(2, kernel_regularizer="l2", kernel_constraint="unit_norm")
    layer(np.ones((1, 3), "float32"))
    expected = 0.01 * (layer.get_weights()[0] ** 2).sum()
    assert layer.losses[0].item() == pytest.approx(expected, rel=1e-6)
    nv.optimizers.SGD(0.1).apply([nv.ones((3, 2))], [layer.kernel])
    lengths = np.linalg.norm(layer.get_weights()[0], axis=0)
    np.testing.assert_allclose(lengths, 1.0, rtol=1e-6)
