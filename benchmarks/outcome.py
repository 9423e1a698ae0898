"""What was measured, before it becomes a report."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field

from benchmarks.workloads import Workload


@dataclass
class Measurement:
    """One peer at one workload."""

    seconds: list[float] = field(default_factory=list)  # per unit, one for each round
    loss: float | None = None
    accuracy: float | None = None
    failed: str = ""
    spent: float = 0.0

    @property
    def median(self) -> float | None:
        """The median of the rounds, or None without any."""
        return statistics.median(self.seconds) if self.seconds else None

    def times(self, other: Measurement) -> float | None:
        """How many times longer than another: the median of the rounds' ratios.

        A shared machine changes its speed by a factor of two from one minute to the
        next, but the turns of one round are neighbours.
        """
        pairs = zip(self.seconds, other.seconds, strict=False)
        ratios = [mine / theirs for mine, theirs in pairs]
        return statistics.median(ratios) if ratios else None


@dataclass
class Outcome:
    """One workload: the peers, and how many cores others used before each run."""

    workload: Workload
    peers: dict[str, Measurement]
    busy: list[float] = field(default_factory=list)


def duration(seconds: float) -> str:
    """Return a time in the unit that suits it, with three digits."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size or unit == "µs":
            return f"{three_digits(seconds / size)} {unit}"
    raise AssertionError


def three_digits(number: float) -> str:
    """Return a number with three digits, or all before the point."""
    places = 2 if number < 10 else 1 if number < 100 else 0
    return f"{number:.{places}f}"
