"""Data that come while training goes on give the bits of those in memory."""

from __future__ import annotations

import threading
import time

import h5py
import numpy as np
import pandas as pd
import polars
import pytest
import scipy.sparse
import torch

import nervure as nv
from nervure.callbacks import BackupAndRestore, Callback
from nervure.errors import ArgumentError, DataError, ShapeError
from nervure.layers import Concatenate, Dense, Input
from nervure.models import Model, Sequential
from nervure.train import lazy_rows, streams
from nervure.utils import PyDataset
from tests.train.builders import classifier, line, regressor, same, state_of

ROWS = 50
X = np.random.default_rng(1).normal(size=(ROWS, 4)).astype("float32")
Y = (np.arange(ROWS) % 3).astype("int64")
W = np.linspace(0.5, 2.0, ROWS).astype("float32")
SIZE = 8
BATCHES = 7  # the last one has 2 rows


@pytest.fixture
def executor(request):
    with nv.config.override(executor=request.param):
        yield request.param


both_executors = pytest.mark.parametrize(
    "executor", ["reference", "cpu"], indirect=True
)


def mapped(folder, values, name="x"):
    path = folder / f"{name}.npy"
    np.save(path, values)
    return np.load(path, mmap_mode="r")


def in_h5py(folder, values, name="x"):
    file = h5py.File(folder / f"{name}.h5", "w")
    file["values"] = values
    return file["values"]


def batches(x=X, y=Y, *others):
    for start in range(0, len(x), SIZE):
        yield tuple(one[start : start + SIZE] for one in (x, y, *others))


class Made(PyDataset):
    def __init__(self, x=X, y=Y, *others, **options):
        super().__init__(**options)
        self.data = (x, y, *others)
        self.threads = set()
        self.passes = []

    def __len__(self):
        return -(-len(self.data[0]) // SIZE)

    def __getitem__(self, index):
        self.threads.add(threading.get_ident())
        start = index * SIZE
        return tuple(one[start : start + SIZE] for one in self.data)

    def on_epoch_begin(self):
        self.passes.append("begin")

    def on_epoch_end(self):
        self.passes.append("end")


def fitted(x, y=None, weights=None, epochs=2, seed=1, **options):
    nv.utils.set_random_seed(seed)
    model = classifier(metrics=["accuracy"])
    history = model.fit(x, y, SIZE, epochs, verbose=0, sample_weight=weights, **options)
    return history.history, state_of(model)


def equal(one, other):
    assert one[0] == other[0]
    assert same(one[1], other[1])


# --- files --------------------------------------------------------------------------


@both_executors
@pytest.mark.parametrize("shuffle", [True, False, "batch"])
@pytest.mark.parametrize("store", [mapped, in_h5py])
def test_files(tmp_path, store, shuffle, executor):
    expected = fitted(X, Y, shuffle=shuffle)
    equal(fitted(store(tmp_path, X), Y, shuffle=shuffle), expected)
    both = store(tmp_path, X, "a"), store(tmp_path, Y, "b")
    equal(fitted(*both, shuffle=shuffle), expected)


@pytest.mark.parametrize("steps", [1, 2, 100])
def test_any_number_of_steps_at_once(tmp_path, steps, monkeypatch):
    monkeypatch.setattr(streams, "_MOST_STEPS", steps)
    equal(fitted(mapped(tmp_path, X), Y), fitted(X, Y))


def test_weights_validation_and_odd_epochs(tmp_path):
    x, y, w = mapped(tmp_path, X), mapped(tmp_path, Y, "y"), mapped(tmp_path, W, "w")
    for options in (
        {"validation_split": 0.2},
        {"steps_per_epoch": 5, "epochs": 3},
        {"steps_per_epoch": 9},
        {"class_weight": {0: 2.0, 2: 0.5}},
        {"validation_data": (X[:20], Y[:20], W[:20]), "validation_batch_size": 6},
    ):
        in_memory = fitted(X, Y, W, **options)
        equal(fitted(x, Y, W, **options), in_memory)
        equal(fitted(x, y, w, **options), in_memory)
        equal(fitted(X, y, w, **options), in_memory)
    held_out = (x[:20], y[:20], w[:20])
    equal(fitted(X, Y, W, validation_data=held_out, validation_batch_size=6), in_memory)


def test_sparse_rows_become_dense_batch_by_batch(monkeypatch):
    monkeypatch.setattr(lazy_rows, "_DENSE_AT_ONCE", 0)
    x = np.where(np.abs(X) > 1, X, 0)
    expected = fitted(x, Y)
    for make in (
        scipy.sparse.csr_matrix,
        scipy.sparse.csc_array,
        scipy.sparse.coo_array,
    ):
        assert lazy_rows.is_lazy(make(x))
        equal(fitted(make(x), Y), expected)


@pytest.mark.parametrize("dtype", ["float64", "uint8", "int32", ">f4", "float16"])
def test_every_type(tmp_path, dtype):
    x = (np.abs(X) * 10).astype(dtype)
    equal(fitted(mapped(tmp_path, x), Y), fitted(x, Y))


def test_evaluate_and_predict(tmp_path):
    model = classifier(metrics=["accuracy"])
    x = mapped(tmp_path, X)
    for options in ({}, {"steps": 3}):
        found = model.evaluate(x, Y, SIZE, verbose=0, **options)
        assert found == model.evaluate(X, Y, SIZE, verbose=0, **options)
        found = model.predict(x, SIZE, verbose=0, **options)
        expected = model.predict(X, SIZE, verbose=0, **options)
        np.testing.assert_array_equal(found, expected)


def test_never_more_rows_than_needed(tmp_path, monkeypatch):
    monkeypatch.setattr(streams, "_MOST_STEPS", 2)
    read = lazy_rows.Column.read
    counts = []

    def counting(self, rows):
        counts.append(len(rows))
        return read(self, rows)

    monkeypatch.setattr(lazy_rows.Column, "read", counting)
    fitted(mapped(tmp_path, X), Y, epochs=1)
    assert max(counts) == 2 * SIZE
    assert sum(counts) == ROWS + 1  # one row is looked at first


def test_another_type_is_said_once(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("nervure.train.data._said", set())
    x = mapped(tmp_path, X.astype("float64"))
    for _ in range(2):
        classifier().fit(x, Y, verbose=2)
    assert capsys.readouterr().out.count("is float64 and is computed in float32") == 1


def test_data_frames_of_polars():
    frame = polars.DataFrame(X, schema=list("abcd"))
    equal(fitted(frame, polars.Series(Y)), fitted(X, Y))
    equal(fitted(pd.DataFrame(X), pd.Series(Y)), fitted(X, Y))


# --- several inputs and outputs -----------------------------------------------------


def two_inputs():
    first, second = Input((4,), name="first"), Input((2,), name="second")
    hidden = Dense(5, "relu")(Concatenate()([first, second]))
    outputs = {"one": Dense(1)(hidden), "two": Dense(3, "softmax")(hidden)}
    model = Model({"first": first, "second": second}, outputs)
    losses = {"one": "mse", "two": "sparse_categorical_crossentropy"}
    model.compile("adam", losses)
    return model


def fitted_two(x, y=None, weights=None, **options):
    nv.utils.set_random_seed(1)
    model = two_inputs()
    history = model.fit(x, y, SIZE, 2, verbose=0, sample_weight=weights, **options)
    return history.history, state_of(model)


def parts():
    x = {"first": X, "second": X[:, :2] * 2}
    return x, {"one": X[:, :1], "two": Y}


@pytest.mark.parametrize("options", [{}, {"validation_split": 0.2}, {"shuffle": False}])
def test_several_files(tmp_path, options):
    x, y = parts()
    expected = fitted_two(x, y, **options)
    files = {name: mapped(tmp_path, one, name) for name, one in x.items()}
    targets = {name: mapped(tmp_path, one, name) for name, one in y.items()}
    equal(fitted_two(files, y, **options), expected)
    equal(fitted_two(files, targets, **options), expected)
    equal(fitted_two(x | {"first": files["first"]}, targets, **options), expected)


def test_predicting_from_several_files(tmp_path):
    x, _ = parts()
    files = {name: in_h5py(tmp_path, one, name) for name, one in x.items()}
    model = two_inputs()
    found, expected = (model.predict(one, SIZE, verbose=0) for one in (files, x))
    for name in ("one", "two"):
        np.testing.assert_array_equal(found[name], expected[name])


def test_batches_of_several_arrays():
    x, y = parts()

    def made():
        for start in range(0, ROWS, SIZE):
            yield tuple(
                {name: one[start : start + SIZE] for name, one in part.items()}
                for part in (x, y)
            )

    expected = fitted_two(x, y, shuffle=False)
    equal(fitted_two(list_of(made())), expected)


def test_a_bad_row_of_several_files(tmp_path):
    x, y = parts()
    second = x["second"].copy()
    second[41, 1] = np.inf
    files = {
        "first": mapped(tmp_path, X),
        "second": mapped(tmp_path, second, "second"),
    }
    with pytest.raises(DataError, match="'second'.*row 41, column 1"):
        fitted_two(files, y)
    with pytest.raises(DataError, match="rows"):
        fitted_two(files | {"second": mapped(tmp_path, second[:9], "short")}, y)


def test_another_type_in_batches_is_said_once(capsys, monkeypatch):
    monkeypatch.setattr("nervure.train.data._said", set())
    for _ in range(2):
        classifier().fit(list_of(batches(X.astype("float64"))), epochs=2, verbose=2)
    assert capsys.readouterr().out.count("is float64 and is computed in float32") == 1


# --- what is wrong in a file --------------------------------------------------------


def test_a_bad_row_is_named_by_its_place_in_the_file(tmp_path):
    x = X.copy()
    x[37, 2] = np.nan
    for options in ({}, {"shuffle": False}, {"validation_split": 0.5}):
        with pytest.raises(DataError, match="NaN .* at row 37, column 2"):
            fitted(mapped(tmp_path, x), Y, **options)


def test_targets_in_memory_are_checked_before_anything_starts(tmp_path):
    y = Y.copy()
    y[40] = 7
    model = classifier()
    before = state_of(model)
    with pytest.raises(DataError, match="label 7 at row 40"):
        model.fit(mapped(tmp_path, X), y, verbose=0)
    assert same(before, [*state_of(model)][: len(before)])
    with pytest.raises(DataError, match="label 7"):
        model.fit(mapped(tmp_path, X), mapped(tmp_path, y, "y"), verbose=0)


def test_lengths_and_shapes(tmp_path):
    x = mapped(tmp_path, X)
    with pytest.raises(DataError, match="50 rows and y has 49"):
        fitted(x, Y[:-1])
    with pytest.raises(DataError, match="50 rows and y has 49"):
        fitted(x, mapped(tmp_path, Y[:-1], "y"))
    with pytest.raises(ShapeError, match="expects x of shape"):
        fitted(mapped(tmp_path, X[:, :3], "z"), Y)
    with pytest.raises(DataError, match="sample_weight"):
        fitted(x, Y, W[:-1])
    with pytest.raises(DataError, match="is empty"):
        fitted(in_h5py(tmp_path, X[:0], "e"), Y[:0])


# --- batches ------------------------------------------------------------------------

SOURCES = {
    "generator": lambda: (one for _ in range(2) for one in batches()),
    "iterable": lambda: Iterable(),
    "iterable without a length": lambda: Unknown(),
    "dataset": lambda: Made(),
    "dataset with threads": lambda: Made(workers=3, max_queue_size=2),
    "torch": lambda: torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(torch.from_numpy(X), torch.from_numpy(Y)), SIZE
    ),
}


class Unknown:
    def __iter__(self):
        return batches()


class Iterable(Unknown):
    def __len__(self):
        return BATCHES


@both_executors
@pytest.mark.parametrize("kind", SOURCES)
def test_batches(kind, executor):
    options = {"steps_per_epoch": BATCHES} if kind == "generator" else {}
    found = fitted(SOURCES[kind](), shuffle=False, **options)
    equal(found, fitted(X, Y, shuffle=False))


@pytest.mark.parametrize("kind", SOURCES)
def test_epochs_of_other_lengths_continue(kind):
    if kind == "generator":
        source = (one for _ in range(9) for one in batches())
    else:
        source = SOURCES[kind]()
    options = {"steps_per_epoch": 5, "epochs": 4, "shuffle": False}
    equal(fitted(source, **options), fitted(X, Y, **options))


@both_executors
@pytest.mark.parametrize("kind", ["generator", "iterable", "dataset with threads"])
def test_batches_of_evaluate_and_predict(kind, executor):
    model = classifier(metrics=["accuracy"])
    options = {"steps": BATCHES} if kind == "generator" else {}
    found = model.evaluate(SOURCES[kind](), verbose=0, **options)
    assert found == model.evaluate(X, Y, SIZE, verbose=0)
    found = model.predict(SOURCES[kind](), verbose=0, **options)
    np.testing.assert_array_equal(found, model.predict(X, SIZE, verbose=0))
    alone = model.predict((x for x, _ in batches()), verbose=0)
    np.testing.assert_array_equal(found, alone)


def test_weights_and_validation_in_batches():
    expected = fitted(
        X, Y, W, shuffle=False, validation_data=(X, Y, W), validation_batch_size=SIZE
    )
    for make in (lambda: Made(X, Y, W), lambda: list_of(batches(X, Y, W))):
        equal(fitted(make(), shuffle=False, validation_data=make()), expected)
    some = fitted(
        X, Y, W, shuffle=False, validation_data=(X, Y, W), validation_batch_size=SIZE,
        validation_steps=2,
    )  # fmt: skip
    found = fitted(
        Made(X, Y, W), shuffle=False, validation_data=Made(X, Y, W), validation_steps=2
    )
    equal(found, some)
    weighted = {"class_weight": {1: 3.0}, "shuffle": False}
    equal(fitted(Made(), **weighted), fitted(X, Y, **weighted))


def list_of(items):
    listed = list(items)

    class Listed:
        def __iter__(self):
            return iter(listed)

    return Listed()


def test_a_dataset_is_shuffled_and_told_about_passes():
    seen = []

    class Seen(Made):
        def __getitem__(self, index):
            seen.append(index)
            return super().__getitem__(index)

    one = Seen()
    fitted(one, epochs=2)
    first, second = seen[-14:-7], seen[-7:]
    assert sorted(first) == sorted(second) == list(range(BATCHES))
    assert first != second
    assert one.passes == ["begin", "end", "begin", "end"]
    equal(fitted(Made(), epochs=2), fitted(Made(workers=4), epochs=2))


def test_threads_make_batches_at_the_same_time():
    made = Made(workers=3)
    fitted(made)
    # The first batch is looked at here; the others are made elsewhere.
    assert len(made.threads - {threading.get_ident()}) > 1


def test_sequences_hold_rows():
    import array
    from collections import deque

    x = np.arange(12.0).reshape(12, 1)
    results = []
    for kind in (x, range(12), deque(range(12)), array.array("d", range(12))):
        nv.utils.set_random_seed(1)
        model = Sequential([Dense(1, input_shape=(1,))])
        model.compile("sgd", "mse")
        history = model.fit(kind, x / 12, verbose=0).history
        results.append((history, model.evaluate(kind, x, verbose=0)))
    assert all(one == results[0] for one in results)


def test_a_generator_gives_no_more_than_is_asked_for():
    drawn = []

    def forever():
        while True:
            for one in batches():
                drawn.append(1)
                yield one

    fitted(forever(), epochs=2, steps_per_epoch=4)
    assert len(drawn) == 8


def test_threads_end_with_the_training():
    class Stop(Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = True

    def forever():
        while True:
            yield from batches()

    before = threading.active_count()
    fitted(forever(), steps_per_epoch=1000, callbacks=[Stop()])
    for _ in range(100):
        if threading.active_count() <= before:
            break
        time.sleep(0.01)
    assert not [one for one in threading.enumerate() if one.name == "nervure-data"]


# --- what is wrong in batches -------------------------------------------------------


def test_an_exhausted_generator():
    with pytest.raises(DataError, match="ended after 7 batches, but 9 were expected"):
        fitted(batches(), epochs=1, steps_per_epoch=9)
    with pytest.raises(DataError, match=r"(?s)no batches .*while True"):
        fitted(batches(), epochs=2)
    with pytest.raises(DataError, match="no batches"):
        fitted(iter(()))
    generator = batches()
    model = classifier()
    model.fit(generator, verbose=0)
    with pytest.raises(DataError, match="no batches"):
        model.fit(generator, verbose=0)


def bad(place, **changes):
    for number, (x, y) in enumerate(batches()):
        if number == place:
            yield changes.get("x", x), changes.get("y", y)
        else:
            yield x, y


@pytest.mark.parametrize(
    "changes, error, words",
    [
        ({"x": X[:8, :3]}, ShapeError, "expects x of batch 2 of shape"),
        ({"y": Y[:7]}, DataError, "x of batch 2 has 8 rows and y of batch 2 has 7"),
        ({"y": Y[:8] + 3}, DataError, "y of batch 2 holds the label"),
        ({"y": X[:8]}, ShapeError, "y of batch 2"),
        ({"x": X[:8] * np.inf}, DataError, "x of batch 2 holds"),
        ({"x": X[:0], "y": Y[:0]}, DataError, "x of batch 2 is empty"),
        ({"x": [["a"] * 4] * 8}, DataError, "x of batch 2 holds text"),
        ({"y": None}, DataError, "y of batch 2 must be an array"),
    ],
)
def test_a_bad_batch_in_the_middle(changes, error, words):
    with pytest.raises(error, match=words):
        fitted(bad(2, **changes), epochs=1)


def test_an_error_of_the_user_comes_through():
    def failing():
        yield from list(batches())[:3]
        raise ZeroDivisionError("my own")

    with pytest.raises(ZeroDivisionError, match="my own"):
        fitted(failing(), epochs=1)

    class Failing(Made):
        def __getitem__(self, index):
            raise ZeroDivisionError("my own")

    with pytest.raises(ZeroDivisionError, match="my own"):
        fitted(Failing(workers=2))


def test_arguments_that_make_no_sense():
    with pytest.raises(ArgumentError, match="y must be None"):
        fitted(Made(), Y)
    with pytest.raises(ArgumentError, match="sample_weight must be None"):
        fitted(Made(), None, W)
    with pytest.raises(ArgumentError, match="validation_split"):
        fitted(Made(), validation_split=0.1)
    with pytest.raises(DataError, match="tuple of 4"):
        fitted(iter([(X, Y, W, W)]))
    with pytest.raises(ArgumentError, match="use_multiprocessing"):
        Made(use_multiprocessing=True)
    with pytest.raises(ArgumentError, match="workers"):
        Made(workers=0)


# --- resuming -----------------------------------------------------------------------


class Crash(Callback):
    def __init__(self, at):
        self.at = at

    def on_train_batch_end(self, batch, logs=None):
        if int(self.model.optimizer.iterations.numpy()) == self.at:
            raise KeyboardInterrupt


@pytest.mark.parametrize("kind", ["mapped", "generator", "iterable", "dataset"])
def test_resuming_in_the_middle(tmp_path, kind):
    def data(folder):
        if kind == "mapped":
            return mapped(folder, X), Y
        if kind == "generator":
            return ((one for _ in range(3) for one in batches()),)
        return (SOURCES[kind](),)

    options = {"steps_per_epoch": BATCHES, "epochs": 3}
    expected = fitted(*data(tmp_path), callbacks=[Crash(999)], **options)
    backup = BackupAndRestore(tmp_path / "backup", save_freq=2)
    with pytest.raises(KeyboardInterrupt):
        fitted(*data(tmp_path), callbacks=[backup, Crash(11)], **options)
    found = fitted(*data(tmp_path), seed=5, callbacks=[backup, Crash(999)], **options)
    equal(found, expected)


def test_the_display_counts_what_it_does_not_know(capsys):
    nv.utils.set_random_seed(1)
    classifier().fit(Unknown(), epochs=2, verbose=2)
    out = capsys.readouterr().out
    assert out.count("- 7 steps -") == 2


def test_single_outputs():
    x, y = line()
    nv.utils.set_random_seed(1)
    one = regressor()
    one.fit(x, y, batch_size=SIZE, shuffle=False, verbose=0)
    nv.utils.set_random_seed(1)
    other = regressor()
    other.fit(batches(x, y), verbose=0)
    assert same(state_of(one), state_of(other))
