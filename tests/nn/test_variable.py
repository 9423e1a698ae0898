import copy
import pickle

import numpy as np
import pytest

import nervure as nv
from nervure.errors import DTypeError, ShapeError, UnknownNameError
from nervure.ir.node import scope
from nervure.nn.variable import Variable


def test_assign_converts_and_keeps_shape():
    variable = Variable([1.0, 2.0], name="v")
    variable.assign(np.array([3, 4]))
    assert variable.dtype == "float32"
    assert variable.numpy().tolist() == [3.0, 4.0]
    variable.assign_add([1.0, 1.0])
    variable.assign_sub(nv.asarray([0.5, 0.5]))
    assert variable.numpy().tolist() == [3.5, 4.5]


def test_a_wrong_shape_or_type_changes_nothing():
    variable = Variable([1.0, 2.0], name="v")
    with pytest.raises(ShapeError, match="the variable 'v' has shape \\[2\\]"):
        variable.assign([1.0])
    with pytest.raises(DTypeError):
        variable.assign(["a", "b"])
    assert variable.numpy().tolist() == [1.0, 2.0]


def test_works_where_an_array_works():
    variable = Variable([1.0, -2.0])
    assert (variable * 2 + 1).tolist() == [3.0, -3.0]
    assert (1 - variable).tolist() == [0.0, 3.0]
    assert (nv.asarray([1.0, 1.0]) / variable).tolist() == [1.0, -0.5]
    assert (-variable).tolist() == [-1.0, 2.0]
    assert (variable > 0).tolist() == [True, False]
    assert nv.sum(variable).item() == -1.0
    assert variable.sum().item() == -1.0
    assert variable[1].item() == -2.0
    assert len(variable) == 2
    assert np.asarray(variable).tolist() == [1.0, -2.0]
    assert (np.ones(2, "float32") + variable).tolist() == [2.0, -1.0]
    assert float(Variable(3.0)) == 3.0
    assert f"{Variable(3.0):.2f}" == "3.00"


def test_equality_is_of_values_and_keys_of_identity():
    one, other = Variable([1.0, 2.0]), Variable([1.0, 3.0])
    assert (one == other).tolist() == [True, False]
    assert {one: 1, other: 2}[other] == 2
    assert len({one, other}) == 2


def test_variables_share_memory_with_nothing():
    data = np.ones(3, "float32")
    zeros = nv.zeros(3)
    one, other, third = Variable(data), Variable(zeros), Variable(zeros)
    data[0] = 7
    assert one.numpy().tolist() == [1, 1, 1]
    assert not np.shares_memory(other.stored.numpy(), third.stored.numpy())
    looked_at = one.numpy()
    assert looked_at.flags.writeable
    assert not np.shares_memory(looked_at, one.stored.numpy())
    for copied in (copy.deepcopy(one), pickle.loads(pickle.dumps(one))):
        assert copied.numpy().tolist() == [1, 1, 1]
        assert copied.path == one.path
        assert not np.shares_memory(copied.stored.numpy(), one.stored.numpy())


def test_a_loop_of_assignments_does_not_grow_a_graph():
    variable = Variable(0.0)
    for _ in range(50):
        variable.assign(variable + 1)
    assert variable.stored.depth == 0
    assert float(variable) == 50


def test_path_follows_the_scope():
    with scope("model"), scope("dense"):
        assert Variable(1.0, name="kernel").path == "model/dense/kernel"
    assert repr(Variable(1, name="n", trainable=False)) == (
        "<Variable 'n' int64[], not trainable>"
    )


def test_compiled_functions_update_variables():
    total = Variable([0.0, 0.0])

    @nv.compile
    def add(x):
        total.assign_add(x)
        return total * 2

    assert add(nv.asarray([1.0, 2.0])).tolist() == [2.0, 4.0]
    assert add(nv.asarray([1.0, 2.0])).tolist() == [4.0, 8.0]
    assert total.numpy().tolist() == [2.0, 4.0]


def test_gradients_reach_variables():
    weight = Variable([2.0, 3.0])
    loss = nv.sum(weight * weight)
    assert nv.gradients(loss, [weight.value])[0].tolist() == [4.0, 6.0]


def test_regularizers_and_constraints_are_looked_up():
    weight = Variable([-1.0, 2.0], regularizer="l2", constraint="non_neg")
    assert weight.regularizer(weight.value).item() == pytest.approx(0.05)
    assert weight.constraint(weight.value).tolist() == [0.0, 2.0]
    with pytest.raises(UnknownNameError, match="unknown regularizer: 'l3'"):
        Variable(1.0, regularizer="l3")
    with pytest.raises(UnknownNameError, match="unknown constraint: 3"):
        Variable(1.0, constraint=3)
