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
(``nervure.passes.merge``), so nothing runs twice.  The gradient of a weight that is
multiplied in every step is one product after the loop, of the stacked factors.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple

import numpy as np

from nervure import dtypes
from nervure.dtypes import DType
from nervure.errors import GraphError, ShapeError, explain
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
from nervure.prims.contract import dot, dot_axes
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
            explain(
                f"scan: {one.carry} values to carry, {one.consts} constants and "
                f"{length} "
                f"steps do not fit a body of {len(body.inputs)} inputs",
                fix="let the body take the carried values, the constants and a slice "
                "of each sequence",
            )
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
        raise GraphError(
            explain(
                "scan: expected a body with at least one output",
                fix="let the function return the carry, or a value for each step",
            )
        )
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
    back = _Backward(node, set(leaves))
    for place, leaf in zip(moving, leaves, strict=False):
        change = or_zero(changes[place], one.body.inputs[place])
        back.carry(leaf, or_zero(cotangents[place], node.inputs[place]), change)
    for place, leaf in zip(stacked, leaves[len(moving) :], strict=True):
        back.entries[leaf] = present(cotangents[place])
    totals = [back.total(present(changes[place])) for place in consts]
    back.stacks += [present(changes[place]) for place in slices]
    shares: list[Node | None] = [None] * len(node.inputs)
    results = back.results()
    for place in (*moving, *slices):
        kept = moving.index(place) if place < one.carry else back.place(
            present(changes[place])
        )  # fmt: skip
        if wanted[place]:
            shares[place] = results[kept]
    for place, total in zip(consts, totals, strict=True):
        shares[place] = total(results)
    return shares


class _Backward:
    """The scan that goes back over the steps of another, being put together.

    Everything is in terms of the forward body's nodes and of ``leaves``, which stand
    for cotangents.

    Attributes
    ----------
    entries
        For what a step reads slice by slice: the array.
    stacks
        What a step returns to be stacked.
    """

    def __init__(self, node: Node, leaves: set[Node]) -> None:
        self._node = node
        self._one = scan_of(node.attrs)
        self._leaves = leaves
        self._state: list[tuple[Node, Node, Node]] = []  # leaf, first value, new value
        self._read: list[Node] = []  # forward values that are needed as stacks
        self.entries: dict[Node, Node] = {}
        self.stacks: list[Node] = []

    def carry(self, leaf: Node, first: Node, new: Node) -> None:
        """Let a value go from step to step."""
        self._state.append((leaf, first, new))

    def place(self, stack: Node) -> int:
        """Return the place of a stack among the results."""
        return len(self._state) + self.stacks.index(stack)

    def total(self, change: Node) -> Callable[[Sequence[Node]], Node]:
        """Add a value up over all steps; returns how to read it from the results.

        A product of matrices that is larger than its factors is not added up in every
        step: the factors are stacked, and multiplied once for all steps.
        """
        products = [term for term in _terms(change) if self._is_large_product(term)]
        others = [term for term in _terms(change) if term not in products]
        summed = -1
        if others:
            (leaf,) = fresh_like([change], "sum")
            self._leaves.add(leaf)
            new = functools.reduce(add, others, leaf)
            summed = len(self._state)
            self.carry(leaf, full_like(change, 0), new)
        for product in products:
            for factor in product.inputs:
                late = self._differs(factor) == "late"
                (self.stacks if late else self._read).append(factor)

        def read(results: Sequence[Node]) -> Node:
            parts = [self._product(product, results) for product in products]
            return functools.reduce(add, [results[summed]] * bool(others) + parts)

        return read

    def _differs(self, value: Node) -> str:
        """Say whether a value needs cotangents, or else differs from step to step."""
        below = set(topological([value]))
        if below & self._leaves:
            return "late"
        inputs = self._one.body.inputs
        moving = {*inputs[: self._one.carry], *inputs[self._one.slices :]}
        return "early" if below & moving else "never"

    def _is_large_product(self, term: Node) -> bool:
        if term.op.name != "dot" or dot_axes(term.attrs)[0] != ((), ()):
            return False
        x, y = term.inputs
        return 2 * term.size >= x.size + y.size and not any(
            self._differs(factor) == "never" or _is_cheap(factor) for factor in (x, y)
        )

    def _product(self, term: Node, results: Sequence[Node]) -> Node:
        """Return the sum of a product over all steps, from its stacked factors."""
        stacks = [
            self.entries[factor]
            if factor in self._read
            else results[self.place(factor)]
            for factor in term.inputs
        ]
        _, contract = dot_axes(term.attrs)
        axes = [(0, *(axis + 1 for axis in own)) for own in contract]
        return dot(stacks[0], stacks[1], contract=(axes[0], axes[1]))

    def results(self) -> list[Node]:
        """Write the scan and return its results: the carry, then the stacks."""
        one, node = self._one, self._node
        self.stacks = list(dict.fromkeys(self.stacks))
        outputs = [*(new for _, _, new in self._state), *self.stacks]
        if not outputs:
            return []
        state = {leaf: first for leaf, first, _ in self._state}
        late = {*state, *self.entries}
        needed = list(dict.fromkeys([*_needed(one, outputs, late), *self._read]))
        self._save(
            [one_ for one_ in needed if one_ not in one.body.inputs[one.carry :]]
        )
        consts: dict[Node, Node] = {}
        for place, leaf in enumerate(one.body.inputs):
            if one.carry <= place < one.slices:
                consts[leaf] = node.inputs[place]
            elif place >= one.slices and leaf in needed:
                self.entries[leaf] = node.inputs[place]
        used = set(topological(outputs, stop={*state, *self.entries}))
        consts = {leaf: value for leaf, value in consts.items() if leaf in used}
        read = {leaf: stack for leaf, stack in self.entries.items() if leaf in used}
        backward = scan(
            closed(outputs, [*state, *consts, *read]),
            [*state.values(), *consts.values(), *read.values()],
            len(state),
            len(consts),
            one.length,
            not one.reverse,
        )
        return parts_of(backward)

    def _save(self, values: Sequence[Node]) -> None:
        """Write the forward scan once more, with values of its steps as stacks."""
        if not values:
            return
        one = self._one
        body = Graph([*one.body.outputs, *values], one.body.inputs)
        again = scan(
            body, self._node.inputs, one.carry, one.consts, one.length, one.reverse
        )
        for place, value in enumerate(values):
            self.entries[value] = part(again, len(one.body.outputs) + place)


def _terms(value: Node) -> list[Node]:
    """Return the terms of a sum, each in its place."""
    terms: list[Node] = []
    pending = [value]
    while pending:
        term = pending.pop()
        if term.op.name == "add":
            pending.extend(reversed(term.inputs))
        else:
            terms.append(term)
    return terms


# What is cheaper to do again than to store for every step.
_CHEAP = frozenset({"broadcast", "reshape", "transpose"})


def _is_cheap(value: Node) -> bool:
    return value.op.name in _CHEAP and value.size >= value.inputs[0].size


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
        while _is_cheap(value):
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
