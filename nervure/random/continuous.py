"""Distributions of floating-point numbers.

Normal numbers are the quantile function applied to one uniform number each: no
branches, no pairs, one word a number, and truncation is a matter of the range of the
uniform number.  (Box and Muller's method needs a logarithm, a sine and a cosine, makes
numbers in pairs, and stops being elementwise where the count is odd.)  float16 and
bfloat16 are computed in float32 and rounded once.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from nervure import dtypes
from nervure.array import Array
from nervure.dtypes import DType
from nervure.errors import ArgumentError, DTypeError, ShapeError, explain
from nervure.ir.node import Node, Shape
from nervure.ops.creation import ShapeLike, shape_tuple
from nervure.ops.kinds import ArrayLike
from nervure.ops.operands import as_node, broadcast_node, is_weak
from nervure.prims.binary import add, lt, maximum, minimum, mul, sub
from nervure.prims.leaf import full
from nervure.prims.select import cast, select
from nervure.prims.unary import abs_, neg
from nervure.random.keys import key_node
from nervure.random.repeatable import filled, log, normal_quantile, product
from nervure.random.words import Fraction, fraction, unit_interval, words, words_for

# Below this tail probability the quantile function needs float64, see repeatable.py.
_SMALLEST_FLOAT32_TAIL: Final = 2e-11
# Below this one the probability itself is no longer a normal number of float64.
_SMALLEST_TAIL: Final = 1e-300


# --- parameters ----------------------------------------------------------------------


def float_type(op: str, dtype: npt.DTypeLike) -> DType:
    """Return a floating-point type; raises :class:`DTypeError` for another one."""
    result = dtypes.as_dtype(dtype)
    if not dtypes.is_float(result):
        raise DTypeError(
            explain(
                f"{op}: expected a floating-point type, got {result.name}",
                fix="use nervure.random.randint for whole numbers",
            )
        )
    return result


def as_number(value: Any) -> float | None:
    """Return a single number that a user gave as a float, None for an array."""
    if is_weak(value) or (isinstance(value, np.generic) and value.ndim == 0):
        return float(value)
    return None


def checked_number(op: str, name: str, value: Any, *, positive: bool = False) -> None:
    """Raise unless a parameter that is a single number is finite (and not negative)."""
    number = as_number(value)
    if number is None:
        return
    if not math.isfinite(number) or (positive and number < 0):
        kind = "a finite number of at least 0" if positive else "a finite number"
        raise ArgumentError(
            explain(
                f"{op}: expected {name} to be {kind}, got {value!r}",
                fix=f"pass another {name}",
            )
        )


def parameter(op: str, name: str, value: ArrayLike, shape: Shape, dtype: DType) -> Node:
    """Return a distribution's parameter in the shape and type of its numbers."""
    number = as_number(value)
    if number is not None:
        return full(shape, number, dtype)
    node = as_node(value)
    try:
        fits = np.broadcast_shapes(node.shape, shape) == shape
    except ValueError:
        fits = False
    if not fits:
        raise ShapeError(
            explain(
                f"{op}: {name} of shape {list(node.shape)} does not broadcast to the "
                f"shape {list(shape)} that was asked for",
                fix="shape is the shape of the whole result",
            )
        )
    return broadcast_node(cast(node, dtype), shape)


def _scaled(
    op: str, node: Node, offset: ArrayLike, scale: ArrayLike, names: tuple[str, str]
) -> Node:
    """Return ``node * scale + offset``, leaving out what changes nothing."""
    if as_number(scale) != 1.0:
        node = product(node, parameter(op, names[1], scale, node.shape, node.dtype))
    if as_number(offset) != 0.0:
        node = add(node, parameter(op, names[0], offset, node.shape, node.dtype))
    return node


# --- uniform -------------------------------------------------------------------------


def uniform(
    shape: ShapeLike = (),
    low: ArrayLike = 0.0,
    high: ArrayLike = 1.0,
    *,
    dtype: npt.DTypeLike = dtypes.float32,
    key: ArrayLike | None = None,
) -> Array:
    """Return numbers spread evenly from ``low`` up to but never including ``high``.

    From 0 to 1 they lie on an even grid whose every point is representable: steps of
    2^-24 for float32, 2^-53 for float64, 2^-11 for float16, 2^-8 for bfloat16.  Other
    ranges are this grid, stretched and rounded; what rounds up to ``high`` becomes
    ``low``, its neighbour if the range is bent to a circle.

    Parameters
    ----------
    shape
        The shape of the result.
    low, high
        Numbers, or arrays that broadcast to ``shape``.  Where they are equal, so is the
        result.
    dtype
        A floating-point type.
    key
        ``uint32[2]``; None draws one from the process's generator.

    Raises
    ------
    ArgumentError
        For numbers that are not finite, ``low`` above ``high``, or a width that the
        type cannot hold.
    DTypeError, ShapeError
        For a type that is not floating-point, parameters that do not fit the shape, or
        a key that is none.

    >>> import nervure as nv
    >>> x = nv.random.uniform((1000,), low=-1, high=1, key=nv.random.key(0))
    >>> bool(nv.all((x >= -1) & (x < 1)))
    True
    """
    sizes, wanted = shape_tuple("uniform", shape), float_type("uniform", dtype)
    wide = dtypes.accumulator(wanted)
    first, last = _range("uniform", low, high, wanted)
    unit = unit_interval(key_node("uniform", key), sizes, wanted)
    if (first, last) == (0.0, 1.0):
        return Array.of_node(cast(unit, wanted))
    bottom = parameter("uniform", "low", low, sizes, wanted)
    top = parameter("uniform", "high", high, sizes, wanted)
    if first is None or last is None:
        width = sub(cast(top, wide), cast(bottom, wide))
    else:
        width = full(sizes, last - first, wide)
    stretched = cast(add(product(unit, width), cast(bottom, wide)), wanted)
    return Array.of_node(select(lt(stretched, top), stretched, bottom))


def _range(
    op: str, low: ArrayLike, high: ArrayLike, dtype: DType
) -> tuple[float | None, float | None]:
    """Return the ends of a range where they are numbers, after checking them."""
    checked_number(op, "low", low)
    checked_number(op, "high", high)
    first, last = as_number(low), as_number(high)
    if first is not None and last is not None:
        if first > last:
            raise ArgumentError(
                explain(
                    f"{op}: expected low up to high, got low={low!r} and high={high!r}",
                    fix="exchange the two",
                )
            )
        largest = float(np.finfo(dtypes.accumulator(dtype)).max)
        if last - first > largest or max(abs(first), abs(last)) > largest:
            raise ArgumentError(
                explain(
                    f"{op}: {dtype.name} does not hold the width of the range from "
                    f"{first} "
                    f"to {last}",
                    fix="draw in a wider type, such as dtype='float32'",
                )
            )
    return first, last


# --- normal --------------------------------------------------------------------------


def normal(
    shape: ShapeLike = (),
    *,
    mean: ArrayLike = 0.0,
    std: ArrayLike = 1.0,
    dtype: npt.DTypeLike = dtypes.float32,
    key: ArrayLike | None = None,
) -> Array:
    """Return numbers of a normal distribution.

    One bit decides the sign; the others make the probability of the tail, in steps of
    2^-32 for float32 (so numbers reach 6.3 standard deviations) and of 2^-64 for
    float64 (9.1).  The quantile function is Wichura's algorithm AS 241 (1988), whose
    relative error is 3e-7 in float32 and 1e-15 in float64.

    Parameters
    ----------
    shape
        The shape of the result.
    mean, std
        Numbers, or arrays that broadcast to ``shape``; gradients flow to them.
    dtype
        A floating-point type.
    key
        ``uint32[2]``; None draws one from the process's generator.

    Raises
    ------
    ArgumentError
        For a mean or deviation that is not finite, or a negative deviation.
    DTypeError, ShapeError
        For a type that is not floating-point, parameters that do not fit the shape, or
        a key that is none.

    >>> import nervure as nv
    >>> x = nv.random.normal((10_000,), mean=5, std=2, key=nv.random.key(0))
    >>> round(float(nv.mean(x))), round(float(nv.std(x)))
    (5, 2)
    """
    sizes, wanted = shape_tuple("normal", shape), float_type("normal", dtype)
    _check_normal("normal", mean, std)
    wide = dtypes.accumulator(wanted)
    parts = words(key_node("normal", key), sizes, words_for(wide))
    tail, centre = _halved(_below_sign(parts, wide))
    z = _signed(parts[0], normal_quantile(tail, centre))
    moved = _scaled("normal", z, mean, std, ("mean", "std"))
    return Array.of_node(cast(moved, wanted))


def _check_normal(op: str, mean: ArrayLike, std: ArrayLike) -> None:
    checked_number(op, "mean", mean)
    checked_number(op, "std", std, positive=True)


def _below_sign(parts: list[Node], dtype: DType) -> Fraction:
    """Return the fraction made of every bit but the first, which is the sign."""
    return fraction(parts, 32 * len(parts) - 1, dtype)


def _halved(one: Fraction) -> tuple[Node, Node]:
    """Return a probability between 0 and 1/2, and what it lacks to 1/2."""
    half = filled(one.value, 0.5)
    return mul(one.value, half), mul(one.complement, half)  # exact


def _signed(word: Node, magnitude: Node) -> Node:
    """Return a magnitude with the sign that a word's first bit gives it."""
    negative = lt(filled(word, 2**31 - 1), word)
    return select(negative, neg(magnitude), magnitude)


def truncated_normal(
    shape: ShapeLike = (),
    *,
    mean: ArrayLike = 0.0,
    std: ArrayLike = 1.0,
    lower: float = -2.0,
    upper: float = 2.0,
    dtype: npt.DTypeLike = dtypes.float32,
    key: ArrayLike | None = None,
) -> Array:
    """Return normal numbers from between two limits, without drawing again.

    The limits are counted in standard deviations from the mean: the result is between
    ``mean + lower * std`` and ``mean + upper * std``, up to rounding.  As everywhere,
    ``std`` belongs to the distribution before truncation; between -2 and 2 the numbers
    have the deviation 0.8796 ``std``.

    Parameters
    ----------
    shape
        The shape of the result.
    mean, std
        Numbers, or arrays that broadcast to ``shape``; gradients flow to them.
    lower, upper
        Numbers; infinite ones are allowed.
    dtype
        A floating-point type.
    key
        ``uint32[2]``; None draws one from the process's generator.

    Raises
    ------
    ArgumentError
        For ``lower`` not below ``upper``, or limits so far out (37 deviations) that
        their probability is not a number any more; for a mean or deviation that is not
        finite, or a negative deviation.
    DTypeError, ShapeError
        For a type that is not floating-point, parameters that do not fit the shape, or
        a key that is none.

    >>> import nervure as nv
    >>> x = nv.random.truncated_normal((1000,), key=nv.random.key(0))
    >>> bool(nv.all(nv.abs(x) <= 2))
    True
    """
    op = "truncated_normal"
    sizes, wanted = shape_tuple(op, shape), float_type(op, dtype)
    _check_normal(op, mean, std)
    low, high = float(lower), float(upper)
    if not low < high:
        raise ArgumentError(
            explain(
                f"{op}: expected lower below upper, got lower={lower} and "
                f"upper={upper}",
                fix="swap the two",
            )
        )
    mirrored = abs(high) > abs(low)
    if mirrored:  # so that the longer side is in the lower tail, where all is precise
        low, high = -high, -low
    wide = _type_for_limits(low, high, dtypes.accumulator(wanted))
    parts = words(key_node(op, key), sizes, words_for(wide))
    if low == -high:
        z = _symmetric(parts, high, wide)
    else:
        z = _between(parts, low, high, wide)
    z = minimum(maximum(z, filled(z, low)), filled(z, high))
    z = cast(neg(z) if mirrored else z, dtypes.accumulator(wanted))
    moved = _scaled(op, z, mean, std, ("mean", "std"))
    return Array.of_node(cast(moved, wanted))


def _below(z: float) -> float:
    """Return the probability that a standard normal variable is below z."""
    return 0.5 * math.erfc(-z / math.sqrt(2))


def _type_for_limits(low: float, high: float, dtype: DType) -> DType:
    """Return the type in which the smallest probability between limits is precise."""
    start, width = _below(low), _below(high) - _below(low)
    if start + width * 2.0**-65 < _SMALLEST_TAIL:
        raise ArgumentError(
            explain(
                f"truncated_normal: the limits {low} and {high} are too far out: the "
                "probability between them is too small to be a number",
                fix="use limits within 37 standard deviations of the mean",
            )
        )
    if start + width * 2.0**-33 < _SMALLEST_FLOAT32_TAIL:
        return dtypes.float64
    return dtype


def _symmetric(parts: list[Node], limit: float, dtype: DType) -> Node:
    """Return numbers between -limit and limit: a tail cut off, and a sign."""
    outside = _below(-limit)
    value, complement = _below_sign(parts, dtype)
    inside = filled(value, 0.5 - outside)
    tail = add(product(value, inside), filled(value, outside))
    return _signed(parts[0], normal_quantile(tail, product(complement, inside)))


def _between(parts: list[Node], low: float, high: float, dtype: DType) -> Node:
    """Return numbers between limits of which the lower is farther from 0."""
    start, stop = _below(low), _below(high)
    value, complement = fraction(parts, 32 * len(parts), dtype)
    width = filled(value, stop - start)
    below = add(product(value, width), filled(value, start))
    if high <= 0:  # all in one tail
        centre = add(product(complement, width), filled(value, 0.5 - stop))
        return neg(normal_quantile(below, centre))
    above = add(product(complement, width), filled(value, _below(-high)))
    half = filled(value, 0.5)
    magnitude = normal_quantile(minimum(below, above), abs_(sub(half, below)))
    return select(lt(below, half), neg(magnitude), magnitude)


# --- exponential and its logarithm ---------------------------------------------------


def exponential(
    shape: ShapeLike = (),
    *,
    scale: ArrayLike = 1.0,
    dtype: npt.DTypeLike = dtypes.float32,
    key: ArrayLike | None = None,
) -> Array:
    """Return numbers of an exponential distribution: waiting times of mean ``scale``.

    They are -log(u) of uniform numbers u, for which both u and 1 - u are known to full
    precision; none is 0.  The largest one is 22.9 scale for float32 (45.1 for float64).

    Parameters
    ----------
    shape
        The shape of the result.
    scale
        A number, or an array that broadcasts to ``shape``; gradients flow to it.
    dtype
        A floating-point type.
    key
        ``uint32[2]``; None draws one from the process's generator.

    Raises
    ------
    ArgumentError
        For a scale that is negative or not finite.
    DTypeError, ShapeError
        For a type that is not floating-point, a scale that does not fit the shape, or a
        key that is none.

    >>> import nervure as nv
    >>> x = nv.random.exponential((10_000,), scale=3, key=nv.random.key(0))
    >>> round(float(nv.mean(x)))
    3
    """
    op = "exponential"
    sizes, wanted = shape_tuple(op, shape), float_type(op, dtype)
    checked_number(op, "scale", scale, positive=True)
    waiting = waiting_times(key_node(op, key), sizes, dtypes.accumulator(wanted))
    scaled = _scaled(op, waiting, 0.0, scale, ("", "scale"))
    return Array.of_node(cast(scaled, wanted))


def waiting_times(key: Node, shape: Shape, dtype: DType) -> Node:
    """Return standard exponential numbers of type float32 or float64, above 0."""
    parts = words(key, shape, words_for(dtype))
    return neg(log(*fraction(parts, 32 * len(parts), dtype)))


def gumbel(
    shape: ShapeLike = (),
    *,
    loc: ArrayLike = 0.0,
    scale: ArrayLike = 1.0,
    dtype: npt.DTypeLike = dtypes.float32,
    key: ArrayLike | None = None,
) -> Array:
    """Return numbers of Gumbel's distribution, -log of exponential ones.

    The largest of several logits with such noise added is at each place with the
    probability that softmax gives it; see :func:`categorical`.

    Parameters
    ----------
    shape
        The shape of the result.
    loc, scale
        The mode and the width: numbers, or arrays that broadcast to ``shape``;
        gradients flow to them.
    dtype
        A floating-point type.
    key
        ``uint32[2]``; None draws one from the process's generator.

    Raises
    ------
    ArgumentError
        For parameters that are not finite, or a negative scale.
    DTypeError, ShapeError
        For a type that is not floating-point, parameters that do not fit the shape, or
        a key that is none.

    >>> import nervure as nv
    >>> x = nv.random.gumbel((10_000,), key=nv.random.key(0))
    >>> abs(float(nv.mean(x)) - 0.5772) < 0.05
    True
    """
    op = "gumbel"
    sizes, wanted = shape_tuple(op, shape), float_type(op, dtype)
    checked_number(op, "loc", loc)
    checked_number(op, "scale", scale, positive=True)
    noise = gumbel_noise(key_node(op, key), sizes, dtypes.accumulator(wanted))
    moved = _scaled(op, noise, loc, scale, ("loc", "scale"))
    return Array.of_node(cast(moved, wanted))


def gumbel_noise(key: Node, shape: Shape, dtype: DType) -> Node:
    """Return standard Gumbel numbers of type float32 or float64."""
    return neg(log(waiting_times(key, shape, dtype)))
