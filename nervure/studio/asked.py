"""Numbers in what a page has sent."""

from __future__ import annotations

from typing import Any

from nervure.errors import ArgumentError, explain


def whole_number(message: dict[str, Any], name: str) -> int:
    """Return a whole number of a message; raises :class:`ArgumentError` for others."""
    value = message.get(name)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ArgumentError(
            explain(f"{name} must be a whole number, got {value!r:.60}")
        )
    return value


def optional_whole_number(message: dict[str, Any], name: str) -> int | None:
    """Return a whole number of a message, None where it is left out."""
    return None if message.get(name) is None else whole_number(message, name)
