"""The arrays of each workload: data, and the weights with which everybody begins.

Made once, in Nervure's environment, and written to a folder that all peers read.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks import networks as w
from benchmarks.workloads import Workload

NDArray = npt.NDArray[Any]
Shape = tuple[int, ...]


def write_arrays(workload: Workload, folder: Path) -> None:
    """Write ``x``, ``y`` and the numbered initial weights of a workload to a folder."""
    x, y = _samples(workload)
    weights = list(initial_weights(workload.network, x.shape[1:]))
    folder.mkdir(parents=True)
    np.save(folder / "x.npy", x)
    np.save(folder / "y.npy", y)
    for place, weight in enumerate(weights):
        np.save(folder / f"weight-{place:03}.npy", weight)


def _samples(workload: Workload) -> tuple[NDArray, NDArray]:
    """Return ``float32[rows, ...]`` and ``int32[rows]``."""
    if workload.data.startswith("noise"):
        return _noise(workload)
    from nervure.datasets import digits, mnist

    source, shape, largest = {
        "mnist": (mnist, (784,), 255),
        "images": (mnist, (28, 28, 1), 255),
        "digits": (digits, (64,), 16),
    }[workload.data]
    loaded = source.load_data()
    # Digits have one part, MNIST one for training and one for tests.
    images, labels = loaded if source is digits else loaded[0]
    images = np.asarray(images)[: workload.rows]
    x = images.reshape(len(images), *shape).astype("float32") / largest
    return x, np.asarray(labels)[: workload.rows].astype("int32")


def _noise(workload: Workload) -> tuple[NDArray, NDArray]:
    """Return a faint pattern of each label in noise: what is timed needs no meaning."""
    shape = {"noise-images": (32, 32, 3), "noise-sequences": (128, 256)}[workload.data]
    random = np.random.default_rng(0)
    labels = random.integers(0, 10, workload.rows, dtype="int32")
    patterns = random.normal(0, 0.3, (10, *shape)).astype("float32")
    noise = random.standard_normal((workload.rows, *shape), dtype="float32")
    return noise + patterns[labels], labels


def initial_weights(network: w.Network, shape: Shape) -> Iterator[NDArray]:
    """Yield kernels and biases in the order of the layers, as Keras lays them out.

    A kernel is ``[in, out]`` or ``[height, width, in, out]``.  Normalization begins
    with ones and zeros and has nothing here.

    Parameters
    ----------
    network
        The layers.
    shape
        That of one sample.
    """
    random = np.random.default_rng(1)

    def kernel(*sizes: int) -> NDArray:
        """Glorot's uniform initializer."""
        window = math.prod(sizes[:-2])
        limit = math.sqrt(6 / (window * (sizes[-2] + sizes[-1])))
        return random.uniform(-limit, limit, sizes).astype("float32")

    def with_bias(*sizes: int) -> Iterator[NDArray]:
        yield kernel(*sizes)
        yield np.zeros(sizes[-1], "float32")

    for layer in network:
        width = shape[-1]
        match layer:
            case w.Dense(units):
                yield from with_bias(width, units)
                shape = (*shape[:-1], units)
            case w.Conv(filters):
                yield from with_bias(3, 3, width, filters)
                shape = (shape[0] - 2, shape[1] - 2, filters)
            case w.MaxPool():
                shape = (shape[0] // 2, shape[1] // 2, width)
            case w.Flatten():
                shape = (math.prod(shape),)
            case w.ConvNorm(filters):
                yield kernel(3, 3, width, filters)
                shape = (*shape[:2], filters)
            case w.Residual(filters, stride):
                yield kernel(3, 3, width, filters)
                yield kernel(3, 3, filters, filters)
                if stride != 1 or width != filters:
                    yield kernel(1, 1, width, filters)
                shape = (shape[0] // stride, shape[1] // stride, filters)
            case w.Encoder(_, hidden):
                for _ in ("query", "key", "value", "output"):
                    yield from with_bias(width, width)
                yield from with_bias(width, hidden)
                yield from with_bias(hidden, width)
            case w.Mean():
                shape = (width,)
