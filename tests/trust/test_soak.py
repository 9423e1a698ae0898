"""Memory does not grow, however often something is done; nothing is left behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(
    not Path("/proc/self/statm").exists(), reason="the system does not tell its memory"
)


def soak(folder: Path, kind: str, iterations: int) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.trust.soak_job", kind, str(iterations)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "NERVURE_CACHE_DIR": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


# Few iterations measure coarsely: allocators take memory in steps of hundreds of kB.
@pytest.mark.parametrize(
    "kind, iterations, most", [("cycles", 60, 40_000), ("predictions", 3000, 400)]
)
def test_a_short_while(tmp_path, kind, iterations, most):
    found = soak(tmp_path, kind, iterations)
    assert found["slope"] < most
    assert found["threads"] <= 0
    assert found["descriptors"] <= 0


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind, iterations",
    [("cycles", 1000), ("predictions", 100_000), ("programs", 1000)],
)
def test_a_long_while(tmp_path, kind, iterations):
    found = soak(tmp_path, kind, iterations)
    assert found["slope"] < 1000
    assert found["threads"] <= 0
    assert found["descriptors"] <= 0
