"""Small helpers, under Keras' names."""

from nervure.train.labels import to_categorical
from nervure.train.pydataset import PyDataset
from nervure.train.rows import pack_x_y_sample_weight, unpack_x_y_sample_weight
from nervure.train.session import clear_session, set_random_seed

__all__ = [
    "PyDataset",
    "clear_session",
    "pack_x_y_sample_weight",
    "set_random_seed",
    "to_categorical",
    "unpack_x_y_sample_weight",
]
