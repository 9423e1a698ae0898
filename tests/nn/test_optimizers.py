"""Twenty steps of each optimizer, against torch or the formula in float64."""

import math
import pickle

import numpy as np
import pytest
import torch

import nervure as nv
from nervure import optimizers
from nervure.errors import ShapeError, UnknownNameError
from nervure.nn.variable import Variable
from nervure.step import Step

STEPS = 20
random = np.random.default_rng(0)
START = [random.normal(size=(3, 2)), random.normal(size=2)]
GRADIENTS = [
    [random.normal(size=(3, 2)), random.normal(size=2) * 0.1] for _ in range(STEPS)
]


def run(optimizer, dtype="float64"):
    """Return the variables after twenty steps in a compiled step."""
    variables = [
        Variable(value, name=f"w{place}", dtype=dtype)
        for place, value in enumerate(START)
    ]

    def update(constants, varying):
        optimizer.apply(varying, variables)

    optimizer.build(variables)
    Step(update).run([], [np.stack(one).astype(dtype) for one in zip(*GRADIENTS)])
    assert optimizer.iterations.numpy() == STEPS
    return [variable.numpy() for variable in variables]


def run_torch(make):
    variables = [torch.tensor(value, requires_grad=True) for value in START]
    optimizer = make(variables)
    for gradients in GRADIENTS:
        for variable, gradient in zip(variables, gradients):
            variable.grad = torch.tensor(gradient)
        optimizer.step()
    return [variable.detach().numpy() for variable in variables]


def agree(got, expected, rtol=1e-6, atol=1e-9):
    # The rate is kept in float32, so 1e-6 is what float64 weights can agree to.
    for one, other, start in zip(got, expected, START):
        np.testing.assert_allclose(one - start, other - start, rtol=rtol, atol=atol)


# torch keeps epsilon inside bias-corrected terms, so a tiny one makes both alike.
AGAINST_TORCH = {
    "sgd": (optimizers.SGD(0.1), lambda p: torch.optim.SGD(p, 0.1)),
    "momentum": (
        optimizers.SGD(0.1, momentum=0.9),
        lambda p: torch.optim.SGD(p, 0.1, momentum=0.9),
    ),
    "nesterov": (
        optimizers.SGD(0.1, 0.9, True),
        lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, nesterov=True),
    ),
    "adam": (
        optimizers.Adam(0.01, epsilon=1e-14),
        lambda p: torch.optim.Adam(p, 0.01, eps=1e-14),
    ),
    "adam, other betas": (
        optimizers.Adam(0.01, 0.5, 0.8, epsilon=1e-14),
        lambda p: torch.optim.Adam(p, 0.01, (0.5, 0.8), eps=1e-14),
    ),
    "rmsprop": (
        optimizers.RMSprop(0.01, rho=0.8, epsilon=1e-14),
        lambda p: torch.optim.RMSprop(p, 0.01, alpha=0.8, eps=1e-14),
    ),
    "rmsprop, centered, momentum": (
        optimizers.RMSprop(0.01, momentum=0.7, epsilon=1e-14, centered=True),
        lambda p: torch.optim.RMSprop(
            p, 0.01, alpha=0.9, eps=1e-14, momentum=0.7, centered=True
        ),
    ),
}


@pytest.mark.parametrize("name", AGAINST_TORCH)
def test_against_torch(name):
    mine, theirs = AGAINST_TORCH[name]
    agree(run(mine), run_torch(theirs), 3e-5 if "centered" in name else 1e-6)


def keras_adam(rate=0.001, b1=0.9, b2=0.999, epsilon=1e-7, amsgrad=False):
    """Return the variables by the formula of Keras 3, in float64."""
    result = []
    for place, start in enumerate(START):
        w, m, v, largest = start.copy(), 0.0, 0.0, 0.0
        for t, gradients in enumerate(GRADIENTS, start=1):
            g = gradients[place]
            size = rate * math.sqrt(1 - b2**t) / (1 - b1**t)
            m = m + (g - m) * (1 - b1)
            v = v + (g * g - v) * (1 - b2)
            largest = np.maximum(largest, v)
            w = w - m * size / (np.sqrt(largest if amsgrad else v) + epsilon)
        result.append(w)
    return result


@pytest.mark.parametrize("amsgrad", [False, True])
@pytest.mark.parametrize("epsilon", [1e-7, 1e-2])
def test_adam_against_keras_formula(amsgrad, epsilon):
    expected = keras_adam(epsilon=epsilon, amsgrad=amsgrad)
    agree(run(optimizers.Adam(epsilon=epsilon, amsgrad=amsgrad)), expected)
    single = run(optimizers.Adam(epsilon=epsilon, amsgrad=amsgrad), "float32")
    agree(single, expected, rtol=1e-4, atol=5e-7)  # twenty roundings of weights


def test_rmsprop_against_keras_formula():
    rate, rho, momentum, epsilon = 0.001, 0.9, 0.5, 1e-2
    expected = []
    for place, start in enumerate(START):
        w, v, mean, total = start.copy(), 0.0, 0.0, 0.0
        for gradients in GRADIENTS:
            g = gradients[place]
            v = rho * v + (1 - rho) * g * g
            mean = rho * mean + (1 - rho) * g
            step = rate * g / np.sqrt(v - mean * mean + epsilon)
            total = momentum * total + step
            w = w - total
        expected.append(w)
    optimizer = optimizers.RMSprop(rate, rho, momentum, epsilon, centered=True)
    agree(run(optimizer), expected)


def test_clipping():
    def after(**options):
        optimizer = optimizers.SGD(1.0, **options)
        variables = [Variable(np.zeros(2)), Variable(np.zeros(1))]
        optimizer.apply([np.array([3.0, 4.0]), np.array([12.0])], variables)
        return [(-variable.numpy()).tolist() for variable in variables]

    assert after() == [[3.0, 4.0], [12.0]]
    assert after(clipvalue=3.5) == [[3.0, 3.5], [3.5]]
    assert after(clipnorm=2.5) == [[1.5, 2.0], [2.5]]
    assert after(clipnorm=5.0) == [[3.0, 4.0], [5.0]]
    np.testing.assert_allclose(
        np.concatenate(after(global_clipnorm=6.5)), np.array([3, 4, 12]) / 2
    )
    assert after(global_clipnorm=20.0) == [[3.0, 4.0], [12.0]]
    with pytest.raises(ValueError, match="give only one of clipnorm and clipvalue"):
        optimizers.SGD(clipnorm=1.0, clipvalue=1.0)
    with pytest.raises(ValueError, match="expected clipnorm to be above 0, got 0"):
        optimizers.SGD(clipnorm=0)


def test_weight_decay_is_decoupled():
    expected = run_torch(
        lambda p: torch.optim.AdamW(p, 0.01, eps=1e-14, weight_decay=0.1)
    )
    agree(run(optimizers.Adam(0.01, epsilon=1e-14, weight_decay=0.1)), expected, 1e-5)


def test_constraints_hold_after_every_step():
    weight = Variable([0.5, 0.5], constraint=lambda value: nv.clip(value, 0.0, 1.0))
    optimizers.SGD(1.0).apply([nv.asarray([-3.0, 0.25])], [weight])
    assert weight.numpy().tolist() == [1.0, 0.25]


def test_learning_rate_is_a_variable():
    optimizer = optimizers.SGD(0.5)
    weight = Variable([1.0])

    def update(constants, varying):
        optimizer.apply(varying, [weight])

    step = Step(update)
    gradients = [np.ones((1, 1), "float32")]
    step.run([], gradients)
    assert weight.numpy() == 0.5
    optimizer.learning_rate = 0.25
    step.run([], gradients)
    assert weight.numpy() == 0.25
    assert step.recompiles.causes == []
    assert float(optimizer.learning_rate) == 0.25
    optimizer.learning_rate.assign(0.125)
    assert optimizer.get_config()["learning_rate"] == 0.125
    for wrong in ("fast", math.nan, None):
        with pytest.raises(ValueError, match="learning_rate to be a finite number"):
            optimizer.learning_rate = wrong
    with pytest.raises(ValueError, match="learning_rate to be a finite number"):
        optimizers.Adam(math.inf)


def test_state():
    optimizer = optimizers.Adam(amsgrad=True)
    weight = Variable(np.zeros((2, 3), "float32"), name="kernel")
    assert not optimizer.built
    optimizer.build([weight])
    assert optimizer.built
    assert [one.path for one in optimizer.variables] == [
        "iterations",
        "learning_rate",
        "kernel/momentum",
        "kernel/velocity",
        "kernel/velocity_hat",
    ]
    slots = optimizer.variables[2:]
    optimizer.build([weight])
    assert all(map(lambda one, other: one is other, optimizer.variables[2:], slots))
    assert [one.shape for one in slots] == [(2, 3)] * 3
    assert len(optimizers.SGD().active_slots()) == 0


def test_apply_gradients_counts_steps():
    optimizer = optimizers.SGD(0.1)
    one, other = Variable([1.0]), Variable([1.0])
    pairs = [(nv.asarray([1.0]), one), (None, other)]
    assert optimizer.apply_gradients(pairs).numpy() == 1
    assert one.numpy().tolist() == pytest.approx([0.9])
    assert other.numpy().tolist() == [1.0]


def test_wrong_gradients_change_nothing():
    optimizer = optimizers.SGD(0.1)
    weight = Variable([1.0, 2.0], name="w")
    with pytest.raises(ShapeError, match="a gradient for each of 1 variables, got 2"):
        optimizer.apply([np.ones(2), np.ones(2)], [weight])
    with pytest.raises(ShapeError, match="gradient of the variable 'w' has shape"):
        optimizer.apply([np.ones(1)], [weight])
    assert optimizer.iterations.numpy() == 0


def test_lookup_and_configuration():
    for name in ("sgd", "SGD", "adam", "Adam", "rmsprop", "RMSprop"):
        assert type(optimizers.get(name)).__name__.lower() == name.lower()
    for wrong in ("adma", "rms_prop"):
        with pytest.raises(UnknownNameError, match="did you mean .*'(adam|rmsprop)'"):
            optimizers.get(wrong)
    with pytest.raises(UnknownNameError, match="call it: Adam\\(\\)"):
        optimizers.get(optimizers.Adam)
    for optimizer in (
        optimizers.SGD(0.3, 0.5, True, clipnorm=1.0),
        optimizers.Adam(amsgrad=True, weight_decay=0.1, name="mine"),
        optimizers.RMSprop(centered=True),
    ):
        config = optimizer.get_config()
        again = optimizers.get(
            {"class_name": type(optimizer).__name__, "config": config}
        )
        assert again.get_config() == config
    with pytest.raises(TypeError, match="did you mean 'learning_rate'"):
        optimizers.Adam(learing_rate=0.1)
    with pytest.raises(ValueError, match="momentum to be from 0 to 1, got 2"):
        optimizers.SGD(momentum=2)
    with pytest.raises(ValueError, match="beta_2 to be from 0 below 1, got 1"):
        optimizers.Adam(beta_2=1.0)


def test_optimizers_can_be_pickled():
    optimizer = optimizers.SGD(0.1, momentum=0.9)
    weight = Variable([1.0])
    optimizer.apply([np.ones(1)], [weight])
    again, weight_again = pickle.loads(pickle.dumps((optimizer, weight)))
    for one, variable in ((optimizer, weight), (again, weight_again)):
        one.apply([np.ones(1)], [variable])
    assert weight.numpy() == weight_again.numpy()
    assert again.iterations.numpy() == 2
