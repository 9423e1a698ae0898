"""Cutting arrays into pieces and putting them side by side, under NumPy's names."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from nervure.array import Array
from nervure.errors import ArgumentError, explain
from nervure.ops.kinds import ArrayLike
from nervure.ops.manipulation import concat, reshape
from nervure.ops.operands import as_node, axis_index, whole_index
from nervure.prims.slicing import slice_

Sections = int | Sequence[int]


def split(x: ArrayLike, indices_or_sections: Sections, axis: int = 0) -> list[Array]:
    """Return the pieces of an array along an axis.

    Parameters
    ----------
    x
        The array, of one axis or more.
    indices_or_sections
        The number of pieces, all of one size, or the places where new ones begin.
    axis
        The axis that is cut.

    Raises
    ------
    ArgumentError
        For a number of pieces that does not divide the axis; see :func:`array_split`.

    >>> import nervure as nv
    >>> [part.tolist() for part in nv.split(nv.arange(6), [1, 4])]
    [[0], [1, 2, 3], [4, 5]]
    """
    extent = as_node(x).shape[axis_index("split", axis, len(as_node(x).shape))]
    if isinstance(indices_or_sections, int) and (
        indices_or_sections < 1 or extent % indices_or_sections
    ):
        raise ArgumentError(
            explain(
                f"split: an axis of size {extent} cannot be cut into "
                f"{indices_or_sections} equal pieces",
                fix="use array_split, whose pieces may differ by one, or give the "
                "places where pieces begin",
            )
        )
    return array_split(x, indices_or_sections, axis)


def array_split(
    x: ArrayLike, indices_or_sections: Sections, axis: int = 0
) -> list[Array]:
    """Return pieces as :func:`split` does; their sizes may differ by one.

    ``axis`` is the axis that is cut; the other sizes stay.

    Raises
    ------
    ArgumentError
        For fewer than 1 piece.

    >>> import nervure as nv
    >>> [part.tolist() for part in nv.array_split(nv.arange(5), 2)]
    [[0, 1, 2], [3, 4]]
    """
    node = as_node(x)
    place = axis_index("array_split", axis, len(node.shape))
    extent = node.shape[place]
    if isinstance(indices_or_sections, int):
        if indices_or_sections < 1:
            raise ArgumentError(
                explain(
                    "array_split: expected 1 piece at least, got "
                    f"{indices_or_sections}",
                    fix="pass the number of pieces, or where they begin",
                )
            )
        size, larger = divmod(extent, indices_or_sections)
        counts = range(indices_or_sections + 1)
        bounds = [count * size + min(count, larger) for count in counts]
    else:
        fix = "pass the number of pieces, or where they begin"
        given = [
            whole_index("split", "each place", one, fix) for one in indices_or_sections
        ]
        bounds = [0, *(range(extent)[:one].stop for one in given), extent]
    pieces = []
    for start, stop in itertools.pairwise(bounds):
        starts, stops = [0] * len(node.shape), list(node.shape)
        starts[place], stops[place] = start, max(start, stop)
        steps = (1,) * len(node.shape)
        pieces.append(Array.of_node(slice_(node, starts, stops, steps)))
    return pieces


def _at_least(x: ArrayLike, rank: int) -> Array:
    """Return an array with at least so many axes, as NumPy's ``atleast_nd`` do."""
    array = Array.of_node(as_node(x))
    shape = array.shape
    if not shape:
        return reshape(array, (1,) * rank)
    if rank >= 2 and len(shape) == 1:
        return reshape(array, (1, shape[0], 1)[:rank])
    return reshape(array, (*shape, 1)) if rank == 3 and len(shape) == 2 else array


def hstack(arrays: Sequence[ArrayLike], /) -> Array:
    """Return arrays joined along the second axis; vectors along their only one.

    >>> import nervure as nv
    >>> nv.hstack([nv.ones((2, 1)), nv.zeros((2, 2))]).tolist()
    [[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]
    """
    wide = [_at_least(one, 1) for one in arrays]
    return concat(wide, axis=0 if wide and wide[0].ndim == 1 else 1)


def vstack(arrays: Sequence[ArrayLike], /) -> Array:
    """Return arrays joined along the first axis; vectors become rows.

    >>> import nervure as nv
    >>> nv.vstack([nv.asarray([1, 2]), nv.asarray([3, 4])]).tolist()
    [[1, 2], [3, 4]]
    """
    return concat([_at_least(one, 2) for one in arrays], axis=0)


def dstack(arrays: Sequence[ArrayLike], /) -> Array:
    """Return arrays joined along the third axis, which matrices get first.

    >>> import nervure as nv
    >>> nv.dstack([nv.asarray([1, 2]), nv.asarray([3, 4])]).tolist()
    [[[1, 3], [2, 4]]]
    """
    return concat([_at_least(one, 3) for one in arrays], axis=2)
