"""The networks of the benchmark, as data: tuples of layers, which each peer builds.

Images are ``[rows, height, width, channels]``, sequences ``[rows, length, features]``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal


@dataclass(frozen=True)
class Dense:
    """A fully connected layer; the last of a network has the activation softmax."""

    units: int
    activation: Literal["relu", "softmax"]


@dataclass(frozen=True)
class Dropout:
    """Zeros with this probability while training."""

    rate: float


@dataclass(frozen=True)
class Flatten:
    """Images to rows of numbers."""


@dataclass(frozen=True)
class Conv:
    """A 3x3 convolution without padding, with bias and ReLU."""

    filters: int


@dataclass(frozen=True)
class MaxPool:
    """2x2 windows, without overlap."""


@dataclass(frozen=True)
class ConvNorm:
    """A padded 3x3 convolution without bias, batch normalization and ReLU."""

    filters: int


@dataclass(frozen=True)
class Residual:
    """The basic block of ResNet: two padded 3x3 convolutions, each normalized."""

    filters: int
    stride: int


@dataclass(frozen=True)
class Encoder:
    """A transformer block: self-attention and a GELU network, normalized afterwards."""

    heads: int
    hidden: int


@dataclass(frozen=True)
class Mean:
    """The mean over all axes but the first and the last."""


Layer = (
    Dense | Dropout | Flatten | Conv | MaxPool | ConvNorm | Residual | Encoder | Mean
)
Network = tuple[Layer, ...]

_SOFTMAX: Final = Dense(10, "softmax")
SMALL: Final[Network] = (Dense(32, "relu"), _SOFTMAX)
WIDE: Final[Network] = (
    *(Dense(1024, "relu"), Dropout(0.5)),
    *(Dense(1024, "relu"), Dropout(0.5)),
    _SOFTMAX,
)
LECTURE_CNN: Final[Network] = (
    *(Conv(32), MaxPool(), Conv(32), MaxPool()),
    *(Flatten(), Dense(64, "relu"), _SOFTMAX),
)
RESNET18: Final[Network] = (
    ConvNorm(64),
    *(Residual(64, 1), Residual(64, 1), Residual(128, 2), Residual(128, 1)),
    *(Residual(256, 2), Residual(256, 1), Residual(512, 2), Residual(512, 1)),
    *(Mean(), _SOFTMAX),
)
TRANSFORMER: Final[Network] = (Encoder(8, 1024), Mean(), _SOFTMAX)
