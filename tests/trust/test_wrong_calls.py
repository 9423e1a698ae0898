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
from tests.train.test_bad_input import texts as model_texts
from tests.trust.wrong_calls import calls, is_ours, outcome, x, y

WRONG = calls()


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
    assert is_ours(error)
    # the settings, the data and the process's generator are as they were
    assert (repr(nv.config), x.tobytes(), y.tobytes()) == (settings, rows, labels)
    # but for layers, which are built before they look at what a window covers
    if not any(word in expression for word in ("net()", "called(", "Conv2D(")):
        assert next_random_key() == wanted


def test_texts_say_what_came_and_how_to_mend_it():
    texts = {**WRONG, **model_texts()}
    assert [call for call, text in texts.items() if "\n  fix: " not in text] == []


def test_an_optimizer_does_not_climb():
    model = nv.models.Sequential([nv.layers.Dense(1, input_shape=(2,))])
    model.compile(nv.optimizers.SGD(0.1), "mse")
    with pytest.raises(NervureError, match="learning_rate to be at least 0"):
        model.optimizer.learning_rate = -0.1
    assert float(model.optimizer.learning_rate.numpy()) == pytest.approx(0.1)
