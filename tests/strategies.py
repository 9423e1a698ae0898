"""Hypothesis strategies for graphs, made from the registry of primitives.

``random_graphs`` grows a graph step by step: a step takes values that are there, or new
leaves, and applies a primitive to them.  Elementwise primitives, and all others with
the attributes of their samples, come from the registry, so a new primitive takes part
at once; for movement, reductions and ``dot`` the attributes are drawn.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

import nervure.prims  # noqa: F401 - registers the primitives
from nervure import dtypes
from nervure.dtypes import DType
from nervure.errors import NervureError
from nervure.ir.attrs import Attrs, Constant, NDArray
from nervure.ir.build import apply
from nervure.ir.graph import Graph
from nervure.ir.node import Node, Shape, interned_count, scope
from nervure.ir.primitive import Fusion, Primitive, Sample, primitives
from nervure.ir.record import is_record
from nervure.prims import contract, leaf, movement, reduce, select, slicing
from nervure.prims.control import part

# A deadline would fail on a busy machine what passes on an idle one.
settings.register_profile("nervure", deadline=None)
settings.load_profile("nervure")

LARGEST = 256  # elements of one value
_SPECIAL = (0.0, -0.0, 1.0, -1.5, 1e-8, 1e30, np.inf, -np.inf, np.nan)

names = st.text(max_size=6)
layers = st.sampled_from(["", "", "dense", "block/conv", "it's", 'a "b"\\', "größe\n"])


def shapes(rank: int = 3, size: int = 4) -> st.SearchStrategy[Shape]:
    """Shapes of up to ``rank`` axes of up to ``size``, scalars and empty ones too."""
    return st.lists(st.integers(0, size), max_size=rank).map(tuple)


def arrays(dtype: DType, shape: Shape) -> st.SearchStrategy[NDArray]:
    """Arrays of small numbers and, for floating-point types, special ones."""
    element: st.SearchStrategy[object]
    if dtypes.is_bool(dtype):
        element = st.booleans()
    elif dtypes.is_integer(dtype):
        bounds = np.iinfo(dtype)
        extremes = st.sampled_from([bounds.min, bounds.max])
        element = st.integers(max(bounds.min, -9), 9) | extremes
    else:
        element = st.sampled_from(_SPECIAL) | st.floats(-9, 9, width=16)
    count = int(np.prod(shape))

    def array(values: list[object]) -> NDArray:
        with np.errstate(all="ignore"):
            return np.array(values).astype(dtype).reshape(shape)

    return st.lists(element, min_size=count, max_size=count).map(array)


class _Growth:
    """A graph that is being grown: the values so far, and how to add one."""

    def __init__(self, draw: st.DrawFn, allowed: Sequence[DType], buffers: bool):
        self.draw = draw
        self.allowed = allowed
        self.buffers = buffers
        self.values: list[Node] = []
        self.random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))

    def one_of(self, values: Sequence[Node]) -> Node:
        # counted from the end, so that what is drawn most often makes deep graphs
        return values[-1 - self.draw(st.integers(0, len(values) - 1))]

    def dtype(self) -> DType:
        return self.draw(st.sampled_from(self.allowed))

    def new_leaf(self, shape: Shape, dtype: DType) -> Node:
        kinds = ["input", "input", "const"]
        kinds += ["buffer"] if self.buffers else []
        kinds += ["iota"] if shape and dtypes.is_number(dtype) else []
        kind = self.draw(st.sampled_from(kinds))
        if kind == "input":
            node = leaf.input_leaf(shape, dtype, self.draw(names))
        elif kind == "iota":
            axis = self.draw(st.integers(0, len(shape) - 1))
            node = leaf.iota(shape, axis, dtype)
        elif kind == "buffer":
            value = self.draw(arrays(dtype, shape))
            is_parameter = dtypes.is_float(dtype) and self.draw(st.booleans())
            node = leaf.buffer_leaf(value, self.draw(names), is_parameter)
        else:
            node = leaf.const(self.draw(arrays(dtype, shape)))
        self.values.append(node)
        return node

    def operand(self, shape: Shape, dtype: DType) -> Node:
        """Return a value of this type, a new leaf if there is none (or at times)."""
        fitting = [n for n in self.values if n.shape == shape and n.dtype == dtype]
        reuse: int = self.draw(st.integers(0, 3))
        if fitting and reuse:
            return self.one_of(fitting)
        return self.new_leaf(shape, dtype)

    def sample_of(self, op: Primitive, dtype: DType) -> Sample | None:
        samples = op.samples(dtype, self.random)
        if not samples:
            return None
        return samples[self.draw(st.integers(0, len(samples) - 1))]

    # the steps; each returns a node or None when it finds nothing to do

    def leaf_step(self) -> Node | None:
        return self.new_leaf(self.draw(shapes()), self.dtype())

    def elementwise_step(self) -> Node | None:
        """Apply a primitive to operands of the types of a sample, in another shape."""
        x = self.one_of(self.values)
        fitting = [
            op
            for op in primitives()
            if op.fusion is Fusion.ELEMENTWISE and x.dtype in op.dtypes
        ]
        op = self.draw(st.sampled_from(fitting))
        sample = self.sample_of(op, x.dtype)
        if sample is None or "shape" in sample.attrs:
            return None
        # An operand of the type of x is often x or its like, so that values get reused.
        operands = [self.operand(x.shape, array.dtype) for array in sample.inputs]
        return apply(op, *operands, **sample.attrs)

    def sample_step(self) -> Node | None:
        """Apply any primitive as in one of its samples."""
        fitting = [op for op in primitives() if set(op.dtypes) & set(self.allowed)]
        op = self.draw(st.sampled_from(fitting))
        both = [dtype for dtype in self.allowed if dtype in op.dtypes]
        sample = self.sample_of(op, self.draw(st.sampled_from(both)))
        if sample is None:
            return None
        operands = []
        for array in sample.inputs:
            if not self.buffers and array.dtype not in self.allowed:
                return None
            operands.append(self.operand(array.shape, array.dtype))
        node = apply(op, *operands, **sample.attrs)
        return part(node, sample.result) if is_record(node.dtype) else node

    def cast_step(self) -> Node | None:
        return select.cast(self.one_of(self.values), self.dtype())

    def move_step(self) -> Node | None:
        x = self.one_of(self.values)
        move = self.draw(st.sampled_from(_MOVES))
        return move(self.draw, x)

    def concatenate_step(self) -> Node | None:
        x = self.one_of(self.values)
        if not x.shape:
            return None
        axis = self.draw(st.integers(0, len(x.shape) - 1))
        like = [
            n
            for n in self.values
            if n.dtype == x.dtype
            and len(n.shape) == len(x.shape)
            and all(n.shape[i] == x.shape[i] for i in range(len(x.shape)) if i != axis)
        ]
        others = [self.one_of(like) for _ in range(self.draw(st.integers(0, 2)))]
        return movement.concatenate([x, *others], axis)

    def reduce_step(self) -> Node | None:
        x = self.one_of(self.values)
        axes = [i for i in range(len(x.shape)) if self.draw(st.booleans())]
        function = self.draw(
            st.sampled_from(
                [
                    reduce.reduce_sum,
                    reduce.reduce_prod,
                    reduce.reduce_max,
                    reduce.reduce_min,
                ]
            )
        )
        return function(x, axes)

    def dot_step(self) -> Node | None:
        x = self.one_of(self.values)
        y = self.one_of([node for node in self.values if node.dtype == x.dtype])
        pairs = [
            (i, j)
            for i, extent in enumerate(x.shape)
            for j, other in enumerate(y.shape)
            if extent == other
        ]
        roles = self.draw(st.permutations(pairs)) if pairs else []
        batch: list[tuple[int, int]] = []
        inner: list[tuple[int, int]] = []
        for i, j in roles:
            used = batch + inner
            if any(i == first or j == second for first, second in used):
                continue
            role = self.draw(st.sampled_from(["batch", "contract", "contract", "free"]))
            if role != "free":
                (batch if role == "batch" else inner).append((i, j))
        return contract.dot(x, y, _axis_lists(batch), _axis_lists(inner))

    def step(self) -> None:
        """Add a value, or nothing if what was drawn does not fit."""
        steps: list[Callable[[], Node | None]] = [
            self.leaf_step,
            self.elementwise_step,
            self.elementwise_step,
            self.elementwise_step,
            self.sample_step,
            self.cast_step,
            self.move_step,
            self.move_step,
            self.concatenate_step,
            self.reduce_step,
            self.dot_step,
        ]
        place = self.draw(st.integers(0, len(steps) - 1))
        layer = self.draw(layers)
        try:
            if layer:
                with scope(layer):
                    node = steps[place]()
            else:
                node = steps[place]()
        except NervureError:
            return
        if node is not None and node.size <= LARGEST and len(node.shape) <= 6:
            self.values.append(node)


def _axis_lists(pairs: list[tuple[int, int]]) -> tuple[list[int], list[int]]:
    return [i for i, _ in pairs], [j for _, j in pairs]


# --- movement ------------------------------------------------------------------------


def _reshaped(draw: st.DrawFn, x: Node) -> Node:
    rest, shape = x.size, []
    if rest == 0:
        return movement.reshape(x, draw(st.permutations([0, *draw(shapes(2))])))
    while rest > 1:
        factors = [n for n in range(2, rest + 1) if rest % n == 0]
        factor = draw(st.sampled_from(factors))
        shape.append(factor)
        rest //= factor
    ones = [1] * draw(st.integers(0, 1))
    return movement.reshape(x, [*shape, *ones])


def _transposed(draw: st.DrawFn, x: Node) -> Node:
    return movement.transpose(x, draw(st.permutations(range(len(x.shape)))))


def _broadcast(draw: st.DrawFn, x: Node) -> Node:
    shape = list(x.shape)
    axes = list(range(len(shape)))
    for _ in range(draw(st.integers(1, 2))):
        place = draw(st.integers(0, len(shape)))
        shape.insert(place, draw(st.integers(0, 3)))
        axes = [axis + (axis >= place) for axis in axes]
    return movement.broadcast(x, shape, axes)


def _sliced(draw: st.DrawFn, x: Node) -> Node:
    start, stop, step = [], [], []
    for extent in x.shape:
        first = draw(st.integers(0, extent))
        start.append(first)
        stop.append(draw(st.integers(first, extent)))
        step.append(draw(st.integers(1, 3)))
    return slicing.slice_(x, start, stop, step)


def _padded(draw: st.DrawFn, x: Node) -> Node:
    count = len(x.shape)
    amounts = st.lists(st.integers(-1, 2), min_size=count, max_size=count)
    inner = st.lists(st.integers(0, 2), min_size=count, max_size=count)
    value = draw(st.integers(0, 1))
    return slicing.pad(x, draw(amounts), draw(amounts), draw(inner), value)


def _reversed(draw: st.DrawFn, x: Node) -> Node:
    axes = [axis for axis in range(len(x.shape)) if draw(st.booleans())]
    return movement.reverse(x, axes)


_MOVES = [_reshaped, _transposed, _broadcast, _sliced, _padded, _reversed]


# --- graphs --------------------------------------------------------------------------


@st.composite
def random_graphs(
    draw: st.DrawFn,
    *,
    steps: int = 12,
    allowed: Sequence[DType] = dtypes.ALL,
    buffers: bool = True,
) -> Graph:
    """Well-formed graphs of up to about ``2 * steps`` nodes.

    Parameters
    ----------
    steps
        How often, at most, a primitive is applied.
    allowed
        The data types of leaves and casts.  Primitives with results of other types
        (comparisons, ``argmax``) and samples with indices may add those.
    buffers
        Whether there may be leaves that hold data.

    The inputs are listed in any order and need not be used.
    """
    growth = _Growth(draw, allowed, buffers)
    growth.leaf_step()
    for _ in range(draw(st.integers(1, steps))):
        growth.step()
    used = {operand for node in growth.values for operand in node.inputs}
    outputs = [node for node in dict.fromkeys(growth.values) if node not in used]
    outputs += [growth.one_of(growth.values) for _ in range(draw(st.integers(0, 1)))]
    graph = Graph(outputs)
    if draw(st.booleans()):
        return graph
    listed = [node for node in growth.values if node.op.name == "input"]
    order = draw(st.permutations(list(dict.fromkeys(listed))))
    return Graph(graph.outputs, order)


def attr_values() -> st.SearchStrategy[object]:
    """Values that an attribute may have."""
    truths = st.booleans()
    plain = st.none() | st.integers() | names | st.sampled_from(dtypes.ALL)
    constant = st.sampled_from(dtypes.ALL).flatmap(
        lambda dtype: shapes(2, 3).flatmap(
            lambda shape: arrays(dtype, shape).map(Constant)
        )
    )
    element = plain | constant
    nested = st.recursive(element, lambda inner: st.lists(inner, max_size=3).map(tuple))
    return truths | nested


def attrs_of(**values: object) -> Attrs:
    """Return attributes that hold anything at all, for tests of malformed nodes."""
    return Attrs(values)  # type: ignore[arg-type]


def living() -> int:
    """Return how many nodes are alive, not counting garbage of earlier tests."""
    gc.collect()
    return interned_count()
