"""``nervure.why``: of errors and of trainings."""

from __future__ import annotations

import doctest
import importlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nervure as nv
from nervure.callbacks import EarlyStopping, LambdaCallback, TerminateOnNaN
from nervure.config import config
from nervure.errors import ArgumentError
from nervure.explain import Answer, asking, why
from nervure.layers import Dense, Layer
from nervure.models import Model, Sequential
from nervure.train.history import History

ROOT = Path(__file__).resolve().parents[2]
X = np.random.default_rng(0).normal(size=(24, 3)).astype("float32")
Y = X[:, :1]


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path) -> Iterator[None]:
    with config.override(cache_dir=tmp_path):
        yield


def caught(function: Callable[[], Any]) -> BaseException:
    with pytest.raises(Exception) as found:  # noqa: PT011 - any will do
        function()
    return found.value


def text_of(answer: Answer, topic: str) -> str:
    found = answer.about(topic)
    assert found is not None, answer
    return found.text


class Wrong(Layer):
    def call(self, inputs: nv.Array) -> nv.Array:
        return inputs @ nv.ones((7, 2))  # the line


def network(*layers: Layer, **options: Any) -> Sequential:
    nv.utils.set_random_seed(0)
    model = Sequential(list(layers) or [Dense(4), Dense(1)], name="net")
    model.compile(options.pop("optimizer", "sgd"), "mse", **options)
    return model


# --- errors --------------------------------------------------------------------------


def test_an_error_in_a_layer() -> None:
    model = network(Dense(4), Wrong(name="wrong"))
    answer = why(caught(lambda: model.fit(X, Y, verbose=0)))
    assert answer.headline.startswith("ShapeError: matmul (layer 'net/wrong'): axes")
    assert "float32[7, 2]" in text_of(answer, "details")
    file, _, line = text_of(answer, "your line").partition("\n")
    assert file.startswith(__file__) and line.endswith("# the line")
    assert text_of(answer, "layers").startswith("wrong (Wrong) given")
    assert text_of(answer, "mend it").startswith("transpose one operand")


def test_the_chain_of_layers() -> None:
    class Outer(Layer):
        def __init__(self) -> None:
            super().__init__(name="outer")
            self.inner = Wrong(name="inner")

        def call(self, inputs: nv.Array) -> nv.Array:
            return self.inner(inputs)

    answer = why(caught(lambda: Outer()(nv.ones((2, 3)))))
    assert text_of(answer, "layers").splitlines() == [
        "outer (Outer) given (2, 3)",
        "-> inner (Wrong) given (2, 3)",
    ]


def test_errors_of_others_and_causes() -> None:
    def chained() -> None:
        try:
            _ = {}["name"]
        except KeyError as error:
            raise MemoryError("no room") from error

    answer = why(caught(chained))
    assert answer.headline == "MemoryError: no room"
    assert text_of(answer, "because of") == "KeyError: 'name'"
    assert "memory_budget" in text_of(answer, "mend it")
    assert why(ValueError()).headline == "ValueError" and not why(ValueError()).findings


def test_the_last_error_of_a_session(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "last_value", ValueError("that one"), raising=False)
    monkeypatch.delattr(sys, "last_exc", raising=False)
    assert nv.why().headline == "ValueError: that one"


# --- trainings -----------------------------------------------------------------------


def test_nothing_unusual() -> None:
    model = network()
    history = model.fit(X, Y, epochs=2, verbose=0)
    answer = nv.why(history)
    assert answer.headline.endswith("nothing unusual happened")
    assert answer.headline.startswith("2 epochs, 2 steps in")
    assert str(nv.why(model)) == str(answer)


def test_numbers() -> None:
    model = network(optimizer=nv.optimizers.SGD(1e30))
    ends = [TerminateOnNaN()]
    answer = why(model.fit(X, Y, epochs=9, verbose=0, callbacks=ends))
    assert "of the model 'net' is not finite" in text_of(answer, "numbers")
    assert "training ended early: the loss became" in text_of(answer, "the end")
    silent = network(optimizer=nv.optimizers.SGD(1e30), check_numerics=False)
    answer = why(silent.fit(X, Y, epochs=9, verbose=0))
    assert text_of(answer, "numbers") == "loss became NaN or infinite"


def test_an_early_end() -> None:
    ends = [EarlyStopping("loss", min_delta=9.0, patience=2)]
    answer = why(network().fit(X, Y, epochs=9, verbose=0, callbacks=ends))
    assert "loss has not become better for 2 epochs" in text_of(answer, "the end")
    model = network()
    stop = LambdaCallback(on_epoch_end=lambda *_: setattr(model, "stop_training", True))
    answer = why(model.fit(X, Y, epochs=9, verbose=0, callbacks=[stop]))
    assert "model.stop_training was set" in text_of(answer, "the end")
    model = network()
    fails = LambdaCallback(on_epoch_end=lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        model.fit(X, Y, epochs=9, verbose=0, callbacks=[fails])
    assert "interrupted" in text_of(why(model), "the end")


def test_compilations_and_slow_data() -> None:
    def batches() -> Any:
        for size in (8, 7, 6, 5, 4):
            time.sleep(0.3)
            yield X[:size], Y[:size]

    model = network()
    answer = why(model.fit(batches(), steps_per_epoch=5, verbose=0))
    assert "was compiled 5 times" in text_of(answer, "compilations")
    assert "float32[5, 3], float32[5, 1]" in text_of(answer, "compilations")
    assert answer.about("compilations").fix
    history = History()
    history.facts.waiting_seconds, history.facts.computing_seconds = 9.0, 1.0
    assert text_of(why(history), "slow data").startswith("90% of the time")


def test_overfitting() -> None:
    history = History()
    history.history["val_loss"] = [3.0, 1.0, 2.0, float("nan"), 4.0]
    history.epoch = list(range(5))
    assert "best in epoch 2 (1) and has been worse for 3" in text_of(
        why(history), "overfitting"
    )
    history.history["val_loss"] = [3.0, 2.0, 1.0]
    assert why(history).about("overfitting") is None


# --- the rest ------------------------------------------------------------------------


def test_answers_print() -> None:
    answer = why(caught(lambda: Wrong()(nv.ones((2, 3)))))
    lines = str(answer).splitlines()
    assert lines[0] == answer.headline and repr(answer) == str(answer)
    assert lines[1].startswith("  details    x1")
    assert "<table><tr><th>details</th>" in answer._repr_html_()


@pytest.mark.parametrize("subject", [3, Model(name="new")])
def test_other_subjects_are_refused(subject: Any) -> None:
    with pytest.raises(ArgumentError, match="expected an exception, a history or a"):
        why(subject)


def test_examples() -> None:
    module = importlib.import_module(asking.__name__)
    found = doctest.testmod(module)
    assert found.attempted and not found.failed


def test_it_may_be_the_first_thing_that_is_used():
    code = "import nervure as nv; nv.why(ValueError('x'))"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, timeout=60)
