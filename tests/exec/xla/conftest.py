"""How much the tests of the xla executor look at: see ``effort.py``."""

from __future__ import annotations

import pytest

from tests.exec.cpu import effort


def pytest_configure(config: pytest.Config) -> None:
    """``make test-full`` selects the slow tests; then the others do more as well."""
    effort.full = config.option.markexpr != "not slow"
