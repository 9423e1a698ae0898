"""Which tests of the cpu executor ``make test`` runs: a quick sample of each kind.

The others compile thousands of programs; ``make test-full`` runs them all.
"""

from __future__ import annotations

import pytest

QUICK = frozenset(
    {"test_copies.py", "test_steps.py", "test_training.py", "test_training_images.py"}
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow what is in this folder and not in a quick file."""
    for item in items:
        here = item.path.parent.name == "cpu" and item.path.parent.parent.name == "exec"
        if here and item.path.name not in QUICK:
            item.add_marker(pytest.mark.slow)
