"""A machine with known peaks: nothing is measured while other tests run."""

from __future__ import annotations

from typing import Final

import pytest

from nervure.exec.peaks import Peaks
from nervure.program import program

MACHINE: Final = Peaks(2, (200e9, 100e9), (100e9, 50e9), (20e9, 10e9), (200e9, 100e9))


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> Peaks:
    """Return the peaks that programs believe in."""
    monkeypatch.setattr(program, "peaks_of", lambda *_args, **_options: MACHINE)
    return MACHINE
