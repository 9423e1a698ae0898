"""Memory budgets as users write them."""

from __future__ import annotations

import math
import re
from numbers import Real
from typing import Any, Final

import numpy as np

from nervure.errors import ArgumentError, explain

# Powers of 1000, and of 1024 with an i (IEC 80000-13); a letter may stand alone.
_UNITS: Final = {
    "": 1, "b": 1,
    "k": 10**3, "kb": 10**3, "m": 10**6, "mb": 10**6, "g": 10**9, "gb": 10**9,
    "t": 10**12, "tb": 10**12,
    "ki": 2**10, "kib": 2**10, "mi": 2**20, "mib": 2**20, "gi": 2**30, "gib": 2**30,
    "ti": 2**40, "tib": 2**40,
}  # fmt: skip
_TEXT: Final = re.compile(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*([a-zA-Z]*)\s*")


def byte_count(given: Any, name: str = "memory_budget") -> int | None:
    """Return a number of bytes given as a number or a text; None for none.

    A fraction of a byte is dropped.  A text is a number and a unit: ``"200 MB"`` are
    200 million bytes, ``"200 MiB"`` are 200 * 2**20.

    Raises :class:`~nervure.errors.ArgumentError` for anything else.

    >>> from nervure.exec.budget import byte_count
    >>> byte_count("1.5 kB"), byte_count(0.6 * 1001), byte_count("2 MiB")
    (1500, 600, 2097152)
    """
    if given is None:
        return None
    number: float | None = None
    if isinstance(given, str):
        match = _TEXT.fullmatch(given)
        if match is not None and match[2].lower() in _UNITS:
            number = float(match[1]) * _UNITS[match[2].lower()]
    elif not isinstance(given, bool | np.bool_):
        number = float(given) if isinstance(given, Real) else None
    if number is None or not math.isfinite(number) or number < 1:
        raise ArgumentError(
            explain(
                f"{name} must be a number of bytes or a text such as '200 MB', got "
                f"{given!r}",
                fix=f"leave {name} out for no limit",
            )
        )
    return int(number)


def size_text(nbytes: int) -> str:
    """Return a number of bytes for reading: ``12,345 bytes`` or ``12.3 MB``."""
    if nbytes < 100_000:
        return f"{nbytes:,} bytes"
    for unit, name in ((10**12, "TB"), (10**9, "GB"), (10**6, "MB")):
        if nbytes >= unit:
            return f"{nbytes / unit:.4g} {name}"
    return f"{nbytes / 1000:.4g} kB"
