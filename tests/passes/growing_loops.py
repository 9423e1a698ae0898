"""Random loops, branches and calls: with values that nobody reads, and given twice."""

from __future__ import annotations

import numpy as np

from nervure import dtypes
from nervure.ir import Graph, Node
from nervure.ir.bodies import closed
from nervure.prims.binary import add, lt, mul, sub
from nervure.prims.control import call, cond, part
from nervure.prims.leaf import full, input_leaf
from nervure.prims.movement import broadcast
from nervure.prims.scan import scan
from nervure.prims.unary import neg, tanh
from nervure.prims.while_loop import while_loop

F32 = dtypes.float32
SHAPE = (3,)


class Loops:
    """A graph with bodies that is grown from random numbers."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.inputs: list[Node] = []
        self.values = [self.leaf() for _ in range(3)]

    def leaf(self, *front: int, dtype: dtypes.DType = F32) -> Node:
        node = input_leaf((*front, *(SHAPE if dtype == F32 else ())), dtype)
        self.inputs.append(node)
        return node

    def pick(self, values: list[Node], count: int) -> list[Node]:
        """Return some of the values, the same one more than once at times."""
        places = self.random.integers(len(values), size=count)
        return [values[int(place)] for place in places]

    def body(self, leaves: list[Node], count: int) -> list[Node]:
        """Return results of a body: some equal, some its inputs, some constant."""
        values = [*leaves, broadcast(full((), 0.5, F32), SHAPE, ())]
        for _ in range(int(self.random.integers(1, 8))):
            x, y = self.pick(values, 2)
            kind = int(self.random.integers(5))
            values.append((tanh(x), neg(x), add(x, y), mul(x, y), sub(x, y))[kind])
        return self.pick(values, count)

    def number(self, low: int, high: int) -> int:
        return int(self.random.integers(low, high + 1))

    def scan(self) -> Node:
        carry, consts, stacks = (self.number(0, 3) for _ in range(3))
        slices = self.number(0, 2)
        length = self.number(0, 3)
        stacks = max(stacks, 1 - carry)
        rows = [self.leaf(length) for _ in range(2)]
        leaves = [input_leaf(SHAPE, F32) for _ in range(carry + consts + slices)]
        body = closed(self.body(leaves, carry + stacks), leaves)
        operands = [*self.pick(self.values, carry + consts), *self.pick(rows, slices)]
        return scan(body, operands, carry, consts, length, bool(self.number(0, 1)))

    def while_loop(self) -> Node:
        state, consts = self.number(1, 3), self.number(0, 2)
        n = input_leaf((), dtypes.int32)
        leaves = [input_leaf(SHAPE, F32) for _ in range(state + consts)]
        below = add(n, full((), -1, dtypes.int32))
        inputs = [n, *leaves]
        condition = closed([lt(full((), 0, dtypes.int32), n)], inputs)
        body = closed([below, *self.body(leaves, state)], inputs)
        start = full((), self.number(0, 3), dtypes.int32)
        operands = [start, *self.pick(self.values, state + consts)]
        bound = [None, 0, 2][self.number(0, 2)]
        return while_loop(condition, body, operands, state + 1, bound)

    def cond(self) -> Node:
        count, results = self.number(0, 3), self.number(1, 3)
        leaves = [input_leaf(SHAPE, F32) for _ in range(count)]
        branches = [closed(self.body(leaves, results), leaves) for _ in range(3)]
        known = full((), self.number(-1, 4), dtypes.int32)
        index = known if self.number(0, 1) else self.leaf(dtype=dtypes.int32)
        return cond(index, branches, self.pick(self.values, count))

    def call(self) -> Node:
        count, results = self.number(0, 3), self.number(1, 3)
        leaves = [input_leaf(SHAPE, F32) for _ in range(count)]
        body = closed(self.body(leaves, results), leaves)
        return call(body, self.pick(self.values, count), "composite")

    def graph(self) -> Graph:
        """Return a graph of a few operations with bodies, one after another."""
        outputs: list[Node] = []
        for _ in range(self.number(1, 4)):
            kinds = (self.scan, self.scan, self.while_loop, self.cond, self.call)
            record = kinds[self.number(0, 4)]()
            count = len(record.dtype.names or ())
            for place in range(count):
                if self.number(0, 2):
                    result = part(record, place)
                    outputs.append(result)
                    if result.shape == SHAPE and result.dtype == F32:
                        self.values.append(result)
        return Graph([*outputs, *self.pick(self.values, 1)], self.inputs)
