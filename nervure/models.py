"""Models, under Keras' names."""

from nervure.train.model import Model
from nervure.train.saving.files import load_model, save_model
from nervure.train.sequential import Sequential

__all__ = ["Model", "Sequential", "load_model", "save_model"]
