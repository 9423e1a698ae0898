"""Layers that hinder a network while it is trained, so that it learns robustly."""

from nervure.nn.layers.regularization.activity import ActivityRegularization
from nervure.nn.layers.regularization.dropout import (
    Dropout,
    SpatialDropout1D,
    SpatialDropout2D,
    SpatialDropout3D,
)
from nervure.nn.layers.regularization.noise import (
    AlphaDropout,
    GaussianDropout,
    GaussianNoise,
)

__all__ = [
    "ActivityRegularization",
    "AlphaDropout",
    "Dropout",
    "GaussianDropout",
    "GaussianNoise",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "SpatialDropout3D",
]
