"""The layers of networks, under the names of Keras."""

from nervure.nn.input_spec import InputSpec
from nervure.nn.layers import *  # noqa: F403
from nervure.nn.layers import __all__ as _layers

__all__ = ["InputSpec", *_layers]
