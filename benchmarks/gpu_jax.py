"""The networks of ``gpu_networks.py`` with JAX alone: a jitted step of Adam."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from benchmarks.gpu_networks import Network, Step

_LAYOUT = ("NHWC", "HWIO", "NHWC")


class _Weights:
    """Makes weights in the first run and gives them back in the others."""

    def __init__(self, known: list[Any] | None) -> None:
        self.made: list[Any] = []
        self._known = None if known is None else iter(known)
        self._random = np.random.default_rng(1)

    def kernel(self, *shape: int) -> Any:
        if self._known is not None:
            return next(self._known)
        scale = np.sqrt(2 / np.prod(shape[:-1]))
        self.made.append(jnp.asarray(self._random.normal(0, scale, shape), "float32"))
        return self.made[-1]

    def vector(self, size: int, value: float = 0.0) -> Any:
        if self._known is not None:
            return next(self._known)
        self.made.append(jnp.full(size, value, "float32"))
        return self.made[-1]


def logits(network: Network, weights: _Weights, x: Any, key: Any, mixed: bool) -> Any:
    """Return ``[rows, classes]``; with ``mixed`` all but statistics are bfloat16."""
    dtype = jnp.bfloat16 if mixed else jnp.float32
    values = [x.astype(dtype)]
    for number, step in enumerate(network):
        inputs = [values[one] for one in step.inputs]
        once = jax.random.fold_in(key, number)
        values.append(_value(step, inputs, weights, once).astype(dtype))
    return values[-1].astype("float32")


def _value(step: Step, inputs: list[Any], weights: _Weights, key: Any) -> Any:
    x = inputs[0]
    padding = "SAME" if step.same else "VALID"
    window, strides = (1, *step.window, 1), (1, step.stride, step.stride, 1)
    match step.op:
        case "conv":
            kernel = weights.kernel(*step.window, x.shape[-1], step.units)
            y = lax.conv_general_dilated(
                x, kernel.astype(x.dtype), strides[1:3], padding,
                dimension_numbers=_LAYOUT,
            )  # fmt: skip
            return y + weights.vector(step.units).astype(x.dtype) if step.bias else y
        case "norm":
            return _normal(x.astype("float32"), (0, 1, 2), weights)
        case "relu":
            return jax.nn.relu(x)
        case "max":
            return lax.reduce_window(x, -jnp.inf, lax.max, window, strides, padding)
        case "average":
            total = lax.reduce_window(
                x.astype("float32"), 0.0, lax.add, window, strides, padding
            )
            ones = jnp.ones((1, *x.shape[1:3], 1))
            return total / lax.reduce_window(
                ones, 0.0, lax.add, window, strides, padding
            )
        case "mean":
            return x.mean(tuple(range(1, x.ndim - 1)))
        case "flatten":
            return x.reshape(len(x), -1)
        case "dropout":
            kept = jax.random.bernoulli(key, 1 - step.rate, x.shape)
            return jnp.where(kept, x / (1 - step.rate), 0)
        case "dense":
            return _dense(x, step.units, weights)
        case "add":
            return inputs[0] + inputs[1]
        case "concat":
            return jnp.concatenate(inputs, -1)
        case "encoder":
            return _encoder(x, step.units, weights)
    raise ValueError(step.op)


def _dense(x: Any, units: int, weights: _Weights) -> Any:
    kernel, bias = weights.kernel(x.shape[-1], units), weights.vector(units)
    return x @ kernel.astype(x.dtype) + bias.astype(x.dtype)


def _normal(x: Any, axes: tuple[int, ...], weights: _Weights) -> Any:
    mean, variance = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
    gain, shift = weights.vector(x.shape[-1], 1.0), weights.vector(x.shape[-1])
    return (x - mean) * lax.rsqrt(variance + 1e-5) * gain + shift


def _encoder(x: Any, heads: int, weights: _Weights) -> Any:
    width = x.shape[-1]
    q, k, v = (
        _dense(x, width, weights).reshape(*x.shape[:2], heads, -1) for _ in range(3)
    )
    y = jax.nn.dot_product_attention(q, k, v).reshape(x.shape)
    x = _normal((x + _dense(y, width, weights)).astype("float32"), (-1,), weights)
    x = x.astype(q.dtype)
    y = jax.nn.gelu(_dense(x, 4 * width, weights), approximate=False)
    return _normal((x + _dense(y, width, weights)).astype("float32"), (-1,), weights)


def trainer(
    network: Network, x: Any, y: Any, batch: int, mixed: bool, steps: int
) -> Any:
    """Return a function that trains so many steps, on rows that lie on the device.

    Moving averages of batch normalization, which torch and Nervure keep, are left out.
    """
    xs, ys = jnp.asarray(x), jnp.asarray(y)
    first = _Weights(None)
    logits(network, first, xs[:2], jax.random.key(0), mixed)

    def loss(weights: list[Any], rows: Any, labels: Any, key: Any) -> Any:
        found = jax.nn.log_softmax(logits(network, _Weights(weights), rows, key, mixed))
        return -jnp.take_along_axis(found, labels[:, None], 1).mean()

    def step(state: Any, xs: Any, ys: Any, start: Any) -> Any:
        weights, m, v, count, key = state
        key, once = jax.random.split(key)
        rows = lax.dynamic_slice_in_dim(xs, start, batch)
        labels = lax.dynamic_slice_in_dim(ys, start, batch)
        found = jax.grad(loss)(weights, rows, labels, once)
        count = count + 1
        rate = 1e-3 * jnp.sqrt(1 - 0.999**count) / (1 - 0.9**count)
        m = jax.tree.map(lambda m, g: m + 0.1 * (g - m), m, found)
        v = jax.tree.map(lambda v, g: v + 0.001 * (g * g - v), v, found)
        weights = jax.tree.map(
            lambda w, m, v: w - rate * m / (jnp.sqrt(v) + 1e-7), weights, m, v
        )
        return weights, m, v, count, key

    zeros = [jnp.zeros_like(one) for one in first.made]
    state = (first.made, zeros, [jnp.zeros_like(one) for one in zeros],
             jnp.zeros(()), jax.random.key(0))  # fmt: skip
    call = jax.jit(step, donate_argnums=0)

    def run() -> None:
        nonlocal state
        for number in range(steps):
            state = call(state, xs, ys, number * batch % len(xs))
        jax.block_until_ready(state)

    return run
