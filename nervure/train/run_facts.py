"""What is remembered of a training, so that it can be explained afterwards."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from time import perf_counter
from typing import TypeVar

from nervure.train.numerics_report import NumericsReport

_Item = TypeVar("_Item")


@dataclass
class RunFacts:
    """What happened while ``fit`` ran.

    Attributes
    ----------
    steps
        How many steps were taken.
    computing_seconds
        How long the executor worked, including compilation.
    waiting_seconds
        How long it waited for data.
    compilations
        How many programs of the step were made.
    recompiles
        Why more than one.
    numerics
        The step in which the loss stopped being finite, or None.
    stopped
        Why training ended before the last epoch; empty if it did not.
    """

    steps: int = 0
    computing_seconds: float = 0.0
    waiting_seconds: float = 0.0
    compilations: int = 0
    recompiles: list[str] = field(default_factory=list)
    numerics: NumericsReport | None = None
    stopped: str = ""

    def waited_for(self, items: Iterable[_Item]) -> Iterator[_Item]:
        """Yield items, and measure how long each lets one wait."""
        iterator = iter(items)
        while True:
            began = perf_counter()
            try:
                item = next(iterator)
            except StopIteration:
                return
            finally:
                self.waiting_seconds += perf_counter() - began
            yield item

    @contextlib.contextmanager
    def computing(self, steps: int) -> Iterator[None]:
        """Measure the work of some steps."""
        began = perf_counter()
        yield
        self.computing_seconds += perf_counter() - began
        self.steps += steps
