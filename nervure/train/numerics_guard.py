"""The guard that explains a loss which is no finite number any more.

While all is well it only remembers references.  Training runs many steps in one call
of the executor; the state before a call exists anyway until the call returns, and the
loss of its steps is a running sum, in which one NaN stays.  So after each call one
number tells whether all its losses were finite.

If not, the state before the call is put back and its steps run one by one, by the same
program, hence with the same bits, until the step is found whose loss or new weights are
not finite.  As a weight that was spoilt by the last step of a call shows in the loss of
the next one, the call before is kept too, where its state is small or the user asked
for checks.  That one step then runs on the reference executor, operation by operation
(``exec/origins.py``).
"""

from __future__ import annotations

import math
import os
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from nervure import dtypes
from nervure.array import Array
from nervure.config import cache_directory
from nervure.errors import NumericsError, NumericsWarning, explain
from nervure.exec.origins import Origin, find_origin
from nervure.ir.attrs import NDArray
from nervure.ir.node import current_site
from nervure.state import Cell
from nervure.step import Step, Trace
from nervure.train.checks import all_finite
from nervure.train.numerics_report import NumericsReport, report_of
from nervure.train.rows import Form
from nervure.train.saving.state import optimizer_cells, weight_cells
from nervure.train.steps import EagerStep, Steps

if TYPE_CHECKING:
    from nervure.train.model import Model

# The state before the call before, and data that were read for it, are kept without
# being asked if they are this small.
SMALL_STATE: Final = 2**26
# So many batches are kept on disk; the oldest go first.
MOST_FILES: Final = 20

State = dict[Cell, Array]


@dataclass(frozen=True)
class _Call:
    """Steps that ran in one call, and the state before them."""

    arrays: Sequence[NDArray]
    rows: NDArray
    before: State
    epoch: int
    batch: int


@dataclass(frozen=True)
class _BadStep:
    call: _Call
    place: int
    before: State


class NumericsGuard:
    """Looks at the loss after each call of the executor.

    Parameters
    ----------
    model, steps
        What is trained.
    row_name
        What rows are counted in: those of the ``"data"``, or of the ``"batch"``.
    quiet
        Do not warn: somebody else tells the user.

    Attributes
    ----------
    report
        What was found, or None.
    """

    def __init__(
        self,
        model: Model,
        steps: Steps,
        *,
        row_name: str = "data",
        quiet: bool = False,
    ) -> None:
        wanted = model.require_compiled("training").check_numerics
        self._model = model
        self._steps = steps
        self._step = steps.train
        self._row_name = row_name
        self._quiet = quiet
        self._strict = wanted is True
        self._active = wanted is not False
        self._keeps_one_more = self._strict
        self._current: _Call | None = None
        self._previous: _Call | None = None
        self.report: NumericsReport | None = None

    # --- while all is well -----------------------------------------------------------

    def before(
        self, arrays: Sequence[NDArray], rows: NDArray, epoch: int, batch: int
    ) -> None:
        """Remember the state before the steps of a call; nothing is copied."""
        if not self._active:
            return
        before: State = {}
        if isinstance(self._step, Step):
            trace = self._step.trace(arrays, [rows])
            cells = (*trace.written, *trace.only_read)
            before = {cell: cell.stored for cell in cells}
            if self._previous is None and not self._keeps_one_more:
                nbytes = sum(array.nbytes for array in before.values())
                if self._row_name == "batch":  # data that nobody else keeps
                    nbytes += sum(array.nbytes for array in arrays)
                self._keeps_one_more = nbytes <= SMALL_STATE
        self._current = _Call(arrays, rows, before, epoch, batch)

    def after(self) -> None:
        """Look at the loss; explain it if it is not finite.

        Raises :class:`~nervure.errors.NumericsError` where the user asked for checks.
        """
        if not self._active:
            return
        if self._is_fine():
            self._previous = self._current if self._keeps_one_more else None
            self._current = None
        elif not self._steps.suspicion.is_justified:  # else bad data will be named
            self._active = False
            self._examine()
            self._current = self._previous = None

    def _is_fine(self) -> bool:
        losses = self._steps.train_report.loss_cells()
        if not all(math.isfinite(float(cell.stored)) for cell in losses):
            return False
        return not self._strict or all(
            _is_finite(one.stored) for one in self._model.trainable_variables
        )

    # --- when it is not --------------------------------------------------------------

    def _examine(self) -> None:
        assert self._current is not None
        if isinstance(self._step, EagerStep):
            self._without_replay(self._current)
            return
        after = {cell: cell.stored for cell in self._current.before}
        try:
            bad = self._bad_step(self._step)
            self.report = self._explained(bad)
        finally:  # Ctrl-C, too, finds the state as training left it
            _restore(after)
        if self._strict:
            _restore(bad.before)
            error = NumericsError(self.report.text)
            error.report = self.report
            raise error
        if not self._quiet:
            site = current_site()
            message = NumericsWarning(self.report.text)
            warnings.warn_explicit(message, NumericsWarning, site.file, site.line)

    def _without_replay(self, call: _Call) -> None:
        """Say what is known of a step that ran as plain Python."""
        if self._strict:
            raise NumericsError(
                explain(
                    f"the loss of the model {self._model.name!r} is not finite after "
                    f"epoch {call.epoch + 1}, step {call.batch + 1}",
                    fix="compile the model without run_eagerly=True: then the step is "
                    "computed again, and the operation is named",
                )
            )

    def _bad_step(self, step: Step) -> _BadStep:
        """Run the steps of the last calls one by one until one is bad."""
        calls = [one for one in (self._previous, self._current) if one is not None]
        for call in calls:
            _restore(call.before)
            watched = self._watched(step.trace(call.arrays, [call.rows]))
            for place in range(len(call.rows)):
                before = {cell: cell.stored for cell in call.before}
                step.run(call.arrays, [call.rows[place : place + 1]])
                if not all(_is_finite(cell.stored) for cell, _ in watched):
                    return _BadStep(call, place, before)
        # Only if bits differed between two runs, which is promised not to be.
        return _BadStep(calls[-1], len(calls[-1].rows) - 1, before)

    def _watched(self, trace: Trace) -> list[tuple[Cell, str]]:
        """Return the cells that must stay finite, with names; the loss first."""
        losses = self._steps.train_report.loss_cells()
        named = dict.fromkeys(losses, "the loss")
        for cells in (weight_cells(self._model), optimizer_cells(self._model)):
            for cell in cells.values():
                named.setdefault(cell, f"{getattr(cell, 'path', cell.name)!r}")
        written = set(trace.written)
        return [(cell, name) for cell, name in named.items() if cell in written]

    def _explained(self, bad: _BadStep) -> NumericsReport:
        call, rows = bad.call, bad.call.rows[bad.place]
        assert isinstance(self._step, Step)
        trace = self._step.trace(call.arrays, [call.rows])
        watched = self._watched(trace)
        places = {cell: place for place, cell in enumerate(trace.written)}
        state = [
            bad.before[cell].numpy() for cell in (*trace.written, *trace.only_read)
        ]
        values = [*state, *call.arrays, rows]
        origin = find_origin(
            trace.graph,
            dict(zip(trace.graph.inputs, values, strict=True)),
            [places[cell] for cell, _ in watched],
            set(trace.graph.inputs[len(state) : len(state) + len(call.arrays)]),
        )
        names = {places[cell]: name for cell, name in watched}
        guilty = self._guilty(origin, len(rows))
        return report_of(
            origin,
            model=self._model.name,
            epoch=call.epoch + 1,
            step=call.batch + bad.place + 1,
            seen_in="the loss" if origin is None else names[origin.output],
            rows=(rows[guilty] if self._row_name == "data" else guilty).tolist(),
            row_name=self._row_name,
            some_rows=len(guilty) < len(rows),
            batch_file=self._kept(call, bad.place),
        )

    def _guilty(self, origin: Origin | None, count: int) -> NDArray:
        """Return the places in the batch of the rows that are not finite."""
        everyone = np.arange(count)
        if origin is None or not len(origin.rows):
            return everyone
        shape = origin.node.shape
        weights = {one.shape for one in self._model.weights}
        return origin.rows if shape[0] == count and shape not in weights else everyone

    def _kept(self, call: _Call, place: int) -> str:
        """Write the rows of a batch to a file, and return where it is."""
        rows = call.rows[place]
        parts = {
            name: np.asarray(one[rows])
            for name, one in zip(
                _names(self._steps.form, len(call.arrays)), call.arrays, strict=True
            )
        }
        folder = cache_directory() / "numerics"
        name = re.sub(r"[^\w.-]", "_", self._model.name)
        step = call.batch + place + 1
        path = folder / f"{name}-{call.epoch + 1}-{step}-{os.getpid()}.npz"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            np.savez(path, rows=rows, **parts)  # type: ignore[arg-type]
            files = sorted(folder.glob("*.npz"), key=lambda one: one.stat().st_mtime)
            for old in files[:-MOST_FILES]:
                old.unlink(missing_ok=True)
        except OSError as error:
            return f"no file, because {folder} cannot be written: {error}"
        return str(path)


def _names(form: Form, count: int) -> list[str]:
    """Return the names of inputs, targets and weights in a file."""
    groups = (form.x.leaf_count, form.y.leaf_count, form.weights.leaf_count)
    names = [
        group if size == 1 else f"{group}{place}"
        for group, size in zip(("x", "y", "sample_weight"), groups, strict=True)
        for place in range(size)
    ]
    return names if len(names) == count else [f"array{n}" for n in range(count)]


def _restore(state: State) -> None:
    for cell, value in state.items():
        cell.store(value)


def _is_finite(array: Array) -> bool:
    return not dtypes.is_float(array.dtype) or all_finite(array.numpy())
