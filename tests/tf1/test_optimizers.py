"""Each optimizer against its formula in NumPy, float64, over several steps."""

import numpy as np
import pytest

import nervure.tf1 as tf
from nervure.errors import ArgumentError, GradientError

RATE = 0.1


def descent(v, g, s, t):
    return v - RATE * g


def momentum(v, g, s, t):
    s["a"] = 0.9 * s.get("a", 0) + g
    return v - RATE * s["a"]


def nesterov(v, g, s, t):
    s["a"] = 0.9 * s.get("a", 0) + g
    return v - RATE * g - RATE * 0.9 * s["a"]


def adagrad(v, g, s, t):
    s["a"] = s.get("a", 0.1) + g * g
    return v - RATE * g / np.sqrt(s["a"])


def adadelta(v, g, s, t):
    s["a"] = 0.9 * s.get("a", 0) + 0.1 * g * g
    step = np.sqrt(s.get("b", 0) + 1e-3) / np.sqrt(s["a"] + 1e-3) * g
    s["b"] = 0.9 * s.get("b", 0) + 0.1 * step * step
    return v - RATE * step


def rmsprop(v, g, s, t):
    s["a"] = 0.8 * s.get("a", 1) + (1 - 0.8) * g * g
    s["m"] = 0.5 * s.get("m", 0) + RATE * g / np.sqrt(s["a"] + 1e-2)
    return v - s["m"]


def centered(v, g, s, t):
    s["a"] = 0.8 * s.get("a", 1) + (1 - 0.8) * g * g
    s["g"] = 0.8 * s.get("g", 0) + (1 - 0.8) * g
    s["m"] = 0.5 * s.get("m", 0) + RATE * g / np.sqrt(s["a"] - s["g"] ** 2 + 1e-2)
    return v - s["m"]


def adam(v, g, s, t):
    s["m"] = 0.8 * s.get("m", 0) + (1 - 0.8) * g
    s["v"] = 0.95 * s.get("v", 0) + (1 - 0.95) * g * g
    rate = RATE * np.sqrt(1 - 0.95**t) / (1 - 0.8**t)
    return v - rate * s["m"] / (np.sqrt(s["v"]) + 0.5)  # epsilon as it shows


CASES = {
    "descent": (lambda: tf.train.GradientDescentOptimizer(RATE), descent),
    "momentum": (lambda: tf.train.MomentumOptimizer(RATE, 0.9), momentum),
    "nesterov": (
        lambda: tf.train.MomentumOptimizer(RATE, 0.9, use_nesterov=True),
        nesterov,
    ),
    "adagrad": (lambda: tf.train.AdagradOptimizer(RATE), adagrad),
    "adadelta": (lambda: tf.train.AdadeltaOptimizer(RATE, 0.9, 1e-3), adadelta),
    "rmsprop": (lambda: tf.train.RMSPropOptimizer(RATE, 0.8, 0.5, 1e-2), rmsprop),
    "centered": (
        lambda: tf.train.RMSPropOptimizer(RATE, 0.8, 0.5, 1e-2, centered=True),
        centered,
    ),
    "adam": (lambda: tf.train.AdamOptimizer(RATE, 0.8, 0.95, 0.5), adam),
}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", CASES)
def test_formula(name, dtype):
    make, formula = CASES[name]
    start = np.array([[1.0, -2.0, 0.5]], dtype)
    scale = tf.placeholder(dtype, [])
    w = tf.Variable(start)
    b = tf.Variable(start * 2)  # a second one: counts must move once a step
    loss = scale * tf.reduce_sum(w**4 + b**2)
    step = make().minimize(loss)
    slots = {}, {}
    expected = [start.astype(np.float64), 2 * start.astype(np.float64)]
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        for t in range(1, 6):
            factor = 1.0 / t
            session.run(step, {scale: factor})
            gradients = (4 * factor * expected[0] ** 3, 2 * factor * expected[1])
            expected = [
                formula(value, gradient, slot, t)
                for value, gradient, slot in zip(expected, gradients, slots)
            ]
        tolerance = 1e-12 if dtype == np.float64 else 1e-5
        for variable, value in zip((w, b), expected):
            np.testing.assert_allclose(session.run(variable), value, rtol=tolerance)


def test_slots_and_counts():
    w = tf.Variable([1.0])
    step = tf.train.create_global_step()
    optimizer = tf.train.AdamOptimizer(0.1)
    train = optimizer.minimize(tf.reduce_sum(w * w), global_step=step)
    assert optimizer.get_slot_names() == ["m", "v"]
    assert optimizer.get_slot(w, "m").shape == [1]
    assert optimizer.get_slot(w, "none") is None
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        session.run(train)
        session.run(train)
        assert tf.train.global_step(session, step) == 2
        np.testing.assert_allclose(session.run("beta1_power:0"), 0.9**3, rtol=1e-6)


def test_gradients_may_be_changed_between():
    w, b = tf.Variable([3.0, 4.0]), tf.Variable(1.0)
    optimizer = tf.train.GradientDescentOptimizer(1.0)
    pairs = optimizer.compute_gradients(tf.reduce_sum(tf.square(w)), [w, b])
    assert pairs[1] == (None, b)
    clipped, norm = tf.clip_by_global_norm([g for g, _ in pairs], 1.0)
    train = optimizer.apply_gradients(zip(clipped, [w, b]))
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        assert session.run(norm) == 10
        session.run(train)
        np.testing.assert_allclose(session.run(w), [2.4, 3.2], rtol=1e-6)
    with pytest.raises(GradientError, match="no variable"):
        optimizer.apply_gradients([(None, b)])
    with tf.Graph().as_default(), pytest.raises(ArgumentError, match="no variables"):
        optimizer.compute_gradients(tf.constant(1.0))


def test_loss_is_from_before_the_step():
    w = tf.Variable(3.0)
    loss = tf.square(w)
    train = tf.train.GradientDescentOptimizer(0.5).minimize(loss)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        assert session.run([train, loss]) == [None, 9] and session.run(loss) == 0


def test_schedules():
    step = tf.placeholder(tf.int64, [])
    rates = {
        "exponential": (
            tf.train.exponential_decay(0.5, step, 10, 0.9),
            lambda t: 0.5 * 0.9 ** (t / 10),
        ),
        "staircase": (
            tf.train.exponential_decay(0.5, step, 10, 0.9, staircase=True),
            lambda t: 0.5 * 0.9 ** (t // 10),
        ),
        "inverse": (
            tf.train.inverse_time_decay(0.5, step, 10, 2.0),
            lambda t: 0.5 / (1 + 2 * t / 10),
        ),
        "natural": (
            tf.train.natural_exp_decay(0.5, step, 10, 2.0),
            lambda t: 0.5 * np.exp(-2 * t / 10),
        ),
        "polynomial": (
            tf.train.polynomial_decay(0.5, step, 20, 0.1, 2.0),
            lambda t: 0.4 * (1 - min(t, 20) / 20) ** 2 + 0.1,
        ),
        "cycle": (
            tf.train.polynomial_decay(0.5, step, 20, 0.1, cycle=True),
            lambda t: 0.4 * (1 - t / (20 * max(np.ceil(t / 20), 1))) + 0.1,
        ),
        "pieces": (
            tf.train.piecewise_constant(step, [5, 25], [3.0, 2.0, 1.0]),
            lambda t: 3 if t <= 5 else 2 if t <= 25 else 1,
        ),
    }
    with tf.Session() as session:
        for t in (0, 5, 15, 33):
            for name, (rate, expected) in rates.items():
                found = session.run(rate, {step: t})
                np.testing.assert_allclose(found, expected(t), rtol=1e-5, err_msg=name)


def test_a_decaying_rate_in_an_optimizer():
    w = tf.Variable(8.0)
    step = tf.Variable(0, trainable=False)
    rate = tf.train.exponential_decay(0.5, step, 1, 0.5)
    train = tf.train.GradientDescentOptimizer(rate).minimize(w * 1.0, step)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        for expected in (7.5, 7.25, 7.125):
            session.run(train)
            assert session.run(w) == expected


def test_moving_averages():
    v = tf.Variable(10.0)
    count = tf.Variable(0, trainable=False)
    means = tf.train.ExponentialMovingAverage(0.9, count)
    update = means.apply([v])
    assert means.average(v).name == "Variable/ExponentialMovingAverage:0"
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        session.run(v.assign(20.0))
        session.run(update)  # the decay is min(0.9, 1 / 10)
        np.testing.assert_allclose(session.run(means.average(v)), 19.0)
    names = set(means.variables_to_restore())
    assert names == {"Variable/ExponentialMovingAverage", "Variable_1"}
