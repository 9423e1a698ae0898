"""Losses: how far predictions are from the truth."""

from collections.abc import Mapping
from typing import Any

from nervure.nn.lookup import Registry
from nervure.nn.losses.base import Loss, LossFunctionWrapper
from nervure.nn.losses.circle import Circle, circle
from nervure.nn.losses.crossentropy import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    SparseCategoricalCrossentropy,
    binary_crossentropy,
    categorical_crossentropy,
    sparse_categorical_crossentropy,
)
from nervure.nn.losses.ctc import CTC, ctc
from nervure.nn.losses.focal import (
    BinaryFocalCrossentropy,
    CategoricalFocalCrossentropy,
    binary_focal_crossentropy,
    categorical_focal_crossentropy,
)
from nervure.nn.losses.hinge import (
    CategoricalHinge,
    Hinge,
    SquaredHinge,
    categorical_hinge,
    hinge,
    squared_hinge,
)
from nervure.nn.losses.overlap import Dice, Tversky, dice, tversky
from nervure.nn.losses.probabilistic import (
    CategoricalGeneralizedCrossEntropy,
    KLDivergence,
    Poisson,
    categorical_generalized_cross_entropy,
    kl_divergence,
    poisson,
)
from nervure.nn.losses.regression import (
    CosineSimilarity,
    Huber,
    LogCosh,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    cosine_similarity,
    huber,
    log_cosh,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
)

__all__ = [
    "BinaryCrossentropy",
    "BinaryFocalCrossentropy",
    "CTC",
    "CategoricalCrossentropy",
    "CategoricalFocalCrossentropy",
    "CategoricalGeneralizedCrossEntropy",
    "CategoricalHinge",
    "Circle",
    "CosineSimilarity",
    "Dice",
    "Hinge",
    "Huber",
    "KLDivergence",
    "LogCosh",
    "Loss",
    "LossFunctionWrapper",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "Poisson",
    "SparseCategoricalCrossentropy",
    "SquaredHinge",
    "Tversky",
    "binary_crossentropy",
    "binary_focal_crossentropy",
    "categorical_crossentropy",
    "categorical_focal_crossentropy",
    "categorical_generalized_cross_entropy",
    "categorical_hinge",
    "circle",
    "cosine_similarity",
    "ctc",
    "deserialize",
    "dice",
    "get",
    "hinge",
    "huber",
    "kl_divergence",
    "log_cosh",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_error",
    "mean_squared_logarithmic_error",
    "poisson",
    "serialize",
    "sparse_categorical_crossentropy",
    "squared_hinge",
    "tversky",
]

_registry: Registry[Loss] = Registry("loss", Loss)
_registry.add_classes(
    [
        MeanSquaredError,
        MeanAbsoluteError,
        MeanAbsolutePercentageError,
        MeanSquaredLogarithmicError,
        CosineSimilarity,
        Huber,
        LogCosh,
        Hinge,
        SquaredHinge,
        CategoricalHinge,
        KLDivergence,
        Poisson,
        BinaryCrossentropy,
        BinaryFocalCrossentropy,
        CategoricalCrossentropy,
        CategoricalFocalCrossentropy,
        CategoricalGeneralizedCrossEntropy,
        SparseCategoricalCrossentropy,
        Dice,
        Tversky,
        Circle,
        CTC,
    ],
    {
        "mse": MeanSquaredError,
        "mae": MeanAbsoluteError,
        "mape": MeanAbsolutePercentageError,
        "msle": MeanSquaredLogarithmicError,
        "bce": BinaryCrossentropy,
        "kld": KLDivergence,
        "kullback_leibler_divergence": KLDivergence,
        "logcosh": LogCosh,
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


def serialize(loss: Any) -> Any:
    """Return the configuration of a loss, as plain data.

    >>> import nervure as nv
    >>> nv.losses.serialize(nv.losses.Huber(2.0))["config"]["delta"]
    2.0
    """
    return _registry.serialize(loss)


def deserialize(name: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Return the loss for what :func:`serialize` returned.

    >>> import nervure as nv
    >>> loss = nv.losses.Huber(2.0)
    >>> nv.losses.deserialize(nv.losses.serialize(loss)).delta
    2.0
    """
    return _registry.deserialize(name, custom_objects)
