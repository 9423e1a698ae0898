"""Global pooling: the largest element, or the mean, of all places."""

from __future__ import annotations

from typing import Any, ClassVar, Unpack

from nervure import ops
from nervure.array import Array
from nervure.nn.input_spec import InputSpec
from nervure.nn.layer import Layer
from nervure.nn.layer_options import LayerOptions
from nervure.ops.nn.sliding import data_format_name


class GlobalPooling(Layer):
    """The part that is the same for all layers that pool all places."""

    rank: ClassVar[int]

    def __init__(
        self,
        data_format: str | None = None,
        keepdims: bool = False,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        self.data_format = data_format_name(data_format)
        self.keepdims = bool(keepdims)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    @property
    def _axes(self) -> tuple[int, ...]:
        """The spatial axes."""
        first = 1 if self.data_format == "channels_last" else 2
        return tuple(range(first, first + self.rank))


class GlobalMaxPooling(GlobalPooling):
    """The largest element of all places."""

    def call(self, inputs: Array) -> Array:
        """Compute the output."""
        return ops.max(inputs, axis=self._axes, keepdims=self.keepdims)


class GlobalAveragePooling(GlobalPooling):
    """The mean of all places."""

    def call(self, inputs: Array) -> Array:
        """Compute the output."""
        return ops.mean(inputs, axis=self._axes, keepdims=self.keepdims)


class GlobalMaxPooling1D(GlobalMaxPooling):
    """The largest element of each channel over all steps.

    ``float32[batch, steps, channels]`` becomes ``float32[batch, channels]``.

    Parameters are those of :class:`GlobalAveragePooling2D`.

    >>> import nervure as nv
    >>> nv.layers.GlobalMaxPooling1D()([[[1.0, 0.0], [3.0, -1.0]]]).tolist()
    [[3.0, 0.0]]
    """

    rank = 1


class GlobalMaxPooling2D(GlobalMaxPooling):
    """The largest element of each channel of an image.

    ``float32[batch, height, width, channels]`` becomes ``float32[batch, channels]``.

    Parameters are those of :class:`GlobalAveragePooling2D`.

    >>> import nervure as nv
    >>> nv.layers.GlobalMaxPooling2D()(nv.zeros((2, 5, 5, 3))).shape
    (2, 3)
    """

    rank = 2


class GlobalMaxPooling3D(GlobalMaxPooling):
    """The largest element of each channel of a volume.

    ``float32[batch, depth, height, width, channels]`` becomes ``float32[batch,
    channels]``.

    Parameters are those of :class:`GlobalAveragePooling2D`.

    >>> import nervure as nv
    >>> nv.layers.GlobalMaxPooling3D()(nv.zeros((2, 5, 5, 5, 3))).shape
    (2, 3)
    """

    rank = 3


class GlobalAveragePooling1D(GlobalAveragePooling):
    """The mean of each channel over all steps, or over those that a mask keeps.

    ``float32[batch, steps, channels]`` becomes ``float32[batch, channels]``.

    Parameters are those of :class:`GlobalAveragePooling2D`; a call also takes
    ``mask``, ``bool[batch, steps]``, False for steps that do not count.  A sample
    without any step that counts gives zeros, so that nothing after it becomes NaN.

    >>> import nervure as nv
    >>> layer = nv.layers.GlobalAveragePooling1D()
    >>> x = nv.asarray([[[1.0], [3.0], [9.0]]])
    >>> layer(x, mask=nv.asarray([[True, True, False]])).tolist()
    [[2.0]]
    """

    rank = 1

    def call(self, inputs: Array, mask: Any = None) -> Array:
        """Compute the output."""
        if mask is None:
            return super().call(inputs)
        (axis,) = self._axes
        kept = ops.expand_dims(ops.astype(mask, bool), 3 - axis)
        total = ops.sum(ops.where(kept, inputs, 0.0), axis=axis, keepdims=self.keepdims)
        count = ops.sum(
            ops.astype(kept, inputs.dtype), axis=axis, keepdims=self.keepdims
        )
        return total / ops.maximum(count, 1.0)

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """Return None: there are no steps any more."""
        return None


class GlobalAveragePooling2D(GlobalAveragePooling):
    """The mean of each channel of an image.

    ``float32[batch, height, width, channels]`` becomes ``float32[batch, channels]``.
    (Lin et al., "Network in network", 2013.)

    Parameters
    ----------
    data_format
        "channels_last", also None, or "channels_first".
    keepdims
        Whether the spatial axes stay, with size 1.

    Other arguments: see :class:`~nervure.layers.Layer`.

    >>> import nervure as nv
    >>> nv.layers.GlobalAveragePooling2D()([[[[1.0], [3.0]], [[5.0], [7.0]]]]).tolist()
    [[4.0]]
    """

    rank = 2


class GlobalAveragePooling3D(GlobalAveragePooling):
    """The mean of each channel of a volume.

    ``float32[batch, depth, height, width, channels]`` becomes ``float32[batch,
    channels]``.

    Parameters are those of :class:`GlobalAveragePooling2D`.

    >>> import nervure as nv
    >>> nv.layers.GlobalAveragePooling3D()(nv.zeros((2, 5, 5, 5, 3))).shape
    (2, 3)
    """

    rank = 3
