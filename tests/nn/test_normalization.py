"""Normalization against torch and NumPy in float64, and what it does in training."""

import numpy as np
import pytest
import torch
from torch.nn import functional

import nervure as nv
from nervure.errors import ArgumentError, AxisError, ShapeError
from nervure.layers import (
    BatchNormalization,
    Dense,
    GroupNormalization,
    Input,
    LayerNormalization,
    RMSNormalization,
    SpectralNormalization,
    UnitNormalization,
)
from nervure.step import Step
from tests.nn.gradients import assert_like_torch, randomize

random = np.random.default_rng(0)


# --- BatchNormalization --------------------------------------------------------------


@pytest.mark.parametrize(("shape", "axis"), [((8, 5), -1), ((4, 3, 6, 5), 1)])
@pytest.mark.parametrize("training", [True, False])
def test_batch_normalization_against_torch(shape, axis, training):
    x = random.normal(2.0, 3.0, size=shape)
    layer = BatchNormalization(axis, epsilon=1e-5, dtype="float64")
    layer(x)
    randomize(layer)
    mean, variance = (torch.tensor(one) for one in layer.get_weights()[2:])

    def expected(x, gamma, beta):
        return functional.batch_norm(
            x, mean.clone(), variance.clone(), gamma, beta, training, 0.0, 1e-5
        )

    assert_like_torch(layer, expected, x, training=training)


def test_moving_moments():
    x = random.normal(2.0, 3.0, size=(16, 4))
    layer = BatchNormalization(momentum=0.75, dtype="float64")
    layer(x, training=False)
    assert layer.moving_mean.tolist() == [0.0] * 4
    for _ in range(2):
        layer(x, training=True)
    kept = 0.75**2
    np.testing.assert_allclose(layer.moving_mean, (1 - kept) * x.mean(0), rtol=1e-12)
    np.testing.assert_allclose(
        layer.moving_variance, kept + (1 - kept) * x.var(0), rtol=1e-12
    )
    assert [one.name for one in layer.weights] == [
        *("gamma", "beta", "moving_mean", "moving_variance")
    ]
    assert [one.name for one in layer.trainable_weights] == ["gamma", "beta"]


def test_moving_moments_in_a_compiled_step():
    batches = random.normal(size=(3, 8, 4)).astype("float32")
    layer, eager = BatchNormalization(momentum=0.5), BatchNormalization(momentum=0.5)
    layer.build((None, 4))

    def step(constants, varying):
        layer(varying[0], training=True)

    Step(step).run([], [batches])
    for batch in batches:
        eager(batch, training=True)
    for one, other in zip(layer.get_weights(), eager.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)


def test_a_frozen_batch_normalization_infers():
    x = random.normal(2.0, 3.0, size=(16, 4)).astype("float32")
    layer = BatchNormalization()
    layer(x)
    layer.trainable = False
    np.testing.assert_array_equal(layer(x, training=True), layer(x, training=False))
    assert layer.moving_mean.tolist() == [0.0] * 4
    assert layer.trainable_weights == []
    layer.trainable = True
    layer(x, training=True)
    assert layer.moving_mean.tolist() != [0.0] * 4
    assert len(layer.trainable_weights) == 2


def test_masked_moments():
    x = random.normal(size=(4, 6, 3))
    mask = random.random((4, 6)) < 0.5
    layer = BatchNormalization(epsilon=0.0, momentum=0.0, dtype="float64")
    got = layer(x, training=True, mask=mask)
    counted = x[mask]
    np.testing.assert_allclose(layer.moving_mean, counted.mean(0), rtol=1e-12)
    np.testing.assert_allclose(layer.moving_variance, counted.var(0), rtol=1e-12)
    expected = (x - counted.mean(0)) / counted.std(0)
    np.testing.assert_allclose(got, expected, rtol=1e-10)
    layer(x, training=True, mask=np.zeros((4, 6), bool))
    assert layer.moving_mean.tolist() == [0.0] * 3
    with pytest.raises(ShapeError, match="a mask with 2 axes"):
        layer(x, training=True, mask=mask[0])


def test_moments_of_large_numbers():
    x = (1e5 + random.normal(size=(512, 2))).astype("float32")
    expected = (x.astype("float64") - x.mean(0, dtype="float64")) / x.std(
        0, dtype="float64"
    )
    batch = BatchNormalization(epsilon=0.0)(x, training=True)
    np.testing.assert_allclose(batch, expected, atol=0.1)
    rows = LayerNormalization(epsilon=0.0)(x.T)
    np.testing.assert_allclose(rows.numpy().T, expected, atol=0.1)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_narrow_types_are_computed_in_float32(dtype):
    x = (100 + 300 * random.normal(size=(64, 4))).astype("float16")
    expected = (x.astype("float64") - x.mean(0, dtype="float64")) / x.std(
        0, dtype="float64"
    )
    layer = BatchNormalization(dtype=dtype)
    got = layer(x, training=True)
    assert got.dtype == nv.asarray(1.0, dtype=dtype).dtype
    step = 0.02 if dtype == "bfloat16" else 0.004
    np.testing.assert_allclose(got.numpy().astype("float64"), expected, atol=step)


def test_batch_normalization_of_symbolic_tensors():
    x = Input((None, 7))
    layer = BatchNormalization()
    assert layer(x).shape == (None, None, 7)
    assert layer.moving_mean.tolist() == [0.0] * 7
    assert layer.compute_output_shape((None, 7, 7)) == (None, 7, 7)
    with pytest.raises(ShapeError, match="a size of its input that it needs"):
        BatchNormalization()(Input((7, None)))
    with pytest.raises(ShapeError, match="7 features, got 3"):
        layer(np.ones((2, 2, 3)))
    with pytest.raises(AxisError, match="normalizes axis 3"):
        BatchNormalization(3)(np.ones((2, 2, 3)))


def test_batch_normalization_learns():
    x = random.normal(5.0, 2.0, size=(64, 3)).astype("float32")
    y = (x.sum(1, keepdims=True) - 15) * 0.5
    model = nv.models.Sequential([BatchNormalization(momentum=0.5), Dense(1)])
    model.compile("adam", "mse")
    history = model.fit(x, y, batch_size=64, epochs=20, verbose=0)
    assert history.history["loss"][-1] < history.history["loss"][0]
    np.testing.assert_allclose(
        model.layers[0].moving_mean, (1 - 0.5**20) * x.mean(0), rtol=1e-4
    )


def test_renormalization():
    x = random.normal(2.0, 3.0, size=(16, 4))
    layer = BatchNormalization(renorm=True, momentum=0.5, renorm_momentum=0.5,
                               dtype="float64")  # fmt: skip
    # The correction cancels the batch's moments: at first nothing is known.
    np.testing.assert_allclose(layer(x, training=True), x, rtol=1e-10)
    deviation = np.sqrt(x.var(0) + 1e-3)
    np.testing.assert_allclose(layer.renorm_mean, x.mean(0) / 2, rtol=1e-10)
    np.testing.assert_allclose(layer.renorm_stddev, (1 + deviation) / 2, rtol=1e-10)
    np.testing.assert_allclose(
        layer.moving_variance, ((1 + deviation) / 2) ** 2 - 1e-3, rtol=1e-10
    )
    known, middle = layer.renorm_stddev.numpy(), layer.renorm_mean.numpy()
    got = layer(x, training=True)
    np.testing.assert_allclose(got, (x - middle) / known, rtol=1e-9, atol=1e-9)
    clipped = BatchNormalization(renorm=True, renorm_clipping={"rmax": 1, "dmax": 0})
    plain = BatchNormalization()
    np.testing.assert_allclose(
        clipped(x, training=True), plain(x, training=True), rtol=1e-4, atol=1e-5
    )
    with pytest.raises(ArgumentError, match="'rmax', 'rmin' and 'dmax'"):
        BatchNormalization(renorm=True, renorm_clipping={"max": 1})
    with pytest.raises(ArgumentError, match="rmin <= rmax"):
        BatchNormalization(renorm=True, renorm_clipping={"rmax": 1, "rmin": 2})


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"axis": 1.5}, TypeError),
        ({"momentum": 2.0}, ValueError),
        ({"epsilon": -1.0}, ValueError),
        ({"epsilon": "small"}, ValueError),
    ],
)
def test_wrong_arguments_of_batch_normalization(options, error):
    with pytest.raises(error, match="expected"):
        BatchNormalization(**options)


# --- LayerNormalization --------------------------------------------------------------


@pytest.mark.parametrize("axes", [-1, (1, 2), [-2, -1], (2, 1)])
def test_layer_normalization_against_torch(axes):
    x = random.normal(2.0, 3.0, size=(4, 5, 3))
    layer = LayerNormalization(axes, 1e-5, dtype="float64")
    layer(x)
    randomize(layer)
    shape = (3,) if axes == -1 else (5, 3)
    assert layer.gamma.shape == shape

    def expected(x, gamma, beta):
        return functional.layer_norm(x, shape, gamma, beta, 1e-5)

    assert_like_torch(layer, expected, x)


def test_layer_normalization_of_an_inner_axis():
    x = random.normal(size=(4, 5, 3))
    layer = LayerNormalization(1, scale=False, dtype="float64")
    layer(x)
    randomize(layer)

    def expected(x, beta):
        mean, variance = x.mean(1, keepdim=True), x.var(1, keepdim=True, correction=0)
        return (x - mean) / torch.sqrt(variance + 1e-3) + beta[:, None]

    assert_like_torch(layer, expected, x)


def test_layer_normalization_of_symbolic_tensors():
    layer = LayerNormalization()
    assert layer(Input((None, 7))).shape == (None, None, 7)
    assert LayerNormalization(center=False, scale=False)(Input((7,))).shape == (None, 7)
    assert LayerNormalization(axis=[1, 2]).get_config()["axis"] == [1, 2]


def test_wrong_axes_of_layer_normalization():
    with pytest.raises(TypeError, match="expected axis to be a whole number"):
        LayerNormalization("last")
    with pytest.raises(AxisError, match="normalizes axis 2"):
        LayerNormalization(2)(np.ones((3, 4)))
    with pytest.raises(ArgumentError, match="names an axis twice"):
        LayerNormalization([1, -1])(np.ones((3, 4)))


# --- GroupNormalization --------------------------------------------------------------


@pytest.mark.parametrize(("shape", "axis"), [((2, 5, 4, 6), -1), ((2, 6, 5, 4), 1)])
@pytest.mark.parametrize("groups", [1, 2, 6, -1])
def test_group_normalization_against_torch(shape, axis, groups):
    x = random.normal(2.0, 3.0, size=shape)
    layer = GroupNormalization(groups, axis, 1e-5, dtype="float64")
    layer(x)
    randomize(layer)

    def expected(x, gamma, beta):
        first = x if axis == 1 else torch.movedim(x, -1, 1)
        count = 6 if groups == -1 else groups
        out = functional.group_norm(first, count, gamma, beta, 1e-5)
        return out if axis == 1 else torch.movedim(out, 1, -1)

    assert_like_torch(layer, expected, x)


def test_group_normalization_of_symbolic_tensors():
    assert GroupNormalization(2)(Input((None, None, 6))).shape == (None, None, None, 6)
    assert GroupNormalization(-1)(Input((6,))).shape == (None, 6)
    with pytest.raises(ShapeError, match="a multiple of its 4 groups, got 6"):
        GroupNormalization(4)(Input((6,)))
    with pytest.raises(ShapeError, match="is not known"):
        GroupNormalization(2)(Input((3, None)))


def test_wrong_arguments_of_group_normalization():
    for groups in (0, -2, 1.5, True):
        with pytest.raises(ArgumentError, match="expected groups"):
            GroupNormalization(groups)
    with pytest.raises(TypeError, match="expected axis"):
        GroupNormalization(2, [1])
    with pytest.raises(ArgumentError, match="is the batch"):
        GroupNormalization(2, 0)(np.ones((4, 4)))


# --- RMSNormalization, UnitNormalization ---------------------------------------------


@pytest.mark.parametrize("axes", [-1, (1, 2)])
def test_rms_normalization_against_torch(axes):
    x = random.normal(2.0, 3.0, size=(4, 5, 3))
    layer = RMSNormalization(axes, dtype="float64")
    layer(x)
    randomize(layer)
    shape = (3,) if axes == -1 else (5, 3)

    def expected(x, scale):
        return functional.rms_norm(x, shape, scale, 1e-6)

    assert_like_torch(layer, expected, x)
    assert layer(Input((5, 3))).shape == (None, 5, 3)


def test_unit_normalization_against_torch():
    x = random.normal(size=(4, 5, 3))
    layer = UnitNormalization(dtype="float64")
    assert_like_torch(layer, lambda x: functional.normalize(x, dim=-1), x)
    whole = UnitNormalization([1, 2])(x.astype("float32")).numpy()
    np.testing.assert_allclose(np.square(whole).sum((1, 2)), 1.0, rtol=1e-5)
    assert UnitNormalization()(np.zeros((2, 3))).tolist() == [[0.0] * 3] * 2
    huge = UnitNormalization()(np.full((1, 4), 1e30, "float32"))
    assert huge.tolist() == [[0.5] * 4]
    assert UnitNormalization()(Input((None, 3))).shape == (None, None, 3)
    with pytest.raises(AxisError):
        UnitNormalization(2)(np.ones((2, 2)))


# --- SpectralNormalization -----------------------------------------------------------


def test_spectral_normalization_divides_by_the_largest_singular_value():
    nv.utils.set_random_seed(1)
    x = random.normal(size=(6, 5))
    dense = Dense(4, dtype="float64", kernel_initializer="random_normal")
    layer = SpectralNormalization(dense, 100, dtype="float64")
    layer(x)
    kernel = dense.kernel.numpy()
    np.testing.assert_allclose(layer(x), x @ kernel, rtol=1e-12)
    expected = kernel / np.linalg.svd(kernel)[1][0]
    np.testing.assert_allclose(layer(x, training=True), x @ expected, rtol=1e-6)
    np.testing.assert_allclose(dense.kernel, expected, rtol=1e-6)
    assert [one.name for one in layer.weights] == ["kernel", "vector_u", "bias"]
    assert [one.name for one in layer.trainable_weights] == ["kernel", "bias"]


def test_spectral_normalization_goes_on_from_step_to_step():
    nv.utils.set_random_seed(1)
    x = random.normal(size=(6, 5)).astype("float32")
    dense = Dense(4)
    layer = SpectralNormalization(dense)
    layer.build((None, 5))

    def step(constants, varying):
        layer(constants[0], training=True)

    Step(step).run([x], [np.zeros(60, "float32")])
    assert abs(np.linalg.norm(dense.kernel.numpy(), 2) - 1) < 1e-3


def test_a_kernel_of_zeros_stays():
    dense = Dense(4, kernel_initializer="zeros")
    layer = SpectralNormalization(dense)
    x = np.ones((2, 3), "float32")
    assert layer(x, training=True).tolist() == [[0.0] * 4] * 2
    before = layer.vector_u.tolist()
    layer(x, training=True)
    assert layer.vector_u.tolist() == before

    def gradient():
        kernel = dense.kernel.value
        return nv.gradients(nv.sum(layer(x, training=True)), [kernel])[0]

    assert np.isfinite(nv.compile(gradient)().numpy()).all()


def test_spectral_normalization_of_other_layers():
    nv.utils.set_random_seed(1)
    images = random.normal(size=(2, 6, 6, 3)).astype("float32")
    conv = nv.layers.Conv2D(4, 3)
    layer = SpectralNormalization(conv, 200)
    assert layer(images, training=True).shape == (2, 4, 4, 4)
    matrix = conv.kernel.numpy().reshape(-1, 4)
    assert abs(np.linalg.norm(matrix, 2) - 1) < 1e-3
    assert SpectralNormalization(nv.layers.Embedding(5, 2))(
        np.array([[1, 2]])
    ).shape == (1, 2, 2)
    with pytest.raises(ArgumentError, match="a weight 'kernel' or 'embeddings'"):
        SpectralNormalization(nv.layers.Flatten())(images)
    with pytest.raises(ArgumentError, match="power_iterations"):
        SpectralNormalization(conv, 0)
