"""What ``compile`` was given, as plain data and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from nervure.errors import UnknownNameError, explain
from nervure.nn import losses, metrics, optimizers
from nervure.nn.configuration import Configurable, as_plain
from nervure.nn.lookup import function_name
from nervure.nn.registry import (
    CustomObjectScope,
    get_registered_name,
    get_registered_object,
)

if TYPE_CHECKING:
    from nervure.train.model import Model
    from nervure.train.saving.architecture import CustomObjects

# A function of the user's own stands in a file with its name only.
_FUNCTION: Final = "function"


def compiling(model: Model) -> dict[str, Any] | None:
    """Return what a model was compiled with, None if it was not."""
    if not model.compiled:
        return None
    compiled = model.require_compiled("saving")
    return {
        "optimizer": _plain(compiled.optimizer),
        "loss": _plain(compiled.given_loss),
        "loss_weights": _plain(getattr(compiled, "given_loss_weights", None)),
        "metrics": _plain(compiled.given_metrics),
        "weighted_metrics": _plain(compiled.given_weighted),
        "precision": compiled.precision,
    }


def _plain(given: Any) -> Any:
    if isinstance(given, Mapping):
        return {str(key): _plain(one) for key, one in given.items()}
    if isinstance(given, list | tuple):
        return [_plain(one) for one in given]
    is_own = callable(given) and not isinstance(given, Configurable)
    if is_own and function_name(given) is None:
        return {_FUNCTION: get_registered_name(given)}
    return as_plain(given, "an argument of compile")


def compile_again(model: Model, given: Any, custom: CustomObjects) -> None:
    """Compile a model as :func:`compiling` says.

    Raises :class:`~nervure.errors.UnknownNameError` for what is neither Nervure's nor
    in ``custom``.
    """
    with CustomObjectScope(custom):
        arguments = {
            "loss": _revived_all(given["loss"], losses.get),
            "metrics": _revived_all(given["metrics"], metrics.get),
            "weighted_metrics": _revived_all(given["weighted_metrics"], metrics.get),
        }
        for name in ("loss_weights", "precision"):
            if given.get(name) is not None:
                arguments[name] = given[name]
        model.compile(_revived(given["optimizer"], optimizers.get), **arguments)


def _revived_all(given: Any, get: Any) -> Any:
    """Revive single things in lists and in dicts by the names of outputs."""
    if isinstance(given, list):
        return [_revived_all(one, get) for one in given]
    is_one = isinstance(given, dict) and ("class_name" in given or _FUNCTION in given)
    if isinstance(given, dict) and not is_one:
        return {key: _revived_all(one, get) for key, one in given.items()}
    return _revived(given, get)


def _revived(given: Any, get: Any) -> Any:
    if not isinstance(given, dict):
        return given
    if _FUNCTION not in given:
        return get(given)
    name = str(given[_FUNCTION])
    found = get_registered_object(name)
    if found is None:
        raise UnknownNameError(
            explain(
                f"the model was compiled with the function {name!r}, which a file does "
                "not hold",
                fix=f"pass custom_objects={{{name!r}: ...}}, or compile=False",
            )
        )
    return found
