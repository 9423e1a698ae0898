"""scikit-learn's own checks of estimators, on every estimator of nervure.sklearn."""

from __future__ import annotations

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from nervure.layers import Dense
from nervure.sklearn import (
    ConvClassifier,
    MLPClassifier,
    MLPRegressor,
    NeuralClassifier,
    NeuralRegressor,
    NeuralTransformer,
)


def network(n_classes_, target_type_, units=16):
    output = "sigmoid" if target_type_ == "multilabel" else "softmax"
    return [Dense(units, activation="relu"), Dense(n_classes_, activation=output)]


ESTIMATORS = [
    MLPClassifier(),
    MLPClassifier(solver="sgd", learning_rate="adaptive", learning_rate_init=0.1),
    MLPClassifier(solver="lbfgs", max_iter=50),
    MLPRegressor(),
    MLPRegressor(solver="lbfgs", max_iter=50),
    NeuralClassifier(),
    NeuralClassifier(network, epochs=80, model__units=24, optimizer__beta_1=0.8),
    ConvClassifier(),
    NeuralRegressor(),
    NeuralTransformer(epochs=20),
    NeuralTransformer(epochs=20, target="classes"),
]


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
@parametrize_with_checks(ESTIMATORS)
def test_scikit_learn_check(estimator, check) -> None:
    check(estimator)
