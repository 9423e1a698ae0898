"""Convolution as in signal processing, Gaussian smoothing and image gradients.

The names and results are those of ``scipy.signal`` and ``scipy.ndimage``: the second
argument is *flipped* before it slides over the first,
(f * g)[i] = sum over n of f[n] g[i - n], while layers of a neural network do not flip
their kernels.  Everything is computed by the ``conv`` primitive and is differentiable
in both arguments.
"""

from nervure.ops.signal.convolution import (
    convolve,
    convolve2d,
    correlate,
    correlate2d,
)
from nervure.ops.signal.gaussian import (
    gaussian_filter,
    gaussian_filter1d,
    gaussian_kernel,
)
from nervure.ops.signal.gradients import gradient_filters, image_gradients, sobel

__all__ = [
    "convolve",
    "convolve2d",
    "correlate",
    "correlate2d",
    "gaussian_filter",
    "gaussian_filter1d",
    "gaussian_kernel",
    "gradient_filters",
    "image_gradients",
    "sobel",
]
