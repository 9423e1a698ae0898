"""Wrong calls all over the public names: the exact text, and nothing changed.

Those that a model's methods get are in ``tests/train/bad_input.txt``; together there
must be two hundred of them.
"""

from __future__ import annotations

import pytest

import nervure as nv
from nervure.errors import NervureError
from tests.train.builders import next_random_key
from tests.train.test_bad_input import CALLS as MODEL_CALLS
from tests.trust.wrong_calls import calls, is_ours, outcome, x, y

WRONG = calls()
# What Python or the system says by itself is said as NumPy and others say it.
OF_OTHERS = ("FileNotFoundError: ", "TypeError: an array without axes has no length")


def test_there_are_two_hundred():
    assert len(WRONG) + len(MODEL_CALLS) >= 200
    assert not WRONG.keys() & MODEL_CALLS.keys()


@pytest.mark.parametrize("expression", WRONG)
def test_wrong_call(expression):
    settings, rows, labels = repr(nv.config), x.tobytes(), y.tobytes()
    nv.utils.set_random_seed(3)
    wanted = next_random_key()
    nv.utils.set_random_seed(3)
    error, text = outcome(expression)
    assert text == WRONG[expression]
    assert is_ours(error) or text.startswith(OF_OTHERS)
    # the settings, the data and the process's generator are as they were
    assert (repr(nv.config), x.tobytes(), y.tobytes()) == (settings, rows, labels)
    # but for layers, which are built before they look at what a window covers
    if not any(word in expression for word in ("net()", "called(", "Conv2D(")):
        assert next_random_key() == wanted


def test_texts_say_what_came_and_how_to_mend_it():
    without = [
        expression
        for expression, text in WRONG.items()
        if "\n  fix: " not in text and not text.startswith(OF_OTHERS)
    ]
    # These name what was expected and what came; what to do follows from it.
    assert len(without) <= 40, without


def test_an_optimizer_does_not_climb():
    model = nv.models.Sequential([nv.layers.Dense(1, input_shape=(2,))])
    model.compile(nv.optimizers.SGD(0.1), "mse")
    with pytest.raises(NervureError, match="learning_rate to be at least 0"):
        model.optimizer.learning_rate = -0.1
    assert float(model.optimizer.learning_rate.numpy()) == pytest.approx(0.1)
