"""Layers that bring numbers to a common size."""

from nervure.nn.layers.normalization.batch import BatchNormalization
from nervure.nn.layers.normalization.group import GroupNormalization
from nervure.nn.layers.normalization.layer_normalization import LayerNormalization
from nervure.nn.layers.normalization.size import RMSNormalization, UnitNormalization
from nervure.nn.layers.normalization.spectral import SpectralNormalization

__all__ = [
    "BatchNormalization",
    "GroupNormalization",
    "LayerNormalization",
    "RMSNormalization",
    "SpectralNormalization",
    "UnitNormalization",
]
