"""Distributions of integers and truth values, random orders, and choices."""

from __future__ import annotations

import operator
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from nervure import dtypes
from nervure.array import Array
from nervure.dtypes import DType
from nervure.errors import ArgumentError, DTypeError, ShapeError, explain
from nervure.ir.node import Node, Shape
from nervure.ops.creation import ShapeLike, shape_tuple
from nervure.ops.kinds import ArrayLike, as_float
from nervure.ops.operands import as_node, axis_index, broadcast_node
from nervure.ops.searching import searchsorted
from nervure.prims.binary import add, and_, div, lt, mul, or_, shift_left, shift_right
from nervure.prims.indexed import gather
from nervure.prims.leaf import full, iota
from nervure.prims.movement import reshape, transpose
from nervure.prims.order import cumsum, sort
from nervure.prims.reduce import argmax
from nervure.prims.select import cast
from nervure.prims.slicing import slice_
from nervure.random.continuous import (
    as_number,
    gumbel_noise,
    parameter,
    waiting_times,
)
from nervure.random.keys import key_node
from nervure.random.repeatable import filled
from nervure.random.words import WORD_BITS, shifted_right, unit_interval, words

_WORD: Final = 2**WORD_BITS


def bits(
    shape: ShapeLike = (),
    *,
    dtype: npt.DTypeLike = dtypes.uint32,
    key: ArrayLike | None = None,
) -> Array:
    """Return random bits: every value of an unsigned integer type equally often.

    Parameters
    ----------
    shape
        The shape of the result.
    dtype
        uint8, uint16, uint32 or uint64.
    key
        ``uint32[2]``; None draws one from the process's generator.

    Raises
    ------
    DTypeError, ShapeError
        For another type, or a key that is none.

    >>> import nervure as nv
    >>> nv.random.bits((2,), key=nv.random.key(0)).dtype
    dtype('uint32')
    """
    sizes, wanted = shape_tuple("bits", shape), dtypes.as_dtype(dtype)
    if not dtypes.is_unsigned(wanted):
        raise DTypeError(
            explain(
                f"bits: expected an unsigned integer type, got {wanted.name}",
                fix="use nervure.random.randint for other integers",
            )
        )
    source = key_node("bits", key)
    if wanted == dtypes.uint64:
        return Array.of_node(_long_words(source, sizes))
    (word,) = words(source, sizes, 1)
    unused = WORD_BITS - 8 * wanted.itemsize
    return Array.of_node(cast(shifted_right(word, unused), wanted) if unused else word)


def _long_words(key: Node, shape: Shape) -> Node:
    """Return random words of 64 bits."""
    high, low = (cast(word, dtypes.uint64) for word in words(key, shape, 2))
    return or_(shift_left(high, filled(high, WORD_BITS)), low)


# --- truth values --------------------------------------------------------------------


def bernoulli(
    shape: ShapeLike = (), *, p: ArrayLike = 0.5, key: ArrayLike | None = None
) -> Array:
    """Return truth values that are True with probability ``p``.

    For a number, words are compared with the integer nearest to 2^32 p, so 0 never and
    1 always gives True.  For an array, uniform numbers of its type are.

    Parameters
    ----------
    shape
        The shape of the result, ``bool[shape]``.
    p
        A number from 0 to 1, or an array that broadcasts to ``shape``.
    key
        ``uint32[2]``; None draws one from the process's generator.

    Raises
    ------
    ArgumentError
        For a number outside the range from 0 to 1.
    ShapeError
        For an array that does not fit the shape, or a key that is none.

    >>> import nervure as nv
    >>> x = nv.random.bernoulli((10_000,), p=0.3, key=nv.random.key(0))
    >>> abs(float(nv.mean(x.astype("float32"))) - 0.3) < 0.02
    True
    """
    sizes = shape_tuple("bernoulli", shape)
    number = as_number(p)
    if number is not None and not 0 <= number <= 1:
        # before a key is drawn: a call that fails leaves the generator as it was
        raise ArgumentError(
            explain(
                f"bernoulli: expected p to be a probability from 0 to 1, got {p!r}",
                fix="pass a number between them, such as 0.5",
            )
        )
    source = key_node("bernoulli", key)
    if number is None:
        chance = as_float(as_node(p))
        unit = unit_interval(source, sizes, chance.dtype)
        limit = parameter("bernoulli", "p", Array.of_node(chance), sizes, unit.dtype)
        return Array.of_node(lt(unit, limit))
    threshold = round(number * _WORD)
    if threshold == _WORD:
        return Array.of_node(full(sizes, True, dtypes.bool_))
    (word,) = words(source, sizes, 1)
    return Array.of_node(lt(word, filled(word, threshold)))


# --- integers ------------------------------------------------------------------------


def randint(
    shape: ShapeLike,
    low: int,
    high: int,
    *,
    dtype: npt.DTypeLike = dtypes.int64,
    key: ArrayLike | None = None,
) -> Array:
    """Return whole numbers from ``low`` up to but not including ``high``.

    A random number with at least 32 bits more than the width of the range is multiplied
    by the width, and what is above its last bit is kept (Lemire 2019, without drawing
    again): no value is more likely than another by more than a part in 2^32, and none
    at all where the width is a power of two.

    Parameters
    ----------
    shape
        The shape of the result.
    low, high
        Python integers within the range of ``dtype`` (``high`` may be one more).
    dtype
        An integer type.
    key
        ``uint32[2]``; None draws one from the process's generator.

    Raises
    ------
    ArgumentError
        For an empty range, or ends that ``dtype`` does not hold.
    DTypeError, ShapeError
        For a type that is not an integer, ends that are not whole numbers, or a key
        that is none.

    >>> import nervure as nv
    >>> dice = nv.random.randint((1000,), 1, 7, key=nv.random.key(0))
    >>> int(nv.min(dice)), int(nv.max(dice))
    (1, 6)
    """
    sizes, wanted = shape_tuple("randint", shape), dtypes.as_dtype(dtype)
    first, last = _checked_range(low, high, wanted)
    number = _multiplied(key_node("randint", key), sizes, last - first)
    # Two's complement: the sum wraps around to the right value for any type.
    start = full(sizes, first % 2**64, dtypes.uint64)
    return Array.of_node(cast(add(number, start), wanted))


def _checked_range(low: Any, high: Any, dtype: DType) -> tuple[int, int]:
    """Return the ends of a range of integers."""
    if not dtypes.is_integer(dtype):
        raise DTypeError(
            explain(
                f"randint: expected an integer type, got {dtype.name}",
                fix="use nervure.random.uniform for floating-point numbers",
            )
        )
    try:
        first, last = operator.index(low), operator.index(high)
    except TypeError:
        raise DTypeError(
            explain(
                f"randint: expected low and high to be whole numbers, got {low!r} and "
                f"{high!r}",
                fix="convert them with int(...); uniform draws numbers with a fraction",
            )
        ) from None
    if not first < last:
        raise ArgumentError(
            explain(
                f"randint: expected low below high, got low={low} and high={high}",
                fix="the numbers drawn are from low to high - 1",
            )
        )
    limits = np.iinfo(dtype)
    if first < limits.min or last > int(limits.max) + 1:
        raise ArgumentError(
            explain(
                f"randint: {dtype.name} does not hold the numbers from {low} up to "
                f"{high}",
                fix="choose a wider dtype, such as 'int64'",
            )
        )
    return first, last


def _multiplied(key: Node, shape: Shape, width: int) -> Node:
    """Return whole numbers below ``width`` as uint64.

    Long multiplication with digits of 32 bits: a random fraction of one digit more than
    the width, times the width; the whole part is the result.
    """
    if width & (width - 1) == 0:
        if width <= _WORD:
            random = cast(words(key, shape, 1)[0], dtypes.uint64)
        else:
            random = _long_words(key, shape)
        return and_(random, filled(random, width - 1))
    factor = [width % _WORD] if width < _WORD else [width % _WORD, width // _WORD]
    parts = [cast(word, dtypes.uint64) for word in words(key, shape, len(factor) + 1)]
    zero = full(shape, 0, dtypes.uint64)
    digit_mask, digit = filled(zero, _WORD - 1), filled(zero, WORD_BITS)
    columns = [zero] * (len(parts) + len(factor))
    for i, part in enumerate(parts):
        for n, one in enumerate(factor):
            partial = mul(part, filled(zero, one))
            columns[i + n] = add(columns[i + n], and_(partial, digit_mask))
            above = shift_right(partial, digit)
            columns[i + n + 1] = add(columns[i + n + 1], above)
    carry, digits = zero, []
    for column in columns:
        total = add(column, carry)
        digits.append(and_(total, digit_mask))
        carry = shift_right(total, digit)
    whole = digits[len(parts) :]
    result = whole[0]
    for one_digit in whole[1:]:
        result = or_(result, shift_left(one_digit, digit))
    return result


# --- orders --------------------------------------------------------------------------


def permutation(
    x: int | ArrayLike, *, axis: int = 0, key: ArrayLike | None = None
) -> Array:
    """Return the numbers below ``x`` in random order, or an array shuffled on an axis.

    Every order is equally likely: elements are sorted by random keys of 64 bits.

    Parameters
    ----------
    x
        A number n, for ``int64[n]``, or an array.
    axis
        The axis whose slices change places; each slice stays whole.
    key
        ``uint32[2]``; None draws one from the process's generator.

    Raises
    ------
    ArgumentError
        For a negative number, or an axis that the array does not have.
    ShapeError
        For a key that is none.

    >>> import nervure as nv
    >>> sorted(nv.random.permutation(4, key=nv.random.key(0)).tolist())
    [0, 1, 2, 3]
    """
    if not isinstance(x, int | np.integer):
        return shuffle(x, axis=axis, key=key)
    (count,) = shape_tuple("permutation", int(x))
    return Array.of_node(_random_order(key_node("permutation", key), count))


def _random_order(key: Node, count: int) -> Node:
    return sort(_long_words(key, (count,)), iota((count,), 0), 0)


def shuffle(x: ArrayLike, *, axis: int = 0, key: ArrayLike | None = None) -> Array:
    """Return an array with its slices along ``axis`` in random order.

    Arrays do not change, so unlike NumPy's function this one returns the result.

    Parameters
    ----------
    x
        An array of at least one axis.
    axis
        The axis whose slices change places; each slice stays whole.
    key
        ``uint32[2]``; None draws one from the process's generator.

    Raises
    ------
    ArgumentError
        For an axis that the array does not have.
    ShapeError
        For a key that is none.

    >>> import nervure as nv
    >>> rows = nv.random.shuffle([[1, 2], [3, 4], [5, 6]], key=nv.random.key(0))
    >>> sorted(rows.tolist())
    [[1, 2], [3, 4], [5, 6]]
    """
    node = as_node(x)
    place = axis_index("shuffle", axis, len(node.shape))
    order = _random_order(key_node("shuffle", key), node.shape[place])
    return Array.of_node(gather(node, order, place))


# --- choices -------------------------------------------------------------------------


def choice(
    a: int | ArrayLike,
    shape: ShapeLike = (),
    *,
    replace: bool = True,
    p: ArrayLike | None = None,
    axis: int = 0,
    key: ArrayLike | None = None,
) -> Array:
    """Return elements of ``a`` chosen at random.

    Parameters
    ----------
    a
        A number n, for the numbers below it, or an array whose slices along ``axis``
        are chosen from.
    shape
        How many to choose; these axes take the place of ``axis``.
    replace
        Whether an element may be chosen several times.
    p
        ``float[n]``: the probability of each element, which add up to 1; equal ones by
        default.  Without replacement the first choice follows ``p``, the next one ``p``
        without the first, and so on (Efraimidis and Spirakis 2006).
    key
        ``uint32[2]``; None draws one from the process's generator.

    Raises
    ------
    ArgumentError
        For nothing to choose from, more choices than elements without replacement, or
        probabilities that are negative, not finite, or do not add up to 1 (where they
        are known).
    ShapeError
        For probabilities of another length than the axis, or a key that is none.

    >>> import nervure as nv
    >>> nv.random.choice(3, (4,), p=[0.0, 1.0, 0.0]).tolist()
    [1, 1, 1, 1]
    >>> sorted(nv.random.choice(5, (5,), replace=False).tolist())
    [0, 1, 2, 3, 4]
    """
    sizes = shape_tuple("choice", shape)
    source, place, extent = _chosen_from(a, axis)
    wanted = int(np.prod(sizes, dtype=np.int64))
    if extent == 0 and wanted:
        raise ArgumentError(
            explain(
                "choice: there is nothing to choose from",
                fix="pass an array of at least one element",
            )
        )
    if not replace and wanted > extent:
        raise ArgumentError(
            explain(
                f"choice: expected at most {extent} choices without replacement, got "
                f"{wanted}",
                fix="pass replace=True, or ask for fewer",
            )
        )
    random = key_node("choice", key)
    if p is not None:
        chances = _chances(p, extent, wanted, replace)
        index = _weighted(random, chances, sizes, replace)
    elif replace:
        index = cast(_multiplied(random, sizes, max(extent, 1)), dtypes.int64)
    else:
        index = _first(_random_order(random, extent), sizes)
    return Array.of_node(index if source is None else gather(source, index, place))


def _chosen_from(a: Any, axis: int) -> tuple[Node | None, int, int]:
    """Return what is chosen from, the axis, and its length."""
    if isinstance(a, int | np.integer):
        (extent,) = shape_tuple("choice", int(a))
        return None, 0, extent
    node = as_node(a)
    place = axis_index("choice", axis, len(node.shape))
    return node, place, node.shape[place]


def _chances(p: ArrayLike, extent: int, wanted: int, replace: bool) -> Node:
    """Return probabilities as float64, after checking them where they are known."""
    node = as_node(p)
    if node.shape != (extent,):
        raise ShapeError(
            explain(
                f"choice: expected one probability for each of {extent} elements, got "
                f"shape {list(node.shape)}",
                fix="pass as many probabilities as there are elements",
            )
        )
    if not isinstance(p, Array) or p.value_or_none is not None:
        _check_chances(np.asarray(p), wanted, replace)
    return cast(node, dtypes.float64)


def _check_chances(p: npt.NDArray[Any], wanted: int, replace: bool) -> None:
    """Raise unless known probabilities are some."""
    values = p.astype(np.float64)
    if not np.isfinite(values).all() or (values < 0).any():
        raise ArgumentError(
            explain(
                "choice: probabilities must be finite numbers of at least 0",
                fix="nervure.softmax turns any scores into probabilities",
            )
        )
    digits = np.finfo(p.dtype).eps if p.dtype.kind == "f" else 0.0
    total = float(values.sum())
    if wanted and abs(total - 1) > max(digits**0.5, 1e-8):
        raise ArgumentError(
            explain(
                f"choice: probabilities must add up to 1, they add up to {total:.6g}",
                fix="divide them by their sum",
            )
        )
    possible = int(np.count_nonzero(values))
    if not replace and possible < wanted:
        raise ArgumentError(
            explain(
                f"choice: only {possible} elements have a probability above 0, too "
                "few for "
                f"{wanted} choices without replacement",
                fix="draw fewer, or pass replace=True",
            )
        )


def _weighted(key: Node, chances: Node, shape: Shape, replace: bool) -> Node:
    """Return positions chosen with given probabilities."""
    if not replace:
        # The first of several waiting times with rates p to end follows p.
        waiting = div(waiting_times(key, chances.shape, dtypes.float64), chances)
        return _first(sort(waiting, iota(chances.shape, 0), 0), shape)
    running = cumsum(chances, 0)
    total = slice_(running, (running.size - 1,), (running.size,), (1,))
    upto = div(running, broadcast_node(total, running.shape))
    unit = Array.of_node(unit_interval(key, shape, dtypes.float64))
    # The last running sum is exactly 1 and no number reaches it.
    return searchsorted(Array.of_node(upto), unit, side="right").node


def _first(order: Node, shape: Shape) -> Node:
    """Return the beginning of an order, in a shape."""
    count = int(np.prod(shape, dtype=np.int64))
    return reshape(slice_(order, (0,), (count,), (1,)), shape)


def categorical(
    logits: ArrayLike,
    shape: ShapeLike | None = None,
    *,
    axis: int = -1,
    key: ArrayLike | None = None,
) -> Array:
    """Return classes chosen with the probabilities softmax(logits).

    Gumbel noise is added to the logits and the largest wins, so -inf means never.

    Parameters
    ----------
    logits
        ``float[*B, n, *C]`` with the classes on ``axis``.
    shape
        The shape of the result, to which the shape without ``axis`` broadcasts; that
        shape by default.
    axis
        The axis of the classes.
    key
        ``uint32[2]``; None draws one from the process's generator.

    Returns
    -------
    ``int64[shape]``.

    Raises
    ------
    ArgumentError
        For an axis that the logits do not have.
    ShapeError
        For a shape that does not fit, no classes, or a key that is none.

    >>> import nervure as nv
    >>> nv.random.categorical([-nv.inf, 0.0, -nv.inf], (4,)).tolist()
    [1, 1, 1, 1]
    """
    node = as_float(as_node(logits))
    place = axis_index("categorical", axis, len(node.shape))
    rest = tuple(one for one in range(len(node.shape)) if one != place)
    last = transpose(node, (*rest, place))
    batch = last.shape[:-1]
    sizes = batch if shape is None else shape_tuple("categorical", shape)
    try:
        fits = np.broadcast_shapes(batch, sizes) == sizes
    except ValueError:
        fits = False
    if not fits:
        raise ShapeError(
            explain(
                f"categorical: logits of {list(batch)} distributions do not broadcast "
                f"to the shape {list(sizes)}",
                fix="shape is the shape of the whole result, for example (100, *batch)",
            )
        )
    wide = dtypes.accumulator(node.dtype)
    noise = gumbel_noise(key_node("categorical", key), (*sizes, last.shape[-1]), wide)
    noisy = add(broadcast_node(cast(last, wide), noise.shape), noise)
    return Array.of_node(argmax(noisy, len(sizes)))
