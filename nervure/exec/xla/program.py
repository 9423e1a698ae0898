"""Graphs compiled by XLA, as objects to call."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Final

import jax
from jax import lax

from nervure.errors import GraphError
from nervure.exec.base import step_count
from nervure.exec.xla.lowering import lowered
from nervure.exec.xla.placement import Placement, Residents
from nervure.exec.xla.rules import Context
from nervure.exec.xla.runtime import wide_types
from nervure.exec.xla.streaming import Streaming
from nervure.exec.xla.value import XlaValue
from nervure.ir.attrs import DeviceValue, NDArray
from nervure.ir.graph import Graph
from nervure.ir.node import Node
from nervure.passes import simplified_control

Value = NDArray | DeviceValue

# Every number of steps in one call is a program of its own, so there are few of them:
# a run is cut into pieces of these lengths.
STEPS_PER_CALL: Final = (256, 16, 1)
# What is sent at once where data are read batch by batch; two such pieces are there at
# a time, one that is computed on and one that is on its way.
BYTES_PER_CALL: Final = 64 * 2**20


class Code:
    """What is shared by programs of equal graphs: the function that XLA compiles."""

    def __init__(self, graph: Graph, context: Context, placement: Placement) -> None:
        self.placement = placement
        self.call = jax.jit(lowered(simplified_control(graph), context))


class XlaProgram:
    """Runs a graph once a call; see :class:`~nervure.exec.base.Program`."""

    on_device: ClassVar[bool] = True

    def __init__(self, graph: Graph, code: Code) -> None:
        self._inputs = graph.inputs
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
            results = self._code.call((*placement.put(inputs), *self._placed))
        return [XlaValue(one) for one in results]

    def memory(self) -> Any:
        """Return what XLA says about the memory that the program takes.

        An object of JAX: ``temp_size_in_bytes`` and others.
        """
        leaves = [*self._inputs, *self._data]
        types = tuple(jax.ShapeDtypeStruct(one.shape, one.dtype) for one in leaves)
        with wide_types():
            return self._code.call.lower(types).compile().memory_analysis()


class StepCode:
    """The function of many steps: a loop over what varies; overwrites the state."""

    def __init__(
        self, graph: Graph, context: Context, placement: Placement, state_count: int
    ) -> None:
        self.placement = placement
        nodes = graph.inputs[:state_count]
        step = lowered(simplified_control(graph), context)

        def one(
            state: tuple[Any, ...], batch: tuple[Any, ...], fixed: tuple[Any, ...],
            data: tuple[Any, ...],
        ) -> tuple[Any, ...]:  # fmt: skip
            batch = tuple(placement.constrained_batch(batch))
            new = step((*state, *fixed, *batch, *data))
            return tuple(placement.constrained(nodes, new))

        def many(
            state: tuple[Any, ...], block: tuple[Any, ...], fixed: tuple[Any, ...],
            data: tuple[Any, ...],
        ) -> tuple[Any, ...]:  # fmt: skip
            def body(
                current: tuple[Any, ...], batch: tuple[Any, ...]
            ) -> tuple[tuple[Any, ...], None]:
                return one(current, batch, fixed, data), None

            if block[0].shape[0] == 1:  # no loop for a single step
                return one(state, tuple(values[0] for values in block), fixed, data)
            last: tuple[Any, ...] = lax.scan(body, state, block)[0]
            return last

        self.call = jax.jit(many, donate_argnums=0)


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
    ) -> None:
        self._graph, self._context, self._placement = graph, context, placement
        self._state_count, self._constant_count = counts
        self._residents = residents
        self._data = data_of(graph)
        self._streaming: Streaming | None = None
        self._codes: dict[bool, StepCode] = {}

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
                for start, count in pieces(steps, STEPS_PER_CALL[0]):
                    block = [values[start : start + count] for values in varying]
                    current = call(
                        current, tuple(placement.put_steps(block)), fixed, data
                    )
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
        for start, count in pieces(len(varying[0]), most):
            block = [values[start : start + count] for values in varying]
            sent = placement.put_steps([*block, *streaming.rows(host, block)])
            jax.block_until_ready(state)
            state = call(state, tuple(sent), fixed, data)
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
            graph = self._streamed_step().graph if streamed else self._graph
            self._codes[streamed] = StepCode(
                graph, self._context, self._placement, self._state_count
            )
        return self._codes[streamed]


def pieces(steps: int, most: int) -> Iterator[tuple[int, int]]:
    """Yield where each call starts and how many steps it runs.

    >>> list(pieces(35, 256))
    [(0, 16), (16, 16), (32, 1), (33, 1), (34, 1)]
    """
    start = 0
    for count in STEPS_PER_CALL:
        while count <= most and start + count <= steps:
            yield start, count
            start += count


def data_of(graph: Graph) -> list[Value]:
    """Return the data of a graph's buffers; raises for one that was read from text."""
    found: list[Value] = []
    for node in graph.buffers:
        buffer = node.buffer
        if buffer is None or buffer.held is None:
            raise GraphError(f"the data of {buffer!r} is not here")
        found.append(buffer.held)
    return found


def check_inputs(nodes: Sequence[Node], values: Sequence[Value]) -> None:
    """Raise :class:`GraphError` for a wrong number or type of values."""
    if len(values) != len(nodes):
        raise GraphError(f"expected {len(nodes)} inputs, got {len(values)}")
    for value, node in zip(values, nodes, strict=True):
        if value.shape != node.shape or value.dtype != node.dtype:
            raise GraphError(
                f"input {node.attrs['name']!r}: expected {node.type_text}, got "
                f"{value.dtype.name}{list(value.shape)}"
            )


def _on_host(value: Value) -> NDArray:
    return value.numpy() if isinstance(value, XlaValue) else value  # type: ignore[return-value]
