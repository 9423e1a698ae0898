"""The table of layers, to the letter."""

from __future__ import annotations

import numpy as np
import pytest

import nervure as nv
from nervure.layers import Activation, Dense, Dropout, Flatten, Input
from nervure.models import Model, Sequential
from nervure.train.summary import byte_text


@pytest.fixture(autouse=True)
def _fresh_names():
    nv.utils.clear_session()


def lecture() -> Sequential:
    return Sequential(
        [
            Dense(32, input_shape=(784,)),
            Activation("relu"),
            Dense(10),
            Activation("softmax"),
        ]
    )


def text_of(model, **options):
    texts = []
    model.summary(print_fn=texts.append, **options)
    assert len(texts) == 1
    return texts[0]


LECTURE = """\
Model: "sequential"
_________________________________________________________________
Layer (type)                 Output Shape              Param #
=================================================================
dense (Dense)                (None, 32)                25,120
activation (Activation)      (None, 32)                0
dense_1 (Dense)              (None, 10)                330
activation_1 (Activation)    (None, 10)                0
=================================================================
Total params: 25,450 (99.41 KB)
Trainable params: 25,450 (99.41 KB)
Non-trainable params: 0 (0 B)
_________________________________________________________________"""


def test_the_table_of_the_lecture(capsys):
    lecture().summary()
    assert capsys.readouterr().out == LECTURE + "\n"


def test_the_dense_network_of_the_lecture():
    model = Sequential(
        [
            Dense(512, activation="relu", input_shape=(784,)),
            Dropout(0.2),
            Dense(512, activation="relu"),
            Dropout(0.2),
            Dense(10, activation="softmax"),
        ]
    )
    assert "Total params: 669,706 (2.55 MB)" in text_of(model)


def test_frozen_layers_and_the_optimizer_are_counted_apart():
    model = lecture()
    model.compile("adam", "mse")
    model.layers[0].trainable = False
    assert "Optimizer" not in text_of(model)
    model.optimizer.build(model.trainable_variables)
    text = text_of(model, show_trainable=True)
    assert text.splitlines()[2:9] == [
        "Layer (type)                 Output Shape              Param #   Trainable",
        "=" * 76,
        "dense (Dense)                (None, 32)                25,120    N",
        "activation (Activation)      (None, 32)                0         -",
        "dense_1 (Dense)              (None, 10)                330       Y",
        "activation_1 (Activation)    (None, 10)                0         -",
        "=" * 76,
    ]
    assert text.splitlines()[9:-1] == [
        "Total params: 26,112 (102.00 KB)",  # as in Keras with what Adam keeps
        "Trainable params: 330 (1.29 KB)",
        "Non-trainable params: 25,120 (98.12 KB)",
        "Optimizer params: 662 (2.59 KB)",
    ]


def test_a_model_that_is_not_built():
    text = text_of(Sequential([Dense(3), Flatten()], name="later"))
    assert text.splitlines()[4:6] == [
        "dense (Dense)                ?                         0 (unbuilt)",
        "flatten (Flatten)            ?                         0",
    ]


def test_long_names_make_longer_lines_and_given_lengths_cut_them():
    model = Sequential([Dense(3, name="n" * 40, input_shape=(2,))])
    wide = text_of(model).splitlines()
    assert wide[4].startswith("n" * 40 + " (Dense)  (None, 3)")
    narrow = text_of(model, line_length=60).splitlines()
    assert {len(line) for line in narrow if set(line) in ({"_"}, {"="})} == {60}
    assert "~" in narrow[4]
    assert all(len(line) <= 60 for line in narrow)


def test_sizes_in_words():
    assert [byte_text(1023), byte_text(1024), byte_text(3 * 1024**4)] == [
        "1023 B",
        "1.00 KB",
        "3.00 TB",
    ]


# --- graphs of layers ---------------------------------------------------------------


def test_a_graph_says_what_is_connected_to_what():
    a, b = Input((4,), name="a"), Input((3,), name="b")
    shared = Dense(5, name="d")
    joined = shared(a) + Dense(5, name="e")(b)
    model = Model([a, b], [Dense(2, name="o")(joined), shared(a)[:, :1]], name="m")
    assert text_of(model).splitlines()[2:13] == [  # in the order of Keras
        "Layer (type)                 Output Shape              Param #   Connected to",
        "=" * 79,
        "a (InputLayer)               (None, 4)                 0         -",
        "b (InputLayer)               (None, 3)                 0         -",
        "d (Dense)                    (None, 5)                 25        a[0][0]",
        "                                                                 a[0][0]",
        "e (Dense)                    (None, 5)                 20        b[0][0]",
        "add (Add)                    (None, 5)                 0         d[0][0]",
        "                                                                 e[0][0]",
        "o (Dense)                    (None, 2)                 12        add[0][0]",
        "get_item (GetItem)           (None, 1)                 0         d[1][0]",
    ]
    assert "Total params: 57 (228 B)" in text_of(model)


def test_a_chain_needs_no_such_column():
    x = Input((4,))
    model = Model(x, Dense(2)(Dense(3)(x)))
    assert "Connected to" not in text_of(model)


def test_models_inside_are_shown_when_wanted():
    inner = Sequential([Dense(3, input_shape=(4,), name="deep")], name="inner")
    x = Input((4,), name="x")
    model = Model(x, inner(x), name="outer")
    assert "deep" not in text_of(model)
    assert text_of(model, expand_nested=True).splitlines()[4:7] == [
        "x (InputLayer)               (None, 4)                 0",
        "inner (Sequential)           (None, 3)                 15",
        "   └ deep (Dense)            (None, 3)                 15",
    ]


def test_a_subclass_shows_no_number_of_rows():
    class Own(Model):
        def __init__(self):
            super().__init__()
            self.dense = Dense(3)

        def call(self, inputs):
            return self.dense(inputs)

    model = Own()
    model(np.ones((7, 2)))
    row = "dense (Dense)                (None, 3)                 9"
    assert text_of(model).splitlines()[4] == row
