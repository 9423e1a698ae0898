"""Models in other processes, pools within pools, and signals: no deadlock.

Every test is bounded in time: what hangs is ended and fails.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.trust.across_job import LIMIT

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "NERVURE_EXECUTOR": "cpu"}


def command(job: str) -> list[str]:
    return [sys.executable, "-m", "tests.trust.across_job", job]


def finished(job: str) -> None:
    done = subprocess.run(
        command(job),
        cwd=ROOT,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=2 * LIMIT,
        check=False,
    )
    assert done.stdout.strip() == "right", done.stderr[-2000:]


def test_a_model_goes_to_another_process_and_comes_back():
    finished("spawn")


@pytest.mark.slow
@pytest.mark.parametrize("method", ["fork", "forkserver"])
def test_however_the_process_was_made(method):
    finished(method)


@pytest.mark.slow
def test_pools_within_processes_of_a_pool():
    finished("nested")


@pytest.mark.skipif(os.name != "posix", reason="the system has other signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_training(number):
    """SIGTERM ends the process at once; after SIGINT the model is usable."""
    process = subprocess.Popen(
        command("endless"),
        cwd=ROOT,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout.readline() == "begun\n"
        process.send_signal(number)
        said, errors = process.communicate(timeout=LIMIT / 2)
    finally:
        process.kill()
        process.communicate()
    if number == signal.SIGINT:
        assert said == "right\n", errors[-2000:]
        assert process.returncode == 0
    else:
        assert process.returncode == -number
