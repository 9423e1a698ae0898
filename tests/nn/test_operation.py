"""Operators and functions on symbolic tensors become layers that compute the same."""

import pickle

import numpy as np
import pytest

import nervure as nv
from nervure.errors import DTypeError, UnknownNameError
from nervure.layers import Input, Operation
from nervure.models import Model
from nervure.nn.naming import reset_names

ONES = np.full((4, 2), 0.5, "float32")
CASES = {
    "add": lambda x: x + x,
    "add number": lambda x: 1 + x,
    "subtract": lambda x: 2 - x,
    "multiply by an array": lambda x: np.arange(4, dtype="float32") * x,
    "divide": lambda x: 1 / (x + 10),
    "power": lambda x: x**2,
    "floor": lambda x: x // 2,
    "remainder": lambda x: x % 2,
    "negative": lambda x: -x,
    "abs": lambda x: abs(x),
    "matmul": lambda x: x @ ONES,
    "slice": lambda x: x[:, 1:3],
    "new axis": lambda x: x[..., None],
    "compare": lambda x: (x > 0) & (x <= 1),
    "invert": lambda x: ~(x > 0),
    "where": lambda x: nv.where(x > 0, x, 0.0),
    "concat": lambda x: nv.concat([x, x * 2], axis=-1),
    "sum": lambda x: nv.sum(x, axis=-1),
    "relu": lambda x: nv.nn.relu(x),
    "softmax": lambda x: nv.activations.softmax(x),
    "reshape": lambda x: x.reshape(-1, 2, 2),
    "astype": lambda x: x.astype("int32"),
}


@pytest.mark.parametrize("name", CASES)
def test_a_model_computes_what_the_function_does(name):
    function = CASES[name]
    x = Input((4,))
    model = Model(x, function(x))
    given = nv.asarray(np.random.default_rng(2).normal(size=(3, 4)).astype("float32"))
    found, expected = model(given), function(given)
    assert found.dtype == expected.dtype
    assert np.array_equal(found.numpy(), expected.numpy())
    assert model.output_shape == (None, *expected.shape[1:])


def test_names_of_operations():
    reset_names()
    x = Input((4,))
    names = [(x + 1), (x + 2), x[:, :1], nv.nn.relu(x)]
    assert [one.origin[0].layer.name for one in names] == [
        *("add", "add_1", "get_item", "relu")
    ]
    assert names[2].origin[0].layer.type_name == "GetItem"


def test_numbers_keep_their_weak_type():
    x = Input((2,), dtype="float16")
    assert (x * 2.5).dtype == "float16" and (2 + x).dtype == "float16"


def test_what_is_no_operand():
    with pytest.raises(DTypeError, match="expected numbers"):
        Input((2,)) + "a"
    with pytest.raises(UnknownNameError, match="unknown function: 'ad'"):
        Operation("ad")


def test_functions_on_arrays_stay_functions():
    assert nv.add(1.0, 2.0).item() == 3.0
    assert pickle.loads(pickle.dumps(nv.add)) is nv.add
    assert pickle.loads(pickle.dumps(nv.nn.relu)) is nv.nn.relu
