"""The parts of a network that parameters name: model, optimizer, loss."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nervure import losses, optimizers
from nervure.errors import ArgumentError, NervureError, explain
from nervure.layers import Layer
from nervure.losses import Loss
from nervure.models import Model, Sequential
from nervure.nn.losses.base import LossFunctionWrapper
from nervure.sklearn.functions import called_with_facts, function_parameters

if TYPE_CHECKING:
    from nervure.sklearn.base import Facts


def optimizer_from(given: Any, parameters: Mapping[str, Any]) -> Any:
    """Return a new optimizer like a given one, with some parameters changed.

    ``given`` is a name, a class or an optimizer, which itself is left alone.
    """
    return _configured(optimizers.get, "optimizer", given, parameters)


def loss_from(given: Any, parameters: Mapping[str, Any]) -> Any:
    """Return a loss like a given one, with some parameters changed."""
    return _configured(losses.get, "loss", given, parameters)


def _configured(get: Any, kind: str, given: Any, changes: Mapping[str, Any]) -> Any:
    found = given() if isinstance(given, type) else get(given)
    if isinstance(found, LossFunctionWrapper):
        if changes:
            raise ArgumentError(
                explain(
                    f"the {kind} {given!r} is a function and has no parameters, got "
                    f"{', '.join(changes)}",
                    fix=f"pass the {kind}'s class instead of a function",
                )
            )
        return found
    config = {**found.get_config(), **changes}
    return type(found).from_config(config)


def part_defaults(optimizer: Any, loss: Any, model: Any) -> dict[str, Any]:
    """Return the parameters of the parts with their values, named ``part__parameter``.

    What cannot be looked up, because it is misspelt for example, has none.
    """
    found = {}
    for part, get, given in (
        ("optimizer", optimizer_from, optimizer),
        ("loss", loss_from, loss),
    ):
        for name, value in _config_of(get, given).items():
            found[f"{part}__{name}"] = value
    if not isinstance(model, Layer):
        for name, value in (function_parameters(model) or {}).items():
            found[f"model__{name}"] = value
    return found


def _config_of(get: Any, given: Any) -> dict[str, Any]:
    try:
        made = get(given, {})
        config: dict[str, Any] = made.get_config()
    except (NervureError, TypeError, ValueError, AttributeError):
        return {}
    return {} if isinstance(made, Loss | LossFunctionWrapper) and not config else config


def model_from(given: Any, facts: Facts, parameters: Mapping[str, Any]) -> Model:
    """Return the network that a parameter describes.

    Parameters
    ----------
    given
        A function that returns a model, a model, a layer, or a list of layers.  Models
        and layers are copied, so each training starts from what was given.
    facts, parameters
        For the function.

    Raises
    ------
    ArgumentError
        For anything else.
    """
    if isinstance(given, Layer | list | tuple):
        if parameters:
            raise ArgumentError(
                explain(
                    "model is no function, so it has no parameters "
                    f"{', '.join(parameters)}",
                    fix="pass a function that makes the model; its arguments are the "
                    "parameters",
                )
            )
        made = copy.deepcopy(given)
    elif callable(given):
        made = called_with_facts(given, facts, parameters)
    else:
        made = given
    if isinstance(made, Model):
        return made
    if isinstance(made, Layer):
        return Sequential([made])
    if isinstance(made, list | tuple) and made:
        return Sequential(list(made))
    raise ArgumentError(
        explain(
            f"model must be a function, a model or a list of layers, got {given!r}",
            fix="pass a function that returns a model, such as "
            "def make(n_classes_, units=32): ...",
        )
    )
