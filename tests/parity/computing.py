"""What is computed for a case: the same for both frameworks, by one code.

A :class:`Framework` says how one of them does the few things that differ.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tests.parity.cases import (
    KINDS,
    Arrays,
    Case,
    array,
    is_array,
    kind_of,
    nested_kind,
    seed_of,
)

NDArray = npt.NDArray[Any]

STEPS = 20


class Framework:
    """One of the two: what the computations below need of it."""

    def module(self, name: str) -> Any:
        """Return a module, such as ``losses``."""
        raise NotImplementedError

    def array(self, value: NDArray) -> Any:
        """Return an array of the framework."""
        raise NotImplementedError

    def seed(self, number: int) -> None:
        """Set the seed of everything random."""
        raise NotImplementedError

    def value_and_gradients(
        self, function: Callable[..., Any], arguments: Sequence[NDArray]
    ) -> tuple[NDArray, list[NDArray]]:
        """Return the value and, for :func:`cotangent` of its shape, its gradients."""
        raise NotImplementedError

    def metric_results(
        self, metric: Any, updates: Sequence[tuple[list[NDArray], dict[str, NDArray]]]
    ) -> list[NDArray]:
        """Return the result after each update."""
        raise NotImplementedError

    def optimized(
        self,
        optimizer: Any,
        starts: Sequence[NDArray],
        gradients: Sequence[Sequence[NDArray]],
        options: Case,
    ) -> list[NDArray]:
        """Return variables after steps with given gradients."""
        raise NotImplementedError

    def layer_answers(
        self, case: Case, layer: Any, trial: LayerTrial, given: Arrays | None
    ) -> Arrays:
        """Return what a layer computes; see :class:`LayerTrial`."""
        raise NotImplementedError


def cotangent(shape: Sequence[int]) -> NDArray:
    """Return the fixed numbers by which the elements of a value count in gradients."""
    count = int(np.prod(shape))
    return np.linspace(0.5, 1.5, count, dtype="float32").reshape(tuple(shape))


class LayerTrial:
    """The arguments of a layer's call, and how its outputs become one number."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.inputs = [
            array(case, f"input {place}", one)
            for place, one in enumerate(case["inputs"])
        ]
        self.options = {
            name: array(case, name, one) if is_array(one) else one
            for name, one in case.get("call", {}).items()
        }
        self.training = bool(case.get("training", True))
        # The places of the inputs that a gradient can be taken for.
        self.smooth = [
            place for place, one in enumerate(self.inputs) if one.dtype.kind == "f"
        ]

    def arguments(self, inputs: Sequence[Any]) -> Any:
        """Return the first argument of the call: an array, or a list of several."""
        return inputs[0] if len(inputs) == 1 else list(inputs)

    def coefficients(self, place: int, shape: Sequence[int]) -> NDArray:
        """Return the fixed numbers that an output is multiplied with in the loss."""
        random = np.random.default_rng(seed_of(self.case, f"coefficients {place}"))
        return random.standard_normal(tuple(shape)).astype("float32")

    def perturbed(self, weights: Sequence[NDArray]) -> list[NDArray]:
        """Return first weights moved a little, so that no bias is all zero."""
        random = np.random.default_rng(seed_of(self.case, "weights"))
        return [
            (one + random.uniform(0.0, 0.1, one.shape)).astype(one.dtype)
            if one.dtype.kind == "f"
            else one
            for one in weights
        ]


def compute(framework: Framework, case: Case, given: Arrays | None = None) -> Arrays:
    """Return the answers for a case by name.

    ``given`` are the other framework's, from which only weights are taken.
    """
    framework.seed(seed_of(case, "framework"))
    kind = kind_of(case)
    if kind == "function":
        return _of_function(framework, case)
    if kind == "activation":
        function = getattr(framework.module("activations"), case["activation"])
        return _with_gradients(framework, case, function, case["inputs"])
    made = make(framework, kind, case)
    if kind == "layer":
        return framework.layer_answers(case, made, LayerTrial(case), given)
    return _COMPUTATIONS[kind](framework, case, made)


def make(framework: Framework, kind: str, description: Case) -> Any:
    """Return the object that a case, or an argument in it, describes."""
    class_ = getattr(framework.module(KINDS[kind]), description[kind])
    # Not the dictionary as a whole: {"activation": "relu"} would be taken for one.
    config = description.get("config", {})
    return class_(**{name: _made(framework, one) for name, one in config.items()})


def _made(framework: Framework, value: Any) -> Any:
    kind = nested_kind(value)
    if kind is not None:
        return make(framework, kind, value)
    if isinstance(value, dict):
        return {key: _made(framework, one) for key, one in value.items()}
    if isinstance(value, list):
        return [_made(framework, one) for one in value]
    return value


def _of_loss(framework: Framework, case: Case, loss: Any) -> Arrays:
    true = framework.array(array(case, "y_true", case["y_true"]))
    pred = array(case, "y_pred", case["y_pred"])
    weight = _weight(case, 0)

    def function(prediction: Any) -> Any:
        return loss(true, prediction, sample_weight=weight)

    value, gradients = framework.value_and_gradients(function, [pred])
    return {"value": value, "gradient": gradients[0]}


def _weight(case: Case, update: int) -> NDArray | None:
    description = case.get("sample_weight")
    if description is None:
        return None
    if "shape" in description and not description.keys() & {"low", "high"}:
        description = {"low": 0.0, "high": 2.0, **description}
    return array(case, f"sample_weight {update}", description)


def _of_function(framework: Framework, case: Case) -> Arrays:
    module, _, name = case["function"].rpartition(".")
    function = getattr(framework.module(module), name)
    options = case.get("config", {})
    arguments = [
        framework.array(array(case, f"input {place}", one))
        for place, one in enumerate(case["inputs"])
    ]
    return {"value": np.asarray(function(*arguments, **options))}


def _with_gradients(
    framework: Framework, case: Case, function: Any, descriptions: list[Any]
) -> Arrays:
    options = case.get("config", {})
    arguments = [
        array(case, f"input {place}", one) for place, one in enumerate(descriptions)
    ]
    value, gradients = framework.value_and_gradients(
        lambda *given: function(*given, **options), arguments
    )
    named = {f"gradient {place}": one for place, one in enumerate(gradients)}
    return {"value": value, **named}


def _of_metric(framework: Framework, case: Case, metric: Any) -> Arrays:
    updates = []
    for update in range(case.get("updates", 3)):
        names = ("values",) if "values" in case else ("y_true", "y_pred")
        positional = [array(case, f"{name} {update}", case[name]) for name in names]
        weight = _weight(case, update)
        options = {} if weight is None else {"sample_weight": weight}
        updates.append((positional, options))
    results = framework.metric_results(metric, updates)
    return {f"result {place}": np.asarray(one) for place, one in enumerate(results)}


def _of_optimizer(framework: Framework, case: Case, optimizer: Any) -> Arrays:
    shapes = case.get("shapes", [[3, 4], [4]])
    starts = [
        array(case, f"start {place}", {"shape": shape})
        for place, shape in enumerate(shapes)
    ]
    gradients = [
        [
            array(case, f"gradient {step} {place}", {"shape": shape})
            for place, shape in enumerate(shapes)
        ]
        for step in range(case.get("steps", STEPS))
    ]
    for step in case.get("infinite", ()):
        gradients[step][0].flat[0] = np.inf
    values = framework.optimized(optimizer, starts, gradients, case)
    return {f"variable {place}": one for place, one in enumerate(values)}


def _of_schedule(framework: Framework, case: Case, schedule: Any) -> Arrays:
    steps = case.get("steps", [0, 1, 2, 5, 10, 20, 50, 99, 100, 101, 250, 1000])
    rates = [float(np.asarray(schedule(step))) for step in steps]
    return {"rates": np.array(rates, "float32")}


def _of_initializer(framework: Framework, case: Case, initializer: Any) -> Arrays:
    values = np.asarray(initializer(tuple(case["shape"])))
    if case.get("exact", False):
        return {"value": values}
    ordered = np.quantile(values, [0.05, 0.25, 0.5, 0.75, 0.95])
    spread = values.std()
    return {"moments": np.array([values.mean(), spread, *ordered]) / spread}


def _of_regularizer(framework: Framework, case: Case, regularizer: Any) -> Arrays:
    value, gradients = framework.value_and_gradients(
        regularizer, [array(case, "value", {"shape": case["shape"]})]
    )
    return {"value": value, "gradient": gradients[0]}


def _of_constraint(framework: Framework, case: Case, constraint: Any) -> Arrays:
    value = framework.array(array(case, "value", {"shape": case["shape"]}))
    return {"value": np.asarray(constraint(value))}


_COMPUTATIONS: dict[str, Callable[[Framework, Case, Any], Arrays]] = {
    "loss": _of_loss,
    "metric": _of_metric,
    "optimizer": _of_optimizer,
    "schedule": _of_schedule,
    "initializer": _of_initializer,
    "regularizer": _of_regularizer,
    "constraint": _of_constraint,
}
