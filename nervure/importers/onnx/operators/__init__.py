"""The operators of ONNX, one file a family; importing this package registers them.

Source of each meaning: https://github.com/onnx/onnx/blob/main/docs/Operators.md
"""

from nervure.importers.onnx.operators import (
    activations,
    control,
    conversions,
    convolution,
    creation,
    elementwise,
    imaging,
    indexing,
    matrices,
    normalization,
    ordering,
    pooling,
    randoms,
    recurrent,
    reductions,
    refused,
    scattering,
    sequences,
    shapes,
    signals,
)

__all__ = [
    "activations",
    "control",
    "conversions",
    "convolution",
    "creation",
    "elementwise",
    "imaging",
    "indexing",
    "matrices",
    "normalization",
    "ordering",
    "pooling",
    "randoms",
    "recurrent",
    "reductions",
    "refused",
    "scattering",
    "sequences",
    "shapes",
    "signals",
]
