"""The executor that compiles graphs to native code."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Final, TypeVar

from nervure.errors import MachineError, explain
from nervure.exec.base import check_step
from nervure.exec.cpu import runtime
from nervure.exec.cpu.program import CpuProgram, CpuStepProgram
from nervure.exec.cpu.target import target
from nervure.ir.attrs import NDArray
from nervure.ir.graph import Graph, substitute, topological
from nervure.ir.node import Node
from nervure.prims.leaf import input_leaf

# Programs that are kept for the next graph alike, the ones used last.
KEPT_PROGRAMS: Final = 256
# What a program is made of: the graph, the CPU, and for a step the number of states and
# constants.
_Key = tuple[str, ...]
_Compiled = TypeVar("_Compiled", CpuProgram, CpuStepProgram)


class CpuExecutor:
    """Compiles graphs with LLVM; see docs/architecture.md for the way through."""

    name = "cpu"
    on_device: ClassVar[bool] = False

    def __init__(self) -> None:
        _check_machine()
        self._programs: dict[_Key, Any] = {}

    def compile(self, graph: Graph) -> CpuProgram:
        """Compile a graph, or take the program of one alike.

        That is one of this process, as the folds of a cross-validation make them, or
        one from the cache on disk.
        """
        return self._shared(graph, (), lambda: CpuProgram(graph, target()))

    def compile_step(
        self, graph: Graph, state_count: int, constant_count: int
    ) -> CpuStepProgram:
        """Compile one step of an iteration, or take the program of one alike."""
        check_step(graph, state_count, constant_count)
        return self._shared(
            graph,
            ("step", str(state_count), str(constant_count)),
            lambda: CpuStepProgram(graph, target(), state_count, constant_count),
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
        key = (graph.structural_hash, target().key, *kind)
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
