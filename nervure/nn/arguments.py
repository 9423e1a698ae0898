"""Checks of numbers that users pass to constructors."""

from __future__ import annotations

import math
from typing import Any

from nervure.errors import ArgumentError


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
        raise ArgumentError(f"expected {name} to be a finite number, got {value!r}")
    return number


def positive_number(name: str, value: Any) -> float:
    """Return a number above 0; raises :class:`ArgumentError` for others."""
    number = finite_number(name, value)
    if number <= 0:
        raise ArgumentError(f"expected {name} to be above 0, got {value!r}")
    return number


def non_negative_number(name: str, value: Any) -> float:
    """Return a number from 0 on; raises :class:`ArgumentError` for others."""
    number = finite_number(name, value)
    if number < 0:
        raise ArgumentError(f"expected {name} to be at least 0, got {value!r}")
    return number


def within_unit(name: str, value: Any, *, open_above: bool = False) -> float:
    """Return a number from 0 to 1; raises :class:`ArgumentError` for others."""
    number = finite_number(name, value)
    if not 0 <= number <= 1 or (open_above and number == 1):
        limit = "below 1" if open_above else "to 1"
        raise ArgumentError(f"expected {name} to be from 0 {limit}, got {value!r}")
    return number


def whole_number(name: str, value: Any, *, least: int) -> int:
    """Return a whole number of at least ``least``; raises for others.

    >>> whole_number("count", 3.0, least=1)
    3
    """
    number = finite_number(name, value)
    if isinstance(value, bool) or number != int(number) or number < least:
        raise ArgumentError(
            f"expected {name} to be a whole number, at least {least}, got {value!r}"
        )
    return int(number)
