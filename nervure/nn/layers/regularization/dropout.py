"""Layers that set a part of their input to 0 while the network is trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Unpack

from nervure.array import Array
from nervure.errors import ArgumentError, explain
from nervure.nn.arguments import within_unit
from nervure.nn.input_spec import InputSpec
from nervure.nn.layer import Layer
from nervure.nn.layer_options import LayerOptions
from nervure.nn.layers.regularization.rate import SharedRate
from nervure.nn.seed import SeedGenerator
from nervure.ops import nn
from nervure.ops.nn.sliding import data_format_name


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

    Raises
    ------
    ArgumentError
        For a rate outside of 0 to 1.

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
            raise ArgumentError(
                explain(
                    f"expected the rate of Dropout to be from 0 to 1, got {rate!r}",
                    fix="it is the share that is dropped: Dropout(0.5) drops half",
                )
            )
        self.rate = rate
        self.noise_shape = noise_shape
        self.seed = seed
        # Without a rate nothing is drawn, so there is no state to keep.
        self.seed_generator = SeedGenerator(seed) if rate > 0 else None
        self._share = SharedRate(rate, self.compute_dtype)

    def call(self, inputs: Array, training: bool = False) -> Array:
        """Compute the output."""
        if not training or self.seed_generator is None:
            return inputs
        key = self.seed_generator.next()
        return self._share.dropped(inputs, key, self.noise_shape)


class _SpatialDropout(Layer):
    """The part that is the same for any number of spatial axes."""

    rank: ClassVar[int]
    data_format: str = "channels_last"

    def __init__(
        self, rate: float, seed: int | None = None, **options: Unpack[LayerOptions]
    ) -> None:
        super().__init__(**options)
        self.supports_masking = True
        self.rate = within_unit(f"the rate of {type(self).__name__}", rate)
        self.seed = seed
        self.seed_generator = SeedGenerator(seed) if self.rate > 0 else None
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def call(self, inputs: Array, training: bool = False) -> Array:
        """Compute the output."""
        if not training or self.seed_generator is None:
            return inputs
        places = (1,) * self.rank
        first = self.data_format == "channels_first"
        shape = (None, None, *places) if first else (None, *places, None)
        key = self.seed_generator.next()
        return nn.dropout(inputs, self.rate, key, noise_shape=shape)


class _FormattedSpatialDropout(_SpatialDropout):
    """The part that is the same for images and volumes."""

    def __init__(
        self,
        rate: float,
        data_format: str | None = None,
        seed: int | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(rate, seed, **options)
        self.data_format = data_format_name(data_format)


class SpatialDropout1D(_SpatialDropout):
    """In training, zeroes whole features of sequences at random.

    ``float[batch, steps, features]`` keeps its shape; a feature is kept or dropped at
    all steps together.  (Tompson et al., "Efficient object localization using
    convolutional networks", 2014.)

    Parameters
    ----------
    rate
        The share that is zeroed, from 0 to 1.
    seed
        A whole number; None draws one from the process's generator.

    Other arguments: see :class:`~nervure.layers.Layer`.

    >>> import nervure as nv
    >>> layer = nv.layers.SpatialDropout1D(0.5, seed=0)
    >>> y = layer(nv.ones((4, 10, 3)), training=True)
    >>> bool(nv.all(y == y[:, :1]))
    True
    """

    rank = 1


class SpatialDropout2D(_FormattedSpatialDropout):
    """In training, zeroes whole channels of images at random.

    ``float[batch, height, width, channels]`` keeps its shape; see
    :class:`SpatialDropout1D`.

    Parameters
    ----------
    rate
        The share that is zeroed, from 0 to 1.
    data_format
        "channels_last" (also None) or "channels_first".
    seed
        A whole number; None draws one from the process's generator.

    Other arguments: see :class:`~nervure.layers.Layer`.

    >>> import nervure as nv
    >>> layer = nv.layers.SpatialDropout2D(0.5, seed=0)
    >>> y = layer(nv.ones((4, 5, 5, 3)), training=True)
    >>> bool(nv.all(y == y[:, :1, :1]))
    True
    """

    rank = 2


class SpatialDropout3D(_FormattedSpatialDropout):
    """In training, zeroes whole channels of volumes at random.

    ``float[batch, depth, height, width, channels]`` keeps its shape; see
    :class:`SpatialDropout1D`.

    Parameters
    ----------
    rate
        The share that is zeroed, from 0 to 1.
    data_format
        "channels_last" (also None) or "channels_first".
    seed
        A whole number; None draws one from the process's generator.

    Other arguments: see :class:`~nervure.layers.Layer`.

    >>> import nervure as nv
    >>> layer = nv.layers.SpatialDropout3D(0.5, seed=0)
    >>> y = layer(nv.ones((4, 2, 5, 5, 3)), training=True)
    >>> bool(nv.all(y == y[:, :1, :1, :1]))
    True
    """

    rank = 3
