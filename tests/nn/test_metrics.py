import numpy as np
import pytest

import nervure as nv
from nervure import metrics
from nervure.errors import ShapeError, UnknownNameError
from nervure.nn.metrics.resolve import resolved_metric
from nervure.step import Step

random = np.random.default_rng(0)
PRED = random.dirichlet(np.ones(4), size=20).astype("float32")
LABELS = random.integers(0, 4, 20)
HOT = np.eye(4, dtype="float32")[LABELS]
WEIGHTS = random.uniform(size=20).astype("float32")
HITS = PRED.argmax(-1) == LABELS
BITS = random.integers(0, 2, (20, 1)).astype("float32")
SHARES = random.uniform(size=(20, 1)).astype("float32")

CASES = [
    (metrics.Accuracy(), LABELS, PRED.argmax(-1), HITS),
    (metrics.CategoricalAccuracy(), HOT, PRED, HITS),
    (metrics.SparseCategoricalAccuracy(), LABELS, PRED, HITS),
    (metrics.SparseCategoricalAccuracy(), LABELS[:, None], PRED, HITS),
    (metrics.BinaryAccuracy(), BITS, SHARES, ((SHARES > 0.5) == BITS)[:, 0]),
    (metrics.BinaryAccuracy(), BITS[:, 0], SHARES, ((SHARES > 0.5) == BITS)[:, 0]),
    (
        metrics.BinaryAccuracy(threshold=0.8),
        BITS,
        SHARES,
        ((SHARES > 0.8) == BITS)[:, 0],
    ),
    (metrics.MeanSquaredError(), HOT, PRED, ((HOT - PRED) ** 2).mean(-1)),
    (metrics.MeanAbsoluteError(), HOT, PRED, np.abs(HOT - PRED).mean(-1)),
]


@pytest.mark.parametrize(
    "metric, true, pred, values", CASES, ids=lambda one: str(one)[:9]
)
def test_values_over_batches(metric, true, pred, values):
    metric.reset_state()
    assert metric.result().item() == 0
    for rows in (slice(0, 7), slice(7, 20)):
        metric.update_state(true[rows], pred[rows])
    assert metric.result().item() == pytest.approx(values.mean(), rel=1e-6)
    metric.reset_state()
    for rows in (slice(0, 7), slice(7, 20)):
        metric.update_state(true[rows], pred[rows], sample_weight=WEIGHTS[rows])
    expected = (values * WEIGHTS).sum() / WEIGHTS.sum()
    assert metric.result().item() == pytest.approx(expected, rel=1e-6)


def test_targets_and_predictions_of_one_axis_are_samples():
    for metric, expected in (
        (metrics.Accuracy(), 0.5),
        (metrics.MeanSquaredError(), 2.0),
        (metrics.BinaryAccuracy(), 0.5),
    ):
        metric.update_state([0.0], [0.0])
        metric.update_state([0.0] * 3, [0.0, 2.0, 2.0], sample_weight=[1.0, 1.0, 1.0])
        assert metric.result().item() == expected
        assert metric.count.numpy() == 4


def test_mean_and_sum():
    mean = metrics.Mean()
    mean.update_state(2.0, sample_weight=3)
    mean.update_state([5.0, 7.0])
    assert mean.result().item() == pytest.approx(18 / 5)
    total = metrics.Sum(name="total")
    assert total([1.0, 2.0]).item() == 3.0
    assert total([[1.0, 2.0]], sample_weight=[2.0]).item() == 9.0
    assert total.name == "total"


def test_mean_with_weights_of_lower_rank():
    values = np.arange(12.0).reshape(2, 3, 2)
    mean = metrics.Mean()
    mean.update_state(values, sample_weight=[1.0, 3.0])
    assert mean.result().item() == pytest.approx((2.5 * 1 + 8.5 * 3) / 4)
    mean.reset_state()
    weights = np.arange(6.0).reshape(2, 3)
    mean.update_state(values, sample_weight=weights)
    expected = (values.mean(-1) * weights).mean(-1).sum() / weights.mean(-1).sum()
    assert mean.result().item() == pytest.approx(expected)


def test_state_lives_in_cells():
    metric = metrics.SparseCategoricalAccuracy()
    total = metrics.Mean(name="loss")

    def count(constants, varying):
        true, pred = (nv.take(one, varying[0], axis=0) for one in constants)
        metric.update_state(true, pred)
        total.update_state(nv.mean(pred[:, 0]), sample_weight=float(true.shape[0]))

    step = Step(count)
    step.run([LABELS, PRED], [np.arange(20).reshape(4, 5)])
    assert metric.result().item() == pytest.approx(HITS.mean())
    assert total.result().item() == pytest.approx(PRED[:, 0].mean(), rel=1e-6)
    assert [one.path for one in metric.variables] == [
        "sparse_categorical_accuracy/total",
        "sparse_categorical_accuracy/count",
    ]


@pytest.mark.parametrize(
    "name, target, output, expected",
    [
        ("accuracy", (None, 1), (None, 1), metrics.BinaryAccuracy),
        ("accuracy", (None,), (None, 1), metrics.BinaryAccuracy),
        ("acc", (None,), (None, 10), metrics.SparseCategoricalAccuracy),
        ("acc", (None, 1), (None, 10), metrics.SparseCategoricalAccuracy),
        ("Accuracy", (None, 10), (None, 10), metrics.CategoricalAccuracy),
        ("accuracy", (None, 5), (None, 5, 10), metrics.SparseCategoricalAccuracy),
        ("mse", (None, 10), (None, 10), metrics.MeanSquaredError),
        ("ce", (None, 1), (None, 1), metrics.BinaryCrossentropy),
        ("crossentropy", (None,), (None, 5), metrics.SparseCategoricalCrossentropy),
        ("crossentropy", (None, 5), (None, 5), metrics.CategoricalCrossentropy),
    ],
)
def test_resolution_as_keras_does(name, target, output, expected):
    metric = resolved_metric(name, target, output)
    assert type(metric) is expected
    assert metric.name == name


def test_resolution_of_objects_and_functions():
    given = metrics.MeanSquaredError(name="error")
    assert resolved_metric(given, (None, 1), (None, 1)) is given

    def largestError(y_true, y_pred):  # noqa: N802
        return nv.max(nv.abs(y_true - y_pred), axis=-1)

    metric = resolved_metric(largestError, (None, 2), (None, 2))
    assert metric.name == "largest_error"
    metric.update_state([[0.0, 0.0], [0.0, 0.0]], [[1.0, 2.0], [0.0, 4.0]])
    assert metric.result().item() == 3.0


def test_lookup_and_configuration():
    for name in ("mae", "MeanAbsoluteError", "mean_absolute_error"):
        assert metrics.get(name).name == "mean_absolute_error"
    with pytest.raises(UnknownNameError, match="did you mean 'accuracy'"):
        metrics.get("acuracy")
    with pytest.raises(UnknownNameError, match="call it: Mean\\(\\)"):
        metrics.get(metrics.Mean)
    config = metrics.BinaryAccuracy(threshold=0.3).get_config()
    assert config == {"name": "binary_accuracy", "dtype": "float32", "threshold": 0.3}
    again = metrics.get({"class_name": "BinaryAccuracy", "config": config})
    assert again.threshold == 0.3
    with pytest.raises(ValueError, match="threshold between 0 and 1"):
        metrics.BinaryAccuracy(threshold=1.0)


def test_class_numbers_that_do_not_fit():
    with pytest.raises(
        ShapeError, match="for one-hot targets use categorical_accuracy"
    ):
        metrics.SparseCategoricalAccuracy()(HOT, PRED)
