"""Who is called when, and what it costs."""

from __future__ import annotations

import numpy as np
import pytest

import nervure as nv
from nervure.callbacks import Callback, CallbackList, History, LambdaCallback
from nervure.step import Step
from tests.train.builders import classifier, line, regressor, three_classes


def names(recorder):
    return [call[0] for call in recorder.calls]


def overriding(*methods):
    """Return a recorder that overrides some methods only."""
    calls = []

    def method(name):
        return lambda self, *arguments: calls.append((name, *arguments))

    one = type("Some", (Callback,), {name: method(name) for name in methods})()
    one.calls = calls
    return one


EVERY_METHOD = [name for name in dir(Callback) if name.startswith("on_")]


def test_order_of_calls_in_fit():
    x, y = line(8)
    recorder = overriding(*(m for m in EVERY_METHOD if not m.startswith("on_batch")))
    regressor().fit(
        x, y, batch_size=3, epochs=2, validation_split=0.25, verbose=0,
        callbacks=[recorder],
    )  # fmt: skip
    batch = ["on_train_batch_begin", "on_train_batch_end"]
    test = [
        "on_test_begin",
        "on_test_batch_begin",
        "on_test_batch_end",
        "on_test_end",
    ]
    epoch = ["on_epoch_begin", *batch, *batch, *test, "on_epoch_end"]
    assert names(recorder) == ["on_train_begin", *epoch, *epoch, "on_train_end"]


def test_logs_are_means_so_far_in_the_order_of_the_alphabet():
    x, y = three_classes(9)
    recorder = overriding("on_train_batch_end", "on_epoch_end", "on_train_end")
    model = classifier(optimizer=nv.optimizers.SGD(0.0), metrics=["accuracy"])
    model.fit(
        x, y, batch_size=6, shuffle=False, verbose=0, validation_data=(x, y),
        callbacks=recorder,
    )  # fmt: skip
    first, last, epoch, end = (call[-1] for call in recorder.calls)
    assert list(first) == ["accuracy", "loss"]
    assert list(epoch) == ["accuracy", "loss", "val_accuracy", "val_loss"]
    assert end == epoch
    assert all(type(value) is float for value in epoch.values())
    some = model.evaluate(x[:6], y[:6], verbose=0)
    whole = model.evaluate(x, y, verbose=0)
    assert [first["loss"], first["accuracy"]] == pytest.approx(some, rel=1e-6)
    assert [last["loss"], last["accuracy"]] == pytest.approx(whole, rel=1e-6)
    assert [epoch["val_loss"], epoch["val_accuracy"]] == pytest.approx(whole, rel=1e-6)


def test_batches_are_counted_from_zero_in_each_epoch():
    x, y = line(8)
    recorder = overriding("on_train_batch_end")
    regressor().fit(x, y, batch_size=3, epochs=2, verbose=0, callbacks=[recorder])
    assert [call[1] for call in recorder.calls] == [0, 1, 2, 0, 1, 2]


def test_the_old_names_of_the_batch_methods_work():
    x, y = line(4)
    recorder = overriding("on_batch_begin", "on_batch_end")
    regressor().fit(x, y, verbose=0, callbacks=[recorder])
    assert names(recorder) == ["on_batch_begin", "on_batch_end"]


def test_order_of_calls_in_evaluate_and_predict():
    x, y = line(4)
    model = regressor()
    recorder = overriding(*EVERY_METHOD)
    model.evaluate(x, y, batch_size=2, verbose=0, callbacks=[recorder])
    model.predict(x, batch_size=3, verbose=0, callbacks=[recorder])
    test = ["on_test_batch_begin", "on_test_batch_end"]
    predict = ["on_predict_batch_begin", "on_predict_batch_end"]
    assert names(recorder) == [
        "on_test_begin",
        *test,
        *test,
        "on_test_end",
        "on_predict_begin",
        *predict,
        *predict,
        "on_predict_end",
    ]


def count_runs(monkeypatch):
    """Return a list that gets the number of steps of each call of a step."""
    runs = []
    run = Step.run

    def counting(self, constants, varying):
        runs.append(len(varying[0]))
        run(self, constants, varying)

    monkeypatch.setattr(Step, "run", counting)
    return runs


def test_callbacks_without_batch_methods_cost_nothing_per_batch(monkeypatch):
    runs = count_runs(monkeypatch)
    x, y = line(3000)
    watcher = LambdaCallback(on_epoch_end=lambda epoch, logs: None)
    model = regressor()
    model.fit(x, y, batch_size=1, epochs=2, verbose=0, callbacks=[watcher])
    assert sum(runs) == 6000
    assert len(runs) < 200
    assert runs[0] == 1  # the first call compiles


def test_callbacks_with_batch_methods_see_every_batch(monkeypatch):
    runs = count_runs(monkeypatch)
    x, y = line(50)
    watcher = LambdaCallback(on_train_batch_begin=lambda batch, logs: None)
    regressor().fit(x, y, batch_size=5, epochs=2, verbose=0, callbacks=[watcher])
    assert runs == [1] * 20


def test_training_stops_after_the_epoch_when_told_so():
    class Stop(Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = epoch == 1

    x, y = line()
    model = regressor()
    history = model.fit(x, y, epochs=10, verbose=0, callbacks=[Stop()])
    assert history.epoch == [0, 1]
    assert len(model.fit(x, y, epochs=3, verbose=0).epoch) == 3


def test_training_stops_in_the_middle_of_an_epoch_and_still_validates():
    class Stop(Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 2:
                self.model.stop_training = True

    x, y = line(20)
    model = regressor()
    history = model.fit(
        x, y, batch_size=2, epochs=10, verbose=0, validation_data=(x, y),
        callbacks=[Stop()],
    )  # fmt: skip
    assert int(model.optimizer.iterations.numpy()) == 3
    expected = model.evaluate(x, y, verbose=0)
    assert history.history["val_loss"] == pytest.approx([expected], rel=1e-5)


def test_callbacks_add_columns_to_the_history():
    class Rate(Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["learning_rate"] = float(self.model.optimizer.learning_rate.numpy())

    x, y = line()
    history = regressor().fit(x, y, epochs=2, verbose=0, callbacks=[Rate()])
    assert list(history.history) == ["loss", "learning_rate"]
    assert history.history["learning_rate"] == pytest.approx([0.01, 0.01])


def test_a_callback_may_evaluate_the_model():
    x, y = line()
    seen = []

    class Evaluate(Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.append(self.model.evaluate(x, y, verbose=0))

    model = regressor()
    history = model.fit(x, y, epochs=3, verbose=0, callbacks=[Evaluate()])
    assert len(seen) == 3
    assert seen[0] < history.history["loss"][0]


def test_callbacks_know_the_model_and_the_plan():
    x, y = line(10)
    callback = Callback()
    model = regressor()
    model.fit(x, y, batch_size=4, epochs=2, verbose=0, callbacks=[callback])
    assert callback.model is model
    assert callback.params == {"verbose": 0, "epochs": 2, "steps": 3}


def test_history_is_an_object_of_its_own():
    x, y = line()
    model = regressor()
    assert model.history is None
    first = model.fit(x, y, epochs=2, verbose=0)
    second = model.fit(x, y, epochs=1, verbose=0)
    assert model.history is second is not first
    assert repr(first) == "<History of 2 epochs: loss>"
    assert first.model is model
    assert first.params["epochs"] == 2
    assert isinstance(second, History)


def test_a_history_that_is_passed_continues():
    x, y = line()
    model = regressor()
    history = model.fit(x, y, epochs=2, verbose=0)
    again = model.fit(x, y, initial_epoch=2, epochs=3, verbose=0, callbacks=[history])
    assert again is history
    assert len(history.history["loss"]) == 3
    assert history.epoch == [2]


def test_the_list_knows_who_looks_at_batches():
    model = regressor()
    quiet = CallbackList([Callback(), History()], model, {})
    assert not quiet.watches_batches("train")
    begin = overriding("on_batch_begin")
    busy = CallbackList([begin], model, {})
    assert busy.watches_batches("train")
    assert not busy.wants_logs("train")
    assert not busy.watches_batches("test")
    assert CallbackList([overriding("on_test_batch_end")], model, {}).wants_logs("test")


def test_pandas_makes_a_table_of_a_history():
    import pandas as pd

    x, y = line()
    table = pd.DataFrame(regressor().fit(x, y, epochs=2, verbose=0).history)
    assert table.shape == (2, 1)
    assert np.isfinite(table.to_numpy()).all()
