"""Layers, a file for each family."""

from nervure.nn.layer import Layer
from nervure.nn.layers.core import Activation, Dense
from nervure.nn.layers.input import Input, InputLayer
from nervure.nn.layers.operation import Operation
from nervure.nn.layers.regularization import Dropout
from nervure.nn.layers.reshaping import Flatten, Reshape

__all__ = [
    "Activation",
    "Dense",
    "Dropout",
    "Flatten",
    "Input",
    "InputLayer",
    "Layer",
    "Operation",
    "Reshape",
]
