"""What every optimizer can do: means, accumulation, scales, schedules, exclusion."""

import math

import numpy as np
import pytest
import torch

import nervure as nv
from nervure import optimizers
from nervure.errors import ArgumentError, ShapeError
from nervure.nn.variable import Variable
from nervure.optimizers import schedules
from nervure.step import Step

random = np.random.default_rng(0)
START = random.normal(size=(3, 2))
GRADIENTS = random.normal(size=(12, 3, 2))


def run(optimizer, gradients=GRADIENTS, **variable_options):
    """Return a variable after a compiled run with given gradients."""
    variable = Variable(START, name="kernel", dtype="float64", **variable_options)
    optimizer.build([variable])
    step = Step(lambda constants, varying: optimizer.apply(varying, [variable]))
    step.run([], [gradients])
    return variable


def close(got, expected, rtol=1e-6):
    np.testing.assert_allclose(np.asarray(got), expected, rtol=rtol, atol=1e-8)


# --- against torch -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        (
            optimizers.Adagrad(0.1, initial_accumulator_value=0.2, epsilon=1e-14),
            lambda p: torch.optim.Adagrad(
                p, 0.1, initial_accumulator_value=0.2, eps=1e-14
            ),
        ),
        (
            optimizers.Adadelta(1.0, rho=0.9, epsilon=1e-6),
            lambda p: torch.optim.Adadelta(p, 1.0, rho=0.9, eps=1e-6),
        ),
        (
            optimizers.Adamax(0.1, epsilon=1e-14),
            lambda p: torch.optim.Adamax(p, 0.1, eps=1e-14),
        ),
        (
            optimizers.AdamW(0.1, 0.3, epsilon=1e-14),
            lambda p: torch.optim.AdamW(p, 0.1, eps=1e-14, weight_decay=0.3),
        ),
        (
            optimizers.Nadam(0.1, epsilon=1e-14),
            lambda p: torch.optim.NAdam(p, 0.1, eps=1e-14, momentum_decay=1.0),
        ),
    ],
    ids=["adagrad", "adadelta", "adamax", "adamw", "nadam"],
)
def test_against_torch(mine, theirs):
    weight = torch.tensor(START, requires_grad=True)
    optimizer = theirs([weight])
    for gradient in GRADIENTS:
        weight.grad = torch.tensor(gradient)
        optimizer.step()
    close(run(mine).numpy(), weight.detach().numpy(), 2e-6)


def test_muon_makes_updates_orthogonal():
    optimizer = optimizers.Muon(1.0, momentum=0.0, nesterov=False, rms_rate=None)
    before = START.copy()
    after = run(optimizer, GRADIENTS[:1]).numpy()
    update = before * (1 - 0.004) - after
    singular = np.linalg.svd(update)[1]
    assert ((singular > 0.6) & (singular < 1.3)).all()


def test_lion_moves_by_the_sign():
    after = run(optimizers.Lion(0.125), GRADIENTS[:1]).numpy()
    close(after, START - 0.125 * np.sign(GRADIENTS[0]))


# --- options -------------------------------------------------------------------------


def test_running_means_of_weights():
    plain, mean = START.copy(), None
    for gradient in GRADIENTS:
        plain = plain - 0.1 * gradient
        mean = plain if mean is None else 0.8 * mean + 0.2 * plain
    optimizer = optimizers.SGD(0.1, use_ema=True, ema_momentum=0.8)
    variable = run(optimizer)
    close(variable, plain)
    optimizer.finalize_variable_values([variable])
    close(variable, mean)


def test_weights_become_their_means():
    plain, mean = START.copy(), None
    for number, gradient in enumerate(GRADIENTS, 1):
        plain = plain - 0.1 * gradient
        mean = plain if mean is None else 0.5 * mean + 0.5 * plain
        if number % 4 == 0:
            plain = mean
    optimizer = optimizers.SGD(
        0.1, use_ema=True, ema_momentum=0.5, ema_overwrite_frequency=4
    )
    close(run(optimizer), plain)


@pytest.mark.parametrize("name", ["sgd", "adam", "nadam"])
def test_accumulated_gradients_are_one_step(name):
    means = GRADIENTS.reshape(4, 3, 3, 2).mean(axis=1)
    expected = run(optimizers.get(name), means).numpy()
    class_ = type(optimizers.get(name))
    optimizer = class_(gradient_accumulation_steps=3)
    close(run(optimizer), expected, 1e-12)
    assert np.asarray(optimizer.iterations) == 4
    # Two more steps make no update.
    weight = run(class_(gradient_accumulation_steps=3), GRADIENTS[:2])
    np.testing.assert_array_equal(weight.numpy(), START)


def test_fixed_loss_scale():
    optimizer = optimizers.SGD(0.1, loss_scale_factor=16.0)
    assert optimizer.scale_loss(nv.asarray(2.0)).item() == 32.0
    close(run(optimizer, GRADIENTS * 16), run(optimizers.SGD(0.1)).numpy())


def test_dynamic_loss_scale():
    inner = optimizers.SGD(0.5)
    optimizer = optimizers.LossScaleOptimizer(inner, 8.0, dynamic_growth_steps=2)
    gradients = np.array([8.0, np.inf, 4.0, 4.0, np.nan, 8.0])
    weight = Variable(0.0, dtype="float64")
    optimizer.build([weight])
    step = Step(lambda constants, varying: optimizer.apply(varying, [weight]))
    seen = []
    for gradient in gradients:
        step.run([], [np.array([gradient])])
        seen.append((weight.numpy().item(), optimizer.dynamic_scale.numpy().item()))
    assert seen == [
        (-0.5, 8.0),
        (-0.5, 4.0),  # halved, and no step
        (-1.0, 4.0),
        (-1.5, 8.0),  # two good steps: doubled
        (-1.5, 4.0),
        (-2.5, 4.0),
    ]
    assert optimizer.iterations.numpy() == 4
    optimizer.learning_rate = 0.25
    assert float(inner.learning_rate) == 0.25
    config = optimizers.serialize(optimizer)
    assert optimizers.deserialize(config).get_config() == optimizer.get_config()
    assert len(optimizer.variables) == 4


def test_loss_scale_in_fit():
    x = np.linspace(-1, 1, 16, dtype="float32")[:, None]
    histories = []
    for optimizer in (
        optimizers.SGD(0.1),
        optimizers.SGD(0.1, loss_scale_factor=64.0),
        optimizers.LossScaleOptimizer(optimizers.SGD(0.1)),
    ):
        layer = nv.layers.Dense(1, kernel_initializer="ones")
        model = nv.models.Sequential([nv.layers.Input((1,)), layer])
        model.compile(optimizer, "mse")
        fitted = model.fit(x, 3 * x, batch_size=4, epochs=3, shuffle=False, verbose=0)
        histories.append(fitted.history["loss"])
    close(histories[1], histories[0])
    close(histories[2], histories[0])


def test_fit_ends_with_the_means():
    x = np.linspace(-1, 1, 16, dtype="float32")[:, None]
    model = nv.models.Sequential(
        [nv.layers.Input((1,)), nv.layers.Dense(1, kernel_initializer="ones")]
    )
    optimizer = optimizers.SGD(0.1, use_ema=True)
    model.compile(optimizer, "mse")
    model.fit(x, 3 * x, epochs=2, verbose=0)
    kernel = model.trainable_variables[0]
    np.testing.assert_array_equal(
        kernel.numpy(), optimizer.slot(kernel, "average").numpy()
    )


def test_schedules_are_traced_into_the_step():
    schedule = schedules.ExponentialDecay(0.5, 1, 0.5)
    optimizer = optimizers.SGD(schedule)
    expected = START - sum(0.5 ** (t + 1) * g for t, g in enumerate(GRADIENTS))
    close(run(optimizer), expected)
    assert float(optimizer.learning_rate) == pytest.approx(0.5**13)
    with pytest.raises(TypeError, match="follows a schedule"):
        optimizer.learning_rate = 0.1
    config = optimizers.serialize(optimizer)
    again = optimizers.deserialize(config)
    assert again.get_config() == optimizer.get_config()
    optimizer.learning_rate = schedules.CosineDecay(0.25, 100)
    assert float(optimizers.SGD(lambda: 0.5).learning_rate) == 0.5
    assert float(optimizers.SGD(lambda step: step + 1.0).learning_rate) == 1.0


def test_weight_decay_can_exclude():
    plain = run(optimizers.SGD(0.1)).numpy()
    for options in ({"var_names": ["kern"]}, {"var_list": []}):
        optimizer = optimizers.SGD(0.1, weight_decay=0.5)
        optimizer.exclude_from_weight_decay(**options)
        after = run(optimizer).numpy()
        assert np.allclose(after, plain) == ("var_names" in options)
    with pytest.raises(ArgumentError, match="before the optimizer is built"):
        optimizer.exclude_from_weight_decay(var_names=["bias"])
    chosen = Variable([1.0])
    optimizer = optimizers.SGD(0.5, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_list=[chosen])
    optimizer.apply([nv.zeros(1)], [chosen])
    assert chosen.numpy().tolist() == [1.0]


def test_state_can_be_set():
    one, other = optimizers.Adam(0.1), optimizers.Adam(0.2)
    weight = run(one)
    copy = Variable(weight.numpy(), dtype="float64")
    other.build([copy])
    other.set_weights([variable.numpy() for variable in one.variables])
    gradient = [np.ones((3, 2))]
    one.apply(gradient, [weight])
    other.apply(gradient, [copy])
    np.testing.assert_array_equal(weight.numpy(), copy.numpy())
    with pytest.raises(ShapeError, match="has other shapes"):
        other.set_weights([0])


@pytest.mark.parametrize(
    "make",
    [
        lambda: optimizers.SGD(gradient_accumulation_steps=1),
        lambda: optimizers.SGD(use_ema=True, ema_momentum=1.5),
        lambda: optimizers.SGD(use_ema=True, ema_overwrite_frequency=0),
        lambda: optimizers.SGD(loss_scale_factor=0),
        lambda: optimizers.SGD(schedules.CosineDecay),
        lambda: optimizers.AdamW(weight_decay=None),
        lambda: optimizers.Lion(beta_1=0.0),
        lambda: optimizers.Ftrl(learning_rate_power=0.5),
        lambda: optimizers.Ftrl(l1_regularization_strength=-1.0),
        lambda: optimizers.LossScaleOptimizer("sgd"),
        lambda: schedules.CosineDecay(0.1, 0),
        lambda: schedules.PiecewiseConstantDecay([1, 2], [1.0, 2.0]),
        lambda: schedules.PiecewiseConstantDecay([2, 1], [1.0, 2.0, 3.0]),
        lambda: schedules.ExponentialDecay(math.nan, 1, 0.5),
    ],
)
def test_wrong_arguments(make):
    with pytest.raises(ArgumentError):
        make()


@pytest.mark.parametrize(
    "name",
    [
        *(
            "Adadelta",
            "Adafactor",
            "Adagrad",
            "Adam",
            "AdamW",
            "Adamax",
            "Ftrl",
            "Lamb",
        ),
        *("Lion", "Muon", "Nadam", "RMSprop", "SGD", "ScheduleFreeAdamW"),
    ],
)
def test_configuration(name):
    class_ = getattr(optimizers, name)
    assert type(optimizers.get(name.lower())) is class_
    optimizer = class_(0.25, use_ema=True, gradient_accumulation_steps=2, name="mine")
    again = optimizers.deserialize(optimizers.serialize(optimizer))
    assert again.get_config() == optimizer.get_config()
    assert again.get_config()["gradient_accumulation_steps"] == 2
    after = run(class_(0.25), GRADIENTS[:3]).numpy()
    assert np.isfinite(after).all()
    assert not np.array_equal(after, START)


@pytest.mark.parametrize("name", [one for one in schedules.__all__ if "Decay" in one])
def test_schedule_configuration(name):
    arguments = {"PiecewiseConstantDecay": ([5], [1.0, 0.5])}.get(name, (0.1, 10))
    if name in ("ExponentialDecay", "InverseTimeDecay"):
        arguments = (*arguments, 0.5)
    schedule = getattr(schedules, name)(*arguments)
    again = schedules.deserialize(schedules.serialize(schedule))
    assert again.get_config() == schedule.get_config()
    assert schedule(7).item() == again(np.int64(7)).item()
    assert schedule(0).item() >= schedule(9).item()


def test_several_optimizers():
    kernel = Variable(START, name="kernel", dtype="float64")
    bias = Variable(START[0], name="bias", dtype="float64")
    chosen = optimizers.OptimizerMap(optimizers.SGD(0.5))
    chosen["b.*"] = optimizers.SGD(0.25, use_ema=True)
    optimizer = optimizers.MultiOptimizer(chosen, loss_scale_factor=2.0)
    optimizer.apply([2 * np.ones((3, 2)), 2 * np.ones(2)], [kernel, bias])
    close(kernel, START - 0.5)
    close(bias, START[0] - 0.25)
    assert optimizer.scale_loss(nv.asarray(1.0)).item() == 2.0
    assert optimizer.iterations.numpy() == 1
    assert len(optimizer.variables) == 6
    optimizer.finalize_variable_values()
    again = optimizers.deserialize(optimizers.serialize(optimizer))
    assert again.get_config() == optimizer.get_config()
    assert len(chosen) == 1
    assert list(chosen) == ["b.*"]
    with pytest.raises(AttributeError, match="no learning rate in common"):
        optimizer.learning_rate = 0.1
    with pytest.raises(ArgumentError, match="has an optimizer already"):
        chosen["b.*"] = optimizers.SGD()
    with pytest.raises(ArgumentError, match="expected a plain optimizer"):
        chosen["c"] = optimizer
    chosen[".*s"] = optimizers.SGD()
    with pytest.raises(ArgumentError, match="several keys fit"):
        chosen["bias"]
    del chosen[".*s"]
    by_function = optimizers.MultiOptimizer(lambda variable: chosen.default_optimizer)
    by_function.build([kernel])
    with pytest.raises(TypeError, match="give it an OptimizerMap"):
        by_function.get_config()
