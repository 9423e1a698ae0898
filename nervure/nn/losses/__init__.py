"""Losses: how far predictions are from the truth."""

from typing import Any

from nervure.nn.lookup import Registry
from nervure.nn.losses.base import Loss, LossFunctionWrapper
from nervure.nn.losses.crossentropy import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    SparseCategoricalCrossentropy,
    binary_crossentropy,
    categorical_crossentropy,
    sparse_categorical_crossentropy,
)
from nervure.nn.losses.regression import (
    MeanAbsoluteError,
    MeanSquaredError,
    mean_absolute_error,
    mean_squared_error,
)

__all__ = [
    "BinaryCrossentropy",
    "CategoricalCrossentropy",
    "Loss",
    "LossFunctionWrapper",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "SparseCategoricalCrossentropy",
    "binary_crossentropy",
    "categorical_crossentropy",
    "get",
    "mean_absolute_error",
    "mean_squared_error",
    "sparse_categorical_crossentropy",
]

_registry: Registry[Loss] = Registry("loss", Loss)
_registry.add_classes(
    [
        MeanSquaredError,
        MeanAbsoluteError,
        BinaryCrossentropy,
        CategoricalCrossentropy,
        SparseCategoricalCrossentropy,
    ],
    {
        "mse": MeanSquaredError,
        "mae": MeanAbsoluteError,
        "bce": BinaryCrossentropy,
    },
)


def get(identifier: Any) -> Loss:
    """Return the loss for a name, a configuration, a function, or a loss as it is.

    A function of ``(y_true, y_pred)`` returns a value for each sample.  Raises
    :class:`~nervure.errors.UnknownNameError` with the nearest names.

    >>> import nervure as nv
    >>> nv.losses.get("mse").name
    'mean_squared_error'
    """
    if not isinstance(identifier, Loss | type) and callable(identifier):
        return LossFunctionWrapper(identifier)
    return _registry.get(identifier)
