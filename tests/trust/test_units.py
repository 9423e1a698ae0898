"""How far the public functions are off, over their whole range, in units of the result.

``tests/exec/cpu/test_mathlib.py`` measures the primitives of the cpu executor by
themselves; here are the functions that users call, on both executors.
"""

from __future__ import annotations

import re
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from tests.exec.cpu.test_mathlib import DOUBLE_BOUNDS, FLOAT_BOUNDS
from tests.trust import units

PAGE = (Path(__file__).resolve().parents[2] / "docs/numerics.md").read_text("utf-8")

# What is made of several primitives, on the cpu executor: float32 and float64.
COMPOSED = {
    "log2": (1.8, 1.7),
    "log10": (2.3, 3.0),
    "tan": (3.6, 3.3),
    "asin": (2.6, 2.2),
    "acos": (2.3, 2.2),
    "atan": (1.6, 1.4),
    "sinh": (2.4, 2.0),
    "cosh": (2.4, 2.0),
    "asinh": (2.7, 2.2),
    "acosh": (2.9, 2.4),
    "atanh": (1.7, 1.7),
    "sqrt": (0.5, 0.5),
    "rsqrt": (1.5, 1.5),
    "hypot": (1.4, 1.3),
    "softplus": (1.8, 1.7),
    "log_sigmoid": (1.8, 1.7),
    "logaddexp": (2.8, 2.0),
}
CPU = COMPOSED | {
    name: (bound, DOUBLE_BOUNDS[name]) for name, bound in FLOAT_BOUNDS.items()
}
# NumPy's own functions are off by up to 4 units, as its maintainers allow.
REFERENCE = 5.0
# Computed in float32 and rounded once.
NARROW = 0.501


def bounds(name: str, executor: str) -> tuple[float, float]:
    return CPU[name] if executor == "cpu" else (REFERENCE, REFERENCE)


def check(name: str, executor: str, stride: int, count: int) -> None:
    single, double = bounds(name, executor)
    if name in units.BINARY:
        worst = units.worst_of_pairs(name, executor, (1 << 32) // stride)
    else:
        worst = units.worst_of_floats(name, executor, stride)
    assert worst.error <= single, str(worst)
    operands = units.doubles(name, count)
    truth = units.exact_doubles(name, operands)
    worst = units.worst_of_doubles(name, executor, operands, truth)
    assert worst.error <= double, str(worst)


@pytest.mark.parametrize("executor", units.EXECUTORS)
@pytest.mark.parametrize("name", units.WIDE)
def test_every_so_many_numbers(name: str, executor: str) -> None:
    pytest.importorskip("mpmath")
    check(name, executor, stride=65_537, count=20)


@pytest.mark.slow
@pytest.mark.parametrize("executor", units.EXECUTORS)
@pytest.mark.parametrize("name", units.WIDE)
def test_many_numbers(name: str, executor: str) -> None:
    pytest.importorskip("mpmath")
    check(name, executor, stride=257, count=2000)


@pytest.mark.parametrize("executor", units.EXECUTORS)
@pytest.mark.parametrize("dtype", [ml_dtypes.bfloat16, np.float16])
@pytest.mark.parametrize("name", units.UNARY)
def test_all_numbers_of_16_bits(name: str, dtype: type, executor: str) -> None:
    worst = units.worst_of_narrow(name, executor, dtype)
    assert worst.error <= NARROW, str(worst)


def test_the_page_says_so() -> None:
    rows = re.findall(r"^\| `(\w+)` \| ([\d.]+) \| ([\d.]+) \|$", PAGE, re.MULTILINE)
    assert {name: (float(one), float(two)) for name, one, two in rows} == COMPOSED
