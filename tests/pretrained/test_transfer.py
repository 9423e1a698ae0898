"""Features for scikit-learn, and training a network further."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_sample_image
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import get_tags

import nervure as nv
from nervure.errors import (
    ArgumentError,
    DataError,
    NotBuiltError,
    ShapeError,
    UnknownNameError,
)
from nervure.pretrained import FeatureExtractor, fine_tune, learning_rate_multipliers


def make_network():
    nv.utils.set_random_seed(0)
    layers = nv.layers
    inputs = layers.Input((8, 8, 1))
    x = layers.Conv2D(6, 3, name="first")(inputs)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.Activation("relu", name="maps")(x)
    x = layers.Flatten()(x)
    x = layers.Dense(12, activation="relu", name="hidden")(x)
    return nv.models.Model(inputs, layers.Dense(5, activation="softmax")(x))


@pytest.fixture(scope="module")
def digits():
    """Return 5 to 9, which a network for 0 to 4 has not seen."""
    x, y = nv.datasets.digits.load_data()
    x = np.asarray(x, np.float32)[..., None] / 16
    return (x[y < 5][:600], y[y < 5][:600]), (x[y >= 5][:300], y[y >= 5][:300] - 5)


@pytest.fixture(scope="module")
def trained(digits):
    network = make_network()
    network.compile("adam", "sparse_categorical_crossentropy")
    network.fit(*digits[0], epochs=15, verbose=0)
    return network


# --- features -----------------------------------------------------------------------


def test_features_are_what_the_layer_computes(trained, digits):
    x = digits[1][0][:9]
    inner = nv.models.Model(trained.inputs, trained.get_layer("maps").output)
    maps = inner.predict(x, verbose=0)
    extractor = FeatureExtractor(trained, "maps")
    assert extractor.transform(x).dtype == np.float32
    np.testing.assert_array_equal(extractor.transform(x), maps.reshape(9, -1))
    mean = FeatureExtractor(trained, "maps", pooling="avg").transform(x)
    np.testing.assert_allclose(mean, maps.mean(axis=(1, 2)), atol=1e-6)
    most = FeatureExtractor(trained, "maps", pooling="max").transform(x)
    np.testing.assert_array_equal(most, maps.max(axis=(1, 2)))
    by_place = FeatureExtractor(trained, trained.get_layer("maps"))
    np.testing.assert_array_equal(by_place.transform(x), maps.reshape(9, -1))


def test_by_default_what_the_classifier_takes(trained, digits):
    x = digits[1][0][:3]
    default = FeatureExtractor(trained).transform(x)
    hidden = FeatureExtractor(trained, "hidden").transform(x)
    np.testing.assert_array_equal(default, hidden)
    stack = nv.models.Sequential(
        [
            nv.layers.Dense(4, input_shape=(3,)),
            nv.layers.Dense(2),
            nv.layers.Dropout(0.5),
            nv.layers.Activation("softmax"),
        ]
    )
    assert FeatureExtractor(stack).transform(np.ones((1, 3))).shape == (1, 4)
    headless = nv.pretrained.lenet5(include_top=False)
    assert FeatureExtractor(headless).network.output_shape == (None, 84)


def test_in_a_pipeline(trained, digits):
    x, y = digits[1]
    flat = x.reshape(len(x), -1)
    pipeline = make_pipeline(
        FunctionTransformer(feature_names_out="one-to-one"),
        FeatureExtractor(trained),
        LogisticRegression(max_iter=5000),
    )
    pipeline.fit(flat[:150], y[:150])
    assert pipeline.score(flat[150:], y[150:]) > 0.6
    names = pipeline[:-1].get_feature_names_out([str(one) for one in range(64)])
    assert names.shape == (12,) and names[0] == "featureextractor0"
    search = GridSearchCV(
        pipeline, {"featureextractor__layer": ["maps", "hidden"]}, cv=2
    ).fit(flat[:100], y[:100])
    assert search.best_params_["featureextractor__layer"] in ("maps", "hidden")


def test_copies_share_the_network(trained):
    extractor = FeatureExtractor(trained, "maps", pooling="avg", batch_size=8)
    copy = clone(extractor)
    assert copy is not extractor and copy.model is trained
    assert copy.get_params() == extractor.get_params()
    assert not get_tags(extractor).requires_fit
    copy.set_params(layer="hidden", pooling=None)
    assert copy.network.output_shape == (None, 12)
    x = np.ones((2, 8, 8, 1), np.float32)
    again = pickle.loads(pickle.dumps(extractor))
    np.testing.assert_array_equal(again.transform(x), extractor.transform(x))
    assert extractor.fit(x) is extractor


def test_features_inside_another_model(trained):
    extractor = FeatureExtractor(trained)
    inputs = nv.layers.Input((8, 8, 1))
    model = nv.models.Model(inputs, extractor(inputs))
    x = np.random.default_rng(0).normal(size=(2, 8, 8, 1))
    np.testing.assert_allclose(
        model.predict(x, verbose=0), extractor.transform(x), atol=1e-6
    )


def test_bad_extractors(trained):
    x = np.ones((2, 8, 8, 1), np.float32)
    with pytest.raises(UnknownNameError, match="hidden"):
        FeatureExtractor(trained, "hiden").fit(x)
    with pytest.raises(UnknownNameError, match="pooling"):
        FeatureExtractor(trained, pooling="mean").fit(x)
    with pytest.raises(ShapeError, match=r"\[8, 8, 1\]"):
        FeatureExtractor(trained).transform(np.ones((2, 63)))
    with pytest.raises(DataError):
        FeatureExtractor(trained).transform(np.full((2, 8, 8, 1), np.nan))
    with pytest.raises(ArgumentError, match="expected a model"):
        FeatureExtractor("resnet50").fit(x)
    with pytest.raises(NotBuiltError, match="graph"):
        FeatureExtractor(nv.models.Sequential([nv.layers.Dense(2)])).fit(x)
    with pytest.raises(ArgumentError, match="gives nothing"):
        FeatureExtractor(trained, nv.layers.Dense(2)).fit(x)


# --- fine-tuning --------------------------------------------------------------------


def test_fine_tuning_learns_new_classes(trained, digits):
    x, y = digits[1]
    network = nv.models.clone_model(trained)
    network.set_weights(trained.get_weights())
    moments = network.get_layer("norm").get_weights()[2:]
    first = network.get_layer("first").get_weights()[0]
    nv.utils.set_random_seed(1)
    found = fine_tune(
        network, x[:150], y[:150], head_epochs=40, epochs=20, learning_rate=3e-3,
        head_learning_rate=1e-2, validation_data=(x[150:], y[150:]), verbose=0,
    )  # fmt: skip
    accuracies = [
        one.history["val_accuracy"][-1] for one in (found.head_history, found.history)
    ]
    assert accuracies[1] > accuracies[0] + 0.1 and accuracies[1] > 0.75
    # Normalizations keep their moments; the first layer moved, a little.
    for before, after in zip(moments, network.get_layer("norm").get_weights()[2:]):
        np.testing.assert_array_equal(before, after)
    moved = abs(network.get_layer("first").get_weights()[0] - first).max()
    assert 0 < moved < 0.01


def test_the_head_alone_leaves_the_network_as_it_was(trained, digits):
    x, y = digits[1]
    network = nv.models.clone_model(trained)
    network.set_weights(trained.get_weights())
    before = network.get_weights()
    found = fine_tune(network, x[:64], np.eye(5)[y[:64]], epochs=0, verbose=0)
    assert found.history is None
    for one, other in zip(before, network.get_weights()):
        np.testing.assert_array_equal(one, other)
    assert found.model.output_shape == (None, 5)


def test_the_head_on_features_is_the_head_on_the_frozen_network(trained, digits):
    """What is computed once gives the weights that the plain steps give."""
    x, y = digits[1][0][:60], digits[1][1][:60]
    dense = nv.layers.Dense(5, activation="softmax", name="new")
    features = FeatureExtractor(trained).network
    inputs = nv.layers.Input((8, 8, 1))
    model = nv.models.Model(inputs, dense(features(inputs, training=False)))
    start = dense.get_weights()
    features.trainable = False
    nv.utils.set_random_seed(3)
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(x, y, epochs=3, verbose=0)
    features.trainable = True
    plain = dense.get_weights()

    head = nv.layers.Dense(5, activation="softmax", name="other")
    head.build((None, 12))
    head.set_weights(start)
    nv.utils.set_random_seed(3)
    fine_tune(trained, x, y, head=[head], head_epochs=3, epochs=0, verbose=0)
    for one, other in zip(plain, head.get_weights()):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_frozen_layers_stay(trained, digits):
    x, y = digits[1]
    network = nv.models.clone_model(trained)
    network.set_weights(trained.get_weights())
    first = network.get_layer("first").get_weights()
    hidden = network.get_layer("hidden").get_weights()
    fine_tune(
        network, x[:64], y[:64], head_epochs=1, epochs=2, unfreeze_from="hidden",
        verbose=0,
    )  # fmt: skip
    np.testing.assert_array_equal(network.get_layer("first").get_weights()[0], first[0])
    assert (network.get_layer("hidden").get_weights()[0] != hidden[0]).any()


def test_multipliers_grow_evenly():
    network = make_network()
    factors = learning_rate_multipliers(network, lowest=0.001)
    values = list(dict.fromkeys(factors.values()))
    np.testing.assert_allclose(values, [0.001, 0.01, 0.1, 1.0])
    with pytest.raises(ArgumentError, match="lowest"):
        learning_rate_multipliers(network, lowest=0.0)
    with pytest.raises(UnknownNameError):
        learning_rate_multipliers(network, frozen_before="none")


def test_bad_fine_tuning(trained):
    x = np.ones((4, 8, 8, 1), np.float32)
    with pytest.raises(ShapeError, match="label for each of 4 rows"):
        fine_tune(trained, x, np.zeros(3, int))
    with pytest.raises(ArgumentError, match="np.unique"):
        fine_tune(trained, x, np.array(list("abab")))
    with pytest.raises(ArgumentError, match="a name or a class"):
        fine_tune(trained, x, np.zeros(4, int), optimizer=nv.optimizers.Adam())


def test_a_linear_model_on_features_needs_few_samples(trained):
    """The lecture's point: 40 labelled digits, and 720 to be told apart."""
    x, y = nv.datasets.digits.load_data()
    x, y = np.asarray(x, np.float32)[y >= 5][..., None] / 16, y[y >= 5] - 5
    few, rest = slice(0, 40), slice(180, None)
    nv.utils.set_random_seed(2)
    fresh = make_network()
    fresh.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    fresh.fit(x[few], y[few], batch_size=8, epochs=60, verbose=0)
    from_scratch = fresh.evaluate(x[rest], y[rest], verbose=0)[1]
    linear = make_pipeline(
        FeatureExtractor(trained, "maps"), LogisticRegression(max_iter=2000)
    ).fit(x[few], y[few])
    # 0.85 and 0.79 when this was written.
    assert linear.score(x[rest], y[rest]) > from_scratch + 0.02


def patches(rows, first, last, seed):
    """Return grey patches of two photos between two columns, and of which they are."""
    random = np.random.default_rng(seed)
    labels = np.arange(rows) % 2
    photos = [
        load_sample_image(name).mean(axis=-1) for name in ("china.jpg", "flower.jpg")
    ]
    found = []
    for label in labels:
        top, left = random.integers(0, 363), random.integers(first, last - 64)
        patch = photos[label][top : top + 64, left : left + 64]
        patch = 127 + 50 * (patch - patch.mean()) / (patch.std() + 1)
        found.append(np.clip(patch, 0, 255).astype("uint8"))
    return np.repeat(np.stack(found)[..., None], 3, axis=-1), labels


@pytest.mark.slow
def test_the_shipped_network_learns_from_few_patches_of_photos():
    """Of which photo is a patch, brightness and contrast being the same?

    Patches for training come from the left halves of the photos, the others from the
    right halves.
    """
    (x, y), (x_test, y_test) = patches(24, 0, 320, 0), patches(200, 320, 640, 1)
    x, x_test = (nv.pretrained.preprocess_input(one) for one in (x, x_test))
    scores = {}
    nv.utils.set_random_seed(0)
    layers = nv.layers
    fresh = nv.models.Sequential(
        [
            layers.Conv2D(16, 3, activation="relu", input_shape=(64, 64, 3)),
            layers.MaxPooling2D(2),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(64, 3, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(2, activation="softmax"),
        ]
    )
    fresh.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    fresh.fit(x, y, batch_size=8, epochs=40, verbose=0)
    scores["from scratch"] = fresh.evaluate(x_test, y_test, verbose=0)[1]
    network = nv.pretrained.efficientnet_lite0(input_shape=(64, 64, 3))
    linear = make_pipeline(FeatureExtractor(network), LogisticRegression(C=0.01))
    scores["linear"] = linear.fit(x, y).score(x_test, y_test)
    for name, epochs in (("new classifier", 0), ("fine-tuned", 4)):
        found = fine_tune(
            network, x, y, head_epochs=30, epochs=epochs, head_learning_rate=3e-3,
            batch_size=8, verbose=0,
        )  # fmt: skip
        scores[name] = found.model.evaluate(x_test, y_test, verbose=0)[1]
    print(scores)
    assert min(scores["linear"], scores["fine-tuned"]) > scores["from scratch"] + 0.05
    assert scores["fine-tuned"] > 0.8
