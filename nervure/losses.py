"""The losses of Keras, under the same names."""

from nervure.nn.losses import *  # noqa: F403
from nervure.nn.losses import __all__ as __all__
