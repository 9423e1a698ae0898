"""A machine with known peaks, and the executor that has kernels and an arena to show.

Nothing is measured while other tests run.  The reference executor plans nothing, so
what is asked about plans is asked of the cpu executor, whichever the others run on.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest

from nervure.config import config
from nervure.exec.peaks import Peaks
from nervure.program import program

MACHINE: Final = Peaks(2, (200e9, 100e9), (100e9, 50e9), (20e9, 10e9), (200e9, 100e9))


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> Peaks:
    """Return the peaks that programs believe in."""
    monkeypatch.setattr(program, "peaks_of", lambda *_args, **_options: MACHINE)
    return MACHINE


@pytest.fixture(autouse=True)
def planning() -> Iterator[None]:
    """Let what is compiled run on the cpu executor, as if nobody had chosen."""
    with config.override(executor="auto"):
        yield
