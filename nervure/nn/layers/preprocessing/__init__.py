"""Layers that prepare data for a network."""

from nervure.nn.layers.preprocessing.augmentation import (
    RandomBrightness,
    RandomContrast,
    RandomFlip,
    RandomRotation,
    RandomTranslation,
    RandomZoom,
)
from nervure.nn.layers.preprocessing.encoding import CategoryEncoding, Discretization
from nervure.nn.layers.preprocessing.hashing import Hashing
from nervure.nn.layers.preprocessing.images import CenterCrop, Resizing
from nervure.nn.layers.preprocessing.lookup import IntegerLookup, StringLookup
from nervure.nn.layers.preprocessing.scaling import Normalization, Rescaling
from nervure.nn.layers.preprocessing.text import TextVectorization

__all__ = [
    "CenterCrop",
    "RandomBrightness",
    "RandomContrast",
    "RandomFlip",
    "RandomRotation",
    "RandomTranslation",
    "RandomZoom",
    "Resizing",
    "CategoryEncoding",
    "Discretization",
    "Hashing",
    "IntegerLookup",
    "Normalization",
    "Rescaling",
    "StringLookup",
    "TextVectorization",
]
