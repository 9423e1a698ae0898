"""A recurrent layer in both directions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

from nervure import ops
from nervure.array import Array
from nervure.errors import ArgumentError, explain
from nervure.nn.input_spec import InputSpec
from nervure.nn.layer import Layer
from nervure.nn.layer_options import LayerOptions
from nervure.nn.layers.recurrent.inside import copied, made_from

MERGE_MODES = ("concat", "sum", "mul", "ave", None)


class Bidirectional(Layer):
    """Two copies of a recurrent layer, one of which goes from the end to the start.

    Parameters
    ----------
    layer
        A recurrent layer such as ``LSTM(8)``; it is copied, so it stays as it is.
    merge_mode
        How the two outputs become one: ``"concat"`` (side by side), ``"sum"``,
        ``"mul"``, ``"ave"`` (the mean), or None: both are returned.
    weights
        The weights to start with: those of the forward copy, then of the other.
    backward_layer
        Another layer for the way back, with ``go_backwards=True``.

    Other arguments: see :class:`~nervure.layers.Layer`.  (Schuster and Paliwal,
    "Bidirectional recurrent neural networks", 1997.)

    Raises
    ------
    ArgumentError
        For two layers that do not fit together.

    >>> import nervure as nv
    >>> layer = nv.layers.Bidirectional(nv.layers.GRU(4, return_sequences=True))
    >>> layer(nv.ones((2, 3, 5))).shape
    (2, 3, 8)
    """

    def __init__(
        self,
        layer: Any,
        merge_mode: str | None = "concat",
        weights: Sequence[Any] | None = None,
        backward_layer: Any = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        layer = _recurrent(made_from(layer))
        if merge_mode not in MERGE_MODES:
            raise ArgumentError(
                explain(
                    "expected merge_mode to be one of "
                    f"{', '.join(map(repr, MERGE_MODES))}, got {merge_mode!r}",
                    fix="use 'concat' to keep both directions side by side",
                )
            )
        self.merge_mode = merge_mode
        name = layer.name
        self.forward_layer = copied(
            layer, name=f"forward_{name.removeprefix('forward_')}"
        )
        if backward_layer is None:
            self.backward_layer = copied(
                layer,
                name=f"backward_{name.removeprefix('backward_')}",
                go_backwards=not layer.go_backwards,
            )
        else:
            self.backward_layer = _recurrent(made_from(backward_layer))
        _check_pair(self.forward_layer, self.backward_layer)
        for one in (self.forward_layer, self.backward_layer):
            # a masked step must not show an output of another step
            one.zero_output_for_mask = one.return_sequences
        self.return_sequences = layer.return_sequences
        self.return_state = layer.return_state
        self.stateful = layer.stateful
        self.supports_masking = True
        self.input_spec = InputSpec(min_ndim=3)
        self._first_weights = None if weights is None else list(weights)

    def build(self, input_shape: Any) -> None:
        """Build both copies."""
        for layer in (self.forward_layer, self.backward_layer):
            if not layer.built:
                layer.build(input_shape)
                layer.built = True
        if self._first_weights is not None:
            self.set_weights(self._first_weights)

    @property
    def states(self) -> list[Any] | None:
        """The variables that stateful copies keep."""
        one, other = self.forward_layer.states, self.backward_layer.states
        return None if one is None or other is None else [*one, *other]

    def reset_state(self) -> None:
        """Set the states of stateful copies to zero."""
        self.forward_layer.reset_state()
        self.backward_layer.reset_state()

    reset_states = reset_state

    def call(
        self,
        sequences: Array,
        initial_state: Any = None,
        mask: Array | None = None,
        training: bool | None = None,
    ) -> Any:
        """Compute the output, and the states of both copies if they are returned."""
        forward = backward = None
        if initial_state is not None:
            half = len(initial_state) // 2
            forward, backward = initial_state[:half], initial_state[half:]
        options = {"mask": mask, "training": training}
        y = self.forward_layer(sequences, initial_state=forward, **options)
        z = self.backward_layer(sequences, initial_state=backward, **options)
        states: tuple[Any, ...] = ()
        if self.return_state:
            states = (*y[1:], *z[1:])
            y, z = y[0], z[0]
        if self.return_sequences:
            z = ops.flip(z, axis=1)
        merged = self._merged(y, z)
        if not self.return_state:
            return merged
        listed = merged if isinstance(merged, tuple) else (merged,)
        return (*listed, *states)

    def _merged(self, y: Array, z: Array) -> Any:
        if self.merge_mode is None:
            return y, z
        if self.merge_mode == "concat":
            return ops.concat([y, z], axis=-1)
        if self.merge_mode == "mul":
            return y * z
        return y + z if self.merge_mode == "sum" else (y + z) / 2

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """Return the mask of the outputs, if those of all steps are returned."""
        while isinstance(previous_mask, list | tuple):
            previous_mask = previous_mask[0]
        mask = previous_mask if self.return_sequences else None
        outputs = [mask, mask] if self.merge_mode is None else [mask]
        if self.return_state:
            outputs += [None] * (2 * len(self.forward_layer.state_size))
        return outputs if len(outputs) > 1 else mask

    @property
    def layer(self) -> Any:
        """The layer of the way forward."""
        return self.forward_layer

    def _config_names(self) -> list[str]:
        return [name for name in super()._config_names() if name != "weights"]


def _recurrent(layer: Any) -> Any:
    if not isinstance(layer, Layer) or not hasattr(layer, "go_backwards"):
        raise ArgumentError(
            explain(
                f"expected a recurrent layer, got {layer!r}",
                fix="pass an object, such as LSTM(10); a layer of your own needs the "
                "attributes go_backwards, return_sequences, return_state and stateful",
            )
        )
    return layer


def _check_pair(forward: Any, backward: Any) -> None:
    if forward.go_backwards == backward.go_backwards:
        raise ArgumentError(
            explain(
                "expected the two layers to go in different directions, but both have "
                f"go_backwards={forward.go_backwards}",
                fix="make the backward layer with go_backwards=True",
            )
        )
    for name in ("stateful", "return_sequences", "return_state"):
        if getattr(forward, name) != getattr(backward, name):
            raise ArgumentError(
                explain(
                    f"expected the two layers to have the same {name}, got "
                    f"{getattr(forward, name)} and {getattr(backward, name)}",
                    fix=f"make both layers with the same {name}",
                )
            )
