"""Convolution and correlation of two arrays, as in SciPy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from nervure import dtypes
from nervure.array import Array
from nervure.errors import ShapeError, unknown_name
from nervure.ir.build import wrong
from nervure.ir.node import Node
from nervure.ops.kinds import ArrayLike
from nervure.ops.operands import promoted
from nervure.prims.convolution import conv
from nervure.prims.movement import reshape, reverse
from nervure.prims.select import cast
from nervure.prims.slicing import pad

MODES: Final = ("full", "same", "valid")

Start = Callable[[int], int]


def _operands(
    op: str, first: ArrayLike, second: ArrayLike, rank: int | None
) -> list[Node]:
    """Return both arguments in one floating-point type, after checking their axes."""
    nodes = promoted(first, second)
    names = ("first", "second")
    ranks = [len(node.shape) for node in nodes]
    if rank is not None and ranks != [rank, rank]:
        raise wrong(
            ShapeError,
            op,
            f"expected two arrays of {rank} axes, got {ranks[0]} and {ranks[1]} axes",
            nodes,
            names,
            fix=f"use {op[:-2]} for other numbers of axes, or index one image",
        )
    if ranks[0] != ranks[1] or ranks[0] == 0:
        raise wrong(
            ShapeError,
            op,
            "expected two arrays with the same number of axes, at least one, got "
            f"{ranks[0]} and {ranks[1]} axes",
            nodes,
            names,
            fix="add axes to one of them, for example with g[None, :]",
        )
    if 0 in nodes[0].shape or 0 in nodes[1].shape:
        raise wrong(ShapeError, op, "expected at least one element", nodes, names)
    # Whole numbers are added up in float64, which is exact up to 2^53.
    exact = dtypes.float64 if not dtypes.is_float(nodes[0].dtype) else nodes[0].dtype
    return [cast(node, exact) for node in nodes]


def _part(
    op: str, nodes: Sequence[Node], mode: str, same_start: Start
) -> list[tuple[int, int]]:
    """Return where the wanted part of the full result begins and how long it is."""
    if mode not in MODES:
        raise unknown_name("mode", mode, MODES)
    pairs = list(zip(nodes[0].shape, nodes[1].shape, strict=True))
    if mode == "full":
        return [(0, first + second - 1) for first, second in pairs]
    if mode == "same":
        return [(same_start(second), first) for first, second in pairs]
    if not (
        all(first >= second for first, second in pairs)
        or all(first <= second for first, second in pairs)
    ):
        raise wrong(
            ShapeError,
            op,
            "mode 'valid' needs one array that is at least as large as the other on "
            "every axis",
            nodes,
            ("first", "second"),
            fix="use mode='same' or mode='full'",
        )
    return [(min(pair) - 1, max(pair) - min(pair) + 1) for pair in pairs]


def _convolved(nodes: Sequence[Node], part: Sequence[tuple[int, int]]) -> Node:
    """Return a part of the full convolution of two arrays.

    Which one slides over which changes nothing, so the smaller one is the kernel.
    """
    x, kernel = sorted(nodes, key=lambda node: node.size, reverse=True)
    kernel = reverse(kernel, range(len(kernel.shape)))
    low = [k - 1 - start for k, (start, _) in zip(kernel.shape, part, strict=True)]
    high = [
        start + count - extent
        for extent, (start, count) in zip(x.shape, part, strict=True)
    ]
    # Less than no padding: elements at the edge that no wanted sum needs.
    x = pad(x, [min(one, 0) for one in low], [min(one, 0) for one in high])
    result = conv(
        reshape(x, (1, *x.shape, 1)),
        reshape(kernel, (*kernel.shape, 1, 1)),
        [1] * len(low),
        [(max(first, 0), max(last, 0)) for first, last in zip(low, high, strict=True)],
        [1] * len(low),
        1,
    )
    return reshape(result, result.shape[1:-1])


def _middle(extent: int) -> int:
    """Return where the middle of a flipped filter is; before it for an even one."""
    return (extent - 1) // 2


def _middle_unflipped(extent: int) -> int:
    """Return where SciPy's ``correlate2d`` has the middle of a filter."""
    return extent // 2


def convolve(f: ArrayLike, g: ArrayLike, mode: str = "full") -> Array:
    """Return the convolution of two arrays: f * g, with g flipped.

    Parameters
    ----------
    f, g
        Arrays with the same number of axes, at least one.  Whole numbers are computed
        in float64; otherwise the types promote.
    mode
        "full"
            Every place where the two overlap: sizes ``f + g - 1``.
        "same"
            The middle of it, with the sizes of ``f``.
        "valid"
            Where the smaller lies within the larger: sizes ``max - min + 1``.

    Raises
    ------
    ShapeError
        For different numbers of axes, no elements, or, with "valid", arrays of which
        neither fits into the other.
    UnknownNameError
        For another mode.

    Source: the slide 'Definition of Convolution'; ``scipy.signal.convolve``.

    >>> import nervure as nv
    >>> nv.signal.convolve([1.0, 2.0, 3.0], [0.0, 1.0, 0.5], mode="same").tolist()
    [1.0, 2.5, 4.0]
    """
    nodes = _operands("convolve", f, g, None)
    return Array.of_node(_convolved(nodes, _part("convolve", nodes, mode, _middle)))


def correlate(f: ArrayLike, g: ArrayLike, mode: str = "full") -> Array:
    """Return the cross-correlation of two arrays: like convolution, g not flipped.

    Both have the same number of axes.

    Parameters, modes and errors are those of :func:`convolve`; the result is that of
    ``scipy.signal.correlate``.

    >>> import nervure as nv
    >>> nv.signal.correlate([1.0, 2.0, 3.0], [0.0, 1.0, 0.5], mode="same").tolist()
    [2.0, 3.5, 3.0]
    """
    return _correlated("correlate", f, g, mode, None, _middle)


def _correlated(
    op: str, f: ArrayLike, g: ArrayLike, mode: str, rank: int | None, same_start: Start
) -> Array:
    first, second = _operands(op, f, g, rank)
    part = _part(op, (first, second), mode, same_start)
    flipped = reverse(second, range(len(second.shape)))
    return Array.of_node(_convolved((first, flipped), part))


def convolve2d(f: ArrayLike, g: ArrayLike, mode: str = "full") -> Array:
    """Return the convolution of two matrices, such as an image and a filter.

    Parameters, modes and errors are those of :func:`convolve`, for arrays of two axes;
    beyond the edges there are zeros.  The result is that of
    ``scipy.signal.convolve2d``.

    >>> import nervure as nv
    >>> image = nv.asarray([[0.0, 0.0, 1.0], [0.0, 1.0, 1.0]])
    >>> nv.signal.convolve2d(image, [[1.0, -1.0]], mode="valid").tolist()
    [[0.0, 1.0], [1.0, 0.0]]
    """
    nodes = _operands("convolve2d", f, g, 2)
    return Array.of_node(_convolved(nodes, _part("convolve2d", nodes, mode, _middle)))


def correlate2d(f: ArrayLike, g: ArrayLike, mode: str = "full") -> Array:
    """Return the cross-correlation of two matrices: g is not flipped.

    Parameters, modes and errors are those of :func:`convolve2d`.  The result is that of
    ``scipy.signal.correlate2d``, which with "same" and a filter of even size begins one
    place later than ``scipy.signal.correlate``.

    >>> import nervure as nv
    >>> image = nv.asarray([[0.0, 0.0, 1.0], [0.0, 1.0, 1.0]])
    >>> nv.signal.correlate2d(image, [[-1.0, 1.0]], mode="valid").tolist()
    [[0.0, 1.0], [1.0, 0.0]]
    """
    return _correlated("correlate2d", f, g, mode, 2, _middle_unflipped)
