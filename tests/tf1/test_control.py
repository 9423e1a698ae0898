"""Branches, loops and order."""

import numpy as np
import pytest

import nervure.tf1 as tf
from nervure.errors import ArgumentError, DTypeError, NervureError, ShapeError


def test_cond_runs_one_branch_only():
    x = tf.placeholder(tf.float32, [None])
    training = tf.placeholder(tf.bool, [])
    count, other = tf.Variable(0), tf.Variable(0)

    def yes():
        with tf.control_dependencies([count.assign_add(1)]):
            return tf.reduce_sum(x) * 2.0

    def no():
        with tf.control_dependencies([other.assign_add(1)]):
            return tf.reduce_sum(x)

    y = tf.cond(training, yes, no)
    (gradient,) = tf.gradients(y, x)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        assert session.run(y, {x: [1, 2], training: True}) == 6
        assert session.run([count, other]) == [1, 0]
        assert session.run(y, {x: [1, 2], training: False}) == 3
        assert session.run([count, other]) == [1, 1]
        found = session.run(gradient, {x: [1, 2], training: True})
        assert found.tolist() == [2, 2]


def test_cond_structures_and_wrong_ones():
    x = tf.constant(3.0)
    a, b = tf.cond(x > 2.0, lambda: (x, x * 2.0), lambda: (x, x))
    update = tf.Variable(1.0)
    step = tf.cond(x > 2.0, lambda: update.assign(5.0), lambda: update.assign(6.0))
    nothing = tf.cond(x > 2.0, lambda: update.assign(7.0).op, tf.no_op)
    with tf.Session() as session:
        assert session.run([a, b]) == [3, 6]
        session.run(step)
        assert session.run(update) == 5
        session.run(nothing)
        assert session.run(update) == 7
        assert session.run(tf.case([(x < 1.0, lambda: x)], lambda: -x)) == -3
    with pytest.raises(DTypeError, match="float32 and int32"):
        tf.cond(x > 2.0, lambda: x, lambda: 1)
    with pytest.raises(ShapeError, match="different structures"):
        tf.cond(x > 2.0, lambda: [x, x], lambda: x)
    with pytest.raises(ArgumentError, match="make variables outside"):
        tf.cond(x > 2.0, lambda: tf.Variable(1.0).snapshot, lambda: x)


def test_while_loop_against_python():
    n = tf.placeholder(tf.int32, [])
    w = tf.Variable(2.0)
    i, total = tf.while_loop(
        lambda i, total: i < n,
        lambda i, total: (i + 1, total * w),
        (tf.constant(0), tf.constant(1.0)),
        maximum_iterations=10,
    )
    (gradient,) = tf.gradients(total, w)
    with tf.Session() as session:
        session.run(w.initializer)
        assert session.run([i, total], {n: 5}) == [5, 32]
        assert session.run(gradient, {n: 5}) == 5 * 2**4
        assert session.run(tf.while_loop(lambda i: i < 3, lambda i: i + 1, [0])) == 3


def test_variables_and_random_numbers_in_loops():
    count = tf.Variable(0)
    noise = tf.zeros([3])

    def body(i, found):
        with tf.control_dependencies([count.assign_add(2)]):
            one = tf.random_uniform([], seed=1)
            row = tf.cast(tf.equal(tf.range(3), i), tf.float32) * one
            return i + 1, found + row

    _, found = tf.while_loop(lambda i, _: i < 3, body, [0, noise])
    with tf.Session() as session:
        session.run(count.initializer)
        values = session.run(found)
        assert session.run(count) == 6 and len(set(values.tolist())) == 3


def test_wrong_loops():
    with pytest.raises(DTypeError, match="changes from int32 to float32"):
        tf.while_loop(lambda i: i < 3, lambda i: tf.cast(i, tf.float32), [0])
    with pytest.raises(ShapeError, match="returns 2 tensors"):
        tf.while_loop(lambda i: i < 3, lambda i: (i, i), [0])
    with pytest.raises(DTypeError, match="truth value"):
        tf.while_loop(lambda i: i, lambda i: i, [0])
    inside = []

    def body(i):
        inside.append(i * 2)
        return i + 1

    tf.while_loop(lambda i: i < 3, body, [0])
    with pytest.raises(NervureError, match="made inside a loop"):
        tf.Session().run(inside[0])


def test_control_dependencies_nest_and_are_forgotten():
    log = tf.Variable(0)
    with tf.control_dependencies([log.assign_add(1)]):
        with tf.control_dependencies([log.assign_add(10)]):
            inner = tf.constant(0.0) + 1.0
        with tf.control_dependencies(None):
            free = tf.constant(0.0) + 2.0
    with tf.Session() as session:
        session.run(log.initializer)
        session.run(free)
        assert session.run(log) == 0
        session.run(inner)
        assert session.run(log) == 11
        _, second = tf.tuple([log.assign(5), tf.constant(1.0)])
        assert session.run(second) == 1 and session.run(log) == 5
    with pytest.raises(ArgumentError, match="expects operations"):
        tf.control_dependencies(["text"]).__enter__()


def test_scatter():
    rows = tf.Variable(np.arange(6.0, dtype=np.float32).reshape(3, 2))
    add = tf.scatter_add(rows, [0, 2, 0], np.ones((3, 2), np.float32))
    replace = tf.scatter_update(rows, [1, 1], [[7.0, 7.0], [8.0, 8.0]])
    with tf.Session() as session:
        session.run(rows.initializer)
        assert session.run(add).tolist() == [[2, 3], [2, 3], [5, 6]]
        assert session.run(replace).tolist() == [[2, 3], [8, 8], [5, 6]]
