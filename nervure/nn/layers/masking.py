"""Making masks of data that are filled up with a value."""

from __future__ import annotations

from typing import Any, Unpack

from nervure import ops
from nervure.array import Array
from nervure.nn.arguments import finite_number
from nervure.nn.layer import Layer
from nervure.nn.layer_options import LayerOptions


class Masking(Layer):
    """Leaves out the steps of a sequence at which every feature has a certain value.

    ``float[batch, steps, features]`` keeps its shape; steps that are left out become 0,
    and the layers after it, the loss and the metrics do not regard them.

    Parameters
    ----------
    mask_value
        The value with which sequences are filled up.

    Other arguments: see :class:`~nervure.layers.Layer`.

    >>> import nervure as nv
    >>> y = nv.layers.Masking(9.0)([[[1.0, 9.0], [9.0, 9.0]]])
    >>> y.tolist(), y.mask.tolist()
    ([[[1.0, 9.0], [0.0, 0.0]]], [[True, False]])
    """

    def __init__(
        self, mask_value: float = 0.0, **options: Unpack[LayerOptions]
    ) -> None:
        super().__init__(**options)
        self.mask_value = finite_number("mask_value", mask_value)

    def call(self, inputs: Array) -> Array:
        """Compute the output."""
        return ops.where(self._counted(inputs)[..., None], inputs, 0)

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """Return which steps count."""
        return self._counted(inputs)

    def _counted(self, inputs: Array) -> Array:
        return ops.any(inputs != self.mask_value, axis=-1)
