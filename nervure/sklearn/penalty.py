"""The L2 penalty of scikit-learn's perceptrons, with a strength that may change."""

from __future__ import annotations

from typing import Any

import numpy as np

from nervure import ops
from nervure.array import Array
from nervure.dtypes import DType
from nervure.regularizers import L2
from nervure.state import Cell


class Penalty(L2):
    """``strength * sum(x^2)``, where the strength is an input of the program.

    So networks that differ in it share one program, and it can follow the batch size.

    Parameters
    ----------
    dtype
        The type of the weights.
    """

    def __init__(self, dtype: DType) -> None:
        super().__init__(0.0)
        self.strength = Cell(Array.of_value(np.zeros((), dtype)), "penalty")

    def __call__(self, x: Any) -> Any:
        """Return the penalty of a weight."""
        return self.strength.value * ops.sum(x * x)

    def set(self, strength: float) -> None:
        """Change the strength."""
        value = np.asarray(strength, self.strength.dtype)
        self.strength.store(Array.of_value(value))
