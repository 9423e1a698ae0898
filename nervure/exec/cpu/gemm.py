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
from typing import Any

from nervure.exec.cpu.gemm_blocking import choose_blocking, element_bytes
from nervure.exec.cpu.gemm_copies import copied_left, wants_copy
from nervure.exec.cpu.gemm_inner import InnerLoops, suits_inner
from nervure.exec.cpu.gemm_pairs import can_pair, in_pairs, lies_in_pairs
from nervure.exec.cpu.gemm_panels import PanelLoops
from nervure.exec.cpu.gemm_parts import Partials, add_parts, cut_sum, parts_wanted
from nervure.exec.cpu.gemm_problem import (
    Materialise,
    Operands,
    Problem,
    find_operands,
    make_problem,
    swapped,
)
from nervure.exec.cpu.gemm_results import Epilogue, Writer
from nervure.exec.cpu.gemm_tile import computed_dtype
from nervure.exec.cpu.kernel import KernelBuilder, KernelCall, Scratch, Slot
from nervure.exec.cpu.llvm import Value
from nervure.exec.cpu.target import Target
from nervure.ir.node import Node


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
    if not inner:
        calls, problem = _prepared(problem, target)
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


def _prepared(problem: Problem, target: Target) -> tuple[list[KernelCall], Problem]:
    """Return kernels that bring x into a better form, and the problem that reads it."""
    if can_pair(problem, target):
        calls = []
        if not lies_in_pairs(problem):
            call, problem = copied_left(problem, target, problem.dtype, by_rows=True)
            calls.append(call)
        return calls, in_pairs(problem)
    if wants_copy(problem):
        call, problem = copied_left(problem, target, computed_dtype(problem.x.dtype))
        return [call], problem
    return [], problem
