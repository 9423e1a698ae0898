"""``kill -9`` at any moment loses nothing: the next run ends with the same bits.

The data are rows that are shuffled, a ``PyDataset`` (which is asked for its batches by
number) or a generator of Python (whose batches are drawn again and thrown away).

Deadly places are before and after every write (in two halves), fsync, rename and
removal of the backups and checkpoints of a training, and random moments.  The training
shuffles, drops out, normalises batches, follows a schedule and may stop early.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the job forks")


def run(folder: Path, kind: str, executor: str, every: int, moments: int) -> dict:
    """Run the job; return its findings."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.trust.crash_job", str(folder), kind, str(every),
         str(moments)],
        cwd=ROOT,
        env={**os.environ, "NERVURE_EXECUTOR": executor, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=7200,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def check(found: dict, least: int) -> None:
    """Assert that all trainings were killed, and none ended with other bits."""
    assert len(found["whole"]["digest"]) == 64
    assert found["whole"]["steps"] > 40
    assert found["killed"] >= least
    assert found["wrong"] == []


@pytest.mark.parametrize(
    "kind, executor",
    [
        ("shuffled", "cpu"),
        ("generator", "cpu"),
        ("stream", "cpu"),
        ("shuffled", "reference"),
    ],
)
def test_a_sample_of_places(tmp_path, kind, executor):
    check(run(tmp_path, kind, executor, 29, 1), 4)


# 3 kinds x 2 executors x 84 moments: more than 500, and every place.
@pytest.mark.slow
@pytest.mark.parametrize("executor", ["cpu", "reference"])
@pytest.mark.parametrize("kind", ["shuffled", "generator", "stream"])
def test_every_place_and_many_moments(tmp_path, kind, executor):
    check(run(tmp_path, kind, executor, 1, 84), 150)
