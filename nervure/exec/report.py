"""What an executor will do with a graph, for people and tools: tasks and buffers.

A *task* is what one kernel computes, or the few kernels of one operation.  A *buffer*
is a piece of memory with a lifetime, counted in *moments*: between two moments the
threads meet, or if one thread does everything, a kernel ends.  Reports are read only;
making one plans, but compiles nothing.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

from nervure.ir.attrs import NDArray
from nervure.ir.graph import Graph
from nervure.ir.node import Node


class Kind(enum.Enum):
    """What a buffer holds."""

    STATE = "state"  # what changes from step to step: weights, slots, counters
    DATA = "data"  # what is given and stays
    BATCH = "batch"  # what is given anew for every step
    CONSTANT = "constant"  # what the program itself holds
    RESULT = "result"  # what is given back
    VALUE = "value"  # an intermediate value
    SCRATCH = "scratch"  # what the kernels of one operation need among themselves
    SPARE = "spare"  # the second place of state that is not updated in place
    POINTERS = "pointers"  # where everything else lies
    PRIVATE = "private"  # the rows that each thread is working on
    OUTSIDE = "outside"  # where a value waits that was moved out of the arena


class KernelUse(NamedTuple):
    """A native function as a task uses it.

    ``owner`` says which threads run it: ``first``, ``every``, ``bands`` or ``units``.
    ``parallel`` is False where one thread does it all.
    """

    name: str
    owner: str
    units: int

    @property
    def parallel(self) -> bool:
        """Whether threads share the work."""
        return self.owner in ("bands", "units")


@dataclass(frozen=True)
class Task:
    """What is computed together.

    Attributes
    ----------
    number
        Its place in the order of execution.
    nodes
        What is computed, operands first; nothing where a value is only moved.
    kernels
        The native functions, in order; the last one does the main work.
    moment
        When the last of them runs.
    reads, writes
        The numbers of the buffers.
    recomputed
        Whether the same was computed before and dropped to save memory.
    """

    number: int
    nodes: tuple[Node, ...]
    kernels: tuple[KernelUse, ...]
    moment: int
    reads: tuple[int, ...]
    writes: tuple[int, ...]
    recomputed: bool = False


@dataclass(frozen=True)
class Buffer:
    """A piece of memory.

    Attributes
    ----------
    node
        The value that it holds; None for scratch.
    nbytes
        The bytes of the value.
    space
        The bytes that it takes up: a multiple of the alignment within an arena.
    offset
        Where it lies in the arena; None for what has memory of its own outside.
    birth, death
        The first and last moment at which it is needed.
    """

    number: int
    kind: Kind
    node: Node | None
    nbytes: int
    space: int
    offset: int | None
    birth: int
    death: int


@dataclass(frozen=True)
class Report:
    """What an executor will do.

    Attributes
    ----------
    executor
        Its name.
    graph
        What it computes, after the passes.
    tasks, buffers
        In the order of execution, and of birth.
    moments
        How many there are.
    threads
        How many threads work.
    arena_nbytes
        The bytes of the one allocation that holds everything with an offset; None for
        an executor without an arena, where each value is allocated by itself.
    """

    executor: str
    graph: Graph
    tasks: tuple[Task, ...]
    buffers: tuple[Buffer, ...]
    moments: int
    threads: int
    arena_nbytes: int | None


@runtime_checkable
class Reporter(Protocol):
    """An executor that can say what it will do, without compiling anything."""

    def report(
        self,
        graph: Graph,
        state_count: int | None = None,
        constant_count: int = 0,
        *,
        memory_budget: int | None = None,
        offload: bool = False,
    ) -> Report:
        """Plan a graph, or one step of an iteration if ``state_count`` is given."""
        ...


class Timings(NamedTuple):
    """How long one step took, on average over several.

    Attributes
    ----------
    total
        Seconds from the beginning of a step to its end.
    tasks
        For each task of the report, the seconds of every thread.
    steps
        How many steps were measured.
    """

    total: float
    tasks: tuple[tuple[float, ...], ...]
    steps: int


@runtime_checkable
class Profiler(Protocol):
    """An executor that can say how long each task takes."""

    def profile(
        self,
        graph: Graph,
        inputs: Sequence[NDArray],
        state_count: int | None = None,
        constant_count: int = 0,
        *,
        memory_budget: int | None = None,
        offload: bool = False,
    ) -> Timings:
        """Run a graph, or one step of an iteration, several times and measure."""
        ...


def node_report(
    graph: Graph, executor: str, state_count: int | None, constant_count: int = 0
) -> Report:
    """Return the report of an executor that runs node by node, with no arena.

    ``graph`` has been through the passes.  Every value lives from its node to its last
    reader, and inputs and results from the beginning to the end.
    """
    nodes = [node for node in graph.nodes if node.op.name != "input"]
    moment = {node: place for place, node in enumerate(nodes)}
    moments = max(len(nodes), 1)
    last = {node: max((moment[user] for user in users), default=moment.get(node, 0))
            for node, users in graph.users.items()}  # fmt: skip
    buffers: list[Buffer] = []
    number: dict[Node, int] = {}
    results = set(graph.outputs)
    leaves = kinds_of_leaves(graph, state_count, constant_count)
    for node in dict.fromkeys([*graph.inputs, *nodes]):
        kind = leaves.get(node)
        birth = 0 if kind is not None else moment[node]
        death = moments - 1 if kind is not None or node in results else last[node]
        if kind is None:
            kind = Kind.RESULT if node in results else Kind.VALUE
        number[node] = len(buffers)
        nbytes = node.nbytes
        buffers.append(
            Buffer(len(buffers), kind, node, nbytes, nbytes, None, birth, death)
        )
    tasks = tuple(
        Task(
            place, (node,), (KernelUse(node.op.name, "first", 1),), place,
            tuple(dict.fromkeys(number[one] for one in node.inputs)), (number[node],),
        )
        for place, node in enumerate(nodes)
    )  # fmt: skip
    return Report(executor, graph, tasks, tuple(buffers), moments, 1, None)


def kinds_of_leaves(
    graph: Graph, state_count: int | None, constant_count: int
) -> dict[Node, Kind]:
    """Return what each input and constant of a graph holds.

    ``state_count`` is None for a graph that is no step of an iteration.
    """
    kinds = {
        node: Kind.CONSTANT
        for node in graph.nodes
        if node.op.name in ("const", "buffer")
    }
    for place, node in enumerate(graph.inputs):
        if state_count is not None and place < state_count:
            kinds[node] = Kind.STATE
        elif state_count is None or place < state_count + constant_count:
            kinds[node] = Kind.DATA
        else:
            kinds[node] = Kind.BATCH
    return kinds
