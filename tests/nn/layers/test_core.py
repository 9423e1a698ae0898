"""EinsumDense, Embedding, Identity, Lambda and Wrapper."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

import nervure as nv
from nervure.errors import ArgumentError, DataError, ShapeError
from nervure.layers import (
    Dense,
    EinsumDense,
    Embedding,
    Identity,
    Input,
    Lambda,
    ReversibleEmbedding,
    Wrapper,
)
from nervure.models import Sequential

random = np.random.default_rng(0)


# --- EinsumDense ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("equation", "output", "bias", "shape", "bias_shape"),
    [
        ("ab,bc->ac", 4, "c", (2, 3), (4,)),
        ("abc,cd->abd", (None, 4), "d", (2, 5, 3), (4,)),
        ("abc,cd->abd", (5, 4), "bd", (2, 5, 3), (5, 4)),
        ("abc,cde->abde", (None, 2, 4), "d", (2, 5, 3), (2, 1)),
        ("...x,xy->...y", 4, "y", (2, 5, 6, 3), (4,)),
        ("...x,xy->...y", 4, "y", (2, 3), (4,)),
        ("ab...,bc->ac...", 4, "c", (2, 3, 5), (4, 1)),
        ("abc,bd->adc", (4, None), None, (2, 5, 3), None),
        ("abc, abd -> abcd", (None, None, 4), None, (2, 5, 3), None),
    ],
)
def test_einsum_dense(equation, output, bias, shape, bias_shape):
    x = random.normal(size=shape)
    layer = EinsumDense(equation, output, "tanh", bias, dtype="float64")
    layer(x)
    layer.set_weights([random.normal(size=one.shape) for one in layer.weights])
    kernel, *rest = layer.get_weights()
    expected = np.einsum(equation.replace(" ", ""), x, kernel)
    if bias is not None:
        assert layer.bias.shape == bias_shape
        expected = expected + rest[0]
    np.testing.assert_allclose(layer(x), np.tanh(expected), rtol=1e-12)
    config = layer.get_config()
    assert EinsumDense.from_config(config).get_config() == config


def test_einsum_dense_starts_as_a_dense_layer_does():
    """The kernel [heads, in, out] is drawn for in inputs and heads * out outputs."""
    layer = EinsumDense("abc,dce->abde", (None, 50, 20))
    layer(np.ones((1, 2, 200), "float32"))
    values = layer.kernel.numpy()
    assert values.shape == (50, 200, 20)
    limit = np.sqrt(6 / (200 + 1000))
    assert limit * 0.99 < abs(values).max() <= limit
    ones = EinsumDense("abc,dce->abde", (None, 2, 3), kernel_initializer="ones")
    assert ones(np.ones((1, 2, 4), "float32")).tolist()[0][0] == [[4.0] * 3] * 2


@pytest.mark.parametrize(
    ("equation", "bias", "message"),
    [
        ("ab->ab", None, "expected an equation for EinsumDense, got 'ab->ab'"),
        ("...ab...,bc->...ac...", None, "expected an equation"),
        ("...ab,bc->ac", None, "expected an equation"),
        (None, None, "expected an equation"),
        ("ab,bc->acd", None, "neither input nor kernel has the axis 'd'"),
        ("ab,bcd->ac", None, "neither input nor output tells the size of 'd'"),
        ("aa,ac->ac", None, "a letter occurs twice in 'aa'"),
        ("ab,bc->ac", "d", "the output has no axis 'd' for the bias"),
        ("ab,bc->ac", "", "bias_axes has no letter"),
    ],
)
def test_wrong_equations(equation, bias, message):
    with pytest.raises(ArgumentError, match=message):
        EinsumDense(equation, 4, bias_axes=bias)


def test_einsum_dense_of_what_does_not_fit():
    with pytest.raises(ShapeError, match="the input has 3 axes, 'ab' names 2"):
        EinsumDense("ab,bc->ac", 4)(np.ones((2, 3, 4)))
    with pytest.raises(ShapeError, match="has not one size for each of the axes 'c'"):
        EinsumDense("ab,bc->ac", (4, 4))(np.ones((2, 3)))
    with pytest.raises(ShapeError, match="'b' is 3 in the input and 5 in output_shape"):
        EinsumDense("abc,cd->abd", (5, 4))(np.ones((2, 3, 4)))
    with pytest.raises(ShapeError, match="the size of 'b' is not known"):
        EinsumDense("ab,bc->ac", 4).build((None, None))


# --- Embedding -----------------------------------------------------------------------


def test_embedding_against_torch():
    layer = Embedding(7, 3, dtype="float64")
    numbers = random.integers(0, 7, size=(4, 5))
    layer(numbers)
    leaf = torch.tensor(layer.get_weights()[0], requires_grad=True)
    expected = torch.nn.functional.embedding(torch.tensor(numbers), leaf)
    weights = random.normal(size=(4, 5, 3))
    (expected * torch.tensor(weights)).sum().backward()
    np.testing.assert_array_equal(layer(numbers), expected.detach().numpy())
    loss = nv.sum(layer(numbers) * weights)
    (slope,) = nv.gradients(loss, [layer.embeddings.value])
    np.testing.assert_allclose(slope, leaf.grad.numpy(), rtol=1e-12)


@pytest.mark.parametrize("bad", [7, -1, 1000])
def test_a_number_without_a_row_gives_nan(bad):
    layer = Embedding(7, 3)
    got = layer(np.array([0, bad, 6])).numpy()
    assert np.isnan(got[1]).all()
    assert np.isfinite(got[[0, 2]]).all()
    loss = nv.sum(layer(np.array([0, bad])))
    assert not np.isfinite(float(loss))


def test_embedding_masks_zeros():
    numbers = np.array([[3, 2, 0], [1, 0, 0]])
    output = Embedding(5, 2, mask_zero=True)(numbers)
    np.testing.assert_array_equal(output.mask, numbers != 0)
    assert Embedding(5, 2)(numbers).mask is None
    symbolic = Embedding(5, 2, mask_zero=True)(Input((None,), dtype="int32"))
    assert symbolic.shape == (None, None, 2)
    assert symbolic.mask.shape == (None, None)


def test_embedding_takes_all_whole_numbers_and_floats():
    table = random.normal(size=(5, 2)).astype("float32")
    layer = Embedding(5, 2, weights=[table])
    for dtype in ("int8", "uint8", "int32", "uint32", "int64", "float32"):
        got = layer(np.array([4, 0], dtype))
        np.testing.assert_array_equal(got, table[[4, 0]])
    np.testing.assert_array_equal(Embedding(5, 2, weights=table)([3]), table[[3]])
    with pytest.raises(ShapeError, match=r"has shape \[5, 2\], got an array of shape"):
        Embedding(5, 2, weights=np.ones((4, 2)))


def test_embedding_configuration():
    layer = Embedding(5, 2, mask_zero=True, embeddings_constraint="unit_norm")
    config = layer.get_config()
    assert config["input_dim"] == 5 and config["output_dim"] == 2
    assert config["mask_zero"] is True
    assert Embedding.from_config(config).get_config() == config
    with pytest.raises(ValueError, match="expected input_dim to be a whole number"):
        Embedding(0, 2)


def test_embedding_as_the_first_layer():
    model = Sequential([Embedding(6, 4, input_length=3), nv.layers.Flatten(), Dense(2)])
    assert model.output_shape == (None, 2)
    assert model.layers[1].output.shape == (None, 12)


def embedding_models():
    """Return models that look their input up, made in both ways."""
    stack = Sequential([Embedding(10, 4, name="words"), nv.layers.Flatten(), Dense(1)])
    numbers, other = Input((2,), dtype="int32"), Input((2,))
    vectors = nv.layers.Flatten()(Embedding(10, 4, name="words")(numbers))
    joined = Dense(1)(nv.layers.concatenate([vectors, other]))
    return {"stack": stack, "graph": nv.models.Model([numbers, other], joined)}


@pytest.mark.parametrize("kind", ["stack", "graph"])
@pytest.mark.parametrize(("bad", "fix"), [(10, "with 11 rows"), (-2, "from 0 to 9")])
def test_numbers_without_a_row_are_not_trained_on(kind, bad, fix):
    model = embedding_models()[kind]
    model.compile("sgd", "mse")
    numbers = np.array([[0, 9], [3, bad]])
    x = [numbers, np.zeros((2, 2), "float32")] if kind == "graph" else numbers
    for call in (lambda: model.fit(x, np.zeros(2)), lambda: model.predict(x)):
        with pytest.raises(DataError) as caught:
            call()
        text = f"{caught.value}"
        assert f"holds {bad} at row 1, column 1, but the layer 'words' has rows" in text
        assert fix in text


def test_embedding_learns():
    nv.utils.set_random_seed(0)
    numbers = random.integers(0, 10, size=(200, 1))
    labels = (numbers[:, 0] % 3).astype("int64")
    model = Sequential(
        [Embedding(10, 8), nv.layers.Flatten(), Dense(3, activation="softmax")]
    )
    optimizer = nv.optimizers.Adam(0.05)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(numbers, labels, epochs=15, batch_size=50, verbose=0)
    assert history.history["accuracy"][-1] == 1.0


@pytest.mark.parametrize("tied", [True, False])
def test_reversible_embedding(tied):
    layer = ReversibleEmbedding(7, 3, tied, mask_zero=True, logit_soft_cap=0.5)
    vectors = layer(np.array([[1, 0, 6]]))
    assert vectors.mask.tolist() == [[True, False, True]]
    table = layer.get_weights()
    back = table[0].T if tied else table[1]
    got = layer(vectors, reverse=True)
    expected = 0.5 * np.tanh(vectors.numpy() @ back / 0.5)
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-7)
    assert layer(Input((3,)), reverse=True).shape == (None, 7)
    config = layer.get_config()
    assert ReversibleEmbedding.from_config(config).get_config() == config
    half = ReversibleEmbedding(7, 3, reverse_dtype="float16")
    assert half(half([[1]]), reverse=True).dtype == "float16"
    with pytest.raises(ArgumentError, match="expected logit_soft_cap to be above 0"):
        ReversibleEmbedding(7, 3, logit_soft_cap=0.0)


# --- Identity, Lambda, Wrapper -------------------------------------------------------


def test_identity():
    x = nv.asarray(random.normal(size=(2, 3, 4))).masked(nv.ones((2, 3), dtype=bool))
    got = Identity(dtype="float64")(x)
    np.testing.assert_array_equal(got, x)
    assert got.mask is not None
    assert Identity()([x, x])[1].shape == (2, 3, 4)
    assert Identity()(Input((None, 4))).shape == (None, None, 4)


def test_lambda():
    x = random.normal(size=(2, 3)).astype("float32")
    np.testing.assert_allclose(Lambda(lambda v: v**2 + 1)(x), x**2 + 1, rtol=1e-6)
    power = Lambda(lambda v, exponent: v**exponent, arguments={"exponent": 3})
    np.testing.assert_allclose(power(x), x**3, rtol=1e-5)
    assert Lambda(lambda v: v[:, :2])(Input((3,))).shape == (None, 2)
    both = Lambda(lambda pair: pair[0] * pair[1])
    np.testing.assert_array_equal(both([x, x]), x * x)


def test_lambda_knows_whether_it_is_training():
    layer = Lambda(lambda v, training: v * 2 if training else v)
    assert layer(np.ones(1), training=True).tolist() == [2.0]
    assert layer(np.ones(1)).tolist() == [1.0]


def test_lambda_with_masks():
    x = nv.ones((1, 3, 2)).masked(nv.asarray([[True, False, True]]))
    seen = Lambda(
        lambda v, mask: nv.where(mask[..., None], v, 0.0), mask=lambda v, m: m
    )
    got = seen(x)
    assert got.tolist() == [[[1.0, 1.0], [0.0, 0.0], [1.0, 1.0]]]
    assert got.mask.tolist() == [[True, False, True]]


def test_lambda_holds_its_function_to_the_shape():
    x = np.ones((2, 3), "float32")
    assert Lambda(lambda v: v, output_shape=(None,))(x).shape == (2, 3)
    assert Lambda(lambda v: v[:1], lambda shape: (1, *shape[1:]))(x).shape == (1, 3)
    with pytest.raises(ShapeError) as caught:
        Lambda(lambda v: v, output_shape=(4,), name="f")(x)
    assert "lambda (layer 'f'): expected the function to return" in f"{caught.value}"


def test_lambda_refuses_to_be_saved():
    layer = Lambda(nv.tanh, name="f")
    with pytest.raises(TypeError) as caught:
        layer.get_config()
    text = f"{caught.value}"
    assert text.startswith("the Lambda layer 'f' cannot be saved: files hold data only")
    assert "fix: write a subclass of nervure.layers.Layer" in text
    with pytest.raises(ArgumentError, match="expected a function for Lambda"):
        Lambda("relu")


def test_a_network_with_lambda_trains():
    x = random.normal(size=(64, 3)).astype("float32")
    model = Sequential([Lambda(lambda v: v * 2, input_shape=(3,)), Dense(1)])
    model.compile("sgd", "mse")
    history = model.fit(x, x.sum(axis=1), epochs=5, verbose=0).history["loss"]
    assert history[-1] < history[0]


class Doubled(Wrapper):
    """Calls the layer inside and doubles what it returns."""

    def call(self, inputs):
        return self.layer(inputs) * 2


def test_wrapper():
    x = random.normal(size=(2, 3)).astype("float32")
    inner = Dense(4)
    layer = Doubled(inner)
    np.testing.assert_allclose(layer(x), 2 * inner(x).numpy(), rtol=1e-6)
    assert [one.path for one in layer.weights] == [one.path for one in inner.weights]
    assert layer(Input((3,))).shape == (None, 4)
    config = layer.get_config()
    assert config["layer"]["class_name"] == "Dense"
    again = Doubled.from_config(config)
    assert isinstance(again.layer, Dense)
    assert again.get_config() == config
    with pytest.raises(ArgumentError, match="Doubled expects a layer, got 'dense'"):
        Doubled("dense")


CONVOLUTION = {"filters": 2, "kernel_size": 3}
MADE = {
    "Embedding": {"input_dim": 5, "output_dim": 2},
    "ReversibleEmbedding": {"input_dim": 5, "output_dim": 2},
    "EinsumDense": {"equation": "ab,bc->ac", "output_shape": 4, "bias_axes": "c"},
    "Conv2D": {**CONVOLUTION, "kernel_regularizer": "l2"},
    "Conv1DTranspose": {**CONVOLUTION, "strides": 2, "output_padding": 1},
    "SeparableConv2D": {**CONVOLUTION, "padding": "same"},
    "DepthwiseConv1D": {"kernel_size": 2, "activation": "relu"},
    "AdaptiveMaxPooling2D": {"output_size": (2, 3)},
    "AveragePooling3D": {"pool_size": 2},
    "UpSampling2D": {"size": (2, 1), "interpolation": "bilinear"},
    "Cropping2D": {"cropping": ((1, 0), (2, 2))},
    "ZeroPadding1D": {"padding": (0, 2)},
    "Permute": {"dims": (2, 1)},
    "RepeatVector": {"n": 3},
    "Concatenate": {"axis": 1},
    "Dot": {"axes": (1, 2), "normalize": True},
    "Add": {},
    "Identity": {},
}


@pytest.mark.parametrize("name", MADE)
def test_layers_become_plain_data_and_back(name):
    layer = getattr(nv.layers, name)(**MADE[name], name="one", trainable=False)
    config = nv.layers.serialize(layer)
    again = nv.layers.deserialize(json.loads(json.dumps(config)))
    assert type(again) is type(layer)
    assert nv.layers.serialize(again) == config
