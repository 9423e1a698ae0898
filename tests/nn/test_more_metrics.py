"""The further metrics against scikit-learn, over batches and in a compiled step."""

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from nervure import metrics
from nervure.errors import ArgumentError, ShapeError, UnknownNameError
from nervure.step import Step

random = np.random.default_rng(0)
BITS = random.integers(0, 2, 60)
SHARES = np.clip(BITS * 0.3 + random.uniform(0, 0.7, 60), 0, 1)
WEIGHTS = random.uniform(0.5, 2, 60)
LABELS = random.integers(0, 4, 60)
HOT = np.eye(4)[LABELS]
PRED = random.dirichlet(np.ones(4), size=60) + 0.5 * HOT
TARGETS = random.normal(size=(60, 2))
GUESSES = TARGETS + 0.5 * random.normal(size=(60, 2))


def over_batches(metric, true, pred, weights=None):
    """Return the result of a compiled step over three batches."""

    def update(constants, varying):
        metric.update_state(*varying[:2], *varying[2:])

    given = [true, pred] if weights is None else [true, pred, weights]
    batches = [one.reshape(3, 20, *one.shape[1:]) for one in given]
    Step(update).run([], batches)
    return metric.result().numpy()


@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_classification_against_sklearn(weights):
    hard = (SHARES > 0.5).astype(int)
    cases = {
        "precision": sklearn_metrics.precision_score,
        "recall": sklearn_metrics.recall_score,
    }
    for name, function in cases.items():
        got = over_batches(metrics.get(name), BITS, SHARES, weights)
        expected = function(BITS, hard, sample_weight=weights)
        assert got == pytest.approx(expected, rel=1e-6)
    for average in ("micro", "macro", "weighted", None):
        metric = metrics.FBetaScore(average, beta=2.0)
        got = over_batches(metric, HOT, PRED, weights)
        expected = sklearn_metrics.fbeta_score(
            LABELS, PRED.argmax(-1), beta=2.0, average=average, sample_weight=weights
        )
        np.testing.assert_allclose(got, expected, rtol=1e-5)
    got = over_batches(metrics.TopKCategoricalAccuracy(2), HOT, PRED, weights)
    expected = sklearn_metrics.top_k_accuracy_score(
        LABELS, PRED, k=2, sample_weight=weights
    )
    assert got == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_areas_against_sklearn(weights):
    got = over_batches(metrics.AUC(2000), BITS, SHARES, weights)
    expected = sklearn_metrics.roc_auc_score(BITS, SHARES, sample_weight=weights)
    assert got == pytest.approx(expected, abs=2e-3)
    got = over_batches(metrics.AUC(2000, curve="PR"), BITS, SHARES, weights)
    expected = sklearn_metrics.average_precision_score(
        BITS, SHARES, sample_weight=weights
    )
    assert got == pytest.approx(expected, abs=2e-2)


def test_confusion_matrix_against_sklearn():
    expected = sklearn_metrics.confusion_matrix(LABELS, PRED.argmax(-1))
    metric = metrics.OneHotMeanIoU(4)
    got = over_batches(metric, HOT, PRED)
    np.testing.assert_array_equal(metric.total_cm.numpy(), expected)
    jaccard = sklearn_metrics.jaccard_score(LABELS, PRED.argmax(-1), average="macro")
    assert got == pytest.approx(jaccard, rel=1e-5)


@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_regression_against_sklearn(weights):
    for aggregation, multioutput in (
        ("uniform_average", "uniform_average"),
        ("variance_weighted_average", "variance_weighted"),
        (None, "raw_values"),
    ):
        metric = metrics.R2Score(aggregation, dtype="float64")
        got = over_batches(metric, TARGETS, GUESSES, weights)
        expected = sklearn_metrics.r2_score(
            TARGETS, GUESSES, sample_weight=weights, multioutput=multioutput
        )
        np.testing.assert_allclose(got, expected, rtol=1e-9)
    metric = metrics.RootMeanSquaredError(dtype="float64")
    got = over_batches(metric, TARGETS, GUESSES, weights)
    squares = ((TARGETS - GUESSES) ** 2).mean(-1)
    assert got == pytest.approx(np.sqrt(np.average(squares, weights=weights)))


def test_correlations():
    got = metrics.PearsonCorrelation(axis=0, dtype="float64")(TARGETS, GUESSES).item()
    columns = [np.corrcoef(TARGETS[:, i], GUESSES[:, i])[0, 1] for i in range(2)]
    assert got == pytest.approx(np.mean(columns))
    same = metrics.ConcordanceCorrelation()(TARGETS, TARGETS).item()
    assert same == pytest.approx(1.0, rel=1e-4)


def test_nothing_taken_in():
    for name in metrics.__all__:
        class_ = getattr(metrics, name)
        if isinstance(class_, type) and name not in ("Metric", "MeanMetricWrapper"):
            metric = make(name)
            assert np.isfinite(metric.result().numpy()).all() or name == "R2Score"
            metric.reset_state()


def make(name):
    arguments = {
        "SensitivityAtSpecificity": (0.5,),
        "SpecificityAtSensitivity": (0.5,),
        "PrecisionAtRecall": (0.5,),
        "RecallAtPrecision": (0.5,),
        "IoU": (3, [0, 1]),
        "MeanIoU": (3,),
        "OneHotIoU": (3, [0]),
        "OneHotMeanIoU": (3,),
    }
    return getattr(metrics, name)(*arguments.get(name, ()))


@pytest.mark.parametrize(
    "name",
    [one for one in metrics.__all__ if isinstance(getattr(metrics, one), type)],
)
def test_configuration(name):
    if name in ("Metric", "MeanMetricWrapper"):
        return
    metric = make(name)
    again = metrics.deserialize(metrics.serialize(metric))
    assert type(again) is type(metric)
    assert again.get_config() == metric.get_config()


def test_configuration_keeps_thresholds():
    for metric in (
        metrics.Precision(top_k=2),
        metrics.Precision([0.25, 0.75]),
        metrics.AUC(thresholds=[0.25, 0.5]),
    ):
        again = metrics.deserialize(metrics.serialize(metric))
        assert again.thresholds == metric.thresholds


def test_reset_forgets():
    metric = metrics.AUC(multi_label=True)
    first = metric(HOT, PRED).item()
    metric.update_state(HOT, 1 - PRED)
    metric.reset_state()
    assert metric(HOT, PRED).item() == first


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: metrics.Precision(1.5), ArgumentError),
        (lambda: metrics.Recall(top_k=0), ArgumentError),
        (lambda: metrics.AUC(curve="RCO"), UnknownNameError),
        (lambda: metrics.AUC(num_labels=3), ArgumentError),
        (lambda: metrics.AUC(num_thresholds=1), ArgumentError),
        (lambda: metrics.PrecisionAtRecall(2.0), ArgumentError),
        (lambda: metrics.F1Score("mean"), UnknownNameError),
        (lambda: metrics.F1Score(threshold=0.0), ArgumentError),
        (lambda: metrics.IoU(3, [3]), ArgumentError),
        (lambda: metrics.R2Score("mean"), UnknownNameError),
        (lambda: metrics.R2Score(num_regressors=-1), ArgumentError),
        (lambda: metrics.TopKCategoricalAccuracy(0), ArgumentError),
    ],
)
def test_wrong_arguments(make, error):
    with pytest.raises(error):
        make()


@pytest.mark.parametrize(
    "update",
    [
        lambda: metrics.Precision()([0, 1], [[0.1, 0.2]]),
        lambda: metrics.Precision()([0, 1], [0.1, 0.2], sample_weight=[1.0] * 3),
        lambda: metrics.AUC(multi_label=True)([0, 1], [0.1, 0.2]),
        lambda: metrics.F1Score()([0, 1], [0.1, 0.2]),
        lambda: metrics.R2Score()([0.0, 1.0], [0.1, 0.2]),
        lambda: metrics.MeanIoU(2)([0, 1], [0]),
        lambda: metrics.SparseTopKCategoricalAccuracy()(HOT, PRED[:, :2]),
    ],
)
def test_shapes_that_do_not_fit(update):
    with pytest.raises(ShapeError):
        update()


def test_fractional_weights_need_a_floating_type():
    with pytest.raises(ArgumentError, match='dtype="float32"'):
        metrics.MeanIoU(2)([0, 1], [0, 1], sample_weight=[0.5, 1.0])
