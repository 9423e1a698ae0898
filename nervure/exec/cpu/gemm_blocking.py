"""How a matrix product is cut: register tiles, panels, blocks of rows and of the sum.

Three levels, from the inside out:

- A *tile* of ``rows x vectors`` accumulators stays in registers while the whole sum (or
  one block of it) runs past.  It needs as many accumulators as hide the latency of a
  multiply-add, and enough rows that a vector of y is used often once it is loaded.
- A *panel* is one tile wide and many tiles high.  Its part of y, ``depth`` x panel
  width, is gathered into one piece of memory (*packed*) that stays in the second-level
  cache while all tiles of the panel use it.
- A *block* of rows is what stays of x in the cache while the panels go by.

Every choice depends on the shapes and on the kind of machine alone, so results do not
depend on the number of threads.  A work unit is one tile.
"""

from __future__ import annotations

import enum
import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from nervure import dtypes
from nervure.exec.cpu.expressions import NARROW
from nervure.exec.cpu.gemm_problem import Problem
from nervure.exec.cpu.kernel import SERIAL_COST, Scratch
from nervure.exec.cpu.llvm import Value
from nervure.exec.cpu.maps import first_lanes
from nervure.exec.cpu.target import Target

# The longest stretch of the sum that a panel is packed for, in elements.
DEPTH: Final = 1024
# Bytes of a packed panel, which lies on the stack.  A large tile needs so little of y
# at each step that its panel may be in the second-level cache; that of a small tile has
# to be in the first.
LARGE_PANEL: Final = 2**18
SMALL_PANEL: Final = 2**15
# Bytes of x that should stay in the second-level cache beside a panel.
BLOCK_BYTES: Final = 2**20
# Bytes of y that each thread may as well read alone, and rows that are worth it.
SMALL_RIGHT: Final = 2**19
SHARED_ROWS: Final = 96
# Accumulators that must be in flight to hide the latency of a multiply-add.
IN_FLIGHT: Final = 8
# By how much more time tiles may take so that their work units are bands.
BAND_PRICE: Final = 1.2
# Elementary operations in one multiply-add of a vector unit, for costs of kernels.
PRODUCTS_PER_OPERATION: Final = 8.0


class Packing(enum.Enum):
    """How a panel of y is brought together."""

    NONE = "none"  # it is read where it lies
    COPY = "copy"  # rows of y are copied
    PAIR = "pair"  # two rows of bfloat16 are interleaved
    TRANSPOSE = "transpose"  # blocks of vectors are transposed
    GATHER = "gather"  # element by element


class Panel(NamedTuple):
    """The columns of a tile: the lanes of each vector, and how many of the last count.

    If only the code that runs knows whether this is the last panel, ``mask`` holds the
    lanes of the last vector that count, and ``limit`` the number of columns.
    """

    widths: tuple[int, ...]
    active: int
    mask: Value | None = None
    limit: Value | None = None

    @property
    def columns(self) -> int:
        """The number of columns in the result."""
        return sum(self.widths[:-1]) + self.active

    @property
    def stride(self) -> int:
        """The number of columns when packed."""
        return sum(self.widths)

    def mask_of(self, place: int) -> Value | None:
        """Return the lanes of a vector that count; None for all."""
        if place < len(self.widths) - 1:
            return None
        if self.mask is None and self.active < self.widths[-1]:
            return first_lanes(self.widths[-1], self.active)
        return self.mask


@dataclass(frozen=True)
class TileRows:
    """Tiles of equal height: the first of them, how many, and the first one's row."""

    rows: int
    first: int
    count: int
    start: int


@dataclass(frozen=True)
class Blocking:
    """The cuts; see the module."""

    panel: Panel  # every panel but the last
    panels: int
    last: Panel
    merged: bool  # the last panel is made by the same code, with a mask
    tiles: tuple[TileRows, ...]  # one or two heights
    blocks: int  # of rows
    tiles_per_block: int
    depth: int  # of one block of the sum
    packing: Packing
    fetch_panels: bool  # the next panel is brought nearer during one's work
    fetch_rows: bool  # the next rows are, of a panel that is used once
    fetch_results: bool  # so is the memory that the results meet
    fetch_left: bool  # so are the rows of x that the next tile uses
    band: int = 0  # tiles that make up a work unit where it is a band

    @property
    def tile_count(self) -> int:
        """The number of tiles one below the other."""
        return sum(one.count for one in self.tiles)

    @property
    def kinds(self) -> int:
        """How many kinds of panels need code of their own."""
        return 1 if self.panel == self.last or self.merged else 2

    @property
    def units_per_matrix(self) -> int:
        """The number of work units of one matrix product."""
        return self.blocks * self.panels * self.tiles_per_block

    @property
    def block_rows(self) -> int:
        """The most rows that a block has."""
        return self.tiles_per_block * self.tiles[0].rows


def element_bytes(problem: Problem) -> int:
    """Return the bytes of one element while it is computed."""
    return 8 if problem.dtype.itemsize == 8 else 4


def choose_blocking(problem: Problem, target: Target, band: int = 0) -> Blocking:
    """Return the cuts for a problem.

    If ``band`` is given, that number of rows is a work unit (see ``bands.py``), where
    one panel holds all columns and tiles of fitting height are not much worse.
    """
    x, y = (replace(matrix, slot=_ANYWHERE) for matrix in (problem.x, problem.y))
    return _chosen(replace(problem, x=x, y=y), target, band)


# Layers of a network often multiply alike; where operands lie does not matter.
_ANYWHERE: Final = Scratch(0)


@functools.lru_cache(maxsize=1024)
def _chosen(problem: Problem, target: Target, band: int) -> Blocking:
    tile = _choose_tile(problem, target)
    if band:
        fitting = _choose_banded_tile(problem, target, band, tile)
        if fitting is not None:
            blocking = _blocking(problem, target, fitting, banded=True)
            if blocking.panels == blocking.blocks == 1:
                return replace(blocking, band=band // fitting[0])
    return _blocking(problem, target, tile)


def _blocking(
    problem: Problem, target: Target, tile: tuple[int, int], banded: bool = False
) -> Blocking:
    """Return the cuts for a problem with tiles of some rows and vectors."""
    rows, vectors = tile
    lanes = target.vector_bytes // element_bytes(problem)
    panel, count, last = _panels(problem, vectors, lanes)
    tiles = _exact_rows(problem.m, rows) if banded else _tile_rows(problem.m, rows)
    tile_count = sum(one.count for one in tiles)
    packing = _packing(problem, target, panel, last, tile_count, lanes)
    depth = _depth(problem, target, panel, packing, tile_count)
    if packing is Packing.TRANSPOSE and _shortest(problem, depth) < lanes:
        packing = Packing.GATHER
    blocks = _blocks(problem, count, depth, tiles[0].rows, tile_count)
    return Blocking(
        panel, count, last, _can_merge(problem, target, panel, last),
        tiles, blocks, -(-tile_count // blocks), depth,
        packing,
        _fetches_panels(problem, count, tile_count),
        _fetches_rows(problem, packing, tile_count), _fetches_results(problem),
        _fetches_left(problem, count, tile_count, depth),
    )  # fmt: skip


# --- tiles ---------------------------------------------------------------------------


def _choose_tile(problem: Problem, target: Target) -> tuple[int, int]:
    """Return the rows and vectors of the tile with the lowest estimated time."""
    return min(
        _candidates(problem, target),
        key=lambda tile: (_estimate(problem, target, *tile), -tile[1]),
    )


def _choose_banded_tile(
    problem: Problem, target: Target, band: int, best: tuple[int, int]
) -> tuple[int, int] | None:
    """Return the best tile whose height divides a band, None if it is too slow."""
    lanes = target.vector_bytes // element_bytes(problem)
    fitting = [
        tile for tile in _candidates(problem, target)
        if band % tile[0] == 0 and tile[1] * lanes >= problem.n
    ]  # fmt: skip
    if not fitting or problem.batch:
        return None
    chosen = min(fitting, key=lambda tile: _estimate(problem, target, *tile))
    limit = BAND_PRICE * _estimate(problem, target, *best)
    return chosen if _estimate(problem, target, *chosen) <= limit else None


def _candidates(problem: Problem, target: Target) -> Iterator[tuple[int, int]]:
    lanes = target.vector_bytes // element_bytes(problem)
    # y that is used once streams better in long pieces
    most = 16 if problem.m == 1 and problem.n >= 256 * lanes else 8
    most_vectors = min(-(-problem.n // lanes), most)
    # without a fused multiply-add the product needs a register too
    room = target.registers - (1 if target.fma else 2)
    for vectors in range(1, most_vectors + 1):
        for rows in range(1, min(problem.m, target.registers // 2) + 1):
            # with one row, y goes straight from memory into the multiplication
            held = rows * vectors + (vectors if rows > 1 else 0)
            if held <= room - (3 if target.registers > 16 else 0):
                yield rows, vectors


def _estimate(problem: Problem, target: Target, rows: int, vectors: int) -> float:
    """Return the estimated time, in multiply-adds for each element of the sum."""
    lanes = target.vector_bytes // element_bytes(problem)
    _, count, last = _panels(problem, vectors, lanes)
    tiles = _tile_rows(problem.m, rows)
    total = 0.0
    for one in tiles:
        full = _tile_time(one.rows, vectors, problem.chunk)
        rest = _tile_time(one.rows, len(last.widths), problem.chunk)
        total += one.count * ((count - 1) * full + rest)
    batch = math.prod(problem.batch)
    if problem.products > PRODUCTS_PER_OPERATION * SERIAL_COST:
        total *= _imbalance(batch * count * sum(one.count for one in tiles))
    kinds = len(tiles) * (1 if count == 1 or len(last.widths) == vectors else 2)
    return total * (1 + 0.02 * kinds)


def _tile_time(rows: int, vectors: int, depth: int) -> float:
    """Estimate one tile: arithmetic, a share of the loads, what a tile costs once."""
    steps = max(rows * vectors, 0.75 * (rows + vectors))
    once = 10.0 + 2.0 * rows * vectors
    return steps + 0.25 * (rows + vectors) + once / max(depth, 1)


def _imbalance(units: int) -> float:
    """Return by how much threads wait for the last one, for usual numbers of them."""
    return sum(-(-units // threads) * threads / units for threads in (2, 4, 8)) / 3


def _tile_rows(m: int, rows: int) -> tuple[TileRows, ...]:
    """Cut ``m`` rows into tiles of at most ``rows``, as equal as possible."""
    count = -(-m // rows)
    low, higher = divmod(m, count)
    if not higher:
        return (TileRows(low, 0, count, 0),)
    return (
        TileRows(low + 1, 0, higher, 0),
        TileRows(low, higher, count - higher, higher * (low + 1)),
    )


def _exact_rows(m: int, rows: int) -> tuple[TileRows, ...]:
    """Cut ``m`` rows into tiles of ``rows``; the last may be lower."""
    count, rest = divmod(m, rows)
    tiles = [TileRows(rows, 0, count, 0)] if count else []
    if rest:
        tiles.append(TileRows(rest, count, 1, count * rows))
    return tuple(tiles)


def _panels(problem: Problem, vectors: int, lanes: int) -> tuple[Panel, int, Panel]:
    """Cut the columns into panels; returns the usual one, their number, the last."""
    width = vectors * lanes
    count = -(-problem.n // width)
    rest = problem.n - (count - 1) * width
    whole, active = divmod(rest, lanes)
    widths = (lanes,) * whole
    if active:
        # as wide as the others where that makes the last panel like them
        alike = count > 1 and whole == vectors - 1
        least = 4 if problem.paired else 1
        widths = (*widths, lanes if alike else _narrowest(active, lanes, least))
    last = Panel(widths, active or lanes)
    return (Panel((lanes,) * vectors, lanes) if count > 1 else last), count, last


def _can_merge(problem: Problem, target: Target, panel: Panel, last: Panel) -> bool:
    """Tell whether the last panel differs in a mask that costs nothing."""
    return (
        target.level == "avx512"
        and panel != last
        and panel.widths == last.widths
        and all(layout.column in (0, 1) for layout in problem.layouts)
    )


def _narrowest(active: int, lanes: int, least: int) -> int:
    """Return the narrowest useful vector with at least ``active`` lanes."""
    if active == least == 1:
        return 1
    return min(lanes, max(1 << (active - 1).bit_length(), min(lanes, 4)))


# --- blocks and packing --------------------------------------------------------------


def _depth(
    problem: Problem, target: Target, panel: Panel, packing: Packing, tile_count: int
) -> int:
    """Return how many steps of the sum are made at once."""
    if tile_count == 1 and packing is Packing.NONE:
        return problem.chunk  # nothing is used twice
    room = LARGE_PANEL if target.vector_bytes >= 64 else SMALL_PANEL
    limit = min(DEPTH, room // (panel.stride * element_bytes(problem)))
    count = max(1, -(-problem.chunk // limit))
    return -(-problem.chunk // count)


def _shortest(problem: Problem, depth: int) -> int:
    """Return the smallest number of steps that any block of the sum has."""
    if not depth:
        return 0
    rest = problem.k - (problem.parts - 1) * problem.chunk
    return min((chunk - 1) % depth + 1 for chunk in (problem.chunk, rest))


def _blocks(
    problem: Problem, panels: int, depth: int, rows: int, tile_count: int
) -> int:
    """Return into how many blocks the rows are cut."""
    cut = depth < problem.chunk
    if panels == 1 and not cut:
        return 1  # nothing of x is used twice
    limit = max(256, BLOCK_BYTES // (max(depth, 1) * element_bytes(problem)))
    if cut:
        limit = 256  # partial sums of a panel wait in memory
    count = -(-problem.m // max(limit, rows))
    small = problem.k * problem.n * problem.y.dtype.itemsize <= SMALL_RIGHT
    if small and not problem.batch:
        # each thread reads all of y, and those rows that it has written just before
        shares = 4 if problem.m >= 4 * SHARED_ROWS else 2
        if problem.m >= shares * SHARED_ROWS:
            count = shares * -(-count // shares)
    return min(tile_count, count)


def _packing(
    problem: Problem,
    target: Target,
    panel: Panel,
    last: Panel,
    tile_count: int,
    lanes: int,
) -> Packing:
    """Decide whether and how panels are packed."""
    if problem.k == 0:
        return Packing.NONE
    if problem.y.columns != 1 and problem.n > 1:
        if problem.y.rows == 1 and lanes > 1:
            return Packing.TRANSPOSE
        return Packing.GATHER
    if problem.paired and problem.y.dtype == dtypes.bfloat16:
        return Packing.PAIR  # y whose pairs lie side by side is read as int32
    if problem.y.dtype in NARROW or problem.y.dtype.itemsize < 4:
        # converted once, not by each tile
        return Packing.COPY if tile_count > 2 else Packing.NONE
    masked = last.active != last.widths[-1]
    if masked and target.level != "avx512" and tile_count > 2:
        return Packing.COPY  # loads with masks are slow
    # Rows far apart: each is a page of its own, and they compete for cache lines.
    stride = abs(problem.y.rows) * problem.y.dtype.itemsize
    size = min(problem.chunk, DEPTH) * panel.stride * element_bytes(problem)
    if stride >= 2048 and size > 8192 and tile_count >= 12:
        return Packing.COPY
    return Packing.NONE


def _fetches_panels(problem: Problem, panels: int, tile_count: int) -> bool:
    """Tell whether y is too large for the cache, so that panels are fetched ahead."""
    y_bytes = problem.k * problem.n * problem.y.dtype.itemsize
    return panels > 1 and y_bytes > BLOCK_BYTES // 4 and tile_count > 1


def _fetches_rows(problem: Problem, packing: Packing, tile_count: int) -> bool:
    """Tell whether y streams past once, and too far apart to be foreseen."""
    y_bytes = problem.k * problem.n * problem.y.dtype.itemsize
    plain = packing is Packing.NONE and problem.y.columns == 1
    return plain and tile_count == 1 and y_bytes > BLOCK_BYTES // 2


def _fetches_results(problem: Problem) -> bool:
    """Tell whether waiting for the results' memory would take a share of the time."""
    streams = sum(1 for layout in problem.layouts if layout.row and layout.column)
    size = problem.m * problem.n * problem.dtype.itemsize * streams
    return size > BLOCK_BYTES // 4 and problem.k <= 512


def _fetches_left(problem: Problem, panels: int, tile_count: int, depth: int) -> bool:
    """Tell whether x streams past once, in too many short rows to be foreseen."""
    x = problem.x
    once = panels == 1 and tile_count > 1 and depth >= problem.chunk
    along = x.columns == 1 and problem.m * problem.k * x.dtype.itemsize > BLOCK_BYTES
    return once and along and not _fetches_results(problem)
