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
    assert len(WRONG) + len(MODEL_CALLS) >= 500
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
    words = ("net(", "saved(", "called(", "Conv2D(", "Sequential(", "MLP", "a: None")
    if not any(word in expression for word in words):
        assert next_random_key() == wanted


def test_texts_say_what_came_and_how_to_mend_it():
    texts = {**WRONG, **model_texts()}
    assert [call for call, text in texts.items() if "\n  fix: " not in text] == []


# Where Python's own class is what one catches, the text says how to mend it as well.
BUILT_IN = {
    "net().save('no/such/m.nv')": "make the folder first: path.parent.mkdir",
    "net().save('/proc/m.nv')": "look at the disk, or write to another place",
    "net().save(file('a', b'') + '/m.nv')": "look at the disk, or write to another",
    "net().fit(x, y, callbacks=[callbacks.CSVLogger('no/log.csv')])": "make the folder",
    "nv.tblog.EventWriter(file('a', b''))": "choose another name",
    "nv.tblog.EventWriter('/proc/x')": "look at the disk, or write to another place",
    "optimizers.SGD(lr=0.1)": "write learning_rate=..., as this argument is called now",
    "optimizers.Adam(decay=0.1)": "pass a schedule of nervure.optimizers.schedules",
    "layers.Dense(3, activaton='relu')": "did you mean 'activation'?",
    "layers.MultiHeadAttention(2, 2)(nv.ones((2, 3, 4)))": "layer(x, x)",
    "layers.Softmax(axis='a')": "write axis=-1 for the last one",
    "sklearn.MLPClassifier(alfa=3)": "did you mean 'alpha'?",
    "nv.Array()": "make arrays with nervure.asarray(...)",
    "nv.tensor": "write nervure.asarray(...)",
    "nv.layer": "did you mean 'layers'?",
    "nv.config.threads": "did you mean 'num_threads'?",
    "setattr(nv.ones(1).node, 'op', 3)": "build a new node with nervure.ir.build.apply",
    "nv.ones(1).node.attrs.update(a=3)": "build a new node with nervure.ir.build.apply",
}


@pytest.mark.parametrize("expression", BUILT_IN)
def test_errors_of_python_say_how_to_mend_them(expression):
    error, text = outcome(expression)
    assert isinstance(error, TypeError | AttributeError | OSError), text
    assert BUILT_IN[expression] in text.partition("\n  fix: ")[2]


def test_an_optimizer_does_not_climb():
    model = nv.models.Sequential([nv.layers.Dense(1, input_shape=(2,))])
    model.compile(nv.optimizers.SGD(0.1), "mse")
    with pytest.raises(NervureError, match="learning_rate to be at least 0"):
        model.optimizer.learning_rate = -0.1
    assert float(model.optimizer.learning_rate.numpy()) == pytest.approx(0.1)
