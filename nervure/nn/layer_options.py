"""The arguments that the constructor of every layer takes besides its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, TypedDict

import numpy.typing as npt

from nervure.errors import ArgumentError, explain
from nervure.nn.symbolic import PartialShape, as_partial_shape


class LayerOptions(TypedDict, total=False):
    """What every layer's constructor takes besides its own arguments.

    ``input_shape``, ``input_dim`` and ``batch_input_shape`` tell the first layer of a
    ``Sequential`` what it will be given; only one of them may be used.
    """

    name: str | None  # automatic by default: dense, dense_1, ...
    trainable: bool  # whether training changes the weights
    dtype: npt.DTypeLike | None  # of the weights and the computation; float32
    activity_regularizer: Any  # a name or a function of the output, for the loss
    input_shape: Sequence[int | None] | int | None  # of one sample
    input_dim: int | None  # of one sample with a single axis
    batch_input_shape: Sequence[int | None] | None  # with the batch in front


SHAPE_OPTIONS: Final = ("input_shape", "input_dim", "batch_input_shape")
DEFAULTS: Final[dict[str, Any]] = {"trainable": True}


def declared_shape(options: LayerOptions) -> PartialShape | None:
    """Return the input's shape, batch first, that a constructor was given."""
    given = [name for name in SHAPE_OPTIONS if options.get(name) is not None]
    if not given:
        return None
    if len(given) > 1:
        raise ArgumentError(
            explain(
                f"give only one of {' and '.join(given)}",
                fix="say the shape once, without the batch, as input_shape=(784,)",
            )
        )
    shape = as_partial_shape(options[given[0]])  # type: ignore[literal-required]
    return shape if given[0] == "batch_input_shape" else (None, *shape)
