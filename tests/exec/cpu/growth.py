"""Deep random graphs, fast: a few shapes, most nodes used again, all kinds of fusion.

The strategies of ``tests/strategies.py`` cover every attribute on small graphs; these
graphs of dozens of nodes are for what happens between nodes: groups, phases, views,
values that share memory.  A graph is a function of its seed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from nervure import dtypes
from nervure.dtypes import DType
from nervure.errors import NervureError
from nervure.ir import Graph, Node, apply
from nervure.ir.primitive import Fusion, Primitive, primitives
from nervure.prims import contract, leaf, movement, reduce, slicing

SHAPES = [(), (1,), (5,), (33,), (3, 4), (2, 17), (4, 3), (3, 4, 5), (2, 1, 7)]
LARGE = [(128, 100), (100, 128), (9000,), (3, 5000), (1, 1)]


class Growth:
    """A graph that is being grown from random numbers."""

    def __init__(self, seed: int, allowed: Sequence[DType], large: bool) -> None:
        self.random = np.random.default_rng(seed)
        self.allowed = list(allowed)
        self.shapes = LARGE if large else SHAPES
        self.values: list[Node] = []
        self.elementwise = [
            op
            for op in primitives()
            if op.fusion is Fusion.ELEMENTWISE and op.name != "random_bits"
            and set(op.dtypes) & set(allowed)
        ]  # fmt: skip

    def pick(self, values: Sequence[object]) -> object:
        return values[int(self.random.integers(len(values)))]

    def value(self) -> Node:
        """Return a value, more often a late one."""
        place = int(len(self.values) * self.random.power(2))
        return self.values[min(place, len(self.values) - 1)]

    def leaf(self, shape: tuple[int, ...], dtype: DType) -> Node:
        kind = self.random.random()
        if kind < 0.15:
            node = leaf.full(shape, int(self.random.integers(0, 3)), dtype)
        elif kind < 0.2 and np.prod(shape) < 1000:
            value = self.random.integers(0, 3, shape).astype(dtype)
            node = leaf.const(value) if kind < 0.175 else leaf.buffer_leaf(value)
        elif kind < 0.3 and shape and dtypes.is_number(dtype):
            node = leaf.iota(shape, int(self.random.integers(len(shape))), dtype)
        else:
            node = leaf.input_leaf(shape, dtype, f"x{len(self.values)}")
        self.values.append(node)
        return node

    def like(self, shape: tuple[int, ...], dtype: DType) -> Node:
        """Return a value of this type: one that is there, or a transposed one, ..."""
        fitting = [n for n in self.values if (n.shape, n.dtype) == (shape, dtype)]
        if fitting and self.random.random() < 0.9:
            return self.pick(fitting)  # type: ignore[return-value]
        turned = [n for n in self.values
                  if (n.shape[::-1], n.dtype) == (shape, dtype)]  # fmt: skip
        if turned and self.random.random() < 0.7:
            found: Node = self.pick(turned)  # type: ignore[assignment]
            return movement.transpose(found, range(len(shape))[::-1])
        parts = [
            n
            for n in self.values
            if n.dtype == dtype
            and len(n.shape) < len(shape)
            and n.shape == shape[len(shape) - len(n.shape) :]
        ]
        if parts and self.random.random() < 0.8:
            part: Node = self.pick(parts)  # type: ignore[assignment]
            skipped = len(shape) - len(part.shape)
            return movement.broadcast(part, shape, range(skipped, len(shape)))
        return self.leaf(shape, dtype)

    def apply_elementwise(self) -> Node | None:
        x = self.value()
        fitting = [op for op in self.elementwise if x.dtype in op.dtypes]
        op: Primitive = self.pick(fitting)  # type: ignore[assignment]
        samples = op.samples(x.dtype, self.random)
        if not samples or "shape" in samples[0].attrs:
            return None
        attrs = dict(samples[int(self.random.integers(len(samples)))].attrs)
        if op.name == "cast":
            attrs = {"dtype": self.pick(self.allowed)}
        types = [array.dtype for array in samples[0].inputs]
        first = next((k for k, dtype in enumerate(types) if dtype == x.dtype), None)
        operands = [x if k == first else self.like(x.shape, dtype)
                    for k, dtype in enumerate(types)]  # fmt: skip
        return apply(op, *operands, **attrs)

    def move(self) -> Node | None:
        x = self.value()
        kind = int(self.random.integers(6))
        rank = len(x.shape)
        if kind == 0:
            return movement.transpose(x, self.random.permutation(rank).tolist())
        if kind == 1 and rank:
            return movement.reverse(x, [int(self.random.integers(rank))])
        if kind == 2:
            return movement.reshape(x, [x.size])
        if kind == 3 and rank > 1:
            return movement.reshape(x, x.shape[::-1])
        if kind == 4 and rank:
            start = [int(self.random.integers(extent)) for extent in x.shape]
            step = [int(self.random.integers(1, 3)) for _ in x.shape]
            return slicing.slice_(x, start, x.shape, step)
        return None

    def reduce(self) -> Node | None:
        x = self.value()
        if not x.shape:
            return None
        axes = [k for k in range(len(x.shape)) if self.random.random() < 0.6]
        function: Callable[..., Node] = self.pick([
            reduce.reduce_sum, reduce.reduce_sum, reduce.reduce_max, reduce.reduce_min,
            reduce.reduce_prod,
        ])  # type: ignore[assignment]  # fmt: skip
        result = function(x, axes)
        if self.random.random() < 0.7:
            kept = [k for k in range(len(x.shape)) if k not in axes]
            self.values.append(result)
            return movement.broadcast(result, x.shape, kept)
        return result

    def bits(self) -> Node | None:
        if dtypes.uint32 not in self.allowed:
            return None
        keys = [n for n in self.values if (n.shape, n.dtype) == ((2,), dtypes.uint32)]
        key = self.pick(keys) if keys else self.leaf((2,), dtypes.uint32)
        return leaf.random_bits(key, self.value().shape)  # type: ignore[arg-type]

    def product(self) -> Node | None:
        x = self.value()
        if len(x.shape) != 2 or x.size > 20_000:
            return None
        y = self.like((x.shape[1], int(self.random.integers(1, 20))), x.dtype)
        return contract.dot(x, y, ((), ()), ((1,), (0,)))

    def step(self) -> None:
        kinds: list[Callable[[], Node | None]] = [
            *[self.apply_elementwise] * 12, *[self.move] * 3, *[self.reduce] * 2,
            self.bits, self.product,
        ]  # fmt: skip
        kind: Callable[[], Node | None] = self.pick(kinds)  # type: ignore[assignment]
        try:
            node = kind()
        except NervureError:
            return
        if node is not None and node.size <= 40_000:
            self.values.append(node)

    def graph(self, steps: int) -> Graph:
        for _ in range(2):
            shape: tuple[int, ...] = self.pick(self.shapes)  # type: ignore[assignment]
            self.leaf(shape, self.pick(self.allowed))  # type: ignore[arg-type]
        while len(self.values) < steps:
            self.step()
        used = {operand for node in self.values for operand in node.inputs}
        outputs = [node for node in dict.fromkeys(self.values) if node not in used]
        outputs += [self.value() for _ in range(int(self.random.integers(0, 4)))]
        return Graph(outputs)


def deep_graph(
    seed: int, allowed: Sequence[DType], steps: int, large: bool = False
) -> Graph:
    """Return the graph of a seed, of about ``steps`` nodes and their leaves."""
    return Growth(seed, allowed, large).graph(steps)
