"""Activations: ``Relu``, ``Softmax``, ``Gelu``, ``PRelu``, ..."""

from __future__ import annotations

from nervure import dtypes, ops
from nervure.array import Array
from nervure.importers.onnx.running import Operation
from nervure.importers.onnx.table import operator
from nervure.ops import nn


@operator("Relu")
def relu(_operation: Operation, x: Array) -> Array:
    """Return ``max(x, 0)``."""
    return nn.relu(x)


@operator("Sigmoid")
def sigmoid(_operation: Operation, x: Array) -> Array:
    """Return ``1 / (1 + exp(-x))``."""
    return ops.sigmoid(x)


@operator("Softplus")
def softplus(_operation: Operation, x: Array) -> Array:
    """Return ``log(1 + exp(x))``."""
    return nn.softplus(x)


@operator("Softsign")
def softsign(_operation: Operation, x: Array) -> Array:
    """Return ``x / (1 + |x|)``."""
    return nn.softsign(x)


@operator("Mish")
def mish(_operation: Operation, x: Array) -> Array:
    """Return ``x tanh(softplus(x))``."""
    return nn.mish(x)


@operator("LeakyRelu", since=6)
def leaky_relu(operation: Operation, x: Array) -> Array:
    """Return x, scaled where it is negative."""
    return nn.leaky_relu(x, operation.attribute("alpha", 0.01))


@operator("PRelu", since=7)
def prelu(_operation: Operation, x: Array, slope: Array) -> Array:
    """Return x, scaled by a learned slope where it is negative."""
    zero = ops.zeros_like(x)
    return ops.where(ops.less(x, zero), ops.multiply(x, slope), x)


@operator("Elu", since=6)
def elu(operation: Operation, x: Array) -> Array:
    """Return x, or ``alpha (exp(x) - 1)`` where it is negative."""
    return nn.elu(x, operation.attribute("alpha", 1.0))


@operator("Celu")
def celu(operation: Operation, x: Array) -> Array:
    """Return x, or ``alpha (exp(x / alpha) - 1)`` where it is negative."""
    return nn.celu(x, operation.attribute("alpha", 1.0))


@operator("Selu", since=6)
def selu(operation: Operation, x: Array) -> Array:
    """Return ``gamma`` times the exponential linear unit."""
    alpha = operation.attribute("alpha", 1.6732631921768188)
    gamma = operation.attribute("gamma", 1.0507010221481323)
    return ops.multiply(nn.elu(x, alpha), gamma)


@operator("HardSigmoid", since=6)
def hard_sigmoid(operation: Operation, x: Array) -> Array:
    """Return ``alpha x + beta``, kept between 0 and 1."""
    alpha = operation.attribute("alpha", 0.2)
    return ops.clip(x * alpha + operation.attribute("beta", 0.5), 0.0, 1.0)


@operator("HardSwish")
def hard_swish(_operation: Operation, x: Array) -> Array:
    """Return ``x`` times ``x / 6 + 1 / 2``, kept between 0 and 1."""
    return nn.hard_swish(x)


@operator("Swish")
def swish(operation: Operation, x: Array) -> Array:
    """Return ``x sigmoid(alpha x)``."""
    alpha = operation.attribute("alpha", 1.0)
    return ops.multiply(x, ops.sigmoid(x if alpha == 1.0 else x * alpha))


@operator("Gelu")
def gelu(operation: Operation, x: Array) -> Array:
    """Return ``x`` times the normal distribution function of x."""
    return nn.gelu(x, operation.attribute("approximate", "none") == "tanh")


@operator("ThresholdedRelu")
def thresholded_relu(operation: Operation, x: Array) -> Array:
    """Return x where it is greater than ``alpha``, else 0."""
    above = ops.greater(x, operation.attribute("alpha", 1.0))
    return ops.where(above, x, ops.zeros_like(x))


@operator("Shrink")
def shrink(operation: Operation, x: Array) -> Array:
    """Return x moved by ``bias`` towards zero, and 0 within ``lambd`` of it."""
    edge = operation.attribute("lambd", 0.5)
    bias = operation.attribute("bias", 0.0)
    if not dtypes.is_float(x.dtype):
        operation.refuse(f"Nervure shrinks floating-point numbers, not {x.dtype}")
    above = ops.where(ops.greater(x, edge), x - bias, ops.zeros_like(x))
    return ops.where(ops.less(x, -edge), x + bias, above)


@operator("Softmax")
def softmax(operation: Operation, x: Array) -> Array:
    """Return exponentials divided by their sum."""
    return _along(operation, x, nn.softmax)


@operator("LogSoftmax")
def log_softmax(operation: Operation, x: Array) -> Array:
    """Return the logarithm of the softmax."""
    return _along(operation, x, nn.log_softmax)


@operator("Hardmax")
def hardmax(operation: Operation, x: Array) -> Array:
    """Return 1 at the first largest element and 0 elsewhere."""

    def function(values: Array, axis: int) -> Array:
        places = ops.argmax(values, axis=axis)
        return ops.one_hot(places, values.shape[axis], axis=axis, dtype=values.dtype)

    return _along(operation, x, function)


def _along(operation: Operation, x: Array, function) -> Array:  # type: ignore[no-untyped-def]
    """Apply a function of an axis; before version 13 all axes from it on are one."""
    if operation.version >= 13:
        return function(x, axis=operation.attribute("axis", -1))
    axis = operation.attribute("axis", 1) % max(x.ndim, 1)
    rows = 1
    for size in x.shape[:axis]:
        rows *= size
    flat = ops.reshape(x, (rows, x.size // max(rows, 1)))
    return ops.reshape(function(flat, axis=1), x.shape)
