"""Measured times of kernels, beside what the roofline says is possible."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from nervure.exec.peaks import Peaks
from nervure.exec.report import Timings
from nervure.program.amounts import count_text, time_text
from nervure.program.cost import roofline
from nervure.program.optimized import Kernel
from nervure.program.rows import Rows
from nervure.program.tables import shortened, table_text

_WIDTH = 34  # of names in tables


@dataclass(frozen=True)
class ProfileRow:
    """How long a kernel took.

    Attributes
    ----------
    kernel
        What ran.
    seconds
        From its beginning to its end in the thread that had most to do.
    thread_seconds
        The seconds of every thread.
    at_least
        The roofline's estimate.
    bound
        What limits it: ``compute`` or ``memory``.
    """

    kernel: Kernel
    seconds: float
    thread_seconds: tuple[float, ...]
    at_least: float
    bound: str

    @property
    def rate(self) -> float:
        """Elementary operations a second."""
        return self.kernel.operations / self.seconds if self.seconds else 0.0

    @property
    def share_of_roofline(self) -> float:
        """How near it comes to what the machine can do: 1 is as near as possible."""
        return self.at_least / self.seconds if self.seconds else 0.0


class Profile(Rows[ProfileRow]):
    """The measured time of each kernel; see :meth:`Program.profile`.

    Attributes
    ----------
    seconds
        Of a whole step.
    steps
        How many steps were measured; all numbers are means over them.
    waiting_seconds
        What is left of the threads' time: waiting for each other, and the way into
        the program.
    """

    def __init__(
        self, kernels: Sequence[Kernel], timings: Timings, peaks: Peaks
    ) -> None:
        self.rows = tuple(_rows(kernels, timings, peaks))
        self.seconds = timings.total
        self.steps = timings.steps
        threads = max((len(one) for one in timings.tasks), default=1)
        busy = sum(sum(row.thread_seconds) for row in self.rows)
        self.waiting_seconds = max(0.0, self.seconds - busy / threads)

    def _rows(self) -> Sequence[ProfileRow]:
        return self.rows

    def slowest(self, count: int = 10) -> list[ProfileRow]:
        """Return the kernels that took longest."""
        return sorted(self.rows, key=lambda row: -row.seconds)[:count]

    def __str__(self) -> str:
        headings = ["kernel", "layer", "time", "of all", "rate", "at least",
                    "of roofline", "bound by"]  # fmt: skip
        whole = self.seconds or 1.0
        rows = [
            [
                shortened(row.kernel.kernel, _WIDTH),
                shortened(row.kernel.site.scope, _WIDTH),
                time_text(row.seconds),
                f"{row.seconds / whole:.1%}",
                count_text(row.rate, "FLOP/s"),
                time_text(row.at_least),
                f"{row.share_of_roofline:.0%}",
                row.bound,
            ]
            for row in self.slowest(len(self.rows))
        ]
        total = (
            f"a step takes {time_text(self.seconds)} (mean of {self.steps}), of which "
            f"{time_text(self.waiting_seconds)} waiting between kernels"
        )
        return f"{table_text(headings, rows, left=2)}\n{total}"

    def __repr__(self) -> str:
        return f"<Profile: {time_text(self.seconds)} a step, {len(self)} kernels>"


def _rows(
    kernels: Iterable[Kernel], timings: Timings, peaks: Peaks
) -> Iterator[ProfileRow]:
    for kernel, times in zip(kernels, timings.tasks, strict=True):
        at_least, bound = roofline(kernel, peaks)
        yield ProfileRow(kernel, max(times, default=0.0), times, at_least, bound)
