"""Models as plain data in a file, and back.

What a layer or model is as plain data, ``nn/serialization.py`` says; here is what a
file adds: the input for which a model of a class of one's own was built.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nervure.errors import (
    ArgumentError,
    FileFormatError,
    UnknownNameError,
    explain,
)
from nervure.nn.layer import Layer
from nervure.nn.layers import Input
from nervure.nn.serialization import deserialize, serialize
from nervure.nn.symbolic import as_partial_shape
from nervure.train.model import Model
from nervure.train.saving.container import UNUSABLE, damaged, is_no_fault_of_a_file

CustomObjects = Mapping[str, Any]


def describe(model: Model) -> dict[str, Any]:
    """Return a model as plain data.

    Raises :class:`~nervure.errors.ArgumentError` for what plain data cannot hold, such
    as a function of the user's own.
    """
    try:
        described = serialize(model)
    except TypeError as error:
        raise ArgumentError(
            explain(
                f"the model {model.name!r} cannot be saved: {error}",
                fix="register functions and classes of your own with "
                "nervure.utils.register_keras_serializable, or save the numbers alone "
                "with save_weights",
            )
        ) from None
    return {**described, "input": _described_input(model)}


def _described_input(model: Model) -> dict[str, Any] | None:
    """Return what a model was built for, if its arguments do not say so."""
    shape = model.built_for
    if model.inputs or not isinstance(shape, tuple):
        return None
    return {"shape": list(shape), "dtype": model.dtype.name}


def made_model(path: Path, described: Any, custom: CustomObjects) -> Model:
    """Return the model that data describe.

    Raises
    ------
    UnknownNameError
        For a class that is neither Nervure's nor registered nor in ``custom``.
    FileFormatError
        For data that describe no model.
    """
    try:
        layer: Layer = deserialize(described, custom)
        given = described.get("input")
        if given is not None and isinstance(layer, Model) and not layer.weights:
            shape = as_partial_shape(given["shape"])
            layer(Input(batch_shape=shape, dtype=given["dtype"]))
    except (FileFormatError, UnknownNameError):
        raise
    except UNUSABLE as error:
        if is_no_fault_of_a_file(error):
            raise
        raise FileFormatError(
            explain(
                f"{str(path)!r} describes a model that cannot be made: {error}",
                fix="write it again with the version of nervure that made it",
            )
        ) from error
    if not isinstance(layer, Model):
        raise damaged(path, f"it holds a {type(layer).__name__}, which is no model")
    return layer
