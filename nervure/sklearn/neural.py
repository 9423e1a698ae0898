"""Estimators around any network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from nervure.errors import ArgumentError
from nervure.layers import Dense, Flatten, Layer
from nervure.models import Model
from nervure.sklearn import parts
from nervure.sklearn.base import (
    Facts,
    NetworkClassifier,
    NetworkRegressor,
)
from nervure.sklearn.parameters import unknown_parameter
from nervure.sklearn.stopping import StoppingEstimator
from nervure.train.checks import whole_number

__all__ = ["NeuralClassifier", "NeuralRegressor"]

_PARTS: Final = ("model", "optimizer", "loss")
HIDDEN_UNITS: Final = 100
LOSSES: Final = {
    "labels": "sparse_categorical_crossentropy",
    "one-hot": "categorical_crossentropy",
    "multilabel": "binary_crossentropy",
    "numbers": "mean_squared_error",
}


class NeuralEstimator(StoppingEstimator):
    """What the three estimators share: parts, their parameters, and training."""

    def __init__(
        self,
        model: Any,
        loss: Any,
        optimizer: Any,
        metrics: Any,
        epochs: int,
        batch_size: int,
        shuffle: bool,
        callbacks: Any,
        early_stopping: bool,
        validation_fraction: float,
        n_iter_no_change: int,
        tol: float,
        random_state: Any,
        warm_start: bool,
        verbose: int | str,
        part_parameters: dict[str, Any],
    ) -> None:
        self.model = model
        self.loss = loss
        self.optimizer = optimizer
        self.metrics = metrics
        self.epochs = epochs
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.callbacks = callbacks
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.random_state = random_state
        self.warm_start = warm_start
        self.verbose = verbose
        for name in part_parameters:
            if name.partition("__")[0] not in _PARTS or "__" not in name:
                known = [*self._get_param_names(), *self._routed_defaults()]
                raise TypeError(unknown_parameter(type(self).__name__, name, known))
        self._routed = part_parameters

    # --- the parts -------------------------------------------------------------------

    def _automatic_loss(self, facts: Facts) -> str:
        """Return the loss for the targets."""
        return "mean_squared_error"

    def _loss_given(self, facts: Facts | None) -> Any:
        if not isinstance(self.loss, str) or self.loss != "auto":
            return self.loss
        return None if facts is None else self._automatic_loss(facts)

    def _routed_defaults(self) -> Mapping[str, Any]:
        return parts.part_defaults(self.optimizer, self._loss_given(None), self.model)

    def _parameters_of(self, part: str) -> dict[str, Any]:
        """Return the parameters given for a part."""
        head = f"{part}__"
        return {
            name.removeprefix(head): value
            for name, value in self._routed.items()
            if name.startswith(head)
        }

    def _check_parameters(self) -> None:
        known = {**self._routed_defaults(), **dict.fromkeys(self._get_param_names())}
        for name in self._routed:
            part = name.partition("__")[0]
            # What a function of any arguments or an automatic loss takes is not known.
            if name not in known and any(one.startswith(f"{part}__") for one in known):
                raise ArgumentError(unknown_parameter(type(self).__name__, name, known))

    def _make_network(self, facts: Facts) -> Model:
        given = self._default_layers if self.model is None else self.model
        model = parts.model_from(given, facts, self._parameters_of("model"))
        if not model.compiled:
            loss = parts.loss_from(self._loss_given(facts), self._parameters_of("loss"))
            optimizer = parts.optimizer_from(
                self.optimizer, self._parameters_of("optimizer")
            )
            model.compile(optimizer, loss, metrics=self.metrics)
        return model

    def _default_layers(
        self,
        X_shape_: tuple[int, ...],
        n_classes_: int,
        n_outputs_: int,
        target_type_: str,
    ) -> list[Layer]:
        """Return one hidden layer, and an output that suits the targets."""
        flat = [Flatten()] if len(X_shape_) > 1 else []
        hidden = Dense(HIDDEN_UNITS, activation="relu")
        if target_type_ == "numbers":
            return [*flat, hidden, Dense(n_outputs_)]
        activation = "sigmoid" if target_type_ == "multilabel" else "softmax"
        return [*flat, hidden, Dense(n_classes_, activation=activation)]

    # --- training --------------------------------------------------------------------

    def _fit_arguments(self) -> dict[str, Any]:
        return {
            "epochs": whole_number(self.epochs, "epochs", 1, 10),
            "verbose": self.verbose,
            "callbacks": self.callbacks,
            "shuffle": self.shuffle,
        }


class NeuralClassifier(NetworkClassifier, NeuralEstimator):
    """A classifier around any network.

    Parameters
    ----------
    model
        A function that returns a model or a list of layers, or such a model or list
        itself, of which each training has its own copy.  Arguments of the function
        whose names end in an underscore are facts about the data: ``n_features_in_``,
        ``X_shape_`` (of one row), ``n_classes_``, ``target_type_``.  A model that is
        compiled already keeps its loss and its optimizer.  None is one hidden layer of
        100 units.
    loss
        A name, a class, a loss or a function; "auto" is the cross-entropy that suits
        the targets: labels, one-hot rows, or labels that do not exclude each other.
    optimizer
        A name, a class or an optimizer.
    metrics
        Names or metrics that ``history_`` records.
    epochs, batch_size, shuffle, callbacks, verbose
        As for :meth:`nervure.models.Model.fit`.
    early_stopping, validation_fraction, n_iter_no_change, tol
        Whether a share of the rows is held out, so that training ends when for more
        than so many epochs their score has not grown by ``tol``, and goes back to the
        weights of its best epoch.
    class_weight
        A dict from label to weight, or "balanced".
    random_state
        A whole number makes each fit the same; None draws from NumPy's generator.
    warm_start
        Whether ``fit`` goes on with what was learnt before.
    part_parameters
        Parameters of the parts: ``optimizer__learning_rate=0.01``,
        ``loss__label_smoothing=0.1``, ``model__units=64`` for an argument of the
        function.  A search may vary them.

    Attributes
    ----------
    classes_
        The labels, sorted.
    model_, history_, n_iter_
        The trained model, the numbers of each epoch by name, and how many there were.

    >>> import nervure as nv
    >>> from sklearn.datasets import load_iris
    >>> from nervure.sklearn import NeuralClassifier
    >>> def network(n_classes_, units=16):
    ...     return [nv.layers.Dense(units, activation="tanh"),
    ...             nv.layers.Dense(n_classes_, activation="softmax")]
    >>> X, y = load_iris(return_X_y=True)
    >>> classifier = NeuralClassifier(
    ...     network, epochs=60, model__units=32, optimizer__learning_rate=0.01)
    >>> classifier.fit(X, y).score(X, y) > 0.9
    True
    """

    def __init__(
        self,
        model: Any = None,
        *,
        loss: Any = "auto",
        optimizer: Any = "adam",
        metrics: Any = None,
        epochs: int = 100,
        batch_size: int = 32,
        shuffle: bool = True,
        callbacks: Any = None,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        tol: float = 1e-4,
        class_weight: Any = None,
        random_state: Any = None,
        warm_start: bool = False,
        verbose: int | str = 0,
        **part_parameters: Any,
    ) -> None:
        super().__init__(
            model=model,
            loss=loss,
            optimizer=optimizer,
            metrics=metrics,
            epochs=epochs,
            batch_size=batch_size,
            shuffle=shuffle,
            callbacks=callbacks,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            n_iter_no_change=n_iter_no_change,
            tol=tol,
            random_state=random_state,
            warm_start=warm_start,
            verbose=verbose,
            part_parameters=part_parameters,
        )
        self.class_weight = class_weight

    def _automatic_loss(self, facts: Facts) -> str:
        return LOSSES[facts.target_type_]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


class NeuralRegressor(NetworkRegressor, NeuralEstimator):
    """A regressor around any network.

    Parameters
    ----------
    model
        As for :class:`NeuralClassifier`; the function may ask for ``n_outputs_``.
    loss
        A name, a class, a loss or a function; "auto" is the mean squared error.
    optimizer
        A name, a class or an optimizer.
    metrics
        Names or metrics that ``history_`` records.
    epochs, batch_size, shuffle, callbacks, verbose
        As for :meth:`nervure.models.Model.fit`.
    early_stopping, validation_fraction, n_iter_no_change, tol
        Whether a share of the rows is held out, so that training ends when for more
        than so many epochs their score has not grown by ``tol``, and goes back to the
        weights of its best epoch.
    random_state
        A whole number makes each fit the same; None draws from NumPy's generator.
    warm_start
        Whether ``fit`` goes on with what was learnt before.
    part_parameters
        Parameters of the parts: ``optimizer__learning_rate=0.01``,
        ``loss__label_smoothing=0.1``, ``model__units=64`` for an argument of the
        function.  A search may vary them.

    Attributes
    ----------
    model_, history_, n_iter_
        The trained model, the numbers of each epoch by name, and how many there were.

    >>> import numpy as np
    >>> from nervure.sklearn import NeuralRegressor
    >>> X = np.linspace(-1, 1, 64).reshape(-1, 1)
    >>> regressor = NeuralRegressor(epochs=80, optimizer__learning_rate=0.01)
    >>> regressor.fit(X, X.ravel() ** 2).score(X, X.ravel() ** 2) > 0.9
    True
    """

    def __init__(
        self,
        model: Any = None,
        *,
        loss: Any = "auto",
        optimizer: Any = "adam",
        metrics: Any = None,
        epochs: int = 100,
        batch_size: int = 32,
        shuffle: bool = True,
        callbacks: Any = None,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        tol: float = 1e-4,
        random_state: Any = None,
        warm_start: bool = False,
        verbose: int | str = 0,
        **part_parameters: Any,
    ) -> None:
        super().__init__(
            model=model,
            loss=loss,
            optimizer=optimizer,
            metrics=metrics,
            epochs=epochs,
            batch_size=batch_size,
            shuffle=shuffle,
            callbacks=callbacks,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            n_iter_no_change=n_iter_no_change,
            tol=tol,
            random_state=random_state,
            warm_start=warm_start,
            verbose=verbose,
            part_parameters=part_parameters,
        )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
