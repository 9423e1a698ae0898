"""Arrays on devices: the argument ``device`` of the functions that make arrays."""

from __future__ import annotations

from nervure.array import Array
from nervure.placing import found, moved


def placed(array: Array, device: str | None) -> Array:
    """Return an array on a device; None leaves it to where it will be computed.

    Raises :class:`~nervure.errors.UnknownNameError` for a device that is not here.
    """
    return array if device is None else moved(array, device)


def check_device(device: str | None) -> None:
    """Raise :class:`~nervure.errors.UnknownNameError` for a device that is not here."""
    if device is not None:
        found(device)
