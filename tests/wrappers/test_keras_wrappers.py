"""Keras' wrappers: parameters, targets of each form, searches, pickles."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import make_classification, make_regression
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV, cross_val_score

import nervure as nv
from nervure.errors import ArgumentError, DataError
from nervure.layers import Activation, Dense
from nervure.models import Sequential
from nervure.wrappers.scikit_learn import KerasClassifier, KerasRegressor

X, LABELS = make_classification(
    240, 8, n_informative=6, n_classes=3, class_sep=2.0, random_state=0
)
NAMES = np.array(["high", "low", "mid"])[LABELS]
ONE_HOT = nv.utils.to_categorical(LABELS, 3)


def make_model(optimizer="adam", hidden_size=16, loss="categorical_crossentropy"):
    model = Sequential(
        [
            Dense(hidden_size, input_shape=(8,)),
            Activation("relu"),
            Dense(3),
            Activation("sigmoid" if loss == "binary_crossentropy" else "softmax"),
        ]
    )
    model.compile(optimizer=optimizer, loss=loss, metrics=["accuracy"])
    return model


def classifier(**parameters):
    options = {"epochs": 25, "batch_size": 16, "random_state": 0, **parameters}
    return KerasClassifier(make_model, **options)


@pytest.mark.parametrize("y", [LABELS, NAMES], ids=["numbers", "names"])
@pytest.mark.parametrize(
    "loss", ["categorical_crossentropy", "sparse_categorical_crossentropy"]
)
def test_labels_of_any_type_fit_either_loss(y, loss) -> None:
    fitted = classifier(loss=loss).fit(X, y)
    assert fitted.classes_.tolist() == sorted(set(y.tolist()))
    assert fitted.predict(X).dtype == y.dtype
    assert fitted.score(X, y) == accuracy_score(y, fitted.predict(X)) > 0.85
    probabilities = fitted.predict_proba(X)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    assert np.array_equal(fitted.classes_[probabilities.argmax(1)], fitted.predict(X))


def test_one_hot_rows_come_back_as_one_hot_rows() -> None:
    fitted = classifier().fit(X, ONE_HOT)
    assert fitted.classes_.tolist() == [0, 1, 2]
    predicted = fitted.predict(X)
    assert predicted.shape == ONE_HOT.shape
    assert fitted.score(X, ONE_HOT) == accuracy_score(ONE_HOT, predicted) > 0.85
    # Labels say the same, and the same network learns from them.
    assert fitted.score(X, LABELS) == fitted.score(X, ONE_HOT)
    np.testing.assert_array_equal(
        classifier().fit(X, LABELS).predict_proba(X), fitted.predict_proba(X)
    )


def test_labels_that_do_not_exclude_each_other() -> None:
    several = np.stack([X[:, 0] > 0, X[:, 1] > 0, X[:, 2] > 0], axis=1).astype(int)
    fitted = classifier(loss="binary_crossentropy").fit(X, several)
    predicted = fitted.predict(X)
    assert set(predicted.sum(axis=1)) >= {0, 3}
    assert (predicted == several).mean() > 0.9
    with pytest.raises(DataError, match="binary_crossentropy"):
        classifier().fit(X, several)


def test_two_classes_with_one_unit() -> None:
    def network():
        model = Sequential([Dense(8, activation="relu"), Dense(1)])
        loss = nv.losses.BinaryCrossentropy(from_logits=True)
        model.compile("adam", loss)
        return model

    y = np.where(X[:, 0] > 0, "yes", "no")
    fitted = KerasClassifier(network, epochs=40, random_state=1).fit(X, y)
    assert fitted.classes_.tolist() == ["no", "yes"]
    assert fitted.predict_proba(X).shape == (len(X), 2)
    assert fitted.score(X, y) > 0.9


def test_arguments_of_the_function_are_parameters() -> None:
    one = classifier(hidden_size=4)
    assert one.get_params()["hidden_size"] == 4
    assert one.get_params()["optimizer"] == "adam"  # the function's default
    one.set_params(optimizer="sgd", epochs=3)
    assert one.fit(X, LABELS).model_.optimizer.name == "sgd"
    assert len(one.history_["loss"]) == 3
    assert one.model_.layers[0].units == 4
    assert clone(one).get_params() == one.get_params()


@pytest.mark.parametrize("name, near", [("hiden_size", "hidden_size"),
                                        ("epoch", "epochs")])  # fmt: skip
def test_misspelt_parameters_are_named(name, near) -> None:
    with pytest.raises(TypeError, match=f"did you mean '{near}'"):
        KerasClassifier(make_model, **{name: 3})
    with pytest.raises(ValueError, match=f"did you mean '{near}'"):
        classifier().set_params(**{name: 3})


def test_facts_about_the_data_reach_the_function() -> None:
    told = {}

    def network(n_features_in_, n_classes_, X_shape_, target_type_, n_outputs_):
        told.update({k: v for k, v in locals().items() if k.endswith("_")})
        model = Sequential([Dense(n_classes_, activation="softmax")])
        model.compile("sgd", "sparse_categorical_crossentropy")
        return model

    KerasClassifier(network).fit(X, LABELS)
    assert told == {
        "n_features_in_": 8,
        "n_classes_": 3,
        "X_shape_": (8,),
        "target_type_": "labels",
        "n_outputs_": 1,
    }
    assert "n_classes_" not in KerasClassifier(network).get_params()


@pytest.mark.parametrize(
    "wrong, message",
    [
        (None, "a function that returns a compiled"),
        (lambda: 3, "must return a compiled model, got 3"),
        (lambda: Sequential([Dense(3)]), "not compiled"),
    ],
)
def test_what_is_no_compiled_model_is_refused(wrong, message) -> None:
    with pytest.raises(ArgumentError, match=message):
        KerasClassifier(wrong).fit(X, LABELS)


def test_the_same_random_state_gives_the_same_bits() -> None:
    state = nv.random.default_generator().cell.numpy().tolist()
    first, second = classifier().fit(X, LABELS), classifier().fit(X, LABELS)
    np.testing.assert_array_equal(first.predict_proba(X), second.predict_proba(X))
    other = classifier(random_state=1).fit(X, LABELS)
    assert not np.array_equal(other.predict_proba(X), first.predict_proba(X))
    # The process's generator was left alone.
    assert nv.random.default_generator().cell.numpy().tolist() == state


def test_pickles_hold_arrays_and_train_on() -> None:
    fitted = classifier(epochs=3, warm_start=True).fit(X, LABELS)
    copy = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(copy.predict_proba(X), fitted.predict_proba(X))
    # The optimizer's moments came along, so both go on in the same way.
    fitted.fit(X, LABELS)
    copy.fit(X, LABELS)
    np.testing.assert_array_equal(copy.predict_proba(X), fitted.predict_proba(X))


def test_partial_fit_goes_on() -> None:
    growing = classifier()
    growing.partial_fit(X[:50], LABELS[:50], classes=[0, 1, 2])
    model = growing.model_
    for _ in range(30):
        growing.partial_fit(X, LABELS)
    assert growing.model_ is model
    assert growing.score(X, LABELS) > 0.85


def test_a_search_over_arguments_of_both_kinds() -> None:
    grid = GridSearchCV(
        classifier(),
        {"epochs": [1, 15], "hidden_size": [2, 16]},
        cv=3,
        return_train_score=True,
        error_score="raise",
    )
    grid.fit(X, ONE_HOT)
    assert grid.best_params_["epochs"] == 15
    assert grid.best_score_ > 0.8
    scores = cross_val_score(classifier(), X, ONE_HOT, cv=3, scoring="f1_macro")
    assert scores.min() > 0.7


def test_class_weights_move_the_decision() -> None:
    rare = LABELS == 2
    plain = classifier(epochs=15).fit(X, NAMES)
    heavy = classifier(epochs=15, class_weight={"mid": 50.0}).fit(X, NAMES)
    assert heavy.predict(X).tolist().count("mid") > rare.sum()
    assert heavy.predict_proba(X)[:, 2].mean() > plain.predict_proba(X)[:, 2].mean()


@pytest.mark.parametrize("outputs", [1, 2])
def test_regressor(outputs) -> None:
    features, y = make_regression(200, 5, n_targets=outputs, noise=1.0, random_state=0)
    y = y / y.std()

    def network(n_outputs_):
        model = Sequential([Dense(16, activation="relu"), Dense(n_outputs_)])
        model.compile(nv.optimizers.Adam(0.01), "mse")
        return model

    fitted = KerasRegressor(network, epochs=60, random_state=0).fit(features, y)
    assert fitted.predict(features).shape == y.shape
    assert fitted.score(features, y) > 0.95


def test_weights_count_rows_wherever_a_batch_holds_them() -> None:
    counts = np.arange(40) % 3
    few, y = X[:40].astype(np.float32), LABELS[:40]
    weighted = classifier(batch_size=64).fit(few, y, sample_weight=counts)
    repeated = classifier(batch_size=64).fit(
        few.repeat(counts, axis=0)[::-1], y.repeat(counts)[::-1]
    )
    np.testing.assert_array_equal(weighted.predict_proba(X), repeated.predict_proba(X))
