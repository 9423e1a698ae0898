"""Why an accelerator is not used: the layers between it and a program, one by one.

Each layer needs those before it: the hardware and its driver, JAX, the package through
which JAX uses the hardware, and a backend that starts.  The first one that is missing
is named together with the command that mends it.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import shutil
import subprocess
from collections.abc import Iterator
from typing import Final, NamedTuple

from nervure.device_names import ACCELERATORS, Accelerator, platform_of
from nervure.errors import MachineError

# The oldest driver for Linux with which CUDA of a major version runs; from NVIDIA's
# "CUDA Toolkit release notes", table "CUDA Toolkit and minimum required driver".
_OLDEST_DRIVER: Final = {12: 525, 13: 580}
_MISMATCH: Final = 'pip install --upgrade "nervure[{extra}]"'


class Finding(NamedTuple):
    """What was found about one layer.

    Attributes
    ----------
    layer
        Which one.
    works
        Whether programs can go on to the next layer.
    text
        What is there, or what is wrong.
    fix
        The command, or the deed, that mends it.
    """

    layer: str
    works: bool
    text: str
    fix: str | None = None


def examine() -> list[Finding]:
    """Look at the layers from the hardware upwards, to the first that does not work."""
    found: list[Finding] = []
    for finding in _layers():
        found.append(finding)
        if not finding.works:
            break
    return found


def uses_accelerator(findings: list[Finding]) -> bool:
    """Tell whether programs run on an accelerator."""
    return findings[-1].layer == "backend" and findings[-1].works


def _layers() -> Iterator[Finding]:
    here = [one for one in ACCELERATORS if one.is_here]
    nvidia = here and here[0].make.startswith("NVIDIA")
    if not here:
        yield _no_hardware()
        if _version("jax") is not None:
            yield _jax(ACCELERATORS[-1])
        return
    yield Finding("hardware", True, " and ".join(one.make for one in here))
    driver = _driver_version() if nvidia else None
    if nvidia:
        yield _driver(driver)
    yield _jax(here[0])
    yield _plugin(here[0], driver)
    yield _backend(here[0])


def _no_hardware() -> Finding:
    if shutil.which("nvidia-smi") is not None:
        return Finding(
            "driver",
            False,
            "NVIDIA's tools are installed, but the driver's devices (/dev/nvidia0) are "
            "not there",
            "load the driver with `sudo modprobe nvidia`, or restart; in a container "
            "start it with `docker run --gpus all`",
        )
    return Finding(
        "hardware",
        True,
        "no GPU and no TPU is seen (if there is one, its driver is not installed; a "
        "container is started with `docker run --gpus all`)",
    )


def _driver_version() -> str | None:
    """Return what NVIDIA's tool says the driver's version is."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return None
    try:
        done = subprocess.run(
            [tool, "--query-gpu=driver_version", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    lines = done.stdout.split()
    return lines[0] if done.returncode == 0 and lines else None


def _driver(version: str | None) -> Finding:
    if version is None:
        return Finding(
            "driver",
            False,
            "the NVIDIA driver does not answer (nvidia-smi)",
            "sudo apt install nvidia-driver-580, or what your system calls it; restart",
        )
    return Finding("driver", True, f"NVIDIA {version}")


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _extra(accelerator: Accelerator) -> str:
    return "cuda13" if accelerator.make.startswith("NVIDIA") else "xla"


def _jax(accelerator: Accelerator) -> Finding:
    jax, jaxlib = _version("jax"), _version("jaxlib")
    command = _MISMATCH.format(extra=_extra(accelerator))
    if jax is None:
        return Finding("JAX", False, "not installed", command.replace(" --upgrade", ""))
    if jaxlib != jax:
        text = f"jax {jax} and jaxlib {jaxlib} do not fit together"
        return Finding("JAX", False, text, command)
    try:
        from nervure.exec.xla.runtime import load_jax

        load_jax()
    except MachineError as error:
        return Finding("JAX", False, str(error).partition("\n")[0], command)
    return Finding("JAX", True, jax)


def _plugin(accelerator: Accelerator, driver: str | None) -> Finding:
    layer = f"JAX's package for the {accelerator.make}"
    command = f"pip install {accelerator.extra}"
    package = accelerator.plugin
    if package is None:
        return Finding(layer, False, "not installed", command)
    version, jax = _version(package.replace("_", "-")), _version("jax")
    if package.startswith("jax_") and version != jax:
        text = f"{package} {version} does not fit jax {jax}"
        return Finding(layer, False, text, _MISMATCH.format(extra="cuda13"))
    cuda = re.search(r"cuda(\d+)", package)
    if cuda and driver is not None:
        needed = _OLDEST_DRIVER[int(cuda[1])]
        if int(driver.partition(".")[0]) < needed:
            return Finding(
                layer,
                False,
                f"{package} needs a driver of {needed} or newer, this one is {driver}",
                f"sudo apt install nvidia-driver-{needed}"
                + (', or pip install "jax[cuda12]"' if needed > 525 else ""),
            )
    return Finding(layer, True, f"{package} {version}")


def _backend(accelerator: Accelerator) -> Finding:
    try:
        from nervure.exec.xla.runtime import local_devices

        found = local_devices()
    except MachineError as error:
        text = str(error).partition("\n")[0]
        fix = "read the lines above; they come from the driver's libraries"
        return Finding("backend", False, text, fix)
    names = [one.device_kind for one in found if platform_of(one.platform) != "cpu"]
    if not names:
        return Finding(
            "backend",
            False,
            f"JAX starts, but does not use the {accelerator.make}",
            "unset JAX_PLATFORMS and CUDA_VISIBLE_DEVICES if they are set; "
            f"else pip install --force-reinstall {accelerator.extra}",
        )
    return Finding("backend", True, ", ".join(names))
