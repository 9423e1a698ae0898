"""How large numbers, gradients and updates are, layer by layer, for one batch.

The rules of thumb behind the remarks: a gradient that shrinks or grows by orders of
magnitude from one end of a network to the other trains one end only (X. Glorot and
Y. Bengio, Understanding the difficulty of training deep feedforward neural networks,
2010); a ReLU that is 0 for every row has the gradient 0 and does not come back; an
update of about a thousandth of the weights is usual, a tenth is too much.
"""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from nervure import ops, tree
from nervure.array import Array
from nervure.exec.base import choose_executor
from nervure.nn.layer import Layer
from nervure.nn.observing import SeenCall, seeing_calls
from nervure.ops.mixed import products_in
from nervure.prims.leaf import input_leaf
from nervure.step import trace
from nervure.train.network import Network
from nervure.train.plan import plan_batch
from nervure.train.rows import unpack_x_y_sample_weight
from nervure.train.steps import Steps
from nervure.transforms import gradients

if TYPE_CHECKING:
    from nervure.train.model import Model

# A gradient this much smaller than the largest one vanishes, one this much larger
# than that of the last layer explodes.
VANISHING: Final = 1e-3
EXPLODING: Final = 1e3
# An update this large a part of the weights is remarked on.
LARGE_UPDATE: Final = 0.1
# So is this share of units that are never active.
MANY_DEAD: Final = 0.5

_HEAD: Final = (
    "layer", "output", "mean", "spread", "gradient", "weights", "update/weights",
    "dead", "remark",
)  # fmt: skip


class LayerFlow(NamedTuple):
    """The numbers of one call of a layer.

    Attributes
    ----------
    layer
        Its place in the model: ``"sequential/dense"``.
    shape
        The shape of its output.
    mean, spread
        The mean and the standard deviation of the output's elements.
    gradient
        The Euclidean norm of the loss's gradient with respect to the output.
    weights
        The norm of the layer's trainable weights; NaN if it has none.
    update
        The norm of what the optimizer would add to them, divided by theirs.
    dead
        The share of units of a ReLU that are 0 for every row; NaN for other layers.
    remark
        What is wrong, empty if nothing is.
    """

    layer: str
    shape: tuple[int, ...]
    mean: float
    spread: float
    gradient: float
    weights: float
    update: float
    dead: float
    remark: str = ""

    def cells(self) -> list[str]:
        """Return the row of a table."""
        numbers = (self.mean, self.spread, self.gradient, self.weights, self.update)
        dead = "" if math.isnan(self.dead) else f"{self.dead:.0%}"
        texts = ("" if math.isnan(one) else f"{one:.3g}" for one in numbers)
        return [self.layer, str(list(self.shape)), *texts, dead, self.remark]


class GradientFlow:
    """What :func:`gradient_flow` returns: prints as a table, also in notebooks.

    Attributes
    ----------
    loss
        The loss of the batch.
    layers
        A :class:`LayerFlow` for each call of a layer, in the order of the calls.
    """

    def __init__(self, loss: float, layers: Sequence[LayerFlow]) -> None:
        self.loss = loss
        self.layers = tuple(_remarked(layers))

    @property
    def problems(self) -> list[str]:
        """What is wrong, one sentence for each layer where something is."""
        return [f"{one.layer}: {one.remark}" for one in self.layers if one.remark]

    def __str__(self) -> str:
        rows = [list(_HEAD), *(one.cells() for one in self.layers)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join(
                cell.ljust(width) if place in (0, 1, 8) else cell.rjust(width)
                for place, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in rows
        ]
        return "\n".join([f"loss {self.loss:.4g}", *lines])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{name}</th>" for name in _HEAD)
        body = ""
        for one in self.layers:
            cells = (f"<td>{html.escape(cell)}</td>" for cell in one.cells())
            body += f"<tr>{''.join(cells)}</tr>"
        return (
            f"<p>loss {self.loss:.4g}</p><table><thead><tr>{head}</tr></thead>"
            f"<tbody>{body}</tbody></table>"
        )


def _remarked(layers: Sequence[LayerFlow]) -> list[LayerFlow]:
    """Add what is wrong with each layer, judged beside the others."""
    norms = [one.gradient for one in layers if math.isfinite(one.gradient)]
    largest = max(norms, default=0.0)
    # A loss that takes logits passes the output of a last softmax or sigmoid by: the
    # gradient there is 0, although it reaches the layers before.
    passed_by = bool(norms) and norms[-1] == 0 < largest
    last = next((norm for norm in reversed(norms) if norm), 0.0)
    found = []
    for place, one in enumerate(layers, 1 - len(layers)):
        remarks = []
        if not all(map(math.isfinite, (one.mean, one.spread, one.gradient))):
            remarks.append("not finite")
        elif passed_by and place == 0:
            pass
        elif one.gradient < VANISHING * largest:
            what = "no gradient" if one.gradient == 0 else "vanishing gradient"
            remarks.append(what)
        elif one.gradient > EXPLODING * last:
            remarks.append("exploding gradient")
        if one.dead >= MANY_DEAD:
            remarks.append("most units are never active")
        if one.update >= LARGE_UPDATE and one.weights > 0:
            remarks.append("large update")
        found.append(one._replace(remark=", ".join(remarks)))
    return found


# --- measuring -----------------------------------------------------------------------


def gradient_flow(
    model: Model, x: Any, y: Any = None, sample_weight: Any = None
) -> GradientFlow:
    """Measure how numbers and gradients pass through a model, for one batch.

    The batch goes through the model as in a training step, and backwards; then
    everything is as before: weights, batch normalisation, random numbers, optimizer.

    Parameters
    ----------
    model
        A compiled model.
    x, y, sample_weight
        One batch, as for :meth:`~nervure.models.Model.train_on_batch`: a few hundred
        rows tell more than all.

    Returns
    -------
    A table with a row for each call of a layer: mean and spread of its output, norms of
    the gradient and of the weights, the optimizer's next update as a part of the
    weights, and the share of ReLU units that are 0 for every row.  ``problems`` lists
    the layers whose gradient vanishes (``VANISHING`` times the largest or less) or
    explodes, with many dead units, or with an update of a tenth of the weights.

    Raises
    ------
    NotCompiledError, DataError, ShapeError
        As ``train_on_batch`` does.

    >>> import numpy as np
    >>> import nervure as nv
    >>> dead = nv.layers.Dense(8, activation="relu", kernel_initializer="zeros")
    >>> model = nv.models.Sequential([dead, nv.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> flow = nv.utils.gradient_flow(model, np.ones((4, 2)), np.ones((4, 1)))
    >>> [(one.dead, one.remark) for one in flow.layers][0]
    (1.0, 'most units are never active')
    """
    rows, steps = plan_batch(model, x, y, sample_weight)
    steps.build()
    calls: list[SeenCall] = []
    leaves = [input_leaf(one.shape, one.dtype, "batch") for one in rows.constants]
    arrays = [Array.of_node(leaf) for leaf in leaves]
    captured = trace(
        lambda data: _measured(model, steps, data, calls), leaves, [arrays]
    )
    cells = (*captured.written, *captured.only_read)
    state = [cell.stored.numpy() for cell in cells]
    program = choose_executor(captured.graph).compile(captured.graph)
    values = program([*state, *rows.constants])[len(captured.written) :]
    loss, *numbers = (float(one) for one in values)
    return GradientFlow(loss, _flows(calls, numbers))


def _measured(
    model: Model, steps: Steps, data: list[Array], calls: list[SeenCall]
) -> list[Array]:
    """Trace a training step; return its loss and six numbers for each call."""
    variables = model.trainable_variables
    before = {id(one): one.value for one in variables}
    x, y, weight = unpack_x_y_sample_weight(steps.batch(data))
    with products_in(model.product_type):
        with seeing_calls() as seen:
            y_pred = model(x, training=True)
        loss = model.compute_loss(x, y, y_pred, weight)
        calls += _worth_telling(seen)
        outputs = [_output(call) for call in calls]
        optimizer = model.require_optimizer()
        slopes = gradients(loss, outputs)
        scaled = gradients(optimizer.scale_loss(loss), list(before.values()))
        optimizer.apply(scaled, variables)
    model.clear_losses()
    numbers = []
    for call, output, slope in zip(calls, outputs, slopes, strict=True):
        own = [one for one in call.layer.trainable_variables if id(one) in before]
        changes = [one.value - before[id(one)] for one in own]
        numbers += [
            ops.mean(output),
            ops.std(output),
            _norm([slope]),
            _norm([before[id(one)] for one in own]),
            _norm(changes),
            _dead_share(output),
        ]
    return [ops.astype(one, "float32") for one in (loss, *numbers)]


def _worth_telling(calls: Sequence[SeenCall]) -> list[SeenCall]:
    """Return the calls of layers with one floating-point output, the innermost ones."""
    places = [call.place for call in calls]
    found = []
    for call in calls:
        outputs = tree.flatten(call.outputs)[0]
        is_outer = any(other.startswith(f"{call.place}/") for other in places)
        floats = [one for one in outputs if one.dtype.kind not in "biu"]
        if floats and not is_outer and not isinstance(call.layer, Network):
            found.append(call)
    return found


def _output(call: SeenCall) -> Array:
    """Return the first floating-point output."""
    outputs: list[Array] = tree.flatten(call.outputs)[0]
    return next(one for one in outputs if one.dtype.kind not in "biu")


def _norm(arrays: Sequence[Array]) -> Array:
    """Return the norm of several arrays taken together, in float32."""
    squares = [ops.sum(ops.square(ops.astype(one, "float32"))) for one in arrays]
    total = squares[0] if squares else ops.zeros(())
    for one in squares[1:]:
        total = total + one
    return ops.sqrt(total)


def _dead_share(output: Array) -> Array:
    """Return the share of the last axis whose elements are 0 everywhere else."""
    if output.ndim < 2:
        return ops.mean(ops.astype(output == 0, "float32"))
    active = ops.any(output != 0, axis=tuple(range(output.ndim - 1)))
    return 1.0 - ops.mean(ops.astype(active, "float32"))


def _flows(calls: Sequence[SeenCall], numbers: Sequence[float]) -> list[LayerFlow]:
    found: list[LayerFlow] = []
    times: dict[str, int] = {}
    for place, call in enumerate(calls):
        mean, spread, slope, weights, change, dead = numbers[place * 6 : place * 6 + 6]
        times[call.place] = times.get(call.place, 0) + 1
        again = f" (call {times[call.place]})" if times[call.place] > 1 else ""
        has_weights = bool(call.layer.trainable_variables)
        found.append(
            LayerFlow(
                call.place + again,
                tuple(_output(call).shape),
                mean,
                spread,
                slope,
                weights if has_weights else math.nan,
                change / weights if has_weights and weights else math.nan,
                dead if _is_rectifier(call.layer) else math.nan,
            )
        )
    return found


def _is_rectifier(layer: Layer) -> bool:
    """Tell whether a layer ends in a ReLU, which may be dead."""
    activation = getattr(layer, "activation", None)
    name = getattr(activation, "__name__", "")
    return name in ("relu", "relu6") or type(layer).__name__ == "ReLU"
