"""Data of every kind that users have give the same numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import torch

import nervure as nv
from nervure.layers import Dense, Flatten, Input
from nervure.models import Sequential
from nervure.train import data
from tests.train.builders import classifier, regressor, three_classes

X = np.arange(24).reshape(6, 4) % 5
Y = np.array([0, 1, 2, 0, 1, 2])

KINDS = {
    "float32": X.astype("float32"),
    "float64": X.astype("float64"),
    "float16": X.astype("float16"),
    "int64": X.astype("int64"),
    "int32": X.astype("int32"),
    "uint8": X.astype("uint8"),
    "int8": X.astype("int8"),
    "uint16": X.astype("uint16"),
    "other byte order": X.astype(">f8"),
    "fortran order": np.asfortranarray(X.astype("float32")),
    "every second row": np.repeat(X, 2, axis=0)[::2],
    "lists": X.tolist(),
    "tuples": tuple(map(tuple, X.tolist())),
    "list of rows": list(X),
    "nervure array": nv.asarray(X),
    "torch tensor": torch.from_numpy(X.copy()),
    "data frame": pd.DataFrame(X),
    "data frame of several types": pd.DataFrame(X).astype({0: "float64", 1: "int8"}),
    "data frame of nullable types": pd.DataFrame(X).astype("Int64"),
    "sparse rows": scipy.sparse.csr_matrix(X),
    "sparse columns": scipy.sparse.csc_array(X),
    "read-only": np.broadcast_to(X, X.shape),
}


@pytest.fixture(scope="module")
def expected():
    return fitted(KINDS["float32"], Y)


def fitted(x, y):
    nv.utils.set_random_seed(1)
    model = classifier(metrics=["accuracy"])
    history = model.fit(x, y, epochs=2, verbose=0).history
    return history, model.predict(x, verbose=0), model.evaluate(x, y, verbose=0)


@pytest.mark.parametrize("kind", KINDS)
def test_features(kind, expected):
    found = fitted(KINDS[kind], Y)
    assert found[0] == expected[0]
    assert np.array_equal(found[1], expected[1])
    assert found[2] == expected[2]


LABELS = {
    "int64": Y,
    "uint8": Y.astype("uint8"),
    "float64": Y.astype("float64"),
    "list": Y.tolist(),
    "column": Y[:, None],
    "series": pd.Series(Y, index=range(10, 16)),
    "nullable series": pd.Series(Y, dtype="Int32"),
    "nervure array": nv.asarray(Y),
}


@pytest.mark.parametrize("kind", LABELS)
def test_labels(kind, expected):
    assert fitted(KINDS["float32"], LABELS[kind])[0] == expected[0]


def test_truth_values_are_zeros_and_ones():
    results = []
    for x, y in (
        (X > 2, Y > 1),
        ((X > 2).astype("float32"), (Y > 1).astype("float32")),
    ):
        nv.utils.set_random_seed(1)
        model = classifier(1, "sigmoid", "binary_crossentropy", metrics=["accuracy"])
        results.append(model.fit(x, y, epochs=2, verbose=0).history)
    assert results[0] == results[1]


def test_targets_of_one_axis_fit_one_unit():
    x = X[:, :2]
    y = x.sum(axis=1)
    results = []
    for targets in (y, y[:, None], y.astype("float64")):
        nv.utils.set_random_seed(1)
        results.append(regressor().fit(x, targets, epochs=2, verbose=0).history)
    assert results[0] == results[1] == results[2]


def test_a_single_feature_may_come_without_its_axis():
    model = Sequential([Dense(1, input_shape=(1,))])
    model.compile("sgd", "mse")
    x = np.arange(5.0)
    assert model.fit(x, x, verbose=0).epoch == [0]
    np.testing.assert_array_equal(
        model.predict(x, verbose=0), model.predict(x[:, None], verbose=0)
    )


def test_pictures_of_bytes_stay_bytes_until_they_are_gathered():
    pictures = (np.arange(6 * 16).reshape(6, 4, 4) % 256).astype("uint8")
    assert data.features(data.as_numbers(pictures, "x")).dtype == np.uint8
    results = []
    for x in (pictures, pictures.astype("float32")):
        nv.utils.set_random_seed(2)
        model = Sequential([Flatten(input_shape=(4, 4)), Dense(3, "softmax")])
        model.compile("sgd", "sparse_categorical_crossentropy")
        results.append(model.fit(x, Y, epochs=2, verbose=0).history)
    assert results[0] == results[1]


def test_float32_data_are_not_copied():
    x = X.astype("float32")
    assert data.features(data.as_numbers(x, "x")) is x


def test_the_data_are_not_changed():
    x, y = X.astype("float64"), Y.copy()
    copies = x.copy(), y.copy()
    classifier().fit(x, y, epochs=2, verbose=0)
    assert np.array_equal(x, copies[0])
    assert np.array_equal(y, copies[1])


def test_the_models_type_decides():
    model = Sequential([Input((4,), dtype="float64"), Dense(1, dtype="float64")])
    model.compile("sgd", "mse")
    assert model.input_dtype == "float64"
    assert model.predict(X + 1e-12, verbose=0).dtype == np.float64


def test_large_labels_keep_their_digits():
    big = np.array([2**40, -(2**40)])
    assert data.targets(data.as_numbers(big, "y")).dtype == np.int64
    assert data.targets(data.as_numbers(Y, "y")).dtype == np.int32


def test_another_type_is_said_once(capsys, monkeypatch):
    monkeypatch.setattr(data, "_said", set())
    x, y = three_classes()
    model = classifier()
    model.fit(x.astype("float64"), y, verbose=0)
    assert capsys.readouterr().out == ""
    for _ in range(2):
        model.fit(x.astype("float64"), y)
        model.evaluate(x.astype("float64"), y)
    model.fit(x, y)
    said = [line for line in capsys.readouterr().out.splitlines() if "nervure:" in line]
    assert said == ["nervure: x is float64 and is computed in float32 (said once)"]


def test_large_finite_numbers_are_finite():
    x = np.full((6, 4), 3e38, "float32")  # their sum overflows
    given = data.as_numbers(x, "x")
    from nervure.train.checks import finite

    finite(x, given, "x")
    x[5, 3] = np.nan
    with pytest.raises(nv.errors.DataError, match="row 5, column 3"):
        finite(x, given, "x")
