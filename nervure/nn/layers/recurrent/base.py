"""What the cells of this package share: weights, dropout masks, two halves of a step.

A step is cut in two.  *Projecting* the input needs no state, so a layer does it for all
steps of a sequence at once, as one large matrix product; *advancing* the state is what
remains inside the loop.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple

from nervure import ops
from nervure.array import Array
from nervure.errors import ArgumentError, explain
from nervure.nn import activations, constraints, initializers, regularizers
from nervure.nn.layer import Layer
from nervure.nn.layers.axes import feature_count
from nervure.nn.layers.core import positive_count
from nervure.nn.seed import SeedGenerator
from nervure.nn.variable import Variable
from nervure.ops import nn


class DropoutMasks(NamedTuple):
    """What inputs and states are multiplied by; the same for all steps of a sequence.

    There is one mask, or one for each gate; None where nothing is dropped.
    """

    inputs: list[Array] | None = None
    states: list[Array] | None = None


NO_MASKS = DropoutMasks()


class SplitCell(Layer):
    """A cell whose step is cut in two; see the top of this file."""

    kernel: Variable
    recurrent_kernel: Variable
    bias: Variable | None

    def _keep_parts(
        self,
        activation: Any,
        use_bias: bool,
        initializers_: Sequence[Any],
        regularizers_: Sequence[Any],
        constraints_: Sequence[Any],
        rates: tuple[float, float],
        seed: int | None,
    ) -> None:
        """Store the arguments; triples are of kernel, recurrent kernel and bias."""
        self.activation = activations.get(activation)
        self.use_bias = bool(use_bias)
        names = ("kernel", "recurrent", "bias")
        for name, one in zip(names, initializers_, strict=True):
            setattr(self, f"{name}_initializer", initializers.get(one))
        for name, one in zip(names, regularizers_, strict=True):
            setattr(self, f"{name}_regularizer", regularizers.get(one))
        for name, one in zip(names, constraints_, strict=True):
            setattr(self, f"{name}_constraint", constraints.get(one))
        self.dropout = checked_rate("dropout", rates[0])
        self.recurrent_dropout = checked_rate("recurrent_dropout", rates[1])
        self.seed = seed
        drops = self.dropout > 0 or self.recurrent_dropout > 0
        self.seed_generator = SeedGenerator(seed) if drops else None

    def _add_weights(
        self, shapes: Sequence[tuple[int, ...]], bias_initializer: Any
    ) -> None:
        """Create the kernel, the recurrent kernel and the bias, of these shapes."""
        rows = [
            ("kernel", "kernel", self.kernel_initializer),
            ("recurrent_kernel", "recurrent", self.recurrent_initializer),
            ("bias", "bias", bias_initializer),
        ]
        self.bias = None
        for (name, kind, initializer), shape in zip(rows, shapes, strict=True):
            if name == "bias" and not self.use_bias:
                continue
            weight = self.add_weight(
                shape,
                initializer,
                regularizer=getattr(self, f"{kind}_regularizer"),
                constraint=getattr(self, f"{kind}_constraint"),
                name=name,
            )
            setattr(self, name, weight)

    def masks(self, batch: int, training: bool) -> DropoutMasks:
        """Draw the masks of dropout for one batch of sequences."""
        raise NotImplementedError

    def project(self, inputs: Array, masks: DropoutMasks) -> Array:
        """Return what inputs ``[..., batch, features]`` give to every gate."""
        raise NotImplementedError

    def advance(
        self, projected: Array, states: Sequence[Array], masks: DropoutMasks
    ) -> tuple[Array, list[Array]]:
        """Return the output and the new states."""
        raise NotImplementedError

    def call(
        self, inputs: Array, states: Any, training: bool = False
    ) -> tuple[Array, Any]:
        """Compute the output and the new states of one step."""
        given = list(states) if isinstance(states, list | tuple) else [states]
        masks = self.masks(inputs.shape[0], training)
        output, new = self.advance(self.project(inputs, masks), given, masks)
        return output, new if isinstance(states, list | tuple) else new[0]


class RecurrentCell(SplitCell):
    """The base of ``SimpleRNNCell``, ``LSTMCell`` and ``GRUCell``.

    ``gates`` is how many blocks of ``units`` columns the kernels have.
    """

    gates: ClassVar[int]

    def _keep(
        self,
        units: int,
        activation: Any,
        use_bias: bool,
        initializers_: Sequence[Any],
        regularizers_: Sequence[Any],
        constraints_: Sequence[Any],
        rates: tuple[float, float],
        seed: int | None,
        implementation: int,
    ) -> None:
        """Store the arguments; triples are of kernel, recurrent kernel and bias."""
        self.units = positive_count("units", units)
        self._keep_parts(
            activation,
            use_bias,
            initializers_,
            regularizers_,
            constraints_,
            rates,
            seed,
        )
        if implementation not in (1, 2):
            raise ArgumentError(
                explain(
                    f"expected implementation 1 or 2, got {implementation}",
                    fix="leave it out: both compute the same",
                )
            )
        self.implementation = implementation
        self.state_size: Any = self.units
        self.output_size = self.units

    def _make_weights(
        self, input_shape: Any, bias_shape: tuple[int, ...], bias_initializer: Any
    ) -> None:
        features = feature_count(self, input_shape)
        columns = self.gates * self.units
        shapes = (features, columns), (self.units, columns), bias_shape
        self._add_weights(shapes, bias_initializer)

    def build(self, input_shape: Any) -> None:
        """Create the kernels and the bias."""
        self._make_weights(
            input_shape, (self.gates * self.units,), self.bias_initializer
        )

    # --- one step ----------------------------------------------------------------

    def masks(self, batch: int, training: bool) -> DropoutMasks:
        """Draw the masks of dropout for one batch of sequences."""
        if not training or self.seed_generator is None:
            return NO_MASKS
        apart = self.recurrent_dropout > 0 or self.implementation == 1
        count = self.gates if apart else 1

        def drawn(rate: float, width: int) -> list[Array] | None:
            if rate == 0:
                return None
            assert self.seed_generator is not None
            ones = ops.ones((batch, width), dtype=self.dtype)
            return [
                nn.dropout(ones, rate, self.seed_generator.next()) for _ in range(count)
            ]

        features = self.kernel.shape[0]
        return DropoutMasks(
            drawn(self.dropout, features), drawn(self.recurrent_dropout, self.units)
        )

    def project(self, inputs: Array, masks: DropoutMasks) -> Array:
        """Return what the inputs ``[..., batch, features]`` give to every gate."""
        result = masked_product(inputs, masks.inputs, self.kernel, self.gates)
        bias = self._input_bias()
        return result if bias is None else result + bias

    def _input_bias(self) -> Any:
        return self.bias

    def get_initial_state(self, batch_size: int | None = None) -> list[Array]:
        """Return zeros for every state, ``float[batch_size, units]``."""
        sizes = self.state_size
        listed = sizes if isinstance(sizes, list) else [sizes]
        return [ops.zeros((batch_size, size), dtype=self.dtype) for size in listed]


def masked_product(
    x: Array, masks: Sequence[Array] | None, kernel: Any, gates: int
) -> Array:
    """Return ``x @ kernel`` where x is masked, by one mask or by one for each gate."""
    if masks is None:
        return x @ kernel
    if len(masks) == 1:
        return (x * masks[0]) @ kernel
    width = kernel.shape[1] // gates
    parts = [
        (x * mask) @ kernel[:, place * width : (place + 1) * width]
        for place, mask in enumerate(masks)
    ]
    return ops.concat(parts, axis=-1)


def gates_of(x: Array, count: int) -> list[Array]:
    """Return the blocks of columns of each gate."""
    width = x.shape[-1] // count
    return [x[..., place * width : (place + 1) * width] for place in range(count)]


def checked_rate(name: str, value: float) -> float:
    """Return a share from 0 to 1; raises :class:`ArgumentError` for others."""
    if isinstance(value, bool) or not 0 <= value <= 1:
        raise ArgumentError(
            explain(
                f"expected {name} to be from 0 to 1, got {value!r}",
                fix=f"it is the share that is dropped: {name}=0.5 drops half",
            )
        )
    return value


StepFunction = Callable[[Any, Any], tuple[Any, Any]]
