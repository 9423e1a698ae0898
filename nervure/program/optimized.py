"""What really runs: the kernels of a program in their order."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from nervure.exec.report import Buffer, Kind, Report, Task
from nervure.exec.traffic import reads
from nervure.exec.work import operations
from nervure.ir.graph import Graph
from nervure.ir.node import Node, Shape, Site
from nervure.ir.primitive import Fusion
from nervure.ir.text import sectioned_text
from nervure.passes.roles import Role, latest, roles
from nervure.program.amounts import byte_text, count_text
from nervure.program.rows import Rows

# What a kernel is named after, if it is there: the most work first.
_MAIN = (Fusion.CONTRACTION, Fusion.WINDOW, Fusion.OPAQUE, Fusion.REDUCTION)


class Kernel:
    """One entry of :attr:`Program.optimized`: what is computed together.

    Attributes
    ----------
    number
        Its place in the order of execution.
    nodes
        The nodes that it computes, operands first; none if it only moves a value out of
        the arena, or back.
    kernel
        The name of the native function that does the main work.
    kernels
        The names of all its native functions, in order.
    recomputed
        Whether the same was computed before, and dropped to save memory.
    saved
        Whether a value that it makes going forward is kept for going backward.
    role
        ``forward``, ``backward`` or ``update``.
    reads, writes
        The buffers that it touches.
    moment
        When it runs: between two moments the threads meet.
    operations
        Elementary operations; a multiplication with its addition counts as two.
    bytes_read, bytes_written
        Bytes moved, without those that never leave a core's cache.
    """

    def __init__(
        self, task: Task, buffers: Sequence[Buffer], role: Role, saved: bool
    ) -> None:
        self.number = task.number
        self.nodes = task.nodes
        self.kernel = task.kernels[-1].name
        self.kernels = tuple(use.name for use in task.kernels)
        self.uses = task.kernels
        self.moment = task.moment
        self.recomputed = task.recomputed
        self.saved = saved
        self.role = role.text
        self.reads = tuple(buffers[number] for number in task.reads)
        self.writes = tuple(buffers[number] for number in task.writes)

    @cached_property
    def node(self) -> Node:
        """The node that does the main work, after which the entry is named."""
        for fusion in _MAIN:
            for node in self.nodes:
                if node.op.fusion is fusion:
                    return node
        return self._last

    @property
    def _last(self) -> Node:
        """The last node that is computed, or the one that is moved."""
        if self.nodes:
            return self.nodes[-1]
        touched = (*self.writes, *self.reads)
        return next(one.node for one in touched if one.node is not None)

    @property
    def moves(self) -> bool:
        """Whether it only moves a value out of the arena, or back."""
        return not self.nodes

    @property
    def op(self) -> str:
        """The name of the main operation; ``move`` if there is none."""
        return "move" if self.moves else self.node.op.name

    @property
    def shape(self) -> Shape:
        """The shape of the last node's value."""
        return self._last.shape

    @property
    def type_text(self) -> str:
        """The type of the last node's value: ``float32[32, 10]``."""
        return self._last.type_text

    @property
    def site(self) -> Site:
        """Where the main operation was written, and what for."""
        return self.node.site

    @property
    def parallel(self) -> bool:
        """Whether threads share the main work."""
        return self.uses[-1].parallel

    @cached_property
    def operations(self) -> int:
        """The number of elementary operations."""
        return sum(map(operations, self.nodes))

    @cached_property
    def bytes_read(self) -> int:
        """The bytes that are read from memory."""
        if self.moves:
            return sum(one.nbytes for one in self.reads)
        needed = reads(self.nodes)
        near = {one.node for one in self.reads if one.kind is Kind.PRIVATE}
        scratch = sum(one.nbytes for one in self.reads if one.kind is Kind.SCRATCH)
        values = sum(size for node, size in needed.items() if node not in near)
        return values + scratch

    @cached_property
    def bytes_written(self) -> int:
        """The bytes that are written to memory."""
        return sum(one.nbytes for one in self.writes if one.kind is not Kind.PRIVATE)

    @property
    def facts(self) -> str:
        """What is to be said about the kernel in one line."""
        use = self.uses[-1]
        parts = [self.role, f"moment {self.moment}"]
        if use.parallel:
            parts.append(f"{use.units} {use.owner}")
        parts.append(count_text(self.operations, "FLOP"))
        parts.append(f"reads {byte_text(self.bytes_read)}")
        parts.append(f"writes {byte_text(self.bytes_written)}")
        parts += ["saved"] if self.saved else []
        parts += ["recomputed"] if self.recomputed else []
        return ", ".join(parts)

    def __repr__(self) -> str:
        return f"<kernel {self.number} {self.kernel}: {self.facts}>"


class Optimized(Rows[Kernel]):
    """The kernels of a program in the order in which they run.

    ``str`` writes the nodes in that order, in the text format of graphs, with a comment
    before those of each kernel; ``len`` counts kernels, iterating gives them.

    >>> import nervure as nv
    >>> program = nv.compile(lambda x: nv.sum(nv.tanh(x) * 2)).program(nv.ones((3, 4)))
    >>> len(program.graph), len(program.optimized)
    (6, 1)
    >>> [node.op.name for node in program.optimized[0].nodes]
    ['tanh', 'mul', 'reduce_sum']
    """

    def __init__(self, report: Report) -> None:
        self.graph: Graph = report.graph
        self._report = report

    @cached_property
    def roles(self) -> dict[Node, Role]:
        """The role of every node, those included that a kernel has added."""
        found = roles(self.graph)
        for task in self._report.tasks:
            for node in task.nodes:
                if node not in found:
                    found[node] = latest(node.inputs, found)
        return found

    @cached_property
    def _kernels(self) -> tuple[Kernel, ...]:
        report = self._report
        of_task = {task.number: self._role(task) for task in report.tasks}
        saved = _saved(report, of_task)
        return tuple(
            Kernel(task, report.buffers, of_task[task.number], task.number in saved)
            for task in report.tasks
        )

    def _role(self, task: Task) -> Role:
        """Return what a task is for; one that runs again does so for going backward."""
        if task.recomputed or not task.nodes:
            return Role.BACKWARD
        return latest(task.nodes, self.roles)

    def _rows(self) -> Sequence[Kernel]:
        return self._kernels

    def to_text(self) -> str:
        """Write the kernels with their nodes in the text format of graphs."""
        sections = [
            (f"kernel {one.number} {one.kernel}: {one.facts}", one.nodes)
            for one in self._kernels
        ]
        return sectioned_text(self.graph, sections)

    def __str__(self) -> str:
        return self.to_text()

    def __repr__(self) -> str:
        nodes = len(self.graph)
        return f"<Optimized: {len(self)} kernels for {nodes} nodes>"


def _saved(report: Report, role: dict[int, Role]) -> set[int]:
    """Return the tasks going forward of which a value is read going backward."""
    writer: dict[int, int] = {}
    saved: set[int] = set()
    for task in report.tasks:
        for number in task.reads:
            source = writer.get(number)
            if (
                source is not None
                and role[source] is Role.FORWARD
                and role[task.number] is not Role.FORWARD
                and report.buffers[number].kind in (Kind.VALUE, Kind.PRIVATE)
            ):
                saved.add(source)
        writer.update(dict.fromkeys(task.writes, task.number))
    return saved
