"""Whether the whole numbers of an input have rows in the tables that they go to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from nervure.errors import DataError, explain
from nervure.ir.attrs import NDArray
from nervure.nn.layers.embedding import Embedding
from nervure.train.checks import row_number
from nervure.train.data import position

if TYPE_CHECKING:
    from nervure.train.model import Model


def has_tables(model: Model) -> bool:
    """Tell whether an input of a model is looked up in a table."""
    places = range(max(len(model.inputs), 1))
    return any(True for place in places for _ in _tables(model, place))


def check_rows_of_tables(
    model: Model,
    place: int,
    values: NDArray,
    what: str,
    numbers: NDArray | None = None,
) -> None:
    """Raise :class:`DataError` for a number without a row in an ``Embedding``.

    ``place`` says which input of the model ``values`` are; ``numbers`` are those of its
    rows.  Only layers that are given an input as it is are known; what others are given
    becomes NaN where it has no row.
    """
    for layer in _tables(model, place):
        # The layer rounds towards 0, so that 0.9 would be word 0 without a word.
        bad = (values <= -1) | (values >= layer.input_dim)
        if values.size and values.dtype.kind == "f":
            bad |= values != np.trunc(values)
        if not values.size or not bad.any():
            continue
        first = tuple(int(one) for one in np.argwhere(bad)[0])
        value = float(values[first])
        row = row_number(first[0], numbers)
        if value != int(value):
            raise DataError(
                explain(
                    f"{what} holds {value:.15g} at {position((row, *first[1:]))}, but "
                    f"the layer {layer.name!r} looks up whole numbers",
                    fix="pass the numbers of words or categories; measured numbers go "
                    "to a Dense layer",
                )
            )
        least = "" if value < 0 else f", or make the layer with {int(value) + 1} rows"
        raise DataError(
            explain(
                f"{what} holds {value:.15g} at {position((row, *first[1:]))}, but the "
                f"layer {layer.name!r} has rows for 0 to {layer.input_dim - 1} only",
                fix=f"number the words from 0 to {layer.input_dim - 1}{least}",
            )
        )


def _tables(model: Model, place: int) -> Iterator[Embedding]:
    """Yield the embeddings that are given an input of a model as it is."""
    if model.graph is not None:
        tensor = model.graph.inputs[place]
        for call in model.graph.calls:
            given = any(one is tensor for one in call.inputs)
            if given and isinstance(call.layer, Embedding):
                yield call.layer
    elif model.input_structure is not None and model.layers:  # a stack of layers
        first = model.layers[0]
        if isinstance(first, Embedding):
            yield first
