"""What a layer expects of its input, checked before anything is computed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nervure.array import Array
from nervure.errors import ShapeError, explain
from nervure.ir.build import origin_of
from nervure.ir.node import current_site
from nervure.nn.naming import snake_case
from nervure.nn.symbolic import PartialShape, SymbolicTensor

if TYPE_CHECKING:
    from nervure.nn.layer import Layer


class InputSpec:
    """The rank and some sizes that the input of a layer must have.

    Parameters
    ----------
    ndim, min_ndim, max_ndim
        The number of axes, or limits of it.
    axes
        For some axes, the size that each must have.

    >>> from nervure.nn.input_spec import InputSpec
    >>> InputSpec(min_ndim=2, axes={-1: 784})
    InputSpec(min_ndim=2, axes={-1: 784})
    """

    def __init__(
        self,
        *,
        ndim: int | None = None,
        min_ndim: int | None = None,
        max_ndim: int | None = None,
        axes: Mapping[int, int | None] | None = None,
    ) -> None:
        self.ndim = ndim
        self.min_ndim = min_ndim
        self.max_ndim = max_ndim
        self.axes = dict(axes or {})

    def __repr__(self) -> str:
        given = ", ".join(
            f"{name}={value}" for name, value in vars(self).items() if value
        )
        return f"InputSpec({given})"

    def check(self, layer: Layer, value: Array | SymbolicTensor) -> None:
        """Raise :class:`~nervure.errors.ShapeError` if the input does not fit."""
        problem = self.problem(value.shape)
        if problem is not None:
            raise ShapeError(self._message(layer, value, problem))

    def problem(self, shape: PartialShape) -> str | None:
        """Say in words what is wrong with a shape, or None."""
        ndim = len(shape)
        if self.ndim is not None and ndim != self.ndim:
            return f"expected an input with {self.ndim} axes, got {ndim}"
        if self.min_ndim is not None and ndim < self.min_ndim:
            return f"expected an input with at least {self.min_ndim} axes, got {ndim}"
        if self.max_ndim is not None and ndim > self.max_ndim:
            return f"expected an input with at most {self.max_ndim} axes, got {ndim}"
        for axis, wanted in self.axes.items():
            if wanted is None or not -ndim <= axis < ndim:
                continue
            if shape[axis] is not None and shape[axis] != wanted:
                if axis in (-1, ndim - 1):
                    return f"expected an input with {wanted} features, got {shape[-1]}"
                return f"expected size {wanted} of axis {axis}, got {shape[axis]}"
        return None

    def _message(self, layer: Layer, value: Any, problem: str) -> str:
        if isinstance(value, SymbolicTensor):
            rows = [("input", value.type_text, f"symbolic tensor {value.name!r}")]
        else:
            node = value.node
            while node.op.name == "cast":  # what the user gave says more
                node = node.inputs[0]
            rows = [("input", node.type_text, origin_of(node))]
        for weight in layer.weights[:1]:
            type_ = f"{weight.dtype.name}{list(weight.shape)}"
            rows.append((weight.name, type_, f"variable {weight.path!r}"))
        site = current_site()
        return explain(
            f"{snake_case(type(layer).__name__)} (layer {layer.name!r}): {problem}",
            operands=rows,
            made_at=f"{site.file}:{site.line}",
            fix=self._fix(layer, value),
        )

    def _fix(self, layer: Layer, value: Array | SymbolicTensor) -> str:
        ndim = len(value.shape)
        of_sequences = 3 in (self.min_ndim, self.ndim)
        if isinstance(value, SymbolicTensor) and of_sequences and ndim == 2:
            return (
                "let a recurrent layer before return all its steps "
                "(return_sequences=True), or add an axis with a Reshape layer"
            )
        if self.min_ndim is not None and ndim < self.min_ndim:
            return "the first axis is the batch: for one sample x pass x[None]"
        if self.ndim is not None and ndim == self.ndim - 1:
            return "for one sample x pass x[None], for data of one channel x[..., None]"
        if layer.weights and isinstance(layer.built_for, tuple):
            shape = (None, *layer.built_for[1:])
            return (
                f"the layer was built for inputs of shape {shape}; give it such "
                "inputs, or make a new layer"
            )
        return "reshape the input, for example with a Flatten or Reshape layer before"
