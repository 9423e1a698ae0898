"""Convolutions as one kind of problem: windows that slide over an image.

A *correlation* multiplies the elements under a window with weights and adds them up,
for every place of the window.  The forward convolution is one.  So is the gradient in
the input, with the weights read backwards: with strides, the results fall into
*phases*, the places with an equal remainder, each of which is a correlation with some
of the weights.

There are always three spatial axes, the outer ones of extent 1 where there are fewer.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from nervure.dtypes import DType
from nervure.exec.cpu.kernel import KernelBuilder
from nervure.exec.cpu.llvm import Value
from nervure.exec.cpu.runs import divided, i64, least, minus, most, plus, times
from nervure.exec.cpu.views import view_of
from nervure.ir.node import Node
from nervure.prims.convolution import ConvSettings


@dataclass(frozen=True)
class Slide:
    """One spatial axis: ``count`` windows of ``taps`` elements slide over ``size``.

    Window ``o`` reads the elements ``o * stride - low + t * dilation``.  The steps are
    distances in memory: of the image, of the weights, and of all that is read or
    written where the results are (*streams*).  Window ``o`` is element
    ``begin + o * every`` of the result.

    There may be several ``variants`` that differ in two things: each begins one element
    of the result further on than the one before it, and reads weights
    ``variant_step`` further on.
    """

    size: int
    count: int
    taps: int
    stride: int
    low: int  # padding before the image; negative where its beginning is not read
    dilation: int
    step: int = 0
    weight_step: int = 0
    stream_steps: tuple[int, ...] = ()
    begin: int = 0
    every: int = 1
    variants: int = 1
    variant_step: int = 0

    @property
    def reach(self) -> int:
        """How far a window extends, from its first to its last element."""
        return (self.taps - 1) * self.dilation + 1

    @property
    def is_inside(self) -> bool:
        """Whether no window touches the padding."""
        return self.low <= 0 and (self.count - 1) * self.stride - self.low < (
            self.size - self.reach + 1
        )

    @property
    def is_plain(self) -> bool:
        """Whether each element is a window of its own."""
        return self.is_inside and self.count == self.size and self.taps == 1

    def place(self, b: KernelBuilder, window: Value) -> Value:
        """Return the number of a window's result."""
        return plus(b, times(b, window, self.every), self.begin)

    def first(self, b: KernelBuilder, window: Value) -> Value:
        """Return the place of a window's first element, which may be outside."""
        return minus(b, times(b, window, self.stride), self.low)

    def inside(self, b: KernelBuilder, window: Value) -> tuple[Value, Value]:
        """Return the first of a window's elements inside, and the last one plus 1."""
        if self.is_inside:
            return i64(0), i64(self.taps)
        start = self.first(b, window)
        before = plus(b, most(b, minus(b, i64(0), start), 0), self.dilation - 1)
        rest = plus(b, most(b, minus(b, i64(self.size), start), 0), self.dilation - 1)
        begin = least(b, divided(b, before, self.dilation)[0], self.taps)
        end = least(b, divided(b, rest, self.dilation)[0], self.taps)
        return begin, most(b, end, begin)

    def windows(self, b: KernelBuilder, tap: Value) -> tuple[Value, Value]:
        """Return the first window whose tap lies inside, and the last one plus 1."""
        if self.is_inside:
            return i64(0), i64(self.count)
        place = minus(b, i64(self.low), times(b, tap, self.dilation))
        before = plus(b, most(b, place, 0), self.stride - 1)
        rest = plus(b, most(b, plus(b, place, self.size), 0), self.stride - 1)
        begin = least(b, divided(b, before, self.stride)[0], self.count)
        end = least(b, divided(b, rest, self.stride)[0], self.count)
        return begin, most(b, end, begin)


# An axis that is not there.
ALONE = Slide(1, 1, 1, 1, 0, 1)


@dataclass(frozen=True)
class Correlation:
    """``result[n, o, f] = sum over t, c of image[n, o + t, c] * weights[t, c, f]``.

    Each of ``groups`` has its own ``channels`` (c) and ``filters`` (f), which lie side
    by side, in the image and in the result.
    """

    dtype: DType
    batch: int
    axes: tuple[Slide, Slide, Slide]
    groups: int
    channels: int
    filters: int
    offset: int  # of the image in its memory
    batch_step: int
    channel_step: int
    weight_offset: int
    weight_steps: tuple[int, int, int]  # groups, channels, filters
    stream_batch_steps: tuple[int, ...]
    stream_filter_steps: tuple[int, ...]
    is_joined: bool = False  # whether the axes are no longer those of the image
    copied_dtype: DType | None = None  # of the image, if it was copied for this purpose

    @property
    def image_bytes(self) -> int:
        """The bytes of all images."""
        size = self.batch * self.channels * self.groups * self.image_dtype.itemsize
        return size * math.prod(axis.size for axis in self.axes)

    @property
    def is_copied(self) -> bool:
        """Whether the image was copied, with all the padding it needs."""
        return self.copied_dtype is not None

    @property
    def image_dtype(self) -> DType:
        """The data type of the image in memory."""
        return self.copied_dtype or self.dtype

    @property
    def variants(self) -> int:
        """The number of variants of all axes."""
        return math.prod(axis.variants for axis in self.axes)

    @property
    def taps(self) -> int:
        """The number of places of a window."""
        return math.prod(axis.taps for axis in self.axes)

    @property
    def depth(self) -> int:
        """The number of products in one element of the result."""
        return self.taps * self.channels

    @property
    def results(self) -> int:
        """The number of places of the result, of all images, of one variant."""
        return self.batch * math.prod(axis.count for axis in self.axes)

    @property
    def products(self) -> float:
        """The number of multiplications, of all variants."""
        return (
            float(self.results * self.variants)
            * self.groups
            * self.filters
            * self.depth
        )


def padded_axes(slides: Iterable[Slide]) -> tuple[Slide, Slide, Slide]:
    """Return three axes, the last of which are those given."""
    given = tuple(slides)
    first, second, third = (ALONE,) * (3 - len(given)) + given
    return first, second, third


Strides = tuple[int, ...]


def forward(node: Node, streams: Sequence[Strides]) -> Correlation:
    """Return the problem of a ``conv``; streams have strides for its result's axes."""
    x, kernel = node.inputs
    settings = ConvSettings.of(node.attrs)
    image, weights = view_of(x), view_of(kernel)
    axes = padded_axes(
            Slide(x.shape[1 + k], node.shape[1 + k], kernel.shape[k], stride, low,
                  spread, image.strides[1 + k], weights.strides[k],
                  tuple(one[1 + k] for one in streams))
            for k, (stride, (low, _), spread) in enumerate(
                zip(settings.strides, settings.padding, settings.dilation, strict=True)
            )
    )  # fmt: skip
    filters = kernel.shape[-1] // settings.groups
    problem = Correlation(
        node.dtype, x.shape[0], axes, settings.groups, kernel.shape[-2], filters,
        image.offset, image.strides[0], image.strides[-1],
        weights.offset,
        (filters * weights.strides[-1], weights.strides[-2], weights.strides[-1]),
        tuple(one[0] for one in streams), tuple(one[-1] for one in streams),
    )  # fmt: skip
    return joined(problem)


def joined(problem: Correlation) -> Correlation:
    """Make rows longer where nothing slides from row to row, as for a window of 1."""
    depth, height, width = problem.axes
    if not width.is_plain or problem.variants > 1:
        return problem
    if height.is_plain and height.size > 1 and _is_gapless(height, width):
        longer = _widened(width, height.size)
        return joined(replace(problem, axes=(ALONE, depth, longer), is_joined=True))
    if depth.size * depth.taps * height.size * height.taps > 1 or problem.batch == 1:
        return problem
    image = problem.batch_step == width.size * width.step
    steps = tuple(width.count * step for step in width.stream_steps)
    if not image or width.every != 1 or steps != problem.stream_batch_steps:
        return problem
    longer = _widened(width, problem.batch)
    return replace(problem, batch=1, axes=(ALONE, ALONE, longer), is_joined=True)


def _is_gapless(outer: Slide, inner: Slide) -> bool:
    """Tell whether rows follow each other in the image and in all streams."""
    image = outer.step == inner.step * inner.size
    steps = tuple(step * inner.count for step in inner.stream_steps)
    return image and outer.stream_steps == steps and outer.every == inner.every == 1


def _widened(axis: Slide, rows: int) -> Slide:
    """Return a plain axis as many times as long; its stride may have had no effect."""
    return replace(axis, size=axis.size * rows, count=axis.count * rows, stride=1)


# --- the gradient in the input -------------------------------------------------------


@dataclass(frozen=True)
class _Phase:
    """The places of one axis with an equal remainder: an axis of a correlation."""

    slide: Slide
    weight_offset: int


def input_gradient(node: Node, streams: Sequence[Strides]) -> list[Correlation]:
    """Return the problems of a ``conv_input_grad``: one for each phase of strides.

    A phase may have no taps: then its results are zero.
    """
    g, kernel = node.inputs
    settings = ConvSettings.of(node.attrs)
    image, weights = view_of(g), view_of(kernel)
    groups = settings.groups
    filters = kernel.shape[-1] // groups
    choices = [
        _phases(node.shape[1 + k], g.shape[1 + k], kernel.shape[k], settings, k,
                image.strides[1 + k], weights.strides[k],
                  tuple(one[1 + k] for one in streams))
        for k in range(len(settings.strides))
    ]  # fmt: skip
    problems = []
    for chosen in itertools.product(*choices):
        axes = padded_axes(one.slide for one in chosen)
        problem = Correlation(
            node.dtype, g.shape[0], axes, groups, filters, kernel.shape[-2],
            image.offset, image.strides[0], image.strides[-1],
            weights.offset + sum(one.weight_offset for one in chosen),
            (filters * weights.strides[-1], weights.strides[-1], weights.strides[-2]),
            tuple(one[0] for one in streams), tuple(one[-1] for one in streams),
        )  # fmt: skip
        problems.append(joined(problem))
    return problems


def _phases(
    size: int,
    count: int,
    taps: int,
    settings: ConvSettings,
    axis: int,
    step: int,
    weight_step: int,
    stream_steps: tuple[int, ...],
) -> list[_Phase]:
    """Return the phases of one axis of x, whose convolution has ``count`` results.

    Element ``i`` of x meets tap ``t`` in result ``(i + low - t * dilation) / stride``
    if that is a whole number.  Within a phase, ``i`` grows by the stride and the result
    by 1; taps that fit are ``every`` apart, and move the result by ``spread``.
    """
    stride, dilation = settings.strides[axis], settings.dilation[axis]
    low = settings.padding[axis][0]
    common = math.gcd(stride, dilation)
    every, spread = stride // common, dilation // common
    phases = []
    for begin in range(min(stride, size)):
        fitting = [t for t in range(taps) if (begin + low - t * dilation) % stride == 0]
        places = -(-(size - begin) // stride)
        if not fitting:
            slide = Slide(
                count, places, 0, 1, 0, 1, step, 0, stream_steps, begin, stride
            )
            phases.append(_Phase(slide, 0))
            continue
        # the results rise as the taps fall, so the taps are read backwards
        first = (begin + low - fitting[-1] * dilation) // stride
        slide = Slide(
            count, places, len(fitting), 1, -first, spread, step,
            -every * weight_step, stream_steps, begin, stride,
        )  # fmt: skip
        phases.append(_Phase(slide, fitting[-1] * weight_step))
    return _alike(phases)


def _alike(phases: Sequence[_Phase]) -> list[_Phase]:
    """Join neighbouring phases that are variants of one, to write less code."""
    result: list[_Phase] = []
    for phase in phases:
        if result:
            known, count = result[-1], result[-1].slide.variants
            step = phase.weight_offset - known.weight_offset
            expected = replace(
                known.slide,
                begin=known.slide.begin + count,
                variants=1,
                variant_step=0,
            )
            regular = count == 1 or step == count * known.slide.variant_step
            if phase.slide == expected and regular:
                more = replace(
                    known.slide, variants=count + 1, variant_step=step // count
                )
                result[-1] = _Phase(more, known.weight_offset)
                continue
        result.append(phase)
    return result
