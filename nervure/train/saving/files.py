"""Models and weights in files: writing, and reading what was verified first."""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from nervure.errors import (
    ArgumentError,
    FileFormatError,
    NotBuiltError,
    UnknownNameError,
    explain,
    require_file,
)
from nervure.ir.attrs import NDArray
from nervure.nn.first_values import values_from_a_file
from nervure.train.model import Model
from nervure.train.saving import named, state, tensors
from nervure.train.saving.architecture import describe, made_model
from nervure.train.saving.compiling import compile_again, compiling
from nervure.train.saving.container import (
    UNUSABLE,
    damaged,
    is_no_fault_of_a_file,
    parse_json,
    read_container,
    write_container,
)
from nervure.train.saving.pickles import refuse_pickle

if TYPE_CHECKING:
    from nervure.train.saving.architecture import CustomObjects

_MODEL: Final = "model.json"
_TENSORS: Final = "variables.safetensors"
_ENTRIES: Final = frozenset({_MODEL, _TENSORS})
# Formats of others stand in the layer above; they are read where they are registered.
_READERS: Final = {
    ".keras": "nervure.importers.keras",
    ".h5": "nervure.importers.keras",
    ".hdf5": "nervure.importers.keras",
    ".onnx": "nervure.importers.onnx",
}
AnyPath = str | os.PathLike[str]


def save_model(model: Model, filepath: AnyPath, overwrite: bool = True) -> None:
    """Write a model: its layers, all numbers, the optimizer and what it is told.

    Parameters
    ----------
    model
        A model.
    filepath
        Ends in ``.nv``.
    overwrite
        Whether a file of that name may be replaced.

    Raises
    ------
    ArgumentError
        For another ending, for a file that is there when it may not be replaced, and
        for a layer that plain data cannot hold.

    >>> import os, tempfile
    >>> import nervure as nv
    >>> model = nv.models.Sequential([nv.layers.Dense(1, input_shape=(3,))])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     model.save(os.path.join(folder, "m.nv"))
    ...     again = nv.models.load_model(os.path.join(folder, "m.nv"))
    >>> again.count_params()
    4
    """
    path = _checked_path(filepath, (".nv",), overwrite)
    content = {
        "model": describe(model),
        "compile": compiling(model),
        "built": model.built,
    }
    cells = state.model_cells(model)
    if model.optimizer is not None and model.optimizer.built:
        cells |= state.optimizer_cells(model)
    entries = {
        _MODEL: tensors.json_bytes(content),
        _TENSORS: tensors.to_bytes(state.values_of(cells)),
    }
    write_container(path, "model", entries)


def load_model(
    filepath: AnyPath,
    custom_objects: Mapping[str, Any] | None = None,
    compile: bool = True,
) -> Model:
    """Read a model that :func:`save_model` wrote, or one of Keras.

    The file is verified and nothing in it is executed.  A model of Nervure goes on
    training with the same bits as the one that was saved.

    Parameters
    ----------
    filepath
        A ``.nv`` file, or Keras' ``.keras`` or ``.h5`` (needs ``nervure[keras-files]``;
        layers and weights are read, so call ``compile`` afterwards).
    custom_objects
        Your own layers, losses and so on, by the names of their classes or functions.
    compile
        Whether the model is compiled as the one that was saved.

    Raises
    ------
    ArgumentError
        For a pickle, such as torch's ``.pt``: reading it could execute code.
    FileFormatError
        For a file that is damaged, truncated or not what it claims to be.
    UnknownNameError
        For a class or function that is not known.
    MissingFileError
        When there is no such file.
    OSError
        When the file cannot be read.

    >>> import nervure as nv, tempfile
    >>> model = nv.models.Sequential([nv.layers.Dense(1, input_shape=(2,))])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     model.save(f"{folder}/model.nv")
    ...     nv.models.load_model(f"{folder}/model.nv").count_params()
    3
    """
    path = _as_path(filepath)
    refuse_pickle(path)
    require_file(path)
    custom = dict(custom_objects or {})
    reader = _reader(path)
    if reader is not None:
        model: Model = reader.load_model(path, custom)
        return model
    _, content = read_container(path, ("model",), _ENTRIES)
    described = parse_json(path, content.get(_MODEL, b""), _MODEL)
    arrays = tensors.from_bytes(path, content.get(_TENSORS, b""), _TENSORS)
    if not isinstance(described, dict) or not {"model", "compile"} <= set(described):
        raise damaged(path, f"its {_MODEL} has no model")
    with values_from_a_file(sum(one.nbytes for one in arrays.values())):
        model = made_model(path, described["model"], custom)
    cells = state.model_cells(model)
    for group in ("weights", "random"):
        state.store(path, cells, arrays, group)
    if compile and described["compile"] is not None:
        _compile(path, model, described["compile"], custom, arrays)
    return model


def _compile(
    path: Path,
    model: Model,
    given: Any,
    custom: CustomObjects,
    arrays: Mapping[str, NDArray],
) -> None:
    try:
        compile_again(model, given, custom)
    except (FileFormatError, UnknownNameError):
        raise
    except UNUSABLE as error:
        if is_no_fault_of_a_file(error):
            raise
        raise damaged(
            path, f"what it says of compile cannot be used: {error}"
        ) from None
    if any(name.startswith("optimizer/") for name in arrays):
        state.store(path, state.optimizer_cells(model), arrays, "optimizer")


# --- weights alone ------------------------------------------------------------------


def save_weights(model: Model, filepath: AnyPath, overwrite: bool = True) -> None:
    """Write the weights of a model to ``.weights.nv`` or ``.safetensors``."""
    path = _checked_path(filepath, (".weights.nv", named.ENDING), overwrite)
    _require_weights(model, "saved")
    if path.name.endswith(named.ENDING):
        named.save(model, path)
        return
    values = state.values_of(state.weight_cells(model))
    write_container(path, "weights", {_TENSORS: tensors.to_bytes(values)})


def load_weights(model: Model, filepath: AnyPath) -> None:
    """Set the weights of a model from a file; see ``Model.load_weights``."""
    path = _as_path(filepath)
    refuse_pickle(path)
    _require_weights(model, "loaded")
    require_file(path)
    if path.suffix.lower() == named.ENDING:
        named.load(model, path)
        return
    reader = _reader(path)
    if reader is not None:
        reader.load_weights(model, path)
        return
    _, content = read_container(path, ("weights", "model"), _ENTRIES)
    arrays = tensors.from_bytes(path, content.get(_TENSORS, b""), _TENSORS)
    state.store(path, state.weight_cells(model), arrays, "weights")


def _require_weights(model: Model, wanted: str) -> None:
    if not model.built and not model.weights:
        raise NotBuiltError(
            explain(
                f"the model {model.name!r} has no weights yet that could be {wanted}",
                fix="start it with Input(shape), or call it on data first",
            )
        )


# --- paths --------------------------------------------------------------------------


def _checked_path(filepath: AnyPath, endings: tuple[str, ...], overwrite: bool) -> Path:
    path = _as_path(filepath)
    if not path.name.endswith(endings) or path.name in endings:
        raise ArgumentError(
            explain(
                f"the name of the file must end in {' or '.join(endings)}, got "
                f"{path.name!r}",
                fix=f"use {path.name.partition('.')[0] or 'model'}{endings[0]!s}",
            )
        )
    if path.exists() and not overwrite:
        raise ArgumentError(
            explain(
                f"{str(path)!r} is there already",
                fix="use another name, or overwrite=True",
            )
        )
    return path


def _as_path(filepath: AnyPath) -> Path:
    try:
        return Path(filepath)
    except TypeError:
        raise ArgumentError(
            explain(
                f"expected the name of a file, got {filepath!r}",
                fix="pass a string or a pathlib.Path, such as 'model.nv'",
            )
        ) from None


def _reader(path: Path) -> Any:
    """Return the module that reads a format of others, None for ours."""
    module = _READERS.get(path.suffix.lower())
    if module is None:
        return None
    return importlib.import_module(module)
