"""The layer that applies a cell to the steps of a sequence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

from nervure import control_flow, ops, tree
from nervure.array import Array
from nervure.errors import ArgumentError, ShapeError, explain
from nervure.nn.input_spec import InputSpec
from nervure.nn.layer import Layer
from nervure.nn.layer_options import LayerOptions
from nervure.nn.layers.recurrent.base import SplitCell, StepFunction
from nervure.nn.layers.recurrent.inside import made_from
from nervure.nn.layers.recurrent.stacked import (
    StackedRNNCells,
    check_cell,
    initial_state_of,
    output_size_of,
    step_of,
)
from nervure.nn.variable import Variable
from nervure.ops.operands import as_node


class _States:
    """The states that a stateful layer keeps from batch to batch.

    They are no weights: an object of their own hides them from the layer's list.
    """

    def __init__(self, values: Any) -> None:
        leaves, self.structure = tree.flatten(values)
        self.variables = [
            Variable(leaf, name="rnn_state", trainable=False) for leaf in leaves
        ]


class RNN(Layer):
    """A cell applied to the steps of a sequence, one after the other.

    ``float32[batch, steps, features]`` becomes ``float32[batch, output_size]``, the
    output of the last step, or ``float32[batch, steps, output_size]``.  The loop is one
    operation of the graph, whatever the number of steps.

    Parameters
    ----------
    cell
        A cell: ``call(inputs, states)`` returns the output and the new states,
        ``state_size`` is the size of the state or the list of sizes; it may have
        ``output_size`` and ``get_initial_state(batch_size)``.  A list of cells is a
        stack of them.
    return_sequences
        Whether the outputs of all steps are returned.
    return_state
        Whether the last states are returned as well.
    go_backwards
        Whether to go from the last step to the first; outputs come in that order.
    stateful
        Whether a batch starts with the states that the one before ended with.  The size
        of a batch is then fixed; see :meth:`reset_state`.
    unroll
        Whether every step is written into the graph by itself.
    zero_output_for_mask
        Whether the output of a masked step is 0 instead of that of the step before.

    Other arguments: see :class:`~nervure.layers.Layer`.

    A mask ``bool[batch, steps]`` leaves the states of a sample as they are where it is
    False.

    >>> import nervure as nv
    >>> layer = nv.layers.RNN(nv.layers.SimpleRNNCell(4), return_sequences=True)
    >>> layer(nv.ones((2, 3, 5))).shape
    (2, 3, 4)
    """

    def __init__(
        self,
        cell: Any,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        zero_output_for_mask: bool = False,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        cell = StackedRNNCells(cell) if isinstance(cell, list | tuple) else cell
        self.cell = made_from(cell)
        check_cell(self.cell)
        self.return_sequences = bool(return_sequences)
        self.return_state = bool(return_state)
        self.go_backwards = bool(go_backwards)
        self.stateful = bool(stateful)
        self.unroll = bool(unroll)
        self.zero_output_for_mask = bool(zero_output_for_mask)
        self.supports_masking = True
        self.input_spec = InputSpec(min_ndim=3)
        self._states: _States | None = None

    @property
    def state_size(self) -> list[Any]:
        """The sizes of the states."""
        size = self.cell.state_size
        return list(size) if isinstance(size, list | tuple) else [size]

    @property
    def output_size(self) -> int:
        """The number of features of the output."""
        return output_size_of(self.cell)

    @property
    def states(self) -> list[Variable] | None:
        """The variables that a stateful layer keeps, None before there are any."""
        return None if self._states is None else self._states.variables

    def build(self, input_shape: Any) -> None:
        """Build the cell for one step, and make the states of a stateful layer.

        Raises
        ------
        ShapeError
            For an input without an axis of steps.
        """
        if isinstance(self.cell, Layer) and not self.cell.built:
            self.cell.build((input_shape[0], *input_shape[2:]))
            self.cell.built = True
        if self.stateful:
            if input_shape[0] is None:
                raise ShapeError(
                    explain(
                        f"the layer {self.name!r} is stateful, so the size of a batch "
                        f"must be known, got the input shape {input_shape}",
                        fix="declare it with batch_input_shape=(batch, steps, "
                        "features), or with Input(..., batch_size=batch)",
                    )
                )
            self._states = _States(self.get_initial_state(input_shape[0]))

    def get_initial_state(self, batch_size: int) -> list[Any]:
        """Return the states that a sequence starts with: by default zeros."""
        states = initial_state_of(self.cell, batch_size, self.dtype)
        return list(states) if isinstance(states, list | tuple) else [states]

    def reset_state(self) -> None:
        """Set the states of a stateful layer to zero."""
        for variable in self.states or ():
            variable.assign(ops.zeros(variable.shape, dtype=variable.dtype))

    reset_states = reset_state

    # --- computing -------------------------------------------------------------------

    def call(
        self,
        sequences: Array,
        initial_state: Any = None,
        mask: Array | None = None,
        training: bool = False,
    ) -> Any:
        """Compute the output, and the states if they are returned."""
        states = self._first_states(initial_state, sequences.shape[0])
        steps, flags = _time_first(sequences), None
        if mask is not None:
            flags = _time_first(ops.reshape(mask, (*mask.shape, 1)))
        if self.go_backwards:
            steps = ops.flip(steps, axis=0)
            flags = None if flags is None else ops.flip(flags, axis=0)
        last, outputs, states = self._over_steps(steps, states, flags, training)
        if self._states is not None:
            for variable, state in zip(
                self._states.variables, tree.flatten(states)[0], strict=True
            ):
                variable.assign(state)
        result = _time_first(outputs) if self.return_sequences else last
        return (result, *states) if self.return_state else result

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """Return the mask of the outputs, if those of all steps are returned."""
        while isinstance(previous_mask, list | tuple):
            previous_mask = previous_mask[0]
        mask = previous_mask if self.return_sequences else None
        if not self.return_state:
            return mask
        count = len(tree.flatten(self.state_size)[0])
        return [mask, *(None for _ in range(count))]

    def _first_states(self, given: Any, batch: int) -> list[Any]:
        if self._states is not None:
            expected = self._states.variables[0].shape[0]
            if batch != expected:
                raise ShapeError(
                    explain(
                        f"the layer {self.name!r} is stateful and keeps states for "
                        f"batches of {expected}, got one of {batch}",
                        fix="use batches of one size: a number of samples that "
                        "batch_size divides",
                    )
                )
        if given is None and self._states is not None:
            values = [variable.value for variable in self._states.variables]
            return list(tree.unflatten(self._states.structure, values))
        if given is None:
            return self.get_initial_state(batch)
        listed = list(given) if isinstance(given, list | tuple) else [given]
        wanted = self.get_initial_state(batch)
        return self._checked(listed, wanted)

    def _checked(self, given: list[Any], wanted: list[Any]) -> list[Any]:
        """Return given states in the form and type of those that are wanted."""
        leaves = [
            Array.of_node(as_node(leaf, like.dtype))
            for leaf, like in zip(
                tree.flatten(given)[0], tree.flatten(wanted)[0], strict=False
            )
        ]
        likes, structure = tree.flatten(wanted)
        shapes = [leaf.shape for leaf in leaves]
        if len(tree.flatten(given)[0]) != len(likes) or shapes != [
            one.shape for one in likes
        ]:
            shown = ", ".join(str(list(one.shape)) for one in likes)
            raise ShapeError(
                explain(
                    f"the layer {self.name!r} starts with states of the shapes "
                    f"{shown}, "
                    f"got {', '.join(str(list(shape)) for shape in shapes)}",
                    fix="pass the states as an earlier call of the layer returned them",
                )
            )
        return list(tree.unflatten(structure, leaves))

    def _over_steps(
        self, steps: Array, states: list[Any], flags: Array | None, training: bool
    ) -> tuple[Array, Array, list[Any]]:
        """Return the last output, the stacked outputs and the last states."""
        entries, step, is_state = self._step(steps, training)
        _, structure = tree.flatten(states)
        stacks = not is_state or self.return_sequences or self.zero_output_for_mask

        def body(carried: list[Any], entry: Any) -> tuple[list[Any], Any]:
            x, flag = entry
            output, new = step(x, carried)
            new = tree.unflatten(structure, tree.flatten(new)[0])
            if flag is not None:
                output, new = self._masked(flag, output, new, carried)
            return new, output if stacks else None

        added = self._added_loss_counts()
        count = steps.shape[0]
        if count == 0:
            raise ShapeError(
                explain(
                    f"the layer {self.name!r} was given sequences of no steps",
                    fix="pass at least one step; is the data empty by mistake?",
                )
            )
        last_states, outputs = control_flow.scan(
            body, states, (entries, flags), unroll=self.unroll
        )
        if self._added_loss_counts() != added:
            self._forget_losses(added)
            last_states, outputs = control_flow.scan(
                body, states, (entries, flags), unroll=True
            )
        return (outputs[-1] if stacks else last_states[0]), outputs, last_states

    def _added_loss_counts(self) -> list[int]:
        return [len(layer._added_losses) for layer in self.flattened()]

    def _forget_losses(self, counts: Sequence[int]) -> None:
        """Drop what a cell added to the loss inside a loop, where it has no place."""
        for layer, count in zip(self.flattened(), counts, strict=True):
            del layer._added_losses[count:]

    def _step(self, steps: Array, training: bool) -> tuple[Any, StepFunction, bool]:
        """Return what each step reads, the function of a step, and what it returns.

        The last is whether the output of a step is its first state.  What needs no
        state is done here, for all steps at once.
        """
        cell, batch = self.cell, steps.shape[1]
        if isinstance(cell, SplitCell):
            masks = cell.masks(batch, training)
            return (
                cell.project(steps, masks),
                lambda x, states: cell.advance(x, states, masks),
                True,
            )
        if isinstance(cell, StackedRNNCells):
            drawn = cell.masks(batch, training)
            return (
                steps,
                lambda x, states: cell.advance(x, states, drawn, training),
                False,
            )
        return steps, lambda x, states: step_of(cell, x, states, training), False

    def _masked(
        self, flag: Array, output: Array, new: list[Any], old: list[Any]
    ) -> tuple[Array, list[Any]]:
        """Keep the states of samples whose step does not count."""
        before = old[-1][0] if isinstance(old[-1], list | tuple) else old[0]
        if self.zero_output_for_mask:
            before = ops.zeros_like(output)
        if before.shape != output.shape:
            raise ArgumentError(
                explain(
                    f"the layer {self.name!r} was given a mask, but its cell's output "
                    f"{list(output.shape)} has another shape than its state "
                    f"{list(before.shape)}, which stands for masked outputs",
                    fix="use zero_output_for_mask=True",
                )
            )
        kept = tree.map_leaves(lambda n, o: ops.where(_like(flag, n), n, o), new, old)
        return ops.where(_like(flag, output), output, before), kept


def _like(flag: Array, value: Array) -> Array:
    """Return the mask of one step with an axis for each of a state."""
    return ops.reshape(flag, (flag.shape[0], *(1 for _ in value.shape[1:])))


def _time_first(x: Array) -> Array:
    """Swap the axes of the batch and of the steps."""
    return ops.moveaxis(x, 1, 0)
