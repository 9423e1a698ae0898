"""Long sums with few results: several threads each make a part of every sum.

The sum is cut into parts of fixed length, whose partial results are added by a second
kernel in a fixed order.  How many parts there are depends on the shapes alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from nervure.exec.cpu.expressions import is_floating
from nervure.exec.cpu.gemm_problem import Layout, Matrix, Problem
from nervure.exec.cpu.gemm_results import Epilogue
from nervure.exec.cpu.gemm_tile import computed_dtype, narrowed
from nervure.exec.cpu.kernel import KernelBuilder, KernelCall, Scratch
from nervure.exec.cpu.llvm import Value
from nervure.exec.cpu.maps import GroupReader, Nest, Row, Stream
from nervure.exec.cpu.target import Target
from nervure.exec.cpu.views import contiguous_strides
from nervure.ir.node import Node

# With fewer units than this, and enough to do, the sum is cut.
ENOUGH_UNITS: Final = 8
WORTH_CUTTING: Final = 1e6  # multiplications
SHORTEST_PART: Final = 512


def parts_wanted(problem: Problem, units: int) -> int:
    """Return into how many parts the sum is to be cut."""
    if units >= ENOUGH_UNITS or problem.products < WORTH_CUTTING:
        return 1
    return max(1, min(-(-ENOUGH_UNITS // units), problem.k // SHORTEST_PART))


def cut_sum(problem: Problem, parts: int) -> Problem:
    """Return a problem that makes ``parts`` partial sums, along a first batch axis."""
    chunk = -(-problem.k // parts)
    chunk += chunk % 2  # bfloat16 may be multiplied in pairs
    parts = -(-problem.k // chunk)
    size = problem.m * problem.n
    for extent in problem.batch:
        size *= extent

    def cut(matrix: Matrix, stride: int) -> Matrix:
        return replace(matrix, batch=(chunk * stride, *matrix.batch))

    return replace(
        problem,
        batch=(parts, *problem.batch),
        x=cut(problem.x, problem.x.columns),
        y=cut(problem.y, problem.y.rows),
        layouts=tuple(
            Layout((size, *one.batch), one.row, one.column) for one in problem.layouts
        ),
        chunk=chunk,
    )


class Partials(Epilogue):
    """Stores sums as they are, to be added to others later."""

    def __init__(self, node: Node) -> None:
        super().__init__(node, [], [node], {})
        self.dtype = computed_dtype(node.dtype)

    def streams(
        self, b: KernelBuilder, pointers: Mapping[Node, Value]
    ) -> tuple[GroupReader | None, list[Stream]]:
        """Return the one stream: the first partial result."""
        node = self.value
        strides = contiguous_strides(node.shape)
        return None, [Stream(pointers.get(node), self.dtype, 0, strides)]


def add_parts(
    node: Node, epilogue: Epilogue, scratch: Scratch, parts: int, target: Target
) -> KernelCall:
    """Return the kernel that adds partial sums and does away with the totals."""
    roots, outputs = epilogue.roots, epilogue.outputs
    b = KernelBuilder("dot_add", target, 1 + len(roots) + len(outputs))
    pointers = dict(zip([*roots, *outputs], b.operands[1:], strict=True))
    epilogue.allow_aliases(b, pointers)
    reader, others = epilogue.streams(b, pointers)
    strides = epilogue.strides_of(node)
    dtype = computed_dtype(node.dtype)
    partial = [
        Stream(b.operands[0], dtype, part * node.size, strides) for part in range(parts)
    ]
    lanes = target.vector_bytes // max(dtype.itemsize, 4)
    nest = Nest(b, epilogue.value.shape, [*others, *partial], lanes)

    def body(row: Row, column: Value, lanes: int, active: int) -> None:
        total = row.load(len(others), column, lanes, active)
        op = "fadd" if is_floating(total) else "add"
        for part in range(1, parts):
            one = row.load(len(others) + part, column, lanes, active)
            total = b.binary(op, total, one)
        values = {epilogue.value: narrowed(b, total, node.dtype)}
        if reader is not None:
            values = reader.values(row, column, lanes, active, values)
        first = len(others) - len(outputs)
        for place, output in enumerate(outputs):
            row.store(first + place, column, values[output], lanes, active)

    nest.emit(body)
    kernel = b.finish(nest.units, epilogue.cost + float(parts * node.size))
    return KernelCall(kernel, (scratch, *roots), tuple(outputs))
