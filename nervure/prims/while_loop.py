"""The loop that runs as long as a condition holds.

Its changes (forward mode) are another while loop.  Reverse mode has to go back over the
steps, whose number is not known: it needs the attribute ``bound``, and then
differentiates a scan of so many steps, each of which runs the body only if the
condition still holds.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from nervure import dtypes
from nervure.dtypes import DType
from nervure.errors import ArgumentError, GradientError, ShapeError, explain
from nervure.ir.attrs import Attrs, NDArray
from nervure.ir.bodies import closed, inlined
from nervure.ir.build import apply, wrong
from nervure.ir.graph import Graph
from nervure.ir.node import Node, Shape
from nervure.ir.primitive import (
    ControlRules,
    ForwardMode,
    Fusion,
    Primitive,
    ReverseMode,
    Sample,
    WrongUse,
    register,
)
from nervure.ir.record import ResultType, record_type
from nervure.prims.binary import add, lt, mul
from nervure.prims.control import (
    CONTROL_TYPES,
    check_types,
    cond,
    fresh_like,
    or_zero,
    part,
    parts_of,
    run_body,
    smooth_places,
    types_of,
)
from nervure.prims.leaf import full, input_leaf
from nervure.prims.scan import active_carry, scan, scan_gradient
from nervure.prims.slicing import sample_values
from nervure.prims.unary import sin, tanh


class While(NamedTuple):
    """The attributes of a while loop."""

    condition: Graph
    body: Graph
    state: int
    bound: int | None


def while_of(attrs: Attrs) -> While:
    """Return the attributes of a while loop with their types."""
    found: dict[str, Any] = attrs
    return While(*(found[name] for name in While._fields))


def _infer_while(inputs: Sequence[Node], attrs: Attrs) -> tuple[Shape, DType]:
    one = while_of(attrs)
    if not 0 < one.state <= len(inputs) or (one.bound is not None and one.bound < 0):
        raise wrong(
            ArgumentError,
            "while_loop",
            f"expected at least one value that changes and a bound from 0, got "
            f"{one.state} and {one.bound}",
            inputs,
            [f"operand{place}" for place in range(len(inputs))],
        )
    for what, graph in (("body", one.body), ("condition", one.condition)):
        check_types("while_loop", inputs, types_of(graph.inputs), f"the {what} expects")
    truth: list[ResultType] = [((), dtypes.bool_)]
    state = types_of(inputs[: one.state])
    check_types("while_loop", one.body.outputs, state, "the body must return")
    check_types("while_loop", one.condition.outputs, truth, "the condition must return")
    return (), record_type(state)


def _reference_while(node: Node, *arrays: NDArray) -> list[NDArray]:
    one = while_of(node.attrs)
    state, consts = list(arrays[: one.state]), arrays[one.state :]
    steps = 0
    while steps != one.bound:
        (going_on,) = run_body(one.condition, [*state, *consts])
        if not going_on:
            break
        state = run_body(one.body, [*state, *consts])
        steps += 1
    return state


def _while_gradient(
    node: Node,
    cotangents: Sequence[Node | None],
    wanted: Sequence[bool],
    reverse: ReverseMode,
) -> Sequence[Node | None]:
    bound = while_of(node.attrs).bound
    if bound is None:
        raise GradientError(
            explain(
                "while_loop cannot be differentiated in reverse: the number of its "
                "steps is not known before it runs",
                made_at=str(node.site),
                fix="give maximum_iterations, use scan for a known number of steps, or "
                "differentiate forward with nervure.jvp",
            )
        )
    return scan_gradient(_as_scan(node, bound), cotangents, wanted, reverse)


def _as_scan(node: Node, bound: int) -> Node:
    """Return the same loop with a fixed number of steps, most of which may be idle."""
    one = while_of(node.attrs)
    leaves = list(one.body.inputs)
    (going_on,) = inlined(one.condition, leaves)
    idle = Graph(leaves[: one.state], leaves)
    outputs = parts_of(cond(going_on, (idle, one.body), leaves))
    consts = len(leaves) - one.state
    return scan(closed(outputs, leaves), node.inputs, one.state, consts, bound)


def _while_tangents(
    node: Node, tangents: Sequence[Node | None], forward: ForwardMode
) -> Sequence[Node | None]:
    one = while_of(node.attrs)
    body, places = one.body, smooth_places(tangents)
    moving = active_carry(body, one.state, places)
    fixed = [place for place in places if place >= one.state]
    wrt = [body.inputs[place] for place in (*moving, *fixed)]
    leaves = fresh_like(wrt, "tangent")
    changes = forward([body.outputs[place] for place in moving], wrt, leaves)
    count = len(moving)

    def ordered(own: Sequence[Node], extra: Sequence[Node]) -> list[Node]:
        return [*own[: one.state], *extra[:count], *own[one.state :], *extra[count:]]

    inputs = ordered(body.inputs, leaves)
    given = [or_zero(tangents[p], node.inputs[p]) for p in (*moving, *fixed)]
    found = while_loop(
        closed(inlined(one.condition, body.inputs), inputs),
        closed([*body.outputs, *changes], inputs),
        ordered(node.inputs, given),
        one.state + count,
        one.bound,
    )
    result: list[Node | None] = [None] * one.state
    for position, place in enumerate(moving):
        result[place] = part(found, one.state + position)
    return result


def _sample_while(dtype: DType) -> dict[str, Any]:
    """Return a loop that runs as often as its first operand says, at most six times."""
    n, x, w = (
        input_leaf((), dtypes.int32),
        input_leaf((3,), dtype),
        input_leaf((3,), dtype),
    )
    zero, minus_one = full((), 0, dtypes.int32), full((), -1, dtypes.int32)
    leaves = [n, x, w]
    return {
        "condition": closed([lt(zero, n)], leaves),
        "body": closed([add(n, minus_one), tanh(add(x, sin(w)))], leaves),
        "state": 2,
        "bound": 6,
    }


def _while_samples(dtype: DType, random: np.random.Generator) -> list[Sample]:
    x, w = sample_values(dtype, random, 3), sample_values(dtype, random, 3)
    attrs = _sample_while(dtype)
    empty, n = input_leaf((0,), dtype), input_leaf((), dtypes.int32)
    never = {
        "condition": closed([lt(n, n)], [empty, n]),
        "body": closed([mul(empty, empty)], [empty, n]),
        "state": 1,
        "bound": 2,
    }
    samples = [
        Sample((np.array(steps, np.int32), x, w), attrs, result=1)
        for steps in (0, 1, 4, 9)
    ]
    return [
        *samples,
        Sample((np.array(9, np.int32), x, w), attrs, smooth=False),
        Sample((x[:0], np.array(0, np.int32)), never),
    ]


def _wrong_while(state: int = 2, **changes: Any) -> Node:
    attrs = {**_sample_while(dtypes.float32), "state": state, **changes}
    vector = full((3,), 0, dtypes.float32)
    return apply(WHILE_LOOP, full((), 0, dtypes.int32), vector, vector, **attrs)


def _graph_of(place: int) -> Graph:
    body: Graph = _sample_while(dtypes.float32)["body"]
    return Graph([body.inputs[place]], body.inputs)


WHILE_LOOP: Primitive = register(
    Primitive(
        "while_loop",
        ("operand*",),
        _infer_while,
        _reference_while,
        None,
        Fusion.OPAQUE,
        CONTROL_TYPES,
        _while_samples,
        [
            WrongUse(
                lambda: _wrong_while(0),
                ArgumentError,
                "while_loop: expected at least one value that changes and a bound from "
                "0, got 0 and 6",
            ),
            WrongUse(
                lambda: _wrong_while(body=_graph_of(1)),
                ShapeError,
                "while_loop: the body must return (int32[], float32[3]), got "
                "(float32[3])",
            ),
            WrongUse(
                lambda: _wrong_while(condition=_graph_of(0)),
                ShapeError,
                "while_loop: the condition must return (bool[]), got (int32[])",
            ),
        ],
        ControlRules(_while_gradient, _while_tangents),
    )
)


def while_loop(
    condition: Graph,
    body: Graph,
    operands: Sequence[Node],
    state: int,
    bound: int | None = None,
) -> Node:
    """Return the first ``state`` operands as the body leaves them.

    It runs while the condition, of the same operands, is true, and at most ``bound``
    times.  The operands behind the state are the same for every step.
    """
    return apply(
        WHILE_LOOP,
        *operands,
        condition=condition,
        body=body,
        state=operator.index(state),
        bound=None if bound is None else operator.index(bound),
    )
