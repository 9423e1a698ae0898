"""The weights of a layer and what it adds to the loss: one half of ``Layer``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from nervure import dtypes
from nervure.array import Array
from nervure.dtypes import DType
from nervure.errors import ArgumentError, DTypeError, ShapeError, explain
from nervure.ir.attrs import NDArray
from nervure.nn import initializers
from nervure.nn.arguments import truth_value
from nervure.nn.configuration import Configurable
from nervure.nn.first_values import first_value
from nervure.nn.naming import automatic_name
from nervure.nn.seed import SeedGenerator
from nervure.nn.symbolic import as_partial_shape
from nervure.nn.tracking import held, unique
from nervure.nn.variable import Constraint, Regularizer, Variable
from nervure.ops.operands import as_node
from nervure.state import Cell


class OwnsWeights(Configurable):
    """What a layer has: weights, layers inside it, and additions to the loss."""

    built: bool
    _trainable: bool
    _dtype: DType
    _added: list[Variable]
    _added_losses: list[Array]

    @property
    def name(self) -> str:
        """The layer's name."""
        raise NotImplementedError

    def add_weight(
        self,
        shape: Sequence[int] | int = (),
        initializer: Any = None,
        dtype: npt.DTypeLike | None = None,
        trainable: bool = True,
        *,
        regularizer: Regularizer | None = None,
        constraint: Constraint | None = None,
        name: str | None = None,
    ) -> Variable:
        """Create a weight of this layer.

        Parameters
        ----------
        shape
            Its shape; all sizes must be known.
        initializer
            A name, an initializer, or a function of ``(shape, dtype)``.
            Glorot-uniform by default, zeros for whole numbers and truth values.
        dtype
            Its type; that of the layer by default.
        trainable
            Whether training changes it.
        regularizer
            A function whose result for the weight is added to the loss.
        constraint
            A function that maps each updated value to an allowed one.
        name
            The last part of its path.
        """
        sizes = as_partial_shape(shape)
        if None in sizes:
            raise ShapeError(
                explain(
                    f"the layer {self.name!r} cannot make a weight of the shape "
                    f"{sizes}: "
                    "a size of its input that it needs is not known",
                    fix="give the layer an input whose sizes are known, such as "
                    "Input((28, 28, 1))",
                )
            )
        type_ = self._dtype if dtype is None else dtypes.as_dtype(dtype)
        if initializer is None:
            initializer = "glorot_uniform" if dtypes.is_float(type_) else "zeros"
        make = initializers.get(initializer)
        variable = Variable(
            first_value(make, sizes, type_, name or "variable"),
            name=name or automatic_name("variable"),
            trainable=trainable,
            dtype=type_,
            regularizer=regularizer,
            constraint=constraint,
        )
        variable.trainable = variable.trainable and self._trainable
        self._added.append(variable)
        return variable

    @property
    def weights(self) -> list[Variable]:
        """The layer's variables: its own, trainable ones first, then its layers'."""
        found: list[Variable] = []
        for layer in self.flattened():
            own = held(layer, Variable)
            found += [variable for variable in own if variable.born_trainable]
            found += [variable for variable in own if not variable.born_trainable]
        return unique(found)

    @property
    def variables(self) -> list[Variable]:
        """The weights and the state of random generators."""
        found = self.weights
        for layer in self.flattened():
            for generator in held(layer, SeedGenerator):
                found += generator.variables
        return unique(found)

    @property
    def trainable_weights(self) -> list[Variable]:
        """The weights that training changes; none for a frozen layer."""
        frozen = {
            id(variable)
            for layer in self.flattened()
            if not layer.trainable
            for variable in layer.weights
        }
        return [
            variable
            for variable in self.weights
            if variable.trainable and id(variable) not in frozen
        ]

    @property
    def non_trainable_weights(self) -> list[Variable]:
        """The weights that training leaves alone."""
        return _without(self.weights, self.trainable_weights)

    @property
    def trainable_variables(self) -> list[Variable]:
        """The variables that training changes."""
        return self.trainable_weights

    @property
    def non_trainable_variables(self) -> list[Variable]:
        """The other variables, the state of random generators among them."""
        return _without(self.variables, self.trainable_weights)

    @property
    def trainable(self) -> bool:
        """Whether training changes the weights; setting it sets all layers inside."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        value = truth_value("trainable", value)
        for layer in self.flattened():
            layer._trainable = value
            for variable in held(layer, Variable):
                if variable.born_trainable:
                    variable.trainable = value

    def get_weights(self) -> list[NDArray]:
        """Return copies of the values of all weights, as NumPy arrays."""
        return [variable.numpy() for variable in self.weights]

    def set_weights(self, weights: Sequence[npt.ArrayLike]) -> None:
        """Set the values of all weights, in the order of :attr:`weights`.

        Raises
        ------
        ShapeError
            For a wrong number of arrays or a wrong shape; no weight is changed then.
        """
        variables = self.weights
        if not isinstance(weights, Iterable) or isinstance(weights, str | Mapping):
            raise ArgumentError(
                explain(
                    f"set_weights expects a list of arrays, got {weights!r}",
                    fix="pass what get_weights of such a layer returned",
                )
            )
        arrays = [np.asarray(value) for value in weights]
        if len(arrays) != len(variables):
            raise ShapeError(
                explain(
                    f"the layer {self.name!r} has {len(variables)} weights, got "
                    f"{len(arrays)} arrays",
                    operands=_weight_rows(variables),
                    fix="pass what get_weights of such a layer returned"
                    if self.built
                    else "build the layer first, by calling it",
                )
            )
        for variable, value in zip(variables, arrays, strict=True):
            if value.shape != variable.shape:
                raise ShapeError(
                    explain(
                        f"the weight {variable.path!r} has shape "
                        f"{list(variable.shape)}, "
                        f"got an array of shape {list(value.shape)}",
                        fix="pass the arrays in the order of layer.weights, each in "
                        "its shape",
                    )
                )
            if value.dtype.kind not in "biuf" and value.dtype != dtypes.bfloat16:
                raise DTypeError(
                    explain(
                        f"the weight {variable.path!r} holds numbers, got "
                        f"{value.dtype}",
                        fix="convert the array with .astype('float32')",
                    )
                )
        for variable, value in zip(variables, arrays, strict=True):
            variable.assign(value)

    # --- additions to the loss -------------------------------------------------------

    @property
    def losses(self) -> list[Array]:
        """What is added to the loss: by ``add_loss``, then by the regularizers.

        Additions by ``add_loss`` are those of the last call, here and in all layers
        inside.
        """
        added = [one for layer in self.flattened() for one in layer._added_losses]
        return added + [
            Array.of_node(as_node(variable.regularizer(variable.value)))
            for variable in self.trainable_weights
            if variable.regularizer is not None
        ]

    def add_loss(self, loss: Any) -> None:
        """Add a number to the loss of the model; called by ``call`` of a layer.

        Parameters
        ----------
        loss
            An array, whose sum is added, or a list of arrays.

        Raises
        ------
        ArgumentError
            For what is no array.  A value that does not depend on a call has no place
            here: write a regularizer, or a loss of your own.
        """
        listed = list(loss) if isinstance(loss, list | tuple) else [loss]
        for one in listed:
            if not isinstance(one, Array | Cell):
                raise ArgumentError(
                    explain(
                        f"add_loss expects an array, got {type(one).__name__}",
                        fix="call self.add_loss(...) inside call(), with a value that "
                        "nervure's functions computed",
                    )
                )
        self._added_losses += [Array.of_node(as_node(one)) for one in listed]

    def clear_losses(self) -> None:
        """Forget what ``add_loss`` was given, here and in all layers inside."""
        for layer in self.flattened():
            layer._added_losses.clear()

    # --- the layers inside -----------------------------------------------------------

    def _sublayers(self) -> list[Any]:
        """Return the layers directly inside this one."""
        return [one for one in held(self, OwnsWeights) if one is not self]

    def flattened(self) -> Iterator[Any]:
        """Yield this layer and all layers inside it, each once, outer ones first."""
        seen: set[int] = set()
        waiting: list[OwnsWeights] = [self]
        while waiting:
            layer = waiting.pop()
            if id(layer) not in seen:
                seen.add(id(layer))
                yield layer
                waiting.extend(reversed(layer._sublayers()))


def _without(variables: list[Variable], others: list[Variable]) -> list[Variable]:
    excluded = {id(variable) for variable in others}
    return [variable for variable in variables if id(variable) not in excluded]


def _weight_rows(variables: Sequence[Variable]) -> list[tuple[str, str, str]]:
    return [
        (variable.name, f"{variable.dtype.name}{list(variable.shape)}", variable.path)
        for variable in variables
    ]
