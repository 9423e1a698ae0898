"""The arrays of a data set, and how they are arranged for a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from nervure import tree
from nervure.errors import explain
from nervure.ir.attrs import NDArray


class Form(NamedTuple):
    """How arrays are arranged: what ``call``, the loss and ``train_step`` are given.

    ``y`` and ``weights`` are the structure of None where there are none.
    """

    x: tree.Structure
    y: tree.Structure = tree.NONE
    weights: tree.Structure = tree.NONE

    def arranged(self, arrays: Sequence[Any]) -> tuple[Any, Any, Any]:
        """Return inputs, targets and weights, given all arrays in a row."""
        first = self.x.leaf_count
        second = first + self.y.leaf_count
        return (
            tree.unflatten(self.x, arrays[:first]),
            tree.unflatten(self.y, arrays[first:second]),
            tree.unflatten(self.weights, arrays[second:]),
        )


@dataclass(frozen=True, slots=True)
class Rows:
    """The arrays of a data set; their first axes are equally long.

    ``x`` has an array ``[rows, *features]`` for each input, ``y`` one ``[rows, ...]``
    for each output that is compared with something, ``weights`` one for each output
    whose rows are weighted, or nothing.
    """

    form: Form
    x: tuple[NDArray, ...]
    y: tuple[NDArray, ...] = ()
    weights: tuple[NDArray, ...] = ()

    @property
    def count(self) -> int:
        """The number of rows."""
        return len(self.x[0])

    @property
    def constants(self) -> list[NDArray]:
        """The arrays in the order in which a step expects them."""
        return [*self.x, *self.y, *self.weights]

    def between(self, start: int, stop: int) -> Rows:
        """Return some of the rows, without copying them."""
        parts = (
            tuple(one[start:stop] for one in group)
            for group in (self.x, self.y, self.weights)
        )
        return Rows(self.form, *parts)


def packed(
    entries: Sequence[NDArray | None], structure: tree.Structure
) -> tuple[tuple[NDArray, ...], tree.Structure]:
    """Return the arrays that are there, and the structure without the others.

    ``entries`` has one entry for each leaf of ``structure``.
    """
    if all(one is None for one in entries):
        return (), tree.NONE
    remaining = iter(entries)
    arrays = tuple(one for one in entries if one is not None)
    return arrays, _thinned(structure, remaining)


def _thinned(structure: tree.Structure, entries: Any) -> tree.Structure:
    """Return a structure in which an entry that is None is no leaf."""
    if structure.kind is None:
        return tree.NONE if next(entries) is None else structure
    children = tuple(_thinned(child, entries) for child in structure.children)
    return structure._replace(children=children)


def unpack_x_y_sample_weight(data: Any) -> tuple[Any, Any, Any]:
    """Return what ``train_step`` was given as x, y and weights, None where absent.

    Parameters
    ----------
    data
        ``x``, ``(x,)``, ``(x, y)`` or ``(x, y, sample_weight)``.

    Raises :class:`ValueError` for a longer tuple.

    >>> import nervure as nv
    >>> nv.utils.unpack_x_y_sample_weight((1, 2))
    (1, 2, None)
    """
    if not isinstance(data, tuple | list):
        return data, None, None
    if not 1 <= len(data) <= 3:
        raise ValueError(
            explain(
                "data must be (x,), (x, y) or (x, y, sample_weight), got a "
                f"{type(data).__name__} of {len(data)}",
                fix="pass the batch as train_step was given it",
            )
        )
    x, y, weights = (*data, None, None)[:3]
    return x, y, weights


def pack_x_y_sample_weight(x: Any, y: Any = None, sample_weight: Any = None) -> Any:
    """Return inputs, targets and weights as ``train_step`` is given them.

    Only what is there becomes part of the tuple; a single array without targets is not
    in a tuple at all.

    >>> import nervure as nv
    >>> nv.utils.pack_x_y_sample_weight(1, 2)
    (1, 2)
    """
    if y is None:
        return (x,) if isinstance(x, tuple | list) else x
    return (x, y) if sample_weight is None else (x, y, sample_weight)
