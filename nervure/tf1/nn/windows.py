"""Convolution and pooling, with TensorFlow 1's arguments.

Images are ``float[batch, height, width, channels]`` ("NHWC", the default), or
``float[batch, channels, height, width]`` ("NCHW"); strides and windows have four
numbers, in the same order as the axes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from nervure import ops
from nervure.array import Array
from nervure.errors import ArgumentError, explain
from nervure.ops import nn
from nervure.tf1.building import matching, one_output, operation
from nervure.tf1.emission import Context
from nervure.tf1.tensor import Tensor, convert_to_tensor


def _spatial(what: str, given: Any, data_format: str) -> tuple[int, int]:
    """Return the numbers for height and width out of four."""
    sizes = [int(one) for one in given]
    if len(sizes) != 4:
        raise ArgumentError(
            explain(
                f"expected four numbers for {what}, got {list(given)}",
                fix=f"write {what}=[1, height, width, 1]",
            )
        )
    axes = (2, 3) if data_format == "NCHW" else (1, 2)
    for axis, size in enumerate(sizes):
        if axis not in axes and size != 1:
            raise ArgumentError(
                explain(
                    f"{what} must be 1 for batch and channels, got {sizes} "
                    f"({data_format})",
                    fix="write [1, 2, 2, 1] for NHWC, [1, 1, 2, 2] for NCHW",
                )
            )
    return sizes[axes[0]], sizes[axes[1]]


def _layout(data_format: str | None) -> tuple[str, str]:
    name = data_format or "NHWC"
    if name not in ("NHWC", "NCHW"):
        raise ArgumentError(
            explain(
                f"expected data_format NHWC or NCHW, got {data_format!r}",
                fix="NHWC has the channels last",
            )
        )
    return name, "channels_last" if name == "NHWC" else "channels_first"


def _padding(padding: str) -> str:
    if padding not in ("SAME", "VALID"):
        raise ArgumentError(
            explain(
                f"expected padding 'SAME' or 'VALID', got {padding!r}",
                fix="SAME keeps the size (divided by the stride), VALID adds nothing",
            )
        )
    return padding.lower()


def conv2d(
    input: Any,
    filter: Any = None,
    strides: Sequence[int] | None = None,
    padding: str | None = None,
    use_cudnn_on_gpu: bool = True,
    data_format: str = "NHWC",
    dilations: Sequence[int] = (1, 1, 1, 1),
    name: str | None = None,
    filters: Any = None,
) -> Tensor:
    """Return the cross-correlation of images with a kernel.

    Parameters
    ----------
    input
        Images.
    filter
        ``float[height, width, channels, new channels]``; ``filters`` is another name.
    strides
        ``[1, vertical, horizontal, 1]``.
    padding
        "SAME" or "VALID".
    dilations
        The distances between the kernel's elements.

    Raises
    ------
    ShapeError, ArgumentError
        For channels that do not fit, and strides along batch or channels.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default():
    ...     x = tf.placeholder(tf.float32, [None, 28, 28, 1])
    ...     w = tf.Variable(tf.truncated_normal([5, 5, 1, 32], stddev=0.1))
    ...     tf.nn.conv2d(x, w, strides=[1, 1, 1, 1], padding="SAME").get_shape()
    TensorShape([None, 28, 28, 32])
    """
    kernel = filters if filter is None else filter
    layout, keras_layout = _layout(data_format)
    if strides is None or padding is None:
        raise ArgumentError(
            explain(
                "conv2d: give strides and padding",
                fix="write tf.nn.conv2d(x, filter, [1, 1, 1, 1], 'SAME')",
            )
        )
    steps = _spatial("strides", strides, layout)
    gaps = _spatial("dilations", dilations, layout)
    margin = _padding(padding)

    def convolved(x: Array, w: Array) -> Array:
        return nn.conv(x, w, steps, margin, keras_layout, gaps)

    attributes = {"strides": list(strides), "padding": padding}
    return one_output(
        "Conv2D", matching("Conv2D", input, kernel), convolved, name, attributes
    )


def conv1d(
    value: Any,
    filters: Any,
    stride: int,
    padding: str,
    use_cudnn_on_gpu: bool | None = None,
    data_format: str = "NWC",
    name: str | None = None,
) -> Tensor:
    """Return the cross-correlation of sequences with a kernel.

    ``float[batch, steps, channels]`` and ``float[width, channels, new channels]``.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     y = tf.nn.conv1d([[[1.0], [2.0]]], [[[10.0]]], 1, "VALID")
    ...     print(session.run(y).ravel())
    [10. 20.]
    """
    margin = _padding(padding)
    last = data_format in ("NWC", "NHWC")
    keras_layout = "channels_last" if last else "channels_first"

    def convolved(x: Array, w: Array) -> Array:
        return nn.conv(x, w, stride, margin, keras_layout)

    return one_output("Conv1D", matching("Conv1D", value, filters), convolved, name)


def depthwise_conv2d(
    input: Any,
    filter: Any,
    strides: Sequence[int],
    padding: str,
    rate: Any = None,
    name: str | None = None,
    data_format: str | None = None,
) -> Tensor:
    """Return the cross-correlation of each channel with kernels of its own.

    ``filter`` is ``float[height, width, channels, multiplier]``.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default():
    ...     tf.nn.depthwise_conv2d(tf.zeros([1, 8, 8, 3]), tf.zeros([3, 3, 3, 2]),
    ...                            [1, 1, 1, 1], "VALID").get_shape().as_list()
    [1, 6, 6, 6]
    """
    layout, keras_layout = _layout(data_format)
    steps = _spatial("strides", strides, layout)
    gaps = 1 if rate is None else tuple(rate)
    margin = _padding(padding)

    def convolved(x: Array, w: Array) -> Array:
        return nn.depthwise_conv(x, w, steps, margin, keras_layout, gaps)

    return one_output(
        "DepthwiseConv2dNative",
        matching("DepthwiseConv2d", input, filter),
        convolved,
        name,
    )


def separable_conv2d(
    input: Any,
    depthwise_filter: Any,
    pointwise_filter: Any,
    strides: Sequence[int],
    padding: str,
    rate: Any = None,
    name: str | None = None,
    data_format: str | None = None,
) -> Tensor:
    """Return a depthwise convolution followed by one of windows of size 1.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default():
    ...     tf.nn.separable_conv2d(
    ...         tf.zeros([1, 8, 8, 3]), tf.zeros([3, 3, 3, 2]), tf.zeros([1, 1, 6, 4]),
    ...         [1, 1, 1, 1], "VALID").get_shape().as_list()
    [1, 6, 6, 4]
    """
    deep = depthwise_conv2d(
        input, depthwise_filter, strides, padding, rate, data_format=data_format
    )
    return conv2d(
        deep,
        pointwise_filter,
        [1, 1, 1, 1],
        "VALID",
        data_format=data_format or "NHWC",
        name=name,
    )


def conv2d_transpose(
    value: Any,
    filter: Any,
    output_shape: Any,
    strides: Sequence[int],
    padding: str = "SAME",
    data_format: str = "NHWC",
    name: str | None = None,
) -> Tensor:
    """Return the derivative of :func:`conv2d` with respect to its images.

    Parameters
    ----------
    value
        ``float[batch, height, width, new channels]``
    filter
        ``float[height, width, channels, new channels]``, as conv2d's.
    output_shape
        The shape of the images; the batch may be a tensor (``tf.shape(x)[0]``).

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default():
    ...     tf.nn.conv2d_transpose(tf.zeros([1, 4, 4, 3]), tf.zeros([2, 2, 5, 3]),
    ...                            [1, 8, 8, 5], [1, 2, 2, 1]).get_shape().as_list()
    [1, 8, 8, 5]
    """
    from nervure.transforms import vjp

    x, w = matching("Conv2DBackpropInput", value, filter)
    layout, keras_layout = _layout(data_format)
    steps = _spatial("strides", strides, layout)
    margin = _padding(padding)
    shape = convert_to_tensor(output_shape)

    def emit(context: Context, given: Array, kernel: Array, sizes: Array) -> Array:
        wanted = tuple(int(one) for one in np.ravel(context.static(sizes, shape)))
        zeros = ops.zeros(wanted, dtype=given.dtype)

        def forward(images: Array) -> Array:
            return nn.conv(images, kernel, steps, margin, keras_layout)

        _, backward = vjp(forward, zeros)
        found: Array = backward(given)[0]
        return found

    made = operation(
        "Conv2DBackpropInput", [x, w, shape], emit, name, unknown=(x.dtype, 4)
    )
    return made.outputs[0]


def _pool(
    kind: str,
    function: Callable[..., Array],
    value: Any,
    ksize: Sequence[int],
    strides: Sequence[int],
    padding: str,
    data_format: str,
    name: str | None,
) -> Tensor:
    layout, keras_layout = _layout(data_format)
    window = _spatial("ksize", ksize, layout)
    steps = _spatial("strides", strides, layout)
    margin = _padding(padding)
    return one_output(
        kind,
        [convert_to_tensor(value)],
        lambda x: function(x, window, steps, margin, keras_layout),
        name,
        {"ksize": list(ksize), "strides": list(strides), "padding": padding},
    )


def max_pool(
    value: Any,
    ksize: Sequence[int],
    strides: Sequence[int],
    padding: str,
    data_format: str = "NHWC",
    name: str | None = None,
) -> Tensor:
    """Return the largest element of each window.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default():
    ...     x = tf.placeholder(tf.float32, [None, 28, 28, 32])
    ...     tf.nn.max_pool(x, ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1],
    ...                    padding="SAME").get_shape().as_list()
    [None, 14, 14, 32]
    """
    return _pool(
        "MaxPool", nn.max_pool, value, ksize, strides, padding, data_format, name
    )


def avg_pool(
    value: Any,
    ksize: Sequence[int],
    strides: Sequence[int],
    padding: str,
    data_format: str = "NHWC",
    name: str | None = None,
) -> Tensor:
    """Return the mean of each window; padding does not count.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     x = tf.reshape([1.0, 2.0, 3.0, 4.0], [1, 2, 2, 1])
    ...     y = tf.nn.avg_pool(x, [1, 2, 2, 1], [1, 2, 2, 1], "VALID")
    ...     print(session.run(y).ravel())
    [2.5]
    """
    return _pool(
        "AvgPool", nn.average_pool, value, ksize, strides, padding, data_format, name
    )
