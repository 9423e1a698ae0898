"""Weights by the names of their paths, as a plain file of safetensors."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from nervure.errors import ArgumentError, FileFormatError, explain
from nervure.nn.variable import Variable
from nervure.train.saving import tensors
from nervure.train.saving.atomic import write_atomically

if TYPE_CHECKING:
    from nervure.train.model import Model

ENDING: Final = ".safetensors"


def _by_path(model: Model) -> dict[str, Variable]:
    found: dict[str, Variable] = {}
    for variable in model.weights:
        # The model's own name is often automatic, and another in each process.
        name = variable.path.removeprefix(f"{model.name}/")
        if name in found:
            raise ArgumentError(
                explain(
                    f"two weights of the model have the path {name!r}",
                    fix="give their layers different names, or use .weights.nv",
                )
            )
        found[name] = variable
    return found


def save(model: Model, path: Path) -> None:
    """Write all weights in one move."""
    arrays = {name: one.stored.numpy() for name, one in _by_path(model).items()}
    write_atomically(path, tensors.to_bytes(arrays))


def load(model: Model, path: Path) -> None:
    """Set all weights; none is changed unless the names, shapes and types fit.

    Raises :class:`~nervure.errors.FileFormatError` for a damaged file and for weights
    of another model.
    """
    weights = _by_path(model)
    arrays = tensors.from_bytes(path, path.read_bytes(), path.name)
    for wanted, given, what in (
        (weights, arrays, "does not have the weight"),
        (arrays, weights, "has a weight that the model lacks:"),
    ):
        missing = next((name for name in wanted if name not in given), None)
        if missing is not None:
            raise FileFormatError(
                explain(
                    f"{str(path)!r} {what} {missing!r}",
                    fix="make the model with the names that its layers had",
                )
            )
    for name, variable in weights.items():
        if arrays[name].shape != variable.shape or arrays[name].dtype != variable.dtype:
            raise FileFormatError(
                explain(
                    f"the weight {name!r} is {variable.dtype}{list(variable.shape)}, "
                    "that "
                    f"of {str(path)!r} is "
                    f"{arrays[name].dtype}{list(arrays[name].shape)}",
                    fix="load the file into the model that it was saved from",
                )
            )
    for name, variable in weights.items():
        variable.assign(arrays[name])
