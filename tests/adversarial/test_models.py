"""Attacks on models of all kinds, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest

import nervure as nv
from nervure import adversarial
from nervure.errors import ArgumentError, DataError, ShapeError, UnknownNameError
from nervure.layers import Activation, Dense, Dropout, Input
from nervure.models import Model, Sequential

X = np.random.default_rng(0).uniform(0.2, 0.8, size=(5, 4)).astype(np.float32)


def same_weights(model, kernel, bias):
    model.set_weights([kernel, bias])
    return model


def heads(classes=3):
    """Return the same classifier with all kinds of heads, each with ``loss``."""
    random = np.random.default_rng(1)
    weights = random.normal(size=(4, classes)), random.normal(size=classes)
    x = Input((4,))
    own = Sequential([Dense(classes, input_shape=(4,)), Activation("softmax")])
    inner = Sequential([Dense(classes, input_shape=(4,), activation="softmax")])
    models = {
        "softmax": Sequential([Dense(classes, input_shape=(4,), activation="softmax")]),
        "softmax layer": own,
        "logits": Sequential([Dense(classes, input_shape=(4,))]),
        "functional": Model(x, nv.nn.softmax(Dense(classes)(Dropout(0.5)(x)))),
        "nested": Sequential([Input((4,)), inner]),
    }
    return {name: same_weights(one, *weights) for name, one in models.items()}


def test_every_head_gives_the_same_samples():
    found = {
        name: adversarial.fgsm(model, X, [0, 1, 2, 0, 1], eps=0.1)
        for name, model in heads().items()
    }
    for got in found.values():
        np.testing.assert_allclose(got, found["logits"], atol=1e-6)


def test_a_sure_network_is_attacked_all_the_same():
    """The probabilities are 0 and 1 in float32, so their derivatives are 0."""
    model = heads(2)["softmax"]
    label = model.predict(X, verbose=0).argmax(axis=1)
    expected = adversarial.fgsm(model, X, label, eps=0.1)
    kernel, bias = model.get_weights()
    model.set_weights([kernel * 2000, bias * 2000])
    assert model.predict(X, verbose=0).max(axis=1).min() == 1.0
    got = adversarial.fgsm(model, X, label, eps=0.1)
    np.testing.assert_array_equal(got, expected)


def test_a_sigmoid_of_one_unit_tells_two_classes_apart():
    one = Sequential([Dense(1, input_shape=(4,), activation="sigmoid")])
    two = Sequential([Dense(2, input_shape=(4,), activation="softmax")])
    kernel = np.array([[1.0], [-2.0], [0.5], [3.0]])
    one.set_weights([kernel, np.array([-1.0])])
    two.set_weights([np.hstack([0 * kernel, kernel]), np.array([0.0, -1.0])])
    labels = np.array([0, 1, 1, 0, 1])
    for y in (labels, labels[:, None], nv.utils.to_categorical(labels)):
        np.testing.assert_allclose(
            adversarial.fgsm(one, X, y, eps=0.1),
            adversarial.fgsm(two, X, labels, eps=0.1),
            atol=1e-6,
        )


def test_probabilities_of_an_ensemble():
    """The mean of two softmaxes is no softmax; the loss says that it is one."""
    x = Input((4,))
    parts = [Dense(3, activation="softmax")(x) for _ in range(2)]
    model = Model(x, (parts[0] + parts[1]) / 2)
    model.compile("sgd", "sparse_categorical_crossentropy")
    labels = model.predict(X, verbose=0).argmax(axis=1)
    moved = adversarial.pgd(model, X, labels, eps=0.2, steps=10, seed=0)
    rows = np.arange(5)
    before, after = (model.predict(one, verbose=0)[rows, labels] for one in (X, moved))
    assert (after < before).all()


def test_layers_behave_as_in_predict():
    """Dropout drops nothing, and batch normalisation keeps its moments."""
    model = Sequential(
        [
            Dense(8, input_shape=(4,)),
            nv.layers.BatchNormalization(),
            Dropout(0.9),
            Dense(3),
        ]
    )
    before = model.get_weights()
    one, same = (adversarial.fgsm(model, X, eps=0.1) for _ in range(2))
    np.testing.assert_array_equal(one, same)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_changed_layers_and_weights_are_seen():
    model = Sequential([Dense(3, input_shape=(4,))])
    first = adversarial.fgsm(model, X, 0, eps=0.1)
    model.set_weights([-one for one in model.get_weights()])
    assert not np.array_equal(first, adversarial.fgsm(model, X, 0, eps=0.1))
    model.add(Dense(2))
    assert adversarial.fgsm(model, X, 1, eps=0.1).shape == X.shape
    with pytest.raises(DataError, match="label 2"):
        adversarial.fgsm(model, X, 2, eps=0.1)


def test_whole_numbers_of_a_byte():
    model = Sequential([Dense(3, input_shape=(4,))])
    x = (X * 255).astype(np.uint8)
    moved = adversarial.fgsm(model, x, 0, eps=8, clip_max=255)
    assert moved.dtype == np.float32
    assert np.abs(moved - x).max() == 8


# --- what is refused ------------------------------------------------------------------


@pytest.mark.parametrize(
    "change, error, message",
    [
        ({"x": X * 255}, DataError, "but clip_min and clip_max allow 0 to 1"),
        ({"x": X[:, :3]}, ShapeError, "expects x of shape"),
        ({"x": np.full((1, 4), np.nan)}, DataError, "NaN"),
        ({"y": [0, 1]}, DataError, "x has 5 rows and y has 2"),
        ({"y": np.zeros((5, 2))}, DataError, "one class for each of 5 rows of x"),
        ({"y": [0, 1, 2, 3, 0]}, DataError, "y holds the label 3"),
        ({"y": [0, 1, 0.5, 0, 0]}, DataError, "0.5"),
        ({"target": 7}, DataError, "target holds the label 7"),
        ({"eps": -0.1}, ArgumentError, "eps must be a number of at least 0"),
        ({"eps": np.nan}, ArgumentError, "eps must be"),
        ({"clip_max": 0.0}, ArgumentError, "clip_min must be less than clip_max"),
        ({"batch_size": 0}, ArgumentError, "batch_size"),
    ],
)
def test_wrong_arguments(change, error, message):
    model = Sequential([Dense(3, input_shape=(4,))])
    arguments = {"x": X, "y": [0, 1, 2, 0, 1], "eps": 0.1} | change
    with pytest.raises(error, match=message):
        adversarial.fgsm(model, **arguments)


def test_wrong_models():
    with pytest.raises(ArgumentError, match="gives one score"):
        adversarial.fgsm(Sequential([Dense(1, input_shape=(4,))]), X)
    with pytest.raises(ShapeError, match="a row of scores for each"):
        adversarial.fgsm(
            Sequential([nv.layers.Conv1D(3, 1, input_shape=(4, 1))]), X[..., None]
        )
    words = Sequential(
        [Input((4,), dtype="int32"), nv.layers.Embedding(9, 2), nv.layers.Flatten()]
    )
    with pytest.raises(ArgumentError, match="whole numbers have no derivatives"):
        adversarial.fgsm(words, np.zeros((2, 4), int))
    a, b = Input((4,)), Input((4,))
    with pytest.raises(ArgumentError, match="has 2 inputs, expected one"):
        adversarial.fgsm(Model([a, b], Dense(3)(a + b)), [X, X])
    with pytest.raises(ArgumentError, match="has 2 outputs, expected one"):
        adversarial.fgsm(Model(a, [Dense(3)(a), Dense(3)(a)]), X)


def test_other_wrong_arguments():
    model = Sequential([Dense(3, input_shape=(4,))])
    with pytest.raises(UnknownNameError, match="unknown norm: 1"):
        adversarial.pgd(model, X, norm=1)
    with pytest.raises(ArgumentError, match="steps must be a whole number"):
        adversarial.pgd(model, X, steps=0)
    with pytest.raises(ArgumentError, match="confidence must be"):
        adversarial.lbfgs(model, X, confidence=1.0)
    with pytest.raises(UnknownNameError, match="did you mean 'pgd'"):
        adversarial.robustness_curve(model, X, [0, 0, 0, 0, 0], attack="pgdd")


# --- pictures, curves, training -------------------------------------------------------


def test_comparison_shows_the_difference():
    x = np.full((2, 3, 3, 3), 0.5)
    changed = x.copy()
    changed[0, 0, 0, 0] += 0.05
    figure = adversarial.plot_comparison(x, changed, ["a", "b"], ["c"])
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["a", "difference x 10", "c", "b", "difference x 1", "after"]
    shown = np.asarray(figure.axes[1].images[0].get_array())
    assert shown[0, 0, 0] == 1.0 and shown[1, 1, 0] == 0.5
    with pytest.raises(ShapeError, match="each picture needs one"):
        adversarial.plot_comparison(x, changed[:1])


@pytest.mark.parametrize("rows", [1, 3])
def test_titles_of_a_comparison_are_inside_the_picture(rows):
    x = np.full((rows, 8, 8, 3), 0.5)
    figure = adversarial.plot_comparison(x, x, ["palace, 31 %"], ["ostrich, 68 %"])
    figure.canvas.draw()
    for place, axes in enumerate(figure.axes):
        title = axes.title.get_window_extent()
        above = figure.axes[place - 3].get_window_extent().y0
        assert axes.get_window_extent().y1 < title.y0
        assert title.y1 < (figure.bbox.y1 if place < 3 else above)


@pytest.fixture(scope="module")
def weak_features():
    """Return samples with one strong feature, sometimes wrong, and many weak ones.

    (Tsipras et al., "Robustness may be at odds with accuracy", 2019.)
    """
    random = np.random.default_rng(2)
    y = random.integers(0, 2, 800)
    sign = 2.0 * y[:, None] - 1
    strong = 0.15 * sign * np.where(random.uniform(size=(800, 1)) < 0.05, -1, 1)
    weak = 0.08 * sign + 0.05 * random.normal(size=(800, 40))
    x = np.clip(0.5 + np.hstack([strong, weak]), 0, 1)
    return x.astype(np.float32), y.astype(np.int32)


def linear_model():
    nv.utils.set_random_seed(5)
    return Sequential([Dense(2, input_shape=(41,), activation="softmax")])


@pytest.mark.parametrize(
    "options",
    [{"steps": 1}, {"steps": 3, "share": 0.9}],
    ids=["fast", "several steps"],
)
def test_adversarial_training(weak_features, options):
    x, y = weak_features
    plain, hardened = linear_model(), linear_model()
    plain.compile(nv.optimizers.Adam(0.05), "sparse_categorical_crossentropy")
    plain.fit(x, y, epochs=20, verbose=0)
    wrapper = adversarial.AdversarialTraining(hardened, eps=0.1, seed=1, **options)
    wrapper.compile(
        nv.optimizers.Adam(0.05),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    history = wrapper.fit(x, y, epochs=20, verbose=0)
    assert history.history["accuracy"][-1] > 0.75
    np.testing.assert_array_equal(wrapper.predict(x[:4]), hardened.predict(x[:4]))
    before, after = (
        adversarial.robustness_curve(one, x, y, eps=[0.0, 0.1], attack="fgsm")
        for one in (plain, hardened)
    )
    assert before.accuracy[0] > 0.95 and after.accuracy[0] > 0.9
    assert before.accuracy[1] < 0.3 and after.accuracy[1] > 0.9


def test_adversarial_training_attacks_as_pgd_does():
    """Without a random part, the samples are those of the attack from outside."""
    model = Sequential([Dense(3, input_shape=(4,), activation="softmax")])
    wrapper = adversarial.AdversarialTraining(
        model, eps=0.1, steps=4, step_size=0.03, norm=2
    )
    wrapper._start = lambda x: nv.zeros_like(x)
    labels = np.array([0, 1, 2, 0, 1], np.int32)
    got = wrapper.attacked(nv.asarray(X), nv.asarray(labels)).numpy()
    expected = adversarial.pgd(
        *(model, X, labels, 0.1, 4), step_size=0.03, norm=2, random_start=False
    )
    np.testing.assert_allclose(got, expected, atol=1e-6)
    one_hot = nv.asarray(nv.utils.to_categorical(labels, 3))
    np.testing.assert_array_equal(wrapper.attacked(nv.asarray(X), one_hot).numpy(), got)


def test_adversarial_training_refuses():
    with pytest.raises(ArgumentError, match="expected a model to train"):
        adversarial.AdversarialTraining(Dense(3))
    model = Sequential([Dense(3, input_shape=(4,))])
    with pytest.raises(ArgumentError, match="share must be at most 1"):
        adversarial.AdversarialTraining(model, share=2)


def test_robustness_curve_takes_any_attack(weak_features):
    x, y = weak_features
    model = linear_model()

    def upwards(model, x, y, eps):
        return np.clip(x + eps, 0, 1)

    curve = adversarial.robustness_curve(model, x, y, eps=[0, 0.1], attack=upwards)
    for level, accuracy in zip(curve.eps, curve.accuracy):
        seen = model.predict(np.clip(x + level, 0, 1), verbose=0).argmax(axis=1)
        assert accuracy == pytest.approx((seen == y).mean())


def test_a_drawn_curve_runs_from_left_to_right(weak_features):
    x, y = weak_features
    model = linear_model()
    drawn = adversarial.plot_robustness_curve(
        {"one": model}, x, y, eps=[0.2, 0.0, 0.1], attack="fgsm"
    )
    expected = adversarial.robustness_curve(model, x, y, [0.0, 0.1, 0.2], "fgsm")
    np.testing.assert_array_equal(drawn.axes[0].lines[0].get_xdata(), expected.eps)
    np.testing.assert_array_equal(drawn.axes[0].lines[0].get_ydata(), expected.accuracy)
    with pytest.raises(ArgumentError, match="at least one model"):
        adversarial.plot_robustness_curve({}, x, y)
