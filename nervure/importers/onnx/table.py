"""Which function computes an operator, from which version of the operators on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

# A builder is given the operation and its inputs (None for one that is left out) and
# returns an array, or a tuple of them where the operator has several results.
Builder = Callable[..., Any]

_BUILDERS: Final[dict[str, list[tuple[int, Builder]]]] = {}
_REFUSED: Final[dict[str, str]] = {}


def operator(*names: str, since: int = 1) -> Callable[[Builder], Builder]:
    """Register a builder for operators, for their versions from ``since`` on."""

    def enter(builder: Builder) -> Builder:
        for name in names:
            add(name, builder, since)
        return builder

    return enter


def add(name: str, builder: Builder, since: int = 1) -> None:
    """Register a builder for one operator."""
    versions = _BUILDERS.setdefault(name, [])
    versions.append((since, builder))
    versions.sort(key=lambda entry: entry[0])


def refuse(reason: str, *names: str) -> None:
    """Register operators that are refused for a reason."""
    _REFUSED.update(dict.fromkeys(names, reason))


def builder_of(name: str, version: int) -> Builder | None:
    """Return the builder of an operator in a version of the operators, if any."""
    fitting = [one for since, one in _BUILDERS.get(name, ()) if since <= version]
    return fitting[-1] if fitting else None


def oldest_version(name: str) -> int | None:
    """Return the oldest version in which an operator is known, None if in none."""
    versions = _BUILDERS.get(name)
    return versions[0][0] if versions else None


def refusal_of(name: str) -> str | None:
    """Return why an operator is refused, if it was decided."""
    return _REFUSED.get(name)
