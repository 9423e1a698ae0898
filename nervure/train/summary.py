"""The table of a model's layers, as the lecture shows it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from nervure.errors import ArgumentError, NervureError, NotBuiltError, explain

if TYPE_CHECKING:
    from nervure.nn.layer import Layer
    from nervure.train.model import Model

_HEADINGS: Final = ("Layer (type)", "Output Shape", "Param #")
# The classical widths: columns end at these characters unless a name needs more.
_COLUMN_WIDTHS: Final = (29, 26, 10)


def summary_text(
    model: Model,
    line_length: int | None = None,
    show_trainable: bool = False,
    expand_nested: bool = False,
) -> str:
    """Return the table of layers and the totals.

    Parameters
    ----------
    model
        Any model; one that is not built yet shows ``?`` for what is unknown.
    line_length
        The number of characters of a line; by default as many as the table needs.
    show_trainable
        Add a column that says whether training changes the layer.
    """
    headings = (*_HEADINGS, "Trainable") if show_trainable else _HEADINGS
    rows = [_row(layer, show_trainable) for layer in model.layers]
    widths = _widths([headings, *rows], line_length)
    length = sum(widths)
    lines = [f'Model: "{model.name}"', "_" * length, _line(headings, widths)]
    lines.append("=" * length)
    lines.extend(_line(row, widths) for row in rows)
    lines.append("=" * length)
    lines.extend(_totals(model))
    lines.append("_" * length)
    return "\n".join(lines)


def _row(layer: Layer, show_trainable: bool) -> tuple[str, ...]:
    kind = type(layer).__name__
    try:
        count = f"{layer.count_params():,}"
    except NotBuiltError:
        count = "0 (unbuilt)"
    row = (f"{layer.name} ({kind})", shape_text(layer), count)
    return (*row, "Y" if layer.trainable else "N") if show_trainable else row


def shape_text(layer: Layer) -> str:
    """Return the shape of a layer's output, ``?`` while it is unknown."""
    try:
        shape: Any = layer.output_shape
    except NervureError:  # not built yet, or its output depends on more than shapes
        return "?"
    return str(shape)


def _widths(rows: list[tuple[str, ...]], line_length: int | None) -> list[int]:
    """Return how wide each column is; every column ends in at least one space."""
    needed = [max(len(row[place]) + 2 for row in rows) for place in range(len(rows[0]))]
    usual = (*_COLUMN_WIDTHS, 10)
    widths = [max(pair) for pair in zip(needed, usual, strict=False)]
    if line_length is None:
        return widths
    if not isinstance(line_length, int) or line_length < 3 * len(widths):
        raise ArgumentError(
            explain(
                "line_length must be a whole number of at least "
                f"{3 * len(widths)}, got {line_length!r}",
                fix="leave it out to make lines as long as the table needs",
            )
        )
    scale = line_length / sum(widths)
    scaled = [max(3, int(width * scale)) for width in widths]
    scaled[0] += line_length - sum(scaled)
    return scaled


def _line(cells: Iterable[str], widths: list[int]) -> str:
    """Return one line; what does not fit a column is cut and marked."""
    parts = [
        cell if len(cell) < width else cell[: width - 2] + "~"
        for cell, width in zip(cells, widths, strict=True)
    ]
    padded = [f"{part:<{width}}" for part, width in zip(parts, widths, strict=True)]
    return "".join(padded).rstrip()


def _totals(model: Model) -> list[str]:
    """Return the numbers of parameters, and how much memory they take."""
    trainable = list(model.trainable_weights)
    frozen = list(model.non_trainable_weights)
    lines = [
        f"Total params: {_sized([*trainable, *frozen])}",
        f"Trainable params: {_sized(trainable)}",
        f"Non-trainable params: {_sized(frozen)}",
    ]
    optimizer = model.optimizer
    if optimizer is not None and optimizer.built:
        lines.append(f"Optimizer params: {_sized(optimizer.variables)}")
    return lines


def _sized(variables: Iterable[Any]) -> str:
    listed = list(variables)
    count = sum(math.prod(one.shape) for one in listed)
    size = sum(math.prod(one.shape) * one.dtype.itemsize for one in listed)
    return f"{count:,} ({byte_text(size)})"


def byte_text(size: int) -> str:
    """Return a number of bytes as people say it.

    >>> byte_text(0), byte_text(101800), byte_text(2678824)
    ('0 B', '99.41 KB', '2.55 MB')
    """
    if size < 1024:
        return f"{size} B"
    for unit in ("KB", "MB", "GB"):
        size /= 1024  # type: ignore[assignment]
        if size < 1024:
            return f"{size:.2f} {unit}"
    return f"{size / 1024:.2f} TB"
