"""Numbers brought into another range: by given factors, or by what data are like."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

import numpy as np

from nervure import dtypes, ops
from nervure.array import Array
from nervure.errors import ArgumentError, DataError, ShapeError, explain
from nervure.ir.attrs import NDArray
from nervure.nn.layer import Layer
from nervure.nn.layer_options import LayerOptions
from nervure.nn.layers.axes import one_or_more_axes, places
from nervure.nn.layers.preprocessing.batches import batches_of
from nervure.nn.symbolic import PartialShape
from nervure.nn.variable import Variable


class Rescaling(Layer):
    """Every number times a factor, plus an offset: ``inputs * scale + offset``.

    Whole numbers, such as the pixels of images, become the layer's type.

    Parameters
    ----------
    scale
        A number, or an array that broadcasts to the input: 1/255 brings pixels into
        the range from 0 to 1.
    offset
        A number or an array like that, which is added.

    Other arguments: see :class:`~nervure.layers.Layer`.

    Raises
    ------
    ArgumentError
        For a scale or an offset that is no number.

    >>> import numpy as np
    >>> import nervure as nv
    >>> pixels = np.array([[0, 128]], "uint8")
    >>> nv.layers.Rescaling(1 / 64, offset=-1.0)(pixels).tolist()
    [[-1.0, 1.0]]
    """

    def __init__(
        self, scale: Any, offset: Any = 0.0, **options: Unpack[LayerOptions]
    ) -> None:
        super().__init__(**options)
        self.supports_masking = True
        self.scale = scale
        self.offset = offset
        try:
            self._factor, self._summand = (
                np.asarray(value, self.dtype) for value in (scale, offset)
            )
        except (TypeError, ValueError):
            raise ArgumentError(
                explain(
                    f"expected scale and offset to be numbers, got {scale!r} and "
                    f"{offset!r}",
                    fix="write Rescaling(1 / 255), for example",
                )
            ) from None

    def call(self, inputs: Array) -> Array:
        """Compute the output."""
        return inputs.astype(self.dtype) * self._factor + self._summand


class Normalization(Layer):
    """Every feature with the mean 0 and the variance 1 that it has in some data.

    ``(inputs - mean) / sqrt(variance)``, with moments that are given, or found by
    :meth:`adapt`, which is called before training.  A standard deviation below 1e-7
    counts as 1e-7.

    Parameters
    ----------
    axis
        The axis, or several, whose places have moments of their own; None takes those
        of all numbers together.
    mean, variance
        Both or none: numbers, or arrays that broadcast to the sizes of these axes.
    invert
        Whether to go back instead: ``inputs * sqrt(variance) + mean``.

    Other arguments: see :class:`~nervure.layers.Layer`.

    Raises
    ------
    ArgumentError, ShapeError
        For a mean without a variance, and for moments whose shapes do not fit.

    >>> import nervure as nv
    >>> layer = nv.layers.Normalization()
    >>> layer.adapt([[0.0, 7.0], [2.0, 9.0]])
    >>> layer([[1.0, 9.0]]).tolist()
    [[0.0, 1.0]]
    """

    adapt_mean: Variable
    adapt_variance: Variable
    count: Variable

    def __init__(
        self,
        axis: int | Sequence[int] | None = -1,
        mean: Any = None,
        variance: Any = None,
        invert: bool = False,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        self.supports_masking = True
        if (mean is None) != (variance is None):
            raise ArgumentError(
                explain(
                    "Normalization expects mean and variance, got only "
                    + ("the variance" if mean is None else "the mean"),
                    fix="give both, or neither and call adapt(data)",
                )
            )
        if np.shape(mean) != np.shape(variance):
            raise ShapeError(
                explain(
                    "Normalization expects mean and variance of one shape, got "
                    f"{list(np.shape(mean))} and {list(np.shape(variance))}",
                    fix="pass one of each for every feature",
                )
            )
        self.axis = None if axis is None else one_or_more_axes(axis)
        self.mean = mean
        self.variance = variance
        self.invert = bool(invert)

    def build(self, input_shape: PartialShape) -> None:
        """Create the moments, unless they are given."""
        kept = self._kept(input_shape)
        sizes: Any = [input_shape[axis] for axis in kept]
        if self.mean is not None:
            self._placed(np.asarray(self.mean), input_shape)  # tells if it fits
            return
        self.adapt_mean = self.add_weight(sizes, "zeros", trainable=False, name="mean")
        self.adapt_variance = self.add_weight(
            sizes, "ones", trainable=False, name="variance"
        )
        # As in Keras's files; how many numbers were seen is not kept.
        self.count = self.add_weight(
            (), "zeros", dtypes.int32, trainable=False, name="count"
        )

    def _numbers_of(self, batch: Any) -> NDArray:
        """Return a batch as numbers; raises for text, and for NaN and infinity."""
        try:
            values = np.asarray(batch, np.float64)
        except (TypeError, ValueError):
            raise DataError(
                explain(
                    f"the layer {self.name!r} adapts to numbers, got {batch!r:.60}",
                    fix="pass an array of numbers whose rows are equally long",
                )
            ) from None
        bad = np.argwhere(~np.isfinite(values))
        if bad.size:
            place = bad[0].tolist()
            raise DataError(
                explain(
                    f"the layer {self.name!r} cannot adapt to "
                    f"{values[tuple(place)]} at {place}: the mean would be no number",
                    fix="drop or fill these rows first, for example with sklearn's "
                    "SimpleImputer",
                )
            )
        return values

    def adapt(self, data: Any) -> None:
        """Find the moments of data.

        Parameters
        ----------
        data
            An array or nested lists, or an iterable of batches of it.

        Raises
        ------
        ArgumentError
            For a layer with given moments, or no data.
        """
        if self.mean is not None:
            raise ArgumentError(
                explain(
                    f"the layer {self.name!r} was made with a mean and a variance, so "
                    "there is nothing to adapt",
                    fix="leave mean and variance out to learn them from data",
                )
            )
        counts, means, variances = 0, np.zeros(()), np.zeros(())
        for batch in batches_of(data, self.name):
            values = self._numbers_of(batch)
            if not self.built:
                self.build((None, *values.shape[1:]))
            kept = self._kept(values.shape)
            axes = tuple(axis for axis in range(values.ndim) if axis not in kept)
            count = int(np.prod([values.shape[axis] for axis in axes]))
            mean, variance = values.mean(axes), values.var(axes)
            # Chan et al.: moments of two sets together from those of each.
            share = count / (counts + count)
            distance = mean - means
            variances = (
                variances * (1 - share)
                + variance * share
                + distance**2 * share * (1 - share)
            )
            means = means + distance * share
            counts += count
        self.adapt_mean.assign(means)
        self.adapt_variance.assign(variances)

    def call(self, inputs: Array) -> Array:
        """Compute the output."""
        values = inputs.astype(self.dtype)
        if self.mean is not None:
            mean = ops.asarray(self._placed(np.asarray(self.mean), inputs.shape))
            variance = ops.asarray(
                self._placed(np.asarray(self.variance), inputs.shape)
            )
        else:
            shape = self._own_shape(inputs.shape)
            mean = ops.reshape(self.adapt_mean, shape)
            variance = ops.reshape(self.adapt_variance, shape)
        deviation = ops.maximum(ops.sqrt(variance), 1e-7)
        if self.invert:
            return values * deviation + mean
        return (values - mean) / deviation

    def _kept(self, shape: PartialShape) -> list[int]:
        return [] if self.axis is None else places(self, self.axis, shape)

    def _own_shape(self, shape: PartialShape) -> tuple[int, ...]:
        """Return the shape in which moments broadcast to the input."""
        kept = self._kept(shape)
        return tuple(
            int(size or 1) if axis in kept else 1 for axis, size in enumerate(shape)
        )

    def _placed(self, values: NDArray, shape: PartialShape) -> NDArray:
        """Return given moments in a shape that broadcasts to the input."""
        kept = self._kept(shape)
        sizes = tuple(int(shape[axis] or 1) for axis in kept)
        try:
            full = np.broadcast_to(values, sizes)
        except ValueError:
            raise ShapeError(
                explain(
                    f"the layer {self.name!r} was given moments of shape "
                    f"{list(values.shape)}, its input of shape {list(shape)} has the "
                    f"sizes {list(sizes)} along the axes {kept}",
                    fix="pass one number for each place along these axes, or call "
                    "adapt(data) instead",
                )
            ) from None
        return full.reshape(self._own_shape(shape)).astype(self.dtype)
