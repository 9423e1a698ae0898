"""Images: ``Resize``, ``Upsample``, ``GridSample``, ``RoiAlign``."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from nervure import dtypes, ops
from nervure.array import Array
from nervure.importers.onnx.running import Operation, constant
from nervure.importers.onnx.table import operator

Matrix = npt.NDArray[np.float64]


@operator("Upsample", since=7)
def upsample(operation: Operation, x: Array, scales: Array | None = None) -> Array:
    """Enlarge by factors, as ``Resize`` did at first."""
    if operation.version < 9:
        factors = operation.attribute("scales")
    else:
        factors = operation.known(scales, "scales").tolist()
    for axis, factor in enumerate(factors):
        size = math.floor(x.shape[axis] * factor)
        if size != x.shape[axis]:
            rule = _Rule(operation, "asymmetric", "floor", exclude=False)
            x = rule.resized(x, axis, size, factor, None)
    return x


@operator("Resize", since=11)
def resize(
    operation: Operation,
    x: Array,
    regions: Array | None = None,
    scales: Array | None = None,
    sizes: Array | None = None,
) -> Array:
    """Resize some axes, by factors or to sizes.

    Along each axis the result is a matrix times the values, so a resize has an exact
    gradient.
    """
    axes = operation.attribute("axes") or list(range(x.ndim))
    axes = [axis % x.ndim for axis in axes]
    old = [x.shape[axis] for axis in axes]
    rule = _Rule(
        operation,
        operation.attribute("coordinate_transformation_mode", "half_pixel"),
        operation.attribute("nearest_mode", "round_prefer_floor"),
        exclude=bool(operation.attribute("exclude_outside", 0)),
    )
    if sizes is not None and sizes.size:
        wanted = operation.numbers(sizes, "sizes")
        new, factors = _fitted(operation, old, wanted)
    elif scales is not None:
        factors = operation.known(scales, "scales").astype(np.float64).tolist()
        new = [math.floor(a * b) for a, b in zip(old, factors, strict=True)]
    else:
        operation.refuse("it has neither scales nor sizes")
    roi = None
    if regions is not None and rule.transformation == "tf_crop_and_resize":
        roi = operation.known(regions, "roi").astype(np.float64)
    for k, axis in enumerate(axes):
        part = None if roi is None else (float(roi[k]), float(roi[k + len(axes)]))
        if new[k] != old[k] or factors[k] != 1.0 or part is not None:
            x = rule.resized(x, axis, new[k], factors[k], part)
    return x


def _fitted(
    operation: Operation, old: list[int], wanted: list[int]
) -> tuple[list[int], list[float]]:
    """Return sizes and factors; a policy keeps the ratio of the sizes."""
    factors = [new / size for new, size in zip(wanted, old, strict=True)]
    policy = operation.attribute("keep_aspect_ratio_policy", "stretch")
    if policy == "stretch":
        return wanted, factors
    factor = min(factors) if policy == "not_larger" else max(factors)
    return [math.floor(factor * size + 0.5) for size in old], [factor] * len(old)


class _Rule:
    """How places of the result become places of the input, and what is read there."""

    def __init__(
        self, operation: Operation, transformation: str, nearest: str, *, exclude: bool
    ) -> None:
        self.operation = operation
        self.transformation = transformation
        self.nearest = nearest
        self.exclude = exclude
        self.mode = operation.attribute("mode", "nearest")
        self.antialias = bool(operation.attribute("antialias", 0))
        self.cubic = operation.attribute("cubic_coeff_a", -0.75)
        self.outside = operation.attribute("extrapolation_value", 0.0)

    def resized(
        self,
        x: Array,
        axis: int,
        size: int,
        factor: float,
        part: tuple[float, float] | None,
    ) -> Array:
        """Return x with one axis resized."""
        extent = x.shape[axis]
        at = self._sources(extent, size, factor, part)
        beyond = (at < 0) | (at > extent - 1)
        if self.mode == "nearest":
            places = np.clip(self._rounded(at), 0, extent - 1)
            result = ops.take(x, constant(places.astype(np.int64)), axis=axis)
        else:
            weights = self._weights(extent, at, min(factor, 1.0))
            result = _mapped(x, axis, weights)
        if part is not None and beyond.any():
            shape = [1] * x.ndim
            shape[axis] = size
            filling = ops.full_like(result, self.outside)
            result = ops.where(constant(beyond.reshape(shape)), filling, result)
        return result

    def _sources(
        self, extent: int, size: int, factor: float, part: tuple[float, float] | None
    ) -> Matrix:
        place = np.arange(size, dtype=np.float64)
        length = factor * extent
        kind = self.transformation
        if kind == "half_pixel":
            return (place + 0.5) / factor - 0.5
        if kind == "half_pixel_symmetric":
            adjusted = size / length
            return extent / 2 * (1 - adjusted) + (place + 0.5) / factor - 0.5
        if kind == "pytorch_half_pixel":
            return (place + 0.5) / factor - 0.5 if size > 1 else np.zeros(1)
        if kind == "align_corners":
            return place * (extent - 1) / max(length - 1, 1)
        if kind == "asymmetric":
            return place / factor
        if kind == "tf_crop_and_resize" and part is not None:
            first, last = part
            if size <= 1:
                return np.full(size, 0.5 * (first + last) * (extent - 1))
            step = (last - first) * (extent - 1) / (size - 1)
            return first * (extent - 1) + place * step
        return self.operation.refuse(f"it has the unknown coordinates {kind!r}")

    def _rounded(self, at: Matrix) -> Matrix:
        functions: dict[str, Callable[[Matrix], Matrix]] = {
            "round_prefer_floor": lambda x: np.ceil(x - 0.5),
            "round_prefer_ceil": lambda x: np.floor(x + 0.5),
            "floor": np.floor,
            "ceil": np.ceil,
        }
        if self.nearest not in functions:
            self.operation.refuse(f"it has the unknown rounding {self.nearest!r}")
        return functions[self.nearest](at)

    def _weights(self, extent: int, at: Matrix, shrunk: float) -> Matrix:
        """Return the matrix ``[size, extent]`` of linear or cubic interpolation."""
        scale = shrunk if self.antialias else 1.0
        kernel = _triangle if self.mode == "linear" else self._cubic
        radius = 1 if self.mode == "linear" else 2
        reach = math.ceil(radius / scale)
        first = np.floor(at).astype(int) - reach + 1
        places = first[:, None] + np.arange(2 * reach)
        weights = kernel((at[:, None] - places) * scale)
        if self.exclude:
            weights = np.where((places < 0) | (places >= extent), 0.0, weights)
        if self.exclude or self.antialias:
            weights = weights / weights.sum(axis=1, keepdims=True)
        result = np.zeros((len(at), extent))
        rows = np.broadcast_to(np.arange(len(at))[:, None], places.shape)
        np.add.at(result, (rows, np.clip(places, 0, extent - 1)), weights)
        return result

    def _cubic(self, x: Matrix) -> Matrix:
        """Return Keys' cubic kernel (Keys 1981) with the coefficient of the file."""
        x = np.abs(x)
        near, far = _cubic_pieces(x, self.cubic)
        return np.where(x <= 1, near, np.where(x < 2, far, 0.0))


def _cubic_pieces(x: Any, a: float) -> tuple[Any, Any]:
    """Return Keys' cubics for distances up to 1, and for those from 1 to 2."""
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return near, far


def _triangle(x: Matrix) -> Matrix:
    return np.maximum(1 - np.abs(x), 0.0)


def _mapped(x: Array, axis: int, weights: Matrix) -> Array:
    """Multiply one axis with a matrix."""
    wide = dtypes.accumulator(x.dtype) if dtypes.is_float(x.dtype) else dtypes.float64
    last = ops.moveaxis(ops.astype(x, wide), axis, -1)
    product = ops.matmul(last, constant(np.ascontiguousarray(weights.T.astype(wide))))
    return ops.astype(ops.moveaxis(product, -1, axis), x.dtype)


@operator("GridSample")
def grid_sample(operation: Operation, x: Array, grid: Array) -> Array:
    """Sample ``[N, C, *places]`` at a grid ``[N, *out, rank]`` of numbers -1 to 1."""
    mode = {"bilinear": "linear", "bicubic": "cubic"}
    kind = operation.attribute("mode", "linear")
    kind = mode.get(kind, kind)
    border = operation.attribute("padding_mode", "zeros")
    align = bool(operation.attribute("align_corners", 0))
    spatial = x.shape[2:]
    rank = len(spatial)
    at = []
    for k, extent in enumerate(spatial):
        number = grid[..., rank - 1 - k]
        half = (extent - 1) / 2 if align else extent / 2
        at.append((number + 1) * half - (0.0 if align else 0.5))
    if border == "border" and kind != "cubic":
        at = [ops.clip(p, 0, n - 1) for p, n in zip(at, spatial, strict=True)]
    elif border == "reflection" and kind != "cubic":
        at = [_mirrored(p, n, align) for p, n in zip(at, spatial, strict=True)]
    if kind == "nearest":
        taps = [[(ops.round(p), None)] for p in at]
    elif kind == "linear":
        taps = [_linear_taps(p) for p in at]
    elif kind == "cubic":
        taps = [_cubic_taps(p) for p in at]
    else:
        operation.refuse(f"it has the unknown mode {kind!r}")
    return _combined(x, taps, border, align)


def _linear_taps(at: Array) -> list[tuple[Array, Any]]:
    low = ops.floor(at)
    return [(low, 1 - (at - low)), (low + 1, at - low)]


def _cubic_taps(at: Array) -> list[tuple[Array, Any]]:
    low = ops.floor(at)
    taps = []
    for shift in (-1, 0, 1, 2):
        near, far = _cubic_pieces(ops.abs(at - (low + shift)), -0.75)
        taps.append((low + shift, near if shift in (0, 1) else far))
    return taps


def _mirrored(place: Array, extent: int, align: bool) -> Array:
    """Return places reflected at the borders until they are inside."""
    first, last = (0.0, extent - 1.0) if align else (-0.5, extent - 0.5)
    width = last - first
    if width == 0:
        return ops.zeros_like(place)
    turned = ops.remainder(place - first, 2 * width)
    inside = ops.where(turned > width, 2 * width - turned, turned) + first
    return ops.clip(inside, 0, extent - 1)


def _combined(x: Array, taps: list[Any], border: str, align: bool) -> Array:
    """Add up the weighted elements of all combinations of taps."""
    spatial = x.shape[2:]
    batch, channels = x.shape[:2]
    flat = ops.reshape(x, (batch, channels, math.prod(spatial)))
    out = taps[0][0][0].shape[1:]
    result = None
    for chosen in np.ndindex(*(len(one) for one in taps)):
        linear: Any = 0
        weight: Any = None
        for axis, k in enumerate(chosen):
            place, factor = taps[axis][k]
            extent = spatial[axis]
            if border == "reflection":
                place = ops.round(_mirrored(place, extent, align))
            inside = ops.logical_and(place >= 0, place <= extent - 1)
            if border == "zeros":
                ones = ops.ones_like(place) if factor is None else factor
                factor = ops.where(inside, ones, ops.zeros_like(place))
            linear = linear * extent + ops.clip(place, 0, extent - 1)
            if factor is not None:
                weight = factor if weight is None else weight * factor
        index = ops.reshape(ops.astype(linear, "int64"), (batch, 1, -1))
        taken = ops.take_along_axis(flat, index, axis=2)
        taken = ops.reshape(taken, (batch, channels, *out))
        term = taken if weight is None else taken * ops.astype(weight, x.dtype)[:, None]
        result = term if result is None else result + term
    assert result is not None
    return result
