"""A dense layer whose product is written in Einstein's notation."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any, Final, NamedTuple, Unpack

import numpy.typing as npt

from nervure import ops
from nervure.array import Array
from nervure.errors import ArgumentError, ShapeError, explain
from nervure.nn import activations, constraints, initializers, regularizers
from nervure.nn.input_spec import InputSpec
from nervure.nn.layer import Layer
from nervure.nn.layer_options import LayerOptions
from nervure.nn.symbolic import PartialShape
from nervure.nn.variable import Constraint, Regularizer, Variable

# Input, kernel and output, with dots before or after the letters of both or of none.
_EQUATION: Final = re.compile(
    r"(?P<before>\.\.\.)?(?P<input>[a-zA-Z]+)(?P<after>\.\.\.)?,(?P<kernel>[a-zA-Z]+)"
    r"->(?(before)\.\.\.)(?P<output>[a-zA-Z]+)(?(after)\.\.\.)"
)


class EinsumDense(Layer):
    """A product of the input and a kernel, written in Einstein's notation.

    ``activation(einsum(equation, inputs, kernel) + bias)``.

    Parameters
    ----------
    equation
        What is multiplied and summed over, such as ``"abc,cd->abd"``: the axes of the
        input, the kernel and the output.  ``...`` in front of input and output, or
        behind both, stands for any axes, the batch among them.
    output_shape
        The sizes of the output's axes without the batch and without those that ``...``
        stands for; None for a size that is the input's.
    activation
        A name or a function; None means none.
    bias_axes
        The letters of the output's axes along which the bias varies; None: no bias.
    kernel_initializer, bias_initializer
        How the weights start; see ``nervure.initializers``.
    kernel_regularizer, bias_regularizer
        Names, or functions of the weight whose results are added to the loss.
    kernel_constraint, bias_constraint
        Names, or functions that map each updated weight to an allowed one.

    Other arguments: see :class:`~nervure.layers.Layer`.

    Raises
    ------
    ArgumentError
        For an equation that is none.
    ShapeError
        For an input that it does not describe.

    >>> import nervure as nv
    >>> layer = nv.layers.EinsumDense("abc,cde->abde", (None, 2, 8), bias_axes="de")
    >>> layer(nv.zeros((5, 3, 16))).shape
    (5, 3, 2, 8)
    """

    kernel: Variable
    bias: Variable | None

    def __init__(
        self,
        equation: str,
        output_shape: int | Sequence[int | None],
        activation: Any = None,
        bias_axes: str | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Regularizer | str | None = None,
        bias_regularizer: Regularizer | str | None = None,
        kernel_constraint: Constraint | str | None = None,
        bias_constraint: Constraint | str | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        self.equation = equation
        sizes = (output_shape,) if isinstance(output_shape, int) else output_shape
        self.partial_output_shape = tuple(sizes)
        self.activation = activations.get(activation)
        self.bias_axes = bias_axes
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self._terms = _read(equation, bias_axes)

    def build(self, input_shape: Any) -> None:
        """Create the kernel and the bias, whose shapes the equation tells."""
        sizes = self._sizes(input_shape)
        unknown = [letter for letter in self._terms.kernel if sizes[letter] is None]
        if unknown:
            raise self._refusal(f"the size of {unknown[0]!r} is not known", input_shape)
        self.kernel = self.add_weight(
            [sizes[letter] or 0 for letter in self._terms.kernel],
            self._first_values,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
            name="kernel",
        )
        self.bias = None
        if self.bias_axes is not None:
            self.bias = self.add_weight(
                self._bias_shape(sizes, len(input_shape)),
                self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
                name="bias",
            )
        self.input_spec = InputSpec(ndim=len(input_shape))

    def call(self, inputs: Array) -> Array:
        """Compute the output."""
        outputs = ops.einsum(self.equation, inputs, self.kernel.value)
        if self.bias is not None:
            outputs = outputs + self.bias
        return self.activation(outputs)

    def _sizes(self, input_shape: PartialShape) -> dict[str, int | None]:
        """Return the size of the axis of each letter."""
        terms = self._terms
        hidden = len(input_shape) - len(terms.input)
        if hidden < 0 or (hidden and not terms.dots):
            raise self._refusal(
                f"the input has {len(input_shape)} axes, {terms.input!r} names "
                f"{len(terms.input)}",
                input_shape,
            )
        first = hidden if terms.dots == "before" else 0
        named = input_shape[first : first + len(terms.input)]
        sizes = dict(zip(terms.input, named, strict=True))
        # The batch is not in output_shape: it hides in the dots or is the first letter.
        own = terms.output if terms.dots == "before" and hidden else terms.output[1:]
        if len(own) != len(self.partial_output_shape):
            raise self._refusal(
                f"output_shape {self.partial_output_shape} has not one size for each "
                f"of the axes {own!r}",
                input_shape,
            )
        for letter, size in zip(own, self.partial_output_shape, strict=True):
            known = sizes.get(letter)
            if size is not None and known is not None and size != known:
                raise self._refusal(
                    f"{letter!r} is {known} in the input and {size} in output_shape",
                    input_shape,
                )
            sizes[letter] = size if known is None else known
        return sizes

    def _bias_shape(self, sizes: dict[str, int | None], ndim: int) -> tuple[int, ...]:
        """Return the bias's shape: 1 for axes along which it does not vary."""
        terms, varying = self._terms, self.bias_axes or ""
        first = min(terms.output.index(letter) for letter in varying)
        shape = [
            sizes[letter] if letter in varying else 1 for letter in terms.output[first:]
        ]
        behind = ndim - len(terms.input) if terms.dots == "after" else 0
        return (*shape, *(1,) * behind)  # type: ignore[arg-type]  # None: add_weight

    def _first_values(
        self, shape: Sequence[int], dtype: npt.DTypeLike | None = None
    ) -> Any:
        """Return first values of the kernel.

        Initializers that ask for the numbers of inputs and outputs of a unit are given
        a matrix of them, as the kernel of a dense layer is one.
        """
        initializer: Any = self.kernel_initializer
        if not isinstance(initializer, initializers.VarianceScaling):
            return initializer(shape, dtype=dtype)
        letters = self._terms.kernel
        places = range(len(letters))
        outputs = [place for place in places if letters[place] in self._terms.output]
        order = [place for place in places if place not in outputs] + outputs
        inputs = math.prod(shape[place] for place in places if place not in outputs)
        matrix = initializer((inputs, math.prod(shape) // max(inputs, 1)), dtype=dtype)
        values = ops.reshape(matrix, tuple(shape[place] for place in order))
        return ops.permute_dims(values, [order.index(place) for place in places])

    def _refusal(self, problem: str, input_shape: PartialShape) -> ShapeError:
        return ShapeError(
            explain(
                f"einsum_dense (layer {self.name!r}): {problem}",
                fix=f"the equation {self.equation!r} is for inputs like "
                f"{self._terms.input!r}, got the shape {input_shape}",
            )
        )

    def _config_names(self) -> list[str]:
        return [
            "partial_output_shape" if name == "output_shape" else name
            for name in super()._config_names()
        ]

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make a layer like this, as plain data."""
        config = super().get_config()
        config["output_shape"] = config.pop("partial_output_shape")
        return config


class _Terms(NamedTuple):
    """The letters of an equation, and where it has dots: before, after or ""."""

    input: str
    kernel: str
    output: str
    dots: str


def _read(equation: str, bias_axes: str | None) -> _Terms:
    """Return the letters of an equation; raises for one that is not understood."""
    text = equation.replace(" ", "") if isinstance(equation, str) else ""
    found = _EQUATION.fullmatch(text)
    if found is None or (found["before"] and found["after"]):
        raise ArgumentError(
            explain(
                f"expected an equation for EinsumDense, got {equation!r}",
                fix="write 'ab,bc->ac', '...b,bc->...c' or 'ab...,bc->ac...'",
            )
        )
    dots = "before" if found["before"] else "after" if found["after"] else ""
    terms = _Terms(found["input"], found["kernel"], found["output"], dots)
    problem = None
    for one in terms[:3]:
        if len(set(one)) != len(one):
            problem = f"a letter occurs twice in {one!r}"
    for letter in terms.output:
        if letter not in terms.input + terms.kernel:
            problem = f"neither input nor kernel has the axis {letter!r} of the output"
    for letter in terms.kernel:
        if letter not in terms.input + terms.output:
            problem = f"neither input nor output tells the size of {letter!r}"
    for letter in bias_axes or "":
        if letter not in terms.output:
            problem = f"the output has no axis {letter!r} for the bias"
    if bias_axes == "":
        problem = "bias_axes has no letter; None means no bias"
    if problem:
        raise ArgumentError(
            explain(
                f"the equation {equation!r} of EinsumDense: {problem}",
                fix="write input, weight and result, as in 'abc,cd->abd'",
            )
        )
    return terms
