"""What the machine is, and how busy others keep it."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from pathlib import Path

# The features on which kernels depend, of x86 and of Arm.
_FEATURES = (
    *("avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16"),
    *("asimd", "bf16", "sve"),
)


def features() -> set[str]:
    """Return the features of the CPU, as Linux names them."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return set()
    return {
        word
        for line in lines
        if line.startswith(("flags", "Features"))
        for word in line.partition(":")[2].split()
    }


def description() -> dict[str, str]:
    """Return names and values for the head of the report."""
    found = _lscpu()
    has = features()
    caches = [f"{name} {found[name]}" for name in found if "cache" in name]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0
    return {
        "CPU": f"{found.get('Vendor ID', '')} {found.get('Model name', '')}".strip()
        or platform.processor(),
        "family, model": f"{found.get('CPU family', '?')}, {found.get('Model', '?')}",
        "cores that may be used": str(cores or os.cpu_count()),
        "caches": "; ".join(caches) or "unknown",
        "features": " ".join(name for name in _FEATURES if name in has) or "unknown",
        "virtual machine": found.get("Hypervisor vendor", "no"),
        "system": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
    }


def _lscpu() -> dict[str, str]:
    try:
        shown = subprocess.run(
            ["lscpu"], capture_output=True, text=True, check=True, env={"LC_ALL": "C"}
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return {}
    pairs = (line.partition(":") for line in shown.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def busy_cores(seconds: float = 0.2) -> float:
    """Watch for some seconds, in which we do nothing; return how many cores worked.

    What the hypervisor gave to others counts.  0 where the system does not say.
    """
    before = _busy_seconds()
    time.sleep(seconds)
    return (_busy_seconds() - before) / seconds


def _busy_seconds() -> float:
    try:
        first = Path("/proc/stat").read_text().split("\n", 1)[0]
    except OSError:
        return 0.0
    user, nice, system, _idle, _wait, interrupt, soft, stolen = map(
        int, first.split()[1:9]
    )
    ticks = user + nice + system + interrupt + soft + stolen
    return float(ticks) / os.sysconf("SC_CLK_TCK")
