"""Multilayer perceptrons with the parameters of ``sklearn.neural_network``."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable
from typing import Any, ClassVar, Final

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier as _TheirClassifier
from sklearn.neural_network import MLPRegressor as _TheirRegressor
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if

from nervure import dtypes, ops
from nervure.array import Array
from nervure.callbacks import Callback
from nervure.dtypes import DType
from nervure.errors import DataError
from nervure.initializers import RandomUniform
from nervure.ir.attrs import NDArray
from nervure.layers import Dense
from nervure.losses import BinaryCrossentropy, Loss, SparseCategoricalCrossentropy
from nervure.models import Model, Sequential
from nervure.optimizers import SGD, Adam
from nervure.sklearn import lbfgs
from nervure.sklearn.base import (
    Facts,
    NetworkClassifier,
    NetworkRegressor,
    TrainingRows,
    batch_rows,
)
from nervure.sklearn.penalty import Penalty
from nervure.sklearn.stopping import Patience, StoppingEstimator
from nervure.sklearn.targets import ClassTargets
from nervure.train.targets import Kind

__all__ = ["MLPClassifier", "MLPRegressor"]

AUTOMATIC_BATCH: Final = 200
_SMALLEST_RATE: Final = 1e-6
# scikit-learn's names of activations, and ours.
_ACTIVATIONS: Final = {
    "identity": "linear",
    "logistic": "sigmoid",
    "tanh": "tanh",
    "relu": "relu",
}


def _is_stochastic(estimator: Any) -> bool:
    if estimator.solver in ("sgd", "adam"):
        return True
    raise AttributeError(
        f"partial_fit needs the solver 'sgd' or 'adam', not {estimator.solver!r}"
    )


class _Perceptron(StoppingEstimator):
    """What the classifier and the regressor share."""

    def __init__(
        self,
        hidden_layer_sizes: int | Iterable[int],
        activation: str,
        solver: str,
        alpha: float,
        batch_size: int | str,
        learning_rate: str,
        learning_rate_init: float,
        power_t: float,
        max_iter: int,
        shuffle: bool,
        random_state: Any,
        tol: float,
        verbose: bool | int,
        warm_start: bool,
        momentum: float,
        nesterovs_momentum: bool,
        early_stopping: bool,
        validation_fraction: float,
        beta_1: float,
        beta_2: float,
        epsilon: float,
        n_iter_no_change: float,
        max_fun: int,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun

    # --- what a subclass defines -----------------------------------------------------

    def _output_activation(self, facts: Facts) -> str:
        raise NotImplementedError

    def _output_units(self, facts: Facts) -> int:
        raise NotImplementedError

    def _loss(self, facts: Facts) -> Loss:
        raise NotImplementedError

    # --- the network -----------------------------------------------------------------

    def _check_parameters(self) -> None:
        self._validate_params()
        for width in self._widths():
            if width < 1:
                raise ValueError(
                    f"hidden_layer_sizes must be > 0, got {list(self._widths())}"
                )

    def _widths(self) -> tuple[int, ...]:
        sizes = self.hidden_layer_sizes
        return tuple(sizes) if isinstance(sizes, Iterable) else (sizes,)

    def _input_dtype(self) -> DType:
        # A line search compares losses that differ in digits that float32 lacks.
        return dtypes.float64 if self.solver == "lbfgs" else dtypes.float32

    def _make_network(self, facts: Facts) -> Model:
        dtype = self._input_dtype()
        penalty = Penalty(dtype) if self.alpha else None
        widths = [facts.n_features_in_, *self._widths(), self._output_units(facts)]
        names = [_ACTIVATIONS[self.activation]] * (len(widths) - 2)
        names.append(self._output_activation(facts))
        model = Sequential(dtype=dtype)
        for fan_in, fan_out, name in zip(widths, widths[1:], names, strict=False):
            # Glorot and Bengio 2010, for the bias as well, as scikit-learn does it.
            factor = 2.0 if self.activation == "logistic" else 6.0
            bound = math.sqrt(factor / (fan_in + fan_out))
            model.add(
                Dense(
                    int(fan_out),
                    activation=name,
                    kernel_initializer=RandomUniform(-bound, bound),
                    bias_initializer=RandomUniform(-bound, bound),
                    kernel_regularizer=penalty,
                    input_shape=(int(fan_in),),
                    dtype=dtype,
                )
            )
        model.compile(self._optimizer(), self._loss(facts))
        return model

    def _optimizer(self) -> Any:
        rate = self.learning_rate_init
        if self.solver == "sgd":
            return SGD(rate, self.momentum, self.nesterovs_momentum)
        return Adam(rate, self.beta_1, self.beta_2, self.epsilon)

    # --- training --------------------------------------------------------------------

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """Train on data.

        Parameters
        ----------
        X
            ``[rows, features]``: an array, a DataFrame or a sparse matrix.
        y
            The targets.
        sample_weight
            A weight for each row; only their proportions matter.

        Returns
        -------
        The estimator.

        Raises
        ------
        ValueError
            For parameters and data that cannot be used, before anything is computed.
        """
        continuing = bool(self.warm_start) and self.__sklearn_is_fitted__()
        if continuing:
            self.model_.optimizer.learning_rate = self.learning_rate_init
        return self._train(X, y, sample_weight, continuing=continuing)

    def _partial_fit(self, X: Any, y: Any, weights: Any, classes: Any = None) -> Any:
        if self.early_stopping:
            raise ValueError("partial_fit does not support early_stopping=True")
        return self._train(
            X,
            y,
            weights,
            continuing=self.__sklearn_is_fitted__(),
            classes=classes,
            epochs=1,
        )

    def _batch_limit(self) -> int:
        if isinstance(self.batch_size, str):
            return AUTOMATIC_BATCH
        return batch_rows(self.batch_size)

    def _fit_arguments(self) -> dict[str, Any]:
        return {"epochs": self.max_iter, "verbose": 0, "shuffle": self.shuffle}

    def _begin(self, x: NDArray, y: NDArray, classes: Any) -> None:
        super()._begin(x, y, classes)
        self.n_layers_ = len(self._widths()) + 2
        self.n_outputs_ = self._output_units(self._facts)
        self.out_activation_ = {"sigmoid": "logistic", "linear": "identity"}.get(
            name := self._output_activation(self._facts), name
        )
        self.t_ = 0
        self.loss_curve_: list[float] = []

    def _fit_network(self, data: TrainingRows, arguments: dict[str, Any]) -> None:
        whole = arguments["batch_size"] if self.solver != "lbfgs" else len(data.x)
        if self.alpha:
            penalty = self.model_.layers[0].kernel_regularizer
            penalty.set(0.5 * self.alpha / whole)
        if self.solver == "lbfgs":
            self._minimize(data)
            return
        rows = len(data.x)
        if self.early_stopping:
            super()._fit_network(data, arguments)
            rows -= math.ceil(self.validation_fraction * rows)
            self.best_loss_ = None
        else:
            watch = Patience(
                lambda logs: -logs["loss"],
                tolerance=self.tol,
                epochs=self.n_iter_no_change,
                keep_best=False,
                instead=self._slowed,
            )
            self._watched(watch, data, arguments)
            self.best_loss_ = -watch.best
            self.validation_scores_ = self.best_validation_score_ = None
        self.t_ += rows * self.n_iter_
        self.loss_curve_ = [*self.loss_curve_, *self.history_["loss"]]
        self.loss_ = self.loss_curve_[-1]
        unfinished = self.n_iter_ == self.max_iter and not self.model_.stop_training
        if unfinished and arguments["epochs"] == self.max_iter > 1:
            _warn_unfinished(self.max_iter)

    def _watched(
        self, watch: Callback, data: TrainingRows, arguments: dict[str, Any]
    ) -> None:
        follower = _Follower(self, len(data.x))
        listed = [*(arguments.get("callbacks") or ()), follower]
        super()._watched(watch, data, {**arguments, "callbacks": listed})

    def _slowed(self) -> bool:
        """Take a fifth of an adaptive rate; return whether it was not at its end."""
        if self.solver != "sgd" or self.learning_rate != "adaptive":
            return False
        optimizer = self.model_.optimizer
        rate = float(optimizer.learning_rate)
        if rate <= _SMALLEST_RATE:
            return False
        optimizer.learning_rate = rate / 5
        return True

    def _minimize(self, data: TrainingRows) -> None:
        self.n_iter_, losses = lbfgs.minimize(
            self.model_,
            data.x,
            data.encoded,
            data.scaled_weights,
            max_iterations=self.max_iter,
            max_calls=self.max_fun,
            tolerance=self.tol,
        )
        self.loss_ = losses[-1]
        self.loss_curve_ = [*self.loss_curve_, *losses]
        self.history_ = {"loss": losses}

    # --- what was learnt -------------------------------------------------------------

    @property
    def coefs_(self) -> list[NDArray]:
        """The kernel of each layer, ``float32[fan_in, fan_out]``."""
        return [layer.kernel.numpy() for layer in self.model_.layers]

    @property
    def intercepts_(self) -> list[NDArray]:
        """The bias of each layer, ``float32[fan_out]``."""
        return [layer.bias.numpy() for layer in self.model_.layers]


class _Follower(Callback):
    """Lets the rate follow its schedule, and prints what scikit-learn prints."""

    def __init__(self, estimator: _Perceptron, rows: int) -> None:
        self._estimator = estimator
        self._rows = rows

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Print the loss and change the rate."""
        one = self._estimator
        if one.verbose:
            loss = (logs or {})["loss"]
            print(f"Iteration {epoch + 1}, loss = {loss:.8f}")
        if one.solver == "sgd" and one.learning_rate == "invscaling":
            seen = one.t_ + self._rows * (epoch + 1)
            rate = one.learning_rate_init / (seen + 1) ** one.power_t
            one.model_.optimizer.learning_rate = rate


def _warn_unfinished(iterations: int) -> None:
    warnings.warn(
        f"Stochastic Optimizer: Maximum iterations ({iterations}) reached and the "
        "optimization hasn't converged yet.",
        ConvergenceWarning,
        stacklevel=5,
    )


# --- losses --------------------------------------------------------------------------


class _SummedCrossentropy(BinaryCrossentropy):
    """The binary cross-entropy, summed over the labels of a row."""

    def call(self, y_true: Array, y_pred: Array) -> Array:
        return super().call(y_true, y_pred) * y_pred.shape[-1]


class _HalfSquares(Loss):
    """Half the squared error, summed over the numbers of a row."""

    def call(self, y_true: Array, y_pred: Array) -> Array:
        difference = y_pred - y_true
        return 0.5 * ops.sum(difference * difference, axis=-1)


class _HalfPoissonDeviance(Loss):
    """``y log(y / p) - y + p``, summed over the numbers of a row."""

    def call(self, y_true: Array, y_pred: Array) -> Array:
        positive = ops.where(y_true > 0, y_true, 1.0)
        terms = y_true * (ops.log(positive) - ops.log(y_pred)) - y_true + y_pred
        return ops.sum(terms, axis=-1)


# --- the estimators ------------------------------------------------------------------


class MLPClassifier(NetworkClassifier, _Perceptron):
    """A multilayer perceptron that tells classes apart.

    It takes the parameters of :class:`sklearn.neural_network.MLPClassifier`, does what
    that does, and is faster.  It also takes ``class_weight``.  With ``y`` of shape
    ``[rows, labels]`` each row may have several labels.

    Parameters
    ----------
    hidden_layer_sizes
        The number of units of each hidden layer, or of the only one.
    activation
        Of the hidden layers: "identity", "logistic", "tanh" or "relu".
    solver
        "adam", "sgd" or "lbfgs"; the last computes in float64, the others in float32.
    alpha
        The L2 penalty: half of it, divided by the rows of a batch, times the sum of the
        squares of all kernels is added to the loss.
    batch_size
        The rows of a training step; "auto" is 200, or all rows if there are fewer.
    learning_rate
        For "sgd": "constant", "invscaling" (the first rate divided by the rows seen to
        the power ``power_t``) or "adaptive" (a fifth whenever the loss stalls).
    learning_rate_init, power_t, momentum, nesterovs_momentum, beta_1, beta_2, epsilon
        What the solvers need.
    max_iter, max_fun
        The most epochs; for "lbfgs" the most iterations and evaluations of the loss.
    shuffle
        Whether each epoch has another order of the rows.
    random_state
        A whole number makes each fit the same; None draws from NumPy's generator.
    tol, n_iter_no_change
        Training ends when for more than so many epochs the loss has not become better
        by ``tol``; with ``early_stopping``, the score of the rows held out.
    verbose
        Whether the loss of each epoch is printed.
    warm_start
        Whether ``fit`` goes on with what was learnt before.
    early_stopping, validation_fraction
        Whether a share of the rows is held out, so that training ends, and goes back to
        its best epoch, when they are not predicted better any more.
    class_weight
        A dict from label to weight, or "balanced".

    Attributes
    ----------
    classes_
        The labels, sorted.
    coefs_, intercepts_
        The kernel and the bias of each layer.
    loss_, loss_curve_, best_loss_
        The last loss, that of each epoch, and the least.
    validation_scores_, best_validation_score_
        What ``early_stopping`` measured after each epoch, and the best of it.
    n_iter_, t_, n_layers_, n_outputs_, out_activation_, n_features_in_
        As in scikit-learn.
    model_
        The trained :class:`~nervure.models.Model`.

    >>> from sklearn.datasets import load_iris
    >>> from nervure.sklearn import MLPClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> classifier = MLPClassifier((16,), solver="lbfgs", random_state=0).fit(X, y)
    >>> classifier.score(X, y) > 0.95
    True
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **_TheirClassifier._parameter_constraints,
        "class_weight": [dict, StrOptions({"balanced"}), None],
    }

    def __init__(
        self,
        hidden_layer_sizes: int | Iterable[int] = (100,),
        activation: str = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool | int = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        class_weight: Any = None,
    ) -> None:
        super().__init__(
            hidden_layer_sizes=hidden_layer_sizes,
            activation=activation,
            solver=solver,
            alpha=alpha,
            batch_size=batch_size,
            learning_rate=learning_rate,
            learning_rate_init=learning_rate_init,
            power_t=power_t,
            max_iter=max_iter,
            shuffle=shuffle,
            random_state=random_state,
            tol=tol,
            verbose=verbose,
            warm_start=warm_start,
            momentum=momentum,
            nesterovs_momentum=nesterovs_momentum,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            beta_1=beta_1,
            beta_2=beta_2,
            epsilon=epsilon,
            n_iter_no_change=n_iter_no_change,
            max_fun=max_fun,
        )
        self.class_weight = class_weight

    def _new_targets(self, y: NDArray, classes: Any) -> ClassTargets:
        targets = ClassTargets(y, classes=classes)
        if targets.form == "one-hot":
            targets.form = "multilabel"
        return targets

    def _output_activation(self, facts: Facts) -> str:
        return "softmax" if self._is_multiclass(facts) else "sigmoid"

    def _output_units(self, facts: Facts) -> int:
        several = facts.target_type_ == "multilabel" or facts.n_classes_ > 2
        return facts.n_classes_ if several else 1

    def _is_multiclass(self, facts: Facts) -> bool:
        return facts.target_type_ == "labels" and facts.n_classes_ > 2

    def _loss(self, facts: Facts) -> Loss:
        dtype = self._input_dtype()
        if self._is_multiclass(facts):
            return SparseCategoricalCrossentropy(dtype=dtype)
        return _SummedCrossentropy(dtype=dtype)

    def _kind(self) -> Kind:
        return Kind.LABELS if self._is_multiclass(self._facts) else Kind.BINARY

    def _encoded(self, y: NDArray) -> NDArray:
        encoded = super()._encoded(y)
        if self._is_multiclass(self._facts):
            return encoded
        return encoded.reshape(len(y), -1).astype(np.float32)

    @available_if(_is_stochastic)
    def partial_fit(
        self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None
    ) -> Any:
        """Train one epoch more on data, without forgetting what was learnt before.

        ``classes`` names all labels, for a first call whose ``y`` lacks some.
        """
        return self._partial_fit(X, y, sample_weight, classes)

    def predict_log_proba(self, X: Any) -> NDArray:
        """Return the logarithm of :meth:`predict_proba`."""
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


class MLPRegressor(NetworkRegressor, _Perceptron):
    """A multilayer perceptron that predicts numbers.

    It takes the parameters of :class:`sklearn.neural_network.MLPRegressor`, does what
    that does, and is faster.  With ``y`` of shape ``[rows, outputs]`` it predicts
    several numbers for each row.

    Parameters
    ----------
    loss
        "squared_error" (half of it), or "poisson" (half the Poisson deviance; the
        output is an exponential).
    hidden_layer_sizes
        The number of units of each hidden layer, or of the only one.
    activation
        Of the hidden layers: "identity", "logistic", "tanh" or "relu".
    solver
        "adam", "sgd" or "lbfgs"; the last computes in float64, the others in float32.
    alpha
        The L2 penalty: half of it, divided by the rows of a batch, times the sum of the
        squares of all kernels is added to the loss.
    batch_size
        The rows of a training step; "auto" is 200, or all rows if there are fewer.
    learning_rate
        For "sgd": "constant", "invscaling" (the first rate divided by the rows seen to
        the power ``power_t``) or "adaptive" (a fifth whenever the loss stalls).
    learning_rate_init, power_t, momentum, nesterovs_momentum, beta_1, beta_2, epsilon
        What the solvers need.
    max_iter, max_fun
        The most epochs; for "lbfgs" the most iterations and evaluations of the loss.
    shuffle
        Whether each epoch has another order of the rows.
    random_state
        A whole number makes each fit the same; None draws from NumPy's generator.
    tol, n_iter_no_change
        Training ends when for more than so many epochs the loss has not become better
        by ``tol``; with ``early_stopping``, the score of the rows held out.
    verbose
        Whether the loss of each epoch is printed.
    warm_start
        Whether ``fit`` goes on with what was learnt before.
    early_stopping, validation_fraction
        Whether a share of the rows is held out, so that training ends, and goes back to
        its best epoch, when they are not predicted better any more.

    Attributes
    ----------
    coefs_, intercepts_
        The kernel and the bias of each layer.
    loss_, loss_curve_, best_loss_
        The last loss, that of each epoch, and the least.
    validation_scores_, best_validation_score_
        What ``early_stopping`` measured after each epoch, and the best of it.
    n_iter_, t_, n_layers_, n_outputs_, out_activation_, n_features_in_
        As in scikit-learn.
    model_
        The trained :class:`~nervure.models.Model`.

    >>> import numpy as np
    >>> from nervure.sklearn import MLPRegressor
    >>> X = np.linspace(-1, 1, 50).reshape(-1, 1)
    >>> regressor = MLPRegressor((16,), solver="lbfgs", random_state=0)
    >>> regressor.fit(X, X.ravel() ** 2).score(X, X.ravel() ** 2) > 0.99
    True
    """

    _parameter_constraints: ClassVar = _TheirRegressor._parameter_constraints

    def __init__(
        self,
        loss: str = "squared_error",
        hidden_layer_sizes: int | Iterable[int] = (100,),
        activation: str = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool | int = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
    ) -> None:
        super().__init__(
            hidden_layer_sizes=hidden_layer_sizes,
            activation=activation,
            solver=solver,
            alpha=alpha,
            batch_size=batch_size,
            learning_rate=learning_rate,
            learning_rate_init=learning_rate_init,
            power_t=power_t,
            max_iter=max_iter,
            shuffle=shuffle,
            random_state=random_state,
            tol=tol,
            verbose=verbose,
            warm_start=warm_start,
            momentum=momentum,
            nesterovs_momentum=nesterovs_momentum,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            beta_1=beta_1,
            beta_2=beta_2,
            epsilon=epsilon,
            n_iter_no_change=n_iter_no_change,
            max_fun=max_fun,
        )
        self.loss = loss

    def _output_activation(self, facts: Facts) -> str:
        return "exponential" if self.loss == "poisson" else "linear"

    def _output_units(self, facts: Facts) -> int:
        return facts.n_outputs_

    def _loss(self, facts: Facts) -> Loss:
        make = _HalfPoissonDeviance if self.loss == "poisson" else _HalfSquares
        return make(dtype=self._input_dtype())

    def _encoded(self, y: NDArray) -> NDArray:
        encoded = super()._encoded(y).reshape(len(y), -1)
        if self.loss == "poisson" and (encoded < 0).any():
            raise DataError(
                "the loss 'poisson' is for counts, which are not negative; y holds "
                f"{encoded.min()}"
            )
        return encoded.astype(self._input_dtype())

    @available_if(_is_stochastic)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """Train one epoch more on data, without forgetting what was learnt before."""
        return self._partial_fit(X, y, sample_weight)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
