"""The cells of recurrent layers: what happens in one step of a sequence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Unpack

from nervure import dtypes, ops
from nervure.array import Array
from nervure.nn import activations, initializers
from nervure.nn.layer_options import LayerOptions
from nervure.nn.layers.recurrent.base import (
    DropoutMasks,
    RecurrentCell,
    gates_of,
    masked_product,
)
from nervure.nn.variable import Constraint, Regularizer


class SimpleRNNCell(RecurrentCell):
    """A step ``activation(inputs @ kernel + state @ recurrent_kernel + bias)``.

    ``cell(inputs, states)`` with ``float32[batch, features]`` and a list of one state
    ``float32[batch, units]`` returns the output and the list of the new state, which is
    the output.

    Parameters
    ----------
    units
        The number of units, at least 1.
    activation
        A name or a function; None means none.
    use_bias
        Whether there is a bias.
    kernel_initializer, recurrent_initializer, bias_initializer
        How the weights start; see ``nervure.initializers``.
    kernel_regularizer, recurrent_regularizer, bias_regularizer
        Functions of the weight whose results are added to the loss.
    kernel_constraint, recurrent_constraint, bias_constraint
        Functions that map each updated weight to an allowed one.
    dropout, recurrent_dropout
        The share of the inputs, and of the state, that is zeroed in training: the same
        elements in all steps (Gal and Ghahramani, "A theoretically grounded application
        of dropout in recurrent neural networks", 2016).
    seed
        A whole number for dropout; None draws one from the process's generator.

    Other arguments: see :class:`~nervure.layers.Layer`.

    >>> import nervure as nv
    >>> cell = nv.layers.SimpleRNNCell(2, kernel_initializer="ones", activation=None)
    >>> output, states = cell(nv.ones((1, 3)), [nv.zeros((1, 2))])
    >>> output.tolist()
    [[3.0, 3.0]]
    """

    gates = 1

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Regularizer | str | None = None,
        recurrent_regularizer: Regularizer | str | None = None,
        bias_regularizer: Regularizer | str | None = None,
        kernel_constraint: Constraint | str | None = None,
        recurrent_constraint: Constraint | str | None = None,
        bias_constraint: Constraint | str | None = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        self._keep(
            units,
            activation,
            use_bias,
            (kernel_initializer, recurrent_initializer, bias_initializer),
            (kernel_regularizer, recurrent_regularizer, bias_regularizer),
            (kernel_constraint, recurrent_constraint, bias_constraint),
            (dropout, recurrent_dropout),
            seed,
            2,
        )

    def advance(
        self, projected: Array, states: Sequence[Array], masks: DropoutMasks
    ) -> tuple[Array, list[Array]]:
        """Return the output and the new state."""
        recurrent = masked_product(states[0], masks.states, self.recurrent_kernel, 1)
        output = self.activation(projected + recurrent)
        return output, [output]


class LSTMCell(RecurrentCell):
    """A step of a long short-term memory.

    With the gates i, f and o from ``recurrent_activation`` and the candidate g from
    ``activation`` of ``inputs @ kernel + h @ recurrent_kernel + bias``, whose columns
    are in the order i, f, g, o::

        c = f * c + i * g
        h = o * activation(c)

    ``cell(inputs, [h, c])`` returns ``h, [h, c]`` (Hochreiter and Schmidhuber, "Long
    short-term memory", 1997; with the forget gate of Gers et al., 2000).

    Parameters
    ----------
    units
        The number of units, at least 1.
    activation, recurrent_activation
        Names or functions; None means none.
    use_bias
        Whether there is a bias.
    kernel_initializer, recurrent_initializer, bias_initializer
        How the weights start; see ``nervure.initializers``.
    unit_forget_bias
        Whether the bias of the forget gate starts at 1, so that a new network remembers
        (Jozefowicz et al., 2015).
    kernel_regularizer, recurrent_regularizer, bias_regularizer
        Functions of the weight whose results are added to the loss.
    kernel_constraint, recurrent_constraint, bias_constraint
        Functions that map each updated weight to an allowed one.
    dropout, recurrent_dropout
        The share of the inputs, and of ``h``, that is zeroed in training, the same in
        all steps.
    seed
        A whole number for dropout; None draws one from the process's generator.
    implementation
        1 drops other elements for each gate, as ``recurrent_dropout`` does always.

    Other arguments: see :class:`~nervure.layers.Layer`.

    >>> import nervure as nv
    >>> cell = nv.layers.LSTMCell(2)
    >>> output, (h, c) = cell(nv.ones((1, 3)), [nv.zeros((1, 2)), nv.zeros((1, 2))])
    >>> output.shape, c.shape
    ((1, 2), (1, 2))
    """

    gates = 4

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        unit_forget_bias: bool = True,
        kernel_regularizer: Regularizer | str | None = None,
        recurrent_regularizer: Regularizer | str | None = None,
        bias_regularizer: Regularizer | str | None = None,
        kernel_constraint: Constraint | str | None = None,
        recurrent_constraint: Constraint | str | None = None,
        bias_constraint: Constraint | str | None = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        implementation: int = 2,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        self._keep(
            units,
            activation,
            use_bias,
            (kernel_initializer, recurrent_initializer, bias_initializer),
            (kernel_regularizer, recurrent_regularizer, bias_regularizer),
            (kernel_constraint, recurrent_constraint, bias_constraint),
            (dropout, recurrent_dropout),
            seed,
            implementation,
        )
        self.recurrent_activation = activations.get(recurrent_activation)
        self.unit_forget_bias = bool(unit_forget_bias)
        self.state_size = [self.units, self.units]

    def build(self, input_shape: Any) -> None:
        """Create the kernels and the bias."""
        start = self.bias_initializer
        self._make_weights(
            input_shape,
            (4 * self.units,),
            forgetting(start) if self.unit_forget_bias else start,
        )

    def advance(
        self, projected: Array, states: Sequence[Array], masks: DropoutMasks
    ) -> tuple[Array, list[Array]]:
        """Return the output and the new states."""
        h, c = states
        recurrent = masked_product(h, masks.states, self.recurrent_kernel, 4)
        gates = gates_of(projected + recurrent, 4)
        return long_short_term(gates, c, self.activation, self.recurrent_activation)


def forgetting(initializer: Callable[..., Any]) -> Callable[..., Array]:
    """Return the initializer of a bias that is 1 for the forget gate, second of 4."""

    def start(shape: tuple[int], dtype: Any = dtypes.float32) -> Array:
        units = shape[0] // 4
        parts = [
            initializer((units,), dtype=dtype),
            initializers.get("ones")((units,), dtype=dtype),
            initializer((2 * units,), dtype=dtype),
        ]
        return ops.concat([ops.asarray(part) for part in parts])

    return start


def long_short_term(
    gates: Sequence[Array],
    c: Array,
    activation: Callable[[Array], Array],
    recurrent_activation: Callable[[Array], Array],
) -> tuple[Array, list[Array]]:
    """Return output and new states for the sums of the gates and the old memory c."""
    i, f, g, o = gates
    kept = recurrent_activation(f) * c
    c = kept + recurrent_activation(i) * activation(g)
    h = recurrent_activation(o) * activation(c)
    return h, [h, c]


class GRUCell(RecurrentCell):
    """A step of a gated recurrent unit.

    With the gates z and r from ``recurrent_activation``, and the columns of the kernels
    in the order z, r, candidate::

        candidate = activation(inputs @ kernel + r * (h @ recurrent_kernel))
        h = z * h + (1 - z) * candidate

    With ``reset_after=False`` it is ``(r * h) @ recurrent_kernel``, as in Cho et al.,
    "Learning phrase representations using RNN encoder-decoder for statistical machine
    translation" (2014).  ``cell(inputs, [h])`` returns ``h, [h]``.

    Parameters
    ----------
    units
        The number of units, at least 1.
    activation, recurrent_activation
        Names or functions; None means none.
    use_bias
        Whether there is a bias; with ``reset_after`` it has a row for the inputs and
        one for the state.
    kernel_initializer, recurrent_initializer, bias_initializer
        How the weights start; see ``nervure.initializers``.
    kernel_regularizer, recurrent_regularizer, bias_regularizer
        Functions of the weight whose results are added to the loss.
    kernel_constraint, recurrent_constraint, bias_constraint
        Functions that map each updated weight to an allowed one.
    dropout, recurrent_dropout
        The share of the inputs, and of the state, that is zeroed in training, the same
        in all steps.
    reset_after
        Whether the reset gate is applied after the product with the state.
    seed
        A whole number for dropout; None draws one from the process's generator.
    implementation
        1 drops other elements for each gate, as ``recurrent_dropout`` does always.

    Other arguments: see :class:`~nervure.layers.Layer`.

    >>> import nervure as nv
    >>> cell = nv.layers.GRUCell(2)
    >>> output, states = cell(nv.ones((1, 3)), [nv.zeros((1, 2))])
    >>> output.shape
    (1, 2)
    """

    gates = 3

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Regularizer | str | None = None,
        recurrent_regularizer: Regularizer | str | None = None,
        bias_regularizer: Regularizer | str | None = None,
        kernel_constraint: Constraint | str | None = None,
        recurrent_constraint: Constraint | str | None = None,
        bias_constraint: Constraint | str | None = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        reset_after: bool = True,
        seed: int | None = None,
        implementation: int = 2,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        self._keep(
            units,
            activation,
            use_bias,
            (kernel_initializer, recurrent_initializer, bias_initializer),
            (kernel_regularizer, recurrent_regularizer, bias_regularizer),
            (kernel_constraint, recurrent_constraint, bias_constraint),
            (dropout, recurrent_dropout),
            seed,
            implementation,
        )
        self.recurrent_activation = activations.get(recurrent_activation)
        self.reset_after = bool(reset_after)

    def build(self, input_shape: Any) -> None:
        """Create the kernels and the bias."""
        columns = 3 * self.units
        shape = (2, columns) if self.reset_after else (columns,)
        self._make_weights(input_shape, shape, self.bias_initializer)

    def _input_bias(self) -> Any:
        if self.bias is None or not self.reset_after:
            return self.bias
        return self.bias[0]

    def advance(
        self, projected: Array, states: Sequence[Array], masks: DropoutMasks
    ) -> tuple[Array, list[Array]]:
        """Return the output and the new state."""
        h = states[0]
        kernel, width = self.recurrent_kernel, 2 * self.units
        x_z, x_r, x_candidate = gates_of(projected, 3)
        if self.reset_after:
            inner = masked_product(h, masks.states, kernel, 3)
            if self.bias is not None:
                inner = inner + self.bias[1]
            h_z, h_r, h_candidate = gates_of(inner, 3)
            z = self.recurrent_activation(x_z + h_z)
            r = self.recurrent_activation(x_r + h_r)
            candidate = self.activation(x_candidate + r * h_candidate)
        else:
            own = masks.states and (masks.states[:2] if len(masks.states) > 1 else
                                    masks.states)  # fmt: skip
            h_z, h_r = gates_of(masked_product(h, own, kernel[:, :width], 2), 2)
            z = self.recurrent_activation(x_z + h_z)
            r = self.recurrent_activation(x_r + h_r)
            last = None if masks.states is None else masks.states[-1:]
            inner = masked_product(r * h, last, kernel[:, width:], 1)
            candidate = self.activation(x_candidate + inner)
        h = z * h + (1 - z) * candidate
        return h, [h]
