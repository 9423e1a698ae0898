"""The kernel of a short-time Fourier transform, for convolutions of signals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from nervure import ops
from nervure.array import Array
from nervure.errors import ArgumentError, ShapeError, explain, unknown_name
from nervure.ir.attrs import NDArray
from nervure.nn.initializers.base import Initializer, as_type

# Windows as functions of the angle from 0 to 2 pi over the frame.
_WINDOWS: Final[dict[str, Callable[[NDArray], NDArray]]] = {
    "hann": lambda angle: 0.5 - 0.5 * np.cos(angle),
    "hamming": lambda angle: 0.54 - 0.46 * np.cos(angle),
    "blackman": lambda angle: 0.42 - 0.5 * np.cos(angle) + 0.08 * np.cos(2 * angle),
    "boxcar": np.ones_like,
}
_SIDES: Final = ("real", "imag")
_SCALINGS: Final = ("density", "spectrum")


class STFT(Initializer):
    """The real or imaginary part of windowed Fourier waves.

    For kernels ``[frame, channels, frequencies]`` of ``Conv1D``: the channels get the
    same values, and the frequencies go from 0 to half of the sampling rate.

    Parameters
    ----------
    side
        "real" or "imag".
    window
        "hann", "hamming", "blackman", "boxcar", an array ``float[frame]``, or None.
    scaling
        "density": divided by the root of the sum of the window's squares; "spectrum":
        by its sum; None: not divided.
    periodic
        Whether the window is one period, for further transforms, or symmetric.

    Raises
    ------
    UnknownNameError
        For a window or a side that is not known.

    >>> import nervure as nv
    >>> nv.initializers.STFT("real", window=None)((2, 1, 2)).tolist()
    [[[1.0, 1.0]], [[1.0, -1.0]]]
    """

    def __init__(
        self,
        side: str = "real",
        window: Any = "hann",
        scaling: str | None = "density",
        periodic: bool = False,
    ) -> None:
        if side not in _SIDES:
            raise unknown_name("side of STFT", side, _SIDES)
        if isinstance(window, str) and window not in _WINDOWS:
            raise unknown_name("window of STFT", window, list(_WINDOWS))
        if scaling is not None and scaling not in _SCALINGS:
            raise unknown_name("scaling of STFT", scaling, _SCALINGS)
        self.side = side
        self.window = window
        self.scaling = scaling
        self.periodic = bool(periodic)

    def __call__(
        self, shape: Sequence[int], dtype: npt.DTypeLike | None = None
    ) -> Array:
        """Return the kernel; raises :class:`ShapeError` unless it has three axes."""
        if len(shape) != 3 or shape[2] < 2:
            raise ShapeError(
                explain(
                    "STFT initializes kernels of shape [frame, channels, "
                    "frequencies] with "
                    f"at least 2 frequencies, got {list(shape)}",
                    fix="use it for the kernel of Conv1D with 2 filters or more",
                )
            )
        frame, _, frequencies = shape
        time = np.arange(frame)[:, None, None]
        turns = np.arange(frequencies)[None, None, :] / (2 * (frequencies - 1))
        angle = -2 * np.pi * time * turns
        kernel = np.cos(angle) if self.side == "real" else np.sin(angle)
        window = self._window(frame)
        if window is not None:
            kernel = kernel * window[:, None, None] / self._scale(window)
        return ops.asarray(np.broadcast_to(kernel, tuple(shape)).astype(as_type(dtype)))

    def _window(self, frame: int) -> NDArray | None:
        if self.window is None:
            return None
        if isinstance(self.window, str):
            period = frame if self.periodic else max(1, frame - 1)
            return _WINDOWS[self.window](2 * np.pi * np.arange(frame) / period)
        values = np.asarray(self.window, np.float64)
        if values.shape != (frame,):
            raise ArgumentError(
                explain(
                    f"expected a window of shape [{frame}], got {list(values.shape)}",
                    fix=f"pass {frame} numbers, or the name of a window such as 'hann'",
                )
            )
        return values

    def _scale(self, window: NDArray) -> float:
        if self.scaling == "density":
            return float(np.sqrt(np.sum(window**2)))
        return float(np.sum(np.abs(window))) if self.scaling == "spectrum" else 1.0
