"""Derivatives within a graph."""

import numpy as np
import pytest

import nervure.tf1 as tf
from nervure.errors import GradientError


def run(*fetches, feed=None):
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        return session.run(list(fetches), feed)


def test_gradients_of_variables_placeholders_and_tensors():
    w = tf.Variable([1.0, 2.0])
    x = tf.placeholder(tf.float32, [None, 2])
    hidden = x * w
    y = tf.reduce_sum(tf.square(hidden))
    gw, gx, gh = tf.gradients(y, [w, x, hidden])
    assert gw.shape == [2] and gx.shape.as_list() == [None, 2]
    data = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32)
    found = run(gw, gx, gh, feed={x: data})
    values = np.array([1.0, 2.0])
    np.testing.assert_allclose(found[0], (2 * data**2 * values).sum(0))
    np.testing.assert_allclose(found[1], 2 * data * values**2)
    np.testing.assert_allclose(found[2], 2 * data * values)


def test_equal_tensors_are_not_the_same():
    # Nervure's graph merges equal nodes; here they are different variables.
    a, b = tf.constant(3.0), tf.constant(3.0)
    w = tf.Variable(2.0)
    left, right = w + 1.0, w + 1.0
    found = run(*tf.gradients(a * b, [a, b]), *tf.gradients(left * right, [left]))
    assert found == [3, 3, 3]
    assert run(*tf.gradients(left * right, [w])) == [6]


def test_none_where_nothing_depends():
    w, v = tf.Variable(1.0), tf.Variable(1.0)
    assert tf.gradients(w * 2.0, [v]) == [None]
    assert tf.gradients(tf.stop_gradient(w) * 2.0, w) == [None]
    assert tf.gradients(tf.cast(tf.argmax([w, v]), tf.float32), w) == [None]
    some = tf.gradients(w * 2.0, [v, w])
    assert some[0] is None and run(some[1]) == [2]


def test_second_derivatives_and_seeds():
    x = tf.Variable(2.0)
    y = x * x * x
    (first,) = tf.gradients(y, x)
    (second,) = tf.gradients(first, x)
    (scaled,) = tf.gradients([y, x], x, grad_ys=[tf.constant(10.0), None])
    c = tf.constant(2.0)
    (inner,) = tf.gradients(c * c * c, c)
    (outer,) = tf.gradients(inner, c)
    assert run(first, second, scaled, outer) == [12, 12, 121, 12]


def test_stop_gradients():
    x = tf.Variable(3.0)
    y = x * 2.0
    (through,) = tf.gradients(y + x, x, stop_gradients=[y])
    assert run(through) == [1]


def test_a_variable_that_has_changed_before_it_is_read():
    v = tf.Variable(3.0)
    with tf.control_dependencies([v.assign(v * 2.0)]):
        later = tf.square(v)  # of the new value
    (gradient,) = tf.gradients(later + 10.0 * v, v)
    assert run(later, gradient) == [36, 22]
    with tf.control_dependencies([later]), tf.control_dependencies([v.assign(100.0)]):
        much_later = tf.identity(v)
    (gradient,) = tf.gradients(later, v)  # still of what was read
    assert run(much_later, gradient) == [100, 12]
    w = tf.Variable(3.0)
    with tf.control_dependencies([tf.no_op()]):
        loss = tf.square(w)
        step = tf.train.GradientDescentOptimizer(0.5).minimize(loss, var_list=[w])
    with tf.Session() as session:
        session.run(w.initializer)
        session.run(step)
        assert session.run(w) == 0


def test_gradient_through_random_and_gather():
    table = tf.Variable(np.ones((4, 2), np.float32))
    rows = tf.nn.embedding_lookup(table, [1, 1, 3])
    (gradient,) = tf.gradients(rows, table)
    assert run(gradient)[0].tolist() == [[0, 0], [2, 2], [0, 0], [1, 1]]
    x = tf.Variable(tf.ones([100]))
    y = tf.nn.dropout(x, 0.5)
    (gradient,) = tf.gradients(y, x)
    forward, backward = run(y, gradient)
    np.testing.assert_array_equal(forward, backward)  # one mask in one run


def test_wrong_uses():
    x = tf.constant(3)
    with pytest.raises(GradientError, match="whole numbers") as error:
        tf.gradients(x, x)
    assert "test_gradient.py" in str(error.value)
    w = tf.Variable(1.0)
    with pytest.raises(GradientError, match="grad_ys"):
        tf.gradients(w, w, [1.0, 2.0])
    with pytest.raises(GradientError, match="depends on none"):
        tf.train.GradientDescentOptimizer(0.1).minimize(tf.constant(1.0))


def test_gradients_against_differences():
    rng = np.random.default_rng(0)
    x = tf.placeholder(tf.float64, [3, 4])
    w = tf.Variable(rng.normal(size=(4, 5)))
    loss = tf.reduce_mean(
        tf.nn.softmax_cross_entropy_with_logits_v2(
            labels=np.eye(5)[[0, 3, 2]], logits=tf.tanh(tf.matmul(x, w))
        )
    )
    (gradient,) = tf.gradients(loss, w)
    data = rng.normal(size=(3, 4))
    with tf.Session() as session:
        session.run(w.initializer)
        start = session.run(w)
        exact = session.run(gradient, {x: data})
        for place in [(0, 0), (2, 3), (3, 4)]:
            ends = []
            for sign in (1, -1):
                moved = start.copy()
                moved[place] += sign * 1e-6
                ends.append(session.run(loss, {x: data, w: moved}))
            slope = (ends[0] - ends[1]) / 2e-6
            np.testing.assert_allclose(exact[place], slope, rtol=1e-6)
