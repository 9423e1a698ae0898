"""Cells: the places where a program keeps what changes.

An array never changes; a *cell* holds one array after another: a weight, an optimizer's
slot, the moments of a batch normalisation, a metric's running sum, the counter of a
random generator.  While a function is traced, reading a cell gives an input of the
graph and writing one adds an output, so a compiled function updates the same cells as
the plain one.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING

import numpy as np

from nervure.dtypes import DType
from nervure.errors import DTypeError, ShapeError, explain
from nervure.ir.attrs import NDArray
from nervure.ir.node import Node, Shape
from nervure.prims.leaf import input_leaf

if TYPE_CHECKING:
    from nervure.array import Array


_versions = itertools.count(1)
_version = 0


def version() -> int:
    """Return a number that is another one whenever a cell got another value."""
    return _version


def _changed() -> None:
    global _version
    _version = next(_versions)  # behind the change, so that nobody misses it


class Cell:
    """A place that holds one array at a time, always of the same shape and type."""

    __slots__ = ("__weakref__", "_array", "name")

    def __init__(self, array: Array, name: str = "") -> None:
        self._array = array
        self.name = name

    @property
    def shape(self) -> Shape:
        """The shape of every value."""
        return self._array.shape

    @property
    def dtype(self) -> DType:
        """The data type of every value."""
        return self._array.dtype

    @property
    def value(self) -> Array:
        """The current value.

        It is the caller's: setting its elements does not change the cell.
        """
        trace = _trace.get()
        return (self.stored if trace is None else trace.read(self)).alias()

    @value.setter
    def value(self, array: Array) -> None:
        if array.shape != self.shape:
            raise ShapeError(
                explain(
                    f"{self._label()} holds shape {list(self.shape)}, got "
                    f"{list(array.shape)}",
                    fix="write a value of the same shape; a cell keeps its shape and "
                    "type",
                )
            )
        if array.dtype != self.dtype:
            raise DTypeError(
                explain(
                    f"{self._label()} holds {self.dtype.name}, got {array.dtype.name}",
                    fix=f"convert it with .astype('{self.dtype.name}')",
                )
            )
        trace = _trace.get()
        if trace is None:
            self._array = array.alias()
            _changed()
        else:
            trace.write(self, array.alias())

    @property
    def stored(self) -> Array:
        """The value outside every trace."""
        held = self._array.held
        if not isinstance(held, np.ndarray) and held is not None:
            held.shared = True  # whoever asks may keep it
        return self._array

    @property
    def replaced(self) -> Array:
        """The value outside every trace, for a step that puts another in its place.

        An executor may overwrite the value's memory.
        """
        return self._array

    def store(self, array: Array) -> None:
        """Set the value outside every trace, of the right type."""
        self._array = array
        _changed()

    def numpy(self) -> NDArray:
        """Return the current value as a read-only NumPy array."""
        return self.value.numpy()

    def _label(self) -> str:
        return f"the variable {self.name!r}" if self.name else "the variable"


class CellTrace:
    """Which cells a traced function read and wrote, in order of first use."""

    def __init__(self) -> None:
        self.leaves: dict[Cell, Node] = {}
        self.current: dict[Cell, Array] = {}
        self.written: dict[Cell, None] = {}

    def read(self, cell: Cell) -> Array:
        """Return the cell's value within the trace."""
        if cell not in self.current:
            self._enter(cell)
        return self.current[cell]

    def write(self, cell: Cell, array: Array) -> None:
        """Set the cell's value within the trace."""
        if cell not in self.current:
            self._enter(cell)
        self.current[cell] = array
        self.written[cell] = None

    def _enter(self, cell: Cell) -> None:
        """Make the cell an input of the graph."""
        from nervure.array import Array

        label = getattr(cell, "path", cell.name)  # variables know their layer
        leaf = input_leaf(cell.shape, cell.dtype, label or "state")
        self.leaves[cell] = leaf
        self.current[cell] = Array.of_node(leaf)


_trace: ContextVar[CellTrace | None] = ContextVar("nervure_cells", default=None)


@contextlib.contextmanager
def tracing_cells() -> Iterator[CellTrace]:
    """Collect reads and writes of cells instead of performing them."""
    trace = CellTrace()
    token = _trace.set(trace)
    try:
        yield trace
    finally:
        _trace.reset(token)


@contextlib.contextmanager
def untraced() -> Iterator[None]:
    """Read and write cells as they are, even while a function is traced.

    For what must happen once and outside the graph, such as making the weights of a
    layer that is first called by a traced function.
    """
    token = _trace.set(None)
    try:
        yield
    finally:
        _trace.reset(token)
