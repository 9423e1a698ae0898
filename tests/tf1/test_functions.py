"""Array functions, checked against NumPy, and against torch where it knows more."""

import numpy as np
import pytest
import torch

import nervure.tf1 as tf
from nervure.errors import ArgumentError, DTypeError, NervureError, ShapeError

R = np.random.default_rng(0)
X = R.normal(size=(3, 4)).astype(np.float32)
Y = R.normal(size=(3, 4)).astype(np.float32)
P = np.abs(X) + 0.5
I = np.array([[3, -7, 2], [5, 1, -4]], np.int32)  # noqa: E741
T = np.array([[True, False], [True, True]])


def value_of(tensor):
    with tf.Session() as session:
        return session.run(tensor)


def erf(x):
    return torch.erf(torch.tensor(x)).numpy()


CASES = {
    "abs": (lambda: tf.abs(X), np.abs(X)),
    "exp": (lambda: tf.exp(X), np.exp(X)),
    "log": (lambda: tf.log(P), np.log(P)),
    "sqrt": (lambda: tf.sqrt(P), np.sqrt(P)),
    "rsqrt": (lambda: tf.rsqrt(P), 1 / np.sqrt(P)),
    "square": (lambda: tf.square(I), I**2),
    "erf": (lambda: tf.erf(X), erf(X)),
    "sign": (lambda: tf.sign(I), np.sign(I)),
    "round": (lambda: tf.round([0.5, 1.5, 2.4]), np.array([0.0, 2.0, 2.0])),
    "pow": (lambda: tf.pow(P, Y), np.power(P, Y)),
    "floordiv": (lambda: tf.constant(I) // 2, I // 2),
    "mod": (lambda: tf.constant(I) % 3, I % 3),
    "div": (lambda: tf.div(I, 2), I // 2),
    "truediv": (lambda: tf.constant(I) / 2, I / 2),
    "radd": (lambda: 1.0 - tf.constant(X), 1 - X),
    "neg": (lambda: -tf.constant(X), -X),
    "and": (lambda: tf.constant(T) & False, T & False),
    "invert": (lambda: ~tf.constant(T), ~T),
    "less": (lambda: tf.constant(X) < Y, X < Y),
    "maximum": (lambda: tf.maximum(X, 0.0), np.maximum(X, 0)),
    "cast": (lambda: tf.cast(X, tf.int32), X.astype(np.int32)),
    "clip": (lambda: tf.clip_by_value(X, -0.5, 0.5), np.clip(X, -0.5, 0.5)),
    "add_n": (lambda: tf.add_n([X, Y, X]), X + Y + X),
    "sum": (lambda: tf.reduce_sum(X, [0, 1]), X.sum()),
    "sum of ints": (lambda: tf.reduce_sum(I, 1), I.sum(1, dtype=np.int32)),
    "mean": (lambda: tf.reduce_mean(X, 1, keepdims=True), X.mean(1, keepdims=True)),
    "old names": (
        lambda: tf.reduce_max(X, reduction_indices=[1], keep_dims=True),
        X.max(1, keepdims=True),
    ),
    "min": (lambda: tf.reduce_min(X, 0), X.min(0)),
    "prod": (lambda: tf.reduce_prod(P, 0), P.prod(0)),
    "all": (lambda: tf.reduce_all(T, 0), T.all(0)),
    "any": (lambda: tf.reduce_any(T, 1), T.any(1)),
    "logsumexp": (lambda: tf.reduce_logsumexp(X), np.log(np.exp(X).sum())),
    "argmax": (lambda: tf.argmax(X, 1), X.argmax(1)),
    "argmin": (lambda: tf.argmin(X, dimension=0), X.argmin(0)),
    "cumsum": (lambda: tf.cumsum(I, 1, reverse=True), I[:, ::-1].cumsum(1)[:, ::-1]),
    "matmul": (lambda: tf.matmul(X, Y, transpose_b=True), X @ Y.T),
    "tensordot": (lambda: tf.tensordot(X, Y.T, [[1], [0]]), X @ Y.T),
    "einsum": (lambda: tf.einsum("ij,kj->ik", X, Y), X @ Y.T),
    "norm": (lambda: tf.norm(X, axis=1), np.linalg.norm(X, axis=1)),
    "reshape": (lambda: tf.reshape(X, [2, -1]), X.reshape(2, -1)),
    "reshape to nothing": (lambda: tf.reshape([3.0], []), np.float32(3)),
    "transpose": (lambda: tf.transpose(X, perm=[1, 0]), X.T),
    "expand": (lambda: tf.expand_dims(X, 1), X[:, None]),
    "squeeze": (lambda: tf.squeeze(X[:, None], [1]), X),
    "concat": (lambda: tf.concat([X, Y], 1), np.concatenate([X, Y], 1)),
    "stack": (lambda: tf.stack([X, Y], 1), np.stack([X, Y], 1)),
    "tile": (lambda: tf.tile(X, [2, 1]), np.tile(X, (2, 1))),
    "pad": (lambda: tf.pad(X, [[1, 0], [0, 2]]), np.pad(X, [(1, 0), (0, 2)])),
    "reflect": (
        lambda: tf.pad(X, [[1, 1], [0, 2]], "REFLECT"),
        np.pad(X, [(1, 1), (0, 2)], "reflect"),
    ),
    "reverse": (lambda: tf.reverse(X, [1]), X[:, ::-1]),
    "slice": (lambda: tf.slice(X, [1, 0], [-1, 2]), X[1:, :2]),
    "getitem": (lambda: tf.constant(X)[1:, ::2], X[1:, ::2]),
    "getitem newaxis": (lambda: tf.constant(X)[..., tf.newaxis], X[..., None]),
    "getitem tensor": (lambda: tf.constant(X)[tf.constant(2)], X[2]),
    "getitem slice": (lambda: tf.constant(X)[: tf.constant(2)], X[:2]),
    "gather": (lambda: tf.gather(X, [[2, 0], [1, 1]]), X[[[2, 0], [1, 1]]]),
    "gather 1": (lambda: tf.gather(X, [2, 0], axis=1), X[:, [2, 0]]),
    "gather_nd": (lambda: tf.gather_nd(X, [[2, 0], [1, 3]]), X[[2, 1], [0, 3]]),
    "where": (lambda: tf.where(X > 0, X, Y), np.where(X > 0, X, Y)),
    "where rows": (
        lambda: tf.where([True, False, True], X, Y),
        np.where([[True], [False], [True]], X, Y),
    ),
    "one_hot": (
        lambda: tf.one_hot([2, 0], 3, 5.0, -1.0, axis=0),
        np.where(np.eye(3)[[2, 0]].T, 5.0, -1.0),
    ),
    "mask": (lambda: tf.boolean_mask(X, [True, False, True]), X[[0, 2]]),
    "range": (lambda: tf.range(2, 11, 3), np.arange(2, 11, 3)),
    "range of floats": (lambda: tf.range(0.0, 1.0, 0.25), np.arange(0, 1, 0.25)),
    "eye": (lambda: tf.eye(2, 3), np.eye(2, 3)),
    "broadcast": (lambda: tf.broadcast_to([1, 2], [3, 2]), np.tile([1, 2], (3, 1))),
    "shape": (lambda: tf.shape(X), np.array([3, 4])),
    "size": (lambda: tf.size(X), np.int32(12)),
    "rank": (lambda: tf.rank(X), np.int32(2)),
    "zeros_like": (lambda: tf.zeros_like(I), I * 0),
    "linspace": (lambda: tf.linspace(0.0, 2.0, 5), np.linspace(0, 2, 5)),
    "segments": (
        lambda: tf.unsorted_segment_sum(X, [1, 0, 1], 2),
        np.stack([X[1], X[0] + X[2]]),
    ),
    "clip_by_norm": (
        lambda: tf.clip_by_norm(X, 0.5),
        X * 0.5 / np.linalg.norm(X),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_values(name):
    make, expected = CASES[name]
    tensor = make()
    found = value_of(tensor)
    assert tensor.shape.as_list() == list(np.shape(expected))
    assert found.dtype == tensor.dtype.as_numpy_dtype
    np.testing.assert_allclose(found, expected, rtol=2e-6, atol=1e-6)


def test_several_results():
    a, b = value_of(tf.split(X, 2, axis=1))
    np.testing.assert_array_equal(np.concatenate([a, b], 1), X)
    assert [one.shape for one in value_of(tf.split(X, [1, -1], 1))] == [(3, 1), (3, 3)]
    rows = value_of(tf.unstack(X))
    np.testing.assert_array_equal(np.stack(rows), X)
    mean, variance = value_of(tf.nn.moments(X, [0]))
    np.testing.assert_allclose(mean, X.mean(0), rtol=1e-5)
    np.testing.assert_allclose(variance, X.var(0), rtol=1e-5)
    assert len(list(tf.constant(X))) == 3


def test_wrong_uses():
    with pytest.raises(ArgumentError, match="order since TensorFlow 1.0"):
        tf.concat(0, [X, Y])
    with pytest.raises(ShapeError, match="not divisible"):
        tf.split(X, 3, axis=1)
    with pytest.raises(tf.errors.UnimplementedError, match="give x and y"):
        tf.where(X > 0)
    with pytest.raises(DTypeError, match="one type"):
        tf.stack([tf.constant(1), tf.constant(1.0)])
    with pytest.raises(ArgumentError, match="maxval"):
        tf.random_uniform([2], dtype=tf.int32)
    with pytest.raises(ArgumentError, match="not both"):
        tf.reduce_sum(X, 0, reduction_indices=1)
    with pytest.raises(NervureError):
        tf.cast("text", tf.int32)


def test_random_numbers():
    n = 20_000
    uniform = value_of(tf.random_uniform([n], 2.0, 5.0))
    normal = value_of(tf.random_normal([n], 1.0, 2.0))
    cut = value_of(tf.truncated_normal([n], stddev=0.1))
    whole = value_of(tf.random_uniform([n], 0, 3, tf.int32))
    assert uniform.min() >= 2 and uniform.max() < 5 and abs(uniform.mean() - 3.5) < 0.05
    assert abs(normal.mean() - 1) < 0.1 and abs(normal.std() - 2) < 0.1
    assert np.abs(cut).max() <= 0.2 and abs(cut.std() - 0.088) < 0.002
    assert set(np.unique(whole)) == {0, 1, 2}
    moved = value_of(tf.random_normal([n], tf.constant(1.0), 2.0))
    assert abs(moved.mean() - 1) < 0.1
    shaped = tf.random_normal(tf.shape(tf.placeholder(tf.float32, [None, 2])))
    assert shaped.shape.as_list() == [None, 2]
    classes = value_of(tf.multinomial(tf.log([[0.2, 0.8]]), n))
    assert abs(classes.mean() - 0.8) < 0.02
    assert sorted(value_of(tf.random_shuffle([3, 1, 2]))) == [1, 2, 3]


def test_dropout():
    keep = tf.placeholder(tf.float32)
    x = tf.placeholder(tf.float32, [None, 50])
    y = tf.nn.dropout(x, keep)
    assert y.shape.as_list() == [None, 50]
    ones = np.ones((400, 50))
    with tf.Session() as session:
        half = session.run(y, {x: ones, keep: 0.25})
        assert set(np.unique(half)) == {0, 4} and abs(half.mean() - 1) < 0.05
        assert (session.run(y, {x: ones, keep: 1.0}) == 1).all()
        first, again = session.run([y, y], {x: ones, keep: 0.5})
        np.testing.assert_array_equal(first, again)
        rows = session.run(tf.nn.dropout(x, 0.5, [None, 1]), {x: ones})
        assert (rows == rows[:, :1]).all() and 0 < rows.mean() < 2
    with pytest.raises(ArgumentError, match="keep_prob"):
        tf.nn.dropout(x, 0.0)


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize("stride", [1, 2])
def test_convolution_and_pooling(padding, stride):
    x = R.normal(size=(2, 8, 8, 3)).astype(np.float32)
    w = R.normal(size=(3, 3, 3, 4)).astype(np.float32)
    steps = [1, stride, stride, 1]
    total = max(3 - stride if stride == 2 else 2, 0) if padding == "SAME" else 0
    low, high = total // 2, total - total // 2
    padded = np.pad(x, [(0, 0), (low, high), (low, high), (0, 0)])
    expected = torch.nn.functional.conv2d(
        torch.tensor(padded).permute(0, 3, 1, 2),
        torch.tensor(w).permute(3, 2, 0, 1),
        stride=stride,
    ).permute(0, 2, 3, 1)
    found = value_of(tf.nn.conv2d(x, w, steps, padding))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    first = value_of(
        tf.nn.conv2d(
            x.transpose(0, 3, 1, 2),
            w,
            [1, 1, stride, stride],
            padding,
            data_format="NCHW",
        )
    )
    np.testing.assert_allclose(first.transpose(0, 2, 3, 1), expected, rtol=1e-4,
                               atol=1e-5)  # fmt: skip
    pooled = value_of(tf.nn.max_pool(x, [1, 2, 2, 1], [1, 2, 2, 1], padding))
    np.testing.assert_array_equal(pooled, x.reshape(2, 4, 2, 4, 2, 3).max((2, 4)))
    mean = value_of(tf.nn.avg_pool(x, [1, 2, 2, 1], [1, 2, 2, 1], padding))
    np.testing.assert_allclose(mean, x.reshape(2, 4, 2, 4, 2, 3).mean((2, 4)),
                               rtol=1e-5, atol=1e-6)  # fmt: skip


def test_transposed_convolution():
    x = R.normal(size=(2, 4, 4, 3)).astype(np.float32)
    w = R.normal(size=(2, 2, 5, 3)).astype(np.float32)
    expected = torch.nn.functional.conv_transpose2d(
        torch.tensor(x).permute(0, 3, 1, 2),
        torch.tensor(w).permute(3, 2, 0, 1),
        stride=2,
    ).permute(0, 2, 3, 1)
    y = tf.nn.conv2d_transpose(x, w, [2, 8, 8, 5], [1, 2, 2, 1])
    np.testing.assert_allclose(value_of(y), expected, rtol=1e-4, atol=1e-5)


def test_losses():
    logits = R.normal(size=(4, 3)).astype(np.float32)
    labels = np.array([0, 2, 1, 1])
    rows = np.eye(3, dtype=np.float32)[labels]
    target = torch.tensor(labels)
    expected = torch.nn.functional.cross_entropy(
        torch.tensor(logits), target, reduction="none"
    )
    for loss in (
        tf.nn.softmax_cross_entropy_with_logits(labels=rows, logits=logits),
        tf.nn.softmax_cross_entropy_with_logits_v2(labels=rows, logits=logits),
        tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits),
    ):
        np.testing.assert_allclose(value_of(loss), expected, rtol=1e-5)
    loss = tf.nn.sigmoid_cross_entropy_with_logits(labels=rows, logits=logits)
    binary = torch.nn.functional.binary_cross_entropy_with_logits(
        torch.tensor(logits), torch.tensor(rows), reduction="none"
    )
    np.testing.assert_allclose(value_of(loss), binary, rtol=1e-5)
    weighted = tf.nn.weighted_cross_entropy_with_logits(rows, logits, 3.0)
    np.testing.assert_allclose(
        value_of(weighted), binary * (1 + 2 * torch.tensor(rows)), rtol=1e-5
    )
    with pytest.raises(ArgumentError, match="labels=..., logits=..."):
        tf.nn.softmax_cross_entropy_with_logits(logits, rows)
    with pytest.raises(DTypeError, match="whole numbers"):
        tf.nn.sparse_softmax_cross_entropy_with_logits(labels=rows, logits=logits)
    best = value_of(tf.nn.in_top_k(logits, labels, 2))
    places = np.argsort(-logits, 1)[:, :2]
    np.testing.assert_array_equal(best, (places == labels[:, None]).any(1))
    values, order = value_of(tf.nn.top_k(logits, 2))
    np.testing.assert_array_equal(order, places)
    np.testing.assert_array_equal(values, np.take_along_axis(logits, places, 1))


def test_normalization():
    x = R.normal(size=(2, 3, 3, 8)).astype(np.float32)
    expected = torch.nn.functional.local_response_norm(
        torch.tensor(x).permute(0, 3, 1, 2), 5, alpha=5e-4, beta=0.75, k=1.0
    ).permute(0, 2, 3, 1)
    found = tf.nn.lrn(x, 2, bias=1.0, alpha=1e-4, beta=0.75)
    np.testing.assert_allclose(value_of(found), expected, rtol=1e-5)
    mean, variance = tf.nn.moments(x, [0, 1, 2])
    y = tf.nn.batch_normalization(x, mean, variance, 0.5, 2.0, 1e-3)
    flat = (x - x.mean((0, 1, 2))) / np.sqrt(x.var((0, 1, 2)) + 1e-3) * 2 + 0.5
    np.testing.assert_allclose(value_of(y), flat, rtol=1e-4, atol=1e-5)
    table = tf.Variable(R.normal(size=(5, 2)).astype(np.float32))
    rows = tf.nn.embedding_lookup(table, [[1, 4]])
    with tf.Session() as session:
        session.run(table.initializer)
        all_ = session.run(table)
        np.testing.assert_array_equal(session.run(rows), all_[[[1, 4]]])
