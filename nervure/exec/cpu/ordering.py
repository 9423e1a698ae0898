"""Running sums, sorting, and the place of the largest element.

Numbers are compared as *keys*: unsigned integers in the order of the numbers, with all
zeros equal and NaN above everything else.

Short lines are sorted by merging ever longer runs, long ones digit by digit (radix sort
from the lowest digit on); both keep the order of equal keys.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from nervure import dtypes
from nervure.dtypes import DType
from nervure.exec.cpu.bands import band_height, bands_of
from nervure.exec.cpu.expressions import is_floating, register_type
from nervure.exec.cpu.kernel import KernelBuilder, KernelCall, Scratch
from nervure.exec.cpu.llvm import Value, constant, element_of, lanes_of, vector_type
from nervure.exec.cpu.memory import rounded
from nervure.exec.cpu.runs import (
    Run,
    column_block,
    divided,
    i64,
    least,
    load_run,
    moved_type,
    offset,
    plus,
    size_of,
    store_run,
    times,
    unravel,
)
from nervure.exec.cpu.target import Target
from nervure.exec.cpu.views import View, collapse, contiguous_strides, view_of
from nervure.ir.node import Node

Materialise = Callable[[Node, Target], None]

# Vectors that are worked on side by side, to hide the latency of an addition.
VECTORS = 4
# Elements of a work unit, where lines are short.
UNIT = 8192
# Lines of at least so many elements are sorted by digits.
RADIX_COUNT = 128
# Units that a sort is divided into; each has scratch memory for a line.
SORT_UNITS = 64


@dataclass(frozen=True)
class Lines:
    """An operand seen as lines along one axis.

    If ``length`` is more than 1, that many lines lie side by side in memory and are
    worked on together; otherwise each is on its own.
    """

    offset: int
    shape: tuple[int, ...]  # of the other axes, without those side by side
    strides: tuple[int, ...]
    outer: int  # how many of them lie before the axis
    count: int  # elements of a line
    step: int
    length: int
    stride: int

    @classmethod
    def of(cls, view: View, axis: int) -> Lines:
        """Split the axes of a view."""
        outer, (outer_steps,) = collapse(view.shape[:axis], [view.strides[:axis]])
        inner, (steps,) = collapse(view.shape[axis + 1 :], [view.strides[axis + 1 :]])
        return cls(
            view.offset,
            (*outer, *inner[:-1]),
            (*outer_steps, *steps[:-1]),
            len(outer),
            view.shape[axis],
            view.strides[axis],
            inner[-1] if inner else 1,
            steps[-1] if inner else 0,
        )

    @property
    def groups(self) -> int:
        """The number of lines, those side by side counted as one."""
        return math.prod(self.shape)

    def source(self, b: KernelBuilder, index: Sequence[Value]) -> Value:
        """Return where the first element of a group of lines lies."""
        return offset(b, self.offset, index, self.strides)

    def result(
        self, b: KernelBuilder, index: Sequence[Value], count: int
    ) -> tuple[Value, int]:
        """Return where a group's result begins, and the step along the axis.

        ``count`` is the extent of the axis in the result, which has no gaps.
        """
        where = i64(0)
        extents = [*self.shape[: self.outer], count, *self.shape[self.outer :]]
        places = [*index[: self.outer], i64(0), *index[self.outer :]]
        for extent, place in zip(extents, places, strict=True):
            where = plus(b, times(b, where, extent), place)
        step = math.prod(self.shape[self.outer :]) * self.length
        return times(b, where, self.length), step


# --- cumsum --------------------------------------------------------------------------


def lower_cumsum(node: Node, target: Target, _: Materialise) -> list[KernelCall]:
    """Return the kernel of ``cumsum``."""
    (x,) = node.inputs
    axis: Any = node.attrs["axis"]
    view = view_of(x)
    lines = Lines.of(view, axis)
    b = KernelBuilder("cumsum", target, 2)
    write = _sum_lines_alone if lines.length == 1 else _sum_lines_together
    units = write(b, node, lines)
    kernel = b.finish(units, 2.0 * node.size)
    return [KernelCall(kernel, (view.root,), (node,))]


def _nothing_yet(dtype: DType, lanes: int) -> Value:
    """Return what leaves the first element as it is: -0.0 for floating point."""
    zero = -0.0 if dtypes.is_float(dtype) else 0
    return constant(zero, vector_type(register_type(dtype), lanes))


def _added(b: KernelBuilder, x: Value, y: Value) -> Value:
    return b.binary("fadd" if is_floating(x) else "add", x, y)


def _sum_lines_together(b: KernelBuilder, node: Node, lines: Lines) -> int:
    """Write running sums of lines that lie side by side, in vectors across them."""
    dtype = node.dtype
    lanes = b.target.vector_bytes // max(4, dtype.itemsize)
    vectors = max(1, min(VECTORS, -(-lines.length // lanes)))
    blocks = -(-lines.length // (lanes * vectors))
    backwards = bool(node.attrs["reverse"])

    def block(index: Sequence[Value], start: Value, counts: list[int]) -> None:
        first = lines.source(b, index)
        to, step = lines.result(b, index, lines.count)
        zeros = [_nothing_yet(dtype, lanes)] * len(counts)
        with b.loop(0, lines.count, 1, zeros) as loop:
            place = loop.index
            if backwards:
                place = b.binary("sub", i64(lines.count - 1), place)
            from_ = Run(
                b.operands[0], plus(b, first, times(b, place, lines.step)), lines.stride
            )
            into = Run(b.operands[1], plus(b, to, times(b, place, step)), 1)
            sums = []
            for number, (total, active) in enumerate(
                zip(loop.carried, counts, strict=True)
            ):
                column = plus(b, start, number * lanes)
                x = load_run(b, from_, dtype, column, lanes, active)
                sums.append(_added(b, total, x))
                store_run(b, into, dtype, column, sums[-1], lanes, active)
            loop.next = sums

    with b.loop(b.begin, b.end) as unit:
        group, number = divided(b, unit.index, blocks)
        index = unravel(b, group, lines.shape)
        column_block(
            b,
            number,
            lines.length,
            lanes,
            vectors,
            lambda start, counts: block(index, start, counts),
        )
    return lines.groups * blocks


def _sum_lines_alone(b: KernelBuilder, node: Node, lines: Lines) -> int:
    """Write running sums of single lines, several in turn to hide the latency."""
    dtype = node.dtype
    together = min(VECTORS, lines.groups)
    bundles = -(-lines.groups // together)
    per_unit = max(1, UNIT // max(lines.count * together, 1))
    units = -(-bundles // per_unit)
    backwards = bool(node.attrs["reverse"])
    last = least(b, times(b, b.end, per_unit), bundles)
    with b.loop(times(b, b.begin, per_unit), last) as bundle:
        starts = []
        for number in range(together):
            line = plus(b, times(b, bundle.index, together), number)
            index = unravel(b, least(b, line, lines.groups - 1), lines.shape)
            starts.append(
                (lines.source(b, index), lines.result(b, index, lines.count)[0])
            )
        zeros = [_nothing_yet(dtype, 1)] * together
        with b.loop(0, lines.count, 1, zeros) as loop:
            place = loop.index
            if backwards:
                place = b.binary("sub", i64(lines.count - 1), place)
            sums = []
            for (first, to), total in zip(starts, loop.carried, strict=True):
                where = plus(b, first, times(b, place, lines.step))
                x = load_run(b, Run(b.operands[0], where, 1), dtype, i64(0), 1, 1)
                sums.append(_added(b, total, x))
                into = Run(b.operands[1], plus(b, to, place), 1)
                store_run(b, into, dtype, i64(0), sums[-1], 1, 1)
            loop.next = sums
    return units


# --- keys ----------------------------------------------------------------------------


def key_type(dtype: DType) -> str:
    """Return the LLVM type of the keys of a data type."""
    return "i64" if dtype.itemsize == 8 else "i32"


def sort_key(b: KernelBuilder, x: Value, dtype: DType) -> Value:
    """Return the keys of elements in flight: unsigned, in the order of the elements."""
    lanes = lanes_of(x.type)
    type_ = vector_type(key_type(dtype), lanes)
    width = 64 if key_type(dtype) == "i64" else 32
    top = constant(-(2 ** (width - 1)), type_)
    if not is_floating(x):
        if dtypes.is_signed(dtype):
            return b.binary("xor", b.convert("sext", x, type_), top)
        return b.convert("zext", x, type_)
    # -0.0 + 0.0 is 0.0
    bits = b.convert("bitcast", b.binary("fadd", x, constant(0.0, x.type)), type_)
    # negative numbers fall with their bits: turn all of those; of others, the sign
    signs = b.binary("ashr", bits, constant(width - 1, type_))
    key = b.binary("xor", bits, b.binary("or", signs, top))
    is_nan = b.compare("fcmp", "uno", x, x)
    return b.select(is_nan, constant(-1, type_), key)


# --- sort ----------------------------------------------------------------------------


class _Sort:
    """A sort being written: a line of keys and payloads is copied into scratch memory,
    sorted there between two places that take turns, and written out.
    """

    def __init__(self, node: Node, target: Target) -> None:
        keys, payload = node.inputs
        axis: Any = node.attrs["axis"]
        self.node = node
        self.count = node.shape[axis]
        self.views = view_of(keys), view_of(payload)
        results = contiguous_strides(node.shape)
        operands = [view.strides for view in self.views] + [results]
        self.steps = [strides[axis] for strides in operands]
        others = [[*strides[:axis], *strides[axis + 1 :]] for strides in operands]
        self.shape, self.strides = collapse(
            (*node.shape[:axis], *node.shape[axis + 1 :]), list(map(tuple, others))
        )
        self.lines = math.prod(self.shape)
        self.key = key_type(keys.dtype)
        self.moved = moved_type(node.dtype)
        self.units = min(self.lines, SORT_UNITS)
        self.digits = int(self.key[1:]) // 8
        key_bytes = rounded(self.digits * self.count)
        payload_bytes = rounded(node.dtype.itemsize * self.count)
        # keys, payloads, the same again, and the counts of every digit
        self.places = [
            0,
            key_bytes,
            key_bytes + payload_bytes,
            2 * key_bytes + payload_bytes,
        ]
        self.counts_at = 2 * (key_bytes + payload_bytes)
        self.unit_bytes = self.counts_at + 4 * 256 * self.digits
        self.by_digits = self.count >= RADIX_COUNT
        roots = list(dict.fromkeys(view.root for view in self.views))
        self.reads = tuple(roots)
        self.scratch = Scratch(self.unit_bytes * self.units)
        self.b = KernelBuilder("sort", target, len(roots) + 2)
        pointers = dict(zip(roots, self.b.operands, strict=False))
        self.sources = [pointers[view.root] for view in self.views]

    def load(self, pointer: Value, element: str, place: Value) -> Value:
        return self.b.load(
            element, self.b.address(pointer, element, place), size_of(element)
        )

    def store(self, x: Value, pointer: Value, place: Value) -> None:
        self.b.store(x, self.b.address(pointer, x.type, place), size_of(x.type))

    # --- a line in and out ---

    def read_line(self, index: Sequence[Value], keys: Value, payloads: Value) -> None:
        """Write the copy of a line's keys and payloads into scratch memory."""
        b, dtype = self.b, self.node.inputs[0].dtype
        first = [
            offset(b, view.offset, index, strides)
            for view, strides in zip(self.views, self.strides, strict=False)
        ]
        falling = bool(self.node.attrs["descending"])
        with b.loop(0, self.count) as loop:
            place = plus(b, first[0], times(b, loop.index, self.steps[0]))
            x = load_run(b, Run(self.sources[0], place, 1), dtype, i64(0), 1, 1)
            self.store(_line_key(b, x, dtype, falling), keys, loop.index)
            place = plus(b, first[1], times(b, loop.index, self.steps[1]))
            self.store(
                self.load(self.sources[1], self.moved, place), payloads, loop.index
            )

    def write_line(self, index: Sequence[Value], payloads: Value) -> None:
        """Write the copy of a line's payloads to the result."""
        b = self.b
        first = offset(b, 0, index, self.strides[2])
        with b.loop(0, self.count) as loop:
            place = plus(b, first, times(b, loop.index, self.steps[2]))
            self.store(
                self.load(payloads, self.moved, loop.index), b.operands[-2], place
            )

    # --- merging ---

    def merged(self, places: list[Value]) -> Value:
        """Write the merges of runs of 1, 2, 4, ...; returns where the payloads are."""
        b = self.b
        levels = max(self.count - 1, 0).bit_length()
        with b.loop(0, levels, 1, places) as level:
            width = b.binary("shl", i64(1), level.index)
            double = b.binary("shl", i64(2), level.index)
            rounding = plus(b, double, self.count - 1)
            pairs = b.binary("lshr", rounding, plus(b, level.index, 1))
            with b.loop(0, pairs) as pair:
                begin = b.binary("mul", pair.index, double)
                middle = least(b, plus(b, begin, width), self.count)
                end = least(b, plus(b, begin, double), self.count)
                self._merge(level.carried, begin, middle, end)
            level.next = [*level.carried[2:], *level.carried[:2]]
        return level.results[1]

    def _merge(
        self, places: Sequence[Value], begin: Value, middle: Value, end: Value
    ) -> None:
        """Write the merge of two runs, without branches; the left one wins ties."""
        b = self.b
        keys, payloads, keys_to, payloads_to = places
        with b.loop(begin, end, 1, [begin, middle]) as loop:
            left, right = loop.carried
            left_key = self.load(keys, self.key, least(b, left, self.count - 1))
            right_key = self.load(keys, self.key, least(b, right, self.count - 1))
            left_over = b.compare("icmp", "sge", left, middle)
            less = b.compare("icmp", "ult", right_key, left_key)
            right_there = b.compare("icmp", "slt", right, end)
            take = b.binary("and", right_there, b.binary("or", left_over, less))
            self.store(b.select(take, right_key, left_key), keys_to, loop.index)
            chosen = self.load(payloads, self.moved, b.select(take, right, left))
            self.store(chosen, payloads_to, loop.index)
            one = b.convert("zext", take, "i64")
            loop.next = [
                b.binary("add", left, b.binary("xor", one, i64(1))),
                b.binary("add", right, one),
            ]

    # --- digits ---

    def ordered_by_digits(self, places: list[Value], counts: Value) -> Value:
        """Write a radix sort; returns where the payloads are."""
        b = self.b
        zero = Value("i32", "0")
        with b.loop(0, 256 * self.digits) as loop:
            self.store(zero, counts, loop.index)
        with b.loop(0, self.count) as loop:
            key = self.load(places[0], self.key, loop.index)
            for digit in range(self.digits):
                self._count(counts, self._digit(key, digit), digit)
        for digit in range(self.digits):
            self._sums(counts, digit)
            with b.loop(0, self.count) as loop:
                key = self.load(places[0], self.key, loop.index)
                payload = self.load(places[1], self.moved, loop.index)
                before = self._count(counts, self._digit(key, digit), digit)
                to = b.convert("zext", before, "i64")
                self.store(key, places[2], to)
                self.store(payload, places[3], to)
            places = [*places[2:], *places[:2]]
        return places[1]

    def _digit(self, key: Value, digit: int) -> Value:
        b = self.b
        shifted = b.binary("lshr", key, constant(8 * digit, key.type))
        return b.convert(
            "zext", b.binary("and", shifted, constant(255, key.type)), "i64"
        )

    def _count(self, counts: Value, value: Value, digit: int) -> Value:
        """Count one more key with this digit; returns the count before."""
        b = self.b
        place = plus(b, value, 256 * digit)
        before = self.load(counts, "i32", place)
        self.store(b.binary("add", before, Value("i32", "1")), counts, place)
        return before

    def _sums(self, counts: Value, digit: int) -> None:
        """Turn the counts of a digit into the place of the first key with it."""
        b = self.b
        first, last = 256 * digit, 256 * (digit + 1)
        with b.loop(first, last, 1, [Value("i32", "0")]) as loop:
            here = self.load(counts, "i32", loop.index)
            self.store(loop.carried[0], counts, loop.index)
            loop.next = [b.binary("add", loop.carried[0], here)]


def _line_key(b: KernelBuilder, x: Value, dtype: DType, falling: bool) -> Value:
    """Return a key; in a falling order all but NaN are turned round."""
    key = sort_key(b, x, dtype)
    if not falling:
        return key
    turned = b.binary("xor", key, constant(-1, key.type))
    if not is_floating(x):
        return turned
    return b.select(b.compare("fcmp", "uno", x, x), constant(-1, key.type), turned)


def lower_sort(node: Node, target: Target, _: Materialise) -> list[KernelCall]:
    """Return the kernel of ``sort``; every unit sorts its lines one after the other."""
    sort = _Sort(node, target)
    b = sort.b
    with b.loop(b.begin, b.end) as unit:
        memory = b.address(b.operands[-1], "i8", times(b, unit.index, sort.unit_bytes))
        places = [b.address(memory, "i8", place) for place in sort.places]
        counts = b.address(memory, "i8", sort.counts_at)
        first, last = (
            divided(b, times(b, plus(b, unit.index, k), sort.lines), sort.units)[0]
            for k in (0, 1)
        )
        with b.loop(first, last) as line:
            index = unravel(b, line.index, sort.shape)
            sort.read_line(index, places[0], places[1])
            if sort.by_digits:
                payloads = sort.ordered_by_digits(places, counts)
            else:
                payloads = sort.merged(places)
            sort.write_line(index, payloads)
    passes = sort.digits if sort.by_digits else max(sort.count - 1, 0).bit_length()
    kernel = b.finish(sort.units, 8.0 * node.size * (passes + 1))
    return [KernelCall(kernel, sort.reads, (node, sort.scratch))]


# --- argmax --------------------------------------------------------------------------


def lower_argmax(node: Node, target: Target, _: Materialise) -> list[KernelCall]:
    """Return the kernel of ``argmax``."""
    (x,) = node.inputs
    axis: Any = node.attrs["axis"]
    view = view_of(x)
    lines = Lines.of(view, axis)
    b = KernelBuilder("argmax", target, 2)
    rows = x.shape[0] if lines.length == 1 and axis else 0
    height = band_height(rows, x.size // max(rows, 1))
    per_unit = height * (lines.groups // max(rows, 1))
    if lines.length == 1:
        units = _find_in_line(b, x.dtype, lines, per_unit)
    else:
        units = _find_across_lines(b, x.dtype, lines)
    kernel = b.finish(units, 3.0 * x.size)
    bands = bands_of(rows, height, [view], [node]) if per_unit else None
    return [KernelCall(kernel, (view.root,), (node,), bands)]


def _find_across_lines(b: KernelBuilder, dtype: DType, lines: Lines) -> int:
    """Write the search in lines that lie side by side, in vectors across them."""
    lanes = b.target.vector_bytes // max(4, dtype.itemsize)
    vectors = max(1, min(VECTORS, -(-lines.length // lanes)))
    blocks = -(-lines.length // (lanes * vectors))
    type_ = vector_type(key_type(dtype), lanes)

    def block(index: Sequence[Value], start: Value, counts: list[int]) -> None:
        first = lines.source(b, index)
        to = Run(b.operands[1], lines.result(b, index, 1)[0], 1)
        carried = [constant(0, type_)] * (2 * len(counts))
        with b.loop(0, lines.count, 1, carried) as loop:
            where = plus(b, first, times(b, loop.index, lines.step))
            run = Run(b.operands[0], where, lines.stride)
            number = b.convert("trunc", loop.index, element_of(type_))
            here = b.splat(number, lanes)
            for place, active in enumerate(counts):
                best, at = loop.carried[2 * place : 2 * place + 2]
                column = plus(b, start, place * lanes)
                key = sort_key(b, load_run(b, run, dtype, column, lanes, active), dtype)
                better = b.compare("icmp", "ugt", key, best)
                loop.next = [
                    *loop.next,
                    b.select(better, key, best),
                    b.select(better, here, at),
                ]
        for place, active in enumerate(counts):
            column = plus(b, start, place * lanes)
            found = loop.results[2 * place + 1]
            found = b.convert("zext", found, vector_type("i64", lanes))
            store_run(b, to, dtypes.int64, column, found, lanes, active)

    with b.loop(b.begin, b.end) as unit:
        group, number = divided(b, unit.index, blocks)
        index = unravel(b, group, lines.shape)
        column_block(
            b,
            number,
            lines.length,
            lanes,
            vectors,
            lambda start, counts: block(index, start, counts),
        )
    return lines.groups * blocks


def _find_in_line(b: KernelBuilder, dtype: DType, lines: Lines, per_unit: int) -> int:
    """Write the search along single lines, in vectors where there are no gaps.

    Units are of ``per_unit`` lines if that is not 0.
    """
    lanes = b.target.vector_bytes // max(4, dtype.itemsize)
    while lanes > 1 and (lines.step != 1 or lanes >= 2 * lines.count):
        lanes //= 2
    per_unit = per_unit or max(1, UNIT // max(lines.count, 1))
    units = -(-lines.groups // per_unit)
    last = least(b, times(b, b.end, per_unit), lines.groups)
    with b.loop(times(b, b.begin, per_unit), last) as line:
        first = lines.source(b, unravel(b, line.index, lines.shape))
        run = Run(b.operands[0], first, lines.step)
        best, at = _best_of_lanes(b, run, dtype, lines.count, lanes)
        _, found = _best_of_all(b, best, at)
        to = Run(b.operands[1], line.index, 1)
        store_run(b, to, dtypes.int64, i64(0), b.convert("zext", found, "i64"), 1, 1)
    return units


def _best_of_lanes(
    b: KernelBuilder, run: Run, dtype: DType, count: int, lanes: int
) -> tuple[Value, Value]:
    """Return every lane's largest key and its place."""
    element = key_type(dtype)
    type_ = vector_type(element, lanes)
    steps = b.lane_numbers(element, lanes)
    whole = count // lanes * lanes

    def better(
        place: Value, active: int, best: Value, at: Value
    ) -> tuple[Value, Value]:
        key = sort_key(b, load_run(b, run, dtype, place, lanes, active), dtype)
        base = b.convert("trunc", place, element)
        here = b.binary("add", b.splat(base, lanes), steps)
        if active < lanes:
            unused = ", ".join(
                f"i1 {'false' if lane < active else 'true'}" for lane in range(lanes)
            )
            mask = Value(vector_type("i1", lanes), f"<{unused}>")
            key = b.select(mask, constant(0, type_), key)
        wins = b.compare("icmp", "ugt", key, best)
        return b.select(wins, key, best), b.select(wins, here, at)

    # The first elements: all keys are at least 0, the places are those of the lanes.
    best, at = constant(0, type_), steps
    with b.loop(0, whole, lanes, [best, at]) as loop:
        loop.next = better(loop.index, lanes, *loop.carried)
    best, at = loop.results
    if count > whole:
        best, at = better(i64(whole), count - whole, best, at)
    return best, at


def _best_of_all(b: KernelBuilder, best: Value, at: Value) -> tuple[Value, Value]:
    """Combine the lanes: the largest key, the first place where keys are equal."""
    lanes = lanes_of(best.type)
    while lanes > 1:
        lanes //= 2
        low, high = (
            [_half(b, one, begin, lanes) for one in (best, at)] for begin in (0, lanes)
        )
        above = b.compare("icmp", "ugt", high[0], low[0])
        equal = b.compare("icmp", "eq", high[0], low[0])
        earlier = b.compare("icmp", "ult", high[1], low[1])
        wins = b.binary("or", above, b.binary("and", equal, earlier))
        best, at = (b.select(wins, y, x) for x, y in zip(low, high, strict=True))
    return best, at


def _half(b: KernelBuilder, x: Value, begin: int, lanes: int) -> Value:
    """Return neighbouring lanes of a vector; a scalar for one."""
    element = element_of(x.type)
    if lanes == 1:
        return b.emit(element, f"extractelement {x}, i64 {begin}")
    picks = ", ".join(f"i32 {lane}" for lane in range(begin, begin + lanes))
    mask = f"<{lanes} x i32> <{picks}>"
    type_ = vector_type(element, lanes)
    return b.emit(type_, f"shufflevector {x}, {x.type} poison, {mask}")
