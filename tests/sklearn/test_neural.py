"""NeuralClassifier, NeuralRegressor, NeuralTransformer and ConvClassifier."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris, make_regression
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    RandomizedSearchCV,
    cross_val_predict,
)
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler, scale

import nervure as nv
from nervure.datasets import digits
from nervure.errors import ArgumentError, DataError
from nervure.layers import Dense
from nervure.models import Sequential
from nervure.sklearn import (
    ConvClassifier,
    MLPClassifier,
    NeuralClassifier,
    NeuralRegressor,
    NeuralTransformer,
)

IRIS, SPECIES = load_iris(return_X_y=True)
X = scale(IRIS).astype(np.float32)
NAMES = np.array(["setosa", "versicolor", "virginica"])[SPECIES]


def network(n_classes_, units=16, activation="relu"):
    return [Dense(units, activation=activation), Dense(n_classes_, "softmax")]


def quick(**parameters):
    options = {"epochs": 20, "random_state": 0, "optimizer__learning_rate": 0.02}
    return NeuralClassifier(network, **{**options, **parameters})


def test_parts_have_nested_parameters() -> None:
    one = quick(model__units=8, optimizer="sgd", optimizer__momentum=0.9)
    known = one.get_params()
    assert known["model__units"] == 8
    assert known["model__activation"] == "relu"
    assert known["optimizer__momentum"] == 0.9
    assert known["optimizer__nesterov"] is False
    one.set_params(optimizer="adam", optimizer__beta_1=0.8, model__units=4)
    with pytest.raises(ArgumentError, match="no parameter 'optimizer__momentum'"):
        one.fit(X, NAMES)  # it was SGD's
    one = quick(model__units=4, optimizer__beta_1=0.8).fit(X, NAMES)
    assert one.model_.layers[0].units == 4
    assert one.model_.optimizer.beta_1 == 0.8
    assert float(one.model_.optimizer.learning_rate) == pytest.approx(0.02)
    assert one.score(X, NAMES) > 0.9
    assert clone(one).get_params() == one.get_params()


@pytest.mark.parametrize(
    "name, near",
    [
        ("model__unit", "model__units"),
        ("optimizer__lerning_rate", "optimizer__learning_rate"),
        ("epoch", "epochs"),
    ],
)
def test_misspelt_parameters(name, near) -> None:
    with pytest.raises(ValueError, match=f"did you mean '{near}'"):
        quick().set_params(**{name: 1})
    with pytest.raises((ValueError, TypeError), match=f"did you mean '{near}'"):
        quick(**{name: 1}).fit(X, NAMES)
    unchanged = quick()
    with pytest.raises(ValueError, match="did you mean"):
        unchanged.set_params(epochs=7, **{name: 1})
    assert unchanged.epochs == 20


@pytest.mark.parametrize(
    "model",
    [
        [Dense(8, activation="relu"), Dense(3, activation="softmax")],
        Sequential([Dense(8, activation="relu"), Dense(3, activation="softmax")]),
        Dense(3, activation="softmax"),
        None,
    ],
    ids=["list", "model", "layer", "default"],
)
def test_a_network_may_be_given_in_many_ways(model) -> None:
    one = NeuralClassifier(
        model, epochs=20, random_state=0, optimizer__learning_rate=0.02
    )
    assert one.fit(X, SPECIES).score(X, SPECIES) > 0.8
    # What was given is a pattern: another training does not start from this one.
    again = clone(one).fit(X, SPECIES)
    np.testing.assert_array_equal(one.predict_proba(X), again.predict_proba(X))
    with pytest.raises(ArgumentError, match="model must be a function"):
        NeuralClassifier(7).fit(X, SPECIES)


@pytest.mark.parametrize("form", ["labels", "one-hot", "multilabel"])
def test_the_loss_suits_the_targets(form) -> None:
    y = {
        "labels": NAMES,
        "one-hot": np.eye(3)[SPECIES],
        "multilabel": np.stack([SPECIES > 0, SPECIES > 1], axis=1).astype(int),
    }[form]
    one = NeuralClassifier(epochs=30, random_state=0).fit(X, y)
    assert one.predict(X).shape == y.shape
    assert one.score(X, y) > 0.85
    expected = {
        "labels": "sparse_categorical_crossentropy",
        "one-hot": "categorical_crossentropy",
        "multilabel": "binary_crossentropy",
    }[form]
    assert one.model_.require_compiled("fit").loss.name == expected


def test_early_stopping_restores_the_best_weights() -> None:
    one = quick(epochs=200, early_stopping=True, n_iter_no_change=3).fit(X, NAMES)
    assert one.n_iter_ < 200
    assert one.best_validation_score_ == max(one.validation_scores_)
    with pytest.raises(DataError, match="larger validation_fraction"):
        NeuralRegressor(early_stopping=True, validation_fraction=1).fit(X, IRIS)


def test_loss_and_metrics_by_name_class_or_object() -> None:
    for loss in (
        "sparse_categorical_crossentropy",
        nv.losses.SparseCategoricalCrossentropy,
        nv.losses.SparseCategoricalCrossentropy(),
    ):
        one = quick(loss=loss, metrics=["accuracy"], epochs=2).fit(X, NAMES)
        assert set(one.history_) == {"loss", "accuracy"}
    one = quick(loss="sparse_categorical_crossentropy", loss__from_logits=True)
    one.set_params(model__activation="tanh", epochs=2)
    one.fit(X, NAMES)
    assert one.model_.require_compiled("fit").loss.from_logits


def test_regressor_with_several_outputs() -> None:
    features, y = make_regression(150, 4, n_targets=2, random_state=0)
    y = scale(y)
    one = NeuralRegressor(epochs=60, random_state=0, optimizer__learning_rate=0.01)
    assert one.fit(features, y).score(features, y) > 0.95
    assert one.predict(features).shape == y.shape
    single = clone(one).fit(features, y[:, 0])
    assert single.predict(features).shape == (150,)


def test_transformer_feeds_a_pipeline() -> None:
    encoder = NeuralTransformer(n_components=2, epochs=30, random_state=0)
    features = encoder.fit_transform(X)
    assert features.shape == (150, 2)
    assert encoder.get_feature_names_out().tolist() == [
        "neuraltransformer0",
        "neuraltransformer1",
    ]
    frame = encoder.set_output(transform="pandas").transform(X)
    assert list(frame.columns) == encoder.get_feature_names_out().tolist()
    supervised = NeuralTransformer(
        n_components=3, target="classes", epochs=30, random_state=0
    )
    both = make_pipeline(supervised, LogisticRegression()).fit(X, NAMES)
    assert both.score(X, NAMES) > 0.9


def test_transformer_returns_the_layer_that_is_asked_for() -> None:
    layers = [Dense(7, name="first"), Dense(2, name="second"), Dense(4, name="third")]
    for layer, width in ((None, 2), ("first", 7), (0, 7), (-1, 4), ("second", 2)):
        one = NeuralTransformer(layers, layer=layer, epochs=1, random_state=0).fit(X)
        found = one.transform(X)
        assert found.shape == (150, width)
        weights = one.model_.layers[0].kernel.numpy()
        if width == 7:
            bias = one.model_.layers[0].bias.numpy()
            np.testing.assert_allclose(found, X @ weights + bias, rtol=1e-3, atol=1e-5)
    restored = pickle.loads(pickle.dumps(one))
    np.testing.assert_array_equal(restored.transform(X), one.transform(X))


def test_images_in_all_shapes() -> None:
    images, y = digits.load_data()
    images, y = images[:300].astype(np.float32) / 16, y[:300]
    options = {"epochs": 12, "random_state": 0, "hidden_layer_sizes": (32,)}
    options["optimizer__learning_rate"] = 0.005
    flat = ConvClassifier((8, 16), **options).fit(images.reshape(300, 64), y)
    square = ConvClassifier((8, 16), **options).fit(images, y)
    channels = ConvClassifier((8, 16), **options).fit(images[..., None], y)
    given = ConvClassifier((8, 16), input_shape=(8, 8), **options)
    given.fit(images.reshape(300, 64), y)
    expected = flat.predict_proba(images.reshape(300, 64))
    np.testing.assert_array_equal(expected, square.predict_proba(images))
    np.testing.assert_array_equal(expected, channels.predict_proba(images[..., None]))
    np.testing.assert_array_equal(
        expected, given.predict_proba(images.reshape(300, 64))
    )
    assert flat.score(images.reshape(300, 64), y) > 0.9
    with pytest.raises(ArgumentError, match="are no images of the shape"):
        ConvClassifier(input_shape=(7, 9)).fit(images.reshape(300, 64), y)
    with pytest.raises(DataError, match="expected those of the training"):
        square.predict(images[:, :, :7])


@pytest.mark.parametrize(
    "make",
    [quick, NeuralRegressor, NeuralTransformer, MLPClassifier, ConvClassifier],
    ids=lambda make: make.__name__,
)
def test_estimators_are_shown(make) -> None:
    one = make()
    assert type(one).__name__ in repr(one)
    assert type(one).__name__ in one._repr_html_()


def test_copies_of_a_fitted_estimator() -> None:
    one = quick(warm_start=True, epochs=3).fit(X, NAMES)
    other = copy.deepcopy(one)
    np.testing.assert_array_equal(one.predict_proba(X), other.predict_proba(X))
    before = one.predict_proba(X)
    other.fit(X, NAMES)
    np.testing.assert_array_equal(one.predict_proba(X), before)
    assert not hasattr(clone(one), "classes_")


def test_frames_with_names() -> None:
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X, columns=["a", "b", "c", "d"])
    one = quick(epochs=2).fit(frame, pd.Series(NAMES))
    assert one.feature_names_in_.tolist() == ["a", "b", "c", "d"]
    assert one.n_features_in_ == 4
    with pytest.raises(ValueError, match="feature names"):
        one.predict(frame[["b", "a", "c", "d"]])


def test_polars_frames() -> None:
    pl = pytest.importorskip("polars")
    frame = pl.DataFrame({name: X[:, place] for place, name in enumerate("abcd")})
    one = quick(epochs=2).fit(frame, SPECIES)
    assert one.feature_names_in_.tolist() == list("abcd")
    assert one.predict(frame).shape == (150,)


def test_a_search_in_a_pipeline_on_a_frame() -> None:
    """Columns of text and numbers, with missing ones, and a grid over both halves."""
    pd = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(IRIS, columns=["sl", "sw", "pl", "pw"])
    frame["place"] = rng.choice(["north", "south"], len(frame))
    columns = ColumnTransformer(
        [
            ("numbers", StandardScaler(), ["sl", "sw", "pl", "pw"]),
            ("text", OneHotEncoder(), ["place"]),
        ]
    )
    pipeline = Pipeline([("columns", columns), ("network", quick(epochs=15))])
    grid = GridSearchCV(
        pipeline,
        {"network__model__units": [1, 12], "columns__numbers__with_std": [True, False]},
        cv=3,
        error_score="raise",
    )
    grid.fit(frame, NAMES)
    assert grid.best_params_["network__model__units"] == 12
    assert grid.best_score_ > 0.85


def test_other_searches() -> None:
    grid = {"model__units": [2, 8], "optimizer__learning_rate": [0.001, 0.03]}
    for search in (
        RandomizedSearchCV(quick(), grid, n_iter=3, cv=3, random_state=0),
        HalvingGridSearchCV(quick(), grid, cv=3, random_state=0, min_resources=60),
    ):
        search.error_score = "raise"
        assert search.fit(X, NAMES).best_score_ > 0.7
    predicted = cross_val_predict(quick(), X, NAMES, cv=3)
    assert (predicted == NAMES).mean() > 0.85


def test_metadata_is_routed() -> None:
    from sklearn import config_context

    weights = np.where(SPECIES == 2, 20.0, 1.0)
    with config_context(enable_metadata_routing=True):
        one = quick(epochs=5).set_fit_request(sample_weight=True)
        one.set_score_request(sample_weight=True)
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        pipeline = make_pipeline(scaler, one)
        pipeline.fit(X, NAMES, sample_weight=weights)
        grid = GridSearchCV(one, {"epochs": [5]}, cv=3, error_score="raise")
        grid.fit(X, NAMES, sample_weight=weights)
    plain = make_pipeline(StandardScaler(), quick(epochs=5)).fit(X, NAMES)
    assert (pipeline.predict(X) == "virginica").sum() > (
        plain.predict(X) == "virginica"
    ).sum()
