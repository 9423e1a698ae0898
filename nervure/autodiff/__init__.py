"""Differentiation of graphs: nodes in, nodes out.

Functions of arrays (``nervure.grad`` and its kin) are built on this in
``nervure/transforms.py``; the training step, ``nervure.gradients`` and TensorFlow-style
``gradients`` all use the one function :func:`reverse`.
"""

from nervure.autodiff.forward import forward
from nervure.autodiff.reverse import reverse

__all__ = ["forward", "reverse"]
