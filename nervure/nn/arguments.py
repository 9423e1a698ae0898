"""Checks of numbers that users pass to constructors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nervure.errors import ArgumentError, explain


def finite_number(name: str, value: Any) -> float:
    """Return a number as a float; raises :class:`ArgumentError` for anything else.

    >>> finite_number("rate", 2)
    2.0
    """
    try:
        number = math.nan if isinstance(value, str | bytes) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise _refused(name, "a finite number", value, f"{name}=0.5")
    return number


def positive_number(name: str, value: Any) -> float:
    """Return a number above 0; raises :class:`ArgumentError` for others."""
    number = finite_number(name, value)
    if number <= 0:
        raise _refused(name, "above 0", value, f"{name}=0.1")
    return number


def non_negative_number(name: str, value: Any) -> float:
    """Return a number from 0 on; raises :class:`ArgumentError` for others."""
    number = finite_number(name, value)
    if number < 0:
        raise _refused(name, "at least 0", value, f"{name}=0.0")
    return number


def within_unit(name: str, value: Any, *, open_above: bool = False) -> float:
    """Return a number from 0 to 1; raises :class:`ArgumentError` for others."""
    number = finite_number(name, value)
    if not 0 <= number <= 1 or (open_above and number == 1):
        limit = "below 1" if open_above else "to 1"
        raise _refused(name, f"from 0 {limit}", value, f"{name}=0.5")
    return number


def whole_number(name: str, value: Any, *, least: int) -> int:
    """Return a whole number of at least ``least``; raises for others.

    >>> whole_number("count", 3.0, least=1)
    3
    """
    number = finite_number(name, value)
    if isinstance(value, bool) or number != int(number) or number < least:
        wanted = f"a whole number, at least {least}"
        raise _refused(name, wanted, value, f"{name}={max(least, 1)}")
    return int(number)


def truth_value(name: str, value: Any) -> bool:
    """Return True or False; raises :class:`ArgumentError` for others.

    0 and 1 count as truth values; a text such as "no" does not, since Python takes it
    for True.

    >>> truth_value("trainable", 0)
    False
    """
    if isinstance(value, bool | np.bool_) or (
        isinstance(value, int) and value in (0, 1)
    ):
        return bool(value)
    raise ArgumentError(
        explain(
            f"expected {name} to be True or False, got {value!r}",
            fix=f"write {name}=True or {name}=False",
        )
    )


def _refused(name: str, wanted: str, value: Any, example: str) -> ArgumentError:
    """Return the error for an argument, with a call that would do."""
    example = example if name.isidentifier() else example.rpartition("=")[2]
    return ArgumentError(
        explain(
            f"expected {name} to be {wanted}, got {value!r}",
            fix=f"pass {example}, for example",
        )
    )
