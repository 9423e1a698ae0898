"""Running scripts in processes of their own: with virtual devices, or several of them.

JAX fixes the number of devices when it starts, so the process of the tests cannot have
several.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DEVICES = 8


def environment(devices: int = 1) -> dict[str, str]:
    flags = (
        f"--xla_force_host_platform_device_count={devices} "
        "--xla_cpu_collective_call_terminate_timeout_seconds=300"
    )
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("NERVURE_", "JAX_", "SLURM_", "OMPI_"))
    }
    return kept | {
        "PYTHONPATH": str(ROOT),
        "XLA_FLAGS": flags,
        # More threads than devices, or devices wait for each other's threads.
        "NPROC": str(2 * max(devices, 2)),
        "PYTHONWARNINGS": "error",
    }


def run_python(
    arguments: Sequence[str], devices: int = 1, timeout: float = 600
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        env=environment(devices),
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
    )


def run_script(text: str, devices: int = 1) -> str:
    """Run a script and return what it prints."""
    done = run_python(["-c", text], devices)
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout
