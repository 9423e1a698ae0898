"""Small helpers, under Keras' names."""

from nervure.train.labels import to_categorical
from nervure.train.pydataset import PyDataset
from nervure.train.session import clear_session, set_random_seed

__all__ = ["PyDataset", "clear_session", "set_random_seed", "to_categorical"]
