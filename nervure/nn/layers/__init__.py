"""Layers, a file for each family."""

from nervure.nn.layer import Layer
from nervure.nn.layers.bordering import (
    Cropping1D,
    Cropping2D,
    Cropping3D,
    ZeroPadding1D,
    ZeroPadding2D,
    ZeroPadding3D,
)
from nervure.nn.layers.convolution import Conv1D, Conv2D, Conv3D
from nervure.nn.layers.core import Activation, Dense
from nervure.nn.layers.input import Input, InputLayer
from nervure.nn.layers.merging import (
    Add,
    Average,
    Concatenate,
    Dot,
    Maximum,
    Minimum,
    Multiply,
    Subtract,
    add,
    average,
    concatenate,
    dot,
    maximum,
    minimum,
    multiply,
    subtract,
)
from nervure.nn.layers.pooling import (
    AveragePooling1D,
    AveragePooling2D,
    AveragePooling3D,
    GlobalAveragePooling1D,
    GlobalAveragePooling2D,
    GlobalAveragePooling3D,
    GlobalMaxPooling1D,
    GlobalMaxPooling2D,
    GlobalMaxPooling3D,
    MaxPooling1D,
    MaxPooling2D,
    MaxPooling3D,
)
from nervure.nn.layers.regularization import Dropout
from nervure.nn.layers.reshaping import Flatten, Reshape

__all__ = [
    # core
    "Activation",
    "Dense",
    "Input",
    "InputLayer",
    "Layer",
    # convolution
    "Conv1D",
    "Conv2D",
    "Conv3D",
    # pooling
    "AveragePooling1D",
    "AveragePooling2D",
    "AveragePooling3D",
    "GlobalAveragePooling1D",
    "GlobalAveragePooling2D",
    "GlobalAveragePooling3D",
    "GlobalMaxPooling1D",
    "GlobalMaxPooling2D",
    "GlobalMaxPooling3D",
    "MaxPooling1D",
    "MaxPooling2D",
    "MaxPooling3D",
    # merging
    "Add",
    "Average",
    "Concatenate",
    "Dot",
    "Maximum",
    "Minimum",
    "Multiply",
    "Subtract",
    "add",
    "average",
    "concatenate",
    "dot",
    "maximum",
    "minimum",
    "multiply",
    "subtract",
    # regularization
    "Dropout",
    # reshaping
    "Cropping1D",
    "Cropping2D",
    "Cropping3D",
    "Flatten",
    "Reshape",
    "ZeroPadding1D",
    "ZeroPadding2D",
    "ZeroPadding3D",
]
