"""Arrays as pictures, side by side in one figure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from nervure.errors import ShapeError, explain
from nervure.ir.attrs import NDArray
from nervure.train.figures import new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# The share of a map's numbers that are cut off at either end for a picture.
_FEW: Final = 0.005


def as_picture(values: NDArray) -> NDArray:
    """Return a picture ``[height, width]`` or ``[height, width, 3]`` from 0 to 1.

    The smallest number becomes 0, the largest 1.  More than three channels, or two, are
    added up.  A single axis becomes a row.

    >>> import numpy as np
    >>> as_picture(np.array([[[1.0], [3.0]]])).tolist()
    [[0.0, 1.0]]
    """
    picture = np.asarray(values, np.float64)
    if picture.ndim == 1:
        side = math.isqrt(picture.size)
        is_square = side * side == picture.size
        picture = picture.reshape((side, side) if is_square else (1, -1))
    if picture.ndim == 3 and picture.shape[-1] != 3:
        picture = picture.sum(axis=-1)
    if picture.ndim not in (2, 3):
        raise ShapeError(
            explain(
                "expected a picture [height, width, channels], got "
                f"{list(picture.shape)}",
                fix="pass samples that are pictures",
            )
        )
    low, high = picture.min(), picture.max()
    return np.zeros_like(picture) if high == low else (picture - low) / (high - low)


def grid(
    rows: Sequence[Sequence[NDArray]], titles: Sequence[Sequence[str]] = ()
) -> Figure:
    """Return a figure of pictures in rows, each perhaps with a title."""
    height, width = len(rows), max(map(len, rows))
    figure = new_figure(max(1.4 * width, 2.0), 1.5 * height + 0.2)
    axes = figure.subplots(height, width, squeeze=False)
    for line, shown in zip(axes, rows, strict=True):
        for place, one in enumerate(line):
            one.set_axis_off()
            if place < len(shown):
                _show(one, shown[place])
    for line, words in zip(axes, titles, strict=False):
        for one, title in zip(line, words, strict=False):
            one.set_title(title, fontsize=8)
    return figure


def gallery(pictures: Sequence[NDArray], titles: Sequence[str] = ()) -> Figure:
    """Return a figure of pictures, about as many rows as columns."""
    width = max(1, math.ceil(math.sqrt(len(pictures))))
    starts = range(0, len(pictures), width)
    return grid(
        [pictures[start : start + width] for start in starts],
        [titles[start : start + width] for start in starts] if titles else (),
    )


def beside(samples: NDArray, maps: NDArray, what: str) -> Figure:
    """Return a figure of samples in one row, and of their maps below.

    The few largest and smallest numbers of a map are cut off, or the others would all
    be grey.
    """
    ends = (np.quantile(one, (_FEW, 1 - _FEW)) for one in maps)
    shown = [np.clip(one, *limits) for one, limits in zip(maps, ends, strict=True)]
    return grid(
        [list(samples), shown], [["sample", *[""] * (len(samples) - 1)], [what]]
    )


def over(samples: NDArray, maps: NDArray, what: str) -> Figure:
    """Return a figure of samples, and below with their maps laid over in colour."""
    figure = grid([list(samples), list(samples)], [[], [what]])
    below = figure.axes[len(samples) :]
    for axes, values in zip(below, maps, strict=True):
        axes.imshow(as_picture(values), cmap="jet", alpha=0.5)
    return figure


def _show(axes: Any, values: NDArray) -> None:
    picture = as_picture(values)
    axes.imshow(picture, cmap="gray" if picture.ndim == 2 else None, vmin=0, vmax=1)
