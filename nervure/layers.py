"""The layers of networks, under the names of Keras."""

from nervure.nn.input_spec import InputSpec
from nervure.nn.layers import *  # noqa: F403
from nervure.nn.layers import __all__ as _layers
from nervure.nn.serialization import deserialize, serialize

__all__ = ["InputSpec", "deserialize", "serialize", *_layers]
