"""JAX: one jitted training step, called for every batch."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from benchmarks import networks as w
from benchmarks.peers.server import NDArray, Scores, Task, UnsupportedError, serve

Array = jax.Array
# Weights, Adam's m and v, steps taken, the random key, and the sums of an epoch.
State = tuple[list[Array], list[Array], list[Array], Array, Array, Array, Array]


class Jax:
    """Trains a network with Adam, written out."""

    def __init__(self, task: Task) -> None:
        if task.workload.unit == "search" or task.workload.mixed:
            raise UnsupportedError("not written for JAX")
        self.task = task
        self.x = jnp.asarray(task.x)
        self.y = jnp.asarray(task.y)
        self.step = jax.jit(self._step, donate_argnums=0)
        self.inference = jax.jit(self._probabilities)
        self.reset()

    def reset(self) -> None:
        """Make the state anew."""
        weights = [jnp.array(one) for one in self.task.weights]
        m, v = ([jnp.zeros_like(one) for one in weights] for _ in range(2))
        self.state: State = (
            *(weights, m, v, jnp.zeros(())),
            *(jax.random.key(0), jnp.zeros(()), jnp.zeros(())),
        )

    def train(self) -> Scores:
        """Train; the host waits at the end of each epoch only."""
        for _ in range(self.task.workload.epochs):
            self.state = (*self.state[:5], jnp.zeros(()), jnp.zeros(()))
            self.epoch()
            jax.block_until_ready(self.state)
        *_, loss, right = self.state
        return float(loss) / self.task.seen, float(right) / self.task.seen

    def epoch(self) -> None:
        """Take the steps of an epoch."""
        for batch in self.task.batches():
            self.state = self.step(self.state, self.x, self.y, batch)

    def predict(self, row: NDArray) -> NDArray:
        """Call the jitted network."""
        return jax.device_get(self.inference(self.state[0], row))

    def search(self) -> float:
        """There is none."""
        raise NotImplementedError

    def _probabilities(self, weights: list[Array], x: Array) -> Array:
        return jax.nn.softmax(apply(self.task.workload.network, weights, x, None))

    def _step(self, state: State, x: Array, y: Array, rows: Array) -> State:
        """Gather the batch, differentiate, take one step of Adam, count."""
        weights, m, v, step, key, total, right = state
        key, dropping = jax.random.split(key)
        xs, ys = x[rows], y[rows]

        def scores(weights: list[Array]) -> tuple[Array, Array]:
            output = apply(self.task.workload.network, weights, xs, dropping)
            chosen = jnp.take_along_axis(jax.nn.log_softmax(output), ys[:, None], 1)
            return -chosen.mean(), (output.argmax(1) == ys).sum()

        (loss, correct), found = jax.value_and_grad(scores, has_aux=True)(weights)
        step = step + 1
        rate = 1e-3 * jnp.sqrt(1 - 0.999**step) / (1 - 0.9**step)
        m = jax.tree.map(lambda m, g: m + 0.1 * (g - m), m, found)
        v = jax.tree.map(lambda v, g: v + 0.001 * (g * g - v), v, found)
        weights = jax.tree.map(
            lambda w, m, v: w - rate * m / (jnp.sqrt(v) + 1e-7), weights, m, v
        )
        return weights, m, v, step, key, total + loss * len(rows), right + correct


def apply(network: w.Network, weights: list[Array], x: Array, key: Any) -> Array:
    """Return the logits; without a random key nothing is dropped."""
    values = iter(weights)
    for layer in network:
        match layer:
            case w.Dense(_, activation):
                x = x @ next(values) + next(values)
                x = jax.nn.relu(x) if activation == "relu" else x
            case w.Dropout(rate):
                if key is not None:
                    key, one = jax.random.split(key)
                    kept = jax.random.bernoulli(one, 1 - rate, x.shape)
                    x = jnp.where(kept, x / (1 - rate), 0)
            case w.Conv():
                dimensions = ("NHWC", "HWIO", "NHWC")
                x = jax.lax.conv_general_dilated(
                    x, next(values), (1, 1), "VALID", dimension_numbers=dimensions
                )
                x = jax.nn.relu(x + next(values))
            case w.MaxPool():
                window = (1, 2, 2, 1)
                x = jax.lax.reduce_window(
                    x, -jnp.inf, jax.lax.max, window, window, "VALID"
                )
            case w.Flatten():
                x = x.reshape(len(x), -1)
            case w.Encoder(heads, _):
                split = (*x.shape[:2], heads, -1)
                q, k, v = (
                    (x @ next(values) + next(values)).reshape(split) for _ in range(3)
                )
                y = jax.nn.dot_product_attention(q, k, v).reshape(x.shape)
                x = _normed(x + y @ next(values) + next(values))
                y = jax.nn.gelu(x @ next(values) + next(values), approximate=False)
                x = _normed(x + y @ next(values) + next(values))
            case w.Mean():
                x = x.mean(tuple(range(1, x.ndim - 1)))
            case _:
                raise UnsupportedError(f"{type(layer).__name__} is not written for JAX")
    return x


def _normed(x: Array) -> Array:
    """Normalize the last axis; the gain and the shift of Keras are left out."""
    mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    return (x - mean) * jax.lax.rsqrt(variance + 1e-5)


if __name__ == "__main__":
    serve(Jax, "jax", "jaxlib")
