"""Layers that slide a kernel over their input."""

from nervure.nn.layers.convolution.regular import Conv1D, Conv2D, Conv3D

__all__ = [
    "Conv1D",
    "Conv2D",
    "Conv3D",
]
