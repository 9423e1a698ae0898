"""Layers that bring numbers to a common size."""

from nervure.nn.layers.normalization.batch import BatchNormalization
from nervure.nn.layers.normalization.layer_normalization import LayerNormalization

__all__ = ["BatchNormalization", "LayerNormalization"]
