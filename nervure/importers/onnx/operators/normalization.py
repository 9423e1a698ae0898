"""Normalization: ``BatchNormalization``, ``LayerNormalization``, ``LRN``, ..."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nervure import dtypes, ops
from nervure.array import Array
from nervure.importers.onnx.operators.randoms import key_of
from nervure.importers.onnx.running import Operation
from nervure.importers.onnx.table import operator
from nervure.prims.window import window_sum
from nervure.random import uniform


def _by_channel(x: Array, rank: int) -> Array:
    """Return ``[C]`` so that it broadcasts with ``[N, C, *places]``."""
    return ops.reshape(x, (x.shape[0], *(1,) * (rank - 2))) if rank > 2 else x


def _centred(x: Array, axes: Sequence[int]) -> tuple[Array, Array, Array]:
    """Return x without its mean, the mean and the variance over axes."""
    mean = ops.mean(x, axis=tuple(axes), keepdims=True)
    rest = x - mean
    return rest, mean, ops.mean(ops.square(rest), axis=tuple(axes), keepdims=True)


@operator("BatchNormalization", since=7)
def batch_normalization(
    operation: Operation,
    x: Array,
    scale: Array,
    bias: Array,
    mean: Array,
    variance: Array,
) -> Any:
    """Normalize each channel by known moments, or while training by the batch's."""
    epsilon = operation.attribute("epsilon", 1e-5)
    rank = x.ndim
    if not operation.attribute("training_mode", 0):
        spread = ops.sqrt(variance + epsilon)
        factor = scale / spread
        shift = bias - mean * factor
        result = x * ops.astype(_by_channel(factor, rank), x.dtype)
        return result + ops.astype(_by_channel(shift, rank), x.dtype)
    momentum = operation.attribute("momentum", 0.9)
    axes = (0, *range(2, rank))
    wide = ops.astype(x, dtypes.accumulator(x.dtype))
    rest, found, spread = _centred(wide, axes)
    y = rest / ops.sqrt(spread + epsilon) * _by_channel(scale, rank)
    y = ops.astype(y + _by_channel(bias, rank), x.dtype)
    running = []
    for old, new in ((mean, found), (variance, spread)):
        flat = ops.astype(ops.reshape(new, old.shape), old.dtype)
        running.append(old * momentum + flat * (1 - momentum))
    return (y, *running)


@operator("InstanceNormalization", since=6)
def instance_normalization(
    operation: Operation, x: Array, scale: Array, bias: Array
) -> Array:
    """Normalize each channel of each sample."""
    rest, _, spread = _centred(x, range(2, x.ndim))
    y = rest / ops.sqrt(spread + operation.attribute("epsilon", 1e-5))
    return y * _by_channel(scale, x.ndim) + _by_channel(bias, x.ndim)


@operator("GroupNormalization", since=21)
def group_normalization(
    operation: Operation, x: Array, scale: Array, bias: Array
) -> Array:
    """Normalize groups of channels of each sample."""
    groups = operation.attribute("num_groups")
    batch, channels = x.shape[:2]
    wide = ops.astype(x, dtypes.accumulator(x.dtype))
    parts = ops.reshape(wide, (batch, groups, channels // groups, *x.shape[2:]))
    rest, _, spread = _centred(parts, range(2, parts.ndim))
    y = rest / ops.sqrt(spread + operation.attribute("epsilon", 1e-5))
    y = ops.astype(ops.reshape(y, x.shape), x.dtype)
    return y * _by_channel(scale, x.ndim) + _by_channel(bias, x.ndim)


@operator("LayerNormalization")
def layer_normalization(
    operation: Operation, x: Array, scale: Array, bias: Array | None = None
) -> Any:
    """Normalize the last axes of each sample; also returns mean and 1 / deviation."""
    first = operation.attribute("axis", -1) % x.ndim
    wide = ops.astype(x, dtypes.accumulator(x.dtype))
    rest, mean, spread = _centred(wide, range(first, x.ndim))
    inverse = ops.reciprocal(ops.sqrt(spread + operation.attribute("epsilon", 1e-5)))
    y = ops.astype(rest * inverse, x.dtype) * scale
    return (y if bias is None else y + bias), mean, inverse


@operator("RMSNormalization")
def rms_normalization(operation: Operation, x: Array, scale: Array) -> Array:
    """Divide the last axes of each sample by their root mean square."""
    first = operation.attribute("axis", -1) % x.ndim
    kind = operation.dtype("stash_type", 1)
    wide = ops.astype(x, kind if x.dtype.itemsize < kind.itemsize else x.dtype)
    axes = tuple(range(first, x.ndim))
    square = ops.mean(ops.square(wide), axis=axes, keepdims=True)
    y = wide / ops.sqrt(square + operation.attribute("epsilon", 1e-5))
    return ops.astype(ops.astype(y, x.dtype) * scale, scale.dtype)


@operator("MeanVarianceNormalization")
def mean_variance_normalization(operation: Operation, x: Array) -> Array:
    """Normalize over axes, by default all but the channels."""
    axes = operation.attribute("axes", [0, 2, 3])
    rest, _, spread = _centred(x, [axis % x.ndim for axis in axes])
    return rest / (ops.sqrt(spread) + 1e-9)


@operator("LpNormalization")
def lp_normalization(operation: Operation, x: Array) -> Array:
    """Divide by the 1- or 2-norm along an axis; zeros stay zeros."""
    axis = operation.attribute("axis", -1)
    if operation.attribute("p", 2) == 1:
        norm = ops.sum(ops.abs(x), axis=axis, keepdims=True)
    else:
        norm = ops.sqrt(ops.sum(ops.square(x), axis=axis, keepdims=True))
    empty = ops.equal(norm, 0.0)
    return ops.where(
        empty, ops.zeros_like(x), x / ops.where(empty, ops.ones_like(norm), norm)
    )


@operator("LRN")
def local_response_normalization(operation: Operation, x: Array) -> Array:
    """Divide by the squares of neighbouring channels (Krizhevsky 2012)."""
    size = operation.attribute("size")
    alpha = operation.attribute("alpha", 1e-4)
    beta = operation.attribute("beta", 0.75)
    before = (size - 1) // 2
    window = [1] * x.ndim
    window[1] = size
    pads = [(0, 0)] * x.ndim
    pads[1] = (before, size - 1 - before)
    squares = Array.of_node(window_sum(ops.square(x).node, window, None, pads))
    base = squares * (alpha / size) + operation.attribute("bias", 1.0)
    return x / ops.pow(base, beta)


@operator("Dropout", since=7)
def dropout(
    operation: Operation,
    x: Array,
    ratio: Array | None = None,
    training: Array | None = None,
) -> Any:
    """Return x, or with ``training_mode`` with random elements set to zero."""
    rate = operation.attribute("ratio", 0.5)
    asked = False
    if operation.version >= 12:
        rate = 0.5 if ratio is None else float(operation.known(ratio, "ratio").item())
        asked = training is not None and bool(
            operation.known(training, "training_mode").item()
        )
    if not asked or not rate:
        return x, ops.ones(x.shape, dtype="bool")
    kept = uniform(x.shape, key=key_of(operation)) >= rate
    return ops.where(kept, x / (1.0 - rate), ops.zeros_like(x)), kept
