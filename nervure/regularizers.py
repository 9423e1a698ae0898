"""The regularizers of Keras, under the same names."""

from nervure.nn.regularizers import *  # noqa: F403
from nervure.nn.regularizers import __all__ as __all__
