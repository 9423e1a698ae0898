"""The executor that lets XLA compile graphs: for GPUs, TPUs and several devices."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Final, TypeVar

from nervure.config import config
from nervure.exec.accelerators import warn_about_the_cpu
from nervure.exec.base import NOTHING, check_step
from nervure.exec.report import Report
from nervure.exec.xla.placement import Placement, Residents, current_placement
from nervure.exec.xla.program import (
    Code,
    Limits,
    StepCode,
    Value,
    XlaProgram,
    XlaStepProgram,
)
from nervure.exec.xla.report import xla_report
from nervure.exec.xla.rules import Context
from nervure.exec.xla.runtime import local_devices
from nervure.ir.graph import Graph, substitute, topological
from nervure.ir.node import Node
from nervure.prims.leaf import input_leaf

# Programs that are kept for the next graph alike, the ones used last.
KEPT_PROGRAMS: Final = 256
_Kept = TypeVar("_Kept")


class XlaExecutor:
    """Compiles graphs with XLA, through JAX."""

    name = "xla"
    on_device: ClassVar[bool] = True

    def __init__(self) -> None:
        first = local_devices()[0]  # raises where JAX cannot work
        warn_about_the_cpu(first.platform)
        self._kept: dict[tuple[str, ...], Any] = {}
        self._residents = Residents()

    def compile(self, graph: Graph, settled: range = NOTHING) -> XlaProgram:
        """Compile a graph, or take the code of one alike; data are no part of it."""
        del settled
        placement = current_placement()
        context = _context(placement)
        code = self._shared(
            graph, ("once",), placement, lambda: Code(graph, context, placement)
        )
        return XlaProgram(graph, code)

    def compile_step(
        self,
        graph: Graph,
        state_count: int,
        constant_count: int,
        *,
        memory_budget: int | None = None,
        offload: bool = False,
    ) -> XlaStepProgram:
        """Compile one step of an iteration, or take the program of one alike.

        The budget is for the temporary memory of each device, as XLA counts it.  Raises
        :class:`~nervure.errors.BudgetError` if no program is found that keeps to it.
        """
        check_step(graph, state_count, constant_count)
        placement = current_placement()
        counts = (state_count, constant_count)
        limits = Limits(memory_budget, offload)

        def make() -> XlaStepProgram:
            return XlaStepProgram(
                graph, _context(placement), placement, counts, self._residents, limits
            )

        if graph.buffers:
            return make()  # it holds data, which the structure does not tell
        kind = ("step", *map(str, (*counts, *limits)))
        return self._shared(graph, kind, placement, make)

    def report(
        self,
        graph: Graph,
        state_count: int | None = None,
        constant_count: int = 0,
        *,
        memory_budget: int | None = None,
        offload: bool = False,
    ) -> Report:
        """Say what will run; XLA has to compile it to say how much memory it takes."""
        placement = current_placement()
        context = _context(placement)
        if state_count is None:
            once = Code(graph, context, placement)
            known = once.lowered, once.decision, once.memory(graph)
        else:
            limits = Limits(memory_budget, offload)
            counts = (state_count, constant_count)
            step = StepCode(graph, context, placement, counts, limits)
            known = step.lowered, step.decision, step.memory()
        lowered, decision, analysis = known
        return xla_report(
            lowered.operations,
            lowered.operations.program.schedule(decision),
            (state_count, constant_count),
            int(analysis.temp_size_in_bytes),
        )

    def evaluate(
        self, outputs: Sequence[Node], known: Mapping[Node, Any]
    ) -> list[Value]:
        """Compute ``outputs`` once, given the values of some nodes below them."""
        replacement: dict[Node, Node] = {}
        values: list[Any] = []
        for node in topological(outputs, stop=known.keys()):
            value = known[node] if node in known else _buffer_value(node)
            if value is not None:
                replacement[node] = input_leaf(node.shape, node.dtype, "value")
                values.append(value)
        graph = Graph(substitute(outputs, replacement), replacement.values())
        return self.compile(graph)(values)

    def forget_data(self) -> None:
        """Forget copies of the user's data: they may have been changed meanwhile."""
        self._residents.clear()

    def _shared(
        self,
        graph: Graph,
        kind: tuple[str, ...],
        placement: Placement,
        make: Callable[[], _Kept],
    ) -> _Kept:
        """Return what is kept for a graph, or make and keep it."""
        settings = (str(config.tf32), *config.skip_passes)
        key = (graph.structural_hash, placement.key, *settings, *kind)
        found: _Kept = self._kept.get(key) or make()
        self._kept.pop(key, None)
        self._kept[key] = found  # the one used last is last
        for oldest in list(self._kept)[:-KEPT_PROGRAMS]:
            self._kept.pop(oldest, None)
        return found


def _context(placement: Placement) -> Context:
    return Context(placement.platform, config.tf32)


def _buffer_value(node: Node) -> Any:
    buffer = node.buffer
    return None if buffer is None else buffer.held
