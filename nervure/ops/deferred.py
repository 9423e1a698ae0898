"""Functions applied to what will become arrays later.

A :class:`Deferred` stands for an array that does not exist yet, such as a symbolic
tensor of a model.  A function of the namespace that is given one does not compute: it
lets the deferred value remember the call.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any, Final

# The functions that may be deferred, by their public names ("add", "nn.relu").  Each
# only computes arrays from arrays, so a name in a file can do no harm.
OPERATIONS: Final[dict[str, Callable[..., Any]]] = {}


class Deferred:
    """The base class of what stands for an array."""

    __slots__ = ()

    def deferred_call(
        self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Return what stands for the result of a function of :data:`OPERATIONS`."""
        raise NotImplementedError(f"{type(self).__name__} cannot remember a call")


def first_deferred(values: Iterable[Any]) -> Deferred | None:
    """Return the first deferred value among arguments and in lists of arguments."""
    for value in values:
        if isinstance(value, Deferred):
            return value
        if isinstance(value, list | tuple):
            for one in value:
                if isinstance(one, Deferred):
                    return one
    return None


def deferrable(function: Callable[..., Any], name: str, module: str) -> Any:
    """Return a function that also accepts deferred values, known under ``name``."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        found = first_deferred((*args, *kwargs.values()))
        if found is not None:
            return found.deferred_call(name, args, kwargs)
        return function(*args, **kwargs)

    call.__module__ = module  # where copying and pickling find it
    OPERATIONS[name] = call
    return call


def make_deferrable(
    namespace: dict[str, Any], names: Iterable[str], prefix: str
) -> None:
    """Replace the functions of a module by ones that accept deferred values."""
    made: dict[Callable[..., Any], Any] = {}  # one function may have two names
    for name in names:
        function = namespace[name]
        if not inspect.isfunction(function):
            continue
        if function not in made:
            made[function] = deferrable(function, prefix + name, namespace["__name__"])
        namespace[name] = OPERATIONS[prefix + name] = made[function]
