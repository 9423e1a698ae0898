"""Every primitive against its oracle, central differences, and its own declarations.

The cases come from the registry: a new primitive is tested as soon as it is declared,
and fails until ``oracles`` knows the truth about it.
"""

from __future__ import annotations

import ast
import contextlib
import gc
import re
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import numpy as np
import pytest

import nervure.prims
from nervure import dtypes
from nervure.autodiff import forward, reverse
from nervure.dtypes import DType
from nervure.errors import DTypeError, GraphError, NervureError
from nervure.exec.reference import ReferenceExecutor
from nervure.ir import Buffer, Graph, Node, apply, primitives
from nervure.ir.build import apply_at
from nervure.ir.node import Attrs, interned_count
from nervure.ir.primitive import Primitive, Sample, WrongUse
from nervure.ir.record import is_record
from nervure.prims.binary import add, mul
from nervure.prims.control import part
from nervure.prims.leaf import full, full_like, input_leaf
from nervure.prims.reduce import reduce_prod, reduce_sum
from nervure.prims.slicing import slice_
from tests.prims.oracles import ORACLES
from tests.prims.truth import FORMATS, NDArray, assert_matches

# Takes a result of an operation that has several: it is tested with these.
PRIMITIVES = [one for one in primitives() if one.name != "part"]
BY_NAME = {primitive.name: primitive for primitive in PRIMITIVES}

# No operand and nothing to infer from: their values come from outside the graph.
OUTSIDE = ("input", "buffer")
# Nothing to get wrong: they take anything.
CANNOT_FAIL = (*OUTSIDE, "stop_gradient")


def samples_of(primitive: Primitive, dtype: DType) -> list[Sample]:
    """Return a primitive's samples and ours; the same ones at every call."""
    seed = zlib.crc32(f"{primitive.name} {dtype.name}".encode())
    random = np.random.default_rng(seed)
    return [*primitive.samples(dtype, random), *more_samples(primitive.name, dtype)]


def more_samples(name: str, dtype: DType) -> list[Sample]:
    """Return corner cases that once were wrong, and data for buffers."""
    if name == "buffer":
        value = np.arange(6).reshape(2, 3).astype(dtype)
        return [Sample((), {"buffer": Buffer(value), "shape": (2, 3), "dtype": dtype})]
    if name.startswith("reduce_"):  # nothing is asked of no elements
        return [Sample((np.zeros((0, 3, 0), dtype),), {"axes": (0,)})]
    if name == "conv":  # no channels, no filters
        attrs = {"strides": (1,), "padding": ((0, 0),), "dilation": (1,), "groups": 1}
        x, kernel = np.zeros((2, 4, 0), dtype), np.zeros((3, 0, 2), dtype)
        return [Sample((x, kernel), attrs), Sample((x, kernel[..., :0]), attrs)]
    return []


def types_of(primitive: Primitive) -> tuple[DType, ...]:
    return dtypes.ALL if primitive.name == "buffer" else primitive.dtypes


class Case(NamedTuple):
    primitive: Primitive
    dtype: DType
    number: int

    @property
    def sample(self) -> Sample:
        return samples_of(self.primitive, self.dtype)[self.number]

    def __str__(self) -> str:
        return f"{self.primitive.name}-{self.dtype.name}-{self.number}"


CASES = [
    Case(primitive, dtype, number)
    for primitive in PRIMITIVES
    for dtype in types_of(primitive)
    for number in range(len(samples_of(primitive, dtype)))
]


class Built(NamedTuple):
    """A sample as a graph: its node, and the leaves that stand for its operands."""

    node: Node
    leaves: list[Node]
    values: list[NDArray]


def build(primitive: Primitive, sample: Sample) -> Built:
    """Apply the primitive to inputs; an array that is given twice is one input."""
    leaves: dict[int, Node] = {}
    values: dict[int, NDArray] = {}
    for array in sample.inputs:
        if id(array) not in leaves:
            values[id(array)] = np.asarray(array)
            leaves[id(array)] = input_leaf(array.shape, array.dtype)
    operands = [leaves[id(array)] for array in sample.inputs]
    node = apply(primitive, *operands, **sample.attrs)
    if is_record(node.dtype):
        node = part(node, sample.result)
    return Built(node, list(leaves.values()), list(values.values()))


def maker(node: Node) -> Node:
    """Return the node of the primitive itself: a part is of the one below."""
    return node.inputs[0] if node.op.name == "part" else node


def evaluate(
    outputs: Sequence[Node], leaves: Sequence[Node], values: Sequence[NDArray]
) -> list[NDArray]:
    return ReferenceExecutor().compile(Graph(outputs, leaves))(values)


def ids(cases: Sequence[Case]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", cases, ids=map(str, cases))


# --- the definition ------------------------------------------------------------------


def test_every_primitive_has_an_oracle() -> None:
    assert set(ORACLES) == {one.name for one in primitives()}


def test_every_primitive_has_samples_of_every_declared_type() -> None:
    missing = [
        (primitive.name, dtype.name)
        for primitive in PRIMITIVES
        for dtype in types_of(primitive)
        if not samples_of(primitive, dtype)
    ]
    assert not missing
    assert [one.name for one in PRIMITIVES if not types_of(one)] == ["input"]


@ids(CASES)
def test_reference_is_what_the_oracle_says(case: Case) -> None:
    sample = case.sample
    node, leaves, values = build(case.primitive, sample)
    (result,) = evaluate([node], leaves, values)
    attrs = dict(sample.attrs)
    if case.primitive.control is not None:
        attrs["result"] = sample.result
    truth = ORACLES[case.primitive.name](attrs, *map(np.asarray, sample.inputs))
    assert (node.shape, node.dtype) == (truth.value.shape, truth.dtype)
    assert_matches(result, truth)


@pytest.mark.parametrize("dtype", dtypes.ALL, ids=str)
def test_an_input_is_what_it_is_given(dtype: DType) -> None:
    value = np.arange(6).reshape(2, 3).astype(dtype)
    leaf = input_leaf(value.shape, dtype, "x")
    assert_matches(evaluate([leaf], [leaf], [value])[0], ORACLES["input"]({}, value))
    with pytest.raises(GraphError, match="the input 'x' has not been given a value"):
        leaf.op.reference(leaf)


def test_every_primitive_has_a_sample_without_elements() -> None:
    for primitive in PRIMITIVES:
        if primitive.name in OUTSIDE:
            continue
        samples = samples_of(primitive, primitive.dtypes[-1])
        nodes = [maker(build(primitive, sample).node) for sample in samples]
        sizes = [one.size for node in nodes for one in (node, *node.inputs)]
        assert 0 in sizes, primitive.name


@pytest.mark.parametrize("primitive", PRIMITIVES, ids=lambda one: one.name)
def test_equal_applications_are_one_node(primitive: Primitive) -> None:
    if primitive.name == "input":
        assert input_leaf((2,), dtypes.float32) is not input_leaf((2,), dtypes.float32)
        return
    dtype = types_of(primitive)[-1]
    once, again = samples_of(primitive, dtype), samples_of(primitive, dtype)
    for sample, same in zip(once, again, strict=True):
        node = maker(build(primitive, sample).node)
        twin = apply_at(None, primitive, node.inputs, Attrs(same.attrs))
        # Code and the user's data are compared by identity, never by value.
        by_identity = primitive.name in ("buffer", "custom_gradient")
        assert (twin is node) != by_identity
        assert apply_at(None, primitive, node.inputs, Attrs(sample.attrs)) is node


def test_nodes_nobody_holds_disappear() -> None:
    case = next(case for case in CASES if case.primitive.name == "dot")
    build(case.primitive, case.sample)  # constants may be made once and kept
    gc.collect()  # what other tests left
    before = interned_count()
    built = build(case.primitive, case.sample)
    assert interned_count() == before + 3
    del built
    assert interned_count() == before


# --- gradients -----------------------------------------------------------------------


def differentiable(case: Case) -> bool:
    """Whether the result is made of floating-point operands and is itself one."""
    built = build(case.primitive, case.sample)
    return dtypes.is_float(built.node.dtype) and bool(differentiated(case.sample))


def differentiated(sample: Sample) -> list[int]:
    """Return the positions of the operands to differentiate."""
    if sample.differentiate is not None:
        return list(sample.differentiate)
    return [
        position
        for position, array in enumerate(sample.inputs)
        if dtypes.is_float(array.dtype)
    ]


FLOATING = [case for case in CASES if differentiable(case)]
# Central differences need every digit: the cast to a narrower type has a test below.
WIDE = [
    case
    for case in FLOATING
    if case.dtype == dtypes.float64
    and build(case.primitive, case.sample).node.dtype == dtypes.float64
]
# Rounding errors that a gradient may gather, in units of its largest element.
PRECISION = 4

SMOOTH = [case for case in WIDE if case.sample.smooth]


class Problem:
    """A scalar function of some leaves: the derivatives of a sample, weighted.

    Weights are leaves too, with random values, so that no error can hide in a sum.
    """

    def __init__(self, case: Case) -> None:
        self.random = np.random.default_rng(zlib.crc32(str(case).encode()))
        sample = case.sample
        self.node, leaves, values = build(case.primitive, sample)
        self.values = dict(zip(leaves, values, strict=True))
        wanted = [
            maker(self.node).inputs[position] for position in differentiated(sample)
        ]
        self.wrt = list(dict.fromkeys(wanted))

    def weight(self, node: Node) -> Node:
        """Return a leaf of the type of ``node`` with random values."""
        leaf = input_leaf(node.shape, node.dtype, "weight")
        self.values[leaf] = self.random.normal(size=node.shape).astype(node.dtype)
        return leaf

    def weighted(self, nodes: Sequence[Node]) -> Node:
        """Return the sum of all elements of the nodes times their weights."""
        total = None
        for node in nodes:
            product = mul(node, self.weight(node))
            part = reduce_sum(product, range(len(node.shape)))
            total = part if total is None else add(total, part)
        assert total is not None
        return total

    def evaluate(
        self, outputs: Sequence[Node], moved: dict[Node, NDArray] | None = None
    ) -> list[NDArray]:
        values = {**self.values, **(moved or {})}
        return evaluate(outputs, list(values), list(values.values()))

    def check(self, scalar: Node, wrt: Sequence[Node]) -> None:
        """Compare the gradient of a scalar with differences in one random direction."""
        directions = {leaf: self.random.normal(size=leaf.shape) for leaf in wrt}
        program = ReferenceExecutor().compile(Graph([scalar], list(self.values)))

        def moved(step: float) -> float:
            values = {
                leaf: value + step * directions[leaf] if leaf in directions else value
                for leaf, value in self.values.items()
            }
            return float(program(list(map(np.asarray, values.values())))[0])

        step = 1e-4  # five points: the error is of the order of the step's fourth power
        near = moved(step) - moved(-step)
        far = moved(2 * step) - moved(-2 * step)
        expected = (8 * near - far) / (12 * step)
        gradients = reverse([scalar], [full_like(scalar, 1)], wrt)
        known = {
            leaf: gradient
            for leaf, gradient in zip(wrt, gradients, strict=True)
            if gradient is not None
        }
        slopes = self.evaluate(list(known.values())) if known else []
        found = sum(
            float(np.sum(slope * directions[leaf]))
            for leaf, slope in zip(known, slopes, strict=True)
        )
        assert abs(found - expected) <= 1e-7 * (1 + abs(expected))


@ids(SMOOTH)
def test_gradient_is_the_central_difference(case: Case) -> None:
    problem = Problem(case)
    problem.check(problem.weighted([problem.node]), problem.wrt)


@ids(SMOOTH)
def test_second_derivative_is_the_central_difference_of_the_first(case: Case) -> None:
    problem = Problem(case)
    cotangent = problem.weight(problem.node)
    first = reverse([problem.node], [cotangent], problem.wrt)
    known = [gradient for gradient in first if gradient is not None]
    if known:
        problem.check(problem.weighted(known), [*problem.wrt, cotangent])


@ids(WIDE)
def test_forward_mode_is_the_transpose_of_reverse_mode(case: Case) -> None:
    problem = Problem(case)
    cotangent = problem.weight(problem.node)
    tangents = [problem.weight(leaf) for leaf in problem.wrt]
    backward = reverse([problem.node], [cotangent], problem.wrt)
    (change,) = forward([problem.node], problem.wrt, tangents)
    assert (change.shape, change.dtype) == (problem.node.shape, problem.node.dtype)
    pairs = [
        (gradient, tangent)
        for gradient, tangent in zip(backward, tangents, strict=True)
        if gradient is not None
    ]
    found, *slopes = problem.evaluate([change, *(gradient for gradient, _ in pairs)])
    one_way = found * problem.values[cotangent]
    other_way = [
        slope * problem.values[tangent]
        for slope, (_, tangent) in zip(slopes, pairs, strict=True)
    ]
    size = np.sum(np.abs(one_way))
    difference = np.sum(one_way) - sum(np.sum(terms) for terms in other_way)
    assert abs(difference) <= 1e-12 * size + 1e-300


@ids(FLOATING)
def test_gradient_has_the_type_of_its_operand(case: Case) -> None:
    problem = Problem(case)
    gradients = reverse([problem.node], [problem.weight(problem.node)], problem.wrt)
    for leaf, gradient in zip(problem.wrt, gradients, strict=True):
        if gradient is not None:
            assert (gradient.shape, gradient.dtype) == (leaf.shape, leaf.dtype)
            (found,) = problem.evaluate([gradient])
            assert (found.shape, found.dtype) == (leaf.shape, leaf.dtype)


def widened(sample: Sample) -> Sample:
    """Return the sample with the same numbers in float64."""
    wide = {id(array): np.asarray(array) for array in sample.inputs}
    for key, array in wide.items():
        if dtypes.is_float(array.dtype):
            wide[key] = array.astype(np.float64)
    return Sample(tuple(wide[id(array)] for array in sample.inputs), sample.attrs)


@ids(
    [
        case
        for case in FLOATING
        if case.dtype != dtypes.float64
        and case.sample.smooth
        and case.primitive.name not in ("cast", "pad")  # their attributes name the type
        and case.primitive.control is None  # so do their bodies
    ]
)
def test_gradient_is_as_precise_as_its_type(case: Case) -> None:
    problem = Problem(case)
    cotangent = problem.weight(problem.node)
    gradients = reverse([problem.node], [cotangent], problem.wrt)
    wide = build(case.primitive, widened(case.sample))
    g = input_leaf(wide.node.shape, wide.node.dtype)
    wanted = [maker(wide.node).inputs[place] for place in differentiated(case.sample)]
    exact = reverse([wide.node], [g], list(dict.fromkeys(wanted)))
    values = [*wide.values, problem.values[cotangent].astype(g.dtype)]
    for gradient, expected in zip(gradients, exact, strict=True):
        if gradient is None or expected is None:
            assert gradient is expected
            continue
        (found,) = problem.evaluate([gradient])
        (truth,) = evaluate([expected], [*wide.leaves, g], values)
        unit = 2.0 ** (1 - FORMATS[case.dtype][0])
        largest = float(np.max(np.abs(truth), initial=0))
        np.testing.assert_allclose(
            found.astype(np.float64), truth, rtol=0, atol=PRECISION * unit * largest
        )


@pytest.mark.parametrize("source", dtypes.FLOATS, ids=str)
@pytest.mark.parametrize("target", dtypes.FLOATS, ids=str)
def test_gradient_of_a_cast_is_the_cotangent_cast_back(
    source: DType, target: DType
) -> None:
    x = input_leaf((3,), source)
    node = apply(BY_NAME["cast"], x, dtype=target)
    g = input_leaf((3,), target)
    (gradient,) = reverse([node], [g], [x])
    assert gradient is not None
    value = np.array([1.0, -0.3, 1e-3]).astype(target)
    (found,) = evaluate([gradient], [g], [value])
    np.testing.assert_array_equal(found, value.astype(source))


def test_derivatives_of_a_product_are_right_where_elements_are_zero() -> None:
    """With two zeros the first derivative vanishes, but not the second."""
    x = input_leaf((4,), dtypes.float64)
    one = full_like(x, 1)
    (first,) = reverse([reduce_prod(x, (0,))], [full((), 1, dtypes.float64)], [x])
    assert first is not None
    rows = []
    for place in range(4):
        element = slice_(first, (place,), (place + 1,), (1,))
        (row,) = reverse([element], [slice_(one, (0,), (1,), (1,))], [x])
        assert row is not None
        rows.append(row)
    value = np.array([0.0, 2.0, 0.0, 3.0])
    slope, *hessian = evaluate([first, *rows], [x], [value])
    np.testing.assert_array_equal(slope, 0.0)
    expected = np.zeros((4, 4))
    expected[0, 2] = expected[2, 0] = 6.0
    np.testing.assert_array_equal(hessian, expected)


# --- declarations --------------------------------------------------------------------


def refused_types(primitive: Primitive) -> list[DType]:
    """Return the types that are not declared.

    ``custom_gradient`` declares what it is good for, but refuses nothing: an integer
    argument, such as labels, simply has no cotangent.
    """
    return [dtype for dtype in dtypes.ALL if dtype not in primitive.dtypes]


@pytest.mark.parametrize(
    ("primitive", "dtype"),
    [
        pytest.param(primitive, dtype, id=f"{primitive.name}-{dtype.name}")
        for primitive in PRIMITIVES
        if primitive.name not in (*OUTSIDE, "custom_gradient")
        and primitive.control is None  # their bodies name the types
        for dtype in refused_types(primitive)
    ],
)
def test_types_that_are_not_declared_are_refused(
    primitive: Primitive, dtype: DType
) -> None:
    declared = primitive.dtypes[-1]
    sample = samples_of(primitive, declared)[0]
    operands = [
        input_leaf(array.shape, dtype if array.dtype == declared else array.dtype)
        for array in sample.inputs
    ]
    attrs = dict(sample.attrs)
    if not operands:
        attrs["dtype"] = dtype
    with pytest.raises(DTypeError, match=f"^{primitive.name}: "):
        apply(primitive, *operands, **attrs)


WRONG_USES = [
    pytest.param(primitive, use, id=f"{primitive.name}-{number}")
    for primitive in primitives()
    for number, use in enumerate(primitive.wrong_uses)
]
# Errors that have no operands to show, or are raised before there are any.
PLAIN = (
    "expected a data type that Nervure computes with",
    "const: no graph holds values",
    "custom_gradient: expected a value and its arguments",
    "checkpoint: expected a value and its arguments",
    "call: expected a body with",
    "cond: expected branches with",
    "scan: 4 values to carry",
    "scan: expected a body with",
)
WITHOUT_OPERANDS = ("iota: ", "concatenate: expected at least one array")


@pytest.mark.parametrize(("primitive", "use"), WRONG_USES)
def test_wrong_use_is_explained(primitive: Primitive, use: WrongUse) -> None:
    with pytest.raises(use.error) as caught:
        use.build()
    assert type(caught.value) is use.error
    first, *others = f"{caught.value}".splitlines()
    assert first.startswith(use.message)
    if first.startswith(PLAIN):
        return
    assert first.startswith(f"{primitive.name}: ")
    # The line that asked for it is the innermost one outside the package: ours.
    here = [line for line in others if line.startswith(f"  made at {__file__}:")]
    assert len(here) == 1
    table = others[: others.index(here[0])]
    assert all(row.startswith("  fix: ") for row in others[len(table) + 1 :])
    if first.startswith(WITHOUT_OPERANDS) or "must not be negative, got (" in first:
        return
    assert table
    known = (
        {primitive.operand_name(i) for i in range(max(len(table), 3))}
        if (primitive.variadic)
        else set(primitive.operands)
    )
    for row in table:
        match = re.fullmatch(
            r"  (\w+) +(\w+\[[\d, ]*\]|\(.+\)) +(from|input|buffer) .+", row
        )
        assert match is not None, row
        assert match[1] in known


def test_every_primitive_that_can_refuse_shows_wrong_uses() -> None:
    without = [one.name for one in PRIMITIVES if not one.wrong_uses]
    assert without == list(CANNOT_FAIL)


# Errors that no application of a primitive to nodes can reach: a graph's text with
# missing attributes, and programs that are run without their data or code.
ELSEWHERE = (
    "_infer_from_attrs",
    "_infer_const",
    "_reference_input",
    "_reference_buffer",
    "_custom_gradient",
    "_while_gradient",
)
# Places outside the array are found while a program runs, under NERVURE_CHECK=1.
AT_RUN_TIME = ("_places", "_piece")


def raising_lines(path: Path) -> Iterator[range]:
    """Yield the lines of each statement of a file that raises."""
    tree = ast.parse(path.read_text())
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef):
            continue
        if function.name in (*ELSEWHERE, *AT_RUN_TIME):
            continue
        for piece in ast.walk(function):
            refusing = (
                isinstance(piece, ast.Call) and ast.unparse(piece.func) == "refuse"
            )
            if isinstance(piece, ast.stmt | ast.expr) and (
                refusing or isinstance(piece, ast.Raise)
            ):
                yield range(piece.lineno, (piece.end_lineno or piece.lineno) + 1)


def lines_run(functions: Sequence[Callable[[], Any]], folder: Path) -> set[Any]:
    """Call functions that raise, and return the (file, line) they ran in a folder."""
    seen: set[Any] = set()

    def watch(frame: FrameType, event: str, _argument: Any) -> Any:
        if not frame.f_code.co_filename.startswith(str(folder)):
            return None
        seen.add((frame.f_code.co_filename, frame.f_lineno))
        return watch

    before = sys.gettrace()
    sys.settrace(watch)
    try:
        for function in functions:
            with contextlib.suppress(NervureError):
                function()
    finally:
        sys.settrace(before)
    return seen


def test_every_error_of_a_shape_rule_is_some_primitives_wrong_use() -> None:
    folder = Path(nervure.prims.__file__).parent
    uses = [use.build for primitive in primitives() for use in primitive.wrong_uses]
    seen = lines_run(uses, folder)
    unseen = [
        f"{path.name}:{lines.start}"
        for path in sorted(folder.glob("*.py"))
        for lines in raising_lines(path)
        if not any((str(path), line) in seen for line in lines)
    ]
    assert not unseen
