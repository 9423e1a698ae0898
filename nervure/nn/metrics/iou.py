"""Intersection over union: how well regions of classes agree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy.typing as npt

from nervure import dtypes, ops
from nervure.array import Array
from nervure.errors import ArgumentError, ShapeError, explain
from nervure.nn.arguments import finite_number, whole_number
from nervure.nn.metrics.base import Metric
from nervure.ops.operands import as_node
from nervure.prims.indexed import scatter

_EPSILON: Final = 1e-7


class IoU(Metric):
    """The mean of ``hits / (hits + false alarms + misses)`` over some classes.

    Classes that neither occur nor are predicted do not count.

    Parameters
    ----------
    num_classes
        The number of classes.
    target_class_ids
        The classes that are judged.
    name
        See :class:`Metric`.
    dtype
        The type of the counts; int64 by default, a floating-point one for fractional
        sample weights.
    ignore_class
        Places with this target do not count.
    sparse_y_true, sparse_y_pred
        Whether targets, predictions are class numbers; otherwise the class is the place
        of the largest value.
    axis
        The axis of the classes, where they are not class numbers.

    Raises
    ------
    ArgumentError
        For target classes that do not exist.

    >>> import nervure as nv
    >>> round(nv.metrics.IoU(2, [0])([0, 0, 1, 1], [0, 1, 0, 1]).item(), 4)
    0.3333
    """

    def __init__(
        self,
        num_classes: int,
        target_class_ids: Sequence[int],
        name: str | None = None,
        dtype: npt.DTypeLike | None = None,
        ignore_class: int | None = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: int = -1,
    ) -> None:
        super().__init__(name, dtypes.int64 if dtype is None else dtype)
        self.num_classes = whole_number("num_classes", num_classes, least=1)
        self.target_class_ids = [int(one) for one in target_class_ids]
        for one in self.target_class_ids:
            if not 0 <= one < self.num_classes:
                raise ArgumentError(
                    explain(
                        f"the target class {one} is out of range: there are "
                        f"{self.num_classes} classes, numbered from 0",
                        fix=f"name classes from 0 to {self.num_classes - 1}",
                    )
                )
        self.ignore_class = ignore_class
        self.sparse_y_true = bool(sparse_y_true)
        self.sparse_y_pred = bool(sparse_y_pred)
        self.axis = axis
        shape = (self.num_classes, self.num_classes)
        self.total_cm = self.add_variable(shape, "zeros", name="total_confusion_matrix")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take in targets and predictions, of any shape with equal sizes.

        Raises
        ------
        ShapeError
            For other numbers of targets than of predictions.
        """
        true = self._classes(y_true, self.sparse_y_true)
        pred = self._classes(y_pred, self.sparse_y_pred)
        if true.shape != pred.shape:
            raise ShapeError(
                explain(
                    f"expected as many predictions as targets, got {pred.size} and "
                    f"{true.size}",
                    fix="pass both in one shape; sparse_y_pred=False takes a score "
                    "for each class",
                )
            )
        count = self.num_classes
        known = (true >= 0) & (true < count) & (pred >= 0) & (pred < count)
        if self.ignore_class is not None:
            known = known & (true != self.ignore_class)
        weights = self._weights(sample_weight, true.shape[0])
        weights = ops.where(known, weights, ops.zeros_like(weights))
        places = ops.where(known, true * count + pred, 0)
        start = ops.zeros((count * count,), dtype=self.dtype)
        flat = scatter(start.node, places.node, weights.node, 0, "add")
        self.total_cm.assign_add(ops.reshape(Array.of_node(flat), (count, count)))

    def _classes(self, values: Any, sparse: bool) -> Array:
        array = Array.of_node(as_node(values))
        if not sparse:
            array = ops.argmax(array, axis=self.axis)
        return ops.reshape(ops.astype(array, dtypes.int64), (-1,))

    def _weights(self, sample_weight: Any, count: int) -> Array:
        if sample_weight is None:
            return ops.ones((count,), dtype=self.dtype)
        given = Array.of_node(as_node(sample_weight))
        if dtypes.is_float(given.dtype) and not dtypes.is_float(self.dtype):
            raise ArgumentError(
                explain(
                    f"{type(self).__name__} counts in {self.dtype.name}, which cannot "
                    f"hold sample weights of type {given.dtype.name}",
                    fix='make it with dtype="float32"',
                )
            )
        flat = ops.reshape(ops.astype(given, self.dtype), (-1,))
        return ops.broadcast_to(flat, (count,))

    def result(self) -> Array:
        """Return the mean, ``float32[]``."""
        matrix = ops.astype(self.total_cm.value, dtypes.DEFAULT_FLOAT)
        eye = ops.eye(self.num_classes, dtype=matrix.dtype)
        hits = ops.sum(matrix * eye, axis=0)
        union = ops.sum(matrix, axis=0) + ops.sum(matrix, axis=1) - hits
        hits, union = (
            ops.take(one, ops.asarray(self.target_class_ids), axis=0)
            for one in (hits, union)
        )
        valid = union > 1e-9
        shares = ops.where(valid, hits / (union + _EPSILON), 0.0)
        count = ops.sum(ops.astype(valid, matrix.dtype))
        return ops.sum(shares) / (count + _EPSILON)


class BinaryIoU(IoU):
    """Intersection over union of two classes, told apart by a threshold.

    Parameters
    ----------
    target_class_ids
        The classes that are judged, of 0 and 1.
    threshold
        Predictions from here on are of class 1.
    name, dtype
        See :class:`IoU`.

    >>> import nervure as nv
    >>> round(nv.metrics.BinaryIoU()([0, 1, 0, 1], [0.1, 0.2, 0.4, 0.7]).item(), 4)
    0.5833
    """

    def __init__(
        self,
        target_class_ids: Sequence[int] = (0, 1),
        threshold: float = 0.5,
        name: str | None = None,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        super().__init__(2, target_class_ids, name, dtype)
        self.threshold = finite_number("threshold", threshold)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take in targets 0 and 1, and predictions, of any shape with equal sizes."""
        pred = Array.of_node(as_node(y_pred, dtypes.DEFAULT_FLOAT))
        chosen = ops.astype(pred >= self.threshold, dtypes.int64)
        super().update_state(y_true, chosen, sample_weight)


class MeanIoU(IoU):
    """Intersection over union, averaged over all classes.

    The parameters are those of :class:`IoU`.

    >>> import nervure as nv
    >>> round(nv.metrics.MeanIoU(2)([0, 0, 1, 1], [0, 1, 0, 1]).item(), 4)
    0.3333
    """

    def __init__(
        self,
        num_classes: int,
        name: str | None = None,
        dtype: npt.DTypeLike | None = None,
        ignore_class: int | None = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: int = -1,
    ) -> None:
        super().__init__(
            num_classes,
            range(num_classes),
            name,
            dtype,
            ignore_class,
            sparse_y_true,
            sparse_y_pred,
            axis,
        )


class OneHotIoU(IoU):
    """Intersection over union of some classes, with one-hot targets.

    The parameters are those of :class:`IoU`.

    >>> import nervure as nv
    >>> metric = nv.metrics.OneHotIoU(2, [0])
    >>> round(metric([[1, 0], [0, 1]], [[0.9, 0.1], [0.8, 0.2]]).item(), 4)
    0.5
    """

    def __init__(
        self,
        num_classes: int,
        target_class_ids: Sequence[int],
        name: str | None = None,
        dtype: npt.DTypeLike | None = None,
        ignore_class: int | None = None,
        sparse_y_pred: bool = False,
        axis: int = -1,
    ) -> None:
        super().__init__(
            num_classes,
            target_class_ids,
            name,
            dtype,
            ignore_class,
            sparse_y_true=False,
            sparse_y_pred=sparse_y_pred,
            axis=axis,
        )


class OneHotMeanIoU(MeanIoU):
    """Intersection over union, averaged over all classes, with one-hot targets.

    The parameters are those of :class:`IoU`.

    >>> import nervure as nv
    >>> metric = nv.metrics.OneHotMeanIoU(2)
    >>> round(metric([[1, 0], [0, 1]], [[0.9, 0.1], [0.2, 0.8]]).item(), 4)
    1.0
    """

    def __init__(
        self,
        num_classes: int,
        name: str | None = None,
        dtype: npt.DTypeLike | None = None,
        ignore_class: int | None = None,
        sparse_y_pred: bool = False,
        axis: int = -1,
    ) -> None:
        super().__init__(
            num_classes,
            name,
            dtype,
            ignore_class,
            sparse_y_true=False,
            sparse_y_pred=sparse_y_pred,
            axis=axis,
        )
