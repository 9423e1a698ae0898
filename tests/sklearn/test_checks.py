"""scikit-learn's own checks of estimators, on every estimator of nervure.sklearn."""

from __future__ import annotations

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from nervure.sklearn import MLPClassifier, MLPRegressor

ESTIMATORS = [
    MLPClassifier(),
    MLPClassifier(solver="sgd", learning_rate="adaptive", learning_rate_init=0.1),
    MLPClassifier(solver="lbfgs", max_iter=50),
    MLPRegressor(),
    MLPRegressor(solver="lbfgs", max_iter=50),
]


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
@parametrize_with_checks(ESTIMATORS)
def test_scikit_learn_check(estimator, check) -> None:
    check(estimator)
