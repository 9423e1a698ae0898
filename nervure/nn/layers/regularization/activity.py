"""Penalties on what a layer computes."""

from __future__ import annotations

from typing import Any, Unpack

from nervure.array import Array
from nervure.nn.arguments import non_negative_number
from nervure.nn.layer import Layer
from nervure.nn.layer_options import LayerOptions
from nervure.nn.regularizers import L1L2


class ActivityRegularization(Layer):
    """Returns its input, and adds a penalty on it to the loss.

    ``l1 * sum(abs(inputs)) + l2 * sum(inputs ** 2)``, divided by the number of samples.

    Parameters
    ----------
    l1, l2
        Factors from 0.

    Other arguments: see :class:`~nervure.layers.Layer`.

    >>> import nervure as nv
    >>> layer = nv.layers.ActivityRegularization(l1=0.5)
    >>> layer([[1.0, -2.0]]).tolist(), layer.losses[0].item()
    ([[1.0, -2.0]], 1.5)
    """

    def __init__(
        self, l1: float = 0.0, l2: float = 0.0, **options: Unpack[LayerOptions]
    ) -> None:
        super().__init__(**options)
        self.supports_masking = True
        self.l1 = non_negative_number("l1", l1)
        self.l2 = non_negative_number("l2", l2)
        self.activity_regularizer = L1L2(self.l1, self.l2)

    def call(self, inputs: Array) -> Array:
        """Return the input."""
        return inputs

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make a layer like this, as plain data."""
        config = super().get_config()
        config.pop("activity_regularizer", None)  # it follows from the others
        return config
