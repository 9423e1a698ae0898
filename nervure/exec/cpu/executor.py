"""The executor that compiles graphs to native code."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Final, TypeVar

from nervure.config import config, thread_count
from nervure.errors import MachineError, explain
from nervure.exec.base import NOTHING, check_step
from nervure.exec.cpu import runtime
from nervure.exec.cpu.budgeted import budgeted
from nervure.exec.cpu.layout import Layout
from nervure.exec.cpu.plan import Plan
from nervure.exec.cpu.profiling import timed
from nervure.exec.cpu.program import CpuProgram, CpuStepProgram
from nervure.exec.cpu.report import report_of
from nervure.exec.cpu.target import target
from nervure.exec.report import Report, Timings
from nervure.ir.attrs import NDArray
from nervure.ir.graph import Graph, substitute, topological
from nervure.ir.node import Node
from nervure.prims.leaf import input_leaf

# Programs that are kept for the next graph alike, the ones used last.
KEPT_PROGRAMS: Final = 256
# What a program is made of: the graph, the CPU, the skipped passes, and for a step the
# number of states and constants.
_Key = tuple[str, ...]
_Compiled = TypeVar("_Compiled", CpuProgram, CpuStepProgram)


class CpuExecutor:
    """Compiles graphs with LLVM; see docs/architecture.md for the way through."""

    name = "cpu"
    on_device: ClassVar[bool] = False

    def __init__(self) -> None:
        _check_machine()
        self._programs: dict[_Key, Any] = {}

    def compile(self, graph: Graph, settled: range = NOTHING) -> CpuProgram:
        """Compile a graph, or take the program of one alike.

        That is one of this process, as the folds of a cross-validation make them, or
        one from the cache on disk.  What depends on the ``settled`` inputs alone is
        kept from call to call; see ``preparing.py``.
        """
        key = (f"settled {settled.start} {settled.stop}",) if settled else ()
        return self._shared(graph, key, lambda: CpuProgram(graph, target(), settled))

    def compile_step(
        self,
        graph: Graph,
        state_count: int,
        constant_count: int,
        *,
        memory_budget: int | None = None,
        offload: bool = False,
    ) -> CpuStepProgram:
        """Compile one step of an iteration, or take the program of one alike.

        The arena, with as many threads as there are now, gets no larger than
        ``memory_budget`` bytes; see ``budgeted.py``.

        Raises :class:`~nervure.errors.BudgetError` for a budget that is too small.
        """
        key = ["step", str(state_count), str(constant_count)]
        if memory_budget is not None:
            key.append(f"{memory_budget} bytes, {thread_count()} threads")
        if offload:
            key.append("offload")

        def make() -> CpuStepProgram:
            layout = self.plan_step(
                graph,
                state_count,
                constant_count,
                memory_budget=memory_budget,
                offload=offload,
            )
            return CpuStepProgram(graph, target(), state_count, constant_count, layout)

        return self._shared(graph, tuple(key), make)

    def plan_step(
        self,
        graph: Graph,
        state_count: int,
        constant_count: int,
        *,
        memory_budget: int | None = None,
        offload: bool = False,
    ) -> Layout:
        """Plan what :meth:`compile_step` would compile, without machine code.

        ``arena_bytes`` of :mod:`nervure.exec.cpu.layout` tells what it needs.
        """
        check_step(graph, state_count, constant_count)
        plan = Plan(graph, target(), state_count, constant_count)
        return budgeted(Layout(plan), target(), memory_budget, offload)

    def report(
        self,
        graph: Graph,
        state_count: int | None = None,
        constant_count: int = 0,
        *,
        memory_budget: int | None = None,
        offload: bool = False,
    ) -> Report:
        """Plan a graph, or one step of an iteration; nothing is compiled.

        Raises :class:`~nervure.errors.BudgetError` for a budget that is too small.
        """
        layout = self._layout(
            graph, state_count, constant_count, memory_budget, offload
        )
        return report_of(layout, thread_count(), state_count, constant_count)

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
        """Run a variant of the program that reads the clock around every kernel.

        ``inputs`` are those of one step.  The tasks are those of :meth:`report`.
        """
        layout = self._layout(
            graph, state_count, constant_count, memory_budget, offload
        )
        moving = len(inputs)
        if state_count is not None:
            moving = state_count + constant_count
        return timed(layout, target(), inputs, moving)

    def _layout(
        self,
        graph: Graph,
        state_count: int | None,
        constant_count: int,
        memory_budget: int | None,
        offload: bool,
    ) -> Layout:
        if state_count is None:
            layout = Layout(Plan(graph, target()))
            return budgeted(layout, target(), memory_budget, offload)
        return self.plan_step(
            graph,
            state_count,
            constant_count,
            memory_budget=memory_budget,
            offload=offload,
        )

    def evaluate(
        self, outputs: Sequence[Node], known: Mapping[Node, NDArray]
    ) -> list[NDArray]:
        """Compute ``outputs`` once, given the values of some nodes below them.

        The program is kept, because loops evaluate graphs of the same structure.
        """
        replacement: dict[Node, Node] = {}
        values: list[NDArray] = []
        for node in topological(outputs, stop=known.keys()):
            value = known[node] if node in known else _buffer_value(node)
            if value is not None:
                replacement[node] = input_leaf(node.shape, node.dtype, "value")
                values.append(value)
        graph = Graph(substitute(outputs, replacement), replacement.values())
        return self.compile(graph)(values)

    def _shared(
        self, graph: Graph, kind: _Key, make: Callable[[], _Compiled]
    ) -> _Compiled:
        """Return the kept program for a graph, or make and keep one."""
        if graph.buffers:
            return make()  # it holds data, which the structure does not tell
        # Without a lock, which a forked child might find locked: each step is atomic,
        # and two threads that compile the same graph only waste time.
        skipped = ",".join(config.skip_passes)
        key = (graph.structural_hash, target().key, skipped, *kind)
        if config.check:  # an error tells where its own graph was made
            key += tuple(str(node.site) for node in graph.nodes)
        program: _Compiled = self._programs.get(key) or make()
        self._programs.pop(key, None)
        self._programs[key] = program  # the one used last is last
        for oldest in list(self._programs)[:-KEPT_PROGRAMS]:
            self._programs.pop(oldest, None)
        return program


def _check_machine() -> None:
    """Raise :class:`MachineError` if compiled code cannot run here."""
    try:
        if sys.maxsize < 2**32:
            raise RuntimeError("this Python has pointers of 32 bits")
        runtime.native()
    except (RuntimeError, OSError, KeyError) as error:
        raise MachineError(
            explain(
                f"compiled code cannot run on this machine ({platform.machine()}): "
                f"{error}",
                fix="choose the reference executor with NERVURE_EXECUTOR=reference",
            )
        ) from error


def _buffer_value(node: Node) -> NDArray | None:
    buffer = node.buffer
    return None if buffer is None else buffer.value
