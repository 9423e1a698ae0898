"""Callbacks that watch a number decide as Keras' do.

``keras_decisions.json`` holds what Keras' own callbacks decided for made-up logs.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from nervure.callbacks import (
    Callback,
    EarlyStopping,
    LearningRateScheduler,
    ReduceLROnPlateau,
    TerminateOnNaN,
)
from nervure.errors import ArgumentError
from tests.train.builders import classifier, line, regressor, same, three_classes

CASES = json.loads((Path(__file__).parent / "keras_decisions.json").read_text())


def cases(name):
    chosen = [one for one in CASES["cases"] if one["callback"] == name]
    return pytest.mark.parametrize("case", chosen, ids=map(str, range(len(chosen))))


class Weights:
    """A model whose weights are the number of the epoch."""

    stop_training = False
    epoch = None

    def get_weights(self):
        return self.epoch

    def set_weights(self, epoch):
        self.epoch = epoch


@cases("EarlyStopping")
def test_early_stopping_decides_like_keras(case):
    callback, model = EarlyStopping(**case["options"]), Weights()
    callback.set_model(model)
    callback.on_train_begin()
    for epoch, value in enumerate(case["values"]):
        model.epoch = epoch
        callback.on_epoch_end(epoch, {case["options"]["monitor"]: value})
        if model.stop_training:
            break
    assert (epoch, model.stop_training) == (case["last_epoch"], case["stopped"])
    callback.on_train_end()
    assert model.epoch == case["weights"]


@cases("ReduceLROnPlateau")
def test_reduce_on_plateau_decides_like_keras(case):
    model = regressor()
    model.optimizer.learning_rate = 0.1
    callback = ReduceLROnPlateau(**case["options"])
    callback.set_model(model)
    callback.on_train_begin()
    rates = []
    for epoch, value in enumerate(case["values"]):
        logs = {"val_loss": value}
        callback.on_epoch_end(epoch, logs)
        rates.append(float(model.optimizer.learning_rate.numpy()))
    np.testing.assert_allclose(rates, case["rates"], rtol=1e-6)


# --- in training --------------------------------------------------------------------


class Rising(Callback):
    """Makes ``val_loss`` best in one epoch and notes the weights of each."""

    def __init__(self, best):
        self.best = best
        self.weights = []

    def on_epoch_end(self, epoch, logs=None):
        logs["val_loss"] = abs(epoch - self.best)
        self.weights.append(self.model.get_weights())


class Fail(Callback):
    def __init__(self, error):
        self.error = error

    def on_epoch_end(self, epoch, logs=None):
        if epoch == 3:
            raise self.error


@pytest.mark.parametrize("end", ["patience", "epochs", KeyboardInterrupt, OSError])
def test_best_weights_are_restored_whatever_ends_training(end):
    x, y = line()
    model = regressor()
    patience = 2 if end == "patience" else 9
    stop = EarlyStopping(patience=patience, restore_best_weights=True)
    told = Rising(1)
    if isinstance(end, type):
        with pytest.raises(end):
            model.fit(x, y, epochs=6, verbose=0, callbacks=[told, stop, Fail(end)])
    else:
        model.fit(x, y, epochs=6, verbose=0, callbacks=[told, stop])
    assert len(told.weights) == (6 if end == "epochs" else 4)
    assert stop.best_epoch == 1
    assert same(model.get_weights(), told.weights[1])
    assert not same(model.get_weights(), told.weights[-1])


def test_a_second_training_starts_afresh():
    x, y = line()
    model = regressor()
    stop = EarlyStopping(patience=1)
    for _ in range(2):
        told = Rising(0)
        history = model.fit(x, y, epochs=9, verbose=0, callbacks=[told, stop])
        assert history.epoch == [0, 1]


def test_nan_is_never_an_improvement():
    stop, model = EarlyStopping(monitor="loss", patience=2), Weights()
    stop.set_model(model)
    stop.on_train_begin()
    for epoch, value in enumerate([math.nan, 3.0, math.nan]):
        stop.on_epoch_end(epoch, {"loss": value})
    assert (stop.best, stop.wait, model.stop_training) == (3.0, 1, False)


def test_a_number_that_is_not_there_is_said_once():
    x, y = line()
    with pytest.warns(UserWarning, match="validation_split") as caught:
        regressor().fit(x, y, epochs=3, verbose=0, callbacks=[EarlyStopping()])
    assert len(caught) == 1


def test_the_direction_of_a_name():
    def larger(name):
        callback = EarlyStopping(name)
        callback.monitor = name
        return callback.improves(2.0, 1.0)

    ups = ["accuracy", "val_sparse_categorical_accuracy", "auc", "weighted_acc"]
    downs = ["loss", "val_loss", "mean_absolute_error", "binary_crossentropy"]
    assert all(map(larger, ups))
    assert not any(map(larger, downs))
    with pytest.raises(ArgumentError, match="mode='max'"):
        larger("something")


@pytest.mark.parametrize(
    "make",
    [
        lambda: EarlyStopping(mode="down"),
        lambda: EarlyStopping(patience=-1),
        lambda: EarlyStopping(min_delta=math.nan),
        lambda: ReduceLROnPlateau(factor=1.0),
        lambda: ReduceLROnPlateau(factor=0),
        lambda: ReduceLROnPlateau(cooldown=1.5),
        lambda: LearningRateScheduler(0.1),
    ],
)
def test_arguments_are_checked(make):
    with pytest.raises(ArgumentError):
        make()


# --- the learning rate --------------------------------------------------------------


def test_the_scheduler_sets_and_records_the_rate():
    x, y = line()
    seen = []

    def schedule(epoch, rate):
        seen.append((epoch, rate))
        return rate / 2 if epoch else rate

    history = regressor("sgd").fit(
        x, y, epochs=3, verbose=0, callbacks=[LearningRateScheduler(schedule)]
    )
    np.testing.assert_allclose(
        history.history["learning_rate"], [0.01, 0.005, 0.0025], rtol=1e-6
    )
    np.testing.assert_allclose([rate for _, rate in seen], [0.01, 0.01, 0.005])


def test_a_schedule_of_the_epoch_alone_and_a_bad_one():
    x, y = line()
    by_epoch = LearningRateScheduler(lambda epoch: 0.1 / (epoch + 1))
    history = regressor().fit(x, y, epochs=2, verbose=0, callbacks=[by_epoch])
    np.testing.assert_allclose(history.history["learning_rate"], [0.1, 0.05])
    for bad in (None, "fast", [0.1, 0.2], math.inf):
        callback = LearningRateScheduler(lambda epoch, rate, bad=bad: bad)
        with pytest.raises(ArgumentError):
            regressor().fit(x, y, verbose=0, callbacks=[callback])


def test_an_error_in_a_schedule_is_not_hidden():
    def schedule(epoch, rate):
        return len(rate)

    x, y = line()
    with pytest.raises(TypeError, match="len"):
        regressor().fit(x, y, verbose=0, callbacks=[LearningRateScheduler(schedule)])


# --- NaN ----------------------------------------------------------------------------


def test_training_ends_at_the_batch_where_the_loss_is_no_number(capsys):
    x, y = line(64)
    model = regressor("sgd")
    model.optimizer.learning_rate = 1e30
    with np.errstate(all="ignore"):
        history = model.fit(
            x, y, batch_size=4, epochs=9, verbose=0, callbacks=[TerminateOnNaN()]
        )
    assert len(history.epoch) == 1
    assert int(model.optimizer.iterations.numpy()) < 16
    assert "the loss is" in capsys.readouterr().out


def test_it_may_raise():
    x, y = line(64)
    model = regressor("sgd")
    model.optimizer.learning_rate = 1e30
    with np.errstate(all="ignore"), pytest.raises(FloatingPointError):
        model.fit(x, y, epochs=9, verbose=0, callbacks=[TerminateOnNaN(True)])


def test_a_good_training_is_left_alone():
    x, y = three_classes()
    callbacks = [TerminateOnNaN(), EarlyStopping("loss", patience=9)]
    history = classifier().fit(x, y, epochs=2, verbose=0, callbacks=callbacks)
    assert history.epoch == [0, 1]
