"""Layers that make one tensor of several, and the functions that apply them.

All take a list.  Axes of size 1 are repeated, but never the batch; of inputs with
different numbers of axes the shorter get axes of size 1 after the batch.

Where every input has a mask, a step of the output counts if it counts in any of them.
Inputs that do not count do not take part in products, maxima and minima, as in Keras.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, Unpack

from nervure import ops
from nervure.array import Array
from nervure.errors import ArgumentError, ShapeError, explain
from nervure.nn.layer import Layer
from nervure.nn.layer_options import LayerOptions
from nervure.nn.naming import snake_case
from nervure.ops import mixed, nn
from nervure.ops.operands import promoted


class Merge(Layer):
    """The part that is the same for all layers that merge."""

    def __init__(self, **options: Unpack[LayerOptions]) -> None:
        super().__init__(**options)
        self.supports_masking = True

    def call(self, inputs: Sequence[Array], mask: Any = None) -> Array:
        """Compute the output."""
        parts = self._checked(inputs)
        masks = [None] * len(parts) if mask is None else list(mask)
        rank = max(part.ndim for part in parts)
        return self._merged([_with_axes(part, rank) for part in parts], masks)

    def _merged(self, parts: Sequence[Array], masks: Sequence[Any]) -> Array:
        """Return one array for arrays with equal numbers of axes, and their masks."""
        raise NotImplementedError

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """Return which steps count in any of the inputs; None if one has no mask."""
        if previous_mask is None or any(one is None for one in previous_mask):
            return None
        return functools.reduce(ops.logical_or, previous_mask)

    def _checked(self, inputs: Any, count: int | None = None) -> list[Array]:
        """Return the list of inputs, after checking that it is one."""
        wanted = "at least 1 array" if count is None else f"{count} arrays"
        if not isinstance(inputs, list | tuple):
            raise self._refusal(
                f"expected a list of {wanted}, got one array of shape "
                f"{list(inputs.shape)}",
                "write layer([x, y])",
            )
        if not inputs or (count is not None and len(inputs) != count):
            raise self._refusal(
                f"expected a list of {wanted}, got {len(inputs)}",
                fix=f"call the layer with {wanted}, as in layer([x, y])",
            )
        sizes = {part.shape[0] for part in inputs if part.ndim}
        if len(sizes) > 1:
            raise self._refusal(
                "expected inputs with equal numbers of samples, got the shapes "
                + _shapes_text(inputs),
                fix="take the inputs from the same rows of the data",
            )
        return list(inputs)

    def _refusal(self, problem: str, fix: str | None = None) -> ShapeError:
        kind = snake_case(type(self).__name__)
        return ShapeError(explain(f"{kind} (layer {self.name!r}): {problem}", fix=fix))


def _with_axes(part: Array, rank: int) -> Array:
    """Return an array with axes of size 1 after the batch, ``rank`` axes in all."""
    if part.ndim == rank:
        return part
    batch, *rest = part.shape or (1,)
    return ops.reshape(part, (batch, *(1,) * (rank - 1 - len(rest)), *rest))


def _like(mask: Array, part: Array) -> Array:
    """Return a mask of steps with further axes of size 1, as many axes as an array."""
    return ops.reshape(mask, (*mask.shape, *(1,) * (part.ndim - mask.ndim)))


def _extreme(
    choose: Callable[[Array, Array], Array],
    parts: Sequence[Array],
    masks: Sequence[Any],
) -> Array:
    """Return the extreme of the elements that count.

    Where none counts, the first array's element stays; the mask of the output says so.
    """
    result, known = parts[0], masks[0]
    for part, mask in zip(parts[1:], masks[1:], strict=True):
        one = part if mask is None else ops.where(_like(mask, part), part, result)
        other = (
            result if known is None else ops.where(_like(known, result), result, one)
        )
        result = choose(other, one)
        known = None if mask is None or known is None else ops.logical_or(known, mask)
    return result


def _shapes_text(parts: Sequence[Array]) -> str:
    return ", ".join(str(list(part.shape)) for part in parts)


class Add(Merge):
    """The sum of the inputs, element by element.

    A list of ``float32[batch, ...]`` becomes ``float32[batch, ...]``.  Options: see
    :class:`~nervure.layers.Layer`.

    Raises
    ------
    ShapeError
        For shapes that do not broadcast, or different numbers of samples.

    >>> import nervure as nv
    >>> nv.layers.Add()([nv.ones((1, 2)), nv.ones((1, 2))]).tolist()
    [[2.0, 2.0]]
    """

    def _merged(self, parts: Sequence[Array], masks: Sequence[Any]) -> Array:
        return functools.reduce(ops.add, parts)


class Subtract(Merge):
    """The first of two inputs minus the second.

    A list of two ``float32[batch, ...]`` becomes ``float32[batch, ...]``.  Options: see
    :class:`~nervure.layers.Layer`.

    Raises
    ------
    ShapeError
        For another number of inputs, or shapes that do not broadcast.

    >>> import nervure as nv
    >>> nv.layers.Subtract()([nv.ones((1, 2)), nv.zeros((1, 2))]).tolist()
    [[1.0, 1.0]]
    """

    def call(self, inputs: Sequence[Array], mask: Any = None) -> Array:
        """Compute the output."""
        return super().call(self._checked(inputs, 2), mask)

    def _merged(self, parts: Sequence[Array], masks: Sequence[Any]) -> Array:
        first, second = parts
        return first - second


class Multiply(Merge):
    """The product of the inputs, element by element.

    A list of ``float32[batch, ...]`` becomes ``float32[batch, ...]``.  Options: see
    :class:`~nervure.layers.Layer`.

    Raises
    ------
    ShapeError
        For shapes that do not broadcast, or different numbers of samples.

    >>> import nervure as nv
    >>> nv.layers.Multiply()([nv.full((1, 2), 2.0), nv.full((1, 2), 4.0)]).tolist()
    [[8.0, 8.0]]
    """

    def _merged(self, parts: Sequence[Array], masks: Sequence[Any]) -> Array:
        factors = [
            part if mask is None else ops.where(_like(mask, part), part, 1.0)
            for part, mask in zip(parts, masks, strict=True)
        ]
        product = functools.reduce(ops.multiply, factors)
        known = self.compute_mask(parts, masks)
        return (
            product if known is None else ops.where(_like(known, product), product, 0.0)
        )


class Average(Merge):
    """The mean of the inputs, element by element.

    A list of ``float32[batch, ...]`` becomes ``float32[batch, ...]``.  Options: see
    :class:`~nervure.layers.Layer`.

    Raises
    ------
    ShapeError
        For shapes that do not broadcast, or different numbers of samples.

    >>> import nervure as nv
    >>> nv.layers.Average()([nv.ones((1, 2)), nv.zeros((1, 2))]).tolist()
    [[0.5, 0.5]]
    """

    def _merged(self, parts: Sequence[Array], masks: Sequence[Any]) -> Array:
        return functools.reduce(ops.add, parts) / len(parts)


class Maximum(Merge):
    """The largest of the inputs, element by element.

    A list of ``float32[batch, ...]`` becomes ``float32[batch, ...]``.  Options: see
    :class:`~nervure.layers.Layer`.

    Raises
    ------
    ShapeError
        For shapes that do not broadcast, or different numbers of samples.

    >>> import nervure as nv
    >>> nv.layers.Maximum()([nv.ones((1, 2)), nv.zeros((1, 2))]).tolist()
    [[1.0, 1.0]]
    """

    def _merged(self, parts: Sequence[Array], masks: Sequence[Any]) -> Array:
        return _extreme(ops.maximum, parts, masks)


class Minimum(Merge):
    """The smallest of the inputs, element by element.

    A list of ``float32[batch, ...]`` becomes ``float32[batch, ...]``.  Options: see
    :class:`~nervure.layers.Layer`.

    Raises
    ------
    ShapeError
        For shapes that do not broadcast, or different numbers of samples.

    >>> import nervure as nv
    >>> nv.layers.Minimum()([nv.ones((1, 2)), nv.zeros((1, 2))]).tolist()
    [[0.0, 0.0]]
    """

    def _merged(self, parts: Sequence[Array], masks: Sequence[Any]) -> Array:
        return _extreme(ops.minimum, parts, masks)


class Concatenate(Merge):
    """The inputs one after the other along an axis.

    A list of ``float32[batch, ..., n]`` becomes ``float32[batch, ..., sum of n]``.

    Parameters
    ----------
    axis
        Along which axis; the last by default.  All other sizes must be equal.

    Other arguments: see :class:`~nervure.layers.Layer`.

    Raises
    ------
    ShapeError
        For inputs that differ on another axis.

    >>> import nervure as nv
    >>> nv.layers.Concatenate()([nv.ones((1, 2)), nv.zeros((1, 1))]).tolist()
    [[1.0, 1.0, 0.0]]
    """

    def __init__(self, axis: int = -1, **options: Unpack[LayerOptions]) -> None:
        super().__init__(**options)
        if isinstance(axis, bool) or not hasattr(axis, "__index__"):
            raise ArgumentError(
                explain(
                    f"expected axis to be a whole number, got {axis!r}",
                    fix="write Concatenate(axis=-1) to put features side by side",
                )
            )
        self.axis = axis

    def call(self, inputs: Sequence[Array], mask: Any = None) -> Array:
        """Compute the output."""
        if self.axis == 0 and isinstance(inputs, list | tuple):
            return ops.concat(list(inputs), axis=0)
        parts = self._checked(inputs)
        ranks = {part.ndim for part in parts}
        if len(ranks) > 1 or any(
            len({part.shape[axis] for part in parts}) > 1
            for axis in range(min(ranks))
            if axis != self.axis % min(ranks)
        ):
            raise self._refusal(
                f"expected inputs that differ on axis {self.axis} only, got the shapes "
                + _shapes_text(parts)
            )
        return ops.concat(parts, axis=self.axis)

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """Return which steps count; all of those of an input without a mask do."""
        if previous_mask is None or all(one is None for one in previous_mask):
            return None
        full = [
            ops.ones(part.shape, dtype=bool)
            if mask is None
            else ops.broadcast_to(_like(mask, part), part.shape)
            for part, mask in zip(inputs, previous_mask, strict=True)
        ]
        return ops.any(ops.concat(full, axis=self.axis), axis=-1)


class Dot(Merge):
    """The products of two inputs, summed over an axis of each, sample by sample.

    ``float32[batch, *a, n]`` and ``float32[batch, *b, n]`` with ``axes=-1`` become
    ``float32[batch, *a, *b]``; where that is one axis only, ``float32[batch, 1]``.

    Parameters
    ----------
    axes
        The axis of both that is summed over, or a pair of axes; not 0.
    normalize
        Whether the inputs are divided by their Euclidean norm along the axis first:
        the result is then the cosine of the angle between them.

    Other arguments: see :class:`~nervure.layers.Layer`.

    Raises
    ------
    ShapeError
        For another number of inputs, or axes of different sizes.

    >>> import nervure as nv
    >>> nv.layers.Dot(axes=1)([nv.ones((1, 3)), nv.asarray([[1.0, 2.0, 3.0]])]).tolist()
    [[6.0]]
    """

    def __init__(
        self,
        axes: int | Sequence[int],
        normalize: bool = False,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        pair = (axes, axes) if isinstance(axes, int) else tuple(axes)
        if len(pair) != 2 or 0 in pair:
            raise ArgumentError(
                explain(
                    "expected axes to be an axis or a pair of axes, other than that "
                    "of the "
                    f"batch (0), got {axes!r}",
                    fix="axes=1 contracts the features of vectors; axes=(2, 1) the "
                    "last of x with the first of y",
                )
            )
        self.axes = axes
        self.normalize = bool(normalize)

    def call(self, inputs: Sequence[Array], mask: Any = None) -> Array:
        """Compute the output."""
        x, y = self._checked(inputs, 2)
        given = (self.axes,) * 2 if isinstance(self.axes, int) else self.axes
        axes = []
        for part, axis in zip((x, y), given, strict=True):
            if not -part.ndim < axis < part.ndim:
                raise self._refusal(
                    f"there is no axis {axis} besides the batch in an input of shape "
                    f"{list(part.shape)}",
                    fix="count the axes from 0 for the batch: the last one is "
                    f"{part.ndim - 1}, or -1",
                )
            axes.append(axis % part.ndim)
        if x.shape[axes[0]] != y.shape[axes[1]]:
            raise self._refusal(
                f"expected equal sizes of axis {axes[0]} and axis {axes[1]}, got the "
                f"shapes {_shapes_text([x, y])}",
                fix="choose other axes, or bring the inputs to one size with Dense",
            )
        if self.normalize:
            x, y = nn.normalize(x, axes[0]), nn.normalize(y, axes[1])
        product = mixed.dot(*promoted(x, y), ((0,), (0,)), ((axes[0],), (axes[1],)))
        result = Array.of_node(product)
        return ops.expand_dims(result, 1) if result.ndim == 1 else result

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """Return None: what a product of steps means is not known."""
        return None


# --- the same as functions -----------------------------------------------------------


def add(inputs: Sequence[Any], **options: Unpack[LayerOptions]) -> Any:
    """Return ``Add(**options)(inputs)``; see :class:`Add`.

    >>> import nervure as nv
    >>> nv.layers.add([nv.ones((1, 2)), nv.ones((1, 2))]).tolist()
    [[2.0, 2.0]]
    """
    return Add(**options)(inputs)


def subtract(inputs: Sequence[Any], **options: Unpack[LayerOptions]) -> Any:
    """Return ``Subtract(**options)(inputs)``; see :class:`Subtract`.

    >>> import nervure as nv
    >>> nv.layers.subtract([nv.ones((1, 2)), nv.ones((1, 2))]).tolist()
    [[0.0, 0.0]]
    """
    return Subtract(**options)(inputs)


def multiply(inputs: Sequence[Any], **options: Unpack[LayerOptions]) -> Any:
    """Return ``Multiply(**options)(inputs)``; see :class:`Multiply`.

    >>> import nervure as nv
    >>> nv.layers.multiply([nv.ones((1, 2)), nv.zeros((1, 2))]).tolist()
    [[0.0, 0.0]]
    """
    return Multiply(**options)(inputs)


def average(inputs: Sequence[Any], **options: Unpack[LayerOptions]) -> Any:
    """Return ``Average(**options)(inputs)``; see :class:`Average`.

    >>> import nervure as nv
    >>> nv.layers.average([nv.ones((1, 2)), nv.zeros((1, 2))]).tolist()
    [[0.5, 0.5]]
    """
    return Average(**options)(inputs)


def maximum(inputs: Sequence[Any], **options: Unpack[LayerOptions]) -> Any:
    """Return ``Maximum(**options)(inputs)``; see :class:`Maximum`.

    >>> import nervure as nv
    >>> nv.layers.maximum([nv.ones((1, 2)), nv.zeros((1, 2))]).tolist()
    [[1.0, 1.0]]
    """
    return Maximum(**options)(inputs)


def minimum(inputs: Sequence[Any], **options: Unpack[LayerOptions]) -> Any:
    """Return ``Minimum(**options)(inputs)``; see :class:`Minimum`.

    >>> import nervure as nv
    >>> nv.layers.minimum([nv.ones((1, 2)), nv.zeros((1, 2))]).tolist()
    [[0.0, 0.0]]
    """
    return Minimum(**options)(inputs)


def concatenate(
    inputs: Sequence[Any], axis: int = -1, **options: Unpack[LayerOptions]
) -> Any:
    """Return ``Concatenate(axis, **options)(inputs)``; see :class:`Concatenate`.

    >>> import nervure as nv
    >>> nv.layers.concatenate([nv.ones((1, 2)), nv.zeros((1, 1))]).tolist()
    [[1.0, 1.0, 0.0]]
    """
    return Concatenate(axis, **options)(inputs)


def dot(
    inputs: Sequence[Any],
    axes: int | Sequence[int] = -1,
    normalize: bool = False,
    **options: Unpack[LayerOptions],
) -> Any:
    """Return ``Dot(axes, normalize, **options)(inputs)``; see :class:`Dot`.

    >>> import nervure as nv
    >>> nv.layers.dot([nv.ones((1, 3)), nv.ones((1, 3))]).tolist()
    [[3.0]]
    """
    return Dot(axes, normalize, **options)(inputs)
