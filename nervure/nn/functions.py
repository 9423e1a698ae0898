"""Checks of functions that users pass: can they be called as they will be?"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection
from typing import Any

from nervure.errors import ArgumentError, explain


def require_parameters(
    what: str,
    function: Callable[..., Any],
    *names: str,
    keywords: Collection[str] = (),
    fix: str,
) -> None:
    """Raise :class:`ArgumentError` for a function that takes other arguments.

    Parameters
    ----------
    what
        How the message calls the function: ``"the loss"``.
    function
        Anything that can be called.
    names
        What it will be given, in this order.
    keywords
        What it will be given by name.
    fix
        A function that would do.

    >>> require_parameters("loss", lambda y: y, "a", "b", fix="add b")
    Traceback (most recent call last):
    ...
    nervure.errors.ArgumentError: loss is called with (a, b), but <lambda> takes (y)
      fix: add b
      more: nervure help ArgumentError
    """
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # written in C, without a signature
        return
    try:
        signature.bind(*names, **dict.fromkeys(keywords))
    except TypeError:
        called = getattr(function, "__name__", type(function).__name__)
        given = ", ".join([*names, *(f"{one}=..." for one in keywords)])
        plain = signature.replace(return_annotation=inspect.Signature.empty)
        raise ArgumentError(
            explain(
                f"{what} is called with ({given}), but {called} takes {plain}",
                fix=fix,
            )
        ) from None
