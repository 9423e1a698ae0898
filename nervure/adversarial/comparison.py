"""Samples before and after an attack, and the difference, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nervure.adversarial.problem import read_box
from nervure.errors import ShapeError, explain
from nervure.ir.attrs import NDArray
from nervure.train.data import as_numbers
from nervure.train.figures import new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_comparison(
    x: Any,
    attacked: Any,
    before: Sequence[str] = (),
    after: Sequence[str] = (),
    *,
    clip_min: float = 0.0,
    clip_max: float = 1.0,
) -> Figure:
    """Draw three columns: samples, what an attack has added, and what came of it.

    The difference is shown around grey, and so large that its largest number is black
    or white; the title says how many times.

    Parameters
    ----------
    x, attacked
        Pictures ``[rows, height, width, channels]`` of one or three channels, or
        without channels, before and after.
    before, after
        What a model sees in each, for the titles.
    clip_min, clip_max
        Which numbers are black and white.

    Returns
    -------
    A figure of matplotlib.

    Raises
    ------
    ShapeError
        For other shapes.
    DataError, ArgumentError
        For numbers outside of the limits.

    >>> import numpy as np
    >>> import nervure as nv
    >>> x = np.full((1, 8, 8), 0.5)
    >>> figure = nv.adversarial.plot_comparison(x, x + 0.1, ["goose"], ["ostrich"])
    >>> [axes.get_title() for axes in figure.axes]
    ['goose', 'difference x 5', 'ostrich']
    """
    samples, changed = _pictures(x, "x"), _pictures(attacked, "attacked")
    if samples.shape != changed.shape:
        raise ShapeError(
            explain(
                f"x has the shape {list(samples.shape)} and attacked "
                f"{list(changed.shape)}; each picture needs one of the same size",
                fix="pass the samples that were attacked and the attack's result as "
                "they are",
            )
        )
    low, high = read_box(samples, clip_min, clip_max)
    read_box(changed, clip_min, clip_max)
    samples, changed = ((one - low) / (high - low) for one in (samples, changed))
    # Squares of 2.5 inches with a line of text above each.
    figure = new_figure(7.5, 2.78 * len(samples))
    grid = figure.subplots(len(samples), 3, squeeze=False)
    for row, (axes, one, other) in enumerate(zip(grid, samples, changed, strict=True)):
        difference, factor = _enlarged(other - one)
        titles = (
            before[row] if row < len(before) else "before",
            f"difference x {factor:.3g}",
            after[row] if row < len(after) else "after",
        )
        shown = (one, difference, other)
        for place, picture, title in zip(axes, shown, titles, strict=True):
            gray = picture.ndim == 2
            place.imshow(picture, cmap="gray" if gray else None, vmin=0, vmax=1)
            place.set_title(title)
            place.set_axis_off()
    return figure


def _pictures(data: Any, what: str) -> NDArray:
    values = np.array(as_numbers(data, what).values, np.float64)
    if values.ndim == 4 and values.shape[-1] == 1:
        values = values[..., 0]
    if values.ndim != 3 and not (values.ndim == 4 and values.shape[-1] == 3):
        raise ShapeError(
            explain(
                f"{what} must be pictures [rows, height, width, 1 or 3], got shape "
                f"{list(values.shape)}",
                fix="for one picture pass picture[None]",
            )
        )
    return values


def _enlarged(difference: NDArray) -> tuple[NDArray, float]:
    """Return a difference around grey from 0 to 1, and by how much it was enlarged."""
    most = float(np.abs(difference).max())
    factor = 1.0 if most == 0 else 0.5 / most
    return np.clip(0.5 + factor * difference, 0.0, 1.0), factor
