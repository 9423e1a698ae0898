"""The recurrent layers of one cell: its arguments and those of ``RNN`` together."""

from __future__ import annotations

from typing import Any, Unpack

from nervure.nn.layer_options import LayerOptions
from nervure.nn.layers.recurrent.cells import GRUCell, LSTMCell, SimpleRNNCell
from nervure.nn.layers.recurrent.rnn import RNN
from nervure.nn.variable import Constraint, Regularizer


class _OfOneCell(RNN):
    """An RNN whose cell's arguments are its own."""

    def __getattr__(self, name: str) -> Any:
        # Asked only for what the layer itself does not have.
        cell = self.__dict__.get("cell")
        if cell is None or name.startswith("_"):
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        return getattr(cell, name)


class SimpleRNN(_OfOneCell):
    """A fully connected recurrent layer, whose output is fed back to its input.

    ``float32[batch, steps, features]`` becomes ``float32[batch, units]``, or
    ``float32[batch, steps, units]`` with ``return_sequences``.

    Parameters
    ----------
    units, activation, ..., seed
        The arguments of the cell, see :class:`~nervure.layers.SimpleRNNCell`.
    return_sequences, return_state, go_backwards, stateful, unroll, zero_output_for_mask
        See :class:`~nervure.layers.RNN`.

    Call arguments: ``sequences``, ``initial_state`` (a list of arrays
    ``float32[batch, units]``), ``mask`` (``bool[batch, steps]``) and ``training``.
    Other arguments: see :class:`~nervure.layers.Layer`.

    >>> import nervure as nv
    >>> layer = nv.layers.SimpleRNN(1, None, kernel_initializer="ones",
    ...                             recurrent_initializer="ones", return_sequences=True)
    >>> layer([[[1.0], [2.0], [3.0]]]).tolist()
    [[[1.0], [3.0], [6.0]]]
    """

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
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        zero_output_for_mask: bool = False,
        **options: Unpack[LayerOptions],
    ) -> None:
        cell = SimpleRNNCell(
            units,
            activation=activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            recurrent_regularizer=recurrent_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            recurrent_constraint=recurrent_constraint,
            bias_constraint=bias_constraint,
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            seed=seed,
            dtype=options.get("dtype"),
            trainable=options.get("trainable", True),
        )
        super().__init__(
            cell,
            return_sequences,
            return_state,
            go_backwards,
            stateful,
            unroll,
            zero_output_for_mask,
            **options,
        )


class LSTM(_OfOneCell):
    """Long short-term memory (Hochreiter and Schmidhuber, 1997).

    ``float32[batch, steps, features]`` becomes ``float32[batch, units]``, or
    ``float32[batch, steps, units]`` with ``return_sequences``.

    Parameters
    ----------
    units, activation, ..., seed
        The arguments of the cell, see :class:`~nervure.layers.LSTMCell`.
    use_cudnn
        Accepted for Keras' sake; there is one implementation.
    return_sequences, return_state, go_backwards, stateful, unroll, zero_output_for_mask
        See :class:`~nervure.layers.RNN`.

    Call arguments: ``sequences``, ``initial_state`` (a list of arrays
    ``float32[batch, units]``), ``mask`` (``bool[batch, steps]``) and ``training``.
    Other arguments: see :class:`~nervure.layers.Layer`.

    >>> import nervure as nv
    >>> layer = nv.layers.LSTM(4, return_sequences=True, return_state=True)
    >>> outputs, h, c = layer(nv.ones((2, 3, 5)))
    >>> outputs.shape, h.shape, c.shape
    ((2, 3, 4), (2, 4), (2, 4))
    """

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
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        zero_output_for_mask: bool = False,
        use_cudnn: bool | str = "auto",
        **options: Unpack[LayerOptions],
    ) -> None:
        cell = LSTMCell(
            units,
            activation=activation,
            recurrent_activation=recurrent_activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer,
            unit_forget_bias=unit_forget_bias,
            kernel_regularizer=kernel_regularizer,
            recurrent_regularizer=recurrent_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            recurrent_constraint=recurrent_constraint,
            bias_constraint=bias_constraint,
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            seed=seed,
            dtype=options.get("dtype"),
            trainable=options.get("trainable", True),
        )
        super().__init__(
            cell,
            return_sequences,
            return_state,
            go_backwards,
            stateful,
            unroll,
            zero_output_for_mask,
            **options,
        )
        self.use_cudnn = use_cudnn


class GRU(_OfOneCell):
    """Gated recurrent units (Cho et al., 2014).

    ``float32[batch, steps, features]`` becomes ``float32[batch, units]``, or
    ``float32[batch, steps, units]`` with ``return_sequences``.

    Parameters
    ----------
    units, activation, ..., seed
        The arguments of the cell, see :class:`~nervure.layers.GRUCell`.
    reset_after
        Whether the reset gate is applied after the product with the state.
    use_cudnn
        Accepted for Keras' sake; there is one implementation.
    return_sequences, return_state, go_backwards, stateful, unroll, zero_output_for_mask
        See :class:`~nervure.layers.RNN`.

    Call arguments: ``sequences``, ``initial_state`` (a list of arrays
    ``float32[batch, units]``), ``mask`` (``bool[batch, steps]``) and ``training``.
    Other arguments: see :class:`~nervure.layers.Layer`.

    >>> import nervure as nv
    >>> nv.layers.GRU(4)(nv.ones((2, 3, 5))).shape
    (2, 4)
    """

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
        seed: int | None = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        reset_after: bool = True,
        zero_output_for_mask: bool = False,
        use_cudnn: bool | str = "auto",
        **options: Unpack[LayerOptions],
    ) -> None:
        cell = GRUCell(
            units,
            activation=activation,
            recurrent_activation=recurrent_activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            recurrent_regularizer=recurrent_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            recurrent_constraint=recurrent_constraint,
            bias_constraint=bias_constraint,
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            seed=seed,
            reset_after=reset_after,
            dtype=options.get("dtype"),
            trainable=options.get("trainable", True),
        )
        super().__init__(
            cell,
            return_sequences,
            return_state,
            go_backwards,
            stateful,
            unroll,
            zero_output_for_mask,
            **options,
        )
        self.use_cudnn = use_cudnn
