"""Whether this machine has an accelerator that the xla executor can use.

It is looked for in two steps, so that machines without one lose no time: files that a
driver makes and the package that JAX needs, which costs microseconds; and only if both
are there JAX itself, which costs a second.
"""

from __future__ import annotations

import functools
import os
import sys
import warnings

from nervure.device_names import ACCELERATORS, platform_of, usable_accelerators
from nervure.errors import MachineError


@functools.cache
def accelerator_to_use() -> str | None:
    """Return the name of the first accelerator, such as ``"gpu:0"``; None without one.

    Says once which one is used.  Where the machine has one and JAX has the package for
    it and still cannot use it, a warning says so, since everything will be slow.
    """
    expected = list(usable_accelerators())
    if not expected:
        return None
    makes = " and ".join(one.make for one in expected)
    try:
        from nervure.exec.xla.runtime import local_devices, name_of

        first = local_devices()[0]
    except (MachineError, ImportError) as error:
        _warn(makes, str(error).partition("\n")[0])
        return None
    if platform_of(first.platform) == "cpu":
        _warn(makes, "JAX sees the CPU only")
        return None
    name = name_of(first)
    print(
        f"nervure: using {name} ({first.device_kind}) through XLA; "
        "NERVURE_EXECUTOR=cpu chooses the CPU",
        file=sys.stderr,
    )
    return name


def warn_about_the_cpu(platform: str) -> None:
    """Warn when the xla executor finds only the CPU on a machine with an accelerator.

    Not where the environment variable ``JAX_PLATFORMS`` asks for that.
    """
    makes = " and ".join(one.make for one in ACCELERATORS if one.is_here)
    wanted = os.environ.get("JAX_PLATFORMS", "")
    if makes and platform == "cpu" and not wanted.startswith("cpu"):
        _warn(makes, "JAX sees the CPU only")


def _warn(makes: str, why: str) -> None:
    warnings.warn(
        f"this machine has an accelerator ({makes}), but everything runs on the CPU: "
        f"{why}. The command `nervure doctor` says which part is missing; "
        "NERVURE_EXECUTOR=cpu chooses the CPU without this warning.",
        RuntimeWarning,
        stacklevel=5,
    )
