"""Copies of x: converted, paired, or laid out so that neighbours do not compete.

The first operand is read element by element, straight from memory, by every tile of its
rows.  A copy pays if its elements would have to be converted each time, or if they lie
so far apart that they cannot stay in the cache together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from nervure import dtypes
from nervure.dtypes import DType
from nervure.exec.cpu.expressions import is_floating
from nervure.exec.cpu.gemm_problem import CACHE_LINE, Matrix, Problem
from nervure.exec.cpu.gemm_tile import computed_dtype
from nervure.exec.cpu.kernel import KernelBuilder, KernelCall, Scratch
from nervure.exec.cpu.llvm import (
    Value,
    constant,
    element_of,
    lanes_of,
    vector_type,
)
from nervure.exec.cpu.nest import Nest, Row, Stream
from nervure.exec.cpu.runs import (
    Rows,
    Run,
    load_run,
    minus,
    offset,
    plus,
    store_run,
    stretch,
    times,
    unravel,
)
from nervure.exec.cpu.target import Target
from nervure.exec.cpu.views import contiguous_strides
from nervure.ir.node import Shape

# Bytes between neighbours of a sum from which on they compete for cache lines.
CONFLICT: Final = 2048


def wants_copy(problem: Problem) -> bool:
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


class _Form(NamedTuple):
    """How a copy lies in memory: batch after batch of rows (or columns) of a length."""

    batch: Shape  # what repeats along a batch axis is copied once
    by_rows: bool
    pitch: int  # elements from one row to the next


def copied_left(
    problem: Problem, target: Target, dtype: DType, by_rows: bool | None = None
) -> tuple[KernelCall, Problem]:
    """Return the kernel that copies x, and the problem that reads the copy.

    The copy keeps the order in memory unless ``by_rows`` says which it has.
    """
    x = problem.x
    if by_rows is None:
        # the inner axis of the copy must not be one of a single element
        nearer = abs(x.columns) <= abs(x.rows) or problem.m == 1
        by_rows = nearer and problem.k > 1
    form = _form(problem, dtype, by_rows)
    copy = _copy_in(problem, form, dtype)
    axes = list(range(len(form.batch) + 2))
    if not by_rows:
        axes[-2:] = axes[:-3:-1]
    shape = (*form.batch, problem.m, problem.k)
    b = KernelBuilder("dot_copy", target, 2)
    streams = []
    for pointer, one in zip(b.operands, (x, copy), strict=True):
        strides = (*one.batch, one.rows, one.columns)
        ordered = tuple(strides[axis] for axis in axes)
        streams.append(Stream(pointer, one.dtype, one.offset, ordered))
    units = _write_copy(b, streams, tuple(shape[axis] for axis in axes))
    kernel = b.finish(units, 2.0 * math.prod(shape))
    return KernelCall(kernel, (x.slot,), (copy.slot,)), replace(problem, x=copy)


def interleaved_left(problem: Problem, target: Target) -> tuple[KernelCall, Matrix]:
    """Return the kernel that brings neighbours of x's sum together, and the pairs.

    x lies along its rows: two steps of the sum are two runs, which are interleaved.
    """
    x = problem.x
    pairs = replace(problem, k=problem.k // 2, chunk=problem.chunk // 2)
    form = _form(pairs, dtypes.int32, by_rows=False)
    copy = _copy_in(pairs, form, dtypes.int32)
    b = KernelBuilder("dot_pairs", target, 2)
    source, result = b.operands
    rows = Rows(math.prod(form.batch) * pairs.k, pairs.m)

    def row(number: Value, start: Value, stop: Value) -> None:
        index = unravel(b, number, (*form.batch, pairs.k))
        distances = (*x.batch, 2 * x.columns)
        first = plus(b, offset(b, x.offset, index, distances), start)
        to = plus(b, times(b, number, form.pitch), start)

        def move(place: Value, lanes: int, active: int) -> None:
            upper, lower = (
                load_run(b, Run(source, plus(b, first, skip), 1), dtypes.int16, place,
                         lanes, active)
                for skip in (0, x.columns)
            )  # fmt: skip
            low = b.convert("zext", upper, vector_type("i32", lanes))
            high = b.convert("zext", lower, vector_type("i32", lanes))
            high = b.binary("shl", high, constant(16, high.type))
            pair = b.binary("or", low, high)
            store_run(b, Run(result, to, 1), dtypes.int32, place, pair, lanes, active)

        stretch(b, target.vector_bytes // 4, minus(b, stop, start), move)

    rows.emit(b, row)
    kernel = b.finish(rows.units, 2.0 * rows.count * pairs.m)
    return KernelCall(kernel, (x.slot,), (copy.slot,)), copy


def _form(problem: Problem, dtype: DType, by_rows: bool) -> _Form:
    """Return how the copy is to lie: its rows are kept off powers of two."""
    length = problem.k if by_rows else problem.m
    line = CACHE_LINE // dtype.itemsize
    pitch = -(-length // line) * line
    if length == 1:
        pitch = 1  # then the batch axes must follow each other without gaps
    if pitch * dtype.itemsize % CONFLICT == 0:
        pitch += line
    batch = [
        extent if stride else 1
        for extent, stride in zip(problem.batch, problem.x.batch, strict=True)
    ]
    if problem.parts > 1:
        batch[0] = 1  # the parts lie side by side in one copy
    return _Form(tuple(batch), by_rows, pitch)


def _copy_in(problem: Problem, form: _Form, dtype: DType) -> Matrix:
    """Return the copy as an operand."""
    matrix = form.pitch * (problem.m if form.by_rows else problem.k)
    places = contiguous_strides(form.batch)
    strides = [
        place * matrix if extent > 1 else 0
        for extent, place in zip(form.batch, places, strict=True)
    ]
    rows, columns = (form.pitch, 1) if form.by_rows else (1, form.pitch)
    if problem.parts > 1:
        strides[0] = problem.chunk * columns
    scratch = Scratch(math.prod(form.batch) * matrix * dtype.itemsize)
    return Matrix(scratch, dtype, 0, tuple(strides), rows, columns)


def _write_copy(b: KernelBuilder, streams: Sequence[Stream], shape: Shape) -> int:
    """Write the loops that copy and convert elements; returns the work units."""
    lanes = b.target.vector_bytes // max(streams[1].dtype.itemsize, 4)
    nest = Nest(b, shape, streams, lanes)

    def body(row: Row, column: Value, lanes: int, active: int) -> None:
        raw = row.load(0, column, lanes, active)
        row.store(1, column, _in_flight(b, raw, streams[1].dtype), lanes, active)

    nest.emit(body)
    return nest.units


def _in_flight(b: KernelBuilder, raw: Value, dtype: DType) -> Value:
    """Widen integers; narrow floats travel as float32 anyway."""
    if is_floating(raw) or dtype.itemsize * 8 == int(element_of(raw.type)[1:]):
        return raw
    return b.convert("sext", raw, vector_type("i32", lanes_of(raw.type)))
