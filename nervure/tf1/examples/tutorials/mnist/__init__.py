"""The reader of MNIST, as in ``from ...examples.tutorials.mnist import input_data``."""

from nervure.tf1.examples.tutorials.mnist import input_data

__all__ = ["input_data"]
