"""Nested dicts, lists and tuples of arrays, seen as a flat list of leaves.

Dicts are walked in the order of their sorted keys, so the order in which a dict was
filled never changes a result.  ``None`` is an empty tree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from nervure.errors import ShapeError, explain


class Structure(NamedTuple):
    """The shape of a tree without its leaves; equal structures compare equal."""

    kind: type | None  # None for a leaf
    keys: tuple[Any, ...]
    children: tuple[Structure, ...]

    @property
    def leaf_count(self) -> int:
        """The number of leaves."""
        if self.kind is None:
            return 1
        return sum(child.leaf_count for child in self.children)

    def __str__(self) -> str:
        if self.kind is None:
            return "*"
        parts = [str(child) for child in self.children]
        if self.kind is dict:
            pairs = zip(self.keys, parts, strict=True)
            return "{" + ", ".join(f"{key!r}: {part}" for key, part in pairs) + "}"
        opening, closing = ("[", "]") if self.kind is list else ("(", ")")
        if self.kind is type(None):
            return "None"
        return opening + ", ".join(parts) + closing


LEAF = Structure(None, (), ())
NONE = Structure(type(None), (), ())


def flatten(tree: Any) -> tuple[list[Any], Structure]:
    """Return the leaves of a tree, in order, and its structure.

    >>> flatten({"b": 1, "a": [2, 3]})[0]
    [2, 3, 1]
    """
    leaves: list[Any] = []
    return leaves, _collect(tree, leaves)


def _collect(tree: Any, leaves: list[Any]) -> Structure:
    if tree is None:
        return NONE
    if isinstance(tree, dict):
        keys = tuple(sorted(tree, key=str))
        return Structure(dict, keys, tuple(_collect(tree[k], leaves) for k in keys))
    if isinstance(tree, list | tuple):
        return Structure(type(tree), (), tuple(_collect(one, leaves) for one in tree))
    leaves.append(tree)
    return LEAF


def unflatten(structure: Structure, leaves: Sequence[Any]) -> Any:
    """Put leaves back into a structure; the inverse of :func:`flatten`."""
    if len(leaves) != structure.leaf_count:
        raise ShapeError(
            explain(
                f"expected {structure.leaf_count} leaves for {structure}, got "
                f"{len(leaves)}",
                fix="flatten and unflatten values of the same nesting",
            )
        )
    return _fill(structure, iter(leaves))


def _fill(structure: Structure, leaves: Iterator[Any]) -> Any:
    kind = structure.kind
    if kind is None:
        return next(leaves)
    if kind is type(None):
        return None
    children = [_fill(child, leaves) for child in structure.children]
    if kind is dict:
        return dict(zip(structure.keys, children, strict=True))
    if kind is list:
        return children
    if hasattr(kind, "_fields"):  # a NamedTuple takes its fields one by one
        return kind(*children)
    return kind(children)


def map_leaves(function: Callable[..., Any], tree: Any, *others: Any) -> Any:
    """Apply a function to the corresponding leaves of trees of one structure."""
    leaves, structure = flatten(tree)
    columns = [leaves]
    for other in others:
        column, other_structure = flatten(other)
        if other_structure != structure:
            raise ShapeError(
                explain(
                    f"expected a tree like {structure}, got {other_structure}",
                    fix="use the same nesting, the same keys and the same lengths",
                )
            )
        columns.append(column)
    results = [function(*row) for row in zip(*columns, strict=True)]
    return unflatten(structure, results)
