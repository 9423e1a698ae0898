"""How much old places count for new ones when an axis gets another size.

Places are squares side by side: the middle of the first is at half its width.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]
Kernel = Callable[[Matrix], Matrix]


def _triangle(x: Matrix) -> Matrix:
    return np.maximum(0.0, 1.0 - x)


def _cubic(x: Matrix) -> Matrix:
    """Keys, "Cubic convolution interpolation", 1981, with a = -1/2."""
    near = (1.5 * x - 2.5) * x * x + 1.0
    far = ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0
    return np.where(x < 1.0, near, np.where(x < 2.0, far, 0.0))


def _lanczos(radius: float) -> Kernel:
    """Return the product of two sinc functions, the wider one cut at its first zero."""

    def kernel(x: Matrix) -> Matrix:
        product = radius * np.sin(np.pi * x) * np.sin(np.pi * x / radius)
        divisor = np.where(x == 0, 1.0, np.pi**2 * x**2)
        value = np.where(x > 1e-3, product / divisor, 1.0)
        return np.where(x > radius, 0.0, value)

    return kernel


_KERNELS: Final[dict[str, Kernel]] = {
    "bilinear": _triangle,
    "bicubic": _cubic,
    "lanczos3": _lanczos(3.0),
    "lanczos5": _lanczos(5.0),
}
INTERPOLATIONS: Final = ("nearest", *_KERNELS)


def place_weights(
    old: int, new: int, interpolation: str, antialias: bool = False
) -> Matrix:
    """Return how much each old place (column) counts for each new one (row).

    What lies beyond the edge is left out, and the rest made to add up to 1.
    """
    scale = old / new
    centres = (np.arange(new) + 0.5) * scale - 0.5
    stretch = max(scale, 1.0) if antialias else 1.0
    distances = np.abs(centres[:, None] - np.arange(old)) / stretch
    weights = _KERNELS[interpolation](distances)
    total: Matrix = weights / weights.sum(axis=1, keepdims=True)
    return total
