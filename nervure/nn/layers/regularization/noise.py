"""Layers that add or multiply noise while the network is trained."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, Unpack

from nervure import ops, random
from nervure.array import Array
from nervure.nn.arguments import non_negative_number, within_unit
from nervure.nn.layer import Layer
from nervure.nn.layer_options import LayerOptions
from nervure.nn.seed import SeedGenerator
from nervure.ops.nn.dropout import mask_shape

# What SELU tends to for large negative numbers: -scale * alpha of that activation.
_SELU_LIMIT: Final = -1.6732632423543772848 * 1.0507009873554804934


class GaussianNoise(Layer):
    """In training, adds normal noise with mean 0; returns the input otherwise.

    Parameters
    ----------
    stddev
        The standard deviation of the noise, from 0.
    seed
        A whole number; None draws one from the process's generator.

    Other arguments: see :class:`~nervure.layers.Layer`.

    >>> import nervure as nv
    >>> layer = nv.layers.GaussianNoise(0.1, seed=0)
    >>> layer([[1.0, 2.0]]).tolist()
    [[1.0, 2.0]]
    >>> layer(nv.zeros((1, 10000)), training=True).std().item() < 0.11
    True
    """

    def __init__(
        self, stddev: float, seed: int | None = None, **options: Unpack[LayerOptions]
    ) -> None:
        super().__init__(**options)
        self.supports_masking = True
        self.stddev = non_negative_number("stddev", stddev)
        self.seed = seed
        self.seed_generator = SeedGenerator(seed) if self.stddev > 0 else None

    def call(self, inputs: Array, training: bool = False) -> Array:
        """Compute the output."""
        if not training or self.seed_generator is None:
            return inputs
        return inputs + random.normal(
            inputs.shape,
            std=self.stddev,
            dtype=inputs.dtype,
            key=self.seed_generator.next(),
        )


class GaussianDropout(Layer):
    """In training, multiplies by normal noise with mean 1.

    The noise has the variance ``rate / (1 - rate)`` that the factors of a dropout have.
    Outside of training the input is returned.  (Srivastava et al., "Dropout", 2014,
    section 10.)

    Parameters
    ----------
    rate
        From 0 to below 1.
    seed
        A whole number; None draws one from the process's generator.

    Other arguments: see :class:`~nervure.layers.Layer`.

    >>> import nervure as nv
    >>> layer = nv.layers.GaussianDropout(0.5, seed=0)
    >>> layer([[1.0, 2.0]]).tolist()
    [[1.0, 2.0]]
    >>> round(layer(nv.ones((1, 10000)), training=True).std().item(), 1)
    1.0
    """

    def __init__(
        self, rate: float, seed: int | None = None, **options: Unpack[LayerOptions]
    ) -> None:
        super().__init__(**options)
        self.supports_masking = True
        self.rate = within_unit("the rate of GaussianDropout", rate, open_above=True)
        self.seed = seed
        self.seed_generator = SeedGenerator(seed) if self.rate > 0 else None

    def call(self, inputs: Array, training: bool = False) -> Array:
        """Compute the output."""
        if not training or self.seed_generator is None:
            return inputs
        return inputs * random.normal(
            inputs.shape,
            mean=1.0,
            std=math.sqrt(self.rate / (1.0 - self.rate)),
            dtype=inputs.dtype,
            key=self.seed_generator.next(),
        )


class AlphaDropout(Layer):
    """In training, sets elements to SELU's lower limit, keeping mean and variance.

    For inputs with mean 0 and variance 1, which networks of SELU units have; the result
    is shifted and scaled to have them too.  Outside of training the input is returned.
    (Klambauer et al., "Self-normalizing neural networks", 2017.)

    Parameters
    ----------
    rate
        The share that is dropped, from 0 to below 1.
    noise_shape
        A shape that broadcasts to the input's, None for its sizes: elements along axes
        of size 1 share their fate.
    seed
        A whole number; None draws one from the process's generator.

    Other arguments: see :class:`~nervure.layers.Layer`.

    >>> import nervure as nv
    >>> layer = nv.layers.AlphaDropout(0.5, seed=0)
    >>> layer([[1.0, 2.0]]).tolist()
    [[1.0, 2.0]]
    >>> y = layer(nv.random.normal((100, 100), key=nv.random.key(1)), training=True)
    >>> round(y.std().item(), 1)
    1.0
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
        self.rate = within_unit("the rate of AlphaDropout", rate, open_above=True)
        self.noise_shape = noise_shape
        self.seed = seed
        self.seed_generator = SeedGenerator(seed) if self.rate > 0 else None

    def call(self, inputs: Array, training: bool = False) -> Array:
        """Compute the output."""
        if not training or self.seed_generator is None:
            return inputs
        kept = random.bernoulli(
            mask_shape("alpha dropout", inputs.shape, self.noise_shape),
            p=1.0 - self.rate,
            key=self.seed_generator.next(),
        )
        variance = (1.0 - self.rate) * (1.0 + self.rate * _SELU_LIMIT**2)
        factor = 1.0 / math.sqrt(variance)
        return ops.where(kept, inputs, _SELU_LIMIT) * factor - (
            factor * _SELU_LIMIT * self.rate
        )
