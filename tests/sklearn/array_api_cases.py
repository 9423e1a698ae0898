"""What scikit-learn 1.9 computes with arrays of any library, each with NumPy and ours.

Run as a program, in a process of its own: SciPy decides when it is imported whether it
takes other arrays.  Prints one JSON object: for each case how many arrays came out and
of which kind they were, or the error.
"""

from __future__ import annotations

import json
import sys
import traceback
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import sklearn
from sklearn import (
    calibration,
    decomposition,
    discriminant_analysis,
    kernel_approximation,
    linear_model,
    metrics,
    mixture,
    model_selection,
    naive_bayes,
    pipeline,
    preprocessing,
)
from sklearn.exceptions import ConvergenceWarning

import nervure as nv

As = Callable[[Any], Any]

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4)).astype("float32")
X[::7, 2] = 0.0
Z = RNG.uniform(0.1, 2.0, size=(20, 4)).astype("float32")
Y = (X[:, 0] + X[:, 1] > 0).astype("int64")
CLASSES = (np.arange(60) * 7 % 3).astype("int64")
GUESS = np.where(RNG.uniform(size=60) < 0.2, (CLASSES + 1) % 3, CLASSES)
SHARE = RNG.uniform(0.05, 0.95, size=60).astype("float32")
TARGET = np.abs(X @ np.array([1.0, 2.0, -1.0, 0.5], "float32")) + np.float32(0.5)
NEAR = np.abs(TARGET + RNG.normal(size=60).astype("float32") * 0.1) + np.float32(0.1)
NEAR = NEAR.astype("float32")
CHANCES = RNG.dirichlet(np.ones(3), 60)
WEIGHT = RNG.uniform(0.5, 2.0, size=60).astype("float32")
MANY = (RNG.uniform(size=(60, 3)) > 0.5).astype("int64")
KERNEL = X @ X.T

CASES: dict[str, Callable[[As], Any]] = {}


# --- metrics -------------------------------------------------------------------------


def add(names: str, *data: Any, label: str = "", **options: Any) -> None:
    """Add a case for each function named: of ``data``, which become arrays."""

    def case(function: Callable[..., Any]) -> Callable[[As], Any]:
        def run(as_: As) -> Any:
            named = {
                key: as_(one) if isinstance(one, np.ndarray) else one
                for key, one in options.items()
            }
            return function(*map(as_, data), **named)

        return run

    for name in names.split():
        found = getattr(metrics, name, None) or getattr(metrics.pairwise, name)
        CASES[name + label] = case(found)


COUNTS = """accuracy_score balanced_accuracy_score cohen_kappa_score confusion_matrix
    hamming_loss multilabel_confusion_matrix zero_one_loss"""
add(COUNTS, CLASSES, GUESS)
add(COUNTS, CLASSES, GUESS, label=", weighted", sample_weight=WEIGHT)
AVERAGED = "f1_score jaccard_score precision_score recall_score"
for average in ("micro", "macro", "weighted", None):
    add(AVERAGED, CLASSES, GUESS, label=f", {average}", average=average)
add("fbeta_score", CLASSES, GUESS, average="macro", beta=2)
BACK = MANY[::-1].copy()
SAMPLES = {"average": "samples", "zero_division": 0}
add(AVERAGED, MANY, BACK, label=", multilabel", **SAMPLES)
add("accuracy_score", MANY, BACK, label=", multilabel")
RANKED = """average_precision_score brier_score_loss d2_brier_score det_curve
    precision_recall_curve roc_curve"""
add(RANKED, Y, SHARE)
add("log_loss d2_log_loss_score", CLASSES, CHANCES)
ERRORS = """d2_absolute_error_score d2_pinball_score d2_tweedie_score
    explained_variance_score mean_absolute_error mean_absolute_percentage_error
    mean_gamma_deviance mean_pinball_loss mean_poisson_deviance mean_squared_error
    mean_squared_log_error mean_tweedie_deviance median_absolute_error r2_score
    root_mean_squared_error root_mean_squared_log_error"""
add(f"{ERRORS} max_error", TARGET, NEAR)
add(ERRORS, TARGET, NEAR, label=", weighted", sample_weight=WEIGHT)
NEARBY = X[:, :2] + X[:, 2:] / 9
add("r2_score", X[:, :2], NEARBY, label=", several", multioutput="raw_values")
KERNELS = """additive_chi2_kernel chi2_kernel cosine_distances cosine_similarity
    euclidean_distances laplacian_kernel linear_kernel manhattan_distances
    pairwise_distances_argmin pairwise_kernels polynomial_kernel rbf_kernel
    sigmoid_kernel"""
add(KERNELS, Z, Z[:5].copy())
PAIRED = """paired_cosine_distances paired_euclidean_distances
    paired_manhattan_distances"""
add(PAIRED, Z, Z[::-1].copy())
for metric in ("euclidean", "cosine", "manhattan"):
    add("pairwise_distances", Z, label=f", {metric}", metric=metric)
CLUSTERS = """adjusted_rand_score completeness_score homogeneity_score mutual_info_score
    normalized_mutual_info_score rand_score v_measure_score"""
add(CLUSTERS, CLASSES, GUESS)
add("calinski_harabasz_score", X, GUESS)


# --- estimators ----------------------------------------------------------------------


def transformed(estimator: Any, *data: Any, back: bool = False) -> Callable[[As], Any]:
    """Fit, transform, and perhaps transform back."""

    def run(as_: As) -> Any:
        one = sklearn.base.clone(estimator)
        arrays = [as_(part) for part in data]
        one.fit(*arrays)
        found = one.transform(arrays[0])
        assert type(one.fit_transform(*arrays)) is type(found)
        return (found, one.inverse_transform(found)) if back else found

    return run


def predicted(
    estimator: Any, x: Any, y: Any, *methods: str, weight: Any = None
) -> Callable[[As], Any]:
    """Fit and predict."""

    def run(as_: As) -> Any:
        one = sklearn.base.clone(estimator)
        options = {} if weight is None else {"sample_weight": as_(weight)}
        one.fit(as_(x), *([] if y is None else [as_(y)]), **options)
        return [getattr(one, method)(as_(x)) for method in ("predict", *methods)]

    return run


LABELS = preprocessing.LabelEncoder()
CHANCE, DECISION = "predict_proba", "decision_function"
CASES |= {
    "Binarizer": transformed(preprocessing.Binarizer(threshold=0.2), X),
    "KernelCenterer": transformed(preprocessing.KernelCenterer(), KERNEL),
    "LabelBinarizer": transformed(preprocessing.LabelBinarizer(), CLASSES, back=True),
    "LabelEncoder": transformed(LABELS, CLASSES * 5 + 2, back=True),
    "MaxAbsScaler": transformed(preprocessing.MaxAbsScaler(), X, back=True),
    "MinMaxScaler": transformed(preprocessing.MinMaxScaler(), X, back=True),
    "MinMaxScaler, clip": transformed(
        preprocessing.MinMaxScaler((-1, 1), clip=True), X, back=True
    ),
    "Normalizer, l1": transformed(preprocessing.Normalizer("l1"), X),
    "Normalizer, l2": transformed(preprocessing.Normalizer("l2"), X),
    "Normalizer, max": transformed(preprocessing.Normalizer("max"), X),
    "PolynomialFeatures": transformed(preprocessing.PolynomialFeatures(2), X),
    "StandardScaler": transformed(preprocessing.StandardScaler(), X, back=True),
    "StandardScaler, no mean": transformed(
        preprocessing.StandardScaler(with_mean=False), X, back=True
    ),
    "Nystroem": transformed(
        kernel_approximation.Nystroem(n_components=8, random_state=0), Z
    ),
    "PCA, full": transformed(decomposition.PCA(2, svd_solver="full"), X, back=True),
    "PCA, whiten": transformed(
        decomposition.PCA(2, svd_solver="full", whiten=True), X, back=True
    ),
    "PCA, covariance": transformed(
        decomposition.PCA(2, svd_solver="covariance_eigh"), X, back=True
    ),
    "PCA, mle": transformed(decomposition.PCA("mle", svd_solver="full"), X),
    "PCA, randomized": transformed(
        decomposition.PCA(
            2, svd_solver="randomized", power_iteration_normalizer="QR", random_state=0
        ),
        X,
        back=True,
    ),
    "Pipeline": transformed(
        pipeline.make_pipeline(
            preprocessing.StandardScaler(), decomposition.PCA(2, svd_solver="full")
        ),
        X,
    ),
    "FeatureUnion": transformed(
        pipeline.make_union(
            preprocessing.StandardScaler(), preprocessing.MinMaxScaler()
        ),
        X,
    ),
    "GaussianNB": predicted(naive_bayes.GaussianNB(), X, CLASSES, CHANCE),
    "GaussianNB, weighted": predicted(
        naive_bayes.GaussianNB(), X, CLASSES, CHANCE, weight=WEIGHT
    ),
    "GaussianMixture": predicted(
        mixture.GaussianMixture(2, init_params="random", random_state=0, max_iter=3),
        X,
        None,
        CHANCE,
    ),
    "LinearDiscriminantAnalysis": predicted(
        discriminant_analysis.LinearDiscriminantAnalysis(),
        X,
        GUESS,
        CHANCE,
        DECISION,
        "transform",
    ),
    "LogisticRegression": predicted(
        linear_model.LogisticRegression(), X, Y, CHANCE, DECISION
    ),
    "LogisticRegression, classes": predicted(
        linear_model.LogisticRegression(C=0.1), X, CLASSES, CHANCE, DECISION
    ),
    "PoissonRegressor": predicted(linear_model.PoissonRegressor(), X, TARGET),
    "Ridge": predicted(linear_model.Ridge(solver="svd"), X, TARGET),
    "Ridge, weighted": predicted(
        linear_model.Ridge(solver="svd"), X, TARGET, weight=WEIGHT
    ),
    "RidgeClassifier": predicted(
        linear_model.RidgeClassifier(solver="svd"), X, CLASSES, DECISION
    ),
    "RidgeCV": predicted(linear_model.RidgeCV(), X, TARGET),
    "RidgeClassifierCV": predicted(
        linear_model.RidgeClassifierCV(), X, CLASSES, DECISION
    ),
    "CalibratedClassifierCV": predicted(
        calibration.CalibratedClassifierCV(
            discriminant_analysis.LinearDiscriminantAnalysis(),
            method="temperature",
            cv=3,
        ),
        X,
        CLASSES,
        CHANCE,
    ),
}


# --- functions -----------------------------------------------------------------------


def parts(as_: As) -> Any:
    """Split arrays, with strata."""
    split = model_selection.train_test_split
    return split(as_(X), as_(CLASSES), random_state=0, stratify=as_(CLASSES))


def searched(as_: As) -> Any:
    """Search a parameter."""
    grid = model_selection.GridSearchCV(
        linear_model.Ridge(solver="svd"), {"alpha": [0.1, 10.0]}, cv=3
    )
    grid.fit(as_(X), as_(TARGET))
    return grid.cv_results_["mean_test_score"], grid.predict(as_(X))


LDA = discriminant_analysis.LinearDiscriminantAnalysis()
CASES |= {
    "train_test_split": parts,
    "GridSearchCV": searched,
    "cross_val_predict": lambda as_: model_selection.cross_val_predict(
        LDA, as_(X), as_(Y), cv=3
    ),
    "cross_val_score": lambda as_: model_selection.cross_val_score(
        LDA, as_(X), as_(Y), cv=3
    ),
    "label_binarize": lambda as_: preprocessing.label_binarize(
        as_(CLASSES), classes=as_(np.arange(3))
    ),
    "normalize": lambda as_: preprocessing.normalize(as_(X), axis=0),
    "binarize": lambda as_: preprocessing.binarize(as_(X)),
    "minmax_scale": lambda as_: preprocessing.minmax_scale(as_(X)),
}


# --- comparing -----------------------------------------------------------------------


def flat(value: Any) -> list[Any]:
    """Return nested results as one list."""
    if isinstance(value, list | tuple):
        return [one for part in value for one in flat(part)]
    return [value]


def compared(case: Callable[[As], Any]) -> dict[str, int]:
    """Return how many arrays of which library came out; raises where values differ."""
    theirs, ours = flat(case(np.asarray)), flat(case(nv.asarray))
    assert len(theirs) == len(ours)
    for expected, found in zip(theirs, ours):
        np.testing.assert_allclose(
            np.asarray(found), np.asarray(expected), rtol=2e-3, atol=2e-4
        )
        assert np.shape(found) == np.shape(expected)
    return {
        "arrays": sum(isinstance(one, np.ndarray) for one in theirs),
        "ours": sum(isinstance(one, nv.Array) for one in ours),
    }


def main() -> None:
    """Run the cases named on the command line, or all."""
    warnings.simplefilter("error")
    warnings.simplefilter("ignore", ConvergenceWarning)
    report: dict[str, Any] = {}
    with sklearn.config_context(array_api_dispatch=True):
        for name, case in CASES.items():
            if len(sys.argv) > 1 and name not in sys.argv[1:]:
                continue
            try:
                report[name] = compared(case)
            except Exception as error:  # noqa: BLE001 - reported to the test
                if len(sys.argv) > 1:
                    traceback.print_exc()
                report[name] = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(report))


if __name__ == "__main__":
    main()
