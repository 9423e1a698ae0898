"""Functions of neural networks: ``nervure.nn.relu`` and its kin.

Layers, losses and the rest have modules of their own: ``nervure.layers``, ...
"""

from nervure.ops.nn import *  # noqa: F403 - the functions of one module under two names
from nervure.ops.nn import __all__ as __all__
