"""SciPy with ``SCIPY_ARRAY_API=1`` computes with our arrays.

scikit-learn's mode has a test of its own, ``tests/sklearn/test_array_api.py``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.array_api.test_names import PAGE

ROOT = Path(__file__).resolve().parents[2]


def test_scipy() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "tests.array_api.scipy_cases"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    report = json.loads(run.stdout.splitlines()[-1])
    assert {name: one for name, one in report.items() if one is not True} == {}
    assert len(report) > 90
    page = PAGE.read_text()
    modules = {name.partition(".")[0] for name in report}
    assert [name for name in modules if f"`{name}`" not in page] == []
