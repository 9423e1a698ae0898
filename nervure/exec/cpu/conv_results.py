"""What becomes of a tile of results: stored, or first taken through a group of nodes.

The elementwise nodes that alone read a convolution (bias, activation, a residual) are
computed where its sums are, as after a matrix product: here the rows of the matrix are
the neighbouring results of a row of an image.
"""

from __future__ import annotations

from collections.abc import Mapping

from nervure.exec.cpu.bands import bands_of, unaligned
from nervure.exec.cpu.conv_direct import Results
from nervure.exec.cpu.conv_geometry import Correlation
from nervure.exec.cpu.gemm_blocking import Panel
from nervure.exec.cpu.gemm_problem import Layout, Matrix, Problem
from nervure.exec.cpu.gemm_results import Epilogue, Writer
from nervure.exec.cpu.gemm_tile import element_type, store_tile_row
from nervure.exec.cpu.kernel import Bands, KernelBuilder
from nervure.exec.cpu.llvm import Value
from nervure.exec.cpu.runs import i64, plus
from nervure.exec.cpu.views import view_of
from nervure.ir.node import Node


def _as_matrix(problem: Correlation, epilogue: Epilogue) -> Problem:
    """Return the results of a row of an image as a matrix of columns x filters.

    Everything around is a batch: images, planes, rows, and the first column.
    """
    depth, height, width = problem.axes
    layouts = []
    for number, batch_step in enumerate(problem.stream_batch_steps):
        # an axis that is not there has no steps
        steps = [(*axis.stream_steps, *[0] * (number + 1))[number]
                 for axis in problem.axes]  # fmt: skip
        row = width.every * steps[2]
        layouts.append(
            Layout((batch_step, *steps), row, problem.stream_filter_steps[number])
        )
    nothing = Matrix(epilogue.value, problem.dtype, 0, (), 0, 0)
    batch = (problem.batch, depth.count, height.count, 1)
    filters = problem.filters * problem.groups
    return Problem(
        problem.dtype,
        batch,
        width.count,
        filters,
        0,
        nothing,
        nothing,
        tuple(layouts),
        0,
    )


class ResultWriter:
    """Writes what happens to finished tiles, within one kernel.

    Long groups would be a lot of code if they were written out for every vector of a
    tile: for them the tile goes through a small piece of memory.
    """

    def __init__(
        self,
        b: KernelBuilder,
        problem: Correlation,
        lanes: int,
        epilogue: Epilogue,
        pointers: Mapping[Node, Value],
        memory: Value | None,
    ) -> None:
        self._b = b
        self._problem = problem
        self._lanes = lanes
        self._element = element_type(problem.dtype)
        self._memory = memory
        self._writer = Writer(b, epilogue, _as_matrix(problem, epilogue), pointers)

    def write(self, results: Results) -> None:
        """Write what happens to a tile."""
        b, place, columns = self._b, results.place, results.columns
        panel = Panel((self._lanes,) * len(results.active), results.active[-1])
        numbers = [
            plus(b, axis.place(b, number), shift)
            for axis, number, shift in zip(
                self._problem.axes, place[1:], results.shift, strict=True
            )
        ]
        size = columns * len(results.active)
        for image in range(results.images):
            index = [plus(b, place.image, image), *numbers]
            origin = self._writer.origin(index, i64(0), results.filter)
            sums = results.values[image * size : (image + 1) * size]
            if self._memory is None:
                self._writer.write_rows(origin, panel, sums)
                continue
            for column in range(columns):
                row = b.address(self._memory, self._element, column * panel.stride)
                vectors = sums[column * len(results.active) :][: len(results.active)]
                store_tile_row(b, panel, vectors, row)
            self._writer.write_from_memory(
                origin, panel, self._memory, self._element, i64(columns)
            )


def result_memory(
    b: KernelBuilder, epilogue: Epilogue, problem: Correlation, elements: int
) -> Value | None:
    """Reserve memory for the tiles of long groups; before the first loop."""
    if epilogue.is_short:
        return None
    return b.stack(element_type(problem.dtype), elements)


def bands_of_images(node: Node, height: int, epilogue: Epilogue) -> Bands:
    """Return the bands of a kernel that reads images in place and all weights."""
    views = [view_of(node.inputs[0]), unaligned(view_of(node.inputs[1]).root)]
    if epilogue.group is not None:
        views += epilogue.group.read_views
    return bands_of(node.shape[0], height, views, epilogue.outputs)
