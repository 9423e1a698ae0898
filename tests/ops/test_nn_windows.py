"""Convolution, pooling and resampling as functions: arguments, errors, exact cases."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import nervure as nv
from nervure.errors import ArgumentError, ShapeError, UnknownNameError
from nervure.ops import nn
from nervure.ops.nn.sliding import pad_pairs


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 7),
    st.integers(1, 4),
    st.integers(1, 4),
    st.integers(1, 3),
    st.sampled_from(["valid", "same"]),
    st.sampled_from([None, 0, 1, 2, 5]),
)
def test_a_transposed_convolution_is_the_transposed_matrix(
    size, window, strides, dilation, padding, extra
):
    """Its sizes are those of Keras; its values those of the convolution's matrix."""
    random = np.random.default_rng(0)
    x = random.normal(size=(1, size, 2))
    kernel = random.normal(size=(window, 3, 2))
    got = nn.conv_transpose(x, kernel, strides, padding, extra, None, dilation)
    reach = (window - 1) * dilation + 1
    places = (size - 1) * strides
    if padding == "valid":
        places += max(reach, strides) if extra is None else reach + extra
    else:
        places += strides if extra is None else reach % 2 + extra
    assert got.shape == (1, places, 3)
    whole = np.zeros((places + 2 * reach + strides, 3))
    low = 0
    if padding == "same":
        total = places - (size - 1) * strides + reach - 2
        low = reach - 1 - min(-(-total // 2), reach - 1)
    for place in range(size):
        for offset in range(window):
            whole[place * strides + offset * dilation] += kernel[offset] @ x[0, place]
    np.testing.assert_allclose(got[0], whole[low : low + places], rtol=1e-9, atol=1e-12)


@settings(deadline=None, max_examples=100)
@given(st.integers(1, 40), st.integers(1, 9), st.integers(1, 6))
def test_same_padding_gives_as_many_windows_as_strides_fit(size, reach, stride):
    ((low, high),) = pad_pairs((size,), (reach,), (stride,), "same")
    assert (size + low + high - reach) // stride + 1 == -(-size // stride)
    assert 0 <= low <= high <= low + 1 or high == low == 0


@pytest.mark.parametrize("rank", [1, 2, 3, 4])
def test_any_number_of_spatial_axes(rank):
    x = np.ones((2, *(3,) * rank, 2), "float32")
    kernel = np.ones((*(2,) * rank, 2, 5), "float32")
    assert nn.conv(x, kernel).shape == (2, *(2,) * rank, 5)
    assert float(nn.conv(x, kernel).ravel()[0]) == 2.0 * 2**rank
    assert nn.max_pool(x, 2).shape == (2, *(1,) * rank, 2)
    back = nn.conv_transpose(x, np.ones((*(2,) * rank, 5, 2), "float32"))
    assert back.shape == (2, *(4,) * rank, 5)


def test_whole_numbers_become_floats():
    got = nn.conv(np.ones((1, 3, 1), int), np.ones((2, 1, 1), int))
    assert got.dtype == "float32"
    assert nn.conv(np.ones((1, 3, 1)), np.ones((2, 1, 1), "float32")).dtype == "float64"


def test_groups_follow_from_the_kernel():
    random = np.random.default_rng(0)
    x, kernel = random.normal(size=(2, 6, 5, 4)), random.normal(size=(3, 2, 2, 6))
    expected = torch.nn.functional.conv2d(
        torch.tensor(x).movedim(-1, 1), torch.tensor(kernel).permute(3, 2, 0, 1), None,
        groups=2,
    ).movedim(1, -1)  # fmt: skip
    np.testing.assert_allclose(nn.conv(x, kernel), expected.numpy(), rtol=1e-10)


def test_functions_apply_to_symbolic_tensors():
    x = nv.layers.Input((8, 8, 3))
    y = nn.average_pool(nn.conv(x, np.ones((3, 3, 3, 4), "float32")), 2)
    assert y.shape == (None, 3, 3, 4)
    assert nn.upsample(x, 2).shape == (None, 16, 16, 3)


IMAGE = np.ones((1, 5, 5, 3), "float32")


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: nn.conv(IMAGE, np.ones((3, 3, 2, 4))),
            ShapeError,
            "conv: the input has 3 channels, which a kernel for 2 channels does not",
        ),
        (
            lambda: nn.conv(IMAGE, np.ones((3, 3, 4))),
            ShapeError,
            "conv: expected a kernel with 4 axes, as many as the input has, got 3",
        ),
        (
            lambda: nn.conv(IMAGE[0, 0], np.ones((3, 4))),
            ShapeError,
            "conv: expected an input with a batch, spatial axes and channels, got 2",
        ),
        (
            lambda: nn.conv(IMAGE, np.ones((3, 3, 3, 4)), padding="causal"),
            UnknownNameError,
            "unknown padding: 'causal'",
        ),
        (
            lambda: nn.conv_transpose(IMAGE, np.ones((3, 3, 3, 4))),
            ShapeError,
            "conv_transpose: the kernel has filters for 4 channels, the input has 3",
        ),
        (
            lambda: nn.conv_transpose(IMAGE, np.ones((3, 3, 4, 3)), output_padding=-1),
            ArgumentError,
            "expected output_padding to be a whole number from 0",
        ),
        (
            lambda: nn.depthwise_conv(IMAGE, np.ones((3, 3, 2, 1))),
            ShapeError,
            "depthwise_conv: the kernel has filters for 2 channels, the input has 3",
        ),
        (
            lambda: nn.max_pool(IMAGE, 6),
            ShapeError,
            r"max_pool: a window that reaches over \[6, 6\] does not fit into the",
        ),
        (
            lambda: nn.average_pool(IMAGE, (2, 2), padding="SAMES"),
            UnknownNameError,
            "unknown padding: 'SAMES'",
        ),
        (
            lambda: nn.adaptive_max_pool(IMAGE[:, :0], 2),
            ArgumentError,
            "adaptive_max_pool: an input of shape",
        ),
        (
            lambda: nn.upsample(IMAGE, 0),
            ArgumentError,
            "expected size to be a whole number from 1, or 2 of them, got 0",
        ),
    ],
)
def test_wrong_uses(call, error, message):
    with pytest.raises(error, match=message):
        call()
