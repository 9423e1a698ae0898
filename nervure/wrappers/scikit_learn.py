"""Keras' wrappers for scikit-learn: a function that returns a model is an estimator.

The names are those of ``keras.wrappers.scikit_learn``; what the estimators do follows
scikit-learn's rules.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nervure.errors import ArgumentError, explain
from nervure.models import Model
from nervure.sklearn.base import (
    Facts,
    NetworkClassifier,
    NetworkEstimator,
    NetworkRegressor,
)
from nervure.sklearn.functions import called_with_facts, function_parameters
from nervure.sklearn.parameters import unknown_parameter

__all__ = ["KerasClassifier", "KerasRegressor"]


class _KerasEstimator(NetworkEstimator):
    """What both wrappers share: the parameters, and calling the function."""

    def __init__(
        self,
        build_fn: Callable[..., Model] | None = None,
        *,
        epochs: int = 1,
        batch_size: int = 32,
        verbose: int | str = 0,
        callbacks: Any = None,
        validation_split: float = 0.0,
        shuffle: bool = True,
        random_state: Any = None,
        warm_start: bool = False,
        **model_parameters: Any,
    ) -> None:
        self.build_fn = build_fn
        self.epochs = epochs
        self.batch_size = batch_size
        self.verbose = verbose
        self.callbacks = callbacks
        self.validation_split = validation_split
        self.shuffle = shuffle
        self.random_state = random_state
        self.warm_start = warm_start
        known = self._function_parameters()
        for name in model_parameters:
            if known is not None and name not in known:
                names = [*self._get_param_names(), *known]
                raise TypeError(unknown_parameter(type(self).__name__, name, names))
        self._routed = model_parameters

    # --- the function ----------------------------------------------------------------

    def _function(self) -> Callable[..., Any]:
        """Return the function that makes the model; a subclass may be one itself."""
        if self.build_fn is None and callable(self):
            own: Callable[..., Any] = self.__call__
            return own
        if not callable(self.build_fn):
            raise ArgumentError(
                explain(
                    f"{type(self).__name__} expects a function that returns a compiled "
                    f"model, got {self.build_fn!r}",
                    fix=f"pass the function itself: {type(self).__name__}(make_model)",
                )
            )
        return self.build_fn

    def _function_parameters(self) -> Mapping[str, Any] | None:
        """Return the function's arguments with their defaults; None if any will do.

        Those that end in an underscore are facts about the data, not parameters.
        """
        function = self.build_fn
        if function is None and callable(self):
            function = self.__call__
        return function_parameters(function)

    def _routed_defaults(self) -> Mapping[str, Any]:
        return self._function_parameters() or {}

    def _make_network(self, facts: Facts) -> Model:
        function = self._function()
        own = self._get_param_names()
        wanted = function_parameters(function) or {}
        shared = {name: getattr(self, name) for name in wanted if name in own}
        model = called_with_facts(function, facts, {**shared, **self._routed})
        if not isinstance(model, Model) or not model.compiled:
            is_model = isinstance(model, Model)
            came = "a model that is not compiled" if is_model else repr(model)
            raise ArgumentError(
                explain(
                    f"the function given to {type(self).__name__} must return a "
                    f"compiled model, got {came}",
                    fix="end it with model.compile(optimizer='adam', loss=...) and "
                    "return model",
                )
            )
        return model

    def _fit_arguments(self) -> dict[str, Any]:
        return {
            "epochs": self.epochs,
            "verbose": self.verbose,
            "callbacks": self.callbacks,
            "validation_split": self.validation_split,
            "shuffle": self.shuffle,
        }

    # --- scikit-learn ----------------------------------------------------------------

    @property
    def model(self) -> Model:
        """The trained model, under the name that it has in Keras."""
        return self.model_


class KerasClassifier(NetworkClassifier, _KerasEstimator):
    """A classifier made of a function that returns a compiled model.

    The function's arguments are parameters of the estimator, beside ``epochs``,
    ``batch_size`` and the others that say how it is trained, so a search may vary them
    all.

    Parameters
    ----------
    build_fn
        The function.  Arguments whose names end in an underscore are facts about the
        data: ``n_features_in_``, ``X_shape_`` (of one row), ``n_classes_``,
        ``n_outputs_``, ``target_type_``.
    epochs, batch_size, verbose, callbacks, validation_split, shuffle
        As for :meth:`nervure.models.Model.fit`; ``verbose`` is 0 by default.
    class_weight
        A dict from label to weight, or "balanced".
    random_state
        A whole number makes weights, shuffling and dropout the same in each fit; None
        draws from NumPy's generator.
    warm_start
        Whether ``fit`` goes on with the model there is.
    model_parameters
        Arguments of the function.

    Attributes
    ----------
    classes_
        The labels, sorted; the columns' numbers if ``y`` has one-hot rows.
    model_, history_
        The trained model, and the numbers of each epoch by name.

    Labels of any type do, and one-hot rows: ``predict`` returns what ``y`` held.  The
    loss decides what the model is given: ``"sparse_categorical_crossentropy"``,
    ``"categorical_crossentropy"``, or ``"binary_crossentropy"``, with which columns of
    zeros and ones are labels that do not exclude each other.

    >>> import nervure as nv
    >>> from nervure.wrappers.scikit_learn import KerasClassifier
    >>> def make_model(n_classes_, hidden_size=8):
    ...     model = nv.models.Sequential([
    ...         nv.layers.Dense(hidden_size, activation="relu"),
    ...         nv.layers.Dense(n_classes_, activation="softmax"),
    ...     ])
    ...     model.compile("adam", "sparse_categorical_crossentropy")
    ...     return model
    >>> classifier = KerasClassifier(make_model, epochs=2, hidden_size=4)
    >>> X, y = [[0.0], [1.0], [2.0]], ["low", "high", "high"]
    >>> classifier.fit(X, y).predict_proba(X).shape
    (3, 2)
    """

    def __init__(
        self,
        build_fn: Callable[..., Model] | None = None,
        *,
        epochs: int = 1,
        batch_size: int = 32,
        verbose: int | str = 0,
        callbacks: Any = None,
        validation_split: float = 0.0,
        shuffle: bool = True,
        class_weight: Any = None,
        random_state: Any = None,
        warm_start: bool = False,
        **model_parameters: Any,
    ) -> None:
        super().__init__(
            build_fn,
            epochs=epochs,
            batch_size=batch_size,
            verbose=verbose,
            callbacks=callbacks,
            validation_split=validation_split,
            shuffle=shuffle,
            random_state=random_state,
            warm_start=warm_start,
            **model_parameters,
        )
        self.class_weight = class_weight


class KerasRegressor(NetworkRegressor, _KerasEstimator):
    """A regressor made of a function that returns a compiled model.

    The function's arguments are parameters of the estimator; see
    :class:`KerasClassifier`.

    Parameters
    ----------
    build_fn
        The function.  Arguments whose names end in an underscore are facts about the
        data: ``n_features_in_``, ``X_shape_`` (of one row), ``n_classes_``,
        ``n_outputs_``, ``target_type_``.
    epochs, batch_size, verbose, callbacks, validation_split, shuffle
        As for :meth:`nervure.models.Model.fit`; ``verbose`` is 0 by default.
    random_state, warm_start, model_parameters
        As for :class:`KerasClassifier`.

    Attributes
    ----------
    model_, history_
        The trained model, and the numbers of each epoch by name.

    >>> import nervure as nv
    >>> from nervure.wrappers.scikit_learn import KerasRegressor
    >>> def make_model():
    ...     model = nv.models.Sequential([nv.layers.Dense(1)])
    ...     model.compile("sgd", "mse")
    ...     return model
    >>> X, y = [[0.0], [1.0], [2.0]], [0.0, 2.0, 4.0]
    >>> regressor = KerasRegressor(make_model, epochs=300).fit(X, y)
    >>> regressor.predict([[3.0]]).round().tolist()
    [6.0]
    """

    def __init__(
        self,
        build_fn: Callable[..., Model] | None = None,
        *,
        epochs: int = 1,
        batch_size: int = 32,
        verbose: int | str = 0,
        callbacks: Any = None,
        validation_split: float = 0.0,
        shuffle: bool = True,
        random_state: Any = None,
        warm_start: bool = False,
        **model_parameters: Any,
    ) -> None:
        super().__init__(
            build_fn,
            epochs=epochs,
            batch_size=batch_size,
            verbose=verbose,
            callbacks=callbacks,
            validation_split=validation_split,
            shuffle=shuffle,
            random_state=random_state,
            warm_start=warm_start,
            **model_parameters,
        )
