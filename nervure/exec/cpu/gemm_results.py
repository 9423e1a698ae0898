"""What becomes of a tile's sums: stored, or first taken through an elementwise group.

The group that alone reads a matrix product (its *epilogue*: bias, activation, dropout,
the optimizer's update) is computed where the sums are, so they need not go to memory
and back.  Everything it reads is a stream with strides for rows and columns of the
product.

Short groups are written out for every vector of the tile while the sums are still in
registers.  Long ones would be a lot of code: for them the tile goes through a small
piece of memory, and a loop takes it from there row by row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from nervure.dtypes import DType
from nervure.exec.cpu.gemm_blocking import Panel
from nervure.exec.cpu.gemm_problem import CACHE_LINE, Problem
from nervure.exec.cpu.gemm_tile import Visits, load_tile_row, narrowed
from nervure.exec.cpu.kernel import KernelBuilder
from nervure.exec.cpu.llvm import (
    Value,
    element_of,
    storage_type,
    vector_type,
)
from nervure.exec.cpu.maps import (
    Group,
    GroupReader,
    Nest,
    Row,
    Stream,
    loaded,
    stored,
)
from nervure.exec.cpu.runs import divided, i64, offset, plus, times
from nervure.exec.cpu.target import Target
from nervure.exec.cpu.views import contiguous_strides, view_of
from nervure.ir.node import Node

# Operations that are one or two instructions.
_SHORT: Final = frozenset(
    {"neg", "abs", "not", "add", "sub", "mul", "maximum", "minimum", "and", "or", "xor",
     "eq", "lt", "le", "select", "cast"}
)  # fmt: skip
# The most operations of a group that is written out for every vector.
_FEW: Final = 8


class Epilogue:
    """The group that reads a product, or none; and the nodes that are stored.

    ``value`` is the node that stands for the product in the group: the ``dot``, or its
    transpose if that is what the group reads.  ``over`` names for outputs the operand
    over which they may be written.
    """

    def __init__(
        self,
        value: Node,
        nodes: Sequence[Node],
        outputs: Sequence[Node],
        over: Mapping[Node, Node],
    ) -> None:
        self.value = value
        self.outputs = list(outputs)
        self._over = {new: old for new, old in over.items() if new in outputs}
        self.dtype: DType = value.dtype  # in which the sums are handed over
        self.group = Group(nodes, outputs, given=(value,)) if nodes else None

    @property
    def roots(self) -> list[Node]:
        """The nodes whose memory is read."""
        return self.group.roots if self.group is not None else []

    @property
    def is_short(self) -> bool:
        """Whether the group is worth writing out for every vector."""
        if self.group is None:
            return True
        nodes = self.group.nodes
        return len(nodes) <= _FEW and all(node.op.name in _SHORT for node in nodes)

    @property
    def cost(self) -> float:
        """Return the number of elementary operations of the group."""
        return self.group.cost() if self.group is not None else float(self.value.size)

    def allow_aliases(self, b: KernelBuilder, pointers: Mapping[Node, Value]) -> None:
        """Let outputs be written over operands."""
        for new, old in self._over.items():
            if old in self.roots:
                b.may_alias(pointers[old], pointers[new])

    def is_in_place(self, output: int) -> bool:
        """Tell whether an output is written over an operand."""
        return self.outputs[output] in self._over

    def strides(self, target: Target) -> list[tuple[int, ...]]:
        """Return the strides of all streams over the axes of ``value``."""
        b = KernelBuilder("unused", target, len(self.roots))
        pointers = dict(zip(self.roots, b.operands, strict=True))
        return [stream.strides for stream in self.streams(b, pointers)[1]]

    def strides_of(self, node: Node) -> tuple[int, ...]:
        """Return the strides of the product ``node`` over the axes of ``value``."""
        if self.value is node:
            return contiguous_strides(node.shape)
        return view_of(self.value).strides

    def streams(
        self, b: KernelBuilder, pointers: Mapping[Node, Value]
    ) -> tuple[GroupReader | None, list[Stream]]:
        """Return what evaluates the group, its streams, and those of the outputs."""
        reader = None
        streams: list[Stream] = []
        if self.group is not None:
            reader = GroupReader(self.group, b, dict(pointers))
            streams += reader.streams
        for node in self.outputs:
            strides = contiguous_strides(node.shape)
            streams.append(Stream(pointers.get(node), node.dtype, 0, strides))
        return reader, streams


class Origin(NamedTuple):
    """Where every stream is at the first element of a tile, or of one of its rows.

    A stream in memory has a pointer; a counter has its number, as i64.
    """

    places: tuple[Value, ...]


class Writer:
    """Writes the code that does away with sums, within one kernel."""

    def __init__(
        self,
        b: KernelBuilder,
        epilogue: Epilogue,
        problem: Problem,
        pointers: Mapping[Node, Value],
    ) -> None:
        self.b = b
        self.epilogue = epilogue
        self._layouts = problem.layouts
        self._reader, self._streams = epilogue.streams(b, pointers)
        strides = [(layout.row, layout.column) for layout in problem.layouts]
        self._nest = Nest(b, (problem.m, problem.n), self._streams, 1, strides)

    def origin(self, index: Sequence[Value], row: Value, column: Value) -> Origin:
        """Return where the streams are at an element of the matrix at ``index``."""
        b = self.b
        places = []
        for stream, layout in zip(self._streams, self._layouts, strict=True):
            strides = (*layout.batch, layout.row, layout.column)
            where = offset(b, stream.offset, (*index, row, column), strides)
            if stream.pointer is not None:
                where = b.address(stream.pointer, storage_type(stream.dtype), where)
            places.append(where)
        return Origin(tuple(places))

    def below(self, origin: Origin, rows: Value) -> Origin:
        """Return the origin a number of rows further down."""
        b = self.b
        places = []
        for stream, layout, place in zip(
            self._streams, self._layouts, origin.places, strict=True
        ):
            distance = times(b, rows, layout.row)
            if stream.pointer is None:
                places.append(plus(b, place, distance))
            elif layout.row:
                element = storage_type(stream.dtype)
                places.append(b.address(place, element, distance))
            else:
                places.append(place)
        return Origin(tuple(places))

    def fetches(self, origin: Origin, panel: Panel, rows: int) -> Visits:
        """Return visits that bring the memory nearer that a tile's results will meet.

        All at once they would occupy what the loop itself needs to reach its operands.
        """
        size = max(stream.dtype.itemsize for stream in self._streams)
        line = CACHE_LINE // size
        lines = -(-panel.columns // line)

        def write(number: Value) -> None:
            row, place = divided(self.b, number, lines)
            self._fetch(origin, row, times(self.b, place, line))

        return Visits(rows * lines, write)

    def _fetch(self, origin: Origin, row: Value, column: Value) -> None:
        """Ask for one cache line of each stream."""
        b = self.b
        first_output = len(self._streams) - len(self.epilogue.outputs)
        for place, (stream, layout) in enumerate(
            zip(self._streams, self._layouts, strict=True)
        ):
            if stream.pointer is None or layout.column != 1 or not layout.row:
                continue
            written = place >= first_output
            if written and self.epilogue.is_in_place(place - first_output):
                continue
            distance = plus(b, times(b, row, layout.row), column)
            where = b.address(
                origin.places[place], storage_type(stream.dtype), distance
            )
            b.prefetch(where, nearest=True, write=written)

    def write_rows(
        self, origin: Origin, panel: Panel, sums: Sequence[Value], first: int = 0
    ) -> None:
        """Write what happens to rows of sums, beginning ``first`` rows down."""
        columns = len(panel.widths)
        shared: dict[tuple[int, int], Value] = {}
        for number in range(len(sums) // columns):
            column = 0
            for place, width in enumerate(panel.widths):
                row = _TileRow(self._nest, origin, first + number, column, shared,
                               panel.mask_of(place))  # fmt: skip
                active = width
                if place == columns - 1 and panel.mask is None:
                    active = panel.active
                self._write(row, sums[number * columns + place], width, active)
                column += width

    def write_from_memory(
        self, origin: Origin, panel: Panel, memory: Value, element: str, rows: Value
    ) -> None:
        """Write the loop that takes rows of sums from memory."""
        b = self.b
        with b.loop(0, rows) as loop:
            where = b.address(memory, element, times(b, loop.index, panel.stride))
            sums = load_tile_row(b, panel, self.epilogue.dtype, where)
            self.write_rows(self.below(origin, loop.index), panel, sums)

    def _write(self, row: Row, total: Value, lanes: int, active: int) -> None:
        epilogue = self.epilogue
        nowhere = i64(0)  # the row knows its column
        value = narrowed(self.b, total, epilogue.dtype)
        values = {epilogue.value: value}
        first = 0
        if self._reader is not None:
            values = self._reader.values(row, nowhere, lanes, active, values)
            first = len(self._reader.streams)
        for place, node in enumerate(epilogue.outputs):
            row.store(first + place, nowhere, values[node], lanes, active)


class _TileRow(Row):
    """One vector of a tile as a place of a nest: constant distances from an origin."""

    def __init__(
        self,
        nest: Nest,
        origin: Origin,
        row: int,
        column: int,
        shared: dict[tuple[int, int], Value],
        mask: Value | None,
    ) -> None:
        self.nest = nest
        self._origin = origin
        self._row, self._column = row, column
        self._shared = shared
        self._mask = mask

    def load(self, place: int, column: Value, lanes: int, active: int) -> Value:
        """Return elements of a stream; what all rows share is loaded once."""
        if self.nest.strides[place][0]:
            return self._load(place, column, lanes, active)
        key = (place, self._column)
        if key not in self._shared:
            self._shared[key] = self._load(place, column, lanes, active)
        return self._shared[key]

    def _load(self, place: int, column: Value, lanes: int, active: int) -> Value:
        stream = self.nest.streams[place]
        along = stream.pointer is not None and self.nest.inner_stride(place) == 1
        if self._mask is None or not along:
            return super().load(place, column, lanes, active)
        b = self.nest.b
        type_ = vector_type(storage_type(stream.dtype), lanes)
        where = self.address(place, column)
        raw = b.masked_load(type_, where, self._mask, stream.dtype.itemsize)
        return loaded(b, raw, stream.dtype)

    def store(
        self, place: int, column: Value, x: Value, lanes: int, active: int
    ) -> None:
        """Store the elements that count."""
        if self._mask is None:
            super().store(place, column, x, lanes, active)
            return
        b, dtype = self.nest.b, self.nest.streams[place].dtype
        where = self.address(place, column)
        x = stored(b, x, dtype)
        if active == 1:
            # LLVM 22 stores the whole wide element if x has just been truncated
            one = b.emit(element_of(x.type), f"extractelement {x}, i64 0")
            b.store(one, where, dtype.itemsize)
            return
        b.masked_store(x, where, self._mask, dtype.itemsize)

    def address(self, place: int, column: Value | None) -> Value:
        """Return the address of a stream's element here."""
        element = storage_type(self.nest.streams[place].dtype)
        return self.nest.b.address(
            self._origin.places[place], element, self._distance(place)
        )

    def _distance(self, place: int) -> int:
        row, column = self.nest.strides[place]
        return self._row * row + self._column * column

    def position(self, place: int, column: Value) -> Value:
        return plus(self.nest.b, self._origin.places[place], self._distance(place))
