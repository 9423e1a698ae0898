"""Names, scopes, collections, variables and shapes of a graph."""

import numpy as np
import pytest

import nervure.tf1 as tf
from nervure.errors import ArgumentError, DTypeError, NervureError, ShapeError


def test_names():
    assert [tf.constant(1.0).name for _ in range(3)] == [
        "Const:0",
        "Const_1:0",
        "Const_2:0",
    ]
    with tf.name_scope("layer") as scope:
        assert scope == "layer/"
        assert (tf.constant(1.0, name="w") + 1.0).name == "layer/add:0"
        with tf.name_scope("inner"):
            assert tf.constant(1.0).op.name == "layer/inner/Const"
    with tf.name_scope("layer"):
        assert tf.constant(1.0, name="w").name == "layer_1/w:0"
    with tf.name_scope("layer/"):
        assert tf.constant(1.0, name="again").name == "layer/again:0"
    with tf.name_scope(None):
        assert tf.constant(1.0, name="top").name == "top:0"
    graph = tf.get_default_graph()
    assert graph.get_tensor_by_name("layer/w:0").op is graph.get_operation_by_name(
        "layer/w"
    )
    with pytest.raises(NervureError, match="did you mean 'layer/w'"):
        graph.get_operation_by_name("layer/ww")
    with pytest.raises(ArgumentError, match="use 'layer/w:0'"):
        graph.get_tensor_by_name("layer/w")
    with pytest.raises(ArgumentError, match="not a valid name"):
        tf.constant(1.0, name="a b")


def test_variables_have_the_names_of_tensorflow():
    assert tf.Variable(0.0).name == "Variable:0"
    assert tf.Variable(0.0).name == "Variable_1:0"
    with tf.name_scope("conv1"):
        w = tf.Variable(tf.zeros([2]), name="w")
    assert w.name == "conv1/w:0" and w.op.name == "conv1/w"
    assert w.initializer.name == "conv1/w/Assign"
    assert [one.name for one in tf.trainable_variables("conv1")] == ["conv1/w:0"]
    tf.train.AdamOptimizer().minimize(tf.reduce_sum(w * w), var_list=[w])
    names = {one.name for one in tf.global_variables()}
    assert {"beta1_power:0", "beta2_power:0", "conv1/w/Adam:0"} <= names
    assert "conv1/w/Adam_1:0" in names
    assert len(tf.trainable_variables()) == 3


def test_variable_scopes():
    with tf.variable_scope("a"):
        v = tf.get_variable("v", [2, 3])
        assert (v + 1.0).name == "a/add:0"
        with tf.variable_scope("b"):
            assert tf.get_variable("v", [1]).name == "a/b/v:0"
    with tf.variable_scope("a"), pytest.raises(ArgumentError, match="exists") as error:
        tf.get_variable("v", [2, 3])
    assert "test_graph.py" in str(error.value)
    with tf.variable_scope("a", reuse=True):
        assert tf.get_variable("v", [2, 3]) is v
        with pytest.raises(ArgumentError, match="there is no variable 'a/new'"):
            tf.get_variable("new", [1])
        with pytest.raises(ShapeError, match="has shape"):
            tf.get_variable("v", [9])
        with pytest.raises(DTypeError):
            tf.get_variable("v", [2, 3], tf.float64)
    with tf.variable_scope("a", reuse=tf.AUTO_REUSE) as scope:
        assert tf.get_variable("v", [2, 3]) is v
        new = tf.get_variable("new", [1])
        assert scope.reuse == tf.AUTO_REUSE
    with tf.variable_scope("a") as scope:
        scope.reuse_variables()
        assert tf.get_variable("new") is new
    with tf.variable_scope(scope, reuse=True):
        assert tf.get_variable("v") is v
    with tf.variable_scope(None, "layer"), tf.variable_scope(None, "layer"):
        pass
    with tf.variable_scope(None, "layer") as third:
        assert third.name == "layer_1"
    assert tf.get_variable_scope().name == ""


def test_get_variable_initializers():
    zero = tf.get_variable("zero", [2], initializer=tf.zeros_initializer())
    given = tf.get_variable("given", initializer=tf.constant([1, 2]))
    number = tf.get_variable("number", [2], initializer=tf.constant_initializer(0.1))
    whole = tf.get_variable("whole", [2], tf.int32)
    glorot = tf.get_variable("glorot", [300, 200])
    scaled = tf.get_variable(
        "scaled", [1000, 20], initializer=tf.variance_scaling_initializer(2.0)
    )
    penalty = tf.get_variable("p", [2], regularizer=lambda w: tf.nn.l2_loss(w))
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        assert session.run(zero).tolist() == [0, 0] and given.dtype == tf.int32
        assert session.run(whole).tolist() == [0, 0]
        np.testing.assert_allclose(session.run(number), 0.1)
        limit = np.sqrt(6 / 500)
        values = session.run(glorot)
        assert 0.99 * limit < np.abs(values).max() <= limit
        assert abs(session.run(scaled).std() - np.sqrt(2 / 1000)) < 0.001
        (loss,) = tf.get_collection(tf.GraphKeys.REGULARIZATION_LOSSES)
        expected = (session.run(penalty) ** 2).sum() / 2
        np.testing.assert_allclose(session.run(loss), expected, rtol=1e-6)


def test_wrong_variables():
    x = tf.placeholder(tf.float32, [None])
    with pytest.raises(ShapeError, match="known before"):
        tf.Variable(x)
    with pytest.raises(ShapeError, match=r"has shape \(2,\), got \(3,\)"):
        tf.Variable(tf.zeros([2])).assign(tf.zeros([3]))
    with pytest.raises(ArgumentError, match="expected a variable"):
        tf.assign(tf.constant(1.0), 2.0)
    with pytest.raises(ArgumentError, match="initial value"):
        tf.Variable()
    with pytest.raises(ShapeError, match="known sizes"):
        tf.get_variable("v", [None, 2])


def test_types_are_strict():
    with pytest.raises(DTypeError, match="float32 and int32") as error:
        tf.constant(1.0) + tf.constant(1)
    assert "tf.cast" in str(error.value)
    with pytest.raises(DTypeError):
        tf.constant(1) + 1.5
    assert (tf.constant(1.0) + 1).dtype == tf.float32
    assert (1 + tf.constant(1.0)).dtype == tf.float32
    assert (tf.constant(1.0) * np.ones(2)).dtype == tf.float32  # NumPy follows
    assert tf.constant(np.ones(2)).dtype == tf.float64
    assert (tf.constant(3) / 2).dtype == tf.float64
    with pytest.raises(NervureError):
        tf.constant(1.0, dtype="float31")


def test_shapes():
    shape = tf.TensorShape([None, 3])
    assert str(shape) == "(?, 3)" and shape[1] == 3 and shape[1].value == 3
    assert shape.merge_with([2, None]).as_list() == [2, 3]
    assert shape.num_elements() is None and not shape.is_fully_defined()
    assert shape == [None, 3] and shape != [2, 3]
    assert shape.concatenate([4]).as_list() == [None, 3, 4]
    with pytest.raises(ShapeError, match="not compatible"):
        shape.merge_with([2, 4])
    with pytest.raises(ShapeError, match="is not known"):
        int(shape[0])
    with pytest.raises(ShapeError):
        tf.TensorShape("text")
    x = tf.placeholder(tf.float32, [None, 3])
    x.set_shape([5, None])
    assert x.shape.as_list() == [5, 3]
    assert int(np.prod(x.get_shape().as_list()[1:])) == 3


def test_wrong_shapes_are_refused_while_the_graph_is_made():
    with pytest.raises(ShapeError) as error:
        tf.matmul(tf.zeros([2, 3]), tf.zeros([4, 5]))
    assert "test_graph.py" in str(error.value)
    x = tf.placeholder(tf.float32, [None, 3])
    with pytest.raises(ShapeError):
        tf.matmul(x, tf.zeros([4, 5]))
    with pytest.raises(ShapeError):
        tf.reshape(tf.zeros([2, 3]), [4, -1])


def test_collections_and_devices():
    tf.add_to_collection("mine", 1)
    tf.add_to_collection("mine", 2)
    assert tf.get_collection("mine") == [1, 2]
    with tf.device("/gpu:0"):
        assert tf.constant(1.0).device == "/gpu:0"
    graph = tf.get_default_graph()
    assert "mine" in graph.get_all_collection_keys()
    graph.clear_collection("mine")
    assert tf.get_collection("mine") == []


def test_reset_default_graph():
    with pytest.raises(ArgumentError, match="inside"):
        tf.reset_default_graph()


def test_list_of_tensors_becomes_a_tensor():
    a, b = tf.constant(1.0), tf.Variable(2.0)
    stacked = tf.convert_to_tensor([[a, b], [3.0, 4.0]])
    with tf.Session() as session:
        session.run(b.initializer)
        assert session.run(stacked).tolist() == [[1, 2], [3, 4]]


def test_names_that_are_not_there():
    with pytest.raises(AttributeError, match="did you mean reduce_mean"):
        _ = tf.reduce_meen
    assert not hasattr(tf, "contrib")
