"""What each pass makes of small graphs, as text."""

from __future__ import annotations

import re
from types import ModuleType

import numpy as np
import pytest

from nervure import dtypes
from nervure.ir import Graph, Node, apply
from nervure.ir.parser import parse
from nervure.passes import (
    dead,
    fold,
    inline,
    layout,
    merge,
    pass_named,
    simplify,
)
from nervure.passes.simplify import SIMPLIFY
from nervure.prims import binary, movement, reduce, select, slicing, unary
from nervure.prims.annotate import custom_gradient, stop_gradient
from nervure.prims.leaf import const, full, full_like, input_leaf

F32, I32 = dtypes.float32, dtypes.int32


# --- the examples of the docstrings --------------------------------------------------


def examples(module: ModuleType) -> list[str]:
    """Return the graphs in the docstring of a pass: one before, one after."""
    found = re.findall(r"^    (graph \(.*?^    \}$)", module.__doc__ or "", re.M | re.S)
    return [re.sub(r"^    ", "", one, flags=re.M) + "\n" for one in found]


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("inline", inline),
        ("simplify", simplify),
        ("fold", fold),
        ("layout", layout),
        ("merge", merge),
        ("dead", dead),
    ],
)
def test_docstrings_show_what_passes_do(name: str, module: ModuleType) -> None:
    before, after = examples(module)
    graph = parse(before)
    assert graph.to_text(sites=False) == before
    assert pass_named(name).run(graph).to_text(sites=False) == after


# --- simplification ------------------------------------------------------------------


def leaf(*shape: int, dtype: dtypes.DType = F32) -> Node:
    return input_leaf(shape, dtype, "x")


def simplified(node: Node) -> Node:
    (result,) = SIMPLIFY.run(Graph([node])).outputs
    return result


X, Y = leaf(2, 3), leaf(2, 3)
N, B = leaf(2, 3, dtype=I32), leaf(2, 3, dtype=dtypes.bool_)
H, L = leaf(2, 3, dtype=dtypes.float16), leaf(2, 3, dtype=dtypes.int64)
U = leaf(2, 3, dtype=dtypes.uint8)
V = leaf(6)
S = leaf()
ONE_ROW = leaf(1, 3)


def number(value: float, like: Node = X) -> Node:
    return full_like(like, value)


def moved(x: Node, *axes: int) -> Node:
    return movement.transpose(x, axes)


def sliced(x: Node, *bounds: tuple[int, int, int]) -> Node:
    return slicing.slice_(x, *zip(*bounds, strict=True))


SIMPLER = {
    # movements
    "transpose twice": (moved(moved(X, 1, 0), 1, 0), X),
    "transposes": (moved(moved(leaf(2, 3, 4), 1, 2, 0), 1, 2, 0), None),
    "reshapes": (movement.reshape(movement.reshape(X, (6,)), (3, 2)),
                 movement.reshape(X, (3, 2))),
    "reshape back": (movement.reshape(movement.reshape(X, (6,)), (2, 3)), X),
    "broadcasts": (
        movement.broadcast(movement.broadcast(V, (2, 6), (1,)), (2, 4, 6), (0, 2)),
        movement.broadcast(V, (2, 4, 6), (2,)),
    ),
    "reverses": (movement.reverse(movement.reverse(X, (0, 1)), (1,)),
                 movement.reverse(X, (0,))),
    "reverse of one": (movement.reverse(ONE_ROW, (0,)), ONE_ROW),
    "slices": (
        sliced(sliced(V, (1, 6, 2)), (1, 3, 1)), sliced(V, (3, 6, 2)),
    ),
    "slice of a pad": (
        sliced(slicing.pad(V, (2,), (3,)), (3, 8, 2)), sliced(V, (1, 6, 2)),
    ),
    "pads": (
        slicing.pad(slicing.pad(V, (2,), (0,)), (1,), (3,)),
        slicing.pad(V, (3,), (3,)),
    ),
    "transpose of a broadcast": (
        moved(movement.broadcast(V, (4, 6), (1,)), 1, 0),
        movement.broadcast(V, (6, 4), (0,)),
    ),
    "reshape of a number": (movement.reshape(number(2.0), (6,)), full((6,), 2.0, F32)),
    "pad with the number": (
        slicing.pad(number(0.0), (1, 0), (0, 0)), full((3, 3), 0.0, F32),
    ),
    "concatenation of one": (movement.concatenate([X], 0), X),
    "concatenation of nothing": (movement.concatenate([X, leaf(0, 3)], 0), X),
    "concatenation of neighbours": (
        movement.concatenate([sliced(V, (1, 3, 1)), sliced(V, (3, 5, 1))], 0),
        sliced(V, (1, 5, 1)),
    ),
    # arithmetic
    "negation": (unary.neg(unary.neg(X)), X),
    "not": (unary.not_(unary.not_(B)), B),
    "absolute": (unary.abs_(unary.neg(X)), unary.abs_(X)),
    "rounded": (unary.round_(unary.floor(X)), unary.floor(X)),
    "times one": (binary.mul(number(1.0), X), X),
    "over one": (binary.div(X, number(1.0)), X),
    "to the power of one": (binary.pow_(X, number(1.0)), X),
    "plus negative zero": (binary.add(X, number(-0.0)), X),
    "minus zero": (binary.sub(X, number(0.0)), X),
    "integer plus zero": (binary.add(number(0, N), N), N),
    "integer times zero": (binary.mul(N, number(0, N)), number(0, N)),
    "integer minus itself": (binary.sub(N, N), number(0, N)),
    "integer equals itself": (binary.eq(N, N), number(True, B)),
    "less than itself": (binary.lt(X, X), number(False, B)),
    "maximum of one": (binary.maximum(X, X), X),
    "no lower bound": (binary.maximum(X, number(-np.inf)), X),
    "no upper bound": (binary.minimum(number(np.inf), X), X),
    "and true": (binary.and_(B, number(True, B)), B),
    "and false": (binary.and_(B, number(False, B)), number(False, B)),
    "or all bits": (binary.or_(N, number(-1, N)), number(-1, N)),
    "shift by nothing": (binary.shift_left(N, number(0, N)), N),
    "plus negative": (binary.add(unary.neg(X), Y), binary.sub(Y, X)),
    "minus negative": (binary.sub(X, unary.neg(Y)), binary.add(X, Y)),
    "two signs": (binary.div(unary.neg(X), unary.neg(Y)), binary.div(X, Y)),
    "power of two": (binary.div(X, number(-8.0)), binary.mul(X, number(-0.125))),
    # choices, conversions, reductions, notes
    "equal choices": (select.select(B, X, X), X),
    "known choice": (select.select(number(False, B), X, Y), Y),
    "opposite": (select.select(unary.not_(B), X, Y), select.select(B, Y, X)),
    "truth": (select.select(B, number(False, B), number(True, B)), unary.not_(B)),
    "same type": (apply(select.CAST, X, dtype=F32), X),
    "there and back": (select.cast(select.cast(H, F32), dtypes.float16), H),
    "wider": (select.cast(select.cast(H, F32), dtypes.float64),
              select.cast(H, dtypes.float64)),
    "wider integers": (select.cast(select.cast(N, dtypes.int64), dtypes.uint8),
                       select.cast(N, dtypes.uint8)),
    "truth as a number": (select.cast(select.cast(B, F32), I32), select.cast(B, I32)),
    "bits": (select.bitcast(select.bitcast(X, dtypes.uint32), F32), X),
    "maximum of single elements": (
        reduce.reduce_max(ONE_ROW, (0,)), movement.reshape(ONE_ROW, (3,)),
    ),
    "integer sum of single elements": (
        reduce.reduce_sum(leaf(1, dtype=I32), (0,)), None,
    ),
    "maximum of equals": (
        reduce.reduce_max(movement.broadcast(V, (4, 6), (1,)), (0,)), V,
    ),
    "stop_gradient": (stop_gradient(X), X),
    "custom_gradient": (custom_gradient(X, [Y], lambda _, g: (g,)), X),
}  # fmt: skip


@pytest.mark.parametrize("name", SIMPLER)
def test_simplified(name: str) -> None:
    complicated, simple = SIMPLER[name]
    result = simplified(complicated)
    assert result is not complicated
    if simple is not None:
        assert result is simple, Graph([result]).to_text(sites=False)


# What would change a -0.0, an infinity, a NaN or the last bit, and the reason.
UNSAFE = {
    "-0.0 + 0.0 is 0.0": binary.add(X, number(0.0)),
    "-0.0 - -0.0 is 0.0": binary.sub(X, number(-0.0)),
    "inf * 0.0 is NaN": binary.mul(X, number(0.0)),
    "inf - inf is NaN": binary.sub(X, X),
    "NaN is not NaN": binary.eq(X, X),
    "NaN is not at most NaN": binary.le(X, X),
    "a bound that keeps products apart": binary.minimum(
        X, number(float(np.finfo(F32).max))
    ),
    "rounded twice": binary.mul(binary.mul(X, number(3.0)), number(5.0)),
    "added in another order": binary.add(binary.add(X, number(3.0)), number(5.0)),
    "-0.0 alone adds up to 0.0": reduce.reduce_sum(ONE_ROW, (0,)),
    "-(x - y) has another zero": unary.neg(binary.sub(X, Y)),
    "a third is not exact": binary.div(X, number(3.0)),
    "the reciprocal is not normal": binary.div(X, number(2.0**127)),
    "0 / 0": binary.div(X, number(0.0)),
    "-128 / -1": binary.div(unary.neg(N), unary.neg(leaf(2, 3, dtype=I32))),
    "an unsigned sign": unary.abs_(unary.neg(U)),
    "rounded on the way": select.cast(select.cast(X, dtypes.float16), F32),
    "wraps around, or clips": select.cast(
        select.cast(N, dtypes.float64), dtypes.int8
    ),
    "not exact": select.cast(select.cast(L, dtypes.float64), F32),
    "what was cut off": slicing.pad(
        slicing.pad(V, (-1,), (0,)), (1,), (0,)
    ),
    "another number": slicing.pad(slicing.pad(V, (1,), (0,)), (1,), (0,), value=2),
    "some of the padding": sliced(slicing.pad(V, (2,), (3,)), (1, 8, 1)),
    "not neighbours": movement.concatenate(
        [sliced(V, (1, 3, 1)), sliced(V, (4, 5, 1))], 0
    ),
    "other columns": moved(movement.broadcast(X, (2, 4, 3), (0, 2)), 2, 1, 0),
}  # fmt: skip


@pytest.mark.parametrize("why", UNSAFE)
def test_left_as_it_is(why: str) -> None:
    node = UNSAFE[why]
    assert simplified(node) is node, Graph([simplified(node)]).to_text(sites=False)


# --- folding -------------------------------------------------------------------------


def folded(node: Node) -> Node:
    (result,) = pass_named("fold").run(Graph([node])).outputs
    return result


def test_numbers_and_movements_of_constants_are_folded() -> None:
    whole = const(np.arange(6, dtype=np.int32).reshape(2, 3))
    assert folded(reduce.reduce_sum(whole, (1,))) is const([3, 12], I32)
    assert folded(moved(whole, 1, 0)) is const([[0, 3], [1, 4], [2, 5]], I32)
    assert folded(binary.lt(number(1.0), number(2.0))) is full((2, 3), True, B.dtype)
    assert folded(unary.sqrt(number(4.0))) is number(2.0)


def test_last_bits_are_left_to_the_executor() -> None:
    for node in (
        unary.exp(number(1.0)),
        binary.pow_(number(2.0), number(0.5)),
        reduce.reduce_sum(const([0.1, 0.2, 0.3], F32), (0,)),
    ):
        assert folded(node) is node


def test_constants_do_not_grow() -> None:
    long = const(np.arange(fold.LARGEST, dtype=np.int32))
    assert folded(unary.neg(long)) == unary.neg(long)
    assert folded(sliced(long, (0, 4, 2))) is const([0, 2], I32)
    wide = slicing.pad(const([1], I32), (0,), (fold.LARGEST,))
    assert folded(wide) is wide
    # one number, however often it is repeated
    repeated = full((1000, 1000), 3, I32)
    assert folded(unary.neg(repeated)) is full((1000, 1000), -3, I32)


# --- layout --------------------------------------------------------------------------


def laid_out(*nodes: Node) -> tuple[Node, ...]:
    return pass_named("layout").run(Graph(nodes)).outputs


def test_what_others_see_keeps_its_layout() -> None:
    column = movement.reshape(V, (6, 1))
    between = unary.tanh(column)
    back = movement.reshape(between, (6,))
    assert laid_out(back) == (unary.tanh(V),)
    assert laid_out(back, between) == (back, between)  # somebody looks at it
    other = binary.add(between, leaf(6, 1))  # it needs the layout
    assert laid_out(movement.reshape(other, (6,)))[0].op.name == "reshape"


def test_regions_behind_each_other() -> None:
    x = leaf(2, 3)
    y = unary.exp(moved(unary.tanh(moved(x, 1, 0)), 1, 0))
    z = moved(unary.sin(moved(y, 1, 0)), 1, 0)
    assert laid_out(z) == (unary.sin(unary.exp(unary.tanh(x))),)


def test_axes_of_a_dot_keep_their_order() -> None:
    from nervure.prims.contract import dot

    x, w = leaf(2, 3, 4), leaf(4, 5)
    kept = dot(moved(x, 0, 2, 1), w, ((), ()), ((1,), (0,)))
    assert laid_out(kept) == (dot(x, w, ((), ()), ((2,), (0,))),)
    turned = dot(moved(x, 1, 0, 2), w, ((), ()), ((2,), (0,)))
    assert laid_out(turned) == (turned,)
