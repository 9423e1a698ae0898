"""The optimizers of Keras, under the same names."""

from nervure.nn.optimizers import *  # noqa: F403
from nervure.nn.optimizers import __all__ as __all__
