"""Matrix products whose left operand is gathered row by row while they are made.

The first layer of a network reads the rows of a batch from a data set that lies far
away in memory.  Here each tile first copies its own rows to where the gathered matrix
belongs (others may read it later), and while it multiplies them it asks for the rows of
the tile after it.  So the arithmetic hides the way to memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from nervure import dtypes
from nervure.exec.cpu.gemm_blocking import Blocking
from nervure.exec.cpu.gemm_problem import CACHE_LINE, Problem
from nervure.exec.cpu.gemm_tile import Visits
from nervure.exec.cpu.indexed import Places
from nervure.exec.cpu.kernel import KernelBuilder
from nervure.exec.cpu.llvm import Value
from nervure.exec.cpu.runs import Run, copy_run, least, moved_type, plus, times
from nervure.exec.cpu.views import view_of
from nervure.ir.node import Node
from nervure.prims.contract import dot_axes

# Fewer columns or rows than these, and more results, are not worth it.
_SHORTEST_ROW: Final = 128
_FEWEST_ROWS: Final = 8
_MOST_COLUMNS: Final = 64


def gathered_rows(node: Node) -> Node | None:
    """Return the ``gather`` of whole rows that a ``dot`` reads as its left matrix."""
    batch, contract = dot_axes(node.attrs)
    x = node.inputs[0]
    if x.op.name != "gather" or batch[0] or contract[0] != (1,):
        return None
    source, indices = x.inputs
    axis: Any = x.attrs["axis"]
    if axis != 0 or len(source.shape) != 2 or len(indices.shape) != 1:
        return None
    rows, length = x.shape
    columns = node.size // max(rows, 1)
    plain = x.dtype in (dtypes.float32, dtypes.float64)
    worth = rows >= _FEWEST_ROWS and length >= _SHORTEST_ROW
    if not plain or not worth or not 0 < columns <= _MOST_COLUMNS:
        return None
    return x if view_of(source).strides[1] == 1 else None


def can_gather(problem: Problem, blocking: Blocking, rows: Node) -> bool:
    """Tell whether each row of x is used by one tile only, and as a whole."""
    x = problem.x
    return (
        x.slot is rows
        and not problem.batch
        and (x.offset, x.rows, x.columns) == (0, problem.k, 1)
        and blocking.panels == 1
        and blocking.blocks == 1
        and blocking.depth >= problem.k
        and not blocking.fetch_results
    )


class GatheredRows:
    """Copies the rows of a tile, and asks for those of the next one."""

    def __init__(
        self, b: KernelBuilder, node: Node, pointers: dict[Node, Value]
    ) -> None:
        source, indices = node.inputs
        self._b = b
        self._dtype = node.dtype
        self._count, self._length = node.shape
        self._view = view = view_of(source)
        self._source = pointers[view.root]
        self._last = max(source.shape[0] - 1, 0)
        self._places = Places(b, indices, pointers[view_of(indices).root])

    @staticmethod
    def roots(node: Node) -> list[Node]:
        """Return the nodes whose memory is read."""
        return [view_of(operand).root for operand in node.inputs]

    def _start(self, row: Value) -> Value:
        """Return the place of the first element of a row in the source."""
        place = self._places.read(row, self._last)
        return plus(
            self._b, times(self._b, place, self._view.strides[0]), self._view.offset
        )

    def copy(self, first: Value, rows: int, to: Value) -> None:
        """Write the copy of a tile's rows to ``to``."""
        b = self._b
        with b.loop(0, rows) as loop:
            found = Run(self._source, self._start(plus(b, first, loop.index)), 1)
            here = Run(to, times(b, loop.index, self._length), 1)
            copy_run(b, moved_type(self._dtype), here, found, self._length)

    def visits(self, first: Value, rows: int) -> Visits:
        """Return visits that ask for rows, a cache line of each at a time."""
        b = self._b
        element = moved_type(self._dtype)
        starts: Sequence[Value] = [
            b.address(
                self._source,
                element,
                self._start(least(b, plus(b, first, row), self._count - 1)),
            )
            for row in range(rows)
        ]
        line = CACHE_LINE // self._dtype.itemsize

        def write(number: Value) -> None:
            distance = times(b, number, line)
            for start in starts:
                b.prefetch(b.address(start, element, distance))

        return Visits(-(-self._length // line), write)
