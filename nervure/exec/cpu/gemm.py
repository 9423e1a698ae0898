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

from nervure.exec.cpu.bands import band_height, bands_of, is_by_row, unaligned
from nervure.exec.cpu.gemm_blocking import Blocking, choose_blocking, element_bytes
from nervure.exec.cpu.gemm_copies import copied_left, interleaved_left, wants_copy
from nervure.exec.cpu.gemm_inner import InnerLoops, suits_inner
from nervure.exec.cpu.gemm_pairs import (
    can_pair,
    in_pairs,
    lies_in_pairs,
)
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
from nervure.exec.cpu.gemm_rows import GatheredRows, can_gather
from nervure.exec.cpu.gemm_tile import computed_dtype
from nervure.exec.cpu.indexed import lower_gather
from nervure.exec.cpu.kernel import Bands, KernelBuilder, KernelCall, Scratch, Slot
from nervure.exec.cpu.llvm import Value
from nervure.exec.cpu.target import Target
from nervure.exec.cpu.views import view_of
from nervure.ir.node import Node


def lower_dot(
    node: Node,
    value: Node,
    group: Sequence[Node],
    outputs: Sequence[Node],
    target: Target,
    materialise: Materialise,
    over: Mapping[Node, Node] | None = None,
    rows: Node | None = None,
) -> list[KernelCall]:
    """Return the kernels of a ``dot`` and the group that is computed on its sums.

    ``value`` is what the group reads: the product or its transpose.  ``outputs`` are
    the nodes that need memory; ``over`` names for some the operand over which they may
    be written.  ``rows`` is a ``gather`` that makes the left matrix and shall be
    written as well.
    """
    epilogue = Epilogue(value, group, outputs, over or {})
    operands = find_operands(node, target, materialise)
    problem = _problem(node, operands, epilogue, target)
    parts = parts_wanted(problem, _units(problem, target))
    if rows is not None:
        if parts == 1 and _gathers(node, problem, rows, epilogue, target):
            return [_kernel(node, problem, epilogue, outputs, target, rows)]
        first = lower_gather(rows, target, materialise)
        return [
            *first,
            *lower_dot(node, value, group, outputs, target, materialise, over),
        ]
    if parts == 1:
        return _kernels(node, problem, epilogue, outputs, target)
    partials = Partials(node)
    problem = cut_sum(_problem(node, operands, partials, target), parts)
    parts = problem.parts
    scratch = Scratch(parts * node.size * partials.dtype.itemsize)
    calls = _kernels(node, problem, partials, [scratch], target)
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


def _bands(
    node: Node, problem: Problem, epilogue: Epilogue, rows: Node | None = None
) -> Bands | None:
    """Return the bands of a product whose rows are rows of x, if it has any."""
    view = view_of(node.inputs[0])
    lead = node.shape[0] if node.shape else 0
    by_row = (
        problem.x.slot is view.root
        and not problem.batch
        and lead
        and problem.m == math.prod(node.shape[:-1])
        and is_by_row(view, lead)
        and epilogue.value is node
    )
    if not by_row or not band_height(lead):
        return None
    views = [view, unaligned(view_of(node.inputs[1]).root)]
    if epilogue.group is not None:
        views += epilogue.group.read_views
    if rows is not None:  # which indices the next tile will need is only a hint
        views += [unaligned(view_of(rows.inputs[0]).root), view_of(rows.inputs[1])]
    return bands_of(lead, band_height(lead), views, epilogue.outputs)


def _cuts(problem: Problem, target: Target, bands: Bands | None) -> Blocking:
    """Return the cuts for a problem, in bands if possible."""
    if bands is None:
        return choose_blocking(problem, target)
    band = bands.height * (problem.m // bands.rows)
    return choose_blocking(problem, target, band)


def _gathers(
    node: Node, problem: Problem, rows: Node, epilogue: Epilogue, target: Target
) -> bool:
    """Tell whether the product can gather the rows of x itself."""
    if suits_inner(problem) or can_pair(problem, target) or wants_copy(problem):
        return False
    cuts = _cuts(problem, target, _bands(node, problem, epilogue))
    return can_gather(problem, cuts, rows)


def _kernels(
    node: Node,
    problem: Problem,
    epilogue: Epilogue,
    writes: Sequence[Slot],
    target: Target,
) -> list[KernelCall]:
    """Return the kernel of a problem, behind one that copies x if that pays."""
    calls: list[KernelCall] = []
    if not suits_inner(problem):
        calls, problem = _prepared(problem, target)
    return [*calls, _kernel(node, problem, epilogue, writes, target)]


def _kernel(
    node: Node,
    problem: Problem,
    epilogue: Epilogue,
    writes: Sequence[Slot],
    target: Target,
    rows: Node | None = None,
) -> KernelCall:
    """Return the kernel of a problem; it writes ``rows`` too if there are any."""
    roots = [*epilogue.roots, *(GatheredRows.roots(rows) if rows is not None else ())]
    writes = [*([rows] if rows is not None else []), *writes]
    operands = [problem.x.slot, problem.y.slot]
    reads = [one for one in dict.fromkeys([*operands, *roots]) if one is not rows]
    b = KernelBuilder("dot", target, len(reads) + len(writes))
    places: dict[Slot, Value] = dict(zip([*reads, *writes], b.operands, strict=True))
    pointers: dict[Node, Value] = {root: places[root] for root in roots}
    results = b.operands[len(b.operands) - len(epilogue.outputs) :]
    pointers |= dict(zip(epilogue.outputs, results, strict=True))
    epilogue.allow_aliases(b, pointers)
    gathered = None if rows is None else GatheredRows(b, rows, pointers)
    writer = Writer(b, epilogue, problem, pointers)
    x, y = places[problem.x.slot], places[problem.y.slot]
    bands: Bands | None = None
    loops: InnerLoops | PanelLoops
    if suits_inner(problem):
        loops = InnerLoops(b, problem, x, y, writer)
    else:
        bands = _bands(node, problem, epilogue, rows)
        blocking = _cuts(problem, target, bands)
        bands = bands if blocking.band else None
        loops = PanelLoops(b, problem, blocking, x, y, writer, gathered)
    loops.write()
    cost = problem.products * element_bytes(problem) / 32 + epilogue.cost
    kernel = b.finish(loops.units, cost + (0.0 if rows is None else 2.0 * rows.size))
    return KernelCall(kernel, tuple(reads), tuple(writes), bands)


def _prepared(problem: Problem, target: Target) -> tuple[list[KernelCall], Problem]:
    """Return kernels that bring x into a better form, and the problem that reads it."""
    if can_pair(problem, target):
        if lies_in_pairs(problem):
            return [], in_pairs(problem)
        if problem.x.rows == 1:
            call, pairs = interleaved_left(problem, target)
            return [call], in_pairs(problem, pairs)
        call, problem = copied_left(problem, target, problem.dtype, by_rows=True)
        return [call], in_pairs(problem)
    if wants_copy(problem):
        call, problem = copied_left(problem, target, computed_dtype(problem.x.dtype))
        return [call], problem
    return [], problem
