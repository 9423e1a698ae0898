"""What all estimators share: from data to a trained network, and to predictions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final, NamedTuple

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from nervure import dtypes, random
from nervure.dtypes import DType
from nervure.errors import DataError, explain
from nervure.ir.attrs import NDArray
from nervure.models import Model
from nervure.sklearn import rows
from nervure.sklearn.parameters import ParameterNames
from nervure.sklearn.state import NetworkState, built_for
from nervure.sklearn.targets import ClassTargets, NumberTargets, as_targets
from nervure.train.checks import batch_size
from nervure.train.targets import Kind, kind_of

# Rows that are predicted in one call, unless a batch is larger.
PREDICTED_ROWS: Final = 1024
# So many rows are predicted at least, the missing ones being copies: with programs of
# one size, a row's prediction does not depend on how many others are asked for.
LEAST_ROWS: Final = 32
_SEEDS: Final = 2**31 - 1


class Facts(NamedTuple):
    """What data tell about the network for them, named as scikit-learn does it.

    Attributes
    ----------
    X_shape_
        The shape of one row's features.
    n_features_in_
        The first number of it: the number of columns of a table.
    n_classes_
        The number of classes; 0 for a regressor.
    n_outputs_
        How many numbers a regressor returns for a row; 1 for a classifier.
    target_type_
        "labels", "one-hot", "multilabel" or "numbers".
    """

    X_shape_: tuple[int, ...]
    n_features_in_: int
    n_classes_: int
    n_outputs_: int
    target_type_: str


class TrainingRows(NamedTuple):
    """The rows of a training.

    Attributes
    ----------
    x
        ``[rows, *features]``
    y, encoded
        The targets as the user has them, and as the loss takes them.
    weights
        ``float64[rows]`` or None.
    """

    x: NDArray
    y: NDArray
    encoded: NDArray
    weights: NDArray | None

    def chosen(self, places: NDArray) -> TrainingRows:
        """Return some of the rows."""
        weights = None if self.weights is None else self.weights[places]
        return TrainingRows(
            self.x[places], self.y[places], self.encoded[places], weights
        )

    @property
    def scaled_weights(self) -> NDArray | None:
        """The weights as the loss takes them: 1 in the mean."""
        return None if self.weights is None else rows.with_mean_one(self.weights)


class NetworkEstimator(ParameterNames):
    """The base of the estimators: reads data, trains a network, keeps it.

    A subclass makes the compiled network from the facts (:meth:`_make_network`) and
    says how it is trained (:meth:`_fit_arguments`).
    """

    # How scikit-learn's validation reads targets.
    _y_options: ClassVar[dict[str, bool]] = {"multi_output": True}
    _targets: Any
    _facts: Facts
    _state: NetworkState
    _units: int  # of the network's output

    # --- what a subclass defines -----------------------------------------------------

    def _make_network(self, facts: Facts) -> Model:
        """Return a compiled model; random numbers come from a seeded generator."""
        raise NotImplementedError(f"{type(self).__name__} makes no network")

    def _fit_arguments(self) -> dict[str, Any]:
        """Return the arguments of ``Model.fit`` besides data and batch size."""
        raise NotImplementedError(f"{type(self).__name__} does not say how to train")

    def _batch_limit(self) -> int:
        """Return the most rows of a training step."""
        return batch_size(self.batch_size)

    def _check_parameters(self) -> None:
        """Raise :class:`ValueError` for a parameter that cannot be used."""

    def _new_targets(self, y: NDArray, classes: Any) -> Any:
        """Return what the targets are, from those of the first training."""
        raise NotImplementedError(f"{type(self).__name__} has no targets")

    def _encoded(self, y: NDArray) -> NDArray:
        """Return targets as the network's loss takes them."""
        raise NotImplementedError(f"{type(self).__name__} has no targets")

    def _input_dtype(self) -> DType:
        """Return the type in which features are computed."""
        return dtypes.float32

    # --- training --------------------------------------------------------------------

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """Train a new network, or the one there is with ``warm_start``.

        Parameters
        ----------
        X
            ``[rows, *features]``: an array, a DataFrame or a sparse matrix.
        y
            The targets.
        sample_weight
            A weight for each row; only their proportions matter.

        Returns
        -------
        The estimator.
        """
        continuing = bool(self.warm_start) and self.__sklearn_is_fitted__()
        return self._train(X, y, sample_weight, continuing=continuing)

    def _train(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        *,
        continuing: bool = False,
        classes: Any = None,
        **fit_arguments: Any,
    ) -> Any:
        """Train the network on data, a new one unless ``continuing``."""
        self._check_parameters()
        x, targets = self._read(X, y, reset=not continuing)
        weights = rows.read_weights(sample_weight, x)
        generator = (
            self._generator if continuing else check_random_state(self.random_state)
        )
        with random.seeded(int(generator.randint(_SEEDS))):
            if not continuing:
                self._begin(x, targets, classes)
            self._generator = generator
            arguments = {**self._fit_arguments(), **fit_arguments}
            self._run(x, targets, weights, arguments)
        return self

    def _read(self, X: Any, y: Any, *, reset: bool) -> tuple[NDArray, NDArray]:
        """Return features and targets, checked."""
        x, targets = rows.read_training_data(
            self, X, y, self._input_dtype(), reset=reset, **self._y_options
        )
        return x, as_targets(targets)

    def _begin(self, x: NDArray, y: NDArray, classes: Any) -> None:
        """Make a network for data."""
        targets = self._new_targets(y, classes)
        is_classifier = isinstance(targets, ClassTargets)
        facts = Facts(
            X_shape_=x.shape[1:],
            n_features_in_=x.shape[1],
            n_classes_=targets.count if is_classifier else 0,
            n_outputs_=1 if is_classifier else targets.count,
            target_type_=targets.form if is_classifier else "numbers",
        )
        model = self._make_network(facts)
        self._units = built_for(model, facts.X_shape_)
        self._targets = targets
        self._facts = facts
        self._state = NetworkState(model, type(self), self._snapshot(), facts)

    def _snapshot(self) -> dict[str, Any]:
        """Return the parameters of which the network is made."""
        return self.get_params(deep=False)

    def _run(
        self,
        x: NDArray,
        y: NDArray,
        weights: NDArray | None,
        arguments: Mapping[str, Any],
    ) -> None:
        """Encode the targets, arrange the rows and train the network."""
        limit = self._batch_limit()
        repeated = rows.counted(weights, limit)
        if repeated is not None:
            x, y, weights = x[repeated], y[repeated], None
        encoded = self._encoded(y)
        by_class = self._class_weights(y)
        if by_class is not None:
            weights = by_class if weights is None else weights * by_class
        data = TrainingRows(x, y, encoded, weights)
        # A split by place takes the last rows as they were given.
        if len(x) <= limit and not arguments.get("validation_split"):
            data = data.chosen(rows.canonical_order(x, encoded))
        self._fit_network(data, {**arguments, "batch_size": min(limit, len(x))})

    def _fit_network(self, data: TrainingRows, arguments: dict[str, Any]) -> None:
        """Run the training itself and keep its history."""
        history = self.model_.fit(
            data.x, data.encoded, sample_weight=data.scaled_weights, **arguments
        )
        self.history_ = history.history
        self.n_iter_ = len(history.epoch)

    def _class_weights(self, y: NDArray) -> NDArray | None:
        """Return the weight of each row by its class."""
        return None

    # --- the trained network ---------------------------------------------------------

    @property
    def model_(self) -> Model:
        """The trained :class:`~nervure.models.Model`."""
        return vars(self)["_state"].model if "_state" in vars(self) else _missing(self)

    def __sklearn_is_fitted__(self) -> bool:
        """Tell whether there is a trained network."""
        return "history_" in vars(self)

    def _output(self, X: Any) -> NDArray:
        """Return the network's output for data."""
        check_is_fitted(self)
        x = rows.read_features(self, X, self._input_dtype(), reset=False)
        if x.shape[1:] != self._facts.X_shape_:
            raise DataError(
                explain(
                    f"X has rows of shape {list(x.shape[1:])}, expected those of the "
                    f"training, {list(self._facts.X_shape_)}",
                    fix="arrange the numbers of each row as in the training",
                )
            )
        return self._predicted(x)

    def _predicted(self, x: NDArray) -> NDArray:
        """Return the network's output for checked features."""
        size = max(self._batch_limit(), PREDICTED_ROWS)
        output = self.model_.predict(rows.filled(x, LEAST_ROWS), size, verbose=0)
        return output[: len(x)]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.target_tags.required = True
        return tags


def _missing(estimator: NetworkEstimator) -> Any:
    raise AttributeError(
        f"{type(estimator).__name__} has no model_ before fit() was called"
    )


class NetworkClassifier(ClassifierMixin, NetworkEstimator):
    """The base of the classifiers."""

    classes_: NDArray

    def _new_targets(self, y: NDArray, classes: Any) -> ClassTargets:
        return ClassTargets(y, classes=classes)

    def _begin(self, x: NDArray, y: NDArray, classes: Any) -> None:
        super()._begin(x, y, classes)
        self._targets.settle(self._kind())
        self.classes_ = self._targets.classes

    def _kind(self) -> Kind:
        return kind_of(self.model_.require_compiled("fit").loss)

    def _encoded(self, y: NDArray) -> NDArray:
        encoded: NDArray = self._targets.encoded(y, self._kind(), self._units)
        return encoded

    def _class_weights(self, y: NDArray) -> NDArray | None:
        weights: NDArray | None = self._targets.row_weights(
            getattr(self, "class_weight", None), y
        )
        return weights

    def predict_proba(self, X: Any) -> NDArray:
        """Return the probability of each class, ``float32[rows, classes]``.

        The columns are in the order of ``classes_``.
        """
        output = self._output(X)
        if getattr(self.model_.require_compiled("fit").loss, "from_logits", False):
            output = _as_probabilities(output, self._kind())
        found: NDArray = self._targets.probabilities(output)
        return found

    def predict(self, X: Any) -> NDArray:
        """Return the class of each row, in the form that y had in the training.

        That is a label of ``classes_`` for each row, or rows of zeros and ones.
        """
        probabilities = self.predict_proba(X)
        found: NDArray = self._targets.decoded(probabilities)
        return found

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the share of rows that are classified right.

        Labels are compared with labels also where the training had one-hot rows, and
        the other way round.
        """
        predicted, given = self.predict(X), np.asarray(y)
        if self._targets.form != "multilabel" and given.ndim:
            given = self._places(given)
            predicted = self._places(predicted)
            return float(np.average(given == predicted, weights=sample_weight))
        return float(super().score(X, y, sample_weight))

    def partial_fit(
        self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None
    ) -> Any:
        """Train one epoch more on data, without forgetting what was learnt before.

        ``classes`` names all labels, for a first call whose ``y`` lacks some.
        """
        return self._train(
            X,
            y,
            sample_weight,
            continuing=self.__sklearn_is_fitted__(),
            classes=classes,
            epochs=1,
        )

    def _places(self, labels: NDArray) -> NDArray:
        """Return the number of each row's class; -1 for one that was not learnt."""
        if labels.ndim == 2 and labels.shape[1] > 1:
            return labels.argmax(axis=1)
        flat = labels.reshape(-1)
        classes = self.classes_
        places = np.searchsorted(classes, flat).clip(max=len(classes) - 1)
        return np.where(classes[places] == flat, places, -1)


def _as_probabilities(logits: NDArray, kind: Kind) -> NDArray:
    """Return the probabilities of logits: softmax or logistic function."""
    if kind is Kind.BINARY:
        return (1 / (1 + np.exp(-logits.astype(np.float64)))).astype(logits.dtype)
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)


class NetworkRegressor(RegressorMixin, NetworkEstimator):
    """The base of the regressors."""

    _y_options: ClassVar = {"multi_output": True, "y_numeric": True}

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """Train one epoch more on data, without forgetting what was learnt before."""
        continuing = self.__sklearn_is_fitted__()
        return self._train(X, y, sample_weight, continuing=continuing, epochs=1)

    def _new_targets(self, y: NDArray, classes: Any) -> NumberTargets:
        return NumberTargets(y)

    def _encoded(self, y: NDArray) -> NDArray:
        encoded: NDArray = self._targets.encoded(y)
        return encoded

    def predict(self, X: Any) -> NDArray:
        """Return the numbers of each row, ``float64[rows]`` or ``[rows, outputs]``."""
        output = self._output(X)
        found: NDArray = self._targets.decoded(output)
        return found
