"""Convolution and its two gradients: which kernels compute them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from nervure import dtypes
from nervure.errors import GraphError, explain
from nervure.exec.cpu.bands import image_band_height
from nervure.exec.cpu.conv_depthwise import DepthwiseWriter, suits_in_place
from nervure.exec.cpu.conv_direct import DirectWriter, Finish, cost
from nervure.exec.cpu.conv_geometry import Correlation, forward, input_gradient
from nervure.exec.cpu.conv_lanes import (
    Lanes,
    LaneWriter,
    lanes_tiling,
    share_lanes,
    write_lane_panels,
)
from nervure.exec.cpu.conv_panels import weights_in_place, write_panels
from nervure.exec.cpu.conv_results import (
    ResultWriter,
    bands_of_images,
    result_memory,
)
from nervure.exec.cpu.conv_room import with_room
from nervure.exec.cpu.conv_strips import strip_memory
from nervure.exec.cpu.conv_tiling import STRIP_LIMIT, Tiling, choose_tiling, strip_shape
from nervure.exec.cpu.conv_weights import lower_kernel_gradient
from nervure.exec.cpu.gemm_results import Epilogue
from nervure.exec.cpu.kernel import (
    Bands,
    Kernel,
    KernelBuilder,
    KernelCall,
    Scratch,
    Slot,
)
from nervure.exec.cpu.llvm import Value
from nervure.exec.cpu.target import Target
from nervure.exec.cpu.views import view_of
from nervure.exec.cpu.winograd import suits
from nervure.exec.cpu.winograd_results import lower_results
from nervure.ir.node import Node

Materialise = Callable[[Node, Target], None]

# Axes that a kernel slides along.
MOST_AXES: Final = 3


def lower_convolution(
    node: Node,
    group: Sequence[Node],
    outputs: Sequence[Node],
    target: Target,
    over: Mapping[Node, Node] | None = None,
) -> list[KernelCall]:
    """Return the kernels of a convolution or one of its gradients.

    ``group`` are elementwise nodes that read the result; they are computed before it
    is stored.  ``outputs`` are the nodes that need memory; ``over`` names for some the
    operand over which they may be written.
    """
    spatial = len(node.inputs[0].shape) - 2
    if spatial > MOST_AXES:
        raise GraphError(
            explain(
                f"the cpu executor slides kernels along up to {MOST_AXES} axes, got "
                f"{spatial}",
                fix="compute this with nv.config.override(executor='reference')",
            )
        )
    epilogue = Epilogue(node, group, outputs, over or {})
    if node.op.name == "conv_kernel_grad":
        return lower_kernel_gradient(node, epilogue, target)
    streams = epilogue.strides(target)
    if node.op.name == "conv":
        problems = [forward(node, streams)]
    else:
        problems = input_gradient(node, streams)
    if len(problems) == 1 and suits(problems[0]):
        return lower_results(node, problems[0], epilogue, target)
    return _correlate(node, problems, epilogue, target)


def lower_plainly(node: Node, target: Target, _: Materialise) -> list[KernelCall]:
    """Return the kernels of a convolution whose result is stored as it is."""
    return lower_convolution(node, [], [node], target)


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
        tiling = replace(lanes_tiling(shared, target, in_place=True), images=1)
        if not suits_in_place(shared, tiling):
            tiling = lanes_tiling(shared, target)
        return cls(problem, shared, tiling, start)

    def writer(
        self, b: KernelBuilder, image: Value, weights: Value, finish: Finish
    ) -> DirectWriter | DepthwiseWriter:
        """Return what writes the loops."""
        places = image, weights, self.start, finish
        if self.shared is None:
            return DirectWriter(b, self.problem, self.tiling, *places)
        if self.tiling.in_place and suits_in_place(self.shared, self.tiling):
            return DepthwiseWriter(b, self.shared, self.tiling, *places)
        writer = LaneWriter(b, self.whole, self.tiling, *places)
        writer.shared = self.shared
        return writer

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
        return self.problem.variants * self.groups * self.tiling.group_panels

    @property
    def wants_copy(self) -> bool:
        """Whether a strip would be too large."""
        large = self.tiling.strip_bytes(self.whole) > STRIP_LIMIT
        return large and not self.problem.is_joined

    @property
    def strip_elements(self) -> int:
        """The number of elements of a strip, 0 if none is needed."""
        if self.tiling.in_place:
            return 0
        return math.prod(strip_shape(self.whole, self.tiling.extent))


def _correlate(
    node: Node, problems: Sequence[Correlation], epilogue: Epilogue, target: Target
) -> list[KernelCall]:
    """Return the kernels of correlations that write parts of one result."""
    calls: list[KernelCall] = []
    image = view_of(node.inputs[0]).root
    parts = _parts(problems, target)
    if any(part.wants_copy for part in parts):
        calls, image, problems = with_room(node.inputs[0], problems, target)
        parts = _parts(problems, target)
    weights: Slot = view_of(node.inputs[1]).root
    alone = len(parts) == 1 and parts[0].shared is None
    total = sum(part.panel_elements for part in parts)
    if alone and weights_in_place(problems[0], parts[0].tiling):
        parts = [replace(parts[0], start=problems[0].weight_offset)]
    elif total:
        panels = Scratch(total * dtypes.accumulator(node.dtype).itemsize)
        calls.append(KernelCall(_panel_kernel(parts, target), (weights,), (panels,)))
        weights = panels
    return [*calls, _direct_kernel(node, image, weights, parts, epilogue, target)]


def _parts(problems: Sequence[Correlation], target: Target) -> list[_Part]:
    """Return how the problems are cut; their panels follow each other."""
    parts: list[_Part] = []
    total = 0
    for problem in problems:
        parts.append(_Part.of(problem, total, target))
        total += parts[-1].panel_elements
    return parts


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
    node: Node,
    image: Node,
    panels: Slot,
    parts: Sequence[_Part],
    epilogue: Epilogue,
    target: Target,
) -> KernelCall:
    """Return the kernel that computes the result."""
    reads: list[Slot] = list(dict.fromkeys((image, panels, *epilogue.roots)))
    writes = epilogue.outputs
    b = KernelBuilder(node.op.name, target, len(reads) + len(writes))
    pointers: dict[Any, Value] = dict(zip([*reads, *writes], b.operands, strict=True))
    epilogue.allow_aliases(b, pointers)
    strip = max(part.strip_elements for part in parts)
    memory = strip_memory(b, node.dtype, strip) if strip else None
    tile = max(part.tiling.tile_elements for part in parts)
    tile_memory = result_memory(b, epilogue, parts[0].problem, tile)
    units = 0
    bands = _bands(node, image, epilogue) if len(parts) == 1 else None
    for part in parts:
        problem, tiling = part.whole, part.tiling
        results = ResultWriter(
            b, problem, tiling.lanes, epilogue, pointers, tile_memory
        )
        writer = part.writer(b, pointers[image], pointers[panels], results.write)
        together = writer.band_items(bands.height) if bands is not None else 0
        bands = bands if together else None
        strips = None if tiling.in_place else memory
        units += writer.emit(units, strips, max(together, 1))
    kernel = b.finish(units, sum(cost(part.problem) for part in parts) + epilogue.cost)
    return KernelCall(kernel, tuple(reads), tuple(writes), bands)


def _bands(node: Node, image: Slot, epilogue: Epilogue) -> Bands | None:
    """Return the bands of images, None if the image was copied."""
    view = view_of(node.inputs[0])
    count = node.shape[0]
    height = image_band_height(count)
    if image is not view.root or not height:
        return None
    return bands_of_images(node, height, epilogue)
