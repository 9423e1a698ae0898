"""Recurrent networks: ``RNN``, ``GRU``, ``LSTM``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nervure import ops
from nervure.array import Array
from nervure.control_flow import scan
from nervure.importers.onnx.running import Operation
from nervure.importers.onnx.table import operator
from nervure.ops import nn

Step = Callable[[Array, list[Array]], list[Array]]

_ACTIVATIONS: dict[str, Callable[[Array, float | None, float | None], Array]] = {
    "relu": lambda x, _a, _b: nn.relu(x),
    "tanh": lambda x, _a, _b: ops.tanh(x),
    "sigmoid": lambda x, _a, _b: ops.sigmoid(x),
    "affine": lambda x, a, b: x * (1.0 if a is None else a) + (b or 0.0),
    "leakyrelu": lambda x, a, _b: nn.leaky_relu(x, 0.01 if a is None else a),
    "thresholdedrelu": lambda x, a, _b: ops.where(
        x > (1.0 if a is None else a), x, ops.zeros_like(x)
    ),
    "scaledtanh": lambda x, a, b: (
        (1.0 if a is None else a) * ops.tanh(x * (1.0 if b is None else b))
    ),
    "hardsigmoid": lambda x, a, b: ops.clip(
        x * (0.2 if a is None else a) + (0.5 if b is None else b), 0.0, 1.0
    ),
    "elu": lambda x, a, _b: nn.elu(x, 1.0 if a is None else a),
    "softsign": lambda x, _a, _b: nn.softsign(x),
    "softplus": lambda x, _a, _b: nn.softplus(x),
}


class _Settings:
    """What the three operators have in common."""

    def __init__(self, operation: Operation, defaults: tuple[str, ...]) -> None:
        self.direction = operation.attribute("direction", "forward")
        self.directions = 2 if self.direction == "bidirectional" else 1
        self.batch_first = bool(operation.attribute("layout", 0))
        self.limit = operation.attribute("clip")
        names = operation.attribute("activations") or defaults * self.directions
        self.names = [name.lower() for name in names]
        self.each = len(defaults)
        self.alphas = operation.attribute("activation_alpha") or []
        self.betas = operation.attribute("activation_beta") or []
        for name in self.names:
            if name not in _ACTIVATIONS:
                operation.refuse(f"it has the unknown activation {name!r}")

    def activation(self, direction: int, place: int) -> Callable[[Array], Array]:
        """Return an activation, applied after numbers have been clipped."""
        number = direction * self.each + place
        function = _ACTIVATIONS[self.names[number]]
        alpha = self.alphas[number] if number < len(self.alphas) else None
        beta = self.betas[number] if number < len(self.betas) else None

        def apply(x: Array) -> Array:
            kept = x if self.limit is None else ops.clip(x, -self.limit, self.limit)
            return function(kept, alpha, beta)

        return apply


def _run(
    settings: _Settings,
    x: Array,
    lengths: Array | None,
    starts: list[Array | None],
    hidden: int,
    make_step: Callable[[int], Step],
) -> tuple[Array, ...]:
    """Run each direction over ``[steps, batch, features]`` and join the results."""
    if settings.batch_first:
        x = ops.swapaxes(x, 0, 1)
        starts = [None if one is None else ops.swapaxes(one, 0, 1) for one in starts]
    steps, batch, _ = x.shape
    zeros = ops.zeros((batch, hidden), dtype=x.dtype)
    rows, lasts = [], []
    for direction in range(settings.directions):
        backward = settings.direction == "reverse" or direction == 1
        first = [zeros if one is None else one[direction] for one in starts]
        state, outputs = _one_way(
            x, lengths, first, make_step(direction), backward, steps
        )
        rows.append(outputs)
        lasts.append(state)
    whole = ops.stack(rows, axis=1)
    ends = [ops.stack(column) for column in zip(*lasts, strict=True)]
    if settings.batch_first:
        whole = ops.permute_dims(whole, (2, 0, 1, 3))
        ends = [ops.swapaxes(one, 0, 1) for one in ends]
    return (whole, *ends)


def _one_way(
    x: Array,
    lengths: Array | None,
    first: list[Array],
    step: Step,
    backward: bool,
    steps: int,
) -> tuple[list[Array], Array]:
    """Run one direction; rows past their length keep their state and give zeros."""

    def advance(state: list[Array], entry: Any) -> tuple[list[Array], Array]:
        row, place = entry
        new = step(row, state)
        if lengths is None:
            return new, new[0]
        lives = (place < lengths)[:, None]
        kept = [ops.where(lives, a, b) for a, b in zip(new, state, strict=True)]
        return kept, ops.where(lives, new[0], ops.zeros_like(new[0]))

    places = ops.arange(steps, dtype="int32")
    return scan(advance, first, (x, places), reverse=backward)


def _bias(bias: Array | None, direction: int, count: int, hidden: int) -> Any:
    """Return the biases of input and state, ``count`` gates each."""
    if bias is None:
        return [0.0] * count, [0.0] * count
    parts = [bias[direction, k * hidden : (k + 1) * hidden] for k in range(2 * count)]
    return parts[:count], parts[count:]


def _gates(x: Array, weights: Array, count: int) -> list[Array]:
    """Return the products of each gate, ``[batch, hidden]`` each."""
    product = ops.matmul(x, ops.permute_dims(weights, (1, 0)))
    width = product.shape[1] // count
    return [product[:, k * width : (k + 1) * width] for k in range(count)]


@operator("RNN")
def rnn(
    operation: Operation,
    x: Array,
    weights: Array,
    recurrent: Array,
    bias: Array | None = None,
    lengths: Array | None = None,
    start: Array | None = None,
) -> Any:
    """Run a plain recurrent network: ``h = f(x W + h R + b)``."""
    settings = _Settings(operation, ("Tanh",))
    hidden = recurrent.shape[-1]

    def make_step(direction: int) -> Step:
        f = settings.activation(direction, 0)
        (first,), (second,) = _bias(bias, direction, 1, hidden)

        def step(row: Array, state: list[Array]) -> list[Array]:
            (a,) = _gates(row, weights[direction], 1)
            (b,) = _gates(state[0], recurrent[direction], 1)
            return [f(a + b + first + second)]

        return step

    return _run(settings, x, lengths, [start], hidden, make_step)


@operator("GRU", since=7)
def gru(
    operation: Operation,
    x: Array,
    weights: Array,
    recurrent: Array,
    bias: Array | None = None,
    lengths: Array | None = None,
    start: Array | None = None,
) -> Any:
    """Run gated recurrent units; gates in the order update, reset, new."""
    settings = _Settings(operation, ("Sigmoid", "Tanh"))
    hidden = recurrent.shape[-1]
    after = bool(operation.attribute("linear_before_reset", 0))

    def make_step(direction: int) -> Step:
        f, g = (settings.activation(direction, k) for k in range(2))
        of_x, of_h = _bias(bias, direction, 3, hidden)

        def step(row: Array, state: list[Array]) -> list[Array]:
            (h,) = state
            matrix = recurrent[direction]
            a = _gates(row, weights[direction], 3)
            b = _gates(h, matrix[: 2 * hidden], 2)
            update = f(a[0] + b[0] + of_x[0] + of_h[0])
            reset = f(a[1] + b[1] + of_x[1] + of_h[1])
            last = matrix[2 * hidden :]
            if after:
                remembered = reset * (_gates(h, last, 1)[0] + of_h[2])
            else:
                remembered = _gates(reset * h, last, 1)[0] + of_h[2]
            new = g(a[2] + of_x[2] + remembered)
            return [(1 - update) * new + update * h]

        return step

    return _run(settings, x, lengths, [start], hidden, make_step)


@operator("LSTM", since=7)
def lstm(
    operation: Operation,
    x: Array,
    weights: Array,
    recurrent: Array,
    bias: Array | None = None,
    lengths: Array | None = None,
    start: Array | None = None,
    cell: Array | None = None,
    peepholes: Array | None = None,
) -> Any:
    """Run long short-term memory; gates in the order input, output, forget, cell."""
    settings = _Settings(operation, ("Sigmoid", "Tanh", "Tanh"))
    hidden = recurrent.shape[-1]
    coupled = bool(operation.attribute("input_forget", 0))

    def make_step(direction: int) -> Step:
        f, g, h = (settings.activation(direction, k) for k in range(3))
        of_x, of_h = _bias(bias, direction, 4, hidden)
        peep: list[Any] = [0.0] * 3
        if peepholes is not None:
            row = peepholes[direction]
            peep = [row[k * hidden : (k + 1) * hidden] for k in range(3)]

        def step(row: Array, state: list[Array]) -> list[Array]:
            output, memory = state
            a = _gates(row, weights[direction], 4)
            b = _gates(output, recurrent[direction], 4)
            i, o, t, c = (a[k] + b[k] + of_x[k] + of_h[k] for k in range(4))
            entering = f(i + peep[0] * memory)
            kept = 1 - entering if coupled else f(t + peep[2] * memory)
            new = kept * memory + entering * g(c)
            return [f(o + peep[1] * new) * h(new), new]

        return step

    return _run(settings, x, lengths, [start, cell], hidden, make_step)
