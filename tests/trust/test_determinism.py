"""The same program gives the same bits: in any process, on any number of threads.

Nor does it matter whether the machine code was made now or found in the cache.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def run(cache: Path, threads: int) -> str:
    """Return the hash that a fresh process prints."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.trust.determinism_job"],
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "PYTHONHASHSEED": "random",
            "NERVURE_CACHE_DIR": str(cache),
            "NERVURE_NUM_THREADS": str(threads),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_cold_and_warm_on_one_two_and_four_threads(tmp_path):
    cold = run(tmp_path, 2)
    assert len(cold) == 64
    assert any((tmp_path / "objects").iterdir())
    assert {run(tmp_path, threads) for threads in (1, 2, 4)} == {cold}


@pytest.mark.slow
def test_twenty_runs_of_each(tmp_path):
    found = set()
    for threads in (1, 2, 4):
        for number in range(20):
            own = tmp_path / f"{threads}-{number}"
            found |= {run(own, threads), run(own, threads)}
    assert len(found) == 1
