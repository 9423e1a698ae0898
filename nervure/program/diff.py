"""What each pass has changed in a program, and why; and whether a pass changes bits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from nervure.exec.report import Kind, Report
from nervure.ir.attrs import NDArray
from nervure.ir.graph import Graph
from nervure.ir.node import Node
from nervure.ir.text import numbered
from nervure.passes.change import PassRecord
from nervure.program.amounts import byte_text
from nervure.program.rows import Rows

_EXAMPLES: Final = 3  # changes of a kind that a text shows


@dataclass(frozen=True)
class PassDiff:
    """What one pass did.

    Attributes
    ----------
    name
        By which it can be switched off, if it is one of the graph's passes.
    before, after
        How many nodes (for the executor's own passes: kernels, bytes) there were.
    changes
        What was done, in words, each with the reason.
    record
        The graphs before and after, and each change; None for the executor's own.
    """

    name: str
    before: int
    after: int
    changes: tuple[str, ...]
    record: PassRecord | None = None

    def __str__(self) -> str:
        head = f"{self.name}: {self.before:,} -> {self.after:,}"
        return "\n".join([head, *(f"  {one}" for one in self.changes)])


class Diff(Rows[PassDiff]):
    """What the passes did, in their order; see :meth:`Program.diff`."""

    def __init__(self, parts: Sequence[PassDiff]) -> None:
        self.parts = tuple(parts)

    def _rows(self) -> Sequence[PassDiff]:
        return self.parts

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the passes that changed something."""
        return tuple(dict.fromkeys(one.name for one in self.parts))

    def __str__(self) -> str:
        return "\n".join(map(str, self.parts)) or "no pass has changed anything"

    def __repr__(self) -> str:
        return f"<Diff: {', '.join(self.names) or 'nothing changed'}>"


def diff_of(records: Sequence[PassRecord], report: Report) -> Diff:
    """Return what the passes recorded, and what the executor did after them."""
    parts = [_of_pass(one) for one in records]
    return Diff([*parts, *_of_executor(report)])


def _of_pass(record: PassRecord) -> PassDiff:
    """Put the changes of one run of a pass into words, those of a kind together."""
    before = numbered(record.before)
    kinds: dict[tuple[str, str], list[tuple[Node, tuple[Node, ...]]]] = {}
    for change in record.changes:
        found = kinds.setdefault((change.kind, change.why), [])
        found.append((change.node_before, change.nodes_after))
    lines = []
    for (kind, why), places in kinds.items():
        lines.append(f"{kind}, {len(places)} times: {why}")
        for old, new in places[:_EXAMPLES]:
            lines.append(f"  {_said(old, before)} -> {_all_said(new)}")
        if len(places) > _EXAMPLES:
            lines.append(f"  and {len(places) - _EXAMPLES} more")
    return PassDiff(
        record.name, len(record.before), len(record.after), tuple(lines), record
    )


def _said(node: Node, numbers: dict[Node, int]) -> str:
    """Write a node with its number, if it has one, and where it was made."""
    name = f"%{numbers[node]} = " if node in numbers else ""
    purpose = node.site.purpose
    where = f"{node.site}" if not purpose else f"{purpose}"
    return f"{name}{node.op.name} {node.type_text} ({where})"


def _all_said(nodes: tuple[Node, ...]) -> str:
    if not nodes:
        return "nothing"
    return ", ".join(f"{one.op.name} {one.type_text}" for one in nodes)


def _of_executor(report: Report) -> list[PassDiff]:
    """Put what the executor decided into words."""
    return [
        *_fusion(report),
        *_in_place(report),
        *_schedule(report),
        *_recomputation(report),
        *_memory_plan(report),
    ]


def _fusion(report: Report) -> list[PassDiff]:
    computed = len({node for task in report.tasks for node in task.nodes})
    joined = [task for task in report.tasks if len(task.nodes) > 1]
    if not joined:
        return []
    sizes = Counter(len(task.nodes) for task in report.tasks)
    largest = max(sizes)
    lines = [
        f"{len(joined)} kernels compute several nodes, up to {largest}: what is "
        "between them is never in memory",
        f"{len(report.graph) - computed} nodes are inputs, constants, or views that "
        "are read in place",
    ]
    return [PassDiff("fusion", len(report.graph), len(report.tasks), tuple(lines))]


def _in_place(report: Report) -> list[PassDiff]:
    state = [one for one in report.buffers if one.kind is Kind.STATE]
    spare = {one.node for one in report.buffers if one.kind is Kind.SPARE}
    if not state or report.arena_nbytes is None:
        return []
    count = len(state) - len(spare)
    nbytes = sum(one.nbytes for one in report.buffers if one.kind is Kind.SPARE)
    why = (
        f"{count} of {len(state)} state values are updated where they lie, because the "
        "update reads only the place it writes",
        f"{len(spare)} take turns with a second place of {byte_text(nbytes)} together",
    )
    return [PassDiff("in_place", len(state), len(spare), why)]


def _schedule(report: Report) -> list[PassDiff]:
    shared = sum(task.kernels[-1].parallel for task in report.tasks)
    if report.moments >= len(report.tasks):
        return []
    why = (
        f"{shared} kernels are shared by {report.threads} threads, which meet only "
        "where one needs what another has written",
    )
    return [PassDiff("schedule", len(report.tasks), report.moments, why)]


def _recomputation(report: Report) -> list[PassDiff]:
    again = sum(task.recomputed for task in report.tasks)
    moved = sum(not task.nodes for task in report.tasks)
    found = []
    first = len(report.tasks) - again - moved
    if again:
        why = f"{again} kernels run again, so that their values need not be kept"
        found.append(PassDiff("recomputation", first, first + again, (why,)))
    if moved:
        why = f"{moved} kernels move values out of the arena and back"
        found.append(PassDiff("offload", first + again, len(report.tasks), (why,)))
    return found


def _memory_plan(report: Report) -> list[PassDiff]:
    if report.arena_nbytes is None:
        return []
    apart = sum(one.space for one in report.buffers if one.offset is not None)
    why = (
        "values that are never alive together share their place: "
        f"{byte_text(apart)} in an arena of {byte_text(report.arena_nbytes)}"
    )
    return [PassDiff("memory", apart, report.arena_nbytes, (why,))]


# --- comparing bits ------------------------------------------------------------------


@dataclass(frozen=True)
class Comparison:
    """Whether two programs give the same bits.

    Attributes
    ----------
    equal
        Whether every bit of every output is the same.
    different
        The numbers of the outputs that differ.
    largest_difference
        The largest absolute difference between two numbers of them.
    """

    equal: bool
    different: tuple[int, ...]
    largest_difference: float

    def __bool__(self) -> bool:
        return self.equal

    def __str__(self) -> str:
        if self.equal:
            return "the same bits"
        return (
            f"{len(self.different)} outputs differ, by at most "
            f"{self.largest_difference:.3g}"
        )


def compared(first: Sequence[NDArray], second: Sequence[NDArray]) -> Comparison:
    """Return how the outputs of two programs differ.

    >>> print(compared([np.float32([1.0])], [np.float32([1.5])]))
    1 outputs differ, by at most 0.5
    """
    different = []
    largest = 0.0
    for place, (x, y) in enumerate(zip(first, second, strict=True)):
        if np.asarray(x).tobytes() == np.asarray(y).tobytes():
            continue
        different.append(place)
        largest = max(largest, _distance(x, y))
    return Comparison(not different, tuple(different), largest)


def _distance(x: Any, y: Any) -> float:
    """Return the largest absolute difference; NaN beside NaN counts as none."""
    with np.errstate(all="ignore"):
        wide_x, wide_y = (np.asarray(one).astype(np.float64) for one in (x, y))
        same = (wide_x == wide_y) | (np.isnan(wide_x) & np.isnan(wide_y))
        gaps = np.where(same, 0.0, np.abs(wide_x - wide_y))
    return float(gaps.max(initial=0.0))


def counts(graph: Graph) -> dict[str, int]:
    """Return how often each operation occurs in a graph, most often first.

    >>> import nervure as nv
    >>> x = nv.asarray([1.0])
    >>> counts(nv.graph(x + x + x))
    {'add': 2, 'buffer': 1}
    """
    return dict(Counter(node.op.name for node in graph.nodes).most_common())
