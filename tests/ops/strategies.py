"""Hypothesis strategies for arrays and for keys of arrays."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import nervure as nv

KINDS = (
    "number",
    "computed",
    "slice",
    "new",
    "array",
    "list",
    "lazy",
    "mask",
    "truth",
)
INDEX_SHAPES = [(2,), (3,), (1,), (2, 3), (0,)]


def shapes(max_dims: int = 3, max_side: int = 4) -> st.SearchStrategy[tuple[int, ...]]:
    """Return shapes, also those of no elements and of no axes."""
    return hnp.array_shapes(
        min_dims=0, max_dims=max_dims, min_side=0, max_side=max_side
    )


def floats(
    shape: Any, low: float = -100.0, high: float = 100.0
) -> st.SearchStrategy[Any]:
    """Return float64 arrays of ordinary numbers."""
    return hnp.arrays(np.float64, shape, elements=st.floats(low, high, width=32))


def integers(shape: Any, low: int = -50, high: int = 50) -> st.SearchStrategy[Any]:
    """Return int64 arrays."""
    return hnp.arrays(np.int64, shape, elements=st.integers(low, high))


class Key(NamedTuple):
    """A key for NumPy, and the same key in the forms that a lazy array takes."""

    shape: tuple[int, ...]
    plain: tuple[Any, ...]
    lazy: tuple[Any, ...]


def _axes_of(kind: str, draw: Any) -> int:
    if kind in ("new", "truth"):
        return 0
    return draw(st.integers(1, 2)) if kind == "mask" else 1


@st.composite
def keys(draw: Any) -> Key:
    """Return keys that mix every kind of index, and a shape that they fit."""
    shape = tuple(draw(st.lists(st.integers(0, 4), max_size=4)))
    common = draw(st.sampled_from(INDEX_SHAPES))
    planned: list[tuple[str, int]] = []
    for kind in draw(st.lists(st.sampled_from(KINDS), max_size=len(shape) + 2)):
        used = _axes_of(kind, draw)
        if sum(count for _, count in planned) + used <= len(shape):
            planned.append((kind, used))
    dots = draw(st.none() | st.integers(0, len(planned)))
    plain: list[Any] = []
    lazy: list[Any] = []
    axis = 0
    for place, (kind, used) in enumerate(planned):
        if place == dots:
            plain.append(...)
            lazy.append(...)
            axis += len(shape) - sum(count for _, count in planned)
        both = _item(draw, kind, shape[axis : axis + used], common)
        plain.append(both[0])
        lazy.append(both[1])
        axis += used
    return Key(shape, tuple(plain), tuple(lazy))


def _item(
    draw: Any, kind: str, extents: tuple[int, ...], common: tuple[int, ...]
) -> tuple[Any, Any]:
    """Return one item of a key, for NumPy and for us."""
    if kind == "new":
        return None, None
    if kind == "truth":
        truth = draw(st.booleans())
        return truth, truth
    if kind == "mask":
        mask = draw(hnp.arrays(np.bool_, extents))
        return mask, draw(st.sampled_from([mask, nv.asarray(mask)]))
    (extent,) = extents
    if kind == "slice" or extent == 0:
        part = draw(st.slices(extent))
        return part, part
    if kind in ("number", "computed"):
        number = draw(st.integers(-extent, extent - 1))
        return number, number if kind == "number" else nv.asarray(np.int32(number)) + 0
    shape = draw(st.sampled_from([common, common[-1:], (1,) * len(common)]))
    value = draw(integers(shape, -extent, extent - 1))
    forms = {"array": value, "list": value.tolist(), "lazy": nv.asarray(value) + 0}
    return value, forms[kind]
