"""The table of a model's layers, as the lecture shows it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from nervure import tree
from nervure.errors import ArgumentError, NervureError, NotBuiltError, explain
from nervure.program.amounts import byte_text

if TYPE_CHECKING:
    from nervure.nn.layer import Layer
    from nervure.train.model import Model

_HEADINGS: Final = ("Layer (type)", "Output Shape", "Param #")
# The classical widths: columns end at these characters unless a name needs more.
_COLUMN_WIDTHS: Final = (29, 26, 10)

Row = tuple[str, ...]


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
        Any model; one that is not built yet shows ``?`` for what is unknown.  Where
        layers are not simply one after the other, a column says what each is connected
        to: ``dense[1][0]`` is the first output of the second call of ``dense``.
    line_length
        The number of characters of a line; by default as many as the table needs.
    show_trainable
        Add a column that says whether training changes the layer.
    expand_nested
        Show the layers of models inside the model, below them.
    """
    connections = connections_of(model)
    headings: Row = _HEADINGS
    if connections is not None:
        headings = (*headings, "Connected to")
    if show_trainable:
        headings = (*headings, "Trainable")
    rows: list[Row] = []
    for layer in model.operations:
        rows += _rows(layer, connections, show_trainable, expand_nested, level=0)
    widths = _widths([headings, *rows], line_length)
    length = sum(widths)
    lines = [f'Model: "{model.name}"', "_" * length, _line(headings, widths)]
    lines.append("=" * length)
    lines.extend(_line(row, widths) for row in rows)
    lines.append("=" * length)
    lines.extend(_totals(model))
    lines.append("_" * length)
    return "\n".join(lines)


def connections_of(model: Model) -> dict[int, list[str]] | None:
    """Return what each layer is connected to, by its identity.

    None for layers that are simply one after the other.
    """
    graph = model.graph
    if graph is None:
        return None
    numbers: dict[int, int] = {}
    places = {id(one): f"{one.name}[0][0]" for one in graph.inputs}
    for tensor, layer in zip(graph.inputs, graph.input_layers, strict=True):
        places[id(tensor)] = f"{layer.name}[0][0]"
    found: dict[int, list[str]] = {id(layer): [] for layer in graph.operations}
    is_chain = len(graph.inputs) == 1
    last = graph.inputs[0]
    for call in graph.calls:
        number = numbers[id(call.layer)] = numbers.get(id(call.layer), -1) + 1
        found[id(call.layer)] += [places[id(one)] for one in call.inputs]
        outputs = tree.flatten(call.outputs)[0]
        for place, tensor in enumerate(outputs):
            places[id(tensor)] = f"{call.layer.name}[{number}][{place}]"
        if len(call.inputs) != 1 or call.inputs[0] is not last or number:
            is_chain = False
        last = outputs[0]
    return None if is_chain else found


def _rows(
    layer: Layer,
    connections: dict[int, list[str]] | None,
    show_trainable: bool,
    expand_nested: bool,
    level: int,
) -> list[Row]:
    """Return the rows of a layer: one, more for its connections and its layers."""
    kind = getattr(layer, "type_name", None) or type_name(layer)
    try:
        count = f"{layer.count_params():,}"
    except NotBuiltError:
        count = "0 (unbuilt)"
    prefix = "   " * level + "└ " if level else ""
    row: Row = (f"{prefix}{layer.name} ({kind})", shape_text(layer), count)
    more: list[Row] = []
    if connections is not None:
        first, *others = connections.get(id(layer)) or ["-"]
        row = (*row, first)
        more = [("", "", "", other) for other in others]
    if show_trainable:
        letter = "Y" if layer.trainable else "N"
        row = (*row, letter if layer.weights else "-")
        more = [(*one, "") for one in more]
    rows = [row, *more]
    if expand_nested:
        below: dict[int, list[str]] | None = None if connections is None else {}
        for one in getattr(layer, "layers", None) or ():
            rows += _rows(one, below, show_trainable, True, level + 1)
    return rows


def type_name(layer: Layer) -> str:
    """Return what a table calls the kind of a layer: that of its class."""
    own = getattr(layer, "serialized_class_name", None)
    return own if isinstance(own, str) else type(layer).__name__


def shape_text(layer: Layer) -> str:
    """Return the shape of a layer's output, ``?`` while it is unknown.

    Where only data told a layer its input, the rows that they had say nothing.
    """
    try:
        shape: Any = layer.output_shape
    except NervureError:  # not built yet, or its output depends on more than shapes
        return "?"
    seen = layer.built_for
    is_one = isinstance(shape, tuple) and shape and isinstance(seen, tuple) and seen
    if is_one and not layer.is_connected and shape[0] == seen[0]:
        return str((None, *shape[1:]))
    return str(shape)


def _widths(rows: list[tuple[str, ...]], line_length: int | None) -> list[int]:
    """Return how wide each column is; every column ends in at least one space."""
    needed = [max(len(row[place]) + 2 for row in rows) for place in range(len(rows[0]))]
    usual = (*_COLUMN_WIDTHS, 10, 10)
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
    optimizer = model.optimizer
    is_built = optimizer is not None and optimizer.built
    slots = list(optimizer.variables) if optimizer is not None and is_built else []
    # As in Keras the total counts what the optimizer keeps, once there is something.
    lines = [
        f"Total params: {_sized([*trainable, *frozen, *slots])}",
        f"Trainable params: {_sized(trainable)}",
        f"Non-trainable params: {_sized(frozen)}",
    ]
    if is_built:
        lines.append(f"Optimizer params: {_sized(slots)}")
    return lines


def _sized(variables: Iterable[Any]) -> str:
    listed = list(variables)
    count = sum(math.prod(one.shape) for one in listed)
    size = sum(math.prod(one.shape) * one.dtype.itemsize for one in listed)
    return f"{count:,} ({byte_text(size)})"
