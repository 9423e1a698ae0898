"""Gradients of every public layer and loss against differences, in float64.

For each input and each weight by itself: the derivative along a random direction and
the central difference agree to 1e-6 of the sum of the terms' sizes.  A new public
layer or loss without an example in ``gradient_cases`` fails here.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import nervure as nv
from nervure import layers, losses, tree
from nervure.array import Array
from nervure.nn.layer import Layer
from nervure.nn.naming import snake_case
from nervure.nn.variable import Variable
from tests.trust.gradient_cases import LAYERS, LOSSES, WITHOUT_GRADIENT, LayerCase

RELATIVE = 1e-6
# Errors: of the difference about its square, of rounding about 1e-16 over it.
STEP = 5e-6

Values = Sequence[np.ndarray]


def check(
    slopes: Values, value_at: Callable[[list[np.ndarray]], float], values: Values
) -> None:
    """Assert that the slopes are those of a function of several arrays."""
    random = np.random.default_rng(0)
    assert any(slope.any() for slope in slopes)
    for place, (slope, value) in enumerate(zip(slopes, values, strict=True)):
        way = random.normal(size=value.shape)
        left, right = list(values), list(values)
        left[place], right[place] = value - STEP * way, value + STEP * way
        low, high = value_at(left), value_at(right)
        terms = slope * way
        # What the function's own rounding makes of a slope of 0.
        noise = 5e-16 * max(abs(low), abs(high), 1.0) / STEP
        allowed = max(RELATIVE * np.abs(terms).sum(), noise)
        found, expected = terms.sum(), (high - low) / (2 * STEP)
        assert abs(found - expected) <= allowed, (place, found, expected)


class Example:
    """A layer of a case, with inputs, and weights that are not zero."""

    def __init__(self, case: LayerCase) -> None:
        nv.utils.set_random_seed(2)
        random = np.random.default_rng(4)
        self.case = case
        self.layer: Layer = case.make({"dtype": "float64"})
        self.inputs = [case.scale * random.normal(size=one) for one in case.shapes]
        case.call(self.layer, [nv.asarray(one) for one in self.inputs])
        self.weights: list[Variable] = (
            list(self.layer.trainable_weights) if case.weights else []
        )
        for weight in self.weights:
            weight.assign(random.uniform(-0.9, 0.9, weight.shape))
        # counters of random numbers and running means, which a call moves on
        self.state = [(one, one.numpy()) for one in self.layer.variables]

    @property
    def values(self) -> list[np.ndarray]:
        return [*self.inputs, *(one.numpy() for one in self.weights)]

    def total(self, given: list[Any]) -> Array:
        """Return one number that all results go into."""
        results, _ = tree.flatten(self.case.call(self.layer, given))
        parts = [nv.sum(one * _factors(one.shape)) for one in results]
        return sum(parts[1:], start=parts[0])

    def restore(self) -> None:
        for variable, value in self.state:
            variable.assign(value)

    def slopes(self) -> list[np.ndarray]:
        self.restore()
        given = [nv.parameter(nv.asarray(one)) for one in self.inputs]
        wanted = [*given, *(one.value for one in self.weights)]
        return [np.asarray(one) for one in nv.gradients(self.total(given), wanted)]

    def value_at(self, values: list[np.ndarray]) -> float:
        self.restore()
        count = len(self.inputs)
        for weight, value in zip(self.weights, values[count:], strict=True):
            weight.assign(value)
        return float(self.total([nv.asarray(one) for one in values[:count]]))


def _factors(shape: tuple[int, ...]) -> np.ndarray:
    return np.cos(np.arange(float(np.prod(shape)))).reshape(shape)


@pytest.mark.parametrize("name", LAYERS)
def test_gradient_of_a_layer(name: str) -> None:
    example = Example(LAYERS[name])
    values = example.values
    assert values
    check(example.slopes(), example.value_at, values)


@pytest.mark.parametrize("name", LOSSES)
def test_gradient_of_a_loss(name: str) -> None:
    options, truth, predicted = LOSSES[name]
    loss = getattr(losses, name.partition(" ")[0])(dtype="float64", **options)

    def value(given: Any) -> Array:
        return loss(nv.asarray(truth), given)

    slope = np.asarray(nv.grad(value)(nv.asarray(predicted)))
    check([slope], lambda given: float(value(nv.asarray(given[0]))), [predicted])


# --- nothing is left out --------------------------------------------------------------


def _checked(cases: Any) -> set[str]:
    return {name.partition(" ")[0] for name in cases}


def test_every_public_layer_is_checked() -> None:
    """Another name of a class that is checked needs no check of its own."""
    public = {name: one for name, one in vars(layers).items() if name in layers.__all__}
    named = _checked(LAYERS) | WITHOUT_GRADIENT.keys()
    known = {public[name] for name in named}
    classes = {name: one for name, one in public.items() if inspect.isclass(one)}
    missing = [name for name, one in classes.items() if one not in known]
    assert missing == [], "give these layers an example in gradient_cases.LAYERS"


def test_every_public_loss_is_checked() -> None:
    without = {"Loss", "LossFunctionWrapper"}  # no computation of their own
    classes = {one for one in losses.__all__ if one[0].isupper()}
    missing = classes - _checked(LOSSES) - without
    assert not missing, "give these losses an example in gradient_cases.LOSSES"
    functions = set(losses.__all__) - classes - {"get", "serialize", "deserialize"}
    snakes = {snake_case(one).replace("_cross_entropy", "") for one in classes}
    for name in functions:
        assert name.replace("_cross_entropy", "") in snakes, name


@pytest.mark.parametrize(
    "layer, given",
    [
        (layers.Discretization([0.0, 1.0]), [-1.0, 0.5, 7.0]),
        (layers.Hashing(3), ["a", "b"]),
        (layers.IntegerLookup(vocabulary=[4, 5]), [5, 4, 9]),
        (layers.StringLookup(vocabulary=["a"]), ["a", "b"]),
        (layers.TextVectorization(vocabulary=["a"]), ["a b", "b"]),
    ],
)
def test_what_has_no_gradient_gives_whole_numbers(layer: Layer, given: Any) -> None:
    assert type(layer).__name__ in WITHOUT_GRADIENT
    assert np.issubdtype(np.asarray(layer(np.asarray(given))).dtype, np.integer)
