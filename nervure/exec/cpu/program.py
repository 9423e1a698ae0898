"""Compiled graphs as objects to call: checking inputs, making results, running."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import ClassVar, Final

import numpy as np

from nervure.errors import GraphError
from nervure.exec.base import step_count
from nervure.exec.cpu import memory, runtime
from nervure.exec.cpu.budgeted import budgeted
from nervure.exec.cpu.checks import native
from nervure.exec.cpu.checks.faults import raise_faults
from nervure.exec.cpu.checks.watch import Watch
from nervure.exec.cpu.entry import program_texts
from nervure.exec.cpu.jit import Code, compile_modules
from nervure.exec.cpu.kernel import Slot
from nervure.exec.cpu.layout import HEAD, Layout, contiguous, leaf_value
from nervure.exec.cpu.memory import Workspace, aligned_empty, locked_workspace
from nervure.exec.cpu.plan import Plan
from nervure.exec.cpu.spill import spill_file
from nervure.exec.cpu.target import Target
from nervure.ir.attrs import NDArray
from nervure.ir.graph import Graph
from nervure.ir.node import Node

# A run of fewer elementary operations takes microseconds.
SHORT_COST: Final = 50_000


class Compiled:
    """Machine code of a plan, and the memory that it ran in last."""

    def __init__(self, layout: Layout, target: Target) -> None:
        plan = layout.plan
        self.layout = layout
        self._code: Code | None = None
        self._function = 0
        if plan.calls:
            runtime.native()  # the code calls its barrier
            if plan.checked:
                native.make_ready()
            self._code = compile_modules(self._texts(), target)
            self._function = self._code.address("nervure_main")
        self._checked = plan.checked
        words = HEAD + len(layout.arrays) + plan.checked
        self._context = struct.Struct(f"{words}q")
        self._count = len(layout.arrays) if memory.DIRECT else 0
        self._constants = tuple(layout.constants.values())
        self._serial = plan.phases.serial
        self._short = sum(call.kernel.cost for call in plan.calls) < SHORT_COST
        self._workspace: Workspace | None = None

    def _texts(self) -> list[str]:
        """Write the modules of the program."""
        return program_texts(self.layout.plan, self.layout)

    def run(
        self, inputs: Sequence[NDArray], results: Sequence[NDArray], steps: int = 1
    ) -> None:
        """Run with arrays for the inputs and for the layout's results."""
        if not self._function:
            return
        pool = None if self._serial else runtime.pool()
        nbytes = self.layout.total_nbytes(1 if pool is None else pool.threads)
        workspace = self._workspace
        if (
            workspace is None
            or workspace.nbytes < nbytes
            or not workspace.lock.acquire(False)
        ):
            workspace = self._workspace = locked_workspace(nbytes)
        try:
            if memory.poison:
                workspace.bytes.fill(0xFF)
            given = [*inputs, *self._constants, *results]
            if self.layout.spill is not None:
                given.append(spill_file(self.layout.spill.nbytes))
            words = [*map(memory.handle, given)]
            watch = None
            if self._checked:
                context = workspace.address, nbytes
                watch = Watch(context, given, 1 if pool is None else pool.threads)
                words.append(watch.address)
            self._context.pack_into(workspace.buffer, 0, steps, self._count, *words)
            if pool is not None:
                pool.run(self._function, workspace.address)
            else:
                runtime.run_alone(
                    self._function, workspace.address, self._short and steps == 1
                )
            if watch is not None:
                raise_faults(self.layout.plan, watch)
        finally:
            workspace.lock.release()


class CpuProgram:
    """Runs a graph once a call; see :class:`~nervure.exec.base.Program`."""

    on_device: ClassVar[bool] = False

    def __init__(self, graph: Graph, target: Target) -> None:
        plan = Plan(graph, target)
        layout = budgeted(Layout(plan), target, None, offload=False)
        self._compiled = compiled = Compiled(layout, target)
        self._inputs = Inputs(graph.inputs)
        results = compiled.layout.results
        typed = dict(zip(plan.outputs, graph.outputs, strict=True))
        self._results = [(typed[slot].shape, typed[slot].dtype) for slot in results]
        # An output is a result, an input passed on, or a constant; among all of these
        # it has a number.
        place: dict[Slot, int] = {}
        for slot in (*plan.graph.inputs, *results, *plan.outputs):
            place.setdefault(slot, len(place))
        self._outputs = [place[slot] for slot in plan.outputs]
        count = self._inputs.count
        self._plain = self._outputs == list(range(count, count + len(results)))
        self._constants = [leaf_value(slot) for slot in list(place)[self._known() :]
                           if isinstance(slot, Node)]  # fmt: skip

    def _known(self) -> int:
        """Return the number of inputs and results."""
        return self._inputs.count + len(self._results)

    def __call__(self, inputs: Sequence[NDArray]) -> list[NDArray]:
        """Run the graph once."""
        given = self._inputs.checked(inputs)
        results = [aligned_empty(shape, dtype) for shape, dtype in self._results]
        self._compiled.run(given, results)
        if self._plain:
            return results
        values = [*given, *results, *self._constants]
        return [values[place] for place in self._outputs]


class Inputs:
    """Checks the values given for inputs."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self._nodes = nodes
        self._types = [(node.shape, node.dtype) for node in nodes]
        self.count = len(nodes)

    def checked(self, values: Sequence[NDArray]) -> list[NDArray]:
        """Return the values in row-major order; raises for a wrong count or type."""
        if len(values) != self.count:
            raise GraphError(f"expected {self.count} inputs, got {len(values)}")
        given: list[NDArray] = []
        for value, (shape, dtype) in zip(values, self._types, strict=True):
            # native code reads the array object itself: nothing else may pass
            if type(value) is not np.ndarray:
                value = np.asarray(value)
            found = value.dtype
            if value.shape != shape or (found is not dtype and found != dtype):
                raise self._mismatch(value, len(given))
            given.append(contiguous(value))
        return given

    def _mismatch(self, value: NDArray, place: int) -> GraphError:
        node = self._nodes[place]
        return GraphError(
            f"input {node.attrs['name']!r}: expected {node.type_text}, got "
            f"{value.dtype.name}{list(value.shape)}"
        )


class CpuStepProgram:
    """Runs many steps in one native call; see :class:`~nervure.exec.base.StepProgram`.

    The arrays that are given are only read: the first step reads the old state there
    and writes the new state to new arrays, where the following steps update it.  So
    nothing is copied, and whoever still holds an old state keeps it.

    ``layout`` is the plan to run, where it has to keep to a budget of memory.
    """

    on_device: ClassVar[bool] = False

    def __init__(
        self,
        graph: Graph,
        target: Target,
        state_count: int,
        constant_count: int,
        layout: Layout | None = None,
    ) -> None:
        if layout is None:
            plan = Plan(graph, target, state_count, constant_count)
            layout = budgeted(Layout(plan), target, None, offload=False)
        self._compiled = Compiled(layout, target)
        moving = state_count + constant_count
        self._fixed = Inputs(graph.inputs[:moving])
        self._moving = [(node.shape, node.dtype) for node in graph.inputs[moving:]]
        self._results = [(node.shape, node.dtype) for node in graph.outputs]

    def run(
        self,
        state: Sequence[NDArray],
        constants: Sequence[NDArray],
        varying: Sequence[NDArray],
    ) -> list[NDArray]:
        """Run one step for each entry of ``varying`` and return the last state."""
        given = self._fixed.checked((*state, *constants))
        steps = step_count(varying)
        if steps == 0:
            return list(state)
        for values, (shape, dtype) in zip(varying, self._moving, strict=True):
            if values.shape[1:] != shape or values.dtype != dtype:
                raise GraphError(
                    f"varying input: expected {dtype.name}{[steps, *shape]}, got "
                    f"{values.dtype.name}{list(values.shape)}"
                )
            given.append(contiguous(values))
        results = [aligned_empty(shape, dtype) for shape, dtype in self._results]
        self._compiled.run(given, results, steps)
        return results
