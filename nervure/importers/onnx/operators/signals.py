"""Signal processing: ``DFT``, ``STFT``, ``MelWeightMatrix``, ``Col2Im``."""

from __future__ import annotations

from typing import Any

import numpy as np

from nervure import ops
from nervure.array import Array
from nervure.importers.onnx.running import Operation, constant
from nervure.importers.onnx.table import operator
from nervure.prims.indexed import scatter


def _waves(count: int, frequencies: int, inverse: bool, dtype: Any) -> tuple[Any, Any]:
    """Return cosines and sines ``[frequencies, count]`` of a Fourier transform."""
    product = np.outer(np.arange(frequencies), np.arange(count)) % max(count, 1)
    angle = (2 if inverse else -2) * np.pi * product / count
    scale = 1 / count if inverse else 1.0
    return (
        constant((scale * np.cos(angle)).astype(dtype)),
        constant((scale * np.sin(angle)).astype(dtype)),
    )


@operator("DFT")
def dft(
    operation: Operation,
    x: Array,
    length: Array | None = None,
    axis: Array | None = None,
) -> Array:
    """Return the discrete Fourier transform; the last axis is (real, imaginary)."""
    if operation.version < 20:
        place = operation.attribute("axis", 1)
    else:
        place = -2 if axis is None else int(operation.known(axis, "axis").reshape(()))
    place %= x.ndim
    inverse = bool(operation.attribute("inverse", 0))
    onesided = bool(operation.attribute("onesided", 0))
    count = x.shape[place]
    if length is not None:
        count = int(operation.known(length, "length").reshape(()))
    if onesided and inverse:
        operation.refuse("Nervure does not invert one half of a transform")
    moved = ops.moveaxis(_fitted(x, place, count), place, -2)
    real = moved[..., 0]
    imaginary = moved[..., 1] if x.shape[-1] == 2 else None
    frequencies = count // 2 + 1 if onesided else count
    pair = transformed(real, imaginary, frequencies, inverse)
    return ops.moveaxis(pair, -2, place)


def transformed(
    real: Array, imaginary: Array | None, frequencies: int, inverse: bool = False
) -> Array:
    """Return the transform of the last axis as ``[..., frequencies, 2]``."""
    cosines, sines = _waves(real.shape[-1], frequencies, inverse, real.dtype)
    turned = ops.matrix_transpose(cosines), ops.matrix_transpose(sines)
    first = ops.matmul(real, turned[0])
    second = ops.matmul(real, turned[1])
    if imaginary is not None:
        first = first - ops.matmul(imaginary, turned[1])
        second = second + ops.matmul(imaginary, turned[0])
    return ops.stack([first, second], axis=-1)


def _fitted(x: Array, axis: int, count: int) -> Array:
    """Return x with an axis cut, or filled up with zeros, to a size."""
    extent = x.shape[axis]
    if count <= extent:
        return x[(*(slice(None),) * axis, slice(count))]
    widths = [(0, 0)] * x.ndim
    widths[axis] = (0, count - extent)
    return ops.pad(x, widths)


@operator("STFT")
def stft(
    operation: Operation,
    x: Array,
    step: Array,
    window: Array | None = None,
    length: Array | None = None,
) -> Array:
    """Return the Fourier transforms of overlapping pieces of a signal."""
    stride = int(operation.known(step, "frame_step").reshape(()))
    if length is not None:
        count = int(operation.known(length, "frame_length").reshape(()))
    elif window is not None:
        count = window.shape[0]
    else:
        operation.refuse("it has neither a window nor a frame length")
    signal = x if x.ndim == 3 else x[..., None]
    frames = (signal.shape[1] - count) // stride + 1
    places = np.arange(frames)[:, None] * stride + np.arange(count)
    taken = ops.take(signal, constant(places), axis=1)
    if window is not None:
        taken = taken * window[:, None]
    half = operation.attribute("onesided", 1)
    frequencies = count // 2 + 1 if half else count
    imaginary = taken[..., 1] if taken.shape[-1] == 2 else None
    return transformed(taken[..., 0], imaginary, frequencies)


@operator("MelWeightMatrix")
def mel_weights(
    operation: Operation,
    bins: Array,
    length: Array,
    rate: Array,
    low: Array,
    high: Array,
) -> Array:
    """Return the triangles that turn frequencies into the mel scale."""
    dtype = operation.dtype("output_datatype", 1)
    count, size, per_second, first, last = (
        operation.known(one, "input").item() for one in (bins, length, rate, low, high)
    )
    rows = size // 2 + 1
    mels = [2595 * np.log10(1 + edge / 700) for edge in (first, last)]
    steps = np.arange(count + 2) * ((mels[1] - mels[0]) / (count + 2)) + mels[0]
    hertz = 700 * (10 ** (steps / 2595) - 1)
    edges = ((size + 1) * hertz // per_second).astype(int)
    result = np.zeros((rows, count))
    for k in range(count):
        left, middle, right = edges[k : k + 3]
        rising = middle - left
        if rising == 0:
            result[middle, k] = 1
        else:
            result[left : middle + 1, k] = np.arange(rising + 1) / rising
        falling = right - middle
        if falling:
            result[middle:right, k] = (falling - np.arange(falling)) / falling
    return constant(result.astype(dtype))


@operator("Col2Im")
def columns_to_image(
    operation: Operation, x: Array, image: Array, block: Array
) -> Array:
    """Add up columns ``[N, C * block, places]`` where they lie in an image."""
    sizes = operation.numbers(image, "image_shape")
    windows = operation.numbers(block, "block_shape")
    rank = len(sizes)
    strides = operation.attribute("strides") or [1] * rank
    dilation = operation.attribute("dilations") or [1] * rank
    pads = operation.attribute("pads") or [0] * (2 * rank)
    room = [size + pads[k] + pads[k + rank] for k, size in enumerate(sizes)]
    grids = []
    for k in range(rank):
        count = (room[k] - (windows[k] - 1) * dilation[k] - 1) // strides[k] + 1
        taps = np.arange(windows[k]) * dilation[k]
        grids.append(taps[:, None] + np.arange(count) * strides[k])
    # Places [taps..., positions...], as the columns are ordered.
    index = np.zeros((1,), np.int64)
    for k, grid in enumerate(grids):
        before = index.reshape(*index.shape, 1, 1) * room[k]
        index = before + grid
    index = index[0]
    order = (*range(0, 2 * rank, 2), *range(1, 2 * rank, 2))
    index = index.transpose(order).ravel()
    batch = x.shape[0]
    channels = x.shape[1] // int(np.prod(windows))
    values = ops.reshape(x, (batch * channels, index.size))
    empty = ops.zeros((int(np.prod(room)), batch * channels), dtype=x.dtype)
    turned = ops.matrix_transpose(values)
    added = scatter(empty.node, constant(index).node, turned.node, 0, "add")
    whole = ops.reshape(
        ops.matrix_transpose(Array.of_node(added)), (batch, channels, *room)
    )
    inside = [slice(pads[k], pads[k] + size) for k, size in enumerate(sizes)]
    return whole[(slice(None), slice(None), *inside)]
