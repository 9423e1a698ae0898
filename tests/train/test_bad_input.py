"""Calls that must not train: each gets one precise error, and nothing is changed.

The exact texts are in ``bad_input.txt``, below the names of the calls.  To see what the
calls say now, run ``python -m tests.train.test_bad_input``.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import nervure as nv
from nervure.errors import NervureError
from nervure.layers import Dense, Flatten, Input
from nervure.models import Sequential
from tests.train.builders import (
    classifier,
    next_random_key,
    regressor,
    same,
    state_of,
    three_classes,
)

X = np.linspace(-1, 1, 24).reshape(6, 4)
Y = np.array([0, 1, 2, 0, 1, 2])
RAGGED = [[1, 2, 3, 4], [1, 2, 3]]


def with_value(value: float) -> np.ndarray:
    """Return features with one other value in row 3, column 2."""
    x = X.copy()
    x[3, 2] = value
    return x


def frame_with_none() -> pd.DataFrame:
    """Return a table of several types, with a missing integer."""
    age = pd.array([1, None], "Int64")
    return pd.DataFrame({"age": age, "b": [1.5, 2], "c": 3, "d": 4})


def binary() -> Sequential:
    """Return a model with one probability as its output."""
    return classifier(1, "sigmoid", "binary_crossentropy")


def one_hot() -> Sequential:
    """Return a model that expects one-hot rows."""
    return classifier(loss="categorical_crossentropy")


def flat() -> Sequential:
    """Return a model of pictures of two by two."""
    layers = [Flatten(input_shape=(2, 2)), Dense(3, activation="softmax")]
    model = Sequential(layers)
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


CALLS: dict[str, Callable[[], Any]] = {
    # --- the data themselves ----------------------------------------------------------
    "nan in x": lambda: classifier().fit(with_value(np.nan), Y),
    "infinity in x": lambda: classifier().fit(with_value(-np.inf), Y),
    "too large for float32": lambda: classifier().fit(with_value(1e300), Y),
    "nan in pictures": lambda: flat().fit(np.full((6, 2, 2), np.nan), Y),
    "nan in a data frame": lambda: classifier().fit(
        pd.DataFrame(with_value(np.nan), columns=list("abcd")), Y
    ),
    "missing integer in a data frame": lambda: classifier().fit(
        frame_with_none(), Y[:2]
    ),
    "nan in y": lambda: regressor().fit(X[:, :2], [1, 2, np.nan, 3, np.inf, 4]),
    "nan in x to predict": lambda: classifier().predict(with_value(np.nan)),
    "nan in x to evaluate": lambda: classifier().evaluate(with_value(np.nan), Y),
    "label too large": lambda: classifier().fit(X, [0, 1, 7, 0, 1, 2]),
    "label negative": lambda: classifier().fit(X, [0, 1, -1, 0, 1, 2]),
    "labels from one": lambda: classifier().fit(X, Y + 1),
    "label with a fraction": lambda: classifier().fit(X, Y + 0.5),
    "labels beyond 0 and 1": lambda: binary().fit(X, [0, 1, 2, 0, 1, 2]),
    "labels -1 and 1": lambda: binary().fit(X, [-1, 1, -1, 1, -1, 1]),
    "one-hot rows beyond 1": lambda: one_hot().fit(X, 2 * np.eye(3)[Y]),
    "lengths differ": lambda: classifier().fit(X, Y[:5]),
    "no rows": lambda: classifier().fit(X[:0], Y[:0]),
    "no features": lambda: classifier().fit(X[:, :0], Y),
    "no rows to predict": lambda: classifier().predict(X[:0]),
    "objects that are numbers": lambda: classifier().fit(X.astype(object), Y),
    "objects": lambda: classifier().fit(np.array([[1.0, "a", 2, 3]] * 6, object), Y),
    "text": lambda: classifier().fit(np.full((6, 4), "a"), Y),
    "text labels": lambda: classifier().fit(X, list("abcabc")),
    "text in a data frame": lambda: classifier().fit(
        pd.DataFrame({"a": [1, 2], "b": ["u", "v"]}), Y[:2]
    ),
    "rows of unequal length": lambda: classifier().fit(RAGGED, Y[:2]),
    "complex numbers": lambda: classifier().fit(X * 1j, Y),
    "dates": lambda: classifier().fit(np.full((6, 4), np.datetime64("2020-01-01")), Y),
    "a single number": lambda: classifier().fit(3.0, Y),
    "nothing": lambda: classifier().fit(None, Y),
    "no targets": lambda: classifier().fit(X),
    "a dict": lambda: classifier().fit({"a": X}, Y),
    "a generator": lambda: classifier().fit(iter(X), Y),
    "a function": lambda: classifier().fit(X, len),
    # --- the shape of the data --------------------------------------------------------
    "too few features": lambda: classifier().fit(X[:, :3], Y),
    "too few features to predict": lambda: classifier().predict(X[:, :3]),
    "one sample": lambda: classifier().predict(X[0]),
    "features first": lambda: classifier().fit(np.ones((4, 7)), Y[:4]),
    "pictures not flattened": lambda: classifier().fit(np.ones((6, 2, 2)), Y),
    # --- targets, loss and output -----------------------------------------------------
    "labels for a one-hot loss": lambda: one_hot().fit(X, Y),
    "one-hot rows for a label loss": lambda: classifier().fit(X, np.eye(3)[Y]),
    "one-hot rows of another length": lambda: one_hot().fit(X, np.eye(4)[Y]),
    "two labels a row": lambda: classifier().fit(X, np.stack([Y, Y], axis=1)),
    "labels for several sigmoids": lambda: classifier(
        2, "sigmoid", "binary_crossentropy"
    ).fit(X, Y % 2),
    "one number for two outputs": lambda: classifier(2, None, "mse").fit(X, Y),
    "three numbers for one output": lambda: classifier(1, None, "mse").fit(
        X, np.eye(3)[Y]
    ),
    "logits for a label loss": lambda: classifier(3, None).fit(X, Y),
    "logits for a one-hot loss": lambda: classifier(
        3, None, "categorical_crossentropy"
    ).fit(X, np.eye(3)[Y]),
    "logits for a binary loss": lambda: classifier(1, None, "binary_crossentropy").fit(
        X, Y > 0
    ),
    "logits for a loss given as a function": lambda: classifier(
        3, None, nv.losses.categorical_crossentropy
    ).fit(X, np.eye(3)[Y]),
    "logits to evaluate": lambda: classifier(3, None).evaluate(X, Y),
    "softmax over one unit": lambda: classifier(
        1, "softmax", "binary_crossentropy"
    ).fit(X, Y > 0),
    "softmax over one unit, mse": lambda: classifier(1, "softmax", "mse").fit(X, Y),
    "one unit for classes": lambda: classifier(1, "sigmoid").fit(X, Y),
    # --- compile ----------------------------------------------------------------------
    "unknown loss": lambda: classifier(loss="sparse_crossentropy"),
    "unknown optimizer": lambda: classifier(optimizer="adamm"),
    "unknown metric": lambda: classifier(metrics=["acuracy"]),
    "unknown activation": lambda: classifier(activation="reluu"),
    "no loss": lambda: classifier(loss=None).fit(X, Y),
    "an optimizer class": lambda: classifier(optimizer=nv.optimizers.Adam),
    "a loss class": lambda: classifier(loss=nv.losses.MeanSquaredError),
    "a metric class": lambda: classifier(metrics=[nv.metrics.Mean]),
    "metrics not in a list": lambda: classifier(metrics="accuracy"),
    "metrics of an unknown output": lambda: classifier(metrics={"tip": "accuracy"}),
    "several losses": lambda: classifier(loss=["mse", "mae"]),
    "a loss without reduction": lambda: classifier(
        loss=nv.losses.MeanSquaredError(reduction=None)
    ),
    "a number as loss": lambda: classifier(loss=3),
    "fit before compile": lambda: Sequential([Dense(2)], name="net").fit(X, Y),
    "evaluate before compile": lambda: Sequential([Dense(2)], name="net").evaluate(
        X, Y
    ),
    # --- arguments --------------------------------------------------------------------
    "batch size zero": lambda: classifier().fit(X, Y, batch_size=0),
    "batch size negative": lambda: classifier().fit(X, Y, batch_size=-3),
    "batch size a fraction": lambda: classifier().fit(X, Y, batch_size=2.5),
    "batch size text": lambda: classifier().fit(X, Y, batch_size="all"),
    "batch size zero to predict": lambda: classifier().predict(X, batch_size=0),
    "batch size zero to evaluate": lambda: classifier().evaluate(X, Y, batch_size=0),
    "no epochs": lambda: classifier().fit(X, Y, epochs=0),
    "epochs a fraction": lambda: classifier().fit(X, Y, epochs=1.5),
    "epochs a truth value": lambda: classifier().fit(X, Y, epochs=True),
    "initial epoch negative": lambda: classifier().fit(X, Y, initial_epoch=-1),
    "no steps": lambda: classifier().fit(X, Y, steps_per_epoch=0),
    "verbose three": lambda: classifier().fit(X, Y, verbose=3),
    "verbose text": lambda: classifier().fit(X, Y, verbose="yes"),
    "shuffle text": lambda: classifier().fit(X, Y, shuffle="rows"),
    "split one": lambda: classifier().fit(X, Y, validation_split=1.0),
    "split negative": lambda: classifier().fit(X, Y, validation_split=-0.1),
    "split leaves nothing": lambda: classifier().fit(X, Y, validation_split=0.9),
    "validation data not a tuple": lambda: classifier().fit(X, Y, validation_data=X),
    "validation data of one": lambda: classifier().fit(X, Y, validation_data=(X,)),
    "validation labels too large": lambda: classifier().fit(
        X, Y, validation_data=(X, Y + 1)
    ),
    "validation features": lambda: classifier().fit(
        X, Y, validation_data=(X[:, :3], Y)
    ),
    "validation nan": lambda: classifier().fit(
        X, Y, validation_data=(with_value(np.nan), Y)
    ),
    "validation lengths": lambda: classifier().fit(X, Y, validation_data=(X, Y[:5])),
    "validation frequency zero": lambda: classifier().fit(X, Y, validation_freq=0),
    "sample weights of another length": lambda: classifier().fit(
        X, Y, sample_weight=[1, 2]
    ),
    "sample weights of two axes": lambda: classifier().fit(
        X, Y, sample_weight=np.ones((6, 1))
    ),
    "sample weight negative": lambda: classifier().fit(
        X, Y, sample_weight=[1, 1, -0.5, 1, 1, 1]
    ),
    "sample weight nan": lambda: classifier().fit(
        X, Y, sample_weight=[1, 1, np.nan, 1, 1, 1]
    ),
    "sample weights all zero": lambda: classifier().fit(
        X, Y, sample_weight=np.zeros(6)
    ),
    "class weight of an unknown class": lambda: classifier().fit(
        X, Y, class_weight={3: 1.0}
    ),
    "class weight of a name": lambda: classifier().fit(X, Y, class_weight={"cat": 1.0}),
    "class weight in a list": lambda: classifier().fit(X, Y, class_weight=[1, 2, 3]),
    "class weight negative": lambda: classifier().fit(X, Y, class_weight={0: -1}),
    "class weight nan": lambda: classifier().fit(X, Y, class_weight={0: np.nan}),
    "class weight for numbers": lambda: regressor().fit(
        X[:, :2], X[:, 0], class_weight={0: 1.0}
    ),
    "callback a number": lambda: classifier().fit(X, Y, callbacks=[3]),
    "callback a function": lambda: classifier().fit(X, Y, callbacks=print),
    "callback a class": lambda: classifier().fit(
        X, Y, callbacks=[nv.callbacks.LambdaCallback]
    ),
    # --- building models --------------------------------------------------------------
    "no such layer": lambda: classifier().get_layer("hiden"),
    "no such index": lambda: classifier().get_layer(index=2),
    "neither name nor index": lambda: classifier().get_layer(),
    "a layer class": lambda: classifier().add(Dense),
    "no layer": lambda: classifier().add(3),
    "a layer instead of a list": lambda: Sequential(Dense(3, name="top")),
    "a name that is taken": lambda: classifier().add(Dense(3, name="top")),
    "input on top": lambda: classifier().add(Input((3,))),
    "two inputs": lambda: Sequential([Input((3,)), Input((3,))], name="net"),
    "pop from nothing": lambda: Sequential(name="net").pop(),
    "no layers to predict with": lambda: Sequential(name="net").predict(X),
    "no output yet": lambda: Sequential([Dense(3)], name="net").output,
    "too short lines": lambda: classifier().summary(line_length=3),
    # --- helpers ----------------------------------------------------------------------
    "to_categorical too large": lambda: nv.utils.to_categorical([1, 5], 3),
    "to_categorical negative": lambda: nv.utils.to_categorical([-1]),
    "to_categorical empty": lambda: nv.utils.to_categorical([]),
    "to_categorical fraction": lambda: nv.utils.to_categorical([0.5]),
    "to_categorical no classes": lambda: nv.utils.to_categorical([0], 0),
    "seed negative": lambda: nv.utils.set_random_seed(-1),
    "seed too large": lambda: nv.utils.set_random_seed(2**32),
}
TEXTS = Path(__file__).with_name("bad_input.txt")


def texts() -> dict[str, str]:
    """Return the expected texts by the names of the calls."""
    blocks = ("\n" + TEXTS.read_text()).split("\n== ")[1:]
    pairs = (block.partition("\n") for block in blocks)
    return {name: text.rstrip() for name, _, text in pairs}


def message(call: Callable[[], Any]) -> str:
    """Return the class and the text of the error that a call raises."""
    try:
        call()
    except NervureError as error:
        return f"{type(error).__name__}: {error}"
    return "no error"


def test_every_call_has_a_text():
    assert list(texts()) == list(CALLS)


@pytest.mark.parametrize("name", CALLS)
def test_bad_input(name):
    nv.utils.clear_session()
    assert message(CALLS[name]) == texts()[name]


MODEL_CALLS: dict[str, Callable[[Sequential], Any]] = {
    "nan": lambda model: model.fit(with_value(np.nan), Y),
    "label": lambda model: model.fit(X, Y + 1),
    "length": lambda model: model.fit(X, Y[:5]),
    "batch size": lambda model: model.fit(X, Y, batch_size=0),
    "features": lambda model: model.fit(X[:, :2], Y),
    "validation": lambda model: model.fit(X, Y, validation_data=(X, Y - 1)),
    "weights": lambda model: model.fit(X, Y, sample_weight=-np.ones(6)),
    "class weights": lambda model: model.fit(X, Y, class_weight={5: 1.0}),
    "callbacks": lambda model: model.fit(X, Y, callbacks=[len]),
    "evaluate": lambda model: model.evaluate(with_value(np.inf), Y),
    "predict": lambda model: model.predict(X[:, :2]),
    "compile": lambda model: model.compile("adam", "crossentropy"),
    "metrics": lambda model: model.compile("adam", "mse", metrics=["acuracy"]),
    "add": lambda model: model.add(Dense(2, name="top")),
    "set_weights": lambda model: model.set_weights(model.get_weights()[:-1]),
}


@pytest.mark.parametrize("name", MODEL_CALLS)
def test_nothing_is_changed_and_nothing_is_said(name, capsys):
    model = classifier(metrics=["accuracy"])
    x, y = three_classes()
    history = model.fit(x, y, verbose=0)
    record, loss, optimizer = dict(history.history), model.loss, model.optimizer
    layers, before = model.layers, state_of(model)
    nv.utils.set_random_seed(3)
    with pytest.raises(NervureError):
        MODEL_CALLS[name](model)
    drawn = next_random_key()
    nv.utils.set_random_seed(3)
    assert drawn == next_random_key()
    assert same(before, state_of(model))
    assert model.history is history
    assert history.history == record
    assert (model.loss, model.optimizer, model.layers) == (loss, optimizer, layers)
    assert model.metrics_names == ["loss", "accuracy"]
    assert capsys.readouterr() == ("", "")


def test_a_deferred_model_is_built_only_for_data_that_pass():
    model = Sequential([Dense(3, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy")
    with pytest.raises(NervureError):
        model.fit(with_value(np.nan), Y)
    assert not model.built
    assert model.weights == []


def report() -> str:
    """Return what the calls say now, in the form of ``bad_input.txt``."""
    parts = []
    for name, call in CALLS.items():
        nv.utils.clear_session()
        with contextlib.redirect_stdout(io.StringIO()):
            parts.append(f"== {name}\n{message(call)}\n")
    return "\n".join(parts)


if __name__ == "__main__":
    print(report(), end="")
