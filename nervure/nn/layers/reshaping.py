"""Layers that only arrange the elements anew."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Unpack

from nervure import ops
from nervure.array import Array
from nervure.errors import ShapeError, explain, unknown_name
from nervure.nn.input_spec import InputSpec
from nervure.nn.layer import Layer
from nervure.nn.layer_options import LayerOptions


class Flatten(Layer):
    """Every sample as one row: ``[batch, ...]`` becomes ``[batch, features]``.

    Parameters
    ----------
    data_format
        "channels_last" (also None) keeps the order of the elements; "channels_first"
        moves the second axis to the end before.

    Other arguments: see :class:`~nervure.layers.Layer`.

    >>> import nervure as nv
    >>> nv.layers.Flatten()(nv.zeros((2, 3, 4))).shape
    (2, 12)
    """

    def __init__(
        self, data_format: str | None = None, **options: Unpack[LayerOptions]
    ) -> None:
        super().__init__(**options)
        formats = ("channels_last", "channels_first")
        if data_format is not None and data_format not in formats:
            raise unknown_name("data_format", data_format, formats)
        self.data_format = data_format
        self.input_spec = InputSpec(min_ndim=1)

    def call(self, inputs: Array) -> Array:
        """Compute the output."""
        if self.data_format == "channels_first" and inputs.ndim > 2:
            inputs = ops.moveaxis(inputs, 1, -1)
        # Not (-1): with no sample at all there is nothing to divide by.
        return ops.reshape(inputs, (inputs.shape[0], math.prod(inputs.shape[1:])))


class Reshape(Layer):
    """Every sample in another shape: ``[batch, ...]`` becomes ``[batch, *shape]``.

    Parameters
    ----------
    target_shape
        The shape of a sample; one size may be -1, which is then computed.

    Other arguments: see :class:`~nervure.layers.Layer`.

    >>> import nervure as nv
    >>> nv.layers.Reshape((-1, 4))(nv.zeros((2, 3, 8))).shape
    (2, 6, 4)
    """

    def __init__(
        self, target_shape: Sequence[int] | int, **options: Unpack[LayerOptions]
    ) -> None:
        super().__init__(**options)
        given = (target_shape,) if isinstance(target_shape, int) else target_shape
        self.target_shape = tuple(int(size) for size in given)
        if self.target_shape.count(-1) > 1 or min(self.target_shape, default=0) < -1:
            raise ShapeError(
                f"expected a shape with at most one -1, got {target_shape!r}"
            )

    def call(self, inputs: Array) -> Array:
        """Compute the output."""
        return ops.reshape(inputs, (inputs.shape[0], *self._sizes(inputs)))

    def _sizes(self, inputs: Array) -> tuple[int, ...]:
        """Return the target shape with -1 replaced; raises where it does not fit."""
        elements = math.prod(inputs.shape[1:])
        known = math.prod(size for size in self.target_shape if size != -1)
        open_ = -1 in self.target_shape
        fits = elements % known == 0 if open_ and known else elements == known
        if not fits:
            raise ShapeError(
                explain(
                    f"reshape (layer {self.name!r}): samples of shape "
                    f"{list(inputs.shape[1:])} have {elements} elements, the target "
                    f"shape {list(self.target_shape)} takes "
                    + (f"multiples of {known}" if open_ else str(known))
                )
            )
        free = elements // known if known else 0
        return tuple(free if size == -1 else size for size in self.target_shape)
