"""Nodes: interning, lifetime, sites, immutability, attributes."""

from __future__ import annotations

import gc
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given

from nervure import dtypes
from nervure.errors import ArgumentError, GraphError, ShapeError
from nervure.ir.attrs import NO_ATTRS, Attrs, Buffer, Constant, Rule
from nervure.ir.build import apply, apply_at, origin_of, rebuild
from nervure.ir.node import (
    Node,
    Site,
    current_site,
    find,
    key_of,
    made_at,
    scope,
)
from nervure.ir.primitive import primitive_named, primitives
from nervure.prims import binary, leaf, movement, reduce, unary
from tests.strategies import attr_values, attrs_of, living


def here() -> int:
    """Return the line of the caller."""
    return sys._getframe(1).f_lineno


@pytest.fixture
def x() -> Node:
    return leaf.input_leaf((2, 3), dtypes.float32, "x")


@pytest.fixture
def y() -> Node:
    return leaf.input_leaf((2, 3), dtypes.float32, "y")


# --- interning -----------------------------------------------------------------------


def test_equal_operations_are_one_node(x: Node, y: Node) -> None:
    assert binary.add(x, y) is binary.add(x, y)
    first = movement.transpose(unary.exp(x), (1, 0))
    assert movement.transpose(unary.exp(x), (1, 0)) is first


def test_different_operations_are_different_nodes(x: Node, y: Node) -> None:
    nodes = [
        binary.add(x, y),
        binary.add(y, x),
        binary.sub(x, y),
        binary.add(x, x),
        reduce.reduce_sum(x, (0,)),
        reduce.reduce_sum(x, (1,)),
        reduce.reduce_max(x, (1,)),
    ]
    assert len(set(nodes)) == len(nodes)


def test_the_first_maker_gives_the_site(x: Node) -> None:
    first, line = unary.exp(x), here()
    again = unary.exp(x)
    assert again is first
    assert again.site.line == line


def test_inputs_and_buffers_never_merge() -> None:
    value = np.zeros(3, np.float32)
    assert leaf.buffer_leaf(value) is not leaf.buffer_leaf(value)
    one = leaf.input_leaf((3,), dtypes.float32, "x")
    assert leaf.input_leaf((3,), dtypes.float32, "x") is not one


def test_constants_merge_by_value_type_and_shape() -> None:
    half = leaf.const(np.float32(0.5))
    assert leaf.const(np.float32(0.5)) is half
    assert leaf.const(np.float64(0.5)) is not half
    assert leaf.const(np.full(1, 0.5, np.float32)) is not half
    assert leaf.const(np.float32(0.25)) is not half


def test_zeros_of_either_sign_are_different_constants() -> None:
    zero, minus_zero = leaf.const(np.float32(0.0)), leaf.const(np.float32(-0.0))
    assert zero is not minus_zero
    assert not np.signbit(zero.op.reference(zero))
    assert np.signbit(minus_zero.op.reference(minus_zero))


def test_nan_is_one_constant() -> None:
    assert leaf.const(np.float32(np.nan)) is leaf.const(np.float32(np.nan))


def test_constant_is_a_copy() -> None:
    value = np.ones(2)
    node = leaf.const(value)
    value[0] = 5
    assert node is leaf.const(np.ones(2))
    with pytest.raises(ValueError, match="read-only"):
        node.op.reference(node)[0] = 1


def test_truth_values_and_numbers_are_different_attributes(x: Node) -> None:
    site = Site("a.py", 1)
    op = primitive_named("exp")
    by_truth = apply_at(site, op, (x,), attrs_of(flag=True))
    by_number = apply_at(site, op, (x,), attrs_of(flag=1))
    assert by_truth is not by_number
    assert by_truth.attrs["flag"] is True


def test_types_are_part_of_a_cast(x: Node) -> None:
    op = primitive_named("cast")
    half = apply(op, x, dtype=dtypes.float16)
    assert apply(op, x, dtype=dtypes.bfloat16) is not half
    assert apply(op, x, dtype=np.dtype("float16")) is half


def test_find_gives_the_living_node(x: Node) -> None:
    node = unary.sin(x)
    assert find(key_of(node.op, (x,), NO_ATTRS)) is node
    assert find(key_of(primitive_named("cos"), (x,), NO_ATTRS)) is None


def test_rebuild_keeps_the_site_and_checks_the_shape(x: Node, y: Node) -> None:
    node = reduce.reduce_sum(x, (1,))
    other = rebuild(node, (y,))
    assert other.site is node.site
    assert rebuild(node, (x,)) is node
    longer = rebuild(node, (leaf.input_leaf((5, 4), dtypes.int32),))
    assert longer.type_text == "int32[5]"
    with pytest.raises(ArgumentError):
        rebuild(node, (leaf.input_leaf((5,), dtypes.int32),))


# --- lifetime ------------------------------------------------------------------------


def test_unused_nodes_vanish(x: Node) -> None:
    before = living()
    node = unary.exp(unary.sin(x))
    alive = weakref.ref(node)
    inner = weakref.ref(node.inputs[0])
    assert living() == before + 2
    del node
    assert alive() is None
    assert inner() is None
    assert living() == before


def test_a_vanished_node_is_made_anew(x: Node) -> None:
    first = unary.exp(x)
    line = first.site.line
    del first
    assert unary.exp(x).site.line != line


def test_users_keep_operands_alive(x: Node) -> None:
    node = unary.exp(unary.sin(x))
    inner = weakref.ref(node.inputs[0])
    gc.collect()
    assert inner() is node.inputs[0]


def test_nodes_in_a_cycle_are_collected(x: Node) -> None:
    before = living()
    holder: list[object] = [unary.exp(x)]
    holder.append(holder)
    del holder
    gc.collect()
    assert living() == before


# --- threads -------------------------------------------------------------------------


@pytest.fixture
def _eager_switches() -> Iterator[None]:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def run_threads(count: int, work: Callable[[], None]) -> None:
    """Run ``work`` in threads at once; raise what one of them raised."""
    start = threading.Barrier(count)

    def run() -> None:
        start.wait(30)
        work()

    with ThreadPoolExecutor(count) as pool:
        for future in [pool.submit(run) for _ in range(count)]:
            future.result()


@pytest.mark.usefixtures("_eager_switches")
def test_threads_intern_one_node(x: Node) -> None:
    for round_number in range(30):
        found: list[Node] = []

        def work(round_number: int = round_number, found: list[Node] = found) -> None:
            node = binary.add(x, leaf.full((2, 3), round_number, dtypes.float32))
            found.append(unary.exp(node))

        run_threads(6, work)
        assert len(set(found)) == 1


@pytest.mark.usefixtures("_eager_switches")
def test_a_node_that_dies_does_not_take_its_successor_along(x: Node) -> None:
    """While one thread forgets a node, another may be making an equal one."""
    before = living()

    def work() -> None:
        for number in range(1500):
            constant = leaf.const(number % 3)
            assert find(key_of(constant.op, (), constant.attrs)) is constant
            node = unary.exp(x)
            assert find(key_of(node.op, (x,), NO_ATTRS)) is node
            del constant, node

    run_threads(6, work)
    assert living() == before


# --- sites ---------------------------------------------------------------------------


def test_the_site_is_the_users_line(x: Node) -> None:
    node, line = unary.tanh(x), here()
    assert node.site == Site(__file__, line, "")
    assert str(node.site) == f"test_node.py:{line}"


def test_every_node_made_inside_nervure_has_the_users_line(x: Node) -> None:
    node = unary.tanh(x)
    gradient = node.op.gradient
    assert gradient is not None
    (slope,), line = gradient(node, x), here()
    assert slope is not None
    made = {operand for operand in (slope, *slope.inputs) if operand not in (x, node)}
    assert len(made) >= 2
    assert {one.site for one in made} == {Site(__file__, line, "")}


def test_a_nested_call_has_the_innermost_line_of_the_user(x: Node) -> None:
    def layer(value: Node) -> Node:
        return unary.erf(value)

    assert layer(x).site.line == here() - 2


def test_scopes_join(x: Node) -> None:
    with scope("encoder"), scope("dense"):
        inner = unary.exp(x)
    with scope("encoder"):
        outer = unary.sin(x)
    assert inner.site.scope == "encoder/dense"
    assert str(inner.site).startswith("layer 'encoder/dense', test_node.py:")
    assert outer.site.scope == "encoder"
    assert unary.cos(x).site.scope == ""


def test_a_scope_ends_with_an_error(x: Node) -> None:
    with pytest.raises(RuntimeError), scope("dense"):
        raise RuntimeError
    assert unary.exp(x).site.scope == ""


def test_scopes_belong_to_their_thread(x: Node) -> None:
    sites: list[Site] = []
    with scope("mine"):
        run_threads(1, lambda: sites.append(unary.exp(x).site))
    assert sites[0].scope == ""


def test_errors_name_both_operands_and_the_line(x: Node) -> None:
    line = here() + 3
    z = leaf.input_leaf((4,), dtypes.float32, "z")
    with pytest.raises(ShapeError) as caught:
        binary.add(x, z)
    text = str(caught.value)
    assert "float32[2, 3]  input 'x', " in text
    assert "float32[4]     input 'z', " in text
    assert f"test_node.py:{line}" in text


def test_errors_name_the_layer() -> None:
    x, z = leaf.const(np.zeros(2)), leaf.const(np.zeros(3))
    with pytest.raises(ShapeError, match=r"add \(layer 'dense'\)"), scope("dense"):
        binary.add(x, z)


def test_origins(x: Node) -> None:
    buffer = leaf.buffer_leaf(np.zeros(2), "weights")
    parameter = leaf.buffer_leaf(np.zeros(2), "w", parameter=True)
    assert origin_of(buffer).startswith("buffer 'weights', test_node.py:")
    assert origin_of(parameter).startswith("parameter 'w', test_node.py:")
    assert origin_of(x).startswith("input 'x', test_node.py:")
    assert origin_of(unary.exp(x)).startswith("from exp, test_node.py:")


# --- nodes do not change -------------------------------------------------------------


@pytest.mark.parametrize("field", ["op", "inputs", "attrs", "shape", "dtype", "site"])
def test_a_node_cannot_be_changed(x: Node, field: str) -> None:
    with pytest.raises(AttributeError, match="cannot be changed"):
        setattr(x, field, None)
    with pytest.raises(AttributeError, match="cannot be changed"):
        delattr(x, field)
    with pytest.raises(AttributeError):
        x.anything = 1


def test_attributes_cannot_be_changed(x: Node) -> None:
    attrs = x.attrs
    changes: list[Callable[[], object]] = [
        lambda: attrs.__setitem__("name", "y"),
        lambda: attrs.__delitem__("name"),
        lambda: attrs.update(name="y"),
        lambda: attrs.pop("name"),
        lambda: attrs.clear(),
        lambda: attrs.setdefault("other", 1),
        lambda: attrs.popitem(),
        lambda: attrs.__ior__({"name": "y"}),
    ]
    for change in changes:
        with pytest.raises(TypeError, match="cannot be changed"):
            change()
    assert attrs["name"] == "x"


def test_the_type_of_a_node(x: Node) -> None:
    assert x.type_text == "float32[2, 3]"
    assert (x.size, x.nbytes) == (6, 24)
    scalar = reduce.reduce_sum(x, (0, 1))
    assert scalar.type_text == "float32[]"
    assert (scalar.size, scalar.nbytes) == (1, 4)
    assert repr(x).startswith("<input float32[2, 3] from test_node.py:")


def test_too_few_operands(x: Node) -> None:
    with pytest.raises(GraphError, match=r"add takes 2 operands \(x, y\), got 1"):
        apply(primitive_named("add"), x)


def test_unknown_primitives_have_neighbours() -> None:
    with pytest.raises(GraphError, match=r"unknown primitive 'reduce_sun'[^$]*reduce_"):
        primitive_named("reduce_sun")


def test_every_primitive_is_registered_under_its_name() -> None:
    for op in primitives():
        assert primitive_named(op.name) is op
        assert op.name.isidentifier()
        assert op.name == op.name.lower()


# --- attributes ----------------------------------------------------------------------


@given(attr_values())
def test_equal_attributes_have_equal_hashes(value: object) -> None:
    first, second = attrs_of(a=value, b=1), attrs_of(b=1, a=value)
    assert first == second
    assert hash(first) == hash(second)


def test_payloads() -> None:
    assert Constant(np.ones(2)) == Constant(np.ones(2))
    assert Constant(np.ones(2)) != Constant(np.ones(2, np.float32))
    assert Constant(np.zeros((1, 2))) != Constant(np.zeros((2, 1)))
    assert Constant(np.zeros(())).shape == ()
    assert Rule(None, "a") != Rule(None, "a")
    assert Buffer(np.ones(2), "a") != Buffer(np.ones(2), "a")
    assert repr(Buffer(None, "w", parameter=True)) == "parameter 'w'"


def test_buffers_are_read_only_views() -> None:
    data = np.zeros(2)
    buffer = Buffer(data)
    assert buffer.value is not None
    assert np.shares_memory(buffer.value, data)
    with pytest.raises(ValueError, match="read-only"):
        buffer.value[0] = 1
    data[0] = 1  # the user's own array stays writable


def test_constants_of_strided_arrays() -> None:
    matrix = np.arange(6.0).reshape(2, 3)
    assert Constant(matrix.T) == Constant(np.ascontiguousarray(matrix.T))
    assert Constant(matrix.T) != Constant(matrix.reshape(3, 2))


def test_attrs_are_a_mapping() -> None:
    attrs = Attrs(axis=1, mode="add")
    assert dict(attrs) == {"axis": 1, "mode": "add"}
    assert attrs.get("nothing") is None


def test_nodes_may_be_made_for_a_line_written_earlier() -> None:
    earlier = Site("/somewhere/model.py", 7, "layer")
    with made_at(earlier):
        assert current_site() == earlier
        with made_at(Site("/other.py", 1)):
            assert current_site().line == 1
        assert current_site() == earlier
    assert current_site().file == __file__
