"""A picture of a training network as bytes: about 12 kB for a network of 14 neurons.

All numbers are little-endian.

| offset | type | what |
|---|---|---|
| 0 | uint32 | 2, the version |
| 4 | uint32 | epoch |
| 8 | float32 | training loss |
| 12 | float32 | test loss |
| 16 | float32 | samples a second, while training |
| 20 | uint16, uint16 | side of the map, side of the small maps |
| 24 | uint32 | number w of weights |
| 28 | uint32 | number n of hidden neurons |
| 32 | float32, float32 | part of the training and test points that are right, or NaN |
| 40 | uint32 | number k of outputs |
| 44 | float32[w] | kernels and biases in turn |
| 44 + 4w | uint8[k, side, side] | each output from -1 (0) to 1 (255) |
| after it | uint8[n, small, small] | what each hidden neuron answers, likewise |
"""

from __future__ import annotations

import struct
from typing import Final

import numpy as np

from nervure.ir.attrs import NDArray
from nervure.studio.playground.trainer import MAP_SIDE, SMALL_SIDE, Trainer

HEADER: Final = struct.Struct("<IIfffHHIIffI")
_VERSION: Final = 2


def frame(trainer: Trainer, speed: float) -> bytes:
    """Return what there is to see of a trainer.

    >>> from nervure.studio.playground.choices import Choices
    >>> picture = frame(Trainer(Choices(hidden=(3,))), 0.0)
    >>> len(picture) == HEADER.size + 4 * 13 + 60 * 60 + 3 * 20 * 20
    True
    """
    view = trainer.look()
    weights = trainer.network.weights()
    small = [np.moveaxis(one, -1, 0) for one in view.neurons]
    output = np.moveaxis(view.output, -1, 0)
    count = sum(map(len, small))
    header = HEADER.pack(
        *(_VERSION, trainer.epoch, view.train_loss, view.test_loss, speed),
        *(MAP_SIDE, SMALL_SIDE, weights.size, count),
        *(view.train_right, view.test_right, len(output)),
    )
    parts = [header, weights.astype("<f4").tobytes(), _bytes(output)]
    return b"".join([*parts, *map(_bytes, small)])


def _bytes(values: NDArray) -> bytes:
    """Return numbers from -1 to 1 as bytes; what is beyond them is cut off."""
    finite = np.nan_to_num(values, nan=0.0)
    return ((np.clip(finite, -1, 1) + 1) * 127.5).astype(np.uint8).tobytes()
