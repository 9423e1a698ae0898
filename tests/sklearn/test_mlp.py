"""MLPClassifier and MLPRegressor against those of scikit-learn."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pytest
from scipy import sparse
from sklearn import neural_network
from sklearn.datasets import load_digits, make_multilabel_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import minmax_scale

from nervure.sklearn import MLPClassifier, MLPRegressor

DIGITS, LABELS = load_digits(return_X_y=True)
X, Y = minmax_scale(DIGITS)[:600].astype(np.float32), LABELS[:600]

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def parameters(cls):
    return cls().get_params()


@pytest.mark.parametrize(
    "ours, theirs, own",
    [
        (MLPClassifier, neural_network.MLPClassifier, {"class_weight"}),
        (MLPRegressor, neural_network.MLPRegressor, set()),
    ],
)
def test_parameters_and_defaults_are_scikit_learns(ours, theirs, own) -> None:
    assert {**parameters(theirs), **dict.fromkeys(own)} == parameters(ours)


class Ours(MLPClassifier):
    """Remembers the weights with which it starts."""

    def _begin(self, *arguments):
        super()._begin(*arguments)
        self.start = [*zip(self.coefs_, self.intercepts_)]


class Theirs(neural_network.MLPClassifier):
    """Starts with given weights."""

    def _init_coef(self, fan_in, fan_out, dtype):
        coefficients, intercepts = self.start.pop(0)
        assert coefficients.shape == (fan_in, fan_out)
        return coefficients.astype(dtype), intercepts.astype(dtype)


@pytest.mark.parametrize(
    "options",
    [
        {"solver": "sgd", "momentum": 0.0, "learning_rate_init": 0.5},
        {"solver": "sgd", "momentum": 0.9, "learning_rate_init": 0.1},
        {"solver": "sgd", "nesterovs_momentum": False, "learning_rate_init": 0.1},
        {"solver": "sgd", "learning_rate": "invscaling", "learning_rate_init": 2.0},
        {"solver": "adam", "alpha": 1.0, "activation": "tanh"},
        {"solver": "adam", "activation": "logistic", "learning_rate_init": 0.01},
    ],
    ids=str,
)
@pytest.mark.parametrize("classes", [2, 10])
def test_training_follows_scikit_learns(options, classes) -> None:
    """The same weights, batches and rates give the same losses, epoch for epoch."""
    x, y = X[classes > Y].astype(np.float64), Y[classes > Y]
    common = {"hidden_layer_sizes": (12,), "shuffle": False, "batch_size": 40}
    common |= {"random_state": 0, "tol": 0, **options}
    ours = Ours(max_iter=6, **common).fit(x, y)
    theirs = Theirs(max_iter=6, **common)
    theirs.start = ours.start
    theirs.fit(x, y)
    np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=2e-3)
    np.testing.assert_allclose(
        ours.predict_proba(x), theirs.predict_proba(x), atol=5e-3
    )
    for mine, other in zip(ours.coefs_, theirs.coefs_, strict=True):
        np.testing.assert_allclose(mine, other, atol=5e-3)


def test_lbfgs_finds_a_minimum_as_low() -> None:
    options = {"solver": "lbfgs", "alpha": 1.0, "max_iter": 300, "random_state": 1}
    ours = MLPRegressor(hidden_layer_sizes=(8,), **options)
    theirs = neural_network.MLPRegressor(hidden_layer_sizes=(8,), **options)
    y = X.sum(axis=1) / 20
    ours.fit(X, y)
    theirs.fit(X, y)
    assert ours.loss_ == pytest.approx(theirs.loss_, rel=0.1)
    assert ours.score(X, y) > 0.98
    assert ours.loss_curve_ == sorted(ours.loss_curve_, reverse=True)


def test_accuracy_is_scikit_learns() -> None:
    train, test = slice(0, 450), slice(450, None)
    options = {"hidden_layer_sizes": (32,), "max_iter": 60, "random_state": 0}
    ours = MLPClassifier(**options).fit(X[train], Y[train])
    theirs = neural_network.MLPClassifier(**options).fit(X[train], Y[train])
    difference = ours.score(X[test], Y[test]) - theirs.score(X[test], Y[test])
    assert difference > -0.03
    assert ours.out_activation_ == theirs.out_activation_ == "softmax"
    assert ours.n_layers_ == theirs.n_layers_
    assert ours.n_outputs_ == theirs.n_outputs_
    assert ours.t_ == theirs.t_
    assert [one.shape for one in ours.coefs_] == [one.shape for one in theirs.coefs_]


def test_early_stopping_goes_back_to_the_best_epoch() -> None:
    one = MLPClassifier(
        (32,),
        early_stopping=True,
        n_iter_no_change=3,
        max_iter=200,
        learning_rate_init=0.02,
        random_state=0,
    ).fit(X, Y)
    assert one.n_iter_ < 200
    assert len(one.validation_scores_) == one.n_iter_
    assert one.best_validation_score_ == max(one.validation_scores_) > 0.85
    assert max(one.validation_scores_[-4:]) <= one.best_validation_score_


def test_training_that_does_not_end_warns() -> None:
    with pytest.warns(ConvergenceWarning, match=r"Maximum iterations \(2\)"):
        MLPClassifier((4,), max_iter=2).fit(X, Y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        MLPClassifier((4,), max_iter=300, tol=10.0).fit(X, Y)


def test_verbose_prints_what_scikit_learn_prints(capsys) -> None:
    one = MLPClassifier((4,), max_iter=2, verbose=True).fit(X, Y)
    assert capsys.readouterr().out.splitlines() == [
        f"Iteration {place}, loss = {loss:.8f}"
        for place, loss in enumerate(one.loss_curve_, 1)
    ]


def test_several_labels_a_row() -> None:
    features, labels = make_multilabel_classification(300, random_state=0)
    options = {"hidden_layer_sizes": (32,), "max_iter": 150, "random_state": 0}
    ours = MLPClassifier(**options).fit(features, labels)
    theirs = neural_network.MLPClassifier(**options).fit(features, labels)
    assert ours.predict(features).shape == labels.shape
    assert ours.out_activation_ == theirs.out_activation_ == "logistic"
    assert ours.score(features, labels) == pytest.approx(
        theirs.score(features, labels), abs=0.1
    )


def test_counts() -> None:
    rng = np.random.default_rng(0)
    features = rng.uniform(-1, 1, (400, 2))
    mean = np.exp(1.0 + features[:, 0])
    one = MLPRegressor("poisson", (16,), max_iter=200, random_state=0)
    one.fit(features, rng.poisson(mean))
    assert np.corrcoef(one.predict(features), mean)[0, 1] > 0.95
    assert one.out_activation_ == "exp"
    assert one.predict(features).min() > 0
    with pytest.raises(ValueError, match="not negative"):
        one.fit(features, features[:, 0])


def test_sparse_features_and_weights() -> None:
    options = {"hidden_layer_sizes": (8,), "max_iter": 5, "random_state": 0}
    dense = MLPClassifier(**options).fit(X, Y)
    thin = MLPClassifier(**options).fit(sparse.csr_matrix(X), Y)
    np.testing.assert_array_equal(dense.predict_proba(X), thin.predict_proba(X))
    twice = MLPClassifier(**options).fit(X, Y, sample_weight=np.full(len(Y), 2.0))
    np.testing.assert_allclose(
        dense.predict_proba(X), twice.predict_proba(X), rtol=1e-3
    )


def test_partial_fit_and_warm_start_go_on() -> None:
    one = MLPClassifier((16,), learning_rate_init=0.01, random_state=0)
    one.partial_fit(X[:40], Y[:40], classes=np.arange(10))
    for _ in range(30):
        one.partial_fit(X, Y)
    assert one.score(X, Y) > 0.85
    assert one.t_ == 40 + 30 * len(X)
    warm = MLPClassifier((16,), max_iter=3, warm_start=True, random_state=0)
    first = warm.fit(X, Y).loss_
    assert warm.fit(X, Y).loss_ < first
    assert len(warm.loss_curve_) == 6
    with pytest.raises(AttributeError, match="has no attribute .partial_fit."):
        MLPClassifier(solver="lbfgs").partial_fit  # noqa: B018


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_pickles(solver) -> None:
    one = MLPClassifier((8,), solver=solver, max_iter=5, random_state=0).fit(X, Y)
    data = pickle.dumps(one)
    copy = pickle.loads(data)
    np.testing.assert_array_equal(copy.predict_proba(X), one.predict_proba(X))
    assert copy.loss_curve_ == one.loss_curve_
    # Arrays, numbers and the names of classes: not even the layers are in it.
    assert b"Sequential" not in data and b"Dense" not in data
    assert pickle.loads(pickle.dumps(MLPClassifier(alpha=3))).alpha == 3


def test_misspelt_parameters() -> None:
    with pytest.raises(TypeError, match="did you mean 'hidden_layer_sizes'"):
        MLPClassifier(hiden_layer_size=3)
    with pytest.raises(ValueError, match="did you mean 'alpha'"):
        MLPClassifier().set_params(alhpa=3)
    with pytest.raises(ValueError, match="'activation' parameter"):
        MLPClassifier(activation="rleu").fit(X, Y)
