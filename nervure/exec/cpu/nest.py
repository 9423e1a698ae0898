"""Loop nests over operands that lie anywhere: the frame of all elementwise kernels.

Axes that all operands walk through without a gap are joined; the innermost axis runs in
vectors, with a masked tail.  Where an operand is transposed, so that neighbours along
the innermost axis lie far apart, the loops change places: a strip of columns as wide as
a vector is walked down, and every cache line is used up before it is given up.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from nervure.dtypes import DType
from nervure.exec.cpu.elements import first_lanes, loaded, stored
from nervure.exec.cpu.kernel import KernelBuilder
from nervure.exec.cpu.llvm import (
    Value,
    constant,
    element_of,
    storage_type,
    vector_type,
)
from nervure.exec.cpu.runs import (
    Rows,
    divided,
    i64,
    least,
    most,
    offset,
    plus,
    times,
    unravel,
)
from nervure.exec.cpu.views import collapse
from nervure.ir.node import Shape
from nervure.prims.threefry import LANES

# What lanes hold that are not in use.  Not zero: LLVM 22 believes of lanes known to be
# zero that their quotient is zero as well, and leaves out what would replace the NaN.
_UNUSED: Final = 1
# Elements of one work unit: enough to outweigh the dispatch, small enough for L1.
UNIT: Final = 4096
# A strip is walked down where a row touches more cache lines than this.
_MANY_LINES: Final = 256
_LINE: Final = 64
# Lines whose addresses differ by a multiple of this have the same place in the first
# level of the cache, which has room for this number of them.
_PAGE: Final = 4096
_WAYS: Final = 8
# Operands that are the same for a whole row are kept in registers up to this number.
_KEPT: Final = 8

# Writes the inside of the loops: row, column, lanes, lanes that count.
Body = Callable[["Row", Value, int, int], None]


@dataclass(frozen=True)
class Stream:
    """An operand of a loop nest: memory, or a count, that advances with the loops."""

    pointer: Value | None  # None: the position itself is the value
    dtype: DType
    offset: int
    strides: tuple[int, ...]


class Nest:
    """A loop nest over joined axes, with the position of every stream.

    ``strides`` are given where the axes have been ordered and joined already.
    ``paired`` are the places of counts whose elements are best computed in pairs, 16
    elements apart, in blocks of 32 (see ``threefry.py``); then the nest visits them so,
    if every row begins at a multiple of 32.  If ``band`` is the height of bands along
    the first axis, units are bands where that is possible (:attr:`banded`).
    """

    def __init__(
        self,
        b: KernelBuilder,
        shape: Shape,
        streams: Sequence[Stream],
        lanes: int,
        strides: Sequence[tuple[int, ...]] | None = None,
        paired: Sequence[int] = (),
        band: int = 0,
    ) -> None:
        self.b = b
        first = shape[0] if shape else 1
        if strides is None:
            shape, strides = collapse(shape, [one.strides for one in streams])
        self.shape, self.strides = shape, strides
        self.streams = streams
        self.lanes = lanes
        self.inner = self.shape[-1] if self.shape else 1
        self.rows = math.prod(self.shape[:-1])
        self.paired = lanes <= LANES and self._is_aligned(paired)
        self._strip = self._strip_axis()
        if self._strip is not None:
            self.lanes = self._strip_lanes(self._strip)
        self._divided = Rows(self.rows, self.inner, UNIT, self._band(band, first))

    def _band(self, height: int, first: int) -> int:
        """Return what makes up a band: rows, or elements of the only row."""
        if not height or self._strip is not None or not self.shape:
            return 0
        if self.rows == 1 and self.inner % first == 0:
            elements = height * (self.inner // first)
            whole = 2 * LANES if self.paired else self.lanes
            return 0 if elements % whole else elements
        return 0 if self.rows % first else height * (self.rows // first)

    @property
    def banded(self) -> bool:
        """Whether units are bands."""
        return self._divided.band > 0

    @property
    def units(self) -> int:
        """The number of work units."""
        if self._strip is None:
            return self._divided.units
        return -(-self._strips // self._strips_per_unit)

    def inner_stride(self, place: int) -> int:
        """Return how a stream advances along the innermost axis."""
        return self.strides[place][-1] if self.shape else 0

    def emit(self, body: Body) -> None:
        """Write the loops; ``body(row, column, lanes, active)`` writes the inside.

        It is written twice at most, for whole vectors and for the tail; in pairs, for
        both vectors of a pair as well.
        """
        if self._strip is not None:
            self._emit_strips(self._strip, body)
            return

        def write_row(number: Value, start: Value, stop: Value) -> None:
            index = unravel(self.b, number, self.shape[:-1])
            row = Row(self, index)
            row.keep_repeated()
            self._write_row(row, start, stop, body)

        self._divided.emit(self.b, write_row)

    def _write_row(self, row: Row, start: Value, stop: Value, body: Body) -> None:
        """Write the work on a stretch of one row."""
        b, lanes = self.b, self.lanes
        done = self.inner // (2 * LANES) * 2 * LANES if self.paired else 0
        if done:
            with b.loop(start, least(b, stop, done), 2 * LANES) as loop:
                self._write_pairs(row, loop.index, body)
            start = most(b, start, done)
        whole = self.inner // lanes * lanes
        if whole > done:
            with b.loop(start, least(b, stop, whole), lanes) as loop:
                body(row, loop.index, lanes, lanes)
        tail = self.inner - whole
        if tail and self._divided.is_cut:
            # only the last piece of a row has the tail
            last = b.compare("icmp", "eq", stop, i64(self.inner))
            with b.when(last):
                body(row, i64(whole), lanes, tail)
        elif tail:
            body(row, i64(whole), lanes, tail)

    # --- pairs -----------------------------------------------------------------------

    def _is_aligned(self, counts: Sequence[int]) -> bool:
        """Tell whether there are counts, all beginning each row at a multiple of 32."""
        return bool(counts) and all(
            self.inner_stride(place) == 1
            and all(step % (2 * LANES) == 0 for step in self.strides[place][:-1])
            for place in counts
        )

    def _write_pairs(self, row: Row, start: Value, body: Body) -> None:
        """Write the work on 32 elements, always two vectors 16 elements apart."""
        b, lanes = self.b, self.lanes

        def pair(column: Value) -> None:
            for second in (False, True):
                row.pair = column, second
                body(row, plus(b, column, LANES) if second else column, lanes, lanes)
            row.pair = None

        if lanes == LANES:
            pair(start)
            return
        with b.loop(start, plus(b, start, LANES), lanes) as loop:
            pair(loop.index)

    # --- strips ----------------------------------------------------------------------

    def _strip_axis(self) -> int | None:
        """Return the axis to walk down, None to go along the rows as usual."""
        if self.inner <= _WAYS or self.paired:
            return None
        wanted = [0] * len(self.shape)
        for stream, strides in zip(self.streams, self.strides, strict=True):
            size = stream.dtype.itemsize
            step = abs(strides[-1]) * size
            collide = step % _PAGE == 0
            fit = self.inner < _MANY_LINES and not (collide and self.inner > _WAYS)
            if stream.pointer is None or step < _LINE or fit:
                continue
            for axis, stride in enumerate(strides[:-1]):
                if 0 < abs(stride) * size < _LINE and self.shape[axis] > 1:
                    wanted[axis] += 1
        best = max(wanted, default=0)
        return wanted.index(best) if best else None

    def _strip_lanes(self, axis: int) -> int:
        """Return the width of a strip: a vector, less where cache lines collide."""
        read = written = False
        for stream, strides in zip(self.streams, self.strides, strict=True):
            along, down = (strides[k] * stream.dtype.itemsize for k in (-1, axis))
            read = read or (along != 0 and along % _PAGE == 0)
            written = written or (down != 0 and down % _PAGE == 0)
        return min(self.lanes, _WAYS) if read and not written else self.lanes

    @property
    def _blocks(self) -> int:
        return -(-self.inner // self.lanes)

    @property
    def _strips(self) -> int:
        assert self._strip is not None
        return self.rows // self.shape[self._strip] * self._blocks

    @property
    def _strips_per_unit(self) -> int:
        assert self._strip is not None
        return max(1, UNIT // (self.shape[self._strip] * self.lanes))

    def _emit_strips(self, axis: int, body: Body) -> None:
        """Write loops that walk down strips of columns."""
        b, lanes = self.b, self.lanes
        others = [
            extent for place, extent in enumerate(self.shape[:-1]) if place != axis
        ]
        first = times(b, b.begin, self._strips_per_unit)
        last = least(b, times(b, b.end, self._strips_per_unit), self._strips)
        tail = self.inner % lanes

        def walk(index: list[Value], column: Value, active: int) -> None:
            with b.loop(0, self.shape[axis]) as down:
                row = Row(self, [*index[:axis], down.index, *index[axis:]])
                body(row, column, lanes, active)

        with b.loop(first, last) as strip:
            number, block = divided(b, strip.index, self._blocks)
            index = unravel(b, number, others)
            column = times(b, block, lanes)
            if not tail:
                walk(index, column, lanes)
                return
            is_last = b.compare("icmp", "eq", block, i64(self._blocks - 1))
            with b.when(is_last):
                walk(index, i64(self.inner - tail), tail)
            if self._blocks > 1:
                with b.when(b.binary("xor", is_last, Value("i1", "true"))):
                    walk(index, column, lanes)


class Row:
    """One run of the innermost axis: where each stream begins, and what is invariant.

    ``pair`` is, within a pair of vectors, the column of the first, and whether this is
    the second.
    """

    pair: tuple[Value, bool] | None = None
    _repeated: Mapping[int, Value] = {}

    def __init__(self, nest: Nest, index: Sequence[Value]) -> None:
        """``index`` are the places along all axes but the innermost."""
        self.nest = nest
        b = nest.b
        self.bases = [
            offset(b, stream.offset, index, strides[:-1])
            for stream, strides in zip(nest.streams, nest.strides, strict=True)
        ]

    def keep_repeated(self) -> None:
        """Load now, before the inner loop, what is the same along the row."""
        nest = self.nest
        places = [
            place
            for place, stream in enumerate(nest.streams)
            if stream.pointer is not None and nest.inner_stride(place) == 0
        ]
        if nest.inner > nest.lanes and len(places) <= _KEPT:
            self._repeated = {place: self._load_one(place) for place in places}

    def load(self, place: int, column: Value, lanes: int, active: int) -> Value:
        """Return the elements of a stream from ``column`` on, in flight."""
        nest, b = self.nest, self.nest.b
        stream = nest.streams[place]
        stride = nest.inner_stride(place)
        if stream.pointer is None:
            return self._position(place, column, lanes)
        if stride == 0:
            one = self._repeated.get(place) or self._load_one(place)
            return b.splat(one, lanes)
        size = stream.dtype.itemsize
        type_ = vector_type(storage_type(stream.dtype), lanes)
        if stride == 1:
            where = self.address(place, column)
            if active == lanes:
                raw = b.load(type_, where, size)
            else:
                mask = first_lanes(lanes, active)
                raw = b.masked_load(type_, where, mask, size, _UNUSED)
        else:
            raw = self._gather(place, column, lanes, active)
        return loaded(b, raw, stream.dtype)

    def _load_one(self, place: int) -> Value:
        """Return the element of a stream that is the same along the row."""
        b, dtype = self.nest.b, self.nest.streams[place].dtype
        raw = b.load(storage_type(dtype), self.address(place, None), dtype.itemsize)
        return loaded(b, raw, dtype)

    def store(
        self, place: int, column: Value, x: Value, lanes: int, active: int
    ) -> None:
        """Store elements in flight to a stream from ``column`` on."""
        nest, b = self.nest, self.nest.b
        stream = nest.streams[place]
        size = stream.dtype.itemsize
        x = stored(b, x, stream.dtype)
        where = self.address(place, column)
        stride = nest.inner_stride(place)
        if lanes > 1 and stride != 1 and nest.shape:
            self._scatter(where, x, stride, active, size)
        elif active == lanes:
            b.store(x, where, size)
        else:
            b.masked_store(x, where, first_lanes(lanes, active), size)

    def _scatter(
        self, first: Value, x: Value, stride: int, active: int, size: int
    ) -> None:
        """Store elements that do not lie side by side, one lane after the other."""
        b = self.nest.b
        element = element_of(x.type)
        for lane in range(active):
            one = b.emit(element, f"extractelement {x}, i64 {lane}")
            b.store(one, b.address(first, element, lane * stride), size)

    def address(self, place: int, column: Value | None) -> Value:
        """Return the address of a stream's element at ``column`` of the row."""
        nest, b = self.nest, self.nest.b
        stream = nest.streams[place]
        assert stream.pointer is not None
        where = self.bases[place] if column is None else self.position(place, column)
        return b.address(stream.pointer, storage_type(stream.dtype), where)

    def position(self, place: int, column: Value) -> Value:
        """Return where a stream is at ``column``."""
        b = self.nest.b
        step = times(b, column, self.nest.inner_stride(place))
        return plus(b, self.bases[place], step)

    def _position(self, place: int, column: Value, lanes: int) -> Value:
        """Return the positions themselves as i64 lanes."""
        b, stride = self.nest.b, self.nest.inner_stride(place)
        start = self.position(place, column)
        if lanes == 1 or stride == 0:
            return b.splat(start, lanes)
        steps = b.lane_numbers("i64", lanes, stride)
        return b.binary("add", b.splat(start, lanes), steps)

    def _gather(self, place: int, column: Value, lanes: int, active: int) -> Value:
        """Load elements that do not lie side by side, one lane after the other."""
        nest, b = self.nest, self.nest.b
        element = storage_type(nest.streams[place].dtype)
        size = nest.streams[place].dtype.itemsize
        if lanes == 1:
            return b.load(element, self.address(place, column), size)
        type_ = vector_type(element, lanes)
        first = self.address(place, column)
        result = constant(_UNUSED, type_)
        for lane in range(active):
            where = b.address(first, element, lane * nest.inner_stride(place))
            one = b.load(element, where, size)
            result = b.emit(type_, f"insertelement {result}, {one}, i64 {lane}")
        return result
