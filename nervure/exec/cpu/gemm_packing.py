"""Bringing a panel of y together: its rows one after the other, without gaps.

A packed panel is read from the first to the last byte by every tile, whatever the
strides of y are.  Elements are converted to the type in which they are computed.
Columns beyond the last are filled with anything: they are never stored.
"""

from __future__ import annotations

from collections.abc import Sequence

from nervure import dtypes
from nervure.exec.cpu.gemm_blocking import Packing, Panel
from nervure.exec.cpu.gemm_tile import (
    Right,
    computed_dtype,
    element_type,
    store_tile_row,
    widened,
)
from nervure.exec.cpu.kernel import KernelBuilder
from nervure.exec.cpu.llvm import Value, element_of, storage_type, vector_type
from nervure.exec.cpu.runs import i64, least, minus, plus, times


def pack(
    b: KernelBuilder,
    packing: Packing,
    panel: Panel,
    source: Right,
    column_stride: int,
    steps: Value,
    buffer: Value,
) -> Right:
    """Write ``steps`` rows of a panel to ``buffer``; returns how to read them."""
    if packing is Packing.NONE:
        return source._replace(masked=True)
    if packing is Packing.PAIR:
        _pair_rows(b, panel, source, steps, buffer)
        return Right(buffer, dtypes.int32, panel.stride, False, 4)
    if packing is Packing.COPY:
        _copy_rows(b, panel, source, steps, buffer)
    elif packing is Packing.TRANSPOSE:
        _transpose_blocks(b, panel, source, column_stride, steps, buffer)
    else:
        _gather_elements(b, panel, source, column_stride, steps, buffer)
    return Right(buffer, computed_dtype(source.dtype), panel.stride, False, 4)


def _copy_rows(
    b: KernelBuilder, panel: Panel, source: Right, steps: Value, buffer: Value
) -> None:
    """Copy row after row."""
    with b.loop(0, steps, 1, [source.pointer, buffer]) as loop:
        read, written = loop.carried
        element = storage_type(source.dtype)
        values = [
            widened(b, raw, source.dtype)
            for raw in _load_row(b, panel, element, source.dtype.itemsize, read)
        ]
        store_tile_row(b, panel, values, written)
        loop.next = [
            b.address(read, element, source.step),
            b.address(written, element_type(source.dtype), panel.stride),
        ]


def _load_row(
    b: KernelBuilder, panel: Panel, element: str, align: int, where: Value
) -> list[Value]:
    """Load a row of a panel from y."""
    vectors = []
    column = 0
    for place, width in enumerate(panel.widths):
        address = b.address(where, element, column)
        type_ = vector_type(element, width)
        mask = panel.mask_of(place)
        if mask is not None:
            vectors.append(b.masked_load(type_, address, mask, align))
        else:
            vectors.append(b.load(type_, address, align))
        column += width
    return vectors


def _pair_rows(
    b: KernelBuilder, panel: Panel, source: Right, steps: Value, buffer: Value
) -> None:
    """Interleave two rows of y at each step; a step of ``source`` is two rows."""
    with b.loop(0, steps, 1, [source.pointer, buffer]) as loop:
        read, written = loop.carried
        below = b.address(read, "i16", source.step // 2)
        upper = _load_row(b, panel, "i16", 2, read)
        lower = _load_row(b, panel, "i16", 2, below)
        pairs = []
        for width, one, other in zip(panel.widths, upper, lower, strict=True):
            lanes = [lane for k in range(width) for lane in (k, k + width)]
            mixed = _shuffle(b, one, other, lanes)
            pairs.append(b.convert("bitcast", mixed, vector_type("i32", width)))
        store_tile_row(b, panel, pairs, written)
        loop.next = [
            b.address(read, "i16", source.step),
            b.address(written, "i32", panel.stride),
        ]


def _gather_elements(
    b: KernelBuilder,
    panel: Panel,
    source: Right,
    column_stride: int,
    steps: Value,
    buffer: Value,
) -> None:
    """Copy element by element; columns that do not exist repeat the last one.

    Left as they are they might hold numbers that are slow to multiply.
    """
    element, packed = storage_type(source.dtype), element_type(source.dtype)
    with b.loop(0, steps, 1, [source.pointer, buffer]) as rows:
        read, written = rows.carried
        with b.loop(0, panel.stride) as loop:
            column = loop.index
            if panel.limit is not None or panel.columns < panel.stride:
                column = least(b, column, minus(b, _column_count(panel), 1))
            where = b.address(read, element, times(b, column, column_stride))
            raw = b.load(element, where, source.dtype.itemsize)
            place = b.address(written, packed, loop.index)
            b.store(widened(b, raw, source.dtype), place, 4)
        rows.next = [
            b.address(read, element, source.step),
            b.address(written, packed, panel.stride),
        ]


def _transpose_blocks(
    b: KernelBuilder,
    panel: Panel,
    source: Right,
    column_stride: int,
    steps: Value,
    buffer: Value,
) -> None:
    """Load vectors along the sum and turn square blocks of them around.

    The last block of steps reaches back over the one before it, and columns that do not
    exist repeat the last one, so no block needs a mask.  The caller sees to it that
    there are at least as many steps as lanes.
    """
    element, packed = storage_type(source.dtype), element_type(source.dtype)
    last_column = minus(b, _column_count(panel), 1)
    start = 0
    for width, count in _runs(panel.widths):
        lanes = width
        with b.loop(0, count) as vectors:
            first = plus(b, times(b, vectors.index, width), start)
            rows = []
            for lane in range(width):
                column = plus(b, first, lane)
                if panel.mask or start + count * width > panel.columns:
                    column = least(b, column, last_column)
                rows.append(
                    b.address(source.pointer, element, times(b, column, column_stride))
                )
            with b.loop(0, steps, lanes) as loop:
                step = b.intrinsic("smin", loop.index, minus(b, steps, lanes))
                loaded_rows = []
                for row in rows:
                    where = b.address(row, element, step)
                    raw = b.load(
                        vector_type(element, lanes), where, source.dtype.itemsize
                    )
                    loaded_rows.append(widened(b, raw, source.dtype))
                target = plus(b, times(b, step, panel.stride), first)
                written = b.address(buffer, packed, target)
                for place, value in enumerate(transposed(b, loaded_rows)):
                    b.store(value, b.address(written, packed, place * panel.stride), 4)
        start += count * width


def _column_count(panel: Panel) -> Value:
    return i64(panel.columns) if panel.limit is None else panel.limit


def _runs(widths: Sequence[int]) -> list[tuple[int, int]]:
    """Return runs of equal widths and their lengths."""
    result: list[tuple[int, int]] = []
    for width in widths:
        if result and result[-1][0] == width:
            result[-1] = (width, result[-1][1] + 1)
        else:
            result.append((width, 1))
    return result


def transposed(b: KernelBuilder, rows: Sequence[Value]) -> list[Value]:
    """Turn a square of vectors around: lane j of vector i becomes lane i of vector j.

    Within stretches of 16 bytes, neighbours are interleaved again and again, which is
    what the machine's ``unpack`` instructions do; then the stretches themselves change
    places by picking every other one of two vectors.
    """
    lanes = len(rows)
    size = 8 if element_of(rows[0].type) in ("double", "i64") else 4
    inner = min(16 // size, lanes)
    vectors = list(rows)
    for begin in range(0, lanes, inner):
        vectors[begin : begin + inner] = _interleaved(
            b, vectors[begin : begin + inner], lanes, inner
        )
    result: list[Value] = [rows[0]] * lanes
    for column in range(inner):
        picked = _picked(b, vectors[column::inner], lanes, inner)
        for stretch, value in enumerate(picked):
            result[stretch * inner + column] = value
    return result


def _interleaved(
    b: KernelBuilder, vectors: list[Value], lanes: int, inner: int
) -> list[Value]:
    """Turn the square within each stretch of ``inner`` lanes around."""
    half = inner // 2
    for _ in range(inner.bit_length() - 1):
        turned = []
        for one, other in zip(vectors[:half], vectors[half:], strict=True):
            for begin in (0, half):
                lanes_picked = [
                    stretch + begin + place // 2 + (lanes if place % 2 else 0)
                    for stretch in range(0, lanes, inner)
                    for place in range(inner)
                ]
                turned.append(_shuffle(b, one, other, lanes_picked))
        vectors = turned
    return vectors


def _picked(
    b: KernelBuilder, vectors: list[Value], lanes: int, inner: int
) -> list[Value]:
    """Turn the square of whole stretches around."""
    stretches = lanes // inner
    for _ in range(stretches.bit_length() - 1):
        turned = []
        for odd in (0, 1):
            lanes_picked = [
                stretch * inner + place
                for stretch in range(odd, 2 * stretches, 2)
                for place in range(inner)
            ]
            turned += [
                _shuffle(b, one, other, lanes_picked)
                for one, other in zip(vectors[::2], vectors[1::2], strict=True)
            ]
        vectors = turned
    return vectors


def _shuffle(b: KernelBuilder, one: Value, other: Value, lanes: list[int]) -> Value:
    listed = ", ".join(f"i32 {lane}" for lane in lanes)
    type_ = vector_type(element_of(one.type), len(lanes))
    mask = f"<{len(lanes)} x i32> <{listed}>"
    return b.emit(type_, f"shufflevector {one}, {other}, {mask}")
