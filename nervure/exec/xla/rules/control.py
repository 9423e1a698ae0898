"""Operations with bodies: XLA has the same ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from jax import lax

from nervure import dtypes
from nervure.exec.xla.rules.indexed import clamped
from nervure.exec.xla.rules.rule import Context, Rule, converted
from nervure.ir.graph import Graph
from nervure.ir.node import Node
from nervure.prims.scan import scan_of
from nervure.prims.while_loop import while_of


def _run(context: Context, body: Graph, operands: Sequence[Any]) -> list[Any]:
    """Write the nodes of a body; the nesting of bodies is limited."""
    from nervure.exec.xla.lowering import write_graph

    return write_graph(context, body, dict(zip(body.inputs, operands, strict=True)))


def _call(context: Context, node: Node, *operands: Any) -> list[Any]:
    body: Any = node.attrs["body"]
    return _run(context, body, operands)


def _cond(context: Context, node: Node, index: Any, *operands: Any) -> list[Any]:
    branches: Any = node.attrs["branches"]
    if dtypes.is_bool(node.inputs[0].dtype):
        index = converted(index, dtypes.int32)
    place = clamped(index, len(branches) - 1)
    functions = [
        lambda *given, branch=branch: tuple(_run(context, branch, given))
        for branch in branches
    ]
    return list(lax.switch(place, functions, *operands))


def _part(_context: Context, node: Node, record: Sequence[Any]) -> Any:
    index: Any = node.attrs["index"]
    return record[index]


def _scan(context: Context, node: Node, *operands: Any) -> list[Any]:
    one = scan_of(node.attrs)
    consts = operands[one.carry : one.slices]

    def step(carry: tuple[Any, ...], entries: tuple[Any, ...]) -> tuple[Any, Any]:
        outputs = _run(context, one.body, [*carry, *consts, *entries])
        return tuple(outputs[: one.carry]), tuple(outputs[one.carry :])

    carry, stacks = lax.scan(
        step,
        tuple(operands[: one.carry]),
        tuple(operands[one.slices :]),
        length=one.length,
        reverse=one.reverse,
    )
    return [*carry, *stacks]


def _while_loop(context: Context, node: Node, *operands: Any) -> list[Any]:
    one = while_of(node.attrs)
    consts = operands[one.state :]

    def goes_on(state: tuple[Any, ...]) -> Any:
        steps, *values = state
        (condition,) = _run(context, one.condition, [*values, *consts])
        if one.bound is None:
            return condition
        return lax.bitwise_and(
            condition, lax.lt(steps, lax.full_like(steps, one.bound))
        )

    def step(state: tuple[Any, ...]) -> tuple[Any, ...]:
        steps, *values = state
        count = lax.add(steps, lax.full_like(steps, 1))
        return (count, *_run(context, one.body, [*values, *consts]))

    first = lax.full((), 0, dtypes.int64)
    state = lax.while_loop(goes_on, step, (first, *operands[: one.state]))
    return list(state[1:])


RULES: Final[dict[str, Rule]] = {
    "call": _call,
    "cond": _cond,
    "part": _part,
    "scan": _scan,
    "while_loop": _while_loop,
}
