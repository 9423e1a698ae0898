"""The results of a correlation by Winograd's way: a convolution, or its input gradient.

One kernel transforms the weights.  Another goes through the tiles, a *stretch* of them
at a time: it transforms what they see of the image, multiplies the values at each
position with the weights', and makes results of the sums.  All this lies on the stack
and stays in the second-level cache; nothing but the results goes to memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from nervure.exec.cpu.bands import image_band_height
from nervure.exec.cpu.conv_direct import Results, products
from nervure.exec.cpu.conv_geometry import Correlation
from nervure.exec.cpu.conv_results import (
    ResultWriter,
    bands_of_images,
    result_memory,
)
from nervure.exec.cpu.conv_strips import Place
from nervure.exec.cpu.conv_tiling import Block, cut_filters, most_results
from nervure.exec.cpu.gemm_results import Epilogue
from nervure.exec.cpu.kernel import (
    KernelBuilder,
    KernelCall,
    Scratch,
    Slot,
)
from nervure.exec.cpu.llvm import Value, constant, vector_type
from nervure.exec.cpu.runs import (
    divided,
    i64,
    least,
    minus,
    plus,
    times,
)
from nervure.exec.cpu.target import Target
from nervure.exec.cpu.views import view_of
from nervure.exec.cpu.winograd import (
    POSITIONS,
    SEEN,
    STEP,
    Grid,
    cut_evenly,
    image_line,
    result_line,
    see_image,
)
from nervure.exec.cpu.winograd_weights import (
    panel_elements,
    panel_offset,
    position_step,
    weights_kernel,
)
from nervure.ir.node import Node

# Bytes on the stack, beside the weights in a core's second-level cache.
STACK: Final = 3 * 2**17
# Tiles that a band of images should have at least, for weights to be read seldom.
BAND_TILES: Final = 64


@dataclass(frozen=True)
class _Cut:
    """How the tiles and the filters are cut.

    A unit has ``unit_tiles``, of which ``stretch`` are computed at a time; a register
    tile is the sums of ``rows`` of them.
    """

    lanes: int
    blocks: tuple[Block, ...]
    rows: int
    stretch: int
    unit_tiles: int
    band: int  # images of a unit; 0 if units are not bands
    pitch: int  # elements from one tile's values to the next one's

    @classmethod
    def of(cls, problem: Correlation, target: Target) -> _Cut:
        lanes = target.lanes
        blocks = cut_filters(problem.filters, lanes)
        vectors = max(block.vectors for block in blocks)
        # a power of two between values would bring many to the same place of a cache
        pitch = -(-problem.channels // lanes) * lanes + lanes
        most = STACK // (POSITIONS * 4 * (pitch + vectors * lanes))
        grid = Grid.of(problem)
        band = image_band_height(grid.images)
        if band * grid.of_image < BAND_TILES:
            band = 0
        tiles = band * grid.of_image if band else grid.tiles // 2
        stretch = cut_evenly(tiles, most)
        rows = _tile_rows(stretch, most_results(target, vectors))
        stretch = -(-stretch // rows) * rows
        unit = tiles if band else stretch
        return cls(lanes, blocks, rows, stretch, unit, band, pitch)

    @property
    def width(self) -> int:
        """The filters of the widest block."""
        return max(block.vectors for block in self.blocks) * self.lanes

    @property
    def value_step(self) -> int:
        """Elements from the values of one position to those of the next."""
        return self.stretch * self.pitch + self.lanes

    @property
    def sum_step(self) -> int:
        """Elements from the sums of one position to those of the next."""
        return self.stretch * self.width + self.lanes


def _tile_rows(count: int, most: int) -> int:
    """Return the rows of register tiles that have the fewest to spare."""

    def spare(rows: int) -> tuple[int, int]:
        return -count % rows, -rows

    most = min(most, count)
    return min(range(most - most // 4, most + 1), key=spare)


def lower_results(
    node: Node, problem: Correlation, epilogue: Epilogue, target: Target
) -> list[KernelCall]:
    """Return the kernels of a correlation that suits, and the group that reads it."""
    cut = _Cut.of(problem, target)
    image, weights = (view_of(operand).root for operand in node.inputs)
    panels = Scratch(4 * panel_elements(problem, cut.blocks, cut.lanes))
    transform = weights_kernel(problem, cut.blocks, target)
    return [
        KernelCall(transform, (weights,), (panels,)),
        _result_kernel(node, image, panels, problem, cut, epilogue, target),
    ]


# --- results -------------------------------------------------------------------------


def _result_kernel(
    node: Node,
    image: Node,
    panels: Scratch,
    problem: Correlation,
    cut: _Cut,
    epilogue: Epilogue,
    target: Target,
) -> KernelCall:
    """Return the kernel that computes the results."""
    reads: list[Slot] = list(dict.fromkeys((image, panels, *epilogue.roots)))
    writes = epilogue.outputs
    b = KernelBuilder(f"winograd_{node.op.name}", target, len(reads) + len(writes))
    pointers: dict[Any, Value] = dict(zip([*reads, *writes], b.operands, strict=True))
    epilogue.allow_aliases(b, pointers)
    memory = result_memory(b, epilogue, problem, STEP * cut.width)
    results = ResultWriter(b, problem, cut.lanes, epilogue, pointers, memory)
    writer = _Writer(b, problem, cut, pointers, image, panels, results)
    writer.emit()
    units = -(-Grid.of(problem).tiles // cut.unit_tiles)
    cost = problem.products * POSITIONS / 36 / 8 + epilogue.cost
    bands = bands_of_images(node, cut.band, epilogue) if cut.band else None
    return KernelCall(b.finish(units, cost), tuple(reads), tuple(writes), bands)


class _Writer:
    """Writes the kernel that computes the results."""

    def __init__(
        self,
        b: KernelBuilder,
        problem: Correlation,
        cut: _Cut,
        pointers: Mapping[Slot, Value],
        image: Node,
        panels: Scratch,
        results: ResultWriter,
    ) -> None:
        self._b = b
        self._problem = problem
        self._cut = cut
        self._grid = Grid.of(problem)
        self._image = pointers[image]
        self._panels = pointers[panels]
        self._results = results
        self._vector = vector_type("float", cut.lanes)
        self._values = b.stack("float", POSITIONS * cut.value_step)
        self._sums = b.stack("float", POSITIONS * cut.sum_step)

    def emit(self) -> None:
        """Write the loops over units and stretches."""
        b, cut = self._b, self._cut
        with b.loop(b.begin, b.end) as unit:
            first = times(b, unit.index, cut.unit_tiles)
            last = least(b, plus(b, first, cut.unit_tiles), self._grid.tiles)
            with b.loop(first, last, cut.stretch) as loop:
                start = loop.index
                count = least(b, minus(b, last, start), cut.stretch)
                self._write_values(start, count)
                for block in cut.blocks:
                    with b.loop(0, block.number) as blocks:
                        index = blocks.index if block.number > 1 else i64(0)
                        self._write_sums(block, index, count)
                        self._write_results(block, index, start, count)

    def _write_values(self, start: Value, count: Value) -> None:
        """Write the transform of what a stretch of tiles sees."""
        b, cut = self._b, self._cut
        with b.loop(0, count) as tile:
            image, row, column = self._grid.place(b, plus(b, start, tile.index))
            to = times(b, tile.index, cut.pitch)

            def write(
                lines: list[list[Value]], channel: Value, lanes: int, active: int
            ) -> None:
                wide = [image_line(b, line) for line in lines]
                for x in range(SEEN):
                    down = image_line(b, [line[x] for line in wide])
                    for y, value in enumerate(down):
                        at = plus(b, to, (SEEN * y + x) * cut.value_step)
                        at = plus(b, at, channel)
                        b.store(value, b.address(self._values, "float", at), 4)

            see_image(b, self._problem, self._image, (image, row, column),
                      [i64(y) for y in range(SEEN)], write)  # fmt: skip

    def _write_sums(self, block: Block, index: Value, count: Value) -> None:
        """Write the products of matrices, one for each position."""
        b, cut = self._b, self._cut
        step = position_step(self._problem, block, cut.lanes)
        panel = times(b, index, POSITIONS * step)
        panel = plus(
            b, panel, panel_offset(self._problem, cut.blocks, cut.lanes, block)
        )
        groups, _ = divided(b, plus(b, count, cut.rows - 1), cut.rows)
        with b.loop(0, POSITIONS) as position:
            weights = plus(b, panel, times(b, position.index, step))
            values = times(b, position.index, cut.value_step)
            sums = times(b, position.index, cut.sum_step)
            with b.loop(0, groups) as group:
                tile = times(b, group.index, cut.rows)
                x = plus(b, values, times(b, tile, cut.pitch))
                totals = self._register_tile(block, x, weights)
                to = b.address(self._sums, "float",
                               plus(b, sums, times(b, tile, cut.width)))  # fmt: skip
                for number, total in enumerate(totals):
                    line, vector = divmod(number, block.vectors)
                    at = line * cut.width + vector * cut.lanes
                    b.store(total, b.address(to, "float", at), 4)

    def _register_tile(self, block: Block, x: Value, weights: Value) -> list[Value]:
        """Write the sums over channels of some tiles and a block of filters."""
        b, cut, vectors = self._b, self._cut, block.vectors
        values = b.address(self._values, "float", x)
        panel = b.address(self._panels, "float", weights)
        zeros = [constant(0, self._vector)] * (cut.rows * vectors)
        channels = self._problem.channels
        with b.loop(0, channels, 1, [values, panel, *zeros]) as loop:
            values, panel, *totals = loop.carried
            tiles = [tile * cut.pitch for tile in range(cut.rows)]
            sums = products(b, self._vector, 4, (values, panel), tiles, vectors, totals)
            loop.next = [
                b.address(values, "float", 1),
                b.address(panel, "float", vectors * cut.lanes),
                *sums,
            ]
        return loop.results[2:]

    def _write_results(
        self, block: Block, index: Value, start: Value, count: Value
    ) -> None:
        """Write what becomes of the sums of a block of filters."""
        b, cut = self._b, self._cut
        filter_ = plus(b, times(b, index, block.filters), block.first)
        _, height, width = self._problem.axes
        with b.loop(0, count) as tile:
            image, row, column = self._grid.place(b, plus(b, start, tile.index))
            found = self._tile_results(block, times(b, tile.index, cut.width))

            def write(y: int, x: int, columns: int) -> None:
                place = Place(image, i64(0), plus(b, row, y), plus(b, column, x))
                values = [one for part in found[y][x : x + columns] for one in part]
                active = block.active(cut.lanes)
                self._results.write(
                    Results(place, [i64(0)] * 3, 1, columns, filter_, active, values)
                )

            def write_row(y: int) -> None:
                if width.count % STEP == 0:
                    write(y, 0, STEP)
                    return
                write(y, 0, 1)
                last = plus(b, column, 1)
                with b.when(b.compare("icmp", "slt", last, i64(width.count))):
                    write(y, 1, 1)

            write_row(0)
            if height.count % STEP == 0:
                write_row(1)
                return
            last = plus(b, row, 1)
            with b.when(b.compare("icmp", "slt", last, i64(height.count))):
                write_row(1)

    def _tile_results(self, block: Block, at: Value) -> list[list[list[Value]]]:
        """Return the vectors of a tile's results: by row, column and vector."""
        b, cut = self._b, self._cut
        found: list[list[list[Value]]] = [[[], []], [[], []]]
        for vector in range(block.vectors):
            lines = []
            for y in range(SEEN):
                sums = []
                for x in range(SEEN):
                    step = (SEEN * y + x) * cut.sum_step + vector * cut.lanes
                    where = b.address(self._sums, "float", plus(b, at, step))
                    sums.append(b.load(self._vector, where, 4))
                lines.append(result_line(b, sums))
            for x in range(STEP):
                for y, value in enumerate(result_line(b, [line[x] for line in lines])):
                    found[y][x].append(value)
        return found
