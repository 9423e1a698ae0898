"""Figures of matplotlib, which is imported when one is drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nervure.errors import explain

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of a size in inches.

    It does not go through ``pyplot``, which would look for a screen and keep the figure
    alive.  Raises :class:`ImportError` where matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise ImportError(
            explain(
                "matplotlib is needed for pictures and is not installed",
                fix="pip install nervure[plot]",
            )
        ) from None
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure
