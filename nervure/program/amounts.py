"""Amounts as people say and write them: bytes, operations, seconds."""

from __future__ import annotations


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
