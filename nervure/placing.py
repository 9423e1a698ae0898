"""Devices as the user sees them: which there are, using one, moving arrays there."""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Iterator
from typing import TYPE_CHECKING

from nervure.config import config
from nervure.device_names import absent, checked_name
from nervure.errors import MachineError, explain

if TYPE_CHECKING:
    from nervure.array import Array


def devices() -> list[str]:
    """Return the names of the devices that this process can use, the fastest first.

    ``"cpu"`` is always among them.  GPUs (``"gpu:0"``) and TPUs need JAX
    (``pip install "nervure[cuda13]"``); the command ``nervure doctor`` says why one
    that is there is not listed.

    >>> import nervure as nv
    >>> "cpu" in [name.partition(":")[0] for name in nv.devices()]
    True
    """
    if importlib.util.find_spec("jax") is None:
        return ["cpu"]
    try:
        from nervure.exec.xla.placement import names_of_devices
    except MachineError:  # `nervure doctor` explains it, and so does using a GPU
        return ["cpu"]
    return names_of_devices()


@contextlib.contextmanager
def device(name: str) -> Iterator[str]:
    """Compute on a device within a ``with`` block, in this thread or task only.

    Parameters
    ----------
    name
        One of :func:`devices`.  ``"cpu"`` means the executor for the CPU also where
        there is a GPU; every other device means the xla executor.

    Raises
    ------
    UnknownNameError
        For a device that is not here, with those that are.
    MachineError
        Where JAX, through which other devices than the CPU are used, does not work.

    >>> import nervure as nv
    >>> with nv.device("cpu"):
    ...     print(nv.sum(nv.ones(3)))
    3.0
    """
    full = found(name)
    executor: str | None = "xla"
    if full == "cpu":  # leave what an outer block has chosen, not what a setting says
        executor = "auto" if config.device not in (None, "cpu") else None
    with config.override(executor=executor, device=full):
        yield full


def found(name: str) -> str:
    """Return the full name of a device of this process; raises if it is not here."""
    full = checked_name(name)
    if full == "cpu":
        return full
    if importlib.util.find_spec("jax") is None:
        raise MachineError(
            explain(
                f"the device {full!r} is used through JAX, which is not installed",
                fix='pip install "nervure[cuda13]" for an NVIDIA GPU, "nervure[xla]" '
                "for others; then `nervure doctor` checks the installation",
            )
        )
    here = devices()
    if full not in here:
        raise absent(full, here)
    return full


def moved(array: Array, name: str) -> Array:
    """Return an array on a device, itself if it is there already.

    The array is evaluated.  One that depends on a parameter keeps its graph.
    """
    full = found(name)
    if full == array.device:
        return array
    value = array.computed()
    if full == "cpu":
        return array.of_result(array.result.held_as(array.numpy()))
    from nervure.exec.xla.placement import on_device

    return array.of_result(array.result.held_as(on_device(value, full)))
