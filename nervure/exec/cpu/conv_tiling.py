"""How a correlation is cut: register tiles, blocks of filters, and items of work.

From the inside out:

- A *tile* is a few neighbouring results of a row, in as many images as it takes to
  fill the registers, times a few vectors of filters.  All products of a tile are summed
  up in registers; the image is read element by element, the weights vector by vector.
- A *block* is the filters of a tile.  The weights of a block lie one after the other in
  the order in which they are needed (a *panel*), so they stream from the cache.
- An *item* is what a work unit does: some rows of some images, all blocks.  Where the
  image cannot be read in place, the part an item needs is first copied, with padding,
  to a *strip* on the stack.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, NamedTuple

from nervure import dtypes
from nervure.exec.cpu.conv_geometry import Correlation
from nervure.exec.cpu.target import Target

# Bytes of a strip, which lies on the stack and should stay in the second-level cache.
STRIP_BYTES: Final = 3 * 2**16
# Bytes of a strip that is never used: then the whole image is copied instead.
STRIP_LIMIT: Final = 2**19
# Vectors are not made shorter than this.
FEWEST_LANES: Final = 4
# Channels that are worth a loop of their own.
MANY_CHANNELS: Final = 8
# Products that an item should make at least, if there are enough for all threads.
ITEM_PRODUCTS: Final = 2.0**22
# Items that there should be, for all threads to have equal shares.
ITEMS: Final = 64


class Block(NamedTuple):
    """``number`` blocks of filters one after the other, the first one at ``first``."""

    first: int
    vectors: int
    number: int
    filters: int  # of each; fewer than the vectors hold only in the last of all

    def active(self, lanes: int) -> list[int]:
        """Return how many lanes of each vector are in use."""
        return [
            max(0, min(lanes, self.filters - number * lanes))
            for number in range(self.vectors)
        ]


@dataclass(frozen=True)
class Tiling:
    """The cuts; see the module.

    Of the tiles of a row, the first ``wide_tiles`` have ``columns`` results, the others
    one less.
    """

    lanes: int
    blocks: tuple[Block, ...]
    depth: int  # rows of a panel: the products in an element of the result
    columns: int
    tiles: int
    wide_tiles: int
    images: int  # of a tile
    item_images: int  # a multiple of ``images``
    item_rows: int
    item_tiles: int
    in_place: bool

    def strip_bytes(self, problem: Correlation) -> int:
        """Return the bytes of a strip, 0 if none is needed."""
        if self.in_place:
            return 0
        itemsize = dtypes.accumulator(problem.dtype).itemsize
        return _strip_bytes(problem, self.extent, itemsize)

    @property
    def tile_elements(self) -> int:
        """The most results that a tile has in one image."""
        vectors = max(block.vectors for block in self.blocks)
        return self.columns * vectors * self.lanes

    @property
    def extent(self) -> Extent:
        """The results of an item, if all its tiles are wide."""
        columns = self.item_tiles * self.columns
        return Extent(self.item_images, self.item_rows, columns)

    def panel_offset(self, block: Block) -> int:
        """Return where the panels of some blocks begin among those of a group."""
        vectors = 0
        for other in self.blocks:
            if other.first < block.first:
                vectors += other.vectors * other.number
        return vectors * self.lanes * self.depth

    @property
    def group_panels(self) -> int:
        """Return the number of elements of all panels of a group."""
        vectors = sum(block.vectors * block.number for block in self.blocks)
        return vectors * self.lanes * self.depth


def image_in_place(problem: Correlation) -> bool:
    """Tell whether the image can be read where it lies, and had better be."""
    width = problem.axes[2]
    readable = problem.image_dtype == dtypes.accumulator(problem.dtype)
    channels_follow = problem.channel_step == 1 or problem.channels == 1
    if not (readable and channels_follow and width.is_inside):
        return False
    # the elements of a row of the window follow each other, or those of a tap are many
    follow = problem.groups == 1 and width.step == problem.channels
    long_runs = problem.channels >= MANY_CHANNELS or width.taps <= 1
    return follow or long_runs or width.dilation > 1 or problem.is_copied


def choose_tiling(problem: Correlation, target: Target) -> Tiling:
    """Return the cuts for a problem."""
    lanes = vector_lanes(problem, target)
    blocks = cut_filters(problem.filters, lanes)
    most = most_results(target, max(block.vectors for block in blocks))
    return make_tiling(
        problem, target, lanes, blocks, problem.depth, most, problem.products
    )


def vector_lanes(problem: Correlation, target: Target) -> int:
    """Return the lanes of a vector of filters: fewer where there are few filters.

    Half a vector is often multiplied in half the time.
    """
    lanes = target.vector_bytes // dtypes.accumulator(problem.dtype).itemsize
    while lanes > FEWEST_LANES and 2 * problem.filters <= lanes:
        lanes //= 2
    return lanes


def make_tiling(
    problem: Correlation,
    target: Target,
    lanes: int,
    blocks: tuple[Block, ...],
    depth: int,
    most: int,
    products: float,
    in_place: bool | None = None,
) -> Tiling:
    """Return the cuts for given blocks, with at most ``most`` results in a tile.

    ``in_place`` says whether the image is read where it lies, if that is known.
    """
    itemsize = dtypes.accumulator(problem.dtype).itemsize
    vectors = max(block.vectors for block in blocks)
    if in_place is None:
        in_place = image_in_place(problem)
    count = problem.axes[2].count
    columns, tiles = cut_row(target, vectors, count, most)
    while columns > 1 and not in_place:
        limit = STRIP_BYTES if columns > 4 else STRIP_LIMIT
        if _strip_bytes(problem, Extent(1, 1, columns), itemsize) <= limit:
            break
        columns, tiles = cut_row(target, vectors, count, columns - 1)
    images = 1 if tiles > 1 else _images(target, vectors, columns, problem.batch, most)
    item = _item(problem, products, columns, tiles, images, in_place)
    return Tiling(
        lanes, blocks, depth, columns, tiles,
        count - tiles * (columns - 1), images, *item, in_place,
    )  # fmt: skip


def cut_filters(filters: int, lanes: int) -> tuple[Block, ...]:
    """Cut filters into blocks of two vectors; an odd one makes a block of three."""
    vectors = -(-filters // lanes)
    sizes = [2] * (vectors // 2)
    if vectors % 2:
        sizes = [*sizes[:-1], 3] if sizes else [1]
    blocks: list[Block] = []
    first = 0
    for size in sizes:
        held = min(size * lanes, filters - first)
        if blocks and (blocks[-1].vectors, blocks[-1].filters) == (size, held):
            blocks[-1] = blocks[-1]._replace(number=blocks[-1].number + 1)
        else:
            blocks.append(Block(first, size, 1, held))
        first += held
    return tuple(blocks)


def most_results(target: Target, vectors: int) -> int:
    """Return how many results of a row fit the registers beside ``vectors`` weights."""
    spare = 2 if target.registers > 16 else 1
    if not target.fma:
        spare += 1  # the product needs a register too
    return max(1, min((target.registers - spare - vectors) // vectors, 24))


def cut_row(target: Target, vectors: int, count: int, most: int) -> tuple[int, int]:
    """Return the results of the widest tile of a row, and the number of tiles."""

    def row_time(tiles: int) -> float:
        narrow, more = divmod(count, tiles)
        time = (tiles - more) * _tile_time(narrow, vectors, target)
        return time + more * _tile_time(narrow + 1, vectors, target)

    fewest = -(-count // most)
    tiles = min(range(fewest, min(fewest * 2, count) + 1), key=row_time)
    return -(-count // tiles), tiles


def _images(target: Target, vectors: int, columns: int, batch: int, most: int) -> int:
    """Return how many images share a tile that is a whole row of each."""
    most = min(batch, most // columns)
    return min(
        range(1, max(most, 1) + 1),
        key=lambda n: _tile_time(n * columns, vectors, target) / n,
    )


def _tile_time(results: int, vectors: int, target: Target) -> float:
    """Estimate a step of a tile's sum: arithmetic, a share of the loads, the loop."""
    accumulators = results * vectors
    time = max(accumulators, 6) + 0.1 * (results + vectors) + 1.5
    # with the last registers in use, loads can no longer run ahead
    return time + 0.05 * accumulators * (accumulators > target.registers * 3 // 4)


def _strip_bytes(problem: Correlation, extent: Extent, itemsize: int) -> int:
    return math.prod(strip_shape(problem, extent)) * itemsize


def _item(
    problem: Correlation,
    products: float,
    columns: int,
    tiles: int,
    images: int,
    in_place: bool,
) -> tuple[int, int, int]:
    """Return the images, rows and tiles of an item."""
    depth, height, _ = problem.axes
    rows_in_all = problem.batch * depth.count * height.count * tiles
    row_products = max(1.0, products / rows_in_all)  # of one tile
    # as many tiles as make an item worth while, but not so many that items are few
    wanted = max(1, min(int(ITEM_PRODUCTS / row_products), rows_in_all // ITEMS))

    itemsize = dtypes.accumulator(problem.dtype).itemsize

    def fits(images: int, rows: int, tiles: int) -> bool:
        extent = Extent(images, rows, tiles * columns)
        return in_place or _strip_bytes(problem, extent, itemsize) <= STRIP_BYTES

    item_tiles = tiles
    while item_tiles > 1 and not (
        fits(images, 1, item_tiles) and (height.taps == 1 or item_tiles <= wanted)
    ):
        item_tiles = -(-item_tiles // 2)
    if height.taps == 1:
        item_tiles = min(item_tiles, wanted)
    rows = max(1, min(height.count, wanted // item_tiles))
    while rows > 1 and not fits(images, rows, item_tiles):
        rows = -(-rows // 2)
    rows = -(-height.count // -(-height.count // rows))  # equal shares
    item_images = images
    if rows == height.count and item_tiles == tiles:
        together = max(1, wanted // (rows * tiles * images))
        while together > 1 and not fits(images * together, rows, item_tiles):
            together -= 1
        item_images = min(images * together, -(-problem.batch // images) * images)
    return item_images, rows, item_tiles


class Extent(NamedTuple):
    """How many results a strip serves: images, rows and columns."""

    images: int
    rows: int
    columns: int


def strip_shape(problem: Correlation, extent: Extent) -> tuple[int, ...]:
    """Return a strip's extents: groups, images, planes, rows, columns, channels."""
    depth, height, width = problem.axes
    return (
        problem.groups,
        extent.images,
        depth.taps,
        (extent.rows - 1) * height.stride + height.reach,
        (extent.columns - 1) * width.stride + width.reach,
        problem.channels,
    )
