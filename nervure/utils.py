"""Small helpers, under Keras' names."""

from nervure.nn.registry import (
    CustomObjectScope,
    custom_object_scope,
    get_custom_objects,
    get_registered_name,
    get_registered_object,
    register_keras_serializable,
)
from nervure.train.gradient_flow import gradient_flow
from nervure.train.labels import to_categorical
from nervure.train.pydataset import PyDataset
from nervure.train.rows import pack_x_y_sample_weight, unpack_x_y_sample_weight
from nervure.train.sequences import pad_sequences
from nervure.train.session import clear_session, set_random_seed

__all__ = [
    "CustomObjectScope",
    "PyDataset",
    "clear_session",
    "custom_object_scope",
    "get_custom_objects",
    "get_registered_name",
    "get_registered_object",
    "gradient_flow",
    "pack_x_y_sample_weight",
    "pad_sequences",
    "register_keras_serializable",
    "set_random_seed",
    "to_categorical",
    "unpack_x_y_sample_weight",
]
