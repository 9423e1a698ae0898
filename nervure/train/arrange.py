"""Several arrays in the order in which a model takes or gives them.

Users pass lists, tuples and dicts; a model counts its inputs and outputs from 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nervure import tree
from nervure.errors import DataError, explain, nearest_names


def arranged(
    given: Any, structure: tree.Structure, names: Sequence[str], what: str
) -> list[Any]:
    """Return one entry for each leaf of a structure, in its order.

    Parameters
    ----------
    given
        Entries in the same structure, in a list or tuple of the same order, or in a
        dict by ``names``.  For a structure of one leaf also the entry itself.
    structure, names
        What a model has: the structure of its inputs or outputs, and their names.
    what
        What ``given`` is, for messages: ``"x"``.

    Raises
    ------
    DataError
        For another number of entries, and for keys that are missing or unknown.
    """
    count = structure.leaf_count
    if isinstance(given, dict):
        keys = _keys_of(structure, given) or tuple(names)
        if structure.kind is dict and any(one.kind for one in structure.children):
            return _nested(given, structure, what)
        return _by_key(given, keys, what)
    if count == 1:
        is_wrapped = isinstance(given, list | tuple) and len(given) == 1
        return [given[0] if is_wrapped and _is_data(given[0]) else given]
    if not isinstance(given, list | tuple):
        raise DataError(
            explain(
                f"{what} must hold {count} arrays ({', '.join(names)}), got "
                f"{_kind_of(given)}",
                fix=f"pass a list of {count} arrays, or a dict by these names",
            )
        )
    if any(one.kind for one in structure.children):
        return _nested(given, structure, what)
    if len(given) != count:
        raise DataError(
            explain(
                f"{what} must hold {count} arrays ({', '.join(names)}), got a "
                f"{type(given).__name__} of {len(given)}",
                fix="pass one array for each of them, in this order",
            )
        )
    return list(given)


def _keys_of(structure: tree.Structure, given: dict[Any, Any]) -> tuple[Any, ...]:
    """Return the keys of a structure that is a dict, if ``given`` uses them."""
    if structure.kind is dict and set(structure.keys) & set(given):
        return structure.keys
    return ()


def _by_key(given: dict[Any, Any], keys: Sequence[Any], what: str) -> list[Any]:
    unknown = [key for key in given if key not in keys]
    missing = [key for key in keys if key not in given]
    if not unknown and not missing:
        return [given[key] for key in keys]
    known = [str(key) for key in keys]
    parts = []
    if missing:
        parts.append("lacks " + ", ".join(map(repr, missing)))
    if unknown:
        parts.append("has the unknown " + ", ".join(map(repr, unknown)))
    near = nearest_names(str(unknown[0]), known) if unknown else []
    fix = f"use the keys {', '.join(known)}"
    if near and missing:
        fix = f"did you mean {near[0]!r}? The keys are {', '.join(known)}"
    raise DataError(explain(f"the dict {what} {' and '.join(parts)}", fix=fix))


def _nested(given: Any, structure: tree.Structure, what: str) -> list[Any]:
    """Return the entries of a structure of more than one level."""
    leaves = entries_like(given, structure)
    if leaves is None:
        raise DataError(
            explain(
                f"{what} must be arranged like {structure}, got {_kind_of(given)}",
                fix="use the same nesting, the same keys and the same lengths",
            )
        )
    return leaves


def entries_like(given: Any, structure: tree.Structure) -> list[Any] | None:
    """Return the entries of something arranged like a structure, or None if it is not.

    Unlike ``tree.flatten`` it keeps entries that are None.
    """
    if structure.kind is None:
        return [given]
    if structure.kind is dict:
        if not isinstance(given, dict) or set(given) != set(structure.keys):
            return None
        entries = [given[key] for key in structure.keys]
    elif isinstance(given, list | tuple) and len(given) == len(structure.children):
        entries = list(given)
    else:
        return None
    found: list[Any] = []
    for entry, child in zip(entries, structure.children, strict=True):
        leaves = entries_like(entry, child)
        if leaves is None:
            return None
        found += leaves
    return found


def _is_data(value: Any) -> bool:
    """Tell whether something is an array with rows, not a number or a row of them."""
    return len(getattr(value, "shape", ())) > 1


def _kind_of(given: Any) -> str:
    shape = getattr(given, "shape", None)
    if shape is not None:
        return f"one array of shape {list(shape)}"
    if isinstance(given, list | tuple | dict):
        return f"a {type(given).__name__} of {len(given)}"
    return "None" if given is None else f"an object of type {type(given).__name__}"
