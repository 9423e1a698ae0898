"""Factors of the learning rate for some variables."""

import numpy as np
import pytest

import nervure as nv
from nervure.errors import ArgumentError
from nervure.nn.variable import Variable


def variable(path, value=1.0):
    made = Variable([value, value])
    made.path = path
    return made


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop", "Lion", "Nadam"])
def test_a_factor_is_another_rate(name):
    """With a factor everything is as with the product as rate, in several steps."""
    kind = getattr(nv.optimizers, name)
    slow, fast, alone = variable("a/kernel"), variable("b/kernel"), variable("a/kernel")
    together = kind(0.1, learning_rate_multipliers={"a/.*": 0.25}, weight_decay=0.5)
    single = kind(0.025, weight_decay=0.5)
    for step in range(3):
        gradient = nv.asarray([1.0, -0.5 * step], dtype="float32")
        together.apply([gradient, gradient], [slow, fast])
        single.apply([gradient], [alone])
    np.testing.assert_allclose(slow.numpy(), alone.numpy(), rtol=1e-6)
    assert (fast.numpy() != slow.numpy()).all()


def test_zero_keeps_a_variable():
    kept = variable("a/kernel")
    adam = nv.optimizers.Adam(learning_rate_multipliers={"a/kernel": 0})
    adam.apply([nv.asarray([1.0, 2.0])], [kept])
    np.testing.assert_array_equal(kept.numpy(), [1, 1])


def test_schedules_are_multiplied_and_configuration_kept():
    schedule = nv.optimizers.schedules.ExponentialDecay(0.5, 1, 0.5)
    sgd = nv.optimizers.SGD(schedule, learning_rate_multipliers={"a/.*": 0.1})
    again = type(sgd).from_config(sgd.get_config())
    assert again.learning_rate_multipliers == {"a/.*": 0.1}
    moved = variable("a/kernel", 0.0)
    for _ in range(2):
        again.apply([nv.asarray([1.0, 1.0])], [moved])
    np.testing.assert_allclose(moved.numpy(), -0.1 * (0.5 + 0.25), rtol=1e-6)


def test_a_saved_model_keeps_its_factors(tmp_path):
    model = nv.models.Sequential([nv.layers.Dense(1, name="out", input_shape=(2,))])
    key = next(one.path for one in model.weights if one.name == "kernel")
    sgd = nv.optimizers.SGD(0.1, learning_rate_multipliers={key: 0.0})
    model.compile(sgd, "mse")
    model.save(tmp_path / "m.nv")
    again = nv.models.load_model(tmp_path / "m.nv")
    kernel, bias = again.get_weights()
    again.fit(np.ones((4, 2)), np.full((4, 1), 9.0), verbose=0)
    np.testing.assert_array_equal(again.get_weights()[0], kernel)
    assert (again.get_weights()[1] != bias).all()


def test_bad_factors():
    with pytest.raises(ArgumentError, match="at least 0"):
        nv.optimizers.SGD(learning_rate_multipliers={"a": -1})
    both = nv.optimizers.SGD(learning_rate_multipliers={"a/.*": 1, ".*/kernel": 2})
    with pytest.raises(ArgumentError, match=r"several .* 'a/kernel'"):
        both.apply([nv.asarray([1.0, 1.0])], [variable("a/kernel")])
    none = nv.optimizers.SGD(learning_rate_multipliers={"kernel": 2})
    with pytest.raises(ArgumentError, match="none of the 1 variables"):
        none.apply([nv.asarray([1.0, 1.0])], [variable("a/kernel")])
