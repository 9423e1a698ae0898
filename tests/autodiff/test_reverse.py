"""Reverse mode: where cotangents go, add up, and stop."""

from __future__ import annotations

import gc
import math
import re
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from nervure import dtypes
from nervure.autodiff import reverse
from nervure.errors import GradientError
from nervure.exec.reference import ReferenceExecutor
from nervure.ir import Graph, Node, apply
from nervure.ir.node import interned_count
from nervure.ir.primitive import Fusion, Primitive
from nervure.prims.annotate import custom_gradient, stop_gradient
from nervure.prims.binary import add, lt, mul, pow_, sub
from nervure.prims.indexed import gather
from nervure.prims.leaf import const, full_like, input_leaf, random_bits
from nervure.prims.reduce import argmax, reduce_sum
from nervure.prims.select import bitcast, cast, select
from nervure.prims.slicing import slice_
from nervure.prims.unary import cos, exp, floor, neg, sin

FLOAT = dtypes.float64


@pytest.fixture
def x() -> Node:
    return input_leaf((3,), FLOAT, "x")


def gradient(output: Node, *wrt: Node) -> list[Node | None]:
    """Differentiate the sum of an output."""
    return reverse([output], [full_like(output, 1)], wrt)


def slope(output: Node, wrt: Node) -> Node:
    """Differentiate the sum of an output that does depend on ``wrt``."""
    (found,) = gradient(output, wrt)
    assert found is not None
    return found


def value(node: Node, inputs: dict[Node, Any]) -> Any:
    arrays = [np.asarray(one, leaf.dtype) for leaf, one in inputs.items()]
    return ReferenceExecutor().compile(Graph([node], list(inputs)))(arrays)[0].tolist()


# --- where cotangents go -------------------------------------------------------------


def test_cotangents_of_several_uses_add_up(x: Node) -> None:
    y = add(mul(x, x), mul(sin(x), x))
    numbers = [0.0, 1.0, -2.0]
    expected = [2 * a + math.sin(a) + a * math.cos(a) for a in numbers]
    assert value(slope(y, x), {x: numbers}) == pytest.approx(expected)


def test_an_operand_used_twice_by_one_operation_counts_twice(x: Node) -> None:
    assert value(slope(sub(x, x), x), {x: [1, 2, 3]}) == [0, 0, 0]
    assert value(slope(add(x, x), x), {x: [1, 2, 3]}) == [2, 2, 2]


def test_shared_parts_are_visited_once(x: Node) -> None:
    """Every level uses the one before twice: 2^200 paths, but 200 nodes."""
    y = x
    for _ in range(200):
        y = add(y, y)
    found = slope(y, x)
    assert len(Graph([found])) < 500
    assert value(found, {x: [0, 0, 0]}) == [2.0**200] * 3


def test_several_outputs_are_weighted_by_their_cotangents(x: Node) -> None:
    y, z = mul(x, x), exp(x)
    g = full_like(x, 10)
    (found,) = reverse([y, z, y], [g, full_like(x, 1), g], [x])
    assert found is not None
    expected = [40 * a + math.exp(a) for a in (0, 1, 2)]
    assert value(found, {x: [0, 1, 2]}) == pytest.approx(expected)


def test_wrt_need_not_be_leaves(x: Node) -> None:
    middle = sin(x)
    y = mul(middle, middle)
    to_middle, to_x = gradient(y, middle, x)
    assert to_middle is not None
    assert to_x is not None
    assert value(to_middle, {x: [1, 2, 3]}) == [2 * math.sin(a) for a in (1, 2, 3)]
    expected = [math.sin(2 * a) for a in (1, 2, 3)]
    assert value(to_x, {x: [1, 2, 3]}) == pytest.approx(expected)


def test_an_output_depends_on_itself(x: Node) -> None:
    y = sin(x)
    g = input_leaf((3,), FLOAT, "g")
    assert reverse([y], [g], [y]) == [g]
    assert reverse([x], [g], [x]) == [g]


def test_nodes_that_the_outputs_do_not_use_have_no_cotangent(x: Node) -> None:
    stranger = input_leaf((3,), FLOAT, "stranger")
    y = sin(x)
    assert gradient(y, stranger) == [None]
    # y uses x, but x does not use y, nor is another use of x a use of y
    assert reverse([x], [full_like(x, 1)], [y]) == [None]
    assert gradient(cos(x), y) == [None]
    assert reverse([], [], [x]) == [None]
    assert reverse([y], [full_like(y, 1)], []) == []


def test_no_work_is_done_for_operands_that_are_not_asked_for(x: Node) -> None:
    """The logarithm in a power's gradient belongs to the exponent alone."""
    operations = {node.op.name for node in Graph([slope(pow_(x, full_like(x, 3)), x)])}
    assert "log" not in operations


def test_integer_paths_are_cut(x: Node) -> None:
    count = input_leaf((3,), dtypes.int32, "count")
    through_integers = cast(cast(x, dtypes.int32), FLOAT)
    assert gradient(through_integers, x) == [None]
    assert gradient(cast(count, FLOAT), count) == [None]
    assert gradient(floor(x), x) == [None]
    assert gradient(bitcast(bitcast(x, dtypes.int64), FLOAT), x) == [None]
    # an integer is not differentiable, not even with respect to itself
    ones = full_like(count, 1)
    assert reverse([count], [ones], [count]) == [None]
    assert reverse([add(count, ones)], [ones], [count]) == [None]


def test_only_the_differentiable_way_counts(x: Node) -> None:
    """Which element, and whether, is decided by x too, but jumps."""
    largest = gather(x, argmax(x, 0), 0)
    assert value(slope(largest, x), {x: [1, 7, 3]}) == [0, 1, 0]
    chosen = select(lt(x, full_like(x, 3)), mul(x, x), neg(x))
    assert value(slope(chosen, x), {x: [1, 2, 5]}) == [2, 4, -1]


def test_stop_gradient_makes_a_constant(x: Node) -> None:
    y = mul(x, stop_gradient(x))
    assert value(slope(y, x), {x: [1, 2, 3]}) == [1, 2, 3]
    assert gradient(stop_gradient(x), x) == [None]


# --- rules of the user ---------------------------------------------------------------


def five_times(x: Node) -> Node:
    """The square of x, with 5 x g (which is wrong) as its derivative."""

    def rule(arguments: Sequence[Node], g: Node) -> list[Node | None]:
        (argument,) = arguments
        return [mul(mul(full_like(g, 5), argument), g)]

    return custom_gradient(mul(x, x), [x], rule, "five_times")


def test_custom_gradient_replaces_the_derivative(x: Node) -> None:
    y = five_times(x)
    assert value(y, {x: [1, 2, 3]}) == [1, 4, 9]
    assert value(slope(y, x), {x: [1, 2, 3]}) == [5, 10, 15]


def test_second_derivatives_are_those_of_the_rule(x: Node) -> None:
    second = slope(slope(five_times(x), x), x)
    assert value(second, {x: [1, 2, 3]}) == [5, 5, 5]


def test_no_derivative_flows_through_the_value_of_a_custom_gradient(x: Node) -> None:
    other = input_leaf((3,), FLOAT, "other")
    y = custom_gradient(mul(x, other), [x], lambda _arguments, g: [g])
    to_x, to_other = gradient(y, x, other)
    assert to_other is None
    assert to_x is not None
    assert value(to_x, {x: [1, 2, 3], other: [4, 5, 6]}) == [1, 1, 1]


def test_a_rule_may_give_no_cotangent(x: Node) -> None:
    other = input_leaf((3,), FLOAT, "other")
    y = custom_gradient(mul(x, other), [x, other], lambda _arguments, g: [None, g])
    assert gradient(y, x, other)[0] is None
    assert gradient(y, x, other)[1] is not None


def test_a_rule_is_asked_only_when_it_is_needed(x: Node) -> None:
    def rule(_arguments: Sequence[Node], _g: Node) -> list[Node | None]:
        raise AssertionError

    stranger = input_leaf((3,), FLOAT, "stranger")
    y = custom_gradient(mul(x, x), [x], rule)
    found = slope(add(y, stranger), stranger)
    assert value(found, {x: [1, 2, 3], stranger: [0, 0, 0]}) == [1, 1, 1]


# --- higher derivatives --------------------------------------------------------------


def elements(node: Node) -> list[Node]:
    """Return the elements of a vector as vectors of one element."""
    return [slice_(node, (i,), (i + 1,), (1,)) for i in range(node.shape[0])]


def test_hessian_of_rosenbrocks_function() -> None:
    """(1 - x)^2 + 100 (y - x^2)^2 at (-1.2, 1)."""
    point = input_leaf((2,), FLOAT, "point")
    x, y = elements(point)
    valley = sub(y, mul(x, x))
    slack = sub(full_like(x, 1), x)
    f = add(mul(slack, slack), mul(full_like(x, 100), mul(valley, valley)))
    first = slope(f, point)
    rows = [slope(element, point) for element in elements(first)]
    a, b = at = (-1.2, 1.0)
    assert value(first, {point: at}) == pytest.approx(
        [-2 * (1 - a) - 400 * a * (b - a * a), 200 * (b - a * a)]
    )
    hessian = [value(row, {point: at}) for row in rows]
    assert hessian[0] == pytest.approx([2 - 400 * b + 1200 * a * a, -400 * a])
    assert hessian[1] == pytest.approx([-400 * a, 200])


def test_derivatives_of_every_order() -> None:
    x = input_leaf((), FLOAT, "x")
    y = mul(mul(x, x), mul(x, x))
    for expected in (4.0 * 8, 12.0 * 4, 24.0 * 2, 24.0):
        y = slope(y, x)
        assert value(y, {x: 2.0}) == expected
    assert gradient(sin(const(1.0)), x) == [None]
    wave = sin(x)
    for expected in (math.cos(0.5), -math.sin(0.5), -math.cos(0.5), math.sin(0.5)):
        wave = slope(wave, x)
        assert value(wave, {x: 0.5}) == pytest.approx(expected)


def test_a_gradient_may_be_differentiated_by_its_cotangent(x: Node) -> None:
    g = input_leaf((3,), FLOAT, "g")
    (first,) = reverse([exp(x)], [g], [x])
    assert first is not None
    assert value(slope(first, g), {x: [0, 0, 0]}) == [1, 1, 1]


# --- errors --------------------------------------------------------------------------


def test_a_cotangent_of_another_type_is_refused(x: Node) -> None:
    y = sin(x)
    message = "expected a cotangent of type float64[3], got float64[2]"
    with pytest.raises(GradientError, match=re.escape(message)):
        reverse([y], [input_leaf((2,), FLOAT)], [x])
    message = "expected a cotangent of type float64[3], got float32[3]"
    with pytest.raises(GradientError, match=re.escape(message)):
        reverse([y], [input_leaf((3,), dtypes.float32)], [x])


def test_an_operation_without_gradient_says_so_and_where_it_was_made(x: Node) -> None:
    opaque = Primitive(
        "opaque",
        ("x",),
        lambda inputs, _attrs: (inputs[0].shape, inputs[0].dtype),
        lambda _node, array: array,
        None,
        Fusion.OPAQUE,
    )
    y = mul(apply(opaque, x), x)
    with pytest.raises(GradientError) as caught:
        gradient(y, x)
    first, where, fix = f"{caught.value}".splitlines()
    assert first == "opaque has no gradient"
    assert re.fullmatch(r"  made at test_reverse\.py:\d+", where)
    assert "nervure.custom_gradient" in fix
    stranger = input_leaf((3,), FLOAT, "stranger")
    assert gradient(mul(y, stranger), stranger) != [None]  # not on the way: no error


def test_random_bits_are_constants(x: Node) -> None:
    noise = cast(random_bits(const([1, 2], dtypes.uint32), (3,)), FLOAT)
    assert value(slope(mul(x, noise), x), {x: [0, 0, 0]}) == value(noise, {})


# --- size ----------------------------------------------------------------------------


def test_a_chain_of_100000_nodes() -> None:
    """No recursion anywhere: not in building, differentiating, running or freeing."""
    gc.collect()
    before = interned_count()
    x = input_leaf((), FLOAT, "x")
    y = x
    begin = time.perf_counter()
    for number in range(100_000):
        y = sin(y) if number % 10 == 0 else neg(y)
    found = slope(y, x)
    assert time.perf_counter() - begin < 60  # about 2 s, elsewhere
    graph = Graph([found], [x])
    assert len(graph) > 100_000
    # the sine's slope is at most 1 and here never far from it
    numeric = ReferenceExecutor().compile(graph)([np.array(1e-6)])[0]
    assert float(numeric) == pytest.approx(1.0, rel=1e-6)
    del x, y, found, graph
    gc.collect()
    assert interned_count() == before


def test_the_gradient_is_the_same_graph_every_time(x: Node) -> None:
    """Addition is not associative: the order of adding up must not vary."""
    parts = [f(mul(x, full_like(x, number))) for number in (2, 3) for f in (sin, cos)]
    total = parts[0]
    for part in parts[1:]:
        total = add(total, part)
    loss = reduce_sum(total, (0,))
    assert slope(loss, x) is slope(loss, x)
