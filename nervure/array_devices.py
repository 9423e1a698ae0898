"""Where an array is, and moving it: names as in the Array API standard and torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nervure.errors import ArgumentError, explain

if TYPE_CHECKING:
    from nervure.array import Array


class DeviceMethods:
    """Base of :class:`nervure.Array` with what concerns devices."""

    __slots__ = ()

    @property
    def device(self) -> str:
        """The name of the device where the value is, such as ``"cpu"``.

        For a value that has not been computed, where it will be.
        """
        from nervure.evaluation import future_device

        array: Array = self  # type: ignore[assignment]
        held = array.held
        if held is None:
            return future_device(array.result)
        return "cpu" if isinstance(held, np.ndarray) else held.device

    def to_device(self, device: str, /, *, stream: None = None) -> Array:
        """Return the array on a device, itself if it is there already.

        What is computed from arrays on a device is computed there.

        Parameters
        ----------
        device
            A name from :func:`nervure.devices`, such as ``"gpu:0"`` or ``"cpu"``.
        stream
            None: there are no streams to choose from.

        Raises
        ------
        UnknownNameError
            For a device that is not here.

        >>> import nervure as nv
        >>> nv.asarray([1.0, 2.0]).to_device("cpu").device
        'cpu'
        """
        from nervure.placing import moved

        if stream is not None:
            raise ArgumentError(
                explain(
                    f"expected the stream None, got {stream!r}",
                    fix="there are no streams to choose from; leave it out",
                )
            )
        return moved(self, device)  # type: ignore[arg-type]

    def to(self, device: str, /) -> Array:
        """Return the array on a device; the short name of :meth:`to_device`.

        >>> import nervure as nv
        >>> nv.asarray([1.0, 2.0]).to("cpu").tolist()
        [1.0, 2.0]
        """
        return self.to_device(device)
