"""The activations of Keras, under the same names."""

from nervure.nn.activations import *  # noqa: F403
from nervure.nn.activations import __all__ as __all__
