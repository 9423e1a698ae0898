"""Which numbers a loss can be given as targets, besides those of classes.

A loss that takes a logarithm of its targets, or counts them, cuts others off without a
word; training would then follow numbers that nobody passed.
"""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

import numpy as np

from nervure.errors import DataError, explain
from nervure.ir.attrs import NDArray
from nervure.nn import losses
from nervure.nn.losses import Loss
from nervure.nn.losses.base import LossFunctionWrapper
from nervure.train.data import position


class _Limits(NamedTuple):
    """The numbers from ``low`` to ``high``, in words, and what to do about others."""

    low: float
    high: float
    words: str
    fix: str


_COUNTS: Final = _Limits(
    0,
    math.inf,
    "counts, which are 0 or more",
    "for numbers of both signs use the loss 'mean_squared_error'",
)
_AMOUNTS: Final = _Limits(
    0,
    math.inf,
    "numbers of 0 or more, of which it takes the logarithm",
    "for numbers of both signs use the loss 'mean_squared_error'",
)
_PROBABILITIES: Final = _Limits(
    0,
    1,
    "probabilities, from 0 to 1",
    "divide each row by its sum, or use the loss 'mean_squared_error'",
)
_SIDES: Final = _Limits(
    -1,
    1,
    "-1 or 1 (0 means -1)",
    "hinge tells two sides apart: -1 and 1; for classes 0, 1, 2, ... use the loss "
    "'sparse_categorical_crossentropy'",
)
_LIMITS: Final[dict[Any, _Limits]] = {
    losses.Poisson: _COUNTS,
    losses.poisson: _COUNTS,
    losses.MeanSquaredLogarithmicError: _AMOUNTS,
    losses.mean_squared_logarithmic_error: _AMOUNTS,
    losses.KLDivergence: _PROBABILITIES,
    losses.kl_divergence: _PROBABILITIES,
    losses.Hinge: _SIDES,
    losses.hinge: _SIDES,
    losses.SquaredHinge: _SIDES,
    losses.squared_hinge: _SIDES,
    losses.CategoricalHinge: _SIDES,
    losses.categorical_hinge: _SIDES,
}


def check_values(loss: Loss, y: NDArray, what: str) -> None:
    """Raise :class:`DataError` for targets that a loss would cut off.

    ``what`` is how the message calls them: ``y of validation_data``.
    """
    key = loss.fn if isinstance(loss, LossFunctionWrapper) else type(loss)
    limits = _LIMITS.get(key)
    if limits is None:
        return
    wrong = (y < limits.low) | (y > limits.high)
    if not wrong.any():
        return
    place = tuple(int(one) for one in np.argwhere(wrong)[0])
    count = int(wrong.sum())
    raise DataError(
        explain(
            f"{what} holds {y[place]} at {position(place)}, but the loss "
            f"{loss.name!r} expects {limits.words} ({count} out of range)",
            fix=limits.fix,
        )
    )
