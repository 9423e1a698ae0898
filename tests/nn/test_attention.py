"""Attention against torch in float64, masks, shapes and wrong uses."""

import numpy as np
import pytest
import torch

import nervure as nv
from nervure.errors import ArgumentError, NervureError, ShapeError
from nervure.layers import (
    AdditiveAttention,
    Attention,
    GroupQueryAttention,
    Input,
    MultiHeadAttention,
)
from nervure.models import Model
from nervure.ops import nn
from tests.nn.gradients import assert_like_torch, randomize

random = np.random.default_rng(0)


def heads_of_torch(query, key, value, mask=None):
    """Attention of ``[batch, places, heads, features]``."""
    return torch.nn.functional.scaled_dot_product_attention(
        *(one.transpose(1, 2) for one in (query, key, value)), attn_mask=mask
    ).transpose(1, 2)


# --- dot_product_attention -----------------------------------------------------------


@pytest.mark.parametrize("masked", [True, False])
def test_dot_product_attention_against_torch(masked):
    query = random.normal(size=(2, 5, 3, 4))
    key = random.normal(size=(2, 6, 3, 4))
    value = random.normal(size=(2, 6, 3, 7))
    mask = random.random((2, 1, 5, 6)) < 0.7 if masked else None
    if masked:
        mask[..., 0] = True
    expected = heads_of_torch(
        *map(torch.tensor, (query, key, value)),
        None if mask is None else torch.tensor(mask),
    )
    got = nn.dot_product_attention(query, key, value, mask=mask)
    np.testing.assert_allclose(got, expected, rtol=1e-12)


def test_heads_that_share_keys():
    query = random.normal(size=(2, 5, 6, 4))
    key, value = (random.normal(size=(2, 7, 2, 4)) for _ in range(2))
    repeated = (np.repeat(one, 3, axis=2) for one in (key, value))
    got = nn.dot_product_attention(query, key, value)
    expected = nn.dot_product_attention(query, *repeated)
    np.testing.assert_allclose(got, expected, rtol=1e-12)


def test_bias_scale_and_cap():
    query, key, value = (random.normal(size=(1, 3, 1, 2)) for _ in range(3))
    bias = random.normal(size=(1, 1, 3, 3))
    scores = 0.5 * query[0, :, 0] @ key[0, :, 0].T
    scores = scores / (1 + np.abs(scores) / 0.3) + bias[0, 0]
    weights = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
    got = nn.dot_product_attention(
        query, key, value, bias, scale=0.5, attn_logits_soft_cap=0.3
    )
    np.testing.assert_allclose(got[0, :, 0], weights @ value[0, :, 0], rtol=1e-12)


def test_wrong_shapes_of_dot_product_attention():
    x = np.ones((2, 3, 4, 5))
    with pytest.raises(ShapeError, match="expected key with the 4 axes"):
        nn.dot_product_attention(x, x[0], x)
    with pytest.raises(ShapeError, match="weights of shape .* do not fit together"):
        nn.dot_product_attention(x, x, x[:, :2])
    with pytest.raises(ShapeError, match="query and key do not fit together"):
        nn.dot_product_attention(x, x[:, :, :3], x[:, :, :3])


# --- MultiHeadAttention --------------------------------------------------------------


def test_multi_head_attention_against_torch():
    query, value = random.normal(size=(2, 5, 6)), random.normal(size=(2, 7, 4))
    layer = MultiHeadAttention(3, 2, value_dim=5, dtype="float64")
    layer(query, value)
    randomize(layer)

    def expected(query, value, wq, bq, wk, bk, wv, bv, wo, bo):
        project = torch.tensordot
        heads = heads_of_torch(
            project(query, wq, 1) + bq,
            project(value, wk, 1) + bk,
            project(value, wv, 1) + bv,
        )
        return project(heads, wo, 2) + bo

    assert_like_torch(layer, expected, query, value)
    assert [one.path.split("/", 1)[1] for one in layer.weights] == [
        *("query/kernel", "query/bias", "key/kernel", "key/bias"),
        *("value/kernel", "value/bias"),
        *("attention_output/kernel", "attention_output/bias"),
    ]


def test_masks_are_combined():
    x = random.normal(size=(2, 5, 6)).astype("float32")
    layer = MultiHeadAttention(2, 3, sliding_window=4)
    value_mask = random.random((2, 5)) < 0.7
    query_mask = random.random((2, 5)) < 0.7
    attention_mask = random.random((2, 5, 5)) < 0.7
    _, weights = layer(
        x, x, query_mask=query_mask, value_mask=value_mask, use_causal_mask=True,
        attention_mask=attention_mask, return_attention_scores=True,
    )  # fmt: skip
    places = np.arange(5)
    allowed = (
        attention_mask
        & query_mask[:, :, None]
        & value_mask[:, None, :]
        & (places[:, None] >= places)
        & (places[:, None] - places < 4)
    )[:, None]
    weights = weights.numpy()
    assert (weights[~np.broadcast_to(allowed, weights.shape)] == 0).all()
    assert (weights[np.broadcast_to(allowed, weights.shape)] > 0).all()
    total = np.broadcast_to(allowed.any(-1), weights.shape[:-1])
    np.testing.assert_allclose(weights.sum(-1), total, rtol=1e-6)


@pytest.mark.parametrize("executor", ["reference", "cpu"])
def test_where_nothing_is_allowed_all_is_finite(executor):
    x = random.normal(size=(1, 4, 6)).astype("float32")
    layer = MultiHeadAttention(2, 3, use_bias=False)
    layer(x, x)
    mask = np.array([[[1, 1, 0, 0], [0, 0, 0, 0], [1, 0, 1, 0], [0, 0, 0, 1]]], bool)
    with nv.config.override(executor=executor):
        got = layer(x, x, attention_mask=mask)
        assert got.numpy()[0, 1].tolist() == [0.0] * 6
        given = nv.asarray(x)
        loss = nv.sum(layer(given, given, attention_mask=mask) ** 2)
        kernel = layer.query_dense.kernel.value
        for gradient in nv.gradients(loss, [given, kernel]):
            assert np.isfinite(gradient.numpy()).all()


def test_dropout_of_weights():
    x = random.normal(size=(2, 8, 6)).astype("float32")
    layer = MultiHeadAttention(2, 3, dropout=0.5, seed=3)
    without = layer(x, x).numpy()
    np.testing.assert_array_equal(layer(x, x, training=False), without)
    assert not np.allclose(layer(x, x, training=True), without)


def test_other_attention_axes():
    x = random.normal(size=(2, 3, 4, 6)).astype("float32")
    layer = MultiHeadAttention(2, 3, attention_axes=2)
    outputs, weights = layer(x, x, return_attention_scores=True)
    assert outputs.shape == (2, 3, 4, 6)
    assert weights.shape == (2, 3, 2, 4, 4)
    first = MultiHeadAttention(2, 3)
    first(x[:, 0], x[:, 0])
    first.set_weights(layer.get_weights())
    np.testing.assert_allclose(outputs[:, 1], first(x[:, 1], x[:, 1]), rtol=1e-5)


def test_shapes_of_multi_head_attention():
    layer = MultiHeadAttention(2, 3, output_shape=(4, 5))
    query, value = Input((None, 6)), Input((7, 4))
    outputs, weights = layer(query, value, return_attention_scores=True)
    assert outputs.shape == (None, None, 4, 5)
    assert weights.shape == (None, 2, None, 7)
    assert layer.compute_output_shape((None, 8, 6), (None, 7, 4)) == (None, 8, 4, 5)
    assert layer.built_for == [(None, None, 6), (None, 7, 4), None]
    again = MultiHeadAttention.from_config(layer.get_config())
    again.build(layer.built_for)
    assert [one.shape for one in again.get_weights()] == [
        one.shape for one in layer.get_weights()
    ]
    assert again.get_config() == layer.get_config()
    by_hand = MultiHeadAttention(2, 3)
    by_hand.build((None, 5, 6), (None, 7, 4))
    assert by_hand(np.ones((2, 5, 6)), np.ones((2, 7, 4))).shape == (2, 5, 6)


def test_self_attention_learns():
    class Largest(Model):
        def __init__(self):
            super().__init__()
            self.attention = MultiHeadAttention(2, 4)
            self.dense = nv.layers.Dense(1)

        def call(self, inputs):
            return self.dense(nv.mean(self.attention(inputs, inputs), axis=1))

    x = random.normal(size=(64, 5, 3)).astype("float32")
    y = x.max(axis=(1, 2))[:, None]
    model = Largest()
    model.compile(nv.optimizers.Adam(0.03), "mse")
    losses = model.fit(x, y, epochs=20, verbose=0).history["loss"]
    assert losses[-1] < losses[0] / 2


def test_wrong_uses_of_multi_head_attention():
    x = np.ones((2, 5, 6), "float32")
    with pytest.raises(ValueError, match="num_heads"):
        MultiHeadAttention(0, 3)
    with pytest.raises(ValueError, match="value_dim"):
        MultiHeadAttention(2, 3, 0)
    with pytest.raises(TypeError, match="attention_axes"):
        MultiHeadAttention(2, 3, attention_axes="all")
    with pytest.raises(TypeError, match="a query and a value"):
        MultiHeadAttention(2, 3)(x)
    with pytest.raises(ShapeError, match="of one rank from 3"):
        MultiHeadAttention(2, 3)(x, x, x[:, :4])
    with pytest.raises(ArgumentError, match="cannot attend along the axes"):
        MultiHeadAttention(2, 3, attention_axes=2)(x, x)
    with pytest.raises(NervureError):
        MultiHeadAttention(2, 3)(x, x, attention_mask=np.ones((2, 4, 4), bool))


def test_the_output_has_the_mask_of_the_query():
    query = nv.layers.Masking()(np.array([[[1.0], [0.0]]], "float32"))
    value = nv.layers.Masking()(np.array([[[1.0], [2.0], [0.0]]], "float32"))
    for layer in (MultiHeadAttention(1, 2), GroupQueryAttention(2, 2, 1)):
        outputs, weights = layer(query, value, return_attention_scores=True)
        assert outputs.mask.tolist() == [[True, False]]
        assert weights.mask is None
        assert (weights.numpy()[..., 2] == 0).all()
        assert layer(query, value).mask.tolist() == [[True, False]]
    outputs, weights = Attention()([query, value], return_attention_scores=True)
    assert outputs.mask.tolist() == [[True, False]]
    assert outputs.numpy()[0, 1].tolist() == [0.0]
    assert (weights.numpy()[..., 2] == 0).all()


# --- GroupQueryAttention -------------------------------------------------------------


def test_group_query_attention_against_torch():
    query, value = random.normal(size=(2, 5, 6)), random.normal(size=(2, 7, 4))
    layer = GroupQueryAttention(3, 4, 2, dtype="float64")
    layer(query, value)
    randomize(layer)

    def expected(query, value, wq, bq, wk, bk, wv, bv, wo, bo):
        project = torch.tensordot
        heads = heads_of_torch(
            project(query, wq, 1) + bq,
            (project(value, wk, 1) + bk).repeat_interleave(2, dim=2),
            (project(value, wv, 1) + bv).repeat_interleave(2, dim=2),
        )
        return project(heads, wo, 2) + bo

    assert_like_torch(layer, expected, query, value)


def test_shapes_and_masks_of_group_query_attention():
    layer = GroupQueryAttention(3, 4, 2, dropout=0.5, seed=1)
    outputs, weights = layer(
        Input((None, 6)), Input((7, 4)), return_attention_scores=True
    )
    assert outputs.shape == (None, None, 6)
    assert weights.shape == (None, 4, None, 7)
    assert GroupQueryAttention.from_config(layer.get_config()).dropout == 0.5
    x = random.normal(size=(2, 5, 6)).astype("float32")
    layer = GroupQueryAttention(3, 4, 1)
    _, weights = layer(x, x, use_causal_mask=True, return_attention_scores=True)
    upper = np.triu(np.ones((5, 5), bool), 1)
    assert (weights.numpy()[..., upper] == 0).all()
    with pytest.raises(ArgumentError, match="a multiple of the 3 heads"):
        GroupQueryAttention(2, 4, 3)
    with pytest.raises(ArgumentError, match="the 3 axes"):
        GroupQueryAttention(2, 4, 2)(x[None], x[None])


# --- Attention, AdditiveAttention ----------------------------------------------------


def test_attention_against_torch():
    query, value = random.normal(size=(2, 4, 3)), random.normal(size=(2, 5, 3))
    scaled = Attention(use_scale=True, dtype="float64")
    scaled([query, value])
    randomize(scaled)
    key = random.normal(size=(2, 5, 3))

    class Listed:
        """The layer with separate arguments."""

        trainable_weights = scaled.trainable_weights

        def __call__(self, *inputs):
            return scaled(list(inputs))

    def expected(query, value, key, scale):
        return torch.softmax(scale * query @ key.transpose(1, 2), -1) @ value

    assert_like_torch(Listed(), expected, query, value, key)


@pytest.mark.parametrize("use_scale", [True, False])
def test_scores_of_sums(use_scale):
    query, value = random.normal(size=(2, 4, 3)), random.normal(size=(2, 5, 3))
    sums = query[:, :, None] + value[:, None]
    for layer in (
        AdditiveAttention(use_scale, dtype="float64"),
        Attention(use_scale, "concat", dtype="float64"),
    ):
        layer([query, value])
        randomize(layer)
        _, weights = layer([query, value], return_attention_scores=True)
        scale = layer.scale.numpy() if use_scale else 1.0
        if layer.concat_score_weight is None:
            scores = (scale * np.tanh(sums)).sum(-1)
        else:
            scores = layer.concat_score_weight.numpy() * np.tanh(scale * sums).sum(-1)
        powers = np.exp(scores)
        expected = powers / powers.sum(-1, keepdims=True)
        np.testing.assert_allclose(weights, expected, rtol=1e-10)


def test_masks_of_attention():
    query = random.normal(size=(2, 4, 3)).astype("float32")
    value = random.normal(size=(2, 5, 3)).astype("float32")
    value_mask = np.array([[1, 1, 0, 1, 0], [0, 0, 0, 0, 0]], bool)
    query_mask = np.array([[1, 1, 1, 0], [1, 1, 1, 1]], bool)
    outputs, weights = Attention()(
        [query, value], mask=[query_mask, value_mask], return_attention_scores=True
    )
    assert (weights.numpy()[0][:, [2, 4]] == 0).all()
    assert (weights.numpy()[1] == 0).all()
    assert (outputs.numpy()[0, 3] == 0).all()
    _, weights = Attention()(
        [query, value], use_causal_mask=True, return_attention_scores=True
    )
    assert (weights.numpy()[:, np.triu(np.ones((4, 5), bool), 1)] == 0).all()


def test_shapes_and_wrong_uses_of_attention():
    outputs, weights = Attention()(
        [Input((4, 3)), Input((None, 6)), Input((None, 3))],
        return_attention_scores=True,
    )
    assert outputs.shape == (None, 4, 6)
    assert weights.shape == (None, 4, None)
    shapes = [(None, 4, 3), (None, 5, 6), (None, 5, 3)]
    assert AdditiveAttention().compute_output_shape(shapes) == (None, 4, 6)
    config = AdditiveAttention(dropout=0.2).get_config()
    assert "score_mode" not in config
    assert AdditiveAttention.from_config(config).dropout == 0.2
    with pytest.raises(ValueError, match="unknown score_mode"):
        Attention(score_mode="cosine")
    with pytest.raises(ShapeError, match="got 1 inputs"):
        Attention()(np.ones((2, 3, 4)))
