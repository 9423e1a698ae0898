"""What a program costs: operations and bytes, and the time that no machine can beat.

The estimate is a *roofline*: a kernel takes at least as long as its operations at the
machine's peak, and at least as long as its bytes at the memory's.  Williams et al.,
"Roofline: an insightful visual performance model for multicore architectures", 2009.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from nervure.exec.peaks import Peaks
from nervure.exec.traffic import bytes_of, reads
from nervure.exec.work import operations
from nervure.ir.graph import Graph
from nervure.ir.node import Node
from nervure.ir.text import numbered
from nervure.program.amounts import byte_text, count_text, time_text
from nervure.program.optimized import Kernel
from nervure.program.rows import Rows
from nervure.program.tables import shortened, table_text

_LEAVES: Final = frozenset({"input", "const", "buffer"})
_WIDTH: Final = 34  # of names in tables


@dataclass(frozen=True)
class CostRow:
    """What a kernel, a node or a layer costs.

    Attributes
    ----------
    name, op, layer
        What it is: a kernel or a value's number, its main operation, its layer.
    operations
        Elementary operations, a multiplication with its addition counting as two.
    bytes_read, bytes_written
        Bytes moved between memory and cores.
    seconds
        The roofline's estimate; None for single nodes, which do not run by themselves.
    bound
        What limits it: ``compute`` or ``memory``.
    """

    name: str
    op: str
    layer: str
    operations: int
    bytes_read: int
    bytes_written: int
    seconds: float | None = None
    bound: str = ""

    @property
    def nbytes(self) -> int:
        """The bytes moved."""
        return self.bytes_read + self.bytes_written

    @property
    def intensity(self) -> float:
        """Operations for each byte moved."""
        return self.operations / max(self.nbytes, 1)


class Cost(Rows[CostRow]):
    """The cost of each kernel; see :meth:`Program.cost`.

    Attributes
    ----------
    operations, nbytes, seconds
        The sums over all kernels.
    peaks
        What the machine can do.
    """

    def __init__(self, rows: Iterable[CostRow], graph: Graph, peaks: Peaks) -> None:
        self.rows = tuple(rows)
        self.peaks = peaks
        self._graph = graph
        self.operations = sum(row.operations for row in self.rows)
        self.nbytes = sum(row.nbytes for row in self.rows)
        self.seconds = sum(row.seconds or 0.0 for row in self.rows)

    def _rows(self) -> Sequence[CostRow]:
        return self.rows

    def by_node(self) -> list[CostRow]:
        """Return the cost of every node of the optimised graph, computed by itself.

        The names are the numbers of the graph's text.
        """
        graph = self._graph
        return [
            CostRow(
                f"%{number}",
                node.op.name,
                node.site.scope,
                operations(node),
                sum(reads([node]).values()),
                bytes_of(node),
            )
            for node, number in numbered(graph).items()
            if node.op.name not in _LEAVES
        ]

    def by_layer(self) -> list[CostRow]:
        """Return the cost of every layer, the most expensive first."""
        groups: dict[str, list[CostRow]] = {}
        for row in self.rows:
            groups.setdefault(row.layer, []).append(row)
        found = [
            CostRow(
                layer or "(no layer)",
                f"{len(rows)} kernels",
                layer,
                sum(row.operations for row in rows),
                sum(row.bytes_read for row in rows),
                sum(row.bytes_written for row in rows),
                sum(row.seconds or 0.0 for row in rows),
            )
            for layer, rows in groups.items()
        ]
        return sorted(found, key=lambda row: -(row.seconds or 0.0))

    def __str__(self) -> str:
        headings = ["kernel", "layer", "operations", "read", "written",
                    "FLOP/B", "at least", "bound by"]  # fmt: skip
        rows = [
            [
                shortened(row.name, _WIDTH),
                shortened(row.layer, _WIDTH),
                count_text(row.operations),
                byte_text(row.bytes_read),
                byte_text(row.bytes_written),
                f"{row.intensity:.1f}",
                time_text(row.seconds or 0.0),
                row.bound,
            ]
            for row in self.rows
        ]
        total = (
            f"{len(self)} kernels: {count_text(self.operations, 'FLOP')}, "
            f"{byte_text(self.nbytes)} moved, at least {time_text(self.seconds)} "
            f"({self.peaks})"
        )
        return f"{table_text(headings, rows, left=2)}\n{total}"

    def __repr__(self) -> str:
        return (
            f"<Cost: {count_text(self.operations, 'FLOP')}, {byte_text(self.nbytes)}, "
            f"at least {time_text(self.seconds)}>"
        )


def cost_of(kernels: Iterable[Kernel], graph: Graph, peaks: Peaks) -> Cost:
    """Return the cost of kernels on a machine."""
    return Cost((_row(one, peaks) for one in kernels), graph, peaks)


def _row(kernel: Kernel, peaks: Peaks) -> CostRow:
    seconds, bound = roofline(kernel, peaks)
    return CostRow(
        kernel.kernel,
        kernel.op,
        kernel.site.scope,
        kernel.operations,
        kernel.bytes_read,
        kernel.bytes_written,
        seconds,
        bound,
    )


def roofline(kernel: Kernel, peaks: Peaks) -> tuple[float, str]:
    """Return the least time of a kernel in seconds, and what limits it."""
    rate = peaks.flops(_computed_in(kernel.node), parallel=kernel.parallel)
    computing = kernel.operations / rate
    moving = kernel.bytes_read + kernel.bytes_written
    memory = moving / peaks.bandwidth(moving, parallel=kernel.parallel)
    return max(computing, memory), "compute" if computing >= memory else "memory"


def _computed_in(node: Node) -> str:
    """Return the data type in which a node computes."""
    return node.dtype.name if node.dtype.names is None else "float32"
