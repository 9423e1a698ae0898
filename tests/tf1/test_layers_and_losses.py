"""``tf.layers`` and ``tf.losses``, which make variables and collections."""

import numpy as np
import pytest

import nervure.tf1 as tf
from nervure.errors import ArgumentError, ShapeError

R = np.random.default_rng(0)


def test_dense_and_reuse():
    x = tf.placeholder(tf.float32, [None, 3])
    y = tf.layers.dense(x, 4, tf.tanh, name="head")
    again = tf.layers.dense(x, 4, tf.tanh, name="head", reuse=True)
    other = tf.layers.dense(x, 4)
    tf.layers.dense(x, 4, use_bias=False)
    assert [one.name for one in tf.trainable_variables()] == [
        "head/kernel:0",
        "head/bias:0",
        "dense/kernel:0",
        "dense/bias:0",
        "dense_1/kernel:0",
    ]
    data = R.normal(size=(5, 3)).astype(np.float32)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        kernel = session.run("head/kernel:0")
        found = session.run([y, again, other], {x: data})
        np.testing.assert_allclose(found[0], np.tanh(data @ kernel), rtol=1e-5)
        np.testing.assert_array_equal(found[0], found[1])
        assert not np.array_equal(found[0], found[2])
    with pytest.raises(ShapeError, match="last axis must be known"):
        tf.layers.dense(tf.placeholder(tf.float32, [None, None]), 3)


def test_a_small_network_learns():
    x = tf.placeholder(tf.float32, [None, 8, 8, 1])
    labels = tf.placeholder(tf.int32, [None])
    training = tf.placeholder(tf.bool, [])
    y = tf.layers.conv2d(x, 4, 3, padding="same", activation=tf.nn.relu)
    y = tf.layers.batch_normalization(y, training=training, momentum=0.5)
    y = tf.layers.flatten(tf.layers.max_pooling2d(y, 2, 2))
    y = tf.layers.dropout(y, 0.1, training=training)
    logits = tf.layers.dense(y, 2)
    loss = tf.losses.sparse_softmax_cross_entropy(labels, logits)
    assert tf.losses.get_losses() == [loss]
    with tf.control_dependencies(tf.get_collection(tf.GraphKeys.UPDATE_OPS)):
        step = tf.train.AdamOptimizer(0.02).minimize(loss)
    images = R.normal(size=(64, 8, 8, 1)).astype(np.float32)
    classes = (images.mean((1, 2, 3)) > 0).astype(np.int32)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        feed = {x: images, labels: classes, training: True}
        first = session.run(loss, feed)
        for _ in range(60):
            session.run(step, feed)
        assert session.run(loss, {**feed, training: False}) < 0.5 * first
        means = session.run("batch_normalization/moving_mean:0")
        assert np.abs(means).max() > 0.01
        before = means
        session.run(loss, feed)
        np.testing.assert_array_equal(
            session.run("batch_normalization/moving_mean:0"), before
        )


def test_batch_normalization_formula():
    data = R.normal(2.0, 3.0, size=(50, 4)).astype(np.float32)
    y = tf.layers.batch_normalization(data, training=True, momentum=0.9)
    updates = tf.get_collection(tf.GraphKeys.UPDATE_OPS)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        expected = (data - data.mean(0)) / np.sqrt(data.var(0) + 1e-3)
        np.testing.assert_allclose(session.run(y), expected, rtol=1e-4, atol=1e-5)
        session.run(updates)
        mean = session.run("batch_normalization/moving_mean:0")
        np.testing.assert_allclose(mean, 0.1 * data.mean(0), rtol=1e-4)
        variance = session.run("batch_normalization/moving_variance:0")
        np.testing.assert_allclose(variance, 0.9 + 0.1 * data.var(0), rtol=1e-4)
    with pytest.raises(ArgumentError, match="last axis"):
        tf.layers.batch_normalization(tf.zeros([2, 3, 4]), axis=1)


def test_losses():
    y, x = R.normal(size=(6, 3)), R.normal(size=(6, 3))
    weights = np.array([1.0, 0, 2, 0, 1, 1])
    cases = {
        tf.losses.mean_squared_error(y, x): ((x - y) ** 2).mean(),
        tf.losses.absolute_difference(y, x): np.abs(x - y).mean(),
        tf.losses.mean_squared_error(y, x, weights): (
            ((x - y) ** 2 * weights[:, None]).sum() / 12
        ),
    }
    rows = np.eye(3)[[0, 2, 1, 1, 0, 2]]
    smooth = rows * 0.9 + 0.1 / 3
    logs = x - np.log(np.exp(x).sum(1, keepdims=True))
    cases[tf.losses.softmax_cross_entropy(rows, x, label_smoothing=0.1)] = (
        -(smooth * logs).sum(1).mean()
    )
    cases[tf.losses.sigmoid_cross_entropy(rows, x)] = (
        np.log1p(np.exp(x)) - rows * x
    ).mean()
    with tf.Session() as session:
        for tensor, expected in cases.items():
            np.testing.assert_allclose(session.run(tensor), expected, rtol=1e-6)
        total = tf.losses.get_total_loss()
        np.testing.assert_allclose(session.run(total), sum(cases.values()), rtol=1e-6)
    with tf.Graph().as_default(), pytest.raises(ArgumentError, match="no losses"):
        tf.losses.get_total_loss()
