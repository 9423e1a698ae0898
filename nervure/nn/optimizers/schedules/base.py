"""The base class of learning-rate schedules."""

from __future__ import annotations

from typing import Any

from nervure import dtypes
from nervure.array import Array
from nervure.nn.configuration import Configurable
from nervure.ops.operands import as_node


class LearningRateSchedule(Configurable):
    """A learning rate that depends on the number of steps taken.

    A subclass defines ``__call__(step)``, which is traced into the training step, so it
    computes with arrays and costs no time between steps.  It stores its arguments in
    attributes of the same names.

    >>> import nervure as nv
    >>> class Halving(nv.optimizers.schedules.LearningRateSchedule):
    ...     def __call__(self, step):
    ...         return 0.1 * 0.5 ** nv.astype(nv.asarray(step), "float32")
    >>> optimizer = nv.optimizers.SGD(Halving())
    >>> round(float(optimizer.learning_rate), 6)
    0.1
    """

    def __call__(self, step: Any) -> Any:
        """Return the rate for the step after ``step`` steps: a number or ``[]``."""
        raise NotImplementedError(f"{type(self).__name__} does not define __call__()")


def as_number(step: Any) -> Array:
    """Return a number of steps as an array ``float32[]``."""
    return Array.of_node(as_node(step, dtypes.DEFAULT_FLOAT))
