"""Models, under Keras' names."""

from nervure.train.model import Model
from nervure.train.sequential import Sequential

__all__ = ["Model", "Sequential"]
