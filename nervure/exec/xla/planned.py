"""A graph written with some values computed a second time, or moved to the host.

XLA sees that two instances of one value are equal and makes one of them.  So what is
computed again starts from arguments that have gone through an *optimization barrier*,
together with a value that exists just before the second instance is needed::

    b = tanh a                          b = tanh a
    ...                                 ...
    h = mul g b                         a', g' = barrier(a, g)
                                        b' = tanh a'
                                        h = mul g' b'

``tanh a'`` cannot be merged with ``tanh a``, and cannot run before ``g`` is there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import jax
from jax import lax

from nervure.exec.xla.operations import Operations, operands
from nervure.exec.xla.rules import TABLE, Context
from nervure.ir.node import Node
from nervure.passes.recompute import Schedule

# XLA takes barriers away on its CPU device before it looks for equal values.  They stay
# if this option is given with the program.
KEEP_BARRIERS: Final = {"xla_disable_hlo_passes": "cse_barrier_expander"}


def options_for(context: Context) -> dict[str, Any]:
    """Return what XLA must be told so that it keeps barriers."""
    return KEEP_BARRIERS if context.platform == "cpu" else {}


def planned(
    operations: Operations, schedule: Schedule, context: Context
) -> Callable[[Sequence[Any]], tuple[Any, ...]]:
    """Return the function of a graph, computed as a schedule says."""

    def function(values: Sequence[Any]) -> tuple[Any, ...]:
        known = dict(zip(operations.leaves, values, strict=True))
        return _Writer(operations, schedule, context, known).written()

    return function


class _Writer:
    """Writes the operations of one schedule."""

    def __init__(
        self,
        operations: Operations,
        schedule: Schedule,
        context: Context,
        known: dict[Node, Any],
    ) -> None:
        self._operations = operations
        self._schedule = schedule
        self._context = context
        self._first = known
        self._second: dict[Node, Any] = {}
        self._again: dict[int, list[int]] = {}
        for number, one in sorted(
            schedule.again.items(), key=lambda item: (item[1].level, item[0])
        ):
            self._again.setdefault(one.time, []).append(number)
        self._fetched: dict[int, list[int]] = {}
        for value, time in schedule.fetched.items():
            self._fetched.setdefault(time, []).append(value)

    def written(self) -> tuple[Any, ...]:
        """Return the values of the graph's outputs."""
        for time, root in enumerate(self._operations.roots):
            if time in self._again or time in self._fetched:
                self._start_again(time)
            values = {
                self._operations.values[one]: self._value(one, time)
                for one in self._operations.reads[time]
            }
            self._first[root] = self._computed(time, values)
        return tuple(self._first[one] for one in self._operations.graph.outputs)

    def _value(self, number: int, time: int) -> Any:
        """Return the instance of a value that is read at a time."""
        node = self._operations.values[number]
        second = self._schedule.second.get(number)
        if second is None or time < second or node not in self._second:
            return self._first[node]
        return self._second[node]

    def _computed(self, number: int, values: dict[Node, Any]) -> Any:
        """Return the value of a root, given what it reads."""
        body = self._operations.bodies[number]
        for node in body:
            rule = TABLE[node.op.name]
            given = [values[one] for one in operands(node)]
            values[node] = rule(self._context, node, *given)
        return values[body[-1]]

    def _start_again(self, time: int) -> None:
        """Compute and fetch what there is a second instance of from now on."""
        again, fetched = self._again.get(time, []), self._fetched.get(time, [])
        anchor = self._anchor(time)
        if anchor is None:  # everything is there from the beginning
            return
        arguments = self._arguments(again, time)
        outside = {
            one: jax.device_put(
                self._first[self._operations.values[one]], jax.memory.Space.Host
            )
            for one in fetched
        }
        behind, back, passed = lax.optimization_barrier(
            (
                {one: self._value(one, time) for one in arguments},
                outside,
                self._first[anchor],
            )
        )
        self._first[anchor] = passed
        for one, value in back.items():
            self._second[self._operations.values[one]] = jax.device_put(
                value, jax.memory.Space.Device
            )
        for number in again:
            values = {
                self._operations.values[one]: behind[one]
                if one in behind
                else self._value(one, time)
                for one in self._operations.reads[number]
            }
            result = self._computed(number, values)
            if number not in self._schedule.fetched:
                self._second[self._operations.roots[number]] = result

    def _arguments(self, again: Sequence[int], time: int) -> list[int]:
        """Return the values that go through the barrier.

        They are all that is read and has been computed before; leaves only for what
        reads nothing else.
        """
        made = {one for one in again if self._schedule.second.get(one) == time}
        found: dict[int, None] = {}
        for number in again:
            reads = self._operations.reads[number]
            values = [one for one in reads if one < len(self._operations.roots)]
            found.update(dict.fromkeys(one for one in values if one not in made))
            if not values:
                found.update(dict.fromkeys(reads))
        return list(found)

    def _anchor(self, time: int) -> Node | None:
        """Return a value that is there late and is still needed.

        It is the deepest other operand of what runs at this time, if that comes after
        what is computed again, else the deepest value so far.
        """
        ops, schedule = self._operations, self._schedule
        again = [*self._again.get(time, []), *self._fetched.get(time, [])]
        deepest = max(ops.depth[one] for one in again)

        def suits(one: int) -> bool:
            late = ops.program.last_use(one) >= time
            return one not in schedule.second and (
                late or ops.roots[one] in ops.graph.outputs
            )

        near = [one for one in ops.reads[time] if one < time and suits(one)]
        near = [one for one in near if ops.depth[one] > deepest]
        found = near or [one for one in range(time) if suits(one)]
        if not found:
            return None
        return ops.roots[max(found, key=lambda one: (ops.depth[one], one))]
