"""Models, under Keras' names."""

from nervure.train.cloning import clone_model
from nervure.train.json_form import model_from_json
from nervure.train.model import Model
from nervure.train.saving.files import load_model, save_model
from nervure.train.sequential import Sequential

__all__ = [
    "Model",
    "Sequential",
    "clone_model",
    "load_model",
    "model_from_json",
    "save_model",
]
