"""What the page of the playground asks for, read from JSON and checked."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from nervure.errors import ArgumentError, explain
from nervure.studio.playground.points import CLASSIFICATION, FEATURES, REGRESSION, names

ACTIVATIONS: Final = ("relu", "tanh", "sigmoid", "linear", "gelu", "selu", "swish")
OPTIMIZERS: Final = ("sgd", "momentum", "adam", "adamw", "rmsprop", "adagrad", "lion")
PENALTIES: Final = ("none", "l1", "l2")
MOST_LAYERS: Final = 6
MOST_NEURONS: Final = 8


@dataclass(frozen=True)
class Choices:
    """Everything that can be set on the page.

    Attributes
    ----------
    data
        A name of ``points.names()``, "sklearn:..." or "csv".
    noise
        From 0 to 0.5.
    train_part
        The part of the points to train on, from 0.1 to 0.9.
    batch
        Points a step, from 1 to 100.
    features
        Keys of ``points.FEATURES``.
    hidden
        Neurons of each hidden layer.
    activation, problem, optimizer, penalty
        One of the words above.
    rate, penalty_rate, dropout
        Learning rate, factor of the penalty, part of the neurons left out.
    batch_norm
        Whether every hidden layer is normalised.
    seed
        Of the points and of the first weights.
    """

    data: str = "circle"
    noise: float = 0.0
    train_part: float = 0.5
    batch: int = 10
    features: tuple[str, ...] = ("x", "y")
    hidden: tuple[int, ...] = (4, 2)
    activation: str = "tanh"
    problem: str = CLASSIFICATION
    optimizer: str = "sgd"
    rate: float = 0.03
    penalty: str = "none"
    penalty_rate: float = 0.0
    dropout: float = 0.0
    batch_norm: bool = False
    seed: int = 0


def read_choices(data: Any) -> Choices:
    """Return the choices that a JSON object describes; what is missing is as at first.

    Raises
    ------
    ArgumentError
        For an unknown name, and a value out of range.

    >>> from nervure.studio.playground.choices import read_choices
    >>> read_choices({"hidden": [3]}).hidden
    (3,)
    """
    if not isinstance(data, dict):
        raise _refused("the choices", "an object", data)
    unknown = sorted(set(data) - set(_READERS))
    if unknown:
        raise ArgumentError(
            explain(
                f"the playground has no choice {unknown[0]!r}",
                fix=f"take {', '.join(_READERS)}",
            )
        )
    found = {name: _READERS[name](name, value) for name, value in data.items()}
    return Choices(**found)


_Reader = Callable[[str, Any], Any]


def _refused(name: str, expected: str, value: Any) -> ArgumentError:
    headline = f"{name} must be {expected}, got {value!r:.80}"
    return ArgumentError(
        explain(headline, fix="choose another value, as the page does")
    )


def _number(low: float, high: float) -> _Reader:
    def read(name: str, value: Any) -> float:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not math.isfinite(value) or not low <= value <= high:
            raise _refused(name, f"a number from {low:g} to {high:g}", value)
        return float(value)

    return read


def _whole(low: int, high: int) -> _Reader:
    def read(name: str, value: Any) -> int:
        is_whole = isinstance(value, int) and not isinstance(value, bool)
        if not is_whole or not low <= value <= high:
            raise _refused(name, f"a whole number from {low} to {high}", value)
        return int(value)

    return read


def _one_of(*words: str) -> _Reader:
    def read(name: str, value: Any) -> str:
        if value not in words:
            raise _refused(name, f"one of {', '.join(words)}", value)
        return str(value)

    return read


def _data(name: str, value: Any) -> str:
    known = value in (*names(), "csv")
    if not isinstance(value, str) or not (known or value.startswith("sklearn:")):
        raise _refused(name, f"one of {', '.join(names())}, csv, sklearn:NAME", value)
    return value


def _features(name: str, value: Any) -> tuple[str, ...]:
    if (
        not isinstance(value, list)
        or not value
        or not all(isinstance(one, str) and one in FEATURES for one in value)
    ):
        raise _refused(name, f"a list of some of {', '.join(FEATURES)}", value)
    return tuple(one for one in FEATURES if one in value)


def _hidden(name: str, value: Any) -> tuple[int, ...]:
    if not isinstance(value, list) or len(value) > MOST_LAYERS:
        raise _refused(name, f"a list of at most {MOST_LAYERS} numbers", value)
    read = _whole(1, MOST_NEURONS)
    return tuple(read(name, one) for one in value)


def _truth(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise _refused(name, "true or false", value)
    return value


_READERS: Final[dict[str, _Reader]] = {
    "data": _data,
    "noise": _number(0, 0.5),
    "train_part": _number(0.1, 0.9),
    "batch": _whole(1, 100),
    "features": _features,
    "hidden": _hidden,
    "activation": _one_of(*ACTIVATIONS),
    "problem": _one_of(CLASSIFICATION, REGRESSION),
    "optimizer": _one_of(*OPTIMIZERS),
    "rate": _number(0, 10),
    "penalty": _one_of(*PENALTIES),
    "penalty_rate": _number(0, 10),
    "dropout": _number(0, 0.9),
    "batch_norm": _truth,
    "seed": _whole(0, 2**31 - 1),
}
