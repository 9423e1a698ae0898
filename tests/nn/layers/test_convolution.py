"""Layers of convolution: values and gradients against torch, shapes and wrong uses."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import nervure as nv
from nervure import layers
from nervure.errors import ArgumentError, ShapeError, UnknownNameError
from nervure.layers import (
    Conv1D,
    Conv1DTranspose,
    Conv2D,
    Conv2DTranspose,
    Conv3D,
    DepthwiseConv2D,
    Input,
    SeparableConv2D,
)

random = np.random.default_rng(0)


def torch_kernel(kernel):
    """Return a kernel [*window, channels, filters] as torch has it, filters first."""
    return kernel.permute(-1, -2, *range(kernel.ndim - 2))


def channels_moved_first(x):
    return x.movedim(-1, 1)


def check_against_torch(layer, shape, theirs):
    """Compare the output and all gradients; ``theirs`` is given leaves of torch."""
    x = random.normal(size=shape)
    layer(x)
    layer.set_weights([random.normal(size=one.shape) for one in layer.weights])
    leaves = [
        torch.tensor(one, requires_grad=True) for one in (x, *layer.get_weights())
    ]
    expected = theirs(*leaves)
    coefficients = random.normal(size=tuple(expected.shape))
    (expected * torch.tensor(coefficients)).sum().backward()

    given = nv.asarray(x)
    got = layer(given)
    assert got.shape == tuple(expected.shape)
    np.testing.assert_allclose(got, expected.detach().numpy(), rtol=1e-10, atol=1e-12)
    wanted = [given, *(one.value for one in layer.weights)]
    loss = nv.sum(layer(given) * coefficients)
    for one, leaf in zip(nv.gradients(loss, wanted), leaves):
        np.testing.assert_allclose(one, leaf.grad.numpy(), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("strides", [1, (2, 3)])
@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("groups", [1, 2])
def test_conv2d_against_torch(strides, dilation, groups):
    layer = Conv2D(
        4, (3, 2), strides, dilation_rate=dilation, groups=groups, dtype="float64"
    )

    def theirs(x, kernel, bias):
        out = torch.nn.functional.conv2d(
            channels_moved_first(x),
            torch_kernel(kernel),
            bias,
            stride=strides,
            dilation=dilation,
            groups=groups,
        )
        return out.movedim(1, -1)

    check_against_torch(layer, (2, 9, 8, 4), theirs)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("dilation", [1, 2])
def test_same_padding_against_torch(rank, dilation):
    class_ = (Conv1D, Conv2D, Conv3D)[rank - 1]
    layer = class_(3, 3, padding="same", dilation_rate=dilation, dtype="float64")
    function = getattr(torch.nn.functional, f"conv{rank}d")

    def theirs(x, kernel, bias):
        out = function(
            channels_moved_first(x),
            torch_kernel(kernel),
            bias,
            padding="same",
            dilation=dilation,
        )
        return out.movedim(1, -1)

    check_against_torch(layer, (*(2, 6, 5, 7)[: rank + 1], 2), theirs)


def test_channels_first_against_torch():
    layer = Conv2D(4, 3, data_format="channels_first", dtype="float64")

    def theirs(x, kernel, bias):
        return torch.nn.functional.conv2d(x, torch_kernel(kernel), bias)

    check_against_torch(layer, (2, 3, 7, 6), theirs)


def test_strides_and_dilation_together_against_torch():
    """Keras refuses the two together; there is no reason to."""
    layer = Conv1D(3, 3, strides=2, dilation_rate=2, dtype="float64")

    def theirs(x, kernel, bias):
        out = torch.nn.functional.conv1d(
            channels_moved_first(x), torch_kernel(kernel), bias, stride=2, dilation=2
        )
        return out.movedim(1, -1)

    check_against_torch(layer, (2, 10, 2), theirs)


@pytest.mark.parametrize(("strides", "extra"), [(1, None), (2, 1), (3, 2), (3, None)])
def test_transposed_convolution_against_torch(strides, extra):
    layer = Conv2DTranspose(
        4, 3, strides, "valid", output_padding=extra, dtype="float64"
    )

    def theirs(x, kernel, bias):
        out = torch.nn.functional.conv_transpose2d(
            channels_moved_first(x),
            torch_kernel(kernel),
            bias,
            stride=strides,
            output_padding=extra or 0,
        )
        return out.movedim(1, -1)

    check_against_torch(layer, (2, 5, 4, 3), theirs)


def test_depthwise_convolution_against_torch():
    layer = DepthwiseConv2D(3, 2, depth_multiplier=2, dtype="float64")

    def theirs(x, kernel, bias):
        weights = kernel.reshape(3, 3, 1, -1)
        out = torch.nn.functional.conv2d(
            channels_moved_first(x), torch_kernel(weights), bias, stride=2, groups=3
        )
        return out.movedim(1, -1)

    check_against_torch(layer, (2, 7, 8, 3), theirs)


def test_separable_convolution_is_two():
    layer = SeparableConv2D(5, 3, depth_multiplier=2, dtype="float64")
    x = random.normal(size=(2, 6, 7, 3))
    got = layer(x)
    depthwise, pointwise, bias = layer.get_weights()
    inner = nv.nn.depthwise_conv(x, depthwise)
    np.testing.assert_allclose(got, inner @ pointwise[0, 0] + bias, rtol=1e-10)


def test_causal_convolution_sees_nothing_of_the_future():
    layer = Conv1D(4, 3, padding="causal", dilation_rate=2)
    x = random.normal(size=(1, 10, 2)).astype("float32")
    before = layer(x).numpy()
    x[:, 6:] = 0
    after = layer(x).numpy()
    assert before.shape == (1, 10, 4)
    assert np.array_equal(before[:, :6], after[:, :6])
    assert not np.array_equal(before[:, 6:], after[:, 6:])


# --- shapes without numbers ----------------------------------------------------------


@pytest.mark.parametrize(
    ("layer", "shape", "expected"),
    [
        (Conv1D(4, 3), (None, None, 2), (None, None, 4)),
        (Conv1D(4, 3, padding="causal"), (None, 7, 2), (None, 7, 4)),
        (Conv2D(4, 3), (None, 28, 28, 1), (None, 26, 26, 4)),
        (Conv2D(4, 3, 2, "same"), (None, 7, None, 1), (None, 4, None, 4)),
        (
            Conv2D(4, 3, data_format="channels_first"),
            (None, 1, 28, None),
            (None, 4, 26, None),
        ),
        (Conv3D(4, 2, 2), (5, 4, 4, None, 1), (5, 2, 2, None, 4)),
        (Conv1DTranspose(4, 3, 2), (None, 5, 2), (None, 11, 4)),
        (Conv2DTranspose(4, 3, 2, "same"), (None, 7, None, 2), (None, 14, None, 4)),
        (
            DepthwiseConv2D(3, depth_multiplier=2),
            (None, 9, 9, 3),
            (None, 7, 7, 6),
        ),
        (SeparableConv2D(5, 3), (None, None, None, 3), (None, None, None, 5)),
    ],
)
def test_shapes_with_unknown_sizes(layer, shape, expected):
    assert layer.compute_output_shape(shape) == expected
    assert layer(Input(batch_shape=shape)).shape == expected


def test_windows_wider_than_the_sizes_that_are_tried():
    """As the first layer of networks for sound, whose length is not known."""
    layer = Conv1D(8, 80, strides=16)
    assert layer(Input((None, 1))).shape == (None, None, 8)
    with pytest.raises(ShapeError, match=r"reaches over \[70\] does not fit into the"):
        Conv1D(8, 70)(Input((50, 1)))
    with pytest.raises(ShapeError, match=r"reaches over \[3, 70\] does not fit"):
        Conv2D(8, (3, 70))(Input((None, 50, 1)))


def test_an_empty_batch():
    assert Conv2D(4, 3)(np.ones((0, 5, 5, 2), "float32")).shape == (0, 3, 3, 4)


def test_half_precision_accumulates_in_single():
    layer = Conv2D(1, 16, kernel_initializer="ones", use_bias=False, dtype="float16")
    x = np.full((1, 16, 16, 1), 16.0, "float16")
    assert layer(x).dtype == "float16"
    assert float(layer(x).ravel()[0]) == 4096.0


# --- arguments -----------------------------------------------------------------------


def test_configuration_makes_an_equal_layer():
    layer = Conv2D(
        4,
        (3, 2),
        padding="SAME",
        activation="relu",
        kernel_regularizer="l2",
        bias_constraint="non_neg",
    )
    config = layer.get_config()
    assert config["kernel_size"] == [3, 2]
    assert config["strides"] == [1, 1]
    assert config["padding"] == "same"
    assert config["data_format"] == "channels_last"
    assert Conv2D.from_config(config).get_config() == config


@pytest.mark.parametrize("name", [n for n in layers.__all__ if "Conv" in n])
def test_every_configuration(name):
    class_ = getattr(layers, name)
    arguments = {"kernel_size": 2} | ({} if "Depthwise" in name else {"filters": 4})
    layer = class_(**arguments, name="one")
    config = layer.get_config()
    assert class_.from_config(config).get_config() == config
    assert config["name"] == "one"


def test_names_that_keras_also_has():
    assert layers.Convolution2D is Conv2D
    assert layers.Convolution1DTranspose is Conv1DTranspose
    assert layers.SeparableConvolution2D is SeparableConv2D


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Conv2D(0, 3), "expected filters to be a whole number from 1, got 0"),
        (
            lambda: Conv2D(4, (3, 3, 3)),
            r"expected kernel_size to be a whole number from 1, or 2 of them, "
            r"got \(3, 3, 3\)",
        ),
        (lambda: Conv1D(4, 0), "expected kernel_size to be a whole number from 1, got"),
        (lambda: Conv2D(4, 3, strides=0), "expected strides to be a whole number"),
        (lambda: Conv2D(4, 3, strides=True), "expected strides to be a whole number"),
        (lambda: Conv2D(4, 2.5), "expected kernel_size to be a whole number"),
        (lambda: Conv2D(4, 3, groups=3), "expected filters that can be divided into 3"),
        (
            lambda: Conv2DTranspose(4, 3, 2, output_padding=2),
            "expected output_padding to be less than strides, got 2",
        ),
        (lambda: DepthwiseConv2D(3, depth_multiplier=0), "expected depth_multiplier"),
    ],
)
def test_wrong_numbers(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    "make",
    [
        lambda: Conv2D(4, 3, padding="causal"),
        lambda: Conv2D(4, 3, padding="full"),
        lambda: Conv2D(4, 3, padding=1),
        lambda: Conv2DTranspose(4, 3, padding="causal"),
        lambda: Conv2D(4, 3, data_format="channel_last"),
    ],
)
def test_wrong_names(make):
    with pytest.raises(UnknownNameError, match="unknown (padding|data_format)"):
        make()


def test_a_window_larger_than_the_input():
    with pytest.raises(ShapeError) as caught:
        Conv2D(4, 5, name="wide")(np.ones((1, 3, 9, 2), "float32"))
    text = str(caught.value)
    assert text.startswith(
        "conv (layer 'wide'): a window that reaches over [5, 5] does not fit into the "
        "[3, 9] places of the input, padding included"
    )
    assert "float32[1, 3, 9, 2]" in text and "test_convolution.py" in text
    assert "fix: use a smaller window, less dilation or padding='same'" in text


def test_inputs_that_do_not_fit():
    layer = Conv2D(4, 3, name="c")
    with pytest.raises(ShapeError, match="expected an input with 4 axes, got 3") as one:
        layer(np.ones((5, 9, 9), "float32"))
    assert "x[..., None]" in str(one.value)
    layer(np.ones((1, 9, 9, 3), "float32"))
    with pytest.raises(ShapeError, match="expected an input with 3 features, got 1"):
        layer(np.ones((1, 9, 9, 1), "float32"))
    with pytest.raises(ShapeError, match="cannot be built: expected an input shape"):
        Conv2D(4, 3).build((None, 9, 9, None))
    with pytest.raises(ShapeError, match="divides channels into 2 groups"):
        Conv2D(4, 3, groups=2)(np.ones((1, 9, 9, 3), "float32"))


def test_arguments_that_are_arrays_of_numpy():
    layer = Conv2D(np.int64(4), np.array([3, 2]))
    assert layer.kernel_size == (3, 2)
    with pytest.raises(ArgumentError):
        Conv2D(4, np.array([3, 2, 1]))
