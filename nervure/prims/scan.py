"""The loop with a fixed number of steps.

A ``scan`` runs its body a fixed number of times.  Its operands are, in order, the
*carry* (values that go from step to step), the *constants* (the same for every step)
and the *slices* (arrays of which each step reads one entry along the first axis), as in
a training step.  The body returns the new carry and what is to be stacked; the results
are the last carry and the stacks.

The gradient of a scan is a scan in the other direction.  Its carry holds the cotangents
of the carry and the running sums of those of the constants.  What the backward body
needs of the forward one, and cannot read from constants and slices, is *saved*: the
scan is written once more with these values as further stacks, and a pass merges the two
(``nervure.passes.control``), so nothing runs twice.
"""

from __future__ import annotations

import operator
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import numpy as np

from nervure import dtypes
from nervure.dtypes import DType
from nervure.errors import GraphError, ShapeError
from nervure.ir.attrs import Attrs, NDArray
from nervure.ir.bodies import closed
from nervure.ir.build import apply
from nervure.ir.graph import Graph, topological
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
from nervure.ir.record import ResultType, record_type, result_types
from nervure.prims.binary import add, mul
from nervure.prims.control import (
    CONTROL_TYPES,
    body_gradient,
    check_types,
    fresh_like,
    or_zero,
    part,
    parts_of,
    present,
    run_body,
    smooth_places,
    types_of,
    wanted_places,
)
from nervure.prims.leaf import full, full_like, input_leaf
from nervure.prims.movement import broadcast
from nervure.prims.reduce import reduce_sum
from nervure.prims.slicing import sample_values
from nervure.prims.unary import sin, tanh


class Scan(NamedTuple):
    """The attributes of a scan, and its operands by role."""

    body: Graph
    carry: int
    consts: int
    length: int
    reverse: bool

    @property
    def slices(self) -> int:
        """The place of the first operand that is read slice by slice."""
        return self.carry + self.consts


def scan_of(attrs: Attrs) -> Scan:
    """Return the attributes of a scan with their types."""
    found: dict[str, Any] = attrs
    return Scan(*(found[name] for name in Scan._fields))


def _infer_scan(inputs: Sequence[Node], attrs: Attrs) -> tuple[Shape, DType]:
    one = scan_of(attrs)
    body, length = one.body, one.length
    if not 0 <= one.carry <= one.slices <= len(body.inputs) or length < 0:
        raise GraphError(
            f"scan: {one.carry} values to carry, {one.consts} constants and {length} "
            f"steps do not fit a body of {len(body.inputs)} inputs"
        )
    expected: list[ResultType] = types_of(body.inputs)
    for place in range(one.slices, len(expected)):
        shape, dtype = expected[place]
        expected[place] = (length, *shape), dtype
    check_types("scan", inputs, expected, f"{length} steps of the body expect")
    check_types(
        "scan", body.outputs[: one.carry], expected[: one.carry], "the carry must stay"
    )
    if not body.outputs:
        raise GraphError("scan: expected a body with at least one output")
    stacks = [
        ((length, *shape), dtype)
        for shape, dtype in types_of(body.outputs[one.carry :])
    ]
    return (), record_type([*expected[: one.carry], *stacks])


def _reference_scan(node: Node, *arrays: NDArray) -> list[NDArray]:
    one = scan_of(node.attrs)
    carry = list(arrays[: one.carry])
    consts, slices = arrays[one.carry : one.slices], arrays[one.slices :]
    stacks = [
        np.empty(shape, dtype) for shape, dtype in result_types(node.dtype)[one.carry :]
    ]
    steps = range(one.length)
    for step in reversed(steps) if one.reverse else steps:
        entries = [array[step] for array in slices]
        outputs = run_body(one.body, [*carry, *consts, *entries])
        carry = outputs[: one.carry]
        for stack, entry in zip(stacks, outputs[one.carry :], strict=True):
            stack[step] = entry
    return [*carry, *stacks]


def depending(nodes: Sequence[Node], starts: Collection[Node]) -> set[Node]:
    """Return those of ``nodes`` (operands first) through which ``starts`` can be seen.

    Derivatives flow through floating-point values and records only.
    """
    reached: set[Node] = set()
    for node in nodes:
        if node in starts or (
            (dtypes.is_float(node.dtype) or result_types(node.dtype))
            and any(operand in reached for operand in node.inputs)
        ):
            reached.add(node)
    return reached


def active_carry(body: Graph, carry: int, starts: Collection[int]) -> list[int]:
    """Return the carried values that change when the inputs ``starts`` do."""
    active = set(starts)
    while True:
        inputs = {body.inputs[place] for place in active}
        reached = depending([*body.inputs, *body.nodes], inputs)
        found = {
            place
            for place in smooth_places(body.outputs[:carry])
            if body.outputs[place] in reached
        }
        if found <= active:
            return sorted(place for place in active if place < carry)
        active |= found


def scan_gradient(
    node: Node,
    cotangents: Sequence[Node | None],
    wanted: Sequence[bool],
    reverse: ReverseMode,
) -> Sequence[Node | None]:
    """Go back over the steps; see the top of this file."""
    one = scan_of(node.attrs)
    places = wanted_places(node, wanted)
    moving = active_carry(one.body, one.carry, places)
    stacked = [place for place in smooth_places(cotangents) if place >= one.carry]
    fixed = [place for place in places if place >= one.carry]
    leaves, found = body_gradient(
        one.body, [*moving, *stacked], [*moving, *fixed], reverse
    )
    changes = dict(zip([*moving, *fixed], found, strict=True))
    consts = [p for p in fixed if p < one.slices and changes[p] is not None]
    slices = [p for p in fixed if p >= one.slices and changes[p] is not None]
    sums = fresh_like([one.body.inputs[place] for place in consts], "sum")
    outputs = [or_zero(changes[place], one.body.inputs[place]) for place in moving]
    outputs += [
        add(total, present(changes[place]))
        for total, place in zip(sums, consts, strict=True)
    ]
    outputs += [present(changes[place]) for place in slices]
    shares: list[Node | None] = [None] * len(node.inputs)
    if not outputs:
        return shares
    state = [*leaves[: len(moving)], *sums]
    values = [or_zero(cotangents[p], node.inputs[p]) for p in moving]
    values += [full_like(node.inputs[place], 0) for place in consts]
    entries = dict(
        zip(
            leaves[len(moving) :],
            (present(cotangents[p]) for p in stacked),
            strict=True,
        )
    )
    backward = _backward(node, outputs, dict(zip(state, values, strict=True)), entries)
    for place, share in zip(
        [*moving, *consts, *slices], parts_of(backward), strict=True
    ):
        if wanted[place]:
            shares[place] = share
    return shares


def _backward(
    node: Node,
    outputs: Sequence[Node],
    state: dict[Node, Node],
    entries: dict[Node, Node],
) -> Node:
    """Return the scan that goes back over the steps of ``node``.

    ``outputs`` are those of its body, in terms of the forward body's nodes, of the
    leaves of its carry and of those of its slices; ``state`` and ``entries`` say which
    values belong to these leaves.
    """
    one = scan_of(node.attrs)
    needed = _needed(one, outputs, {*state, *entries})
    saved = [value for value in needed if value not in one.body.inputs[one.carry :]]
    if saved:
        body = Graph([*one.body.outputs, *saved], one.body.inputs)
        again = scan(body, node.inputs, one.carry, one.consts, one.length, one.reverse)
        first = len(one.body.outputs)
        for place, value in enumerate(saved):
            entries[value] = part(again, first + place)
    consts: dict[Node, Node] = {}
    for place, leaf in enumerate(one.body.inputs):
        if one.carry <= place < one.slices:
            consts[leaf] = node.inputs[place]
        elif place >= one.slices and leaf in needed:
            entries[leaf] = node.inputs[place]
    used = set(topological(outputs, stop={*state, *entries}))
    consts = {leaf: value for leaf, value in consts.items() if leaf in used}
    return scan(
        closed(outputs, [*state, *consts, *entries]),
        [*state.values(), *consts.values(), *entries.values()],
        len(state),
        len(consts),
        one.length,
        not one.reverse,
    )


# What is cheaper to do again than to store for every step.
_CHEAP = frozenset({"broadcast", "reshape", "transpose"})


def _needed(one: Scan, outputs: Sequence[Node], late: Collection[Node]) -> list[Node]:
    """Return the values of the forward step that the backward step reads.

    They are where the part of the backward body that needs cotangents meets the part
    that does not.  What depends on constants alone is computed again.
    """
    order = topological(outputs)
    inputs = set(one.body.inputs) - set(one.body.inputs[one.carry : one.slices])
    forward: set[Node] = set()  # differs from step to step
    backward: set[Node] = set()
    for node in order:
        if node in late or any(operand in backward for operand in node.inputs):
            backward.add(node)
        elif node in inputs or any(operand in forward for operand in node.inputs):
            forward.add(node)
    met = [
        operand
        for node in order
        if node in backward
        for operand in node.inputs
        if operand in forward
    ]
    met += [output for output in outputs if output in forward]
    needed: dict[Node, None] = {}
    for value in met:
        while value.op.name in _CHEAP and value.size >= value.inputs[0].size:
            (value,) = value.inputs
        if result_types(value.dtype):
            for user in order:  # a record cannot be saved, its parts can
                if value in user.inputs and user.op.name == "part":
                    needed[user] = None
        else:
            needed[value] = None
    return list(needed)


def _scan_tangents(
    node: Node, tangents: Sequence[Node | None], forward: ForwardMode
) -> Sequence[Node | None]:
    one = scan_of(node.attrs)
    body, places = one.body, smooth_places(tangents)
    moving = active_carry(body, one.carry, places)
    fixed = [place for place in places if place >= one.carry]
    wrt = [body.inputs[place] for place in (*moving, *fixed)]
    leaves = dict(zip((*moving, *fixed), fresh_like(wrt, "tangent"), strict=True))
    stacked = [p for p in smooth_places(body.outputs) if p >= one.carry]
    results = [*moving, *stacked]
    changes = forward(
        [body.outputs[place] for place in results], wrt, list(leaves.values())
    )
    groups = _roles(one, moving, fixed)
    count = len(moving)
    new_body = closed(
        [
            *body.outputs[: one.carry],
            *changes[:count],
            *body.outputs[one.carry :],
            *changes[count:],
        ],
        [
            leaf
            for group, own in groups
            for leaf in (*(body.inputs[p] for p in own), *(leaves[p] for p in group))
        ],
    )
    operands = [
        value
        for group, own in groups
        for value in (
            *(node.inputs[place] for place in own),
            *(or_zero(tangents[place], node.inputs[place]) for place in group),
        )
    ]
    consts = one.consts + len(groups[1][0])
    found = scan(new_body, operands, one.carry + count, consts, one.length, one.reverse)
    result: list[Node | None] = [None] * len(body.outputs)
    for position, place in enumerate(moving):
        result[place] = part(found, one.carry + position)
    for position, place in enumerate(stacked):
        result[place] = part(found, count + len(body.outputs) + position)
    return result


def _roles(
    one: Scan, moving: Sequence[int], fixed: Sequence[int]
) -> list[tuple[Sequence[int], Sequence[int]]]:
    """Return for each role which operands have a tangent, and all its operands."""
    return [
        (moving, range(one.carry)),
        ([p for p in fixed if p < one.slices], range(one.carry, one.slices)),
        (
            [p for p in fixed if p >= one.slices],
            range(one.slices, len(one.body.inputs)),
        ),
    ]


def _sample_scan(dtype: DType) -> Graph:
    """Return a body with one value of every role, and an integer that counts."""
    h, n = input_leaf((2, 3), dtype), input_leaf((), dtypes.int32)
    w, x = input_leaf((3,), dtype), input_leaf((2,), dtype)
    wide = mul(broadcast(w, (2, 3), (1,)), broadcast(x, (2, 3), (0,)))
    new = tanh(add(mul(h, wide), sin(h)))
    count = add(n, full((), 1, dtypes.int32))
    return closed([new, count, reduce_sum(mul(new, h), (1,)), count], [h, n, w, x])


def _scan_samples(dtype: DType, random: np.random.Generator) -> list[Sample]:
    h, w = sample_values(dtype, random, 2, 3), sample_values(dtype, random, 3)
    x, n = sample_values(dtype, random, 4, 2), np.array(0, np.int32)
    attrs: dict[str, Any] = {"body": _sample_scan(dtype), "carry": 2, "consts": 1}
    ahead = {**attrs, "length": 4, "reverse": False}
    back = {**attrs, "length": 4, "reverse": True}
    none = {**attrs, "length": 0, "reverse": False}
    return [
        Sample((h, n, w, x), ahead),
        Sample((h, n, w, x), ahead, result=2),
        Sample((h, n, w, x), back, result=2),
        Sample((h, n, w, x), back, smooth=False, result=1),
        Sample((h, n, w, x), back, smooth=False, result=3),
        Sample((h, n, w, x[:0]), none),
        Sample((h, n, w, x[:0]), none, result=2),
    ]


def _wrong_scan(carry: int, length: int, dtype: DType) -> Node:
    h, w = full((2, 3), 0, dtype), full((3,), 0, dtype)
    n, x = full((), 0, dtypes.int32), full((4, 2), 0, dtype)
    return scan(_sample_scan(dtypes.float32), [h, n, w, x], carry, 1, length)


def _changing_carry() -> Node:
    x = input_leaf((2,), dtypes.float32)
    body = closed([reduce_sum(x, (0,))], [x])
    return scan(body, [full((2,), 0, dtypes.float32)], 1, 0, 3)


SCAN = register(
    Primitive(
        "scan",
        ("operand*",),
        _infer_scan,
        _reference_scan,
        None,
        Fusion.OPAQUE,
        CONTROL_TYPES,
        _scan_samples,
        [
            WrongUse(
                lambda: _wrong_scan(4, 4, dtypes.float32),
                GraphError,
                "scan: 4 values to carry, 1 constants and 4 steps do not fit a body of "
                "4 inputs",
            ),
            WrongUse(
                lambda: _wrong_scan(2, 5, dtypes.float32),
                ShapeError,
                "scan: 5 steps of the body expect (float32[2, 3], int32[], float32[3], "
                "float32[5, 2]), got",
            ),
            WrongUse(
                _changing_carry,
                ShapeError,
                "scan: the carry must stay (float32[2]), got (float32[])",
            ),
            WrongUse(
                lambda: scan(closed([], []), [], 0, 0, 2),
                GraphError,
                "scan: expected a body with at least one output",
            ),
        ],
        ControlRules(scan_gradient, _scan_tangents),
    )
)


def scan(
    body: Graph,
    operands: Sequence[Node],
    carry: int,
    consts: int,
    length: int,
    reverse: bool = False,
) -> Node:
    """Return the last carry and the stacked outputs of ``length`` steps of a body.

    The first ``carry`` operands go from step to step, the next ``consts`` stay, and of
    the others each step reads an entry along the first axis: from the last to the first
    with ``reverse``.  The entry that a step returns has the place of those it read.
    """
    return apply(
        SCAN,
        *operands,
        body=body,
        carry=operator.index(carry),
        consts=operator.index(consts),
        length=operator.index(length),
        reverse=bool(reverse),
    )
