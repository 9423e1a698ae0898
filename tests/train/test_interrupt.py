"""Ctrl-C ends training between two calls and leaves everything in order."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest

from nervure.callbacks import Callback
from nervure.step import Step
from nervure.train.pace import finishing_first
from tests.train.builders import line, regressor, same, state_of


@pytest.fixture(autouse=True)
def ctrl_c_is_heard():
    """A process that a shell started in the background ignores Ctrl-C at first."""
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, previous)


def press() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def press_during_steps(monkeypatch, number):
    """Press Ctrl-C in the middle of one of the calls that run steps."""
    run = Step.run
    calls = []

    def interrupted(self, constants, varying):
        calls.append(len(varying[0]))
        if len(calls) == number:
            press()
        run(self, constants, varying)

    monkeypatch.setattr(Step, "run", interrupted)
    return calls


class Watcher(Callback):
    def __init__(self):
        self.ended = []

    def on_train_end(self, logs=None):
        self.ended.append(logs)


def test_the_weights_are_those_of_the_last_finished_step(monkeypatch):
    x, y = line(40)
    model = regressor("adam")
    start = model.get_weights()
    calls = press_during_steps(monkeypatch, 4)
    watcher = Watcher()
    with pytest.raises(KeyboardInterrupt):
        model.fit(
            x, y, batch_size=4, epochs=50, shuffle=False, verbose=0, callbacks=[watcher]
        )
    monkeypatch.undo()
    finished = sum(calls)
    assert len(calls) == 4
    assert int(model.optimizer.iterations.numpy()) == finished
    other = regressor("adam")
    other.set_weights(start)
    other.fit(
        x, y, batch_size=4, epochs=1, steps_per_epoch=finished, shuffle=False, verbose=0
    )
    assert same(state_of(model), state_of(other))
    assert len(watcher.ended) == 1


def test_what_was_recorded_is_kept_and_training_goes_on():
    class Press(Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 2:
                press()

    x, y = line()
    model = regressor()
    with pytest.raises(KeyboardInterrupt):
        model.fit(x, y, epochs=10, verbose=0, callbacks=[Press()])
    assert len(model.history.history["loss"]) in (2, 3)
    history = model.fit(x, y, initial_epoch=3, epochs=5, verbose=0)
    assert history.epoch == [3, 4]


def test_the_display_is_closed(monkeypatch):
    from nervure.train.progress import Silent

    closed = []

    class Display(Silent):
        def close(self):
            closed.append(True)

    monkeypatch.setattr("nervure.train.loop.display_for", lambda *_, **__: Display())
    press_during_steps(monkeypatch, 1)
    x, y = line()
    model = regressor()
    with pytest.raises(KeyboardInterrupt):
        model.fit(x, y)
    with pytest.raises(ZeroDivisionError):
        model.fit(x, y, callbacks=[_Failing()])
    assert len(closed) >= 2


class _Failing(Callback):
    def on_epoch_end(self, epoch, logs=None):
        raise ZeroDivisionError


def test_pressed_once_it_waits_and_pressed_twice_it_does_not():
    reached = []

    def work(presses):
        with finishing_first():
            for _ in range(presses):
                press()
            reached.append(presses)

    for presses in (1, 2):
        with pytest.raises(KeyboardInterrupt):
            work(presses)
    assert reached == [1]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_error_in_the_block_comes_first():
    with pytest.raises(ZeroDivisionError), finishing_first():
        raise ZeroDivisionError
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_other_handlers_are_respected():
    heard = []
    before = signal.signal(signal.SIGINT, lambda number, frame: heard.append(number))
    try:
        with finishing_first():
            press()
            assert heard == []
        assert heard == [signal.SIGINT]
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        with finishing_first():
            press()
    finally:
        signal.signal(signal.SIGINT, before)


def test_training_in_another_thread_touches_no_signal():
    x, y = line()
    model = regressor()
    errors = []

    def train():
        try:
            model.fit(x, y, epochs=2, verbose=0)
        except Exception as error:
            errors.append(error)
            raise

    thread = threading.Thread(target=train)
    thread.start()
    thread.join()
    assert errors == []
    assert len(model.history.history["loss"]) == 2


SCRIPT = """
import os, signal, threading, time
import numpy as np
from nervure.layers import Dense
from nervure.models import Sequential

model = Sequential([Dense(256, "relu", input_shape=(200,)), Dense(10, "softmax")])
model.compile("adam", "sparse_categorical_crossentropy")
x = np.zeros((20000, 200), "float32")
y = np.zeros(20000, int)
pressed = []

def press():
    time.sleep(2.5)
    pressed.append(time.perf_counter())
    os.kill(os.getpid(), signal.SIGINT)

threading.Thread(target=press).start()
try:
    model.fit(x, y, batch_size=64, epochs=1000, verbose=0)
except KeyboardInterrupt:
    print(time.perf_counter() - pressed[0])
"""


@pytest.mark.slow
def test_ctrl_c_stops_soon():
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True
    )
    assert float(result.stdout) < 0.2
