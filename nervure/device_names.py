"""Where arrays can be: the names of devices, and what is known without loading JAX.

A device is called by its kind and its number: ``"cpu"``, ``"gpu:0"``, ``"tpu:3"``.
``"gpu"`` means ``"gpu:0"``.  The CPU is always there; everything else comes through
JAX, which is loaded only when somebody asks for it or when the machine has an
accelerator and JAX has the package for it.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from nervure.errors import UnknownNameError, explain, unknown_name

_NAME: Final = re.compile(r"(cpu|gpu|tpu)(?::(0|[1-9]\d{0,4}))?")
# What JAX calls a kind of device -> what it is called here.
_PLATFORMS: Final = {"cuda": "gpu", "rocm": "gpu", "oneapi": "gpu", "sycl": "gpu"}


class Accelerator(NamedTuple):
    """A make of accelerators: how to see one, and what JAX needs for it.

    Attributes
    ----------
    make
        What people call it.
    files
        Patterns of files, one of which its driver makes.
    packages
        The module that lets JAX use it: one of these.
    extra
        What to install for them.
    """

    make: str
    files: tuple[str, ...]
    packages: tuple[str, ...]
    extra: str

    @property
    def is_here(self) -> bool:
        """Whether the driver's files are there."""
        return any(_exists(pattern) for pattern in self.files)

    @property
    def plugin(self) -> str | None:
        """The module through which JAX uses it, None where it is not installed."""
        for package in self.packages:
            if importlib.util.find_spec(package) is not None:
                return package
        return None


ACCELERATORS: Final = (
    Accelerator(
        "NVIDIA GPU",
        ("/dev/nvidia[0-9]*", "/dev/dxg"),
        ("jax_cuda13_plugin", "jax_cuda12_plugin"),
        '"nervure[cuda13]"',
    ),
    Accelerator(
        "AMD GPU",
        ("/dev/kfd",),
        ("jax_rocm7_plugin", "jax_rocm60_plugin"),
        "jax-rocm7-pjrt jax-rocm7-plugin",
    ),
    Accelerator("TPU", ("/dev/accel[0-9]*", "/dev/vfio/[0-9]*"), ("libtpu",),
                '"jax[tpu]"'),
)  # fmt: skip


def _exists(pattern: str) -> bool:
    folder, _, name = pattern.rpartition("/")
    return next(iter(Path(folder).glob(name)), None) is not None


def usable_accelerators() -> Iterator[Accelerator]:
    """Iterate over the makes that are here and for which JAX has its package."""
    for accelerator in ACCELERATORS:
        if accelerator.is_here and accelerator.plugin is not None:
            yield accelerator


def platform_of(name: str) -> str:
    """Return the kind of a device, given what JAX calls its platform.

    >>> platform_of("cuda"), platform_of("cpu")
    ('gpu', 'cpu')
    """
    return _PLATFORMS.get(name, name)


def checked_name(name: str) -> str:
    """Return the name of a device in full.

    Raises :class:`~nervure.errors.UnknownNameError` for what is no name of a device,
    whether that device is here or not.

    >>> checked_name("gpu"), checked_name("cpu")
    ('gpu:0', 'cpu')
    """
    match = _NAME.fullmatch(name) if isinstance(name, str) else None
    if match is None:
        raise unknown_name("device", name, ["cpu", "gpu:0", "tpu:0"])
    kind, number = match.groups()
    if kind == "cpu":
        return name if number and number != "0" else "cpu"
    return f"{kind}:{number or 0}"


def absent(name: str, here: Sequence[str]) -> UnknownNameError:
    """Build the error for a device that this process does not have.

    Parameters
    ----------
    name
        The device, in full.
    here
        The devices that there are.

    >>> print(absent("gpu:0", ["cpu"]))
    unknown device: 'gpu:0'
      fix: use 'cpu'; `nervure doctor` says what is missing for others
      more: nervure help UnknownNameError
    """
    known = ", ".join(repr(one) for one in here)
    fix = f"use {known}; `nervure doctor` says what is missing for others"
    return UnknownNameError(explain(f"unknown device: {name!r}", fix=fix))
