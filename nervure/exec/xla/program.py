"""Graphs compiled by XLA, as objects to call."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Final, NamedTuple

import jax
import numpy as np
from jax import lax

from nervure.errors import GraphError
from nervure.exec.base import check_inputs, filled_up, step_count
from nervure.exec.xla.budgeted import budgeted
from nervure.exec.xla.lowering import Lowered
from nervure.exec.xla.placement import Placement, Residents
from nervure.exec.xla.rules import Context
from nervure.exec.xla.runtime import wide_types
from nervure.exec.xla.streaming import Streaming
from nervure.exec.xla.value import XlaValue
from nervure.ir.attrs import DeviceValue, NDArray
from nervure.ir.graph import Graph
from nervure.ir.node import Node
from nervure.passes.recompute import Decision

Value = NDArray | DeviceValue

# Steps run in a loop whose length is an argument, so that a run gives the same bits
# however it is cut into calls. What varies is filled up to one of these lengths, since
# each is a program of its own.
CAPACITIES: Final = (16, 256)
# What is sent at once where data are read batch by batch; two such pieces are there at
# a time, one that is computed on and one that is on its way.
BYTES_PER_CALL: Final = 64 * 2**20


class Code:
    """What is shared by programs of equal graphs: the function that XLA compiles."""

    def __init__(self, graph: Graph, context: Context, placement: Placement) -> None:
        self.placement = placement
        self.lowered = Lowered(graph, context)
        self.decision = self.lowered.plain
        function, options = self.lowered.function(self.decision)
        self.call = jax.jit(function, compiler_options=options)

    def memory(self, graph: Graph) -> Any:
        """Return what XLA says about the memory of a graph with this code.

        An object of JAX: ``temp_size_in_bytes`` and others.
        """
        types = self.placement.types((*graph.inputs, *graph.buffers))
        with wide_types():
            return self.call.lower(types).compile().memory_analysis()


class XlaProgram:
    """Runs a graph once a call; see :class:`~nervure.exec.base.Program`."""

    on_device: ClassVar[bool] = True

    def __init__(self, graph: Graph, code: Code) -> None:
        self._graph, self._inputs = graph, graph.inputs
        self._code = code
        self._data = data_of(graph)
        self._placed: list[Any] | None = None

    def __call__(self, inputs: Sequence[Value]) -> list[Value]:
        """Run the graph once; the results stay on the device."""
        check_inputs(self._inputs, inputs)
        placement = self._code.placement
        with wide_types():
            if self._placed is None:
                self._placed = placement.put(self._data)
            given = placement.put_inputs(inputs)
            results = self._code.call((*given, *self._placed))
            if not self._inputs and not self._data:  # JAX chose where by itself
                results = placement.put([XlaValue(one) for one in results])
        return [XlaValue(one) for one in results]

    def memory(self) -> Any:
        """Return what XLA says about the memory that the program takes.

        An object of JAX: ``temp_size_in_bytes`` and others.
        """
        return self._code.memory(self._graph)


class Limits(NamedTuple):
    """The memory that a step may take.

    Attributes
    ----------
    memory_budget
        The bytes of temporary memory, as XLA counts them; None for no limit.
    offload
        Whether values may wait in the host's memory.
    """

    memory_budget: int | None = None
    offload: bool = False


class StepCode:
    """The function of many steps: a loop over what varies; overwrites the state.

    Attributes
    ----------
    call
        What JAX calls: ``call(state, count, block, fixed, data)``.
    lowered
        What one step computes.
    decision
        What is computed again or waits on the host.
    """

    def __init__(
        self,
        graph: Graph,
        context: Context,
        placement: Placement,
        counts: tuple[int, int],
        limits: Limits = Limits(),  # noqa: B008 - immutable
    ) -> None:
        self.placement = placement
        self._graph = graph
        self._counts = counts
        self.lowered = Lowered(graph, context, limits.offload)
        self._known: dict[Decision, Any] = {}
        self.decision = self.lowered.plain
        if limits.memory_budget is not None:
            found = budgeted(self.lowered, limits.memory_budget, self._temporary_bytes)
            self.decision = found.decision
        self.call = self._many(self.decision)

    def memory(self) -> Any:
        """Return what XLA says about the memory that the loop takes.

        An object of JAX: ``temp_size_in_bytes`` and others.
        """
        if self.decision not in self._known:
            self._temporary_bytes(self.decision)
        return self._known[self.decision]

    def _temporary_bytes(self, decision: Decision) -> int:
        given = self.placement.step_types(self._graph.inputs, *self._counts)
        data = self.placement.types(self._graph.buffers)
        state, fixed, block = given
        with wide_types():
            call = self._many(decision)
            compiled = call.lower(state, np.int32(1), block, fixed, data).compile()
        self._known[decision] = found = compiled.memory_analysis()
        return int(found.temp_size_in_bytes)

    def _many(self, decision: Decision) -> Any:
        """Return the loop over what a decision means, for JAX to compile."""
        placement = self.placement
        nodes = self._graph.inputs[: self._counts[0]]
        step, options = self.lowered.function(decision)

        def many(
            state: tuple[Any, ...], count: Any, block: tuple[Any, ...],
            fixed: tuple[Any, ...], data: tuple[Any, ...],
        ) -> tuple[Any, ...]:  # fmt: skip
            def body(number: Any, current: tuple[Any, ...]) -> tuple[Any, ...]:
                rows = [
                    lax.dynamic_index_in_dim(one, number, keepdims=False)
                    for one in block
                ]
                batch = placement.constrained_batch(rows)
                new = step((*current, *fixed, *batch, *data))
                return tuple(placement.constrained(nodes, new))

            last: tuple[Any, ...] = lax.fori_loop(0, count, body, state)
            return last

        return jax.jit(many, donate_argnums=0, compiler_options=options)


class XlaStepProgram:
    """Runs many steps in one call; see :class:`~nervure.exec.base.StepProgram`.

    The state stays on the device from call to call.  Data that fit there stay as well;
    otherwise the rows of a few steps are sent while those before them are computed on.
    """

    on_device: ClassVar[bool] = True

    def __init__(
        self,
        graph: Graph,
        context: Context,
        placement: Placement,
        counts: tuple[int, int],
        residents: Residents,
        limits: Limits = Limits(),  # noqa: B008 - immutable
    ) -> None:
        self._graph, self._context, self._placement = graph, context, placement
        self._state_count, self._constant_count = counts
        self._residents = residents
        self._limits = limits
        self._data = data_of(graph)
        self._streaming: Streaming | None = None
        self._codes: dict[bool, StepCode] = {}
        if limits.memory_budget is not None:
            _ = self._usual_code  # an error about the budget belongs here

    def memory(self) -> Any:
        """Return what XLA says about the memory of the loop over the steps.

        An object of JAX: ``temp_size_in_bytes`` and others.
        """
        return self._usual_code.memory()

    @property
    def _usual_code(self) -> StepCode:
        """What runs unless the data turn out to be too large."""
        apart = self._placement.keeps_rows_apart
        return self._code(apart and bool(self._streamed_step().streamed))

    def run(
        self,
        state: Sequence[Value],
        constants: Sequence[Value],
        varying: Sequence[NDArray],
    ) -> list[Value]:
        """Run one step for each entry of ``varying`` and return the last state."""
        moving = self._state_count + self._constant_count
        check_inputs(self._graph.inputs[:moving], [*state, *constants])
        steps = step_count(varying)
        if steps == 0:
            return list(state)
        placement = self._placement
        with wide_types():
            nodes = self._graph.inputs[: self._state_count]
            current = tuple(placement.put_state(nodes, state))
            if self._streams(constants):
                current = self._streamed(current, constants, varying)
            else:
                fixed = tuple(self._residents.of(constants, placement))
                data = tuple(self._residents.of(self._data, placement))
                call = self._code(False).call
                for start, count, capacity in pieces(steps, CAPACITIES):
                    block = [
                        filled_up(values[start : start + count], capacity)
                        for values in varying
                    ]
                    sent = tuple(placement.put_steps(block))
                    current = call(current, np.int32(count), sent, fixed, data)
            jax.block_until_ready(current)
        return [XlaValue(one, shared=False) for one in current]

    def _streamed(
        self,
        state: tuple[Any, ...],
        constants: Sequence[Value],
        varying: Sequence[NDArray],
    ) -> tuple[Any, ...]:
        """Run the steps with data that are sent piece by piece.

        Calls return before they are done, so the next piece is gathered and sent
        meanwhile; before the one after it, the first must have been finished.
        """
        streaming, placement = self._streamed_step(), self._placement
        host = [_on_host(one) for one in constants]
        fixed = tuple(self._residents.of(streaming.kept(host), placement))
        data = tuple(self._residents.of(self._data, placement))
        call = self._code(True).call
        most = max(1, BYTES_PER_CALL // max(1, streaming.step_nbytes()))
        most = min(most, CAPACITIES[-1])
        for start, count, _ in pieces(len(varying[0]), (most,)):
            block = [
                filled_up(values[start : start + count], most) for values in varying
            ]
            sent = placement.put_steps([*block, *streaming.rows(host, block)])
            jax.block_until_ready(state)
            state = call(state, np.int32(count), tuple(sent), fixed, data)
        return state

    def _streams(self, constants: Sequence[Value]) -> bool:
        """Tell whether the data go to the device row by row."""
        if self._placement.keeps_rows_apart:
            return bool(self._streamed_step().streamed)
        room = self._placement.room()
        total = sum(node.nbytes for node in self._constant_nodes())
        if room is None or total <= room:
            return False
        return bool(self._streamed_step().streamed)

    def _constant_nodes(self) -> tuple[Node, ...]:
        first = self._state_count
        return self._graph.inputs[first : first + self._constant_count]

    def _streamed_step(self) -> Streaming:
        if self._streaming is None:
            self._streaming = Streaming(
                self._graph, self._state_count, self._constant_count
            )
        return self._streaming

    def _code(self, streamed: bool) -> StepCode:
        if streamed not in self._codes:
            graph, constant_count = self._graph, self._constant_count
            if streamed:
                streaming = self._streamed_step()
                graph, constant_count = streaming.graph, streaming.constant_count
            counts = self._state_count, constant_count
            self._codes[streamed] = StepCode(
                graph, self._context, self._placement, counts, self._limits
            )
        return self._codes[streamed]


def pieces(steps: int, capacities: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """Yield where each call starts, how many steps it runs, and of how many at most.

    >>> list(pieces(300, (16, 256))), list(pieces(3, (16, 256)))
    ([(0, 256, 256), (256, 44, 256)], [(0, 3, 16)])
    """
    start = 0
    while start < steps:
        rest = steps - start
        capacity = next((one for one in capacities if one >= rest), capacities[-1])
        yield start, min(rest, capacity), capacity
        start += capacity


def data_of(graph: Graph) -> list[Value]:
    """Return the data of a graph's buffers; raises for one that was read from text."""
    found: list[Value] = []
    for node in graph.buffers:
        buffer = node.buffer
        if buffer is None or buffer.held is None:
            raise GraphError(f"the data of {buffer!r} is not here")
        found.append(buffer.held)
    return found


def _on_host(value: Value) -> NDArray:
    return value.numpy() if isinstance(value, XlaValue) else value  # type: ignore[return-value]
