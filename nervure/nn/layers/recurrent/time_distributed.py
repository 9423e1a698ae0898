"""A layer applied to every step of a sequence."""

from __future__ import annotations

from typing import Any, Unpack

from nervure import control_flow, ops
from nervure.array import Array
from nervure.errors import ArgumentError, ShapeError, explain
from nervure.nn.layer import Layer
from nervure.nn.layer_options import LayerOptions
from nervure.nn.layers.core import Activation, Dense
from nervure.nn.layers.recurrent.inside import made_from
from nervure.nn.layers.reshaping import Flatten, Reshape

# Layers that treat every sample by itself: all steps can be one large batch.
_BY_SAMPLE = (Dense, Activation, Flatten, Reshape)


class TimeDistributed(Layer):
    """A layer applied to each step of a sequence by itself, with the same weights.

    ``float32[batch, steps, ...]`` becomes ``float32[batch, steps, ...]``: the layer
    inside is given ``float32[batch, ...]``.

    Parameters
    ----------
    layer
        The layer; a batch normalization, say, sees one step after the other.

    Other arguments: see :class:`~nervure.layers.Layer`.

    Raises
    ------
    ArgumentError
        For what is no layer.

    >>> import nervure as nv
    >>> layer = nv.layers.TimeDistributed(nv.layers.Dense(2, kernel_initializer="ones"))
    >>> layer([[[1.0], [2.0], [3.0]]]).tolist()
    [[[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]]]
    """

    def __init__(self, layer: Any, **options: Unpack[LayerOptions]) -> None:
        super().__init__(**options)
        layer = made_from(layer)
        if not isinstance(layer, Layer):
            raise ArgumentError(
                explain(
                    f"TimeDistributed expects a layer, got {layer!r}",
                    fix="pass an object, such as Dense(10)",
                )
            )
        self.layer = layer
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        """Build the layer inside for one step.

        Raises
        ------
        ShapeError
            For an input of fewer than 3 axes.
        """
        if len(input_shape) < 3:
            raise ShapeError(
                explain(
                    f"the layer {self.name!r} expects inputs of at least three axes "
                    f"[batch, steps, ...], got {input_shape}",
                    fix="the layer inside is called for each step; without steps, "
                    "call it directly",
                )
            )
        if not self.layer.built:
            self.layer.build((input_shape[0], *input_shape[2:]))
            self.layer.built = True

    def call(
        self, inputs: Array, training: bool | None = None, mask: Array | None = None
    ) -> Array:
        """Compute the output.

        Raises
        ------
        ShapeError
            For a mask of another shape than ``[batch, steps]``.
        """
        if mask is not None and mask.shape[:2] != inputs.shape[:2]:
            raise ShapeError(
                explain(
                    f"the layer {self.name!r} expects a mask of the shape "
                    f"{list(inputs.shape[:2])}, got {list(mask.shape)}",
                    fix="pass one truth value for each step of each sample",
                )
            )
        if type(self.layer) in _BY_SAMPLE and self.layer.activity_regularizer is None:
            joined = self.layer(ops.reshape(inputs, (-1, *inputs.shape[2:])))
            return ops.reshape(joined, (*inputs.shape[:2], *joined.shape[1:]))
        steps = ops.moveaxis(inputs, 1, 0)
        flags = None if mask is None else ops.moveaxis(mask, 1, 0)

        def step(_: Any, entry: Any) -> tuple[Any, Array]:
            x, flag = entry
            options = {"training": training}
            if flag is not None and "mask" in self.layer._call_parameters:
                options["mask"] = flag
            return (), self.layer(x, **options)

        added = [len(one._added_losses) for one in self.layer.flattened()]
        _, outputs = control_flow.scan(step, (), (steps, flags))
        now = [len(one._added_losses) for one in self.layer.flattened()]
        if now != added:  # a loop has no place for what is added to the loss
            for one, count in zip(self.layer.flattened(), added, strict=True):
                del one._added_losses[count:]
            _, outputs = control_flow.scan(step, (), (steps, flags), unroll=True)
        return ops.moveaxis(outputs, 0, 1)
