"""Convolution and its two gradients: which kernels compute them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from nervure import dtypes
from nervure.exec.cpu.conv_direct import DirectWriter, cost, store_results
from nervure.exec.cpu.conv_geometry import Correlation, forward, input_gradient
from nervure.exec.cpu.conv_lanes import (
    Lanes,
    LaneWriter,
    lanes_tiling,
    share_lanes,
    write_lane_panels,
)
from nervure.exec.cpu.conv_panels import weights_in_place, write_panels
from nervure.exec.cpu.conv_strips import strip_memory
from nervure.exec.cpu.conv_tiling import Tiling, choose_tiling, strip_shape
from nervure.exec.cpu.kernel import Kernel, KernelBuilder, KernelCall, Scratch, Slot
from nervure.exec.cpu.target import Target
from nervure.exec.cpu.views import view_of
from nervure.ir.node import Node

Materialise = Callable[[Node, Target], None]


def lower_conv(node: Node, target: Target, _: Materialise) -> list[KernelCall]:
    """Return the kernels of ``conv``."""
    return _correlate(node, [forward(node)], target)


def lower_conv_input_grad(
    node: Node, target: Target, _: Materialise
) -> list[KernelCall]:
    """Return the kernels of ``conv_input_grad``."""
    return _correlate(node, input_gradient(node), target)


@dataclass(frozen=True)
class _Part:
    """A correlation, how it is cut, and where its weights begin among the panels.

    ``shared`` says how small groups share vectors, if they do.
    """

    problem: Correlation
    shared: Lanes | None
    tiling: Tiling
    start: int

    @classmethod
    def of(cls, problem: Correlation, start: int, target: Target) -> _Part:
        shared = share_lanes(problem, target)
        if shared is None:
            return cls(problem, None, choose_tiling(problem, target), start)
        return cls(problem, shared, lanes_tiling(shared, target), start)

    @property
    def whole(self) -> Correlation:
        """The problem with the groups that are computed one by one."""
        return self.problem if self.shared is None else self.shared.problem

    @property
    def groups(self) -> int:
        return self.whole.groups

    @property
    def panel_elements(self) -> int:
        """The number of elements of all panels."""
        return self.groups * self.tiling.group_panels

    @property
    def strip_elements(self) -> int:
        """The number of elements of a strip, 0 if none is needed."""
        if self.tiling.in_place:
            return 0
        return math.prod(strip_shape(self.whole, self.tiling.extent))


def _correlate(
    node: Node, problems: Sequence[Correlation], target: Target
) -> list[KernelCall]:
    """Return the kernels of correlations that write parts of one result."""
    parts: list[_Part] = []
    total = 0
    for problem in problems:
        parts.append(_Part.of(problem, total, target))
        total += parts[-1].panel_elements
    weights: Slot = view_of(node.inputs[1]).root
    alone = len(parts) == 1 and parts[0].shared is None
    if alone and weights_in_place(problems[0], parts[0].tiling):
        parts = [replace(parts[0], start=problems[0].weight_offset)]
        return [_direct_kernel(node, parts, weights, target)]
    if not total:
        return [_direct_kernel(node, parts, weights, target)]
    panels = Scratch(total * dtypes.accumulator(node.dtype).itemsize)
    packing = _panel_kernel(parts, target)
    return [
        KernelCall(packing, (weights,), (panels,)),
        _direct_kernel(node, parts, panels, target),
    ]


def _panel_kernel(parts: Sequence[_Part], target: Target) -> Kernel:
    """Return the kernel that brings the weights into panels."""
    b = KernelBuilder("conv_panels", target, 2)
    units = 0
    for part in parts:
        if part.shared is None:
            units += write_panels(b, part.problem, part.tiling, part.start, units)
        else:
            units += write_lane_panels(b, part.problem, part.shared, part.tiling,
                                       part.start, units)  # fmt: skip
    return b.finish(units, 2.0 * sum(part.panel_elements for part in parts))


def _direct_kernel(
    node: Node, parts: Sequence[_Part], panels: Slot, target: Target
) -> KernelCall:
    """Return the kernel that computes the result."""
    image = view_of(node.inputs[0]).root
    reads: list[Slot] = list(dict.fromkeys((image, panels)))
    b = KernelBuilder(node.op.name, target, len(reads) + 1)
    pointers = dict(zip(reads, b.operands, strict=False))
    strip = max(part.strip_elements for part in parts)
    memory = strip_memory(b, node.dtype, strip) if strip else None
    units = 0
    for part in parts:
        problem, tiling = part.whole, part.tiling
        finish = store_results(b, problem, tiling, b.operands[-1])
        kind = DirectWriter if part.shared is None else LaneWriter
        writer = kind(
            b, problem, tiling, pointers[image], pointers[panels], part.start, finish
        )
        if isinstance(writer, LaneWriter) and part.shared is not None:
            writer.shared = part.shared
        units += writer.emit(units, None if tiling.in_place else memory)
    kernel = b.finish(units, sum(cost(part.problem) for part in parts))
    return KernelCall(kernel, tuple(reads), (node,))
