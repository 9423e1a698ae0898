"""Layers that prepare data for a network."""

from nervure.nn.layers.preprocessing.encoding import CategoryEncoding, Discretization
from nervure.nn.layers.preprocessing.hashing import Hashing
from nervure.nn.layers.preprocessing.lookup import IntegerLookup, StringLookup
from nervure.nn.layers.preprocessing.scaling import Normalization, Rescaling
from nervure.nn.layers.preprocessing.text import TextVectorization

__all__ = [
    "CategoryEncoding",
    "Discretization",
    "Hashing",
    "IntegerLookup",
    "Normalization",
    "Rescaling",
    "StringLookup",
    "TextVectorization",
]
