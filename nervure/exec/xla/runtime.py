"""JAX as this package uses it: loaded late, 64-bit types on, memory on demand.

JAX computes in 32 bits unless it is told otherwise for the whole process, which would
change what the user's own JAX code does.  Here every use is within :func:`wide_types`,
which holds for the calling thread only.
"""

from __future__ import annotations

import importlib.util
import os
import re
import threading
from contextlib import AbstractContextManager
from typing import Any, Final

from nervure.device_names import absent, platform_of
from nervure.errors import MachineError, explain

# What this was tried with; docs/dependencies.md.
OLDEST_JAX: Final = (0, 10)
_lock = threading.Lock()


def load_jax() -> Any:
    """Return the module ``jax``, imported so that it takes memory when it needs it.

    Raises :class:`~nervure.errors.MachineError` where JAX is missing, too old or
    broken, with the command that mends it.
    """
    # By default JAX takes three quarters of a GPU's memory at once. What the user says
    # counts; the variable is read when the GPU is used first.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    if importlib.util.find_spec("jax") is None:
        raise MachineError(
            explain(
                "the xla executor needs JAX, which is not installed",
                fix='pip install "nervure[xla]", or "nervure[cuda13]" for an NVIDIA '
                "GPU",
            )
        )
    try:
        import jax
    except (ImportError, RuntimeError, AttributeError) as error:
        raise MachineError(
            explain(
                f"JAX cannot be imported: {error}",
                fix="install versions that fit together: "
                'pip install --upgrade "nervure[xla]"',
            )
        ) from error
    numbers = tuple(int(part) for part in re.findall(r"\d+", jax.__version__)[:2])
    if numbers < OLDEST_JAX:
        raise MachineError(
            explain(
                "the xla executor needs JAX "
                f"{'.'.join(map(str, OLDEST_JAX))} or newer, got {jax.__version__}",
                fix='pip install --upgrade "nervure[xla]"',
            )
        )
    return jax


def wide_types() -> AbstractContextManager[Any]:
    """Let JAX compute in 64 bits within a ``with`` block, in this thread."""
    import jax

    context: AbstractContextManager[Any] = jax.enable_x64(True)
    return context


def local_devices() -> list[Any]:
    """Return the devices of this process that JAX can use, accelerators first.

    Behind the accelerators comes the CPU; virtual CPU devices are several.
    """
    jax = load_jax()
    with _lock:  # starting a backend twice at once has been seen to fail
        try:
            found = list(jax.local_devices())
        except RuntimeError as error:
            raise MachineError(
                explain(f"JAX finds no device: {error}", fix="nervure doctor")
            ) from error
        if all(device.platform != "cpu" for device in found):
            try:
                found += jax.local_devices(backend="cpu")
            except RuntimeError:  # JAX_PLATFORMS leaves the CPU out
                return found
    return found


def name_of(device: Any) -> str:
    """Return what a device of JAX is called here: ``gpu:0``, ``cpu``, ``cpu:3``."""
    platform = platform_of(device.platform)
    alike = [one for one in local_devices() if one.platform == device.platform]
    place = alike.index(device) if device in alike else device.id
    return "cpu" if platform == "cpu" and len(alike) == 1 else f"{platform}:{place}"


def device_named(name: str | None) -> Any:
    """Return the device of JAX with a name of ours; None means the first one.

    Raises :class:`~nervure.errors.UnknownNameError` for a device that is not here.
    """
    devices = local_devices()
    if name is None:
        return devices[0]
    kind, _, number = name.partition(":")
    alike = [one for one in devices if platform_of(one.platform) == kind]
    place = int(number) if number else 0
    if place >= len(alike):
        raise absent(name, [name_of(one) for one in devices])
    return alike[place]
