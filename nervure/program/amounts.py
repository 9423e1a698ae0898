"""Amounts as people say and write them: bytes, operations, seconds."""

from __future__ import annotations

import math
import re
from typing import Any, Final

from nervure.errors import ArgumentError, explain

_UNITS: Final = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_AMOUNT: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?) *([KMGT]?)i?B?", re.IGNORECASE)


def byte_text(size: float) -> str:
    """Return a number of bytes as people say it.

    >>> byte_text(0), byte_text(101800), byte_text(2678824)
    ('0 B', '99.41 KB', '2.55 MB')
    """
    if size < 1024:
        return f"{size:.0f} B"
    for unit in ("KB", "MB", "GB"):
        size /= 1024
        if size < 1024:
            return f"{size:.2f} {unit}"
    return f"{size / 1024:.2f} TB"


def count_text(count: float, unit: str = "") -> str:
    """Return a large number as people say it.

    >>> count_text(0), count_text(2_500_000, "FLOP"), count_text(3e10, "FLOP/s")
    ('0', '2.5 MFLOP', '30 GFLOP/s')
    """
    for power, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= power:
            return f"{count / power:.3g} {prefix}{unit}"
    return f"{count:.3g} {unit}".rstrip()


def time_text(seconds: float) -> str:
    """Return a duration as people say it.

    >>> time_text(0.0), time_text(3.2e-6), time_text(0.25), time_text(12.0)
    ('0 s', '3.2 us', '250 ms', '12 s')
    """
    if seconds == 0 or seconds >= 1:
        return f"{seconds:.3g} s"
    for factor, unit in ((1e3, "ms"), (1e6, "us"), (1e9, "ns")):
        if seconds * factor >= 1 or unit == "ns":
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds:.3g} s"


def byte_count(given: Any, name: str) -> int:
    """Return a number of bytes that a user gave as a number or as ``"512 MB"``.

    Units are those of :func:`byte_text`: 1 KB is 1024 bytes.

    Raises :class:`~nervure.errors.ArgumentError` for anything that is no positive
    amount.

    >>> byte_count("1.5 KB", "budget"), byte_count(2.5e6, "budget")
    (1536, 2500000)
    """
    amount: float | None = None
    if isinstance(given, str):
        found = _AMOUNT.fullmatch(given.strip())
        if found is not None:
            amount = float(found[1]) * _UNITS[found[2].upper()]
    elif not isinstance(given, bool):
        try:
            amount = float(given)
        except (TypeError, ValueError):
            amount = None
    if amount is None or not math.isfinite(amount) or amount < 1:
        raise ArgumentError(
            explain(
                f"{name} must be a number of bytes, or text such as '512 MB', got "
                f"{given!r}",
                fix=f"pass {name}=0.5 * program.memory().peak_bytes, for example",
            )
        )
    return int(amount)
