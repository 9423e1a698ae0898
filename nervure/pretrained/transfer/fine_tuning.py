"""Training a network further on data of one's own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from nervure.errors import ArgumentError, ShapeError, explain
from nervure.ir.attrs import NDArray
from nervure.layers import (
    Dense,
    Dropout,
    GlobalAveragePooling1D,
    GlobalAveragePooling2D,
    GlobalAveragePooling3D,
    Input,
    Layer,
)
from nervure.nn.arguments import positive_number, within_unit
from nervure.optimizers import Optimizer, get
from nervure.pretrained.transfer.cutting import cut_at
from nervure.train.history import History
from nervure.train.model import Model

__all__ = ["FineTuned", "fine_tune", "learning_rate_multipliers"]

_POOLINGS: Final = {
    3: GlobalAveragePooling1D,
    4: GlobalAveragePooling2D,
    5: GlobalAveragePooling3D,
}
_DROPPED: Final = 0.2


@dataclass(frozen=True)
class FineTuned:
    """What :func:`fine_tune` returns.

    Attributes
    ----------
    model
        From the network's input to the new classes; compiled.
    head_history
        Of the training of the new layers alone.
    history
        Of the training of the whole; None for ``epochs=0``.

    >>> FineTuned._fields if hasattr(FineTuned, "_fields") else FineTuned.__match_args__
    ('model', 'head_history', 'history')
    """

    model: Model
    head_history: History
    history: History | None


def learning_rate_multipliers(
    model: Model, lowest: float = 0.01, frozen_before: str | None = None
) -> dict[str, float]:
    """Return factors of the learning rate that grow from the first layer to the last.

    They are even steps of the logarithm: ``lowest`` for the first layer with trainable
    weights, 1 for the last.  Early layers find edges and textures, which are good for
    many tasks, late ones what the old task needed.

    Parameters
    ----------
    model
        A model, or the part of one that was trained before.
    lowest
        The factor of the first layer, above 0 and up to 1.
    frozen_before
        The name of a layer; those before it keep their weights (factor 0).

    Returns
    -------
    ``{pattern: factor}`` for ``learning_rate_multipliers`` of an optimizer; each
    pattern fits the paths of all weights of a layer.

    Raises
    ------
    ArgumentError
        For another ``lowest``.
    UnknownNameError
        For an unknown name.

    >>> import nervure as nv
    >>> x = inputs = nv.layers.Input((2,))
    >>> for name in "abc":
    ...     x = nv.layers.Dense(3, name=name)(x)
    >>> nv.pretrained.learning_rate_multipliers(nv.models.Model(inputs, x), lowest=0.01)
    {'a/[^/]+': 0.01, 'b/[^/]+': 0.1, 'c/[^/]+': 1.0}
    """
    lowest = positive_number("lowest", lowest)
    within_unit("lowest", lowest)
    layers = [one for one in model.layers if one.trainable_weights]
    first = 0
    if frozen_before is not None:
        start = model.get_layer(frozen_before)
        order = {id(one): place for place, one in enumerate(model.layers)}
        first = sum(order[id(one)] < order[id(start)] for one in layers)
    steps = max(len(layers) - first - 1, 1)
    factors = {}
    for place, layer in enumerate(layers):
        ahead = (len(layers) - 1 - place) / steps
        factor = round(lowest**ahead, 12) if place >= first else 0.0
        for one in layer.trainable_weights:
            place_of_it, slash, _ = one.path.rpartition("/")
            key = f"{re.escape(place_of_it)}/[^/]+" if slash else re.escape(one.path)
            factors[key] = factor
    return factors


def fine_tune(
    network: Model,
    x: Any,
    y: Any,
    *,
    classes: int | None = None,
    head: Sequence[Layer] | None = None,
    layer: Layer | str | int | None = None,
    unfreeze_from: str | None = None,
    head_epochs: int = 20,
    epochs: int = 5,
    batch_size: int = 32,
    head_learning_rate: float = 1e-3,
    learning_rate: float = 1e-4,
    lowest: float = 0.01,
    optimizer: Any = "adam",
    loss: Any = "auto",
    metrics: Sequence[Any] = ("accuracy",),
    validation_data: tuple[Any, Any] | None = None,
    callbacks: Any = None,
    verbose: int | str = "auto",
) -> FineTuned:
    """Train a new classifier on a network's features, then the network with it.

    As plain steps::

        features = nv.pretrained.FeatureExtractor(network).network
        inputs = nv.layers.Input(features.input_shape[1:])
        z = features(inputs, training=False)  # normalizations keep their moments
        outputs = nv.layers.Dense(classes, activation="softmax")(z)
        model = nv.models.Model(inputs, outputs)

        # 1. Only the new layer: the old ones are not spoilt by its random weights.
        features.trainable = False
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        model.fit(x, y, epochs=20)

        # 2. Everything, early layers slower than late ones.
        features.trainable = True
        factors = nv.pretrained.learning_rate_multipliers(features)
        adam = nv.optimizers.Adam(1e-4, learning_rate_multipliers=factors)
        model.compile(adam, "sparse_categorical_crossentropy", metrics=["accuracy"])
        model.fit(x, y, epochs=5)

    In the first step nothing below the new layers changes, so the features are computed
    once, not in each epoch.

    Parameters
    ----------
    network
        A trained model.  Its layers become part of the new model, and are trained.
    x
        ``[rows, *input of the network]``, prepared as the network wants it.
    y
        The numbers of the classes, ``int[rows]``, or rows of zeros and a one.
    classes
        How many; by default as many as ``y`` has.
    head
        The new layers; by default dropout and a dense layer with softmax.
    layer
        Where the features are, as for :class:`FeatureExtractor`.  Feature maps are
        averaged over all places.
    unfreeze_from
        The name of a layer of the network; those before it keep their weights.
    head_epochs, epochs
        The epochs of both steps; ``epochs=0`` leaves out the second.
    batch_size, callbacks, verbose
        As for ``fit``, of both steps.
    head_learning_rate, learning_rate
        The rates of both steps; in the second that of the last layers.
    lowest
        The share of that rate with which the first layer learns; see
        :func:`learning_rate_multipliers`.
    optimizer
        A name or a class.
    loss, metrics
        As for ``compile``; "auto" is the cross entropy that fits ``y``.
    validation_data
        ``(x, y)`` for ``fit`` of both steps.

    Returns
    -------
    A :class:`FineTuned`: the new model and the histories of both steps.

    Raises
    ------
    ArgumentError, ShapeError, DataError, UnknownNameError
        For data and arguments that cannot be used.

    >>> import numpy as np
    >>> import nervure as nv
    >>> network = nv.models.Sequential([
    ...     nv.layers.Dense(16, activation="relu", input_shape=(4,)),
    ...     nv.layers.Dense(10, activation="softmax")])
    >>> x = np.random.default_rng(0).normal(size=(64, 4))
    >>> y = (x[:, 0] > 0).astype(int)
    >>> tuned = nv.pretrained.fine_tune(network, x, y, verbose=0)
    >>> tuned.model.output_shape, len(tuned.history.epoch)
    ((None, 2), 5)
    """
    rows, labels = np.asarray(x), np.asarray(y)
    count = _class_count(rows, labels, classes)
    if loss == "auto":
        sparse = labels.ndim == 1 or labels.shape[-1] == 1
        loss = f"{'sparse_' if sparse else ''}categorical_crossentropy"
    features = _features(network, layer)
    new_layers = list(head) if head is not None else _new_layers(count)
    model = _joined(features, new_layers)
    kind = _optimizer_class(optimizer)
    fit_arguments = {
        "batch_size": batch_size,
        "callbacks": callbacks,
        "verbose": verbose,
    }

    top = _top(features, new_layers)
    top.compile(kind(learning_rate=head_learning_rate), loss, metrics=list(metrics))
    head_history = top.fit(
        _computed(features, rows, batch_size),
        labels,
        epochs=head_epochs,
        validation_data=validation_data
        and (_computed(features, validation_data[0], batch_size), validation_data[1]),
        **fit_arguments,
    )

    features.trainable = True
    factors = learning_rate_multipliers(features, lowest, unfreeze_from)
    tuner = kind(learning_rate=learning_rate, learning_rate_multipliers=factors)
    model.compile(tuner, loss, metrics=list(metrics))
    history = None
    if epochs:
        history = model.fit(
            rows,
            labels,
            epochs=epochs,
            validation_data=validation_data,
            **fit_arguments,
        )
    return FineTuned(model, head_history, history)


def _class_count(rows: NDArray, labels: NDArray, classes: int | None) -> int:
    if labels.ndim not in (1, 2) or len(labels) != len(rows) or not len(labels):
        raise ShapeError(
            explain(
                f"expected y with a label for each of {len(rows)} rows, got the shape "
                f"{list(labels.shape)}",
                fix="pass one label for each row of x",
            )
        )
    if labels.ndim == 2 and labels.shape[1] > 1:
        return classes or labels.shape[1]
    if labels.dtype.kind not in "iub":
        raise ArgumentError(
            explain(
                f"expected y with the numbers of the classes from 0 on, got "
                f"{labels.dtype}",
                fix="use np.unique(y, return_inverse=True)",
            )
        )
    return classes or int(labels.max()) + 1


def _features(network: Model, layer: Layer | str | int | None) -> Model:
    """Return the network up to the features, one vector for each row."""
    features = cut_at(network, layer, "features")
    pooling = _POOLINGS.get(len(features.output_shape))
    if pooling is None:
        return features
    output = pooling(name="features_pool")(features.output)
    return Model(features.input, output, name="features")


def _new_layers(count: int) -> list[Layer]:
    return [
        Dropout(_DROPPED, name="new_dropout"),
        Dense(count, activation="softmax", name="new_predictions"),
    ]


def _joined(features: Model, new_layers: Sequence[Layer]) -> Model:
    """Return the whole; normalizations inside keep their moments in training."""
    inputs = Input(features.input_shape[1:])
    outputs = features(inputs, training=False)
    for one in new_layers:
        outputs = one(outputs)
    return Model(inputs, outputs, name="fine_tuned")


def _top(features: Model, new_layers: Sequence[Layer]) -> Model:
    """Return the new layers alone, from features to classes."""
    inputs = Input(features.output_shape[1:])
    outputs = inputs
    for one in new_layers:
        outputs = one(outputs)
    return Model(inputs, outputs, name="head")


def _computed(features: Model, x: Any, batch_size: int) -> NDArray:
    found: NDArray = features.predict(x, batch_size=batch_size, verbose=0)
    return found


def _optimizer_class(given: Any) -> type[Optimizer]:
    if isinstance(given, type) and issubclass(given, Optimizer):
        return given
    if isinstance(given, str):
        return type(get(given))
    raise ArgumentError(
        explain(
            "expected optimizer to be a name or a class, since each step makes its "
            f"own with its own rate; got {given!r}",
            fix="pass optimizer=nervure.optimizers.AdamW and learning_rate=",
        )
    )
