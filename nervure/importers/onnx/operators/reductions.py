"""Reductions: ``ReduceSum``, ``ReduceLogSumExp``, ``ArgMax``, ..."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nervure import dtypes, ops
from nervure.array import Array
from nervure.importers.onnx.running import Operation
from nervure.importers.onnx.table import add, operator
from nervure.ops import nn

Reduction = Callable[[Array, tuple[int, ...], bool], Array]


def _builder(reduction: Reduction, axes_are_input_since: int = 18) -> Any:
    def build(operation: Operation, x: Array, axes: Array | None = None) -> Array:
        if operation.version < axes_are_input_since:
            given = operation.attribute("axes")
        else:
            given = operation.numbers(axes, "axes")
        keep = bool(operation.attribute("keepdims", 1))
        if not given:
            if operation.attribute("noop_with_empty_axes", 0):
                return reduction(x, (), True)
            given = range(x.ndim)
        return reduction(x, tuple(axis % max(x.ndim, 1) for axis in given), keep)

    return build


def _typed(x: Array, axes: tuple[int, ...], keep: bool) -> Array:
    """Return the sum in the type of x."""
    return ops.sum(x, axis=axes, keepdims=keep, dtype=x.dtype)


def _extreme(
    function: Callable[..., Array], neutral: Callable[[Any], Any]
) -> Reduction:
    def reduction(x: Array, axes: tuple[int, ...], keep: bool) -> Array:
        if dtypes.is_bool(x.dtype) and x.size:
            numbers = ops.astype(x, dtypes.uint8)
            return ops.astype(function(numbers, axis=axes, keepdims=keep), x.dtype)
        if 0 in x.shape:
            shape = np.sum(np.empty(x.shape, bool), axis=axes, keepdims=keep).shape
            return ops.full(shape, neutral(x.dtype), dtype=x.dtype)
        return function(x, axis=axes, keepdims=keep)

    return reduction


def _lowest(dtype: Any) -> Any:
    if dtypes.is_bool(dtype):
        return False
    return -np.inf if dtypes.is_float(dtype) else int(np.iinfo(dtype).min)


def _highest(dtype: Any) -> Any:
    if dtypes.is_bool(dtype):
        return True
    return np.inf if dtypes.is_float(dtype) else int(np.iinfo(dtype).max)


def _mean(x: Array, axes: tuple[int, ...], keep: bool) -> Array:
    if dtypes.is_float(x.dtype):
        return ops.mean(x, axis=axes, keepdims=keep)
    wide = ops.mean(ops.astype(x, dtypes.float64), axis=axes, keepdims=keep)
    return ops.astype(wide, x.dtype)


def _through_float(
    function: Callable[[Array, tuple[int, ...], bool], Array],
) -> Reduction:
    """Return a reduction of whole numbers that is computed in float64."""

    def reduction(x: Array, axes: tuple[int, ...], keep: bool) -> Array:
        if dtypes.is_float(x.dtype):
            return function(x, axes, keep)
        return ops.astype(function(ops.astype(x, dtypes.float64), axes, keep), x.dtype)

    return reduction


def _logarithm_of_exponentials(x: Array, axes: tuple[int, ...], keep: bool) -> Array:
    if 0 in x.shape:
        return ops.log(_typed(ops.exp(x), axes, keep))
    return nn.logsumexp(x, axis=axes, keepdims=keep)


add("ReduceSum", _builder(_typed, 13))
for _name, _reduction in {
    "ReduceMax": _extreme(ops.max, _lowest),
    "ReduceMin": _extreme(ops.min, _highest),
    "ReduceMean": _mean,
    "ReduceProd": lambda x, axes, keep: ops.prod(
        x, axis=axes, keepdims=keep, dtype=x.dtype
    ),
    "ReduceL1": lambda x, axes, keep: _typed(ops.abs(x), axes, keep),
    "ReduceL2": _through_float(
        lambda x, axes, keep: ops.sqrt(_typed(ops.square(x), axes, keep))
    ),
    "ReduceSumSquare": lambda x, axes, keep: _typed(ops.square(x), axes, keep),
    "ReduceLogSum": _through_float(
        lambda x, axes, keep: ops.log(_typed(x, axes, keep))
    ),
    "ReduceLogSumExp": _through_float(_logarithm_of_exponentials),
}.items():
    add(_name, _builder(_reduction))


@operator("ArgMax", "ArgMin")
def place_of_extreme(operation: Operation, x: Array) -> Array:
    """Return the place of the largest or smallest element, the first or the last."""
    find = ops.argmax if operation.name == "ArgMax" else ops.argmin
    axis = operation.attribute("axis", 0)
    keep = bool(operation.attribute("keepdims", 1))
    if operation.attribute("select_last_index", 0):
        places = find(ops.flip(x, axis=axis), axis=axis, keepdims=keep)
        return x.shape[axis] - 1 - places
    return find(x, axis=axis, keepdims=keep)
