"""Where arrays can be: the one place that knows the devices."""

from __future__ import annotations

from typing import Final

from nervure.errors import unknown_name

DEVICES: Final = ("cpu",)


def check_device(device: str | None) -> None:
    """Raise :class:`~nervure.errors.UnknownNameError` for a device that is not here."""
    if device is not None and device not in DEVICES:
        raise unknown_name("device", device, DEVICES)
