"""Layers that only arrange the elements anew."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Unpack

from nervure import ops
from nervure.array import Array
from nervure.errors import ArgumentError, ShapeError, explain, unknown_name
from nervure.nn.input_spec import InputSpec
from nervure.nn.layer import Layer
from nervure.nn.layer_options import LayerOptions
from nervure.nn.layers.core import positive_count


class Flatten(Layer):
    """Every sample as one row: ``[batch, ...]`` becomes ``[batch, features]``.

    Parameters
    ----------
    data_format
        "channels_last" (also None) keeps the order of the elements; "channels_first"
        moves the second axis to the end before.

    Other arguments: see :class:`~nervure.layers.Layer`.

    Raises
    ------
    UnknownNameError
        For another data format.

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

    Raises
    ------
    ShapeError
        For several -1, and for samples that do not fill the shape.

    >>> import nervure as nv
    >>> nv.layers.Reshape((-1, 4))(nv.zeros((2, 3, 8))).shape
    (2, 6, 4)
    """

    def __init__(
        self, target_shape: Sequence[int] | int, **options: Unpack[LayerOptions]
    ) -> None:
        super().__init__(**options)
        given = (target_shape,) if isinstance(target_shape, int) else target_shape
        try:
            self.target_shape = tuple(operator.index(size) for size in given)
        except TypeError:
            raise ShapeError(
                explain(
                    f"expected target_shape to hold whole numbers, got "
                    f"{target_shape!r}",
                    fix="write Reshape((28, 28, 1)), for example",
                )
            ) from None
        if self.target_shape.count(-1) > 1 or min(self.target_shape, default=0) < -1:
            raise ShapeError(
                explain(
                    f"expected a shape with at most one -1, got {target_shape!r}",
                    fix="leave one size only to be computed",
                )
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
                    + (f"multiples of {known}" if open_ else str(known)),
                    fix="choose sizes with the same product, or -1 for the size that "
                    "is to be computed",
                )
            )
        free = elements // known if known else 0
        return tuple(free if size == -1 else size for size in self.target_shape)


class Permute(Layer):
    """The axes of every sample in another order.

    Parameters
    ----------
    dims
        The axes of the input in the order of the output, counted from 1: the batch is
        axis 0 and stays first.

    Other arguments: see :class:`~nervure.layers.Layer`.

    Raises
    ------
    ArgumentError
        For dims that are not each axis once.

    >>> import nervure as nv
    >>> nv.layers.Permute((2, 1))(nv.zeros((5, 3, 4))).shape
    (5, 4, 3)
    """

    def __init__(self, dims: Sequence[int], **options: Unpack[LayerOptions]) -> None:
        super().__init__(**options)
        self.dims = tuple(dims)
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            raise ArgumentError(
                explain(
                    f"expected dims to be the axes from 1 on, each once, got {dims!r}",
                    fix="list the axes from 1 on in their new order, such as "
                    "Permute((2, 1))",
                )
            )
        self.input_spec = InputSpec(ndim=len(self.dims) + 1)

    def call(self, inputs: Array) -> Array:
        """Compute the output."""
        return ops.permute_dims(inputs, (0, *self.dims))


class RepeatVector(Layer):
    """Every sample several times: ``[batch, features]`` to ``[batch, n, features]``.

    Parameters
    ----------
    n
        How many times.

    Other arguments: see :class:`~nervure.layers.Layer`.

    >>> import nervure as nv
    >>> nv.layers.RepeatVector(2)([[1.0, 3.0]]).tolist()
    [[[1.0, 3.0], [1.0, 3.0]]]
    """

    def __init__(self, n: int, **options: Unpack[LayerOptions]) -> None:
        super().__init__(**options)
        self.n = positive_count("n", n)
        self.input_spec = InputSpec(ndim=2)

    def call(self, inputs: Array) -> Array:
        """Compute the output."""
        batch, features = inputs.shape
        return ops.broadcast_to(inputs[:, None], (batch, self.n, features))
