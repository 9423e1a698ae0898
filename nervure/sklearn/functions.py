"""Functions that make models: their arguments as parameters, facts as arguments."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from nervure.sklearn.base import Facts

_BY_NAME: Final = (
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
    inspect.Parameter.KEYWORD_ONLY,
)


def function_parameters(function: Any) -> dict[str, Any] | None:
    """Return a function's arguments with their defaults (None for those without).

    Arguments whose names end in an underscore are facts about the data and left out.
    The result is None for what is no function, and for a function that takes arguments
    of any name.
    """
    if not callable(function):
        return None
    try:
        signature = inspect.signature(function)
    except ValueError:  # a built-in function that tells nothing
        return None
    found = {}
    for name, one in signature.parameters.items():
        if one.kind is inspect.Parameter.VAR_KEYWORD:
            return None
        if not name.endswith("_") and one.kind in _BY_NAME:
            found[name] = None if one.default is one.empty else one.default
    return found


def called_with_facts(
    function: Callable[..., Any], facts: Facts, arguments: Mapping[str, Any]
) -> Any:
    """Call a function with arguments and with the facts that it asks for."""
    wanted = inspect.signature(function).parameters
    told = {name: value for name, value in facts._asdict().items() if name in wanted}
    return function(**told, **arguments)
