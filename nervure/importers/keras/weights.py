"""Which array of a file belongs to which weight of a model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from nervure.errors import FileFormatError, explain
from nervure.importers.keras.hdf5 import Numbers
from nervure.ir.attrs import NDArray
from nervure.nn.layer import Layer
from nervure.nn.naming import snake_case
from nervure.nn.variable import Variable
from nervure.train.saving.container import damaged, parse_json

if TYPE_CHECKING:
    from nervure.train.model import Model

# The order of a layer's parts where it is not that of the alphabet, in which HDF5 gives
# them: that of the weights.
_PARTS: Final = (
    *("forward_layer", "backward_layer"),
    *("query_dense", "key_dense", "value_dense", "output_dense"),
    *("_query_dense", "_key_dense", "_value_dense", "_output_dense"),
)
# State of random generators, which are other ones here.
_NO_WEIGHTS: Final = ("seed_generator", "random_seed_generator", "_random_generator")
_MOST_LEVELS: Final = 40


def set_weights(path: Path, model: Model, file: Numbers) -> None:
    """Set all weights of a model; none is changed unless all fit."""
    pairs = list(_pairs(path, model, file))
    for variable, value in pairs:
        if variable.shape != value.shape:
            raise FileFormatError(
                explain(
                    f"the weight {variable.path!r} has shape {list(variable.shape)}, "
                    f"that of {str(path)!r} has {list(value.shape)}",
                    fix="make the model as it was when the file was written",
                )
            )
    for variable, value in pairs:
        variable.assign(value)


def _pairs(
    path: Path, model: Model, file: Numbers
) -> Iterator[tuple[Variable, NDArray]]:
    if file.is_group("model_weights") or file.attribute("", "layer_names") is not None:
        root = "model_weights" if file.is_group("model_weights") else ""
        yield from _legacy_pairs(path, model, file, root)
    else:
        yield from _model_pairs(path, model, file, "", 0)


# --- the format of Keras 3 ----------------------------------------------------------


def _model_pairs(
    path: Path, model: Layer, file: Numbers, group: str, level: int
) -> Iterator[tuple[Variable, NDArray]]:
    """Yield the weights of the layers of a model, each in a group named by its class.

    The second layer of a class is ``dense_1``, whatever its own name is.
    """
    from nervure.train.model import Model

    if level > _MOST_LEVELS:
        raise damaged(path, "its groups do not end")
    counts: dict[str, int] = {}
    assert isinstance(model, Model)
    for layer in model.layers:
        kind = snake_case(type(layer).__name__)
        count = counts.get(kind, 0)
        counts[kind] = count + 1
        inner = _joined(group, "layers", f"{kind}_{count}" if count else kind)
        if isinstance(layer, Model):
            yield from _model_pairs(path, layer, file, inner, level + 1)
        else:
            values = list(_values(path, file, inner, 0))
            yield from _matched(path, layer, values)


def _values(path: Path, file: Numbers, group: str, level: int) -> Iterator[NDArray]:
    """Yield the arrays of a layer in the order of its weights."""
    if level > _MOST_LEVELS:
        raise damaged(path, "its groups do not end")
    own = _joined(group, "vars")
    for number in sorted(file.members(own), key=_as_number):
        yield file.array(_joined(own, number))
    parts = [
        one
        for one in file.members(group)
        if one != "vars" and one not in _NO_WEIGHTS and file.is_group(f"{group}/{one}")
    ]
    parts.sort(key=lambda one: _PARTS.index(one) if one in _PARTS else -1)
    for part in parts:
        yield from _values(path, file, _joined(group, part), level + 1)


def _as_number(name: str) -> int:
    return int(name) if name.isdecimal() else -1


def _joined(*parts: str) -> str:
    return "/".join(part for part in parts if part)


# --- the older format ---------------------------------------------------------------


def legacy_config(path: Path, file: Numbers) -> dict[str, Any]:
    """Return the configuration of a model in an ``.h5`` file."""
    text = file.attribute("", "model_config")
    if text is None:
        raise FileFormatError(
            explain(
                f"{str(path)!r} holds weights alone, not a model",
                fix="make the model in Python and call load_weights",
            )
        )
    if not isinstance(text, str | bytes):
        raise damaged(path, "its model_config is no text")
    data = text.encode("utf-8", "replace") if isinstance(text, str) else text
    config = parse_json(path, data, "model_config")
    if not isinstance(config, dict):
        raise damaged(path, "its model_config describes no model")
    return config


def _legacy_pairs(
    path: Path, model: Model, file: Numbers, root: str
) -> Iterator[tuple[Variable, NDArray]]:
    """Yield the weights of layers that have some, in the order of both."""
    stored = []
    for name in _names(path, file, root, "layer_names"):
        group = _joined(root, name)
        arrays = [
            file.array(_joined(group, one))
            for one in _names(path, file, group, "weight_names")
        ]
        if arrays:
            stored.append(arrays)
    layers = [layer for layer in model.layers if layer.weights]
    if len(layers) != len(stored):
        raise FileFormatError(
            explain(
                f"{str(path)!r} holds the weights of {len(stored)} layers, the model "
                f"has {len(layers)} with weights",
                fix="make the model as it was when the file was written",
            )
        )
    for layer, values in zip(layers, stored, strict=True):
        order = [*layer.trainable_weights, *layer.non_trainable_weights]
        yield from _matched(path, layer, values, order)


def _names(path: Path, file: Numbers, group: str, attribute: str) -> list[str]:
    """Return a list of names, which Keras cuts in parts when it is long."""
    found = file.attribute(group, attribute)
    names = [] if found is None else list(found)
    part = file.attribute(group, f"{attribute}0")
    number = 0
    while part is not None:
        names += list(part)
        number += 1
        part = file.attribute(group, f"{attribute}{number}")
    texts = [one.decode() if isinstance(one, bytes) else one for one in names]
    if not all(isinstance(one, str) for one in texts):
        raise damaged(path, f"its {attribute} are no names")
    return texts


# --- both ---------------------------------------------------------------------------


def _matched(
    path: Path,
    layer: Layer,
    values: list[NDArray],
    order: list[Variable] | None = None,
) -> Iterator[tuple[Variable, NDArray]]:
    variables = layer.weights if order is None else order
    if len(variables) != len(values):
        raise FileFormatError(
            explain(
                f"{str(path)!r} holds {len(values)} arrays for the layer "
                f"{layer.name!r}, which has {len(variables)} weights",
                operands=[
                    (one.name, f"{one.dtype.name}{list(one.shape)}", one.path)
                    for one in variables
                ],
                fix="make the model as it was when the file was written",
            )
        )
    return zip(variables, values, strict=True)
