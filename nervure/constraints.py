"""The constraints of Keras, under the same names."""

from nervure.nn.constraints import *  # noqa: F403
from nervure.nn.constraints import __all__ as __all__
