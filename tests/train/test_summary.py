"""The table of layers, to the letter."""

from __future__ import annotations

import pytest

import nervure as nv
from nervure.layers import Activation, Dense, Dropout, Flatten
from nervure.models import Sequential
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
        "activation (Activation)      (None, 32)                0         Y",
        "dense_1 (Dense)              (None, 10)                330       Y",
        "activation_1 (Activation)    (None, 10)                0         Y",
        "=" * 76,
    ]
    assert text.splitlines()[9:-1] == [
        "Total params: 25,450 (99.41 KB)",
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
