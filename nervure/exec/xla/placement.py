"""Where a program runs, and how its values get there."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any, Final, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from nervure.config import config
from nervure.device_names import platform_of
from nervure.exec.base import mesh
from nervure.exec.xla.runtime import device_named, name_of
from nervure.exec.xla.value import XlaValue
from nervure.ir.attrs import DeviceValue, NDArray
from nervure.ir.node import Node

# The part of a device's free memory that data which stay there may take.
RESIDENT_SHARE: Final = 0.5


class Placement(Protocol):
    """One device, or a mesh of them.

    Attributes
    ----------
    key
        Tells placements apart; programs are kept by it.
    platform
        "cpu", "gpu" or "tpu".
    keeps_rows_apart
        Whether every process holds only its own rows of each batch.
    """

    key: str
    platform: str
    keeps_rows_apart: bool

    def put(self, values: Sequence[Any]) -> list[Any]:
        """Return values on the device, as they are or copied there."""
        ...

    def put_state(self, nodes: Sequence[Node], values: Sequence[Any]) -> list[Any]:
        """Return the state of a step on the device, to be overwritten."""
        ...

    def put_steps(self, values: Sequence[Any]) -> list[Any]:
        """Return what varies, a slice for each step, on the device."""
        ...

    def constrained(self, nodes: Sequence[Node], values: Sequence[Any]) -> list[Any]:
        """Say within a program how the new state of a step is laid out."""
        ...

    def constrained_batch(self, values: Sequence[Any]) -> list[Any]:
        """Say within a program how one step's varying values are laid out."""
        ...

    def room(self) -> int | None:
        """Return how many bytes of data may stay on the device; None: no limit."""
        ...


class SingleDevice:
    """One device; see :class:`Placement`."""

    keeps_rows_apart = False

    def __init__(self, device: Any) -> None:
        self.device = device
        self.key = f"{device.platform}:{device.id}"
        self.platform = platform_of(device.platform)

    def put(self, values: Sequence[Any]) -> list[Any]:
        """Return values on the device, as they are or copied there."""
        return list(jax.device_put([_array(one) for one in values], self.device))

    def put_state(self, nodes: Sequence[Node], values: Sequence[Any]) -> list[Any]:
        """Return the state of a step, which the program will overwrite.

        What somebody else may look at is copied.
        """
        del nodes
        return [self._own(one) for one in values]

    def _own(self, value: Any) -> Any:
        if not isinstance(value, XlaValue):
            return jax.device_put(value, self.device, may_alias=False)
        if value.array.devices() != {self.device}:
            return jax.device_put(whole(value), self.device, may_alias=False)
        return jnp.array(value.array, copy=True) if value.shared else value.array

    def put_steps(self, values: Sequence[Any]) -> list[Any]:
        """Return what varies on the device."""
        return self.put([np.asarray(one) for one in values])

    def constrained(self, nodes: Sequence[Node], values: Sequence[Any]) -> list[Any]:
        """Return the values: there is one layout."""
        del nodes
        return list(values)

    def constrained_batch(self, values: Sequence[Any]) -> list[Any]:
        """Return the values: there is one layout."""
        return list(values)

    def room(self) -> int | None:
        """Return half of the memory that is free; None where the device is the CPU."""
        return free_memory(self.device)


def whole(value: Any) -> Any:
    """Return what another placement can copy: a value of several devices on the host.

    One that lies on a single device may go from there to another one directly.
    """
    array = value.array
    return array if len(array.devices()) == 1 else value.numpy()


def _array(value: Any) -> Any:
    return whole(value) if isinstance(value, XlaValue) else value


def free_memory(device: Any) -> int | None:
    """Return how many bytes of data may stay on a device; None: all there are."""
    found = device.memory_stats() if device.platform != "cpu" else None
    if not found or "bytes_limit" not in found:
        return None
    free = found["bytes_limit"] - found.get("bytes_in_use", 0)
    return int(RESIDENT_SHARE * free)


class Residents:
    """Copies on a device of arrays that many calls read, by the array's identity.

    An array that nobody holds any more is forgotten together with its copy.
    """

    def __init__(self) -> None:
        self._copies: dict[int, tuple[weakref.ref[NDArray], Any]] = {}

    def of(self, values: Sequence[Any], placement: Placement) -> list[Any]:
        """Return arrays on the device, copied there if they are not."""
        return [self._one(value, placement) for value in values]

    def _one(self, value: Any, placement: Placement) -> Any:
        if isinstance(value, XlaValue) or value.nbytes < 4096:
            return placement.put([value])[0]
        key = id(value)
        found = self._copies.get(key)
        if found is not None and found[0]() is value:
            return found[1]
        (copy,) = placement.put([value])
        forget = weakref.ref(value, lambda _: self._copies.pop(key, None))
        self._copies[key] = forget, copy
        return copy

    def clear(self) -> None:
        """Forget all copies: the arrays may have been changed since."""
        self._copies.clear()


_single: dict[str | None, SingleDevice] = {}


def current_placement() -> Placement:
    """Return where programs are compiled for: the mesh, or the device that is set."""
    several: Placement | None = mesh.get()
    if several is not None:
        return several
    name = config.device
    if name not in _single:
        device = device_named(name)
        known = [one for one in _single.values() if one.device == device]
        _single[name] = known[0] if known else SingleDevice(device)
    return _single[name]


def on_device(value: NDArray | DeviceValue, name: str) -> XlaValue:
    """Return a value on the device of this name."""
    device = device_named(name)
    if isinstance(value, XlaValue):
        if value.array.devices() == {device}:
            return value
        value = whole(value)
    return XlaValue(jax.device_put(value, device))


def names_of_devices() -> list[str]:
    """Return the names of the devices of this process."""
    from nervure.exec.xla.runtime import local_devices

    return [name_of(one) for one in local_devices()]
