"""Multilayer perceptrons with the parameters of ``sklearn.neural_network``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np
from sklearn.neural_network import MLPClassifier as _TheirClassifier
from sklearn.neural_network import MLPRegressor as _TheirRegressor
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if

from nervure.errors import DataError, explain
from nervure.ir.attrs import NDArray
from nervure.losses import Loss, SparseCategoricalCrossentropy
from nervure.sklearn.base import Facts, NetworkClassifier, NetworkRegressor
from nervure.sklearn.perceptron import (
    HalfPoissonDeviance,
    HalfSquares,
    Perceptron,
    SummedCrossentropy,
    is_stochastic,
)
from nervure.sklearn.targets import ClassTargets
from nervure.train.targets import Kind

__all__ = ["MLPClassifier", "MLPRegressor"]


class MLPClassifier(NetworkClassifier, Perceptron):
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
        return SummedCrossentropy(dtype=dtype)

    def _kind(self) -> Kind:
        return Kind.LABELS if self._is_multiclass(self._facts) else Kind.BINARY

    def _encoded(self, y: NDArray) -> NDArray:
        encoded = super()._encoded(y)
        if self._is_multiclass(self._facts):
            return encoded
        return encoded.reshape(len(y), -1).astype(np.float32)

    @available_if(is_stochastic)
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


class MLPRegressor(NetworkRegressor, Perceptron):
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
    >>> regressor = MLPRegressor(solver="lbfgs", max_iter=100, random_state=0)
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
        make = HalfPoissonDeviance if self.loss == "poisson" else HalfSquares
        return make(dtype=self._input_dtype())

    def _encoded(self, y: NDArray) -> NDArray:
        encoded = super()._encoded(y).reshape(len(y), -1)
        if self.loss == "poisson" and (encoded < 0).any():
            raise DataError(
                explain(
                    "the loss 'poisson' is for counts, which are not negative; y holds "
                    f"{encoded.min()}",
                    fix="use loss='squared_error' for targets that may be negative",
                )
            )
        return encoded.astype(self._input_dtype())

    @available_if(is_stochastic)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """Train one epoch more on data, without forgetting what was learnt before."""
        return self._partial_fit(X, y, sample_weight)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
