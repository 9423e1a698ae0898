"""Matrix products: how the primitive ``dot`` becomes kernels.

The product is brought into the form batch x M x K x N (``gemm_problem.py``).  Then it
is made by one of two kinds of kernel: tiles of outer products (``gemm_panels.py``, with
``gemm_blocking.py``, ``gemm_packing.py`` and ``gemm_tile.py``), or, for few rows whose
elements lie along the sum, inner products (``gemm_inner.py``).  A long sum with few
results is cut into parts first (``gemm_parts.py``).  An elementwise group that alone
reads the product is computed on the sums (``gemm_results.py``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from nervure.exec.cpu.expressions import is_floating
from nervure.exec.cpu.gemm_blocking import choose_blocking, element_bytes
from nervure.exec.cpu.gemm_inner import InnerLoops, suits_inner
from nervure.exec.cpu.gemm_panels import PanelLoops
from nervure.exec.cpu.gemm_parts import Partials, add_parts, cut_sum, parts_wanted
from nervure.exec.cpu.gemm_problem import (
    Materialise,
    Matrix,
    Operands,
    Problem,
    find_operands,
    make_problem,
    swapped,
)
from nervure.exec.cpu.gemm_results import Epilogue, Writer
from nervure.exec.cpu.gemm_tile import computed_dtype
from nervure.exec.cpu.kernel import KernelBuilder, KernelCall, Scratch, Slot
from nervure.exec.cpu.llvm import Value, element_of, lanes_of, vector_type
from nervure.exec.cpu.maps import Nest, Row, Stream
from nervure.exec.cpu.target import Target
from nervure.exec.cpu.views import contiguous_strides
from nervure.ir.node import Node

# Bytes between neighbours of a sum from which on they compete for cache lines.
CONFLICT: Final = 2048
CACHE_LINE: Final = 64


def lower_dot(
    node: Node,
    value: Node,
    group: Sequence[Node],
    outputs: Sequence[Node],
    target: Target,
    materialise: Materialise,
    over: Mapping[Node, Node] | None = None,
) -> list[KernelCall]:
    """Return the kernels of a ``dot`` and the group that is computed on its sums.

    ``value`` is what the group reads: the product or its transpose.  ``outputs`` are
    the nodes that need memory; ``over`` names for some the operand over which they may
    be written.
    """
    epilogue = Epilogue(value, group, outputs, over or {})
    operands = find_operands(node, target, materialise)
    problem = _problem(node, operands, epilogue, target)
    parts = parts_wanted(problem, _units(problem, target))
    if parts == 1:
        return _kernels(problem, epilogue, outputs, target)
    partials = Partials(node)
    problem = cut_sum(_problem(node, operands, partials, target), parts)
    parts = problem.parts
    scratch = Scratch(parts * node.size * partials.dtype.itemsize)
    calls = _kernels(problem, partials, [scratch], target)
    return [*calls, add_parts(node, epilogue, scratch, parts, target)]


def _problem(
    node: Node, operands: Operands, epilogue: Epilogue, target: Target
) -> Problem:
    """Join the axes of operands and streams; vectors run along what is stored."""
    value = epilogue.value
    strides = epilogue.strides(target)
    if value is not node:  # from the axes of the transpose to those of the product
        axes: Any = value.attrs["axes"]
        places = [axes.index(axis) for axis in range(len(axes))]
        strides = [tuple(one[place] for place in places) for one in strides]
    problem = make_problem(node, operands, strides)
    stored = problem.layouts[-1]
    across = stored.column != 1 and problem.n > 1
    if across or (problem.n == 1 and problem.m > 1):
        problem = swapped(problem)
    return problem


def _units(problem: Problem, target: Target) -> int:
    """Return how many work units a problem has."""
    if suits_inner(problem):
        return math.prod(problem.batch) * -(-problem.n // 4)
    blocking = choose_blocking(problem, target)
    tiles = blocking.panels * blocking.tile_count
    return math.prod(problem.batch) * tiles


def _kernels(
    problem: Problem, epilogue: Epilogue, writes: Sequence[Slot], target: Target
) -> list[KernelCall]:
    """Return the kernel of a problem, behind one that copies x if that pays."""
    calls: list[KernelCall] = []
    inner = suits_inner(problem)
    if not inner and _wants_copy(problem):
        call, problem = _copied_left(problem, target)
        calls.append(call)
    roots = epilogue.roots
    reads = list(dict.fromkeys([problem.x.slot, problem.y.slot, *roots]))
    b = KernelBuilder("dot", target, len(reads) + len(writes))
    places: dict[Slot, Value] = dict(zip(reads, b.operands, strict=False))
    pointers: dict[Node, Value] = {root: places[root] for root in roots}
    pointers |= dict(zip(epilogue.outputs, b.operands[len(reads) :], strict=True))
    epilogue.allow_aliases(b, pointers)
    writer = Writer(b, epilogue, problem, pointers)
    x, y = places[problem.x.slot], places[problem.y.slot]
    loops: InnerLoops | PanelLoops
    if inner:
        loops = InnerLoops(b, problem, x, y, writer)
    else:
        loops = PanelLoops(b, problem, choose_blocking(problem, target), x, y, writer)
    loops.write()
    cost = problem.products * element_bytes(problem) / 32 + epilogue.cost
    kernel = b.finish(loops.units, cost)
    return [*calls, KernelCall(kernel, tuple(reads), tuple(writes))]


# --- copies of x ---------------------------------------------------------------------


def _wants_copy(problem: Problem) -> bool:
    """Tell whether x is copied before it is multiplied.

    Narrow types are converted once instead of by each tile.  If neighbours of the sum
    lie a large power of two apart, they compete for the same cache lines.
    """
    x = problem.x
    if problem.k == 0:
        return False
    if computed_dtype(x.dtype) != x.dtype:
        return True
    distance = abs(x.columns) * x.dtype.itemsize
    return (
        distance >= CONFLICT
        and distance % CONFLICT == 0
        and abs(x.rows) == 1
        and problem.chunk > 256
        and problem.n >= 256
        and problem.m >= 64
    )


def _copied_left(problem: Problem, target: Target) -> tuple[KernelCall, Problem]:
    """Return the kernel that copies x, and the problem that reads the copy.

    The copy keeps the order in memory; its rows are as long as needed to keep them off
    powers of two.
    """
    x = problem.x
    dtype = computed_dtype(x.dtype)
    by_rows = abs(x.columns) <= abs(x.rows) or problem.m == 1
    length = problem.k if by_rows else problem.m
    line = CACHE_LINE // dtype.itemsize
    pitch = -(-length // line) * line
    if pitch * dtype.itemsize % CONFLICT == 0:
        pitch += line
    # what repeats along a batch axis is copied once
    batch = [
        extent if stride else 1
        for extent, stride in zip(problem.batch, x.batch, strict=True)
    ]
    if problem.parts > 1:
        batch[0] = 1  # the parts lie side by side in one copy
    matrix = pitch * (problem.m if by_rows else problem.k)
    strides = [
        place * matrix if extent > 1 else 0
        for extent, place in zip(batch, contiguous_strides(tuple(batch)), strict=True)
    ]
    rows, columns = (pitch, 1) if by_rows else (1, pitch)
    if problem.parts > 1:
        strides[0] = problem.chunk * columns
    scratch = Scratch(math.prod(batch) * matrix * dtype.itemsize)
    copy = Matrix(scratch, dtype, 0, tuple(strides), rows, columns)
    shape = (*batch, problem.m, problem.k)
    b = KernelBuilder("dot_copy", target, 2)
    order = list(range(len(shape)))
    if not by_rows:
        order[-2:] = order[:-3:-1]
    streams = [
        Stream(
            pointer, one.dtype, one.offset,
            tuple((*one.batch, one.rows, one.columns)[axis] for axis in order),
        )
        for pointer, one in zip(b.operands, (x, copy), strict=True)
    ]  # fmt: skip
    call = _copy_call(b, streams, [shape[axis] for axis in order], target, x, scratch)
    return call, replace(problem, x=copy)


def _copy_call(
    b: KernelBuilder,
    streams: Sequence[Stream],
    shape: Sequence[int],
    target: Target,
    x: Matrix,
    scratch: Scratch,
) -> KernelCall:
    """Write the kernel that copies and converts elements."""
    lanes = target.vector_bytes // max(streams[1].dtype.itemsize, 4)
    nest = Nest(b, tuple(shape), streams, lanes)

    def body(row: Row, column: Value, lanes: int, active: int) -> None:
        raw = row.load(0, column, lanes, active)
        row.store(1, column, _in_flight(b, raw), lanes, active)

    nest.emit(body)
    kernel = b.finish(nest.units, 2.0 * math.prod(shape))
    return KernelCall(kernel, (x.slot,), (scratch,))


def _in_flight(b: KernelBuilder, raw: Value) -> Value:
    """Widen integers; narrow floats travel as float32 anyway."""
    if is_floating(raw) or element_of(raw.type) in ("i32", "i64"):
        return raw
    return b.convert("sext", raw, vector_type("i32", lanes_of(raw.type)))
