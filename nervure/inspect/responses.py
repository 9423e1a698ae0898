"""What each layer makes of samples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nervure import step
from nervure.array import Array
from nervure.errors import ArgumentError, explain
from nervure.inspect.pictures import gallery
from nervure.inspect.seen import (
    arranged_inputs,
    array_of,
    channels_last,
    listed_layers,
    named_layer,
    traced_layers,
)
from nervure.ir.attrs import NDArray
from nervure.train.batched import by_batches
from nervure.train.checks import whole_number
from nervure.train.inputs import read_inputs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

    from nervure.train.model import Model


def activations(
    model: Model,
    x: Any,
    layers: Sequence[Any] | str | None = None,
    *,
    batch_size: int = 32,
) -> dict[str, NDArray]:
    """Return what each layer gives for samples, by the layers' names.

    Parameters
    ----------
    model
        Any model: a stack, a graph of layers, models inside of models.  Layers behave
        as in ``predict``.
    x
        The samples, as ``predict`` takes them.
    layers
        The names of some layers, or the layers themselves; all by default.
    batch_size
        How many samples are computed at a time.

    Returns
    -------
    For each layer an array ``[rows, ...]``, in the order in which layers are called.
    A layer inside another model is called ``"encoder/conv2d"``, the second call of a
    layer ``"dense:2"``, the second of several outputs ``"lstm[1]"``.  Operations
    between layers and what happens inside of loops are left out.

    Raises
    ------
    UnknownNameError, ArgumentError
        For layers that the model does not have.
    DataError, ShapeError
        For samples that it does not take.

    >>> import nervure as nv
    >>> model = nv.models.Sequential([
    ...     nv.layers.Dense(3, input_shape=(2,), name="hidden"), nv.layers.Dense(1)])
    >>> nv.inspect.activations(model, [[1.0, 2.0]])["hidden"].shape
    (1, 3)
    """
    values, structure = read_inputs(model, x)
    size = whole_number(batch_size, "batch_size", 1, 32)
    known = listed_layers(model, values, structure)
    if layers is None:
        names = [one.name for one in known]
    else:
        wanted = layers if isinstance(layers, list | tuple) else [layers]
        names = [named_layer(model, known, one).name for one in wanted]
    if not names:
        raise ArgumentError(
            explain(
                f"the model {model.name!r} calls no layers that could be looked at",
                fix="make it of layers, or keep them in attributes",
            )
        )

    def program(*arrays: Array) -> list[Array]:
        seen, _ = traced_layers(model, arranged_inputs(model, arrays, structure))
        return [array_of(seen, name) for name in names]

    compiled = model.kept(
        ("activations", structure, tuple(names)), lambda: step.compile(program)
    )
    found = by_batches(compiled, values, size)
    return dict(zip(names, found, strict=True))


def plot_activations(
    model: Model, x: Any, layer: Any, *, most: int = 64, batch_size: int = 32
) -> Figure:
    """Draw what a layer makes of the first sample, one picture for each filter.

    Parameters and errors are those of :func:`activations`, for one layer; ``most``
    limits the pictures.

    Returns
    -------
    A figure of matplotlib.

    >>> import numpy as np
    >>> import nervure as nv
    >>> model = nv.models.Sequential([nv.layers.Conv2D(4, 3, input_shape=(8, 8, 1))])
    >>> x = np.zeros((1, 8, 8, 1), "float32")
    >>> len(nv.inspect.plot_activations(model, x, model.layers[0]).axes)
    4
    """
    count = whole_number(most, "most", 1, 64)
    first, structure = read_inputs(model, x)
    known = listed_layers(model, first, structure)
    entry = named_layer(model, known, layer)
    found = activations(model, x, [entry.name], batch_size=batch_size)[entry.name][0]
    maps = channels_last(found[None], entry.layer)[0]
    if maps.ndim < 2:
        return gallery([maps])
    filters = range(min(maps.shape[-1], count))
    return gallery([maps[..., one] for one in filters], [str(one) for one in filters])
