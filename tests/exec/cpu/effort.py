"""How many examples a test looks at: a few in ``make test``, all in ``make test-full``.

Every example of these tests compiles a program.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# Set by ``conftest.py`` before the tests are read.
full = False


def examples(quick: int, thorough: int, *, fixed: bool = False) -> settings:
    """Return the settings of a test of so many examples.

    ``fixed`` makes the few examples the same every time, where the other side of a
    comparison is a compiler that is not ours and whose errors vary.
    """
    return settings(
        max_examples=thorough if full else quick,
        derandomize=fixed and not full,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
