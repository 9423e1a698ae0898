"""Copying a whole image with its padding, where a strip would be too large.

A strip holds whole rows of the image from the first tap of a window to the last.  With
wide dilation and many channels that is too much for the stack.  Then the image is
padded once, in memory, and read in place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from nervure import dtypes
from nervure.exec.cpu.conv_geometry import Correlation, Slide
from nervure.exec.cpu.copies import lower_pad
from nervure.exec.cpu.kernel import KernelCall
from nervure.exec.cpu.maps import Group, copy_kernel, map_kernel
from nervure.exec.cpu.target import Target
from nervure.exec.cpu.views import contiguous_strides
from nervure.ir.node import Node
from nervure.prims.select import cast
from nervure.prims.slicing import pad


def with_room(
    operand: Node, problems: Sequence[Correlation], target: Target
) -> tuple[list[KernelCall], Node, list[Correlation]]:
    """Return kernels that copy the image of some problems, the copy, and the problems.

    All problems read the same image, ``operand``.
    """
    wide = dtypes.accumulator(operand.dtype)
    rank = len(operand.shape) - 2
    calls: list[KernelCall] = []
    image = operand
    if wide != operand.dtype:
        image = cast(operand, wide)
        calls.append(map_kernel(Group([image], [image]), target))
    low, high = [0] * (rank + 2), [0] * (rank + 2)
    for problem in problems:
        for axis, slide in enumerate(problem.axes[3 - rank :], start=1):
            low[axis] = max(low[axis], slide.low)
            high[axis] = max(high[axis], _overhang(slide))
    padded = pad(image, low, high)
    if padded is image and not calls:
        calls.append(copy_kernel(operand, target))
    elif padded is not image:
        calls += lower_pad(padded, target, lambda node, target: None)
    steps = contiguous_strides(padded.shape)
    result = []
    for problem in problems:
        axes = list(problem.axes)
        for axis in range(1, rank + 1):
            place = 2 - rank + axis
            axes[place] = replace(
                axes[place],
                size=padded.shape[axis],
                low=axes[place].low - low[axis],
                step=steps[axis],
            )
        result.append(
            replace(
                problem,
                axes=(axes[0], axes[1], axes[2]),
                offset=0,
                batch_step=steps[0],
                channel_step=1,
                copied_dtype=wide,
            )
        )
    return calls, padded, result


def _overhang(slide: Slide) -> int:
    """Return how far the last window reaches beyond the image."""
    last = (slide.count - 1) * slide.stride - slide.low + slide.reach
    return max(0, last - slide.size)
