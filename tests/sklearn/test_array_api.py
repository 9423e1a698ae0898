"""scikit-learn's ``array_api_dispatch`` computes with our arrays.

``array_api_cases.py`` holds what is computed; it runs once, in a process of its own.
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent
# scikit-learn returns the scores of a search and of a validation as NumPy arrays.
SCORES = {"GridSearchCV": 1, "cross_val_score": 1}


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    run = subprocess.run(
        [sys.executable, str(HERE / "array_api_cases.py")],
        cwd=HERE.parents[1],
        env={
            **os.environ,
            "SCIPY_ARRAY_API": "1",
            "PYTHONPATH": str(HERE.parents[1]),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    found: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return found


def test_values_are_those_of_numpy(report: dict[str, Any]) -> None:
    errors = {name: one["error"] for name, one in report.items() if "error" in one}
    assert not errors
    assert len(report) > 140


def test_results_are_our_arrays(report: dict[str, Any]) -> None:
    for name, one in report.items():
        assert one["arrays"] - one["ours"] == SCORES.get(name, 0), name
    assert sum(one["ours"] for one in report.values()) > 80


def test_the_page_names_what_is_tested() -> None:
    """``docs/scikit-learn.md`` lists these, each by its name in scikit-learn."""
    page = (HERE.parents[1] / "docs" / "scikit-learn.md").read_text()
    source = ast.parse((HERE / "array_api_cases.py").read_text())
    classes = {
        node.attr
        for node in ast.walk(source)
        if isinstance(node, ast.Attribute) and node.attr[0].isupper()
    } - {"Array", "T"}
    assert len(classes) > 20
    assert not [name for name in sorted(classes) if f"`{name}`" not in page]
