"""Several cells as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Unpack

from nervure import ops
from nervure.array import Array
from nervure.errors import ArgumentError, explain
from nervure.nn.layer import Layer
from nervure.nn.layer_options import LayerOptions
from nervure.nn.layers.recurrent.base import NO_MASKS, DropoutMasks, SplitCell
from nervure.nn.layers.recurrent.inside import made_from


class StackedRNNCells(Layer):
    """Cells on top of each other: the output of one is the input of the next.

    The states are a list with an entry for each cell: its state, or a list of them.

    Parameters
    ----------
    cells
        The cells, at least one; each has ``call(inputs, states)`` and ``state_size``.

    Other arguments: see :class:`~nervure.layers.Layer`.

    Raises
    ------
    ArgumentError
        For no cells.

    >>> import nervure as nv
    >>> cells = [nv.layers.LSTMCell(4), nv.layers.GRUCell(2)]
    >>> layer = nv.layers.RNN(nv.layers.StackedRNNCells(cells))
    >>> layer(nv.ones((3, 5, 6))).shape
    (3, 2)
    """

    def __init__(self, cells: Sequence[Any], **options: Unpack[LayerOptions]) -> None:
        super().__init__(**options)
        if not isinstance(cells, list | tuple):
            raise ArgumentError(
                explain(
                    f"expected a list of cells, got {cells!r}",
                    fix="write StackedRNNCells([LSTMCell(32), LSTMCell(32)])",
                )
            )
        self.cells = [made_from(cell) for cell in cells]
        if not self.cells:
            raise ArgumentError(
                explain(
                    "expected at least one cell to stack",
                    fix="write StackedRNNCells([LSTMCell(8), LSTMCell(4)])",
                )
            )
        for cell in self.cells:
            check_cell(cell)

    @property
    def state_size(self) -> list[Any]:
        """The size, or the list of sizes, of each cell's states."""
        return [cell.state_size for cell in self.cells]

    @property
    def output_size(self) -> int:
        """The number of features of the last cell's output."""
        return output_size_of(self.cells[-1])

    def get_initial_state(self, batch_size: int | None = None) -> list[Any]:
        """Return the first states of every cell."""
        return [initial_state_of(cell, batch_size, self.dtype) for cell in self.cells]

    def build(self, input_shape: Any) -> None:
        """Build every cell for the output of the one before."""
        shape = input_shape
        for cell in self.cells:
            if isinstance(cell, Layer) and not cell.built:
                cell.build(shape)
                cell.built = True
            shape = (input_shape[0], output_size_of(cell))

    def masks(self, batch: int, training: bool) -> list[DropoutMasks]:
        """Draw the masks of dropout of every cell for one batch of sequences."""
        return [
            cell.masks(batch, training) if isinstance(cell, SplitCell) else NO_MASKS
            for cell in self.cells
        ]

    def call(
        self, inputs: Array, states: Sequence[Any], training: bool = False
    ) -> tuple[Array, list[Any]]:
        """Compute the output of the last cell and the new states of all."""
        masks = self.masks(inputs.shape[0], training)
        return self.advance(inputs, states, masks, training)

    def advance(
        self,
        inputs: Array,
        states: Sequence[Any],
        masks: Sequence[DropoutMasks],
        training: bool,
    ) -> tuple[Array, list[Any]]:
        """Run one step of all cells, with the masks that were drawn.

        ``inputs`` are ``[batch, features]``, of one step.
        """
        new_states: list[Any] = []
        for cell, own, drawn in zip(self.cells, states, masks, strict=True):
            several = isinstance(own, list | tuple)
            given = list(own) if several else [own]
            if isinstance(cell, SplitCell):
                inputs, new = cell.advance(cell.project(inputs, drawn), given, drawn)
            else:
                inputs, new = step_of(cell, inputs, given, training)
            new_states.append(new if several else new[0])
        return inputs, new_states

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Any:
        """Make the cells from what :meth:`get_config` returned."""
        return cls(**config)


def check_cell(cell: Any) -> None:
    """Raise :class:`ArgumentError` unless an object can be the cell of a layer."""
    for name in ("call", "state_size"):
        if not hasattr(cell, name):
            raise ArgumentError(
                explain(
                    f"expected a recurrent cell, got {cell!r}, which has no {name!r}",
                    fix="a cell has call(inputs, states), which returns the output and "
                    "the new states, and state_size",
                )
            )


def step_of(
    cell: Any, inputs: Any, states: Any, training: bool
) -> tuple[Any, list[Any]]:
    """Call a cell of the user's."""
    if isinstance(cell, Layer):
        flag = {"training": training} if "training" in cell._call_parameters else {}
        output, new = cell(inputs, states, **flag)
    else:
        output, new = cell.call(inputs, states)
    return output, list(new) if isinstance(new, list | tuple) else [new]


def output_size_of(cell: Any) -> int:
    """Return the number of features of a cell's output."""
    size = getattr(cell, "output_size", None)
    if size is None:
        size = cell.state_size
    while isinstance(size, list | tuple):
        size = size[0]
    return int(size)


def initial_state_of(cell: Any, batch: int | None, dtype: Any) -> Any:
    """Return the first states of a cell: its own, or zeros."""
    own = getattr(cell, "get_initial_state", None)
    if own is not None:
        return own(batch_size=batch)
    size = cell.state_size
    if isinstance(size, list | tuple):
        return [ops.zeros((batch, one), dtype=dtype) for one in size]
    return ops.zeros((batch, size), dtype=dtype)
