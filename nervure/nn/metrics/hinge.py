"""The hinge losses as metrics."""

from __future__ import annotations

import numpy.typing as npt

from nervure.nn.losses.hinge import categorical_hinge, hinge, squared_hinge
from nervure.nn.metrics.reduction import FunctionMetric

__all__ = [
    "CategoricalHinge",
    "Hinge",
    "SquaredHinge",
    "categorical_hinge",
    "hinge",
    "squared_hinge",
]


class Hinge(FunctionMetric):
    """The mean hinge loss; see :func:`nervure.losses.hinge`.

    >>> import nervure as nv
    >>> nv.metrics.Hinge()([[1.0], [-1.0]], [[0.5], [0.5]]).item()
    1.0
    """

    function = staticmethod(hinge)
    over_last_axis = True

    def __init__(self, name: str = "hinge", dtype: npt.DTypeLike | None = None) -> None:
        super().__init__(name, dtype)


class SquaredHinge(FunctionMetric):
    """The mean squared hinge loss; see :func:`nervure.losses.squared_hinge`.

    >>> import nervure as nv
    >>> nv.metrics.SquaredHinge()([[1.0], [-1.0]], [[1.0], [1.0]]).item()
    2.0
    """

    function = staticmethod(squared_hinge)
    over_last_axis = True

    def __init__(
        self, name: str = "squared_hinge", dtype: npt.DTypeLike | None = None
    ) -> None:
        super().__init__(name, dtype)


class CategoricalHinge(FunctionMetric):
    """The mean hinge loss of classes; see :func:`nervure.losses.categorical_hinge`.

    >>> import nervure as nv
    >>> nv.metrics.CategoricalHinge()([[0.0, 1.0]], [[0.0, 1.0]]).item()
    0.0
    """

    function = staticmethod(categorical_hinge)

    def __init__(
        self, name: str = "categorical_hinge", dtype: npt.DTypeLike | None = None
    ) -> None:
        super().__init__(name, dtype)
