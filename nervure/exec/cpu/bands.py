"""Bands: blocks of rows, for kernels that follow each other without a barrier.

Most of a network treats every row of a batch by itself: a row of an activation depends
on that row of its operands only.  Kernels of such operations whose units are the same
blocks of rows are given to the threads alike, so each thread reads what it has written
itself and need not wait for the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from nervure.exec.cpu.kernel import Bands, Slot
from nervure.exec.cpu.views import View
from nervure.ir.node import Node

# Short rows of a band, at least: a multiple of the lanes of every vector of four-byte
# elements, so that bands of a matrix without gaps begin with whole vectors.
HEIGHT: Final = 16
# The most bands; fewer rows than two bands of short rows are not worth it.
MOST: Final = 64
# Elements of a long row, such as an image: there a band may be a single row.
LONG: Final = 1024
MOST_LONG: Final = 32


def band_height(rows: int, length: int = 0) -> int:
    """Return the height of the bands of rows of a length; 0 if they are too few."""
    if length >= LONG:
        return image_band_height(rows)
    return HEIGHT * -(-rows // (HEIGHT * MOST)) if rows >= 2 * HEIGHT else 0


def image_band_height(images: int) -> int:
    """Return the height of the bands of images; 0 if there is but one image."""
    return -(-images // MOST_LONG) if images >= 2 else 0


def is_by_row(view: View, rows: int) -> bool:
    """Tell whether row ``i`` of a view lies within row ``i`` of its root."""
    root = view.root.shape
    if not view.shape or not root or not view.shape[0] == root[0] == rows:
        return False
    length = view.root.size // rows
    first, *others = zip(view.shape, view.strides, strict=True)
    if first[1] != length or any(stride < 0 for _, stride in others):
        return False
    last = view.offset + sum((extent - 1) * stride for extent, stride in others)
    return view.offset >= 0 and last < length


def unaligned(root: Node) -> View:
    """Return a view that stands for a node of which every unit reads all."""
    return View(root, 0, (), ())


def bands_of(
    rows: int, height: int, views: Sequence[View], writes: Sequence[Slot]
) -> Bands:
    """Return the bands of a kernel that reads views and writes whole rows."""
    by_row = {view.root: True for view in views}
    for view in views:
        by_row[view.root] = by_row[view.root] and is_by_row(view, rows)
    read = [root for root, aligned in by_row.items() if aligned]
    return Bands(rows, height, frozenset([*read, *writes]))
