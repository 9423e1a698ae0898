"""Winograd's minimal filtering: 3 x 3 windows with less than half the products.

Four neighbouring results of a 3 x 3 window, a *tile*, see 4 x 4 elements of the image.
Computed one by one they take 36 products of each channel; Winograd's way takes 16::

    result = A' [ (G w G') * (B' d B) ] A        A' is A transposed, * is by element

with ``d`` the 4 x 4 elements, ``w`` the window, and small matrices of 0, 1 and 1/2
that are applied by additions (A. Lavin and S. Gray, *Fast algorithms for convolutional
neural networks*, 2016, F(2 x 2, 3 x 3)).  Over channels, each of the 16 *positions*
is a product of matrices: tiles x channels by channels x filters.

The sums are rounded differently than those of products one by one: the error is about
twice as large, still that of the last bits.  An infinity or NaN in the image reaches
all four results of the tiles that see it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from nervure import dtypes
from nervure.exec.cpu.conv_geometry import Correlation, Slide
from nervure.exec.cpu.kernel import KernelBuilder
from nervure.exec.cpu.llvm import Value, constant
from nervure.exec.cpu.runs import Run, divided, i64, load_run, plus, times

# Along an axis: the places of a window, the results of a tile, what these see.
WINDOW: Final = 3
STEP: Final = 2
SEEN: Final = 4
POSITIONS: Final = SEEN * SEEN
# Fewer channels or filters do not pay for the additions.
FEWEST: Final = 16
# With more of them, too few tiles at a time would fit the second-level cache.
MOST: Final = 1024
# Fewer tiles do not pay for the transformed weights, which are 16/9 of the weights.
FEWEST_TILES: Final = 128
# The products saved must be more than this, where tiles stick out of the image.
LEAST_GAIN: Final = 1.75


def suits(problem: Correlation) -> bool:
    """Tell whether a correlation is worth computing this way."""
    depth, height, width = problem.axes
    plain = problem.dtype == problem.image_dtype == dtypes.float32
    flat = depth.size == depth.count == depth.taps == 1 and depth.is_inside
    windows = _is_window(height) and _is_window(width)
    if not (plain and flat and windows):
        return False
    if problem.groups > 1 or problem.channel_step != 1:
        return False
    if max(problem.channels, problem.filters) > MOST:
        return False
    grid = Grid.of(problem)
    direct = height.count * width.count * height.taps * width.taps
    return (
        min(problem.channels, problem.filters) >= FEWEST
        and grid.tiles >= FEWEST_TILES
        and direct >= LEAST_GAIN * grid.rows * grid.columns * POSITIONS
    )


def _is_window(axis: Slide) -> bool:
    return axis.taps == WINDOW and axis.stride == axis.dilation == axis.variants == 1


@dataclass(frozen=True)
class Grid:
    """The tiles of a correlation's results: rows and columns in each image."""

    images: int
    rows: int
    columns: int

    @classmethod
    def of(cls, problem: Correlation) -> Grid:
        """Return the grid of a problem."""
        _, height, width = problem.axes
        return cls(problem.batch, -(-height.count // STEP), -(-width.count // STEP))

    @property
    def of_image(self) -> int:
        """The tiles of one image."""
        return self.rows * self.columns

    @property
    def tiles(self) -> int:
        """The tiles of all images."""
        return self.images * self.of_image

    def place(self, b: KernelBuilder, tile: Value) -> tuple[Value, Value, Value]:
        """Return the image of a tile, and the row and column of its first result."""
        image, rest = divided(b, tile, self.of_image)
        row, column = divided(b, rest, self.columns)
        return image, times(b, row, STEP), times(b, column, STEP)


# --- the small matrices --------------------------------------------------------------


def image_line(b: KernelBuilder, d: Sequence[Value]) -> list[Value]:
    """Apply ``B'`` to four values."""
    return [
        b.binary("fsub", d[0], d[2]),
        b.binary("fadd", d[1], d[2]),
        b.binary("fsub", d[2], d[1]),
        b.binary("fsub", d[1], d[3]),
    ]


def result_line(b: KernelBuilder, m: Sequence[Value]) -> list[Value]:
    """Apply ``A'`` to four values: two results."""
    both = b.binary("fadd", m[1], m[2])
    apart = b.binary("fsub", m[1], m[2])
    return [b.binary("fadd", m[0], both), b.binary("fsub", apart, m[3])]


def window_line(b: KernelBuilder, w: Sequence[Value]) -> list[Value]:
    """Apply ``G`` to three values: four."""
    half = constant(0.5, w[0].type)
    ends = b.binary("fmul", b.binary("fadd", w[0], w[2]), half)
    middle = b.binary("fmul", w[1], half)
    return [w[0], b.binary("fadd", ends, middle), b.binary("fsub", ends, middle), w[2]]


def gradient_line(b: KernelBuilder, y: Sequence[Value]) -> list[Value]:
    """Apply ``A`` to two values: four."""
    negative = b.emit(y[1].type, f"fneg {y[1]}")
    return [y[0], b.binary("fadd", y[0], y[1]), b.binary("fsub", y[0], y[1]), negative]


def window_gradient_line(b: KernelBuilder, p: Sequence[Value]) -> list[Value]:
    """Apply ``G'`` to four values: three."""
    half = constant(0.5, p[0].type)
    both = b.binary("fmul", b.binary("fadd", p[1], p[2]), half)
    apart = b.binary("fmul", b.binary("fsub", p[1], p[2]), half)
    return [b.binary("fadd", p[0], both), apart, b.binary("fadd", both, p[3])]


# --- reading the image ---------------------------------------------------------------


@dataclass(frozen=True)
class Line:
    """Neighbouring elements of the image along an axis, for one tile.

    ``distances`` are those of elements from the beginning of the axis; where one is not
    ``inside``, its distance is that of another that is.  ``inside`` is None where all
    elements are inside in every tile.
    """

    distances: Sequence[Value]
    inside: Sequence[Value] | None

    @classmethod
    def seen(
        cls, b: KernelBuilder, axis: Slide, result: Value, numbers: Sequence[Value]
    ) -> Line:
        """Return elements that the tile of a first result sees, by their numbers."""
        start = axis.first(b, result)
        places = [plus(b, start, number) for number in numbers]
        if axis.is_inside and axis.count % STEP == 0:
            return cls([times(b, place, axis.step) for place in places], None)
        return cls._of(b, axis.size, axis.step, places)

    @classmethod
    def within(cls, b: KernelBuilder, count: int, step: int, result: Value) -> Line:
        """Return the results of a tile themselves."""
        places = [plus(b, result, number) for number in range(STEP)]
        if count % STEP == 0:
            return cls([times(b, place, step) for place in places], None)
        return cls._of(b, count, step, places)

    @classmethod
    def _of(
        cls, b: KernelBuilder, size: int, step: int, places: Sequence[Value]
    ) -> Line:
        """Return elements of which some may be outside."""
        inside = [b.compare("icmp", "ult", place, i64(size)) for place in places]
        known = [b.select(one, place, i64(0))
                 for one, place in zip(inside, places, strict=True)]  # fmt: skip
        return cls([times(b, place, step) for place in known], inside)


def load_inside(
    b: KernelBuilder, row: Line, column: Line, y: int, x: int, value: Value
) -> Value:
    """Return a value that was loaded at an element of two lines, 0 outside."""
    zero = Value(value.type, "zeroinitializer")
    for line, number in ((row, y), (column, x)):
        if line.inside is not None:
            value = b.select(line.inside[number], value, zero)
    return value


def see_image(
    b: KernelBuilder,
    problem: Correlation,
    image: Value,
    place: tuple[Value, Value, Value],
    numbers: Sequence[Value],
    write: Callable[[list[list[Value]], Value, int, int], None],
) -> None:
    """Write the loop over the channels of what the tile at a place sees.

    ``write(lines, channel, lanes, active)`` writes what happens to the vectors from a
    channel on, of which some lanes are in use: four in each of the lines that have the
    given ``numbers``.
    """
    number, row, column = place
    _, height, width = problem.axes
    base = plus(b, times(b, number, problem.batch_step), problem.offset)
    rows = Line.seen(b, height, row, numbers)
    columns = Line.seen(b, width, column, [i64(x) for x in range(SEEN)])
    starts = [plus(b, base, distance) for distance in rows.distances]

    def vectors(channel: Value, lanes: int, active: int) -> None:
        lines = []
        for y, start in enumerate(starts):
            line = []
            for x, distance in enumerate(columns.distances):
                run = Run(image, plus(b, start, distance), 1)
                value = load_run(b, run, problem.dtype, channel, lanes, active)
                line.append(load_inside(b, rows, columns, y, x, value))
            lines.append(line)
        write(lines, channel, lanes, active)

    lanes = b.target.lanes
    whole = problem.channels // lanes * lanes
    with b.loop(0, whole, lanes) as loop:
        vectors(loop.index, lanes, lanes)
    if whole < problem.channels:
        vectors(i64(whole), lanes, problem.channels - whole)


def cut_evenly(count: int, most: int) -> int:
    """Return the length of stretches of at most ``most`` things, all about as long."""
    return -(-count // -(-count // max(most, 1)))
