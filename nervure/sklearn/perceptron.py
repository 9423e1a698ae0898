"""What the multilayer perceptrons share: the network, solvers, losses."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable
from typing import Any, Final

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from nervure import dtypes, ops
from nervure.array import Array
from nervure.callbacks import Callback
from nervure.dtypes import DType
from nervure.initializers import RandomUniform
from nervure.ir.attrs import NDArray
from nervure.layers import Dense
from nervure.losses import BinaryCrossentropy, Loss
from nervure.models import Model, Sequential
from nervure.optimizers import SGD, Adam
from nervure.sklearn import lbfgs
from nervure.sklearn.base import (
    Facts,
    TrainingRows,
)
from nervure.sklearn.stopping import Patience, StoppingEstimator
from nervure.state import Cell
from nervure.train.checks import DEFAULT_BATCH_SIZE, whole_number

AUTOMATIC_BATCH: Final = 200
_SMALLEST_RATE: Final = 1e-6
# scikit-learn's names of activations, and ours.
_ACTIVATIONS: Final = {
    "identity": "linear",
    "logistic": "sigmoid",
    "tanh": "tanh",
    "relu": "relu",
}


_THEIR_NAMES: Final = {
    "sigmoid": "logistic",
    "linear": "identity",
    "exponential": "exp",
}


def is_stochastic(estimator: Any) -> bool:
    """Return True for a solver that goes through the data in batches.

    Raises :class:`AttributeError` for another, as ``available_if`` wants it.
    """
    if estimator.solver in ("sgd", "adam"):
        return True
    raise AttributeError(
        f"partial_fit needs the solver 'sgd' or 'adam', not {estimator.solver!r}"
    )


class Perceptron(StoppingEstimator):
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
                    input_shape=(int(fan_in),),
                    dtype=dtype,
                )
            )
        loss = self._loss(facts)
        if self.alpha:
            loss = Penalised(loss, model)
        model.compile(self._optimizer(), loss)
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
        return whole_number(self.batch_size, "batch_size", 1, DEFAULT_BATCH_SIZE)

    def _fit_arguments(self) -> dict[str, Any]:
        return {"epochs": self.max_iter, "verbose": 0, "shuffle": self.shuffle}

    def _begin(self, x: NDArray, y: NDArray, classes: Any) -> None:
        super()._begin(x, y, classes)
        self.n_layers_ = len(self._widths()) + 2
        self.n_outputs_ = self._output_units(self._facts)
        name = self._output_activation(self._facts)
        self.out_activation_ = _THEIR_NAMES.get(name, name)
        self.t_ = 0
        self.loss_curve_: list[float] = []

    def _fit_network(self, data: TrainingRows, arguments: dict[str, Any]) -> None:
        loss = self.model_.loss
        if isinstance(loss, Penalised):
            loss.set(0.5 * self.alpha)
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

    def __init__(self, estimator: Perceptron, rows: int) -> None:
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


class Penalised(Loss):
    """A loss, and the squares of a model's kernels divided by the rows of the batch.

    Their strength is an input of the program, so that networks that differ in it share
    one program.
    """

    def __init__(self, loss: Loss, model: Model) -> None:
        super().__init__(name=loss.name, dtype=loss.dtype)
        self._inner = loss
        self._model = model
        self._strength = Cell(Array.of_value(np.zeros((), loss.dtype)), "penalty")

    def set(self, strength: float) -> None:
        """Choose the strength."""
        value = np.asarray(strength, self.dtype)
        self._strength.store(Array.of_value(value))

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Array:
        """Return the loss of a batch."""
        loss = self._inner(y_true, y_pred, sample_weight)
        strength = self._strength.value / y_pred.shape[0]
        for layer in self._model.layers:
            loss = loss + strength * ops.sum(layer.kernel * layer.kernel)
        return loss


class SummedCrossentropy(BinaryCrossentropy):
    """The binary cross-entropy, summed over the labels of a row."""

    def call(self, y_true: Array, y_pred: Array) -> Array:
        """Return a value for each sample."""
        return super().call(y_true, y_pred) * y_pred.shape[-1]


class HalfSquares(Loss):
    """Half the squared error, summed over the numbers of a row."""

    def call(self, y_true: Array, y_pred: Array) -> Array:
        """Return a value for each sample."""
        difference = y_pred - y_true
        return 0.5 * ops.sum(difference * difference, axis=-1)


class HalfPoissonDeviance(Loss):
    """``y log(y / p) - y + p``, summed over the numbers of a row."""

    def call(self, y_true: Array, y_pred: Array) -> Array:
        """Return a value for each sample."""
        positive = ops.where(y_true > 0, y_true, 1.0)
        terms = y_true * (ops.log(positive) - ops.log(y_pred)) - y_true + y_pred
        return ops.sum(terms, axis=-1)
