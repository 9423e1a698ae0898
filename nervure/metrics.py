"""The metrics of Keras, under the same names."""

from nervure.nn.metrics import *  # noqa: F403
from nervure.nn.metrics import __all__ as __all__
