"""The layers of :class:`ConvLSTMCell` for one, two and three spatial axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Unpack

from nervure.nn.input_spec import InputSpec
from nervure.nn.layer_options import LayerOptions
from nervure.nn.layers.recurrent.conv_lstm import ConvLSTMCell
from nervure.nn.layers.recurrent.families import OfOneCell
from nervure.nn.variable import Constraint, Regularizer


class _ConvLSTM(OfOneCell):
    """What the layers for each number of spatial axes have in common."""

    _rank: ClassVar[int]  # the number of spatial axes

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: int | Sequence[int] = 1,
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
        **options: Unpack[LayerOptions],
    ) -> None:
        cell = ConvLSTMCell(
            self._rank,
            filters,
            kernel_size,
            strides,
            padding,
            data_format,
            dilation_rate,
            activation,
            recurrent_activation,
            use_bias,
            kernel_initializer,
            recurrent_initializer,
            bias_initializer,
            unit_forget_bias,
            kernel_regularizer,
            recurrent_regularizer,
            bias_regularizer,
            kernel_constraint,
            recurrent_constraint,
            bias_constraint,
            dropout,
            recurrent_dropout,
            seed,
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
        self.input_spec = InputSpec(ndim=self._rank + 3)


class ConvLSTM1D(_ConvLSTM):
    """Long short-term memory over rows of elements.

    ``float32[batch, steps, length, channels]`` becomes
    ``float32[batch, length, filters]``, or with ``return_sequences``
    ``float32[batch, steps, length, filters]``.  The products of an
    LSTM are convolutions: that of the input with the arguments below, that of the state
    with steps of 1 and the padding "same" (Shi et al., "Convolutional LSTM network",
    2015).

    Parameters
    ----------
    filters
        The number of channels of the output.
    kernel_size, strides, padding, data_format, dilation_rate
        See :class:`~nervure.layers.Conv1D`.
    activation, ..., recurrent_dropout, seed
        See :class:`~nervure.layers.LSTMCell`; other elements are dropped for each gate.
    return_sequences, return_state, go_backwards, stateful, unroll, zero_output_for_mask
        See :class:`~nervure.layers.RNN`.

    Other arguments: see :class:`~nervure.layers.Layer`.

    >>> import nervure as nv
    >>> layer = nv.layers.ConvLSTM1D(4, 3, padding="same")
    >>> layer(nv.ones((2, 3, 5, 1))).shape
    (2, 5, 4)
    """

    _rank = 1


class ConvLSTM2D(_ConvLSTM):
    """Long short-term memory over images.

    ``float32[batch, steps, rows, columns, channels]`` becomes
    ``float32[batch, rows, columns, filters]``, or with ``return_sequences``
    ``float32[batch, steps, rows, columns, filters]``.  The products of an
    LSTM are convolutions: that of the input with the arguments below, that of the state
    with steps of 1 and the padding "same" (Shi et al., "Convolutional LSTM network",
    2015).

    Parameters
    ----------
    filters
        The number of channels of the output.
    kernel_size, strides, padding, data_format, dilation_rate
        See :class:`~nervure.layers.Conv2D`.
    activation, ..., recurrent_dropout, seed
        See :class:`~nervure.layers.LSTMCell`; other elements are dropped for each gate.
    return_sequences, return_state, go_backwards, stateful, unroll, zero_output_for_mask
        See :class:`~nervure.layers.RNN`.

    Other arguments: see :class:`~nervure.layers.Layer`.

    >>> import nervure as nv
    >>> layer = nv.layers.ConvLSTM2D(4, 3, padding="same")
    >>> layer(nv.ones((2, 3, 5, 5, 1))).shape
    (2, 5, 5, 4)
    """

    _rank = 2


class ConvLSTM3D(_ConvLSTM):
    """Long short-term memory over volumes.

    ``float32[batch, steps, depth, rows, columns, channels]`` becomes
    ``float32[batch, depth, rows, columns, filters]``, or with ``return_sequences``
    ``float32[batch, steps, depth, rows, columns, filters]``.  The products of an
    LSTM are convolutions: that of the input with the arguments below, that of the state
    with steps of 1 and the padding "same" (Shi et al., "Convolutional LSTM network",
    2015).

    Parameters
    ----------
    filters
        The number of channels of the output.
    kernel_size, strides, padding, data_format, dilation_rate
        See :class:`~nervure.layers.Conv3D`.
    activation, ..., recurrent_dropout, seed
        See :class:`~nervure.layers.LSTMCell`; other elements are dropped for each gate.
    return_sequences, return_state, go_backwards, stateful, unroll, zero_output_for_mask
        See :class:`~nervure.layers.RNN`.

    Other arguments: see :class:`~nervure.layers.Layer`.

    >>> import nervure as nv
    >>> layer = nv.layers.ConvLSTM3D(4, 3, padding="same")
    >>> layer(nv.ones((2, 3, 3, 3, 3, 1))).shape
    (2, 3, 3, 3, 4)
    """

    _rank = 3
