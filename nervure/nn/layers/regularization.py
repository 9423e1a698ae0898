"""Layers that disturb a network while it is trained, so that it learns robustly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

from nervure.array import Array
from nervure.nn.layer import Layer
from nervure.nn.layer_options import LayerOptions
from nervure.nn.seed import SeedGenerator
from nervure.ops import nn


class Dropout(Layer):
    """In training, zeroes elements at random and scales up the rest.

    An element is kept with probability ``1 - rate`` and then divided by it, so the mean
    stays the same.  Outside of training the input is returned.  (Srivastava et al.,
    "Dropout: a simple way to prevent neural networks from overfitting", 2014.)

    Parameters
    ----------
    rate
        The share that is zeroed, from 0 to 1.
    noise_shape
        A shape that broadcasts to the input's, None for its sizes: elements along axes
        of size 1 share their fate.
    seed
        A whole number; None draws one from the process's generator.

    Other arguments: see :class:`~nervure.layers.Layer`.

    >>> import nervure as nv
    >>> layer = nv.layers.Dropout(0.5, seed=0)
    >>> layer([[1.0, 2.0]]).tolist()
    [[1.0, 2.0]]
    >>> bool(nv.all((y := layer(nv.ones((1, 100)), training=True)) * (y - 2.0) == 0))
    True
    """

    def __init__(
        self,
        rate: float,
        noise_shape: Sequence[int | None] | None = None,
        seed: int | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        self.supports_masking = True
        if (
            isinstance(rate, bool)
            or not isinstance(rate, int | float)
            or not (0 <= rate <= 1)
        ):
            raise ValueError(
                f"expected the rate of Dropout to be from 0 to 1, got {rate!r}"
            )
        self.rate = rate
        self.noise_shape = noise_shape
        self.seed = seed
        # Without a rate nothing is drawn, so there is no state to keep.
        self.seed_generator = SeedGenerator(seed) if rate > 0 else None

    def call(self, inputs: Array, training: bool = False) -> Array:
        """Compute the output."""
        if not training or self.seed_generator is None:
            return inputs
        key = self.seed_generator.next()
        return nn.dropout(inputs, self.rate, key, noise_shape=self.noise_shape)
