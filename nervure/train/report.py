"""The numbers of a pass: of metrics, or what a ``train_step`` of one's own returned."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nervure import dtypes, ops
from nervure.array import Array
from nervure.errors import ArgumentError, explain
from nervure.nn.variable import Variable
from nervure.ops.operands import as_node
from nervure.state import Cell, untraced
from nervure.step import compile as compile_function

if TYPE_CHECKING:
    from nervure.train.model import Model


class MetricReport:
    """The values of a model's metrics, read when somebody asks."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._results: Callable[[], list[Array]] | None = None
        self._read: tuple[int, ...] = ()

    def reset(self) -> None:
        """Start a new pass."""
        self._model.reset_metrics()

    def loss_cells(self) -> list[Cell]:
        """Return the cells that are not finite once a loss was not."""
        return [self._model.require_compiled("training").loss_tracker.total]

    def values(self) -> dict[str, float]:
        """Return the values so far by name, in Keras' order: that of the alphabet."""
        metrics = self._model.metrics
        read = tuple(map(id, metrics))
        if self._results is None or read != self._read:
            self._read = read
            results = compile_function(lambda: [one.result() for one in metrics])
            results.recompiles.name = f"the metrics of {self._model.name!r}"
            self._results = results
        keys = self._model.metric_keys
        names = [keys.get(id(one), one.name) for one in metrics]
        results = [float(one) for one in self._results()]
        return dict(sorted(zip(names, results, strict=True)))


class LogReport(MetricReport):
    """What a step of the user's own returned last, kept in variables."""

    def __init__(self, model: Model) -> None:
        super().__init__(model)
        self._last: dict[str, Variable] = {}

    def keep(self, logs: Any) -> None:
        """Remember a step's dict of numbers; called while the step is traced."""
        if not isinstance(logs, dict):
            raise ArgumentError(
                explain(
                    "train_step and test_step must return a dict of numbers by name, "
                    f"got {type(logs).__name__}",
                    fix="return {'loss': loss}, or self.get_metrics_result()",
                )
            )
        for name, value in logs.items():
            array = Array.of_node(as_node(value))
            if array.size != 1:
                raise ArgumentError(
                    explain(
                        f"train_step and test_step must return single numbers, but "
                        f"{name!r} has the shape {list(array.shape)}",
                        fix="take the mean first: nervure.mean(value)",
                    )
                )
            if name not in self._last:
                with untraced():
                    self._last[name] = Variable(
                        0.0, name=name, trainable=False, dtype=dtypes.float32
                    )
            self._last[name].assign(ops.astype(ops.reshape(array, ()), dtypes.float32))

    def loss_cells(self) -> list[Cell]:
        """Return the cells of what the step called a loss."""
        return [cell for name, cell in self._last.items() if name.endswith("loss")]

    def values(self) -> dict[str, float]:
        """Return the numbers of the last step by name, in order of the alphabet."""
        return {name: float(one.numpy()) for name, one in sorted(self._last.items())}
