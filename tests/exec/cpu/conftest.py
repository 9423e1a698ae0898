"""How much the tests of the cpu executor look at: see ``effort.py``.

With ``NERVURE_TEST_CHECKED=1`` all programs that they make check every address (see
``checks/``); it is another variable than ``NERVURE_CHECK``, because indices out of
range are clamped here as always.
"""

from __future__ import annotations

import os

import pytest

from nervure.exec.cpu.checks.watch import totals
from tests.exec.cpu import effort
from tests.exec.cpu.checks.checked import check_everything


def pytest_configure(config: pytest.Config) -> None:
    """``make test-full`` selects the slow tests; then the others do more as well."""
    effort.full = config.option.markexpr != "not slow"
    if os.environ.get("NERVURE_TEST_CHECKED") == "1":
        check_everything()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was checked."""
    if totals.runs:
        terminalreporter.write_line(
            f"{totals.accesses} accesses checked in {totals.runs} runs"
        )
