"""Where every value of a program lies, and from when to when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from nervure.exec.report import Buffer, Kind, Report
from nervure.ir.node import Node
from nervure.passes.roles import Role
from nervure.program.amounts import byte_text
from nervure.program.rows import Rows
from nervure.program.tables import shortened, table_text

_SHOWN: Final = 16  # buffers in a text
_BARS: Final = 40  # characters of the longest bar
_MOST_LINES: Final = 24  # of the timeline


@dataclass(frozen=True)
class BufferRow:
    """A buffer of a program.

    Attributes
    ----------
    name
        What it holds: a layer and an operation, or the name of an input.
    kind
        ``state``, ``data``, ``batch``, ``constant``, ``result``, ``value``,
        ``scratch``, ``spare``, ``private`` or ``pointers``.
    type_text
        The type of its value; empty for scratch.
    nbytes, space
        The bytes of the value, and those that it takes up in the arena.
    offset
        Where it lies in the arena; None for memory of its own outside.
    birth, death
        The first and the last moment at which it is needed.
    role
        Of the value: ``forward``, ``backward`` or ``update``.
    """

    name: str
    kind: str
    type_text: str
    nbytes: int
    space: int
    offset: int | None
    birth: int
    death: int
    role: str
    node: Node | None

    @property
    def in_arena(self) -> bool:
        """Whether it lies in the arena."""
        return self.offset is not None


class Memory(Rows[BufferRow]):
    """The memory of a program over time; see :meth:`Program.memory`.

    Iterating gives every buffer.

    Attributes
    ----------
    peak_bytes
        The bytes of the executor's arena: the one allocation for everything that lives
        within a step.  On the xla executor it is what XLA says about its temporary
        memory.  The reference executor allocates each value by itself; there it is the
        most bytes of values alive at a time.
    arena_bytes
        The bytes of the arena, None for such an executor.
    compiler_bytes
        What a compiler asks for that plans by itself (``xla``), else None.  Then the
        lifetimes are those of a model.
    live_bytes
        For each moment the bytes in use.
    outside_bytes
        The bytes of inputs, state, constants and results, which are arrays of their
        own, outside the arena.
    """

    def __init__(self, report: Report, role: Mapping[Node, Role]) -> None:
        self.executor = report.executor
        self.threads = report.threads
        self.arena_bytes = report.arena_nbytes
        self.buffers = tuple(_row(one, role) for one in report.buffers)
        inside = [one for one in self.buffers if self._counts(one)]
        self.live_bytes = _live(inside, report.moments)
        fallback = max(self.live_bytes, default=0)
        self.compiler_bytes = report.compiler_nbytes
        known = (self.arena_bytes, self.compiler_bytes)
        self.peak_bytes = next((one for one in known if one is not None), fallback)
        self.outside_bytes = sum(
            one.nbytes for one in self.buffers if not self._counts(one)
        )

    def _counts(self, row: BufferRow) -> bool:
        """Tell whether a buffer is part of the peak."""
        if self.arena_bytes is None:
            return row.kind == Kind.VALUE.value
        return row.in_arena

    def _rows(self) -> Sequence[BufferRow]:
        return self.buffers

    @property
    def moments(self) -> int:
        """How many moments there are."""
        return len(self.live_bytes)

    @property
    def peak_moment(self) -> int:
        """The moment at which most bytes are in use."""
        live = self.live_bytes
        return live.index(max(live)) if live else 0

    def at(self, moment: int) -> list[BufferRow]:
        """Return the counted buffers in use at a moment, the largest first."""
        found = [
            one
            for one in self.buffers
            if self._counts(one) and one.birth <= moment <= one.death
        ]
        return sorted(found, key=lambda one: -one.space)

    def __str__(self) -> str:
        peak = self.peak_moment
        largest = self.at(peak)
        rows = [
            [
                shortened(one.name, 44),
                one.type_text,
                one.kind,
                byte_text(one.nbytes),
                f"{one.birth}-{one.death}",
                one.role,
            ]
            for one in largest[:_SHOWN]
        ]
        headings = ["buffer", "type", "holds", "bytes", "moments", "made going"]
        lines = [self._headline(), *self._timeline(), ""]
        lines.append(f"in use at moment {peak}:")
        lines.append(table_text(headings, rows, left=3))
        rest = largest[_SHOWN:]
        if rest:
            lines.append(
                f"and {len(rest)} more: {byte_text(sum(one.space for one in rest))}"
            )
        return "\n".join(lines)

    def _headline(self) -> str:
        outside = f"{byte_text(self.outside_bytes)} of inputs and results outside"
        if self.compiler_bytes is not None:
            return (
                f"{byte_text(self.peak_bytes)} ({self.peak_bytes} bytes) of temporary "
                f"memory, says {self.executor}; by the model below "
                f"{byte_text(max(self.live_bytes, default=0))}, {outside}"
            )
        if self.arena_bytes is None:
            return (
                f"{byte_text(self.peak_bytes)} of values at most (no arena: the "
                f"executor {self.executor!r} allocates each by itself), {outside}"
            )
        used = max(self.live_bytes, default=0)
        return (
            f"arena of {byte_text(self.peak_bytes)} ({self.peak_bytes} bytes) for "
            f"{self.threads} threads, at most {byte_text(used)} in use, {outside}"
        )

    def _timeline(self) -> list[str]:
        """Return a bar for each moment, or for the highest of several in a row."""
        live = self.live_bytes
        step = max(1, -(-len(live) // _MOST_LINES))
        top = max(*live, 1)
        lines = []
        for start in range(0, len(live), step):
            most = max(live[start : start + step])
            bar = "#" * round(_BARS * most / top)
            lines.append(f"  moment {start:>4}  {byte_text(most):>10}  {bar}")
        return lines

    def __repr__(self) -> str:
        return (
            f"<Memory: peak {byte_text(self.peak_bytes)} in {len(self)} buffers, "
            f"{byte_text(self.outside_bytes)} outside>"
        )


def _live(rows: Sequence[BufferRow], moments: int) -> list[int]:
    """Return the bytes in use at each moment."""
    change = [0] * (moments + 1)
    for row in rows:
        change[row.birth] += row.space
        change[row.death + 1] -= row.space
    total = 0
    found = []
    for step in change[:-1]:
        total += step
        found.append(total)
    return found


def _row(buffer: Buffer, role: Mapping[Node, Role]) -> BufferRow:
    node = buffer.node
    return BufferRow(
        _name(buffer),
        buffer.kind.value,
        "" if node is None else node.type_text,
        buffer.nbytes,
        buffer.space,
        buffer.offset,
        buffer.birth,
        buffer.death,
        "" if node is None else role.get(node, Role.FORWARD).text,
        node,
    )


def _name(buffer: Buffer) -> str:
    """Return what people call a buffer."""
    node = buffer.node
    if node is None:
        return buffer.kind.value
    if node.op.name == "input":
        return str(node.attrs["name"])
    if node.buffer is not None and node.buffer.name:
        return node.buffer.name
    places = [one for one in (node.site.scope, node.site.composite) if one]
    return "/".join([*places, node.op.name])
