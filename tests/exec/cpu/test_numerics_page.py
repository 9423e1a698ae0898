"""The numbers on docs/numerics.md are those that the tests assert."""

from __future__ import annotations

import re
from pathlib import Path

from nervure.exec import base
from tests.exec.cpu.test_mathlib import DOUBLE_BOUNDS, FLOAT_BOUNDS

PAGE = (Path(__file__).resolve().parents[3] / "docs/numerics.md").read_text("utf-8")


def test_the_table_of_errors() -> None:
    rows = re.findall(r"^\| (\w+) \| ([\d.]+) \| ([\d.]+) \|$", PAGE, re.MULTILINE)
    assert {name: float(bound) for name, bound, _ in rows} == FLOAT_BOUNDS
    assert {name: float(bound) for name, _, bound in rows} == DOUBLE_BOUNDS
    for name in ("exp", "log", "tanh", "sigmoid", "erf", "sin", "cos", "pow"):
        assert name in FLOAT_BOUNDS


def test_the_limit_of_little_work() -> None:
    (millions,) = re.findall(r"fewer than (\d+) million elementary", PAGE)
    assert int(millions) * 10**6 == base.LITTLE_WORK
