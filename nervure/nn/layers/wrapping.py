"""Layers around something else: a function, another layer, or nothing."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn, Unpack

from nervure.array import Array
from nervure.errors import ArgumentError, ShapeError, explain
from nervure.nn.functions import require_parameters
from nervure.nn.layer import Layer
from nervure.nn.layer_options import LayerOptions
from nervure.nn.serialization import revived
from nervure.nn.symbolic import PartialShape


class Identity(Layer):
    """A layer that returns its input.

    Options: see :class:`~nervure.layers.Layer`.

    >>> import nervure as nv
    >>> nv.layers.Identity()([[1.0, 2.0]]).tolist()
    [[1.0, 2.0]]
    """

    def __init__(self, **options: Unpack[LayerOptions]) -> None:
        super().__init__(**options)
        self.supports_masking = True
        self.built = True

    def call(self, inputs: Any) -> Any:
        """Return the input."""
        return inputs


class Lambda(Layer):
    """A function as a layer.

    A network with such a layer trains and predicts, but cannot be saved: files hold
    data only, and a function is code.  For a network to be saved, write a subclass of
    ``Layer``.  Weights that the function uses do not belong to the layer and are not
    trained.

    Parameters
    ----------
    function
        A function of the input that returns an array.  If it has parameters
        ``training`` and ``mask``, it is given them.
    output_shape
        The shape of the output without the batch, or a function that makes the whole
        shape from the input's: what the result is held to.  None: any shape.
    mask
        A mask for the output, or a function ``(inputs, mask)`` that makes it.
    arguments
        Further keyword arguments of the function.

    Other arguments: see :class:`~nervure.layers.Layer`.

    Raises
    ------
    ArgumentError
        For what cannot be called.

    >>> import nervure as nv
    >>> nv.layers.Lambda(lambda x: x**2)([[1.0, 2.0]]).tolist()
    [[1.0, 4.0]]
    """

    def __init__(
        self,
        function: Callable[..., Any],
        output_shape: Any = None,
        mask: Any = None,
        arguments: Mapping[str, Any] | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        if not callable(function):
            raise ArgumentError(
                explain(
                    f"expected a function for Lambda, got {function!r}",
                    fix="write Lambda(lambda x: x * 2), for example",
                )
            )
        self.function = function
        self.mask = mask
        self.arguments = dict(arguments or {})
        self.supports_masking = mask is not None
        self._wanted_shape = output_shape
        try:
            self._parameters = set(inspect.signature(function).parameters)
        except ValueError:  # some built-in functions do not tell
            self._parameters = set()
        named = {*self.arguments, *self._parameters & {"mask", "training"}}
        require_parameters(
            "the function of Lambda",
            function,
            "inputs",
            keywords=named,
            fix="write Lambda(lambda inputs: ...)",
        )

    def call(self, inputs: Any, mask: Any = None, training: bool = False) -> Any:
        """Compute the output."""
        flags = {"mask": mask, "training": training}
        further = {name: flags[name] for name in flags if name in self._parameters}
        outputs = self.function(inputs, **{**self.arguments, **further})
        if self._wanted_shape is not None and isinstance(outputs, Array):
            self._check_shape(inputs, outputs)
        return outputs

    def _check_shape(self, inputs: Any, outputs: Array) -> None:
        wanted: Sequence[int | None]
        if callable(self._wanted_shape):
            wanted = self._wanted_shape(inputs.shape)
        else:
            wanted = (None, *self._wanted_shape)
        fits = len(wanted) == outputs.ndim and all(
            one in (None, size) for one, size in zip(wanted, outputs.shape, strict=True)
        )
        if not fits:
            raise ShapeError(
                explain(
                    f"lambda (layer {self.name!r}): expected the function to return "
                    f"the shape {tuple(wanted)}, got {outputs.shape}",
                    fix="correct output_shape, or leave it out: it is found out",
                )
            )

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """Return the mask that the layer was made with."""
        if callable(self.mask):
            return self.mask(inputs, previous_mask)
        return self.mask

    def get_config(self) -> NoReturn:
        """Raise :class:`TypeError`: a function is no data."""
        name = getattr(self.function, "__name__", repr(self.function))
        raise TypeError(
            explain(
                f"the Lambda layer {self.name!r} cannot be saved: files hold data "
                f"only, and its function {name!r} is code",
                fix="write a subclass of nervure.layers.Layer with call(); for a known "
                "function such as 'relu' use nervure.layers.Activation",
            )
        )


class Wrapper(Layer):
    """The base class of layers that hold another one and use it in another way.

    Parameters
    ----------
    layer
        The layer inside; its weights belong to this layer.

    Other arguments: see :class:`~nervure.layers.Layer`.

    Raises
    ------
    ArgumentError
        For what is no layer.

    >>> import nervure as nv
    >>> class Twice(nv.layers.Wrapper):
    ...     def call(self, inputs):
    ...         return self.layer(self.layer(inputs))
    >>> Twice(nv.layers.Dense(2, kernel_initializer="ones"))([[1.0, 2.0]]).tolist()
    [[6.0, 6.0]]
    """

    def __init__(self, layer: Layer, **options: Unpack[LayerOptions]) -> None:
        super().__init__(**options)
        if not isinstance(layer, Layer):
            raise ArgumentError(
                explain(
                    f"{type(self).__name__} expects a layer, got {layer!r}",
                    fix="pass an object, such as Dense(10)",
                )
            )
        self.layer = layer

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Wrapper:
        """Make a layer from what :meth:`get_config` returned, and the one inside."""
        return cls(**{name: revived(value) for name, value in config.items()})

    def build(self, input_shape: PartialShape) -> None:
        """Build the layer inside."""
        if not self.layer.built:
            self.layer.build(input_shape)
            self.layer.built = True
