"""The initializers of Keras, under the same names."""

from nervure.nn.initializers import *  # noqa: F403
from nervure.nn.initializers import __all__ as __all__
