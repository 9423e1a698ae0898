import pytest

import nervure as nv
from nervure.nn.naming import automatic_name, reset_names, snake_case


@pytest.mark.parametrize(
    "name, expected",
    [
        ("Dense", "dense"),
        ("MaxPooling2D", "max_pooling2d"),
        ("Conv2DTranspose", "conv2d_transpose"),
        ("BatchNormalization", "batch_normalization"),
        ("LSTM", "lstm"),
        ("GRUCell", "gru_cell"),
        ("_Private", "private"),
    ],
)
def test_snake_case(name, expected):
    assert snake_case(name) == expected


def test_names_count_by_prefix():
    reset_names()
    assert [automatic_name("a"), automatic_name("b"), automatic_name("a")] == [
        "a",
        "b",
        "a_1",
    ]
    reset_names()
    assert [nv.layers.Dense(1).name for _ in range(3)] == [
        "dense",
        "dense_1",
        "dense_2",
    ]
    assert nv.layers.Dense(1, name="mine").name == "mine"
