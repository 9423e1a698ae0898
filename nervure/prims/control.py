"""Operations with bodies: ``call`` and ``cond``, and ``part``, which takes a result.

| primitive | value |
|---|---|
| ``call`` | the results of a body, which has a name: a composite that stays one box |
| ``cond`` | the results of one of several bodies, chosen when the program runs |
| ``part`` | one result of an operation that has several |

``scan`` and ``while_loop`` have files of their own.

**Several results.**  A node has one value, and nearly all the system relies on it: a
type, a place in memory, a cotangent.  The operations here have a list of results, so
their one value is a *record* (``nervure.ir.record``), and ``part(node, place)`` is the
array at a place.  Two other designs were weighed.  A node for each result (the same
attributes and a number) keeps types simple, but reverse mode would meet each result by
itself and write a whole backward loop for each.  Results packed into one array need a
common data type and copies.  With records, reverse mode collects the cotangents of all
parts before it asks the operation, and executors store parts only.

**Bodies** are closed graphs, see ``nervure.ir.bodies``.  Their gradients are graphs
that ``reverse`` builds from the body, so derivatives of any order exist and compile.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from nervure import dtypes
from nervure.dtypes import DType
from nervure.errors import ArgumentError, DTypeError, GraphError, ShapeError, explain
from nervure.ir.attrs import Attrs, NDArray
from nervure.ir.bodies import closed
from nervure.ir.build import apply, wrong
from nervure.ir.graph import Graph, substitute
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
from nervure.ir.record import (
    ResultType,
    is_record,
    record_type,
    result_types,
    type_text,
)
from nervure.prims.binary import add, mul
from nervure.prims.leaf import full, full_like, input_leaf
from nervure.prims.slicing import sample_values
from nervure.prims.unary import sin, tanh

# --- what all of them share ----------------------------------------------------------


def run_body(body: Graph, arrays: Sequence[NDArray]) -> list[NDArray]:
    """Compute the outputs of a body with NumPy."""
    values: dict[Node, Any] = dict(zip(body.inputs, arrays, strict=True))
    for node in body.nodes:
        if node not in values:
            operands = [values[operand] for operand in node.inputs]
            values[node] = node.op.reference(node, *operands)
    return [np.asarray(values[node]) for node in body.outputs]


def types_of(nodes: Sequence[Node]) -> list[ResultType]:
    """Return the shape and data type of each node."""
    return [(node.shape, node.dtype) for node in nodes]


def check_types(
    op: str, inputs: Sequence[Node], expected: Sequence[ResultType], what: str
) -> None:
    """Raise :class:`ShapeError` unless the operands have the types that are expected.

    ``what`` says in the error who expects them.
    """
    found = types_of(inputs)
    if found != list(expected):
        shown = ", ".join(type_text(*one) for one in expected)
        given = ", ".join(type_text(*one) for one in found)
        raise wrong(
            ShapeError,
            op,
            f"{what} ({shown}), got ({given})",
            inputs,
            [f"operand{place}" for place in range(len(inputs))],
            fix="cast or reshape, or change the body's first inputs",
        )


def parts_of(node: Node) -> list[Node]:
    """Return all results of a node, as nodes."""
    return [part(node, place) for place in range(len(result_types(node.dtype)))]


def smooth_places(nodes: Sequence[Node | None]) -> list[int]:
    """Return the places of the nodes that are floating-point."""
    return [
        place
        for place, node in enumerate(nodes)
        if node is not None and dtypes.is_float(node.dtype)
    ]


def fresh_like(nodes: Sequence[Node], name: str) -> list[Node]:
    """Return a new input of the type of each node, to be put into a body."""
    return [input_leaf(node.shape, node.dtype, name) for node in nodes]


def or_zero(node: Node | None, like: Node) -> Node:
    """Return the node, or zeros of the type of another one if there is none."""
    return full_like(like, 0) if node is None else node


def present(node: Node | None) -> Node:
    """Return a node that is there, as the places that were asked for say."""
    assert node is not None
    return node


# --- part ----------------------------------------------------------------------------


def _infer_part(inputs: Sequence[Node], attrs: Attrs) -> tuple[Shape, DType]:
    index: Any = attrs["index"]
    (record,) = inputs
    if not is_record(record.dtype):
        raise wrong(
            DTypeError, "part", "expected several results, got one array", inputs,
            ("record",),
        )  # fmt: skip
    types = result_types(record.dtype)
    if not 0 <= index < len(types):
        count = f"{len(types)} result" + "s" * (len(types) != 1)
        raise wrong(
            ArgumentError, "part", f"result {index} of {count} was asked for", inputs,
            ("record",),
        )  # fmt: skip
    return types[index]


def _reference_part(node: Node, record: Sequence[NDArray]) -> NDArray:
    index: Any = node.attrs["index"]
    result: NDArray = record[index]
    return result


PART = register(
    Primitive(
        "part",
        ("record",),
        _infer_part,
        _reference_part,
        None,  # reverse and forward mode collect parts themselves
        Fusion.OPAQUE,
        dtypes.ALL,
        wrong_uses=[
            WrongUse(
                lambda: part(full((2,), 0, dtypes.int8), 0),
                DTypeError,
                "part: expected several results, got one array",
            ),
            WrongUse(
                lambda: part(call(_sample_body(dtypes.float32), _sample_inputs()), 2),
                ArgumentError,
                "part: result 2 of 2 results was asked for",
            ),
        ],
    )
)


def part(record: Node, index: int) -> Node:
    """Return one result of an operation that has several."""
    return apply(PART, record, index=operator.index(index))


# --- call ----------------------------------------------------------------------------


def _infer_call(inputs: Sequence[Node], attrs: Attrs) -> tuple[Shape, DType]:
    body: Any = attrs["body"]
    check_types("call", inputs, types_of(body.inputs), "the body expects")
    if not body.outputs:
        raise GraphError(
            explain(
                "call: expected a body with at least one output",
                fix="let the function return an array",
            )
        )
    return (), record_type(types_of(body.outputs))


def _reference_call(node: Node, *arrays: NDArray) -> list[NDArray]:
    body: Any = node.attrs["body"]
    return run_body(body, arrays)


def body_gradient(
    body: Graph, given: Sequence[int], wanted: Sequence[int], reverse: ReverseMode
) -> tuple[list[Node], list[Node | None]]:
    """Differentiate a body with respect to some inputs.

    Returns fresh leaves for the cotangents of the outputs ``given``, and the cotangents
    of the inputs ``wanted`` in terms of these leaves and the body's inputs.
    """
    outputs = [body.outputs[place] for place in given]
    leaves = fresh_like(outputs, "cotangent")
    return leaves, reverse(outputs, leaves, [body.inputs[place] for place in wanted])


def wanted_places(node: Node, wanted: Sequence[bool]) -> list[int]:
    """Return the floating-point operands whose cotangent is wanted."""
    return [place for place in smooth_places(node.inputs) if wanted[place]]


def _call_gradient(
    node: Node,
    cotangents: Sequence[Node | None],
    wanted: Sequence[bool],
    reverse: ReverseMode,
) -> Sequence[Node | None]:
    """Differentiate what the body computes: a call is inlined before it runs."""
    body: Any = node.attrs["body"]
    given, places = smooth_places(cotangents), wanted_places(node, wanted)
    leaves, found = body_gradient(body, given, places, reverse)
    replacement = dict(zip(body.inputs, node.inputs, strict=True))
    for leaf, place in zip(leaves, given, strict=True):
        replacement[leaf] = present(cotangents[place])
    shares: list[Node | None] = [None] * len(node.inputs)
    for place, share in zip(places, found, strict=True):
        if share is not None:
            (shares[place],) = substitute([share], replacement)
    return shares


def _call_tangents(
    node: Node, tangents: Sequence[Node | None], forward: ForwardMode
) -> Sequence[Node | None]:
    body: Any = node.attrs["body"]
    places = smooth_places(tangents)
    leaves = fresh_like([body.inputs[place] for place in places], "tangent")
    changes = forward(body.outputs, [body.inputs[place] for place in places], leaves)
    replacement = dict(zip(body.inputs, node.inputs, strict=True))
    for leaf, place in zip(leaves, places, strict=True):
        replacement[leaf] = present(tangents[place])
    found: list[Node | None] = list(substitute(changes, replacement))
    return only_smooth(found)


def only_smooth(nodes: Sequence[Node | None]) -> list[Node | None]:
    """Return the nodes with None for those that are not floating-point."""
    smooth = set(smooth_places(nodes))
    return [node if place in smooth else None for place, node in enumerate(nodes)]


def _sample_body(dtype: DType) -> Graph:
    """Return a body of two inputs and two outputs."""
    x, y = input_leaf((2, 3), dtype), input_leaf((2, 3), dtype)
    return closed([mul(tanh(x), y), add(x, sin(y))], [x, y])


def _sample_inputs() -> list[Node]:
    return [full((2, 3), 0, dtypes.float32), full((2, 3), 1, dtypes.float32)]


def _call_samples(dtype: DType, random: np.random.Generator) -> list[Sample]:
    x, y = sample_values(dtype, random, 2, 3), sample_values(dtype, random, 2, 3)
    attrs = {"body": _sample_body(dtype), "name": "sample"}
    empty = input_leaf((0, 3), dtype)
    attrs_empty = {"body": closed([mul(empty, empty)], [empty]), "name": ""}
    return [
        Sample((x, y), attrs),
        Sample((x, y), attrs, result=1),
        Sample((x[:0],), attrs_empty),
    ]


CONTROL_TYPES = (dtypes.float32, dtypes.float64)

CALL = register(
    Primitive(
        "call",
        ("operand*",),
        _infer_call,
        _reference_call,
        None,
        Fusion.OPAQUE,
        CONTROL_TYPES,
        _call_samples,
        [
            WrongUse(
                lambda: call(_sample_body(dtypes.float64), _sample_inputs()),
                ShapeError,
                "call: the body expects (float64[2, 3], float64[2, 3]), got "
                "(float32[2, 3], float32[2, 3])",
            ),
            WrongUse(
                lambda: call(closed([], []), []),
                GraphError,
                "call: expected a body with at least one output",
            ),
        ],
        ControlRules(_call_gradient, _call_tangents),
    )
)


def call(body: Graph, operands: Sequence[Node], name: str = "") -> Node:
    """Return the results of a body; ``name`` is what the composite is called."""
    return apply(CALL, *operands, body=body, name=name)


# --- cond ----------------------------------------------------------------------------


def _infer_cond(inputs: Sequence[Node], attrs: Attrs) -> tuple[Shape, DType]:
    branches: Any = attrs["branches"]
    if not branches or not branches[0].outputs:
        raise GraphError(
            explain(
                "cond: expected branches with at least one output",
                fix="let each branch return an array",
            )
        )
    index = inputs[0]
    if index.shape != () or not (
        dtypes.is_bool(index.dtype) or dtypes.is_integer(index.dtype)
    ):
        raise wrong(
            DTypeError,
            "cond",
            f"expected a truth value or a whole number of shape [], got "
            f"{index.type_text}",
            inputs[:1],
            ("operand0",),
            fix="reduce it with nervure.any or nervure.all",
        )
    results = types_of(branches[0].outputs)
    for branch in branches:
        check_types("cond", inputs[1:], types_of(branch.inputs), "a branch expects")
        check_types("cond", branch.outputs, results, "the first branch returns")
    return (), record_type(results)


def chosen_branch(node: Node, index: NDArray) -> int:
    """Return which branch runs; places outside are taken to the nearest one."""
    branches: Any = node.attrs["branches"]
    return min(max(int(index), 0), len(branches) - 1)


def _reference_cond(node: Node, index: NDArray, *arrays: NDArray) -> list[NDArray]:
    branches: Any = node.attrs["branches"]
    return run_body(branches[chosen_branch(node, index)], arrays)


def _cond_gradient(
    node: Node,
    cotangents: Sequence[Node | None],
    wanted: Sequence[bool],
    reverse: ReverseMode,
) -> Sequence[Node | None]:
    """Run the gradient of the branch that ran; it computes what it needs again."""
    branches: Any = node.attrs["branches"]
    given = smooth_places(cotangents)
    places = [place - 1 for place in wanted_places(node, wanted)]
    bodies = []
    for branch in branches:
        leaves, found = body_gradient(branch, given, places, reverse)
        outputs = [
            or_zero(share, branch.inputs[place])
            for place, share in zip(places, found, strict=True)
        ]
        bodies.append(closed(outputs, [*branch.inputs, *leaves]))
    shares: list[Node | None] = [None] * len(node.inputs)
    if places and given:
        arrived = [present(cotangents[place]) for place in given]
        results = cond(node.inputs[0], bodies, [*node.inputs[1:], *arrived])
        for place, share in zip(places, parts_of(results), strict=True):
            shares[place + 1] = share
    return shares


def _cond_tangents(
    node: Node, tangents: Sequence[Node | None], forward: ForwardMode
) -> Sequence[Node | None]:
    branches: Any = node.attrs["branches"]
    places = [place - 1 for place in smooth_places(tangents)]
    results = smooth_places(branches[0].outputs)
    bodies = []
    for branch in branches:
        wrt = [branch.inputs[place] for place in places]
        leaves = fresh_like(wrt, "tangent")
        outputs = [branch.outputs[place] for place in results]
        bodies.append(closed(forward(outputs, wrt, leaves), [*branch.inputs, *leaves]))
    changes: list[Node | None] = [None] * len(branches[0].outputs)
    if places and results:
        given = [present(tangents[place + 1]) for place in places]
        found = cond(node.inputs[0], bodies, [*node.inputs[1:], *given])
        for place, change in zip(results, parts_of(found), strict=True):
            changes[place] = change
    return changes


def _sample_branches(dtype: DType) -> tuple[Graph, ...]:
    x, y = input_leaf((2, 3), dtype), input_leaf((2, 3), dtype)
    return (
        _sample_body(dtype),
        closed([add(x, y), mul(mul(x, x), y)], [x, y]),
        closed([y, full_like(x, 2)], [x, y]),
    )


def _cond_samples(dtype: DType, random: np.random.Generator) -> list[Sample]:
    x, y = sample_values(dtype, random, 2, 3), sample_values(dtype, random, 2, 3)
    branches = _sample_branches(dtype)
    two: dict[str, Any] = {"branches": branches[:2]}
    empty = input_leaf((0, 3), dtype)
    none: dict[str, Any] = {"branches": (closed([mul(empty, empty)], [empty]),)}
    return [
        Sample((np.array(False), x, y), two),
        Sample((np.array(True), x, y), two),
        Sample((np.array(True), x, y), two, result=1),
        Sample((np.array(2, np.int32), x, y), {"branches": branches}),
        Sample((np.array(-7), x, y), {"branches": branches}, result=1),
        Sample((np.array(0), x[:0]), none),
    ]


def _with_branches(
    change: Callable[[tuple[Graph, ...]], tuple[Graph, ...]], index: Node | None = None
) -> Node:
    chosen = index if index is not None else full((), 0, dtypes.bool_)
    return cond(chosen, change(_sample_branches(dtypes.float32)), _sample_inputs())


COND = register(
    Primitive(
        "cond",
        ("operand*",),
        _infer_cond,
        _reference_cond,
        None,
        Fusion.OPAQUE,
        CONTROL_TYPES,
        _cond_samples,
        [
            WrongUse(
                lambda: _with_branches(lambda _: ()),
                GraphError,
                "cond: expected branches with at least one output",
            ),
            WrongUse(
                lambda: _with_branches(lambda all_: all_, full((), 0, dtypes.float32)),
                DTypeError,
                "cond: expected a truth value or a whole number of shape [], got "
                "float32[]",
            ),
            WrongUse(
                lambda: _with_branches(
                    lambda all_: (all_[0], Graph(all_[0].outputs[:1], all_[0].inputs))
                ),
                ShapeError,
                "cond: the first branch returns (float32[2, 3], float32[2, 3]), got "
                "(float32[2, 3])",
            ),
        ],
        ControlRules(_cond_gradient, _cond_tangents),
    )
)


def cond(index: Node, branches: Sequence[Graph], operands: Sequence[Node]) -> Node:
    """Return the results of the branch number ``index``.

    A truth value chooses between two: False takes the first.  A number outside is taken
    to the nearest branch.  Only the chosen branch runs.
    """
    return apply(COND, index, *operands, branches=tuple(branches))
