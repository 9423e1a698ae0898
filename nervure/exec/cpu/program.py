"""Compiled graphs as objects to call: checking inputs, making results, running."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import ClassVar, Final

import numpy as np

from nervure.errors import GraphError, explain
from nervure.exec.base import NOTHING, step_count, wrong_count, wrong_input
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
from nervure.exec.cpu.preparing import Keeper, prepared_apart
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
        given = [*inputs, *self._constants, *results]
        self.run_with(list(map(memory.handle, given)), steps, given)

    def handles(self, kept: Sequence[NDArray]) -> tuple[int, ...]:
        """Return what stands between inputs and results where values are kept."""
        return tuple(map(memory.handle, (*self._constants, *kept)))

    def run_with(
        self, handles: Sequence[int], steps: int = 1, arrays: Sequence[NDArray] = ()
    ) -> None:
        """Run with the handles of inputs, constants, kept values and results.

        ``arrays`` are what the handles stand for; only a checked run looks at them.
        """
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
            if self.layout.spill is not None:
                spill = spill_file(self.layout.spill.nbytes)
                arrays = (*arrays, spill)
                handles = [*handles, memory.handle(spill)]
            watch = None
            if self._checked:
                context = workspace.address, nbytes
                watch = Watch(context, arrays, 1 if pool is None else pool.threads)
                handles = [*handles, watch.address]
            self._context.pack_into(workspace.buffer, 0, steps, self._count, *handles)
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
    """Runs a graph once a call; see :class:`~nervure.exec.base.Program`.

    ``settled`` are the places of inputs that hardly ever change from call to call.
    """

    on_device: ClassVar[bool] = False

    def __init__(self, graph: Graph, target: Target, settled: range = NOTHING) -> None:
        plan = Plan(graph, target)
        inputs = plan.graph.inputs
        apart = prepared_apart(plan, [inputs[place] for place in settled])
        self._keeper: Keeper | None = None
        if apart is None:
            layout = budgeted(Layout(plan), target, None, offload=False)
        else:
            plan = apart.plan
            layout = Layout(plan, kept=apart.kept)
            before = Compiled(Layout(apart.before), target)
            self._keeper = Keeper(apart.kept, before.run, settled)
            known = {graph.inputs[place] for place in settled}
            self._moving = Inputs([one for one in graph.inputs if one not in known])
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
        results = [aligned_empty(shape, dtype) for shape, dtype in self._results]
        if self._keeper is None:
            given = self._inputs.checked(inputs)
            self._compiled.run(given, results)
        else:
            given = self._run_with_kept(self._keeper, inputs, results)
        if self._plain:
            return results
        values = [*given, *results, *self._constants]
        return [values[place] for place in self._outputs]

    def _run_with_kept(
        self, keeper: Keeper, inputs: Sequence[NDArray], results: Sequence[NDArray]
    ) -> list[NDArray]:
        """Run what is left to do when values are kept; returns the inputs."""
        known = keeper.known(inputs) if len(inputs) == self._inputs.count else None
        if known is None:
            checked = self._inputs.checked(inputs)
            known = keeper.made(inputs, checked)
            inputs = checked
        # settled inputs that are known have been checked
        first, last = keeper.places.start, keeper.places.stop
        moving = self._moving.checked([*inputs[:first], *inputs[last:]])
        handle = memory.handle
        self._compiled.run_with([
            *map(handle, moving[:first]), *known.handles, *map(handle, moving[first:]),
            *self._compiled.handles(known.values), *map(handle, results),
        ])  # fmt: skip
        return [*moving[:first], *inputs[first:last], *moving[first:]]


class Inputs:
    """Checks the values given for inputs."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self._nodes = nodes
        self._types = [(node.shape, node.dtype) for node in nodes]
        self.count = len(nodes)

    def checked(self, values: Sequence[NDArray]) -> list[NDArray]:
        """Return the values in row-major order; raises for a wrong count or type."""
        if len(values) != self.count:
            raise wrong_count(self.count, len(values))
        given: list[NDArray] = []
        for value, (shape, dtype) in zip(values, self._types, strict=True):
            # native code reads the array object itself: nothing else may pass
            if type(value) is not np.ndarray:
                value = np.asarray(value)
            found = value.dtype
            if value.shape != shape or (found is not dtype and found != dtype):
                raise wrong_input(self._nodes[len(given)], value)
            given.append(contiguous(value))
        return given


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
                    explain(
                        f"varying input: expected {dtype.name}{[steps, *shape]}, got "
                        f"{values.dtype.name}{list(values.shape)}",
                        fix="give it one entry of the input's type for each step",
                    )
                )
            given.append(contiguous(values))
        results = [aligned_empty(shape, dtype) for shape, dtype in self._results]
        self._compiled.run(given, results, steps)
        return results
