"""scikit-learn's own checks of estimators, on Keras' wrappers."""

from __future__ import annotations

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from nervure.layers import Dense, Dropout
from nervure.models import Sequential
from nervure.optimizers import Adam
from nervure.wrappers.scikit_learn import KerasClassifier, KerasRegressor


def classifier_network(n_classes_, hidden_size=16):
    model = Sequential(
        [Dense(hidden_size, activation="relu"), Dense(n_classes_, activation="softmax")]
    )
    model.compile(Adam(0.02), "sparse_categorical_crossentropy")
    return model


def regressor_network(n_outputs_, rate=0.0):
    model = Sequential([Dense(16, activation="relu"), Dropout(rate), Dense(n_outputs_)])
    model.compile(Adam(0.02), "mse")
    return model


WRAPPERS = [
    KerasClassifier(classifier_network, epochs=30),
    KerasClassifier(classifier_network, epochs=30, hidden_size=24),
    KerasRegressor(regressor_network, epochs=60),
]


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
@parametrize_with_checks(WRAPPERS)
def test_scikit_learn_check(estimator, check) -> None:
    check(estimator)
