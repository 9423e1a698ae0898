"""The base class of all layers: it builds, checks, calls and keeps the weights."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from typing import Any, ClassVar, Final, Unpack, cast

import numpy as np
import numpy.typing as npt

from nervure import dtypes, tree
from nervure.array import Array
from nervure.dtypes import DType
from nervure.errors import DTypeError, NotBuiltError, ShapeError, explain
from nervure.ir.attrs import NDArray
from nervure.ir.node import scope
from nervure.nn import initializers
from nervure.nn.building import building
from nervure.nn.configuration import (
    Configurable,
    check_option_names,
    full_signature,
)
from nervure.nn.first_values import first_value
from nervure.nn.inference import infer_outputs
from nervure.nn.input_spec import InputSpec
from nervure.nn.layer_options import (
    DEFAULTS,
    SHAPE_OPTIONS,
    LayerOptions,
    declared_shape,
)
from nervure.nn.naming import automatic_name, snake_case
from nervure.nn.seed import SeedGenerator
from nervure.nn.symbolic import (
    Call,
    PartialShape,
    SymbolicTensor,
    as_partial_shape,
    map_shapes,
    shapes_of,
    symbolic_leaves,
)
from nervure.nn.tracking import held, unique
from nervure.nn.variable import Constraint, Regularizer, Variable
from nervure.ops.operands import as_node
from nervure.state import Cell

# The `training` flag of the call that is going on; None outside of calls.
_training: Final[ContextVar[bool | None]] = ContextVar("nervure_training", default=None)


class Layer(Configurable):
    """A part of a network: weights, and a function that uses them.

    A subclass creates its weights in ``build(input_shape)`` with :meth:`add_weight`
    (or in ``__init__``, when the shapes are known) and computes in
    ``call(inputs)``; a parameter ``training`` of ``call`` receives whether the network
    is being trained.  Variables and layers in attributes, also in lists and
    dictionaries, belong to the layer.

    Parameters
    ----------
    name
        A name for messages and for ``get_layer``.
    trainable
        Whether training changes the weights.
    dtype
        The type of weights and of floating-point inputs; float32 by default.
    input_shape, input_dim, batch_input_shape
        The shape of the input, for the first layer of a ``Sequential``: of one sample,
        of one sample with a single axis, or with the batch as the first axis.

    >>> import nervure as nv
    >>> class Scale(nv.layers.Layer):
    ...     def build(self, input_shape):
    ...         self.factor = self.add_weight((input_shape[-1],), "ones", name="factor")
    ...     def call(self, inputs):
    ...         return inputs * self.factor
    >>> layer = Scale()
    >>> layer([[1.0, 2.0]]).tolist()
    [[1.0, 2.0]]
    >>> layer.weights
    [<Variable 'scale/factor' float32[2]>]
    """

    built: bool
    built_for: Any  # the shape given to build(), or None
    input_spec: InputSpec | None
    _name: str | None
    _trainable: bool
    _dtype: DType
    _declared_shape: PartialShape | None
    _added: list[Variable]
    _calls: list[Call]
    _is_building: bool
    _call_parameters: ClassVar[Mapping[str, inspect.Parameter]]

    def __new__(cls, *_args: Any, **_options: Any) -> Any:
        """Make the layer with what it keeps for itself.

        Not in ``__init__``: a subclass may need it before it calls that, or forget to.
        """
        layer = super().__new__(cls)
        layer.built = False
        layer.built_for = None
        layer.input_spec = None
        layer._name = None
        layer._trainable = True
        layer._dtype = dtypes.DEFAULT_FLOAT
        layer._declared_shape = None
        layer._added = []
        layer._calls = []
        return layer

    def __init__(self, **options: Unpack[LayerOptions]) -> None:
        check_option_names(type(self), options, LayerOptions.__annotations__)
        name = options.get("name")
        if name is not None and (not isinstance(name, str) or not name or "/" in name):
            raise ValueError(
                f"the name of a layer must be a string without '/', got {name!r}"
            )
        self._name = name or automatic_name(snake_case(type(self).__name__))
        self._trainable = bool(options.get("trainable", True))
        dtype = options.get("dtype")
        self._dtype = dtypes.DEFAULT_FLOAT if dtype is None else dtypes.as_dtype(dtype)
        self._declared_shape = declared_shape(options)

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "build" in vars(cls):
            cls.build = building(cls.build)  # type: ignore[method-assign]
        _inspect(cls)

    # --- what a subclass defines -----------------------------------------------------

    def build(self, input_shape: Any) -> None:
        """Create the weights for inputs of a shape; called once, before ``call``.

        ``input_shape`` is a tuple with the batch first, whose unknown sizes are None;
        for several inputs a list or dictionary of such tuples.
        """
        self.built_for = map_shapes(as_partial_shape, input_shape)
        self.built = True

    def call(self, inputs: Any) -> Any:
        """Compute the output from the input; defined by each layer."""
        raise NotImplementedError(f"{type(self).__name__} does not define call()")

    # --- calling ---------------------------------------------------------------------

    def __call__(self, *args: Any, training: bool | None = None, **kwargs: Any) -> Any:
        """Apply the layer to arrays, or to symbolic tensors while a model is made.

        Parameters
        ----------
        args, kwargs
            The arguments of ``call``.  NumPy arrays and nested lists become arrays;
            floating-point ones are converted to the layer's type.
        training
            Whether the network is being trained.  None takes the flag of the layer or
            model that is calling this one, outside of any False.

        Raises
        ------
        ShapeError
            When the input does not fit the layer; nothing is computed or built then.
        """
        # 1. Convert what the user passed to arrays of the layer's type.
        args, kwargs = self._converted(args, kwargs)
        inputs = args[0] if args else next(iter(kwargs.values()), None)
        # 2. Check rank and features, as far as the layer knows them by now.
        self._check_input(inputs)
        # 3. Build once; then more is known.
        if not self.built:
            self.build(shapes_of(inputs))
            self.built = True
            self._check_input(inputs)
        # 4. Decide whether this is training.
        flag = self._resolved_training(training)
        run = functools.partial(self._run, flag)
        # 5. Symbolic inputs ask for the type of the output only.
        if any(True for _ in symbolic_leaves((args, kwargs))):
            outputs = infer_outputs(run, args, kwargs)
            # 6. Record the call: calls are the nodes of a model's graph.
            self._calls.append(Call(self, (args, kwargs), outputs))
        else:
            # 7. Compute, under the layer's name.
            outputs = run(args, kwargs)
        # 8. Hand over.
        return outputs

    def _run(
        self, training: bool, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Call ``call`` with the layer's name on every node and the flag known."""
        if "training" in self._call_parameters:
            kwargs = {**kwargs, "training": training}
        token = _training.set(training)
        try:
            with scope(self.name):
                return self.call(*args, **kwargs)
        finally:
            _training.reset(token)

    def _converted(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        if args and not any(map(_is_tensor, tree.flatten(args[0])[0])):
            # Nested lists of numbers are one array, not many.
            args = (Array.of_node(as_node(args[0])), *args[1:])
        leaves, structure = tree.flatten((args, kwargs))
        return cast(
            "tuple[tuple[Any, ...], dict[str, Any]]",
            tree.unflatten(structure, [self._as_input(leaf) for leaf in leaves]),
        )

    def _as_input(self, leaf: Any) -> Any:
        if not _is_tensor(leaf) or isinstance(leaf, SymbolicTensor):
            return leaf
        node = as_node(leaf)
        if dtypes.is_float(node.dtype) and node.dtype != self._dtype:
            node = as_node(Array.of_node(node), self._dtype)
        return Array.of_node(node)

    def _check_input(self, inputs: Any) -> None:
        if self.input_spec is not None:
            for leaf in tree.flatten(inputs)[0]:
                self.input_spec.check(self, leaf)

    def _resolved_training(self, given: bool | None) -> bool:
        for flag in (given, _training.get(), self._default_training()):
            if flag is not None:
                return bool(flag)
        return False

    def _default_training(self) -> bool | None:
        """Return the default of the parameter ``training`` of ``call``."""
        parameter = self._call_parameters.get("training")
        if parameter is None or parameter.default is inspect.Parameter.empty:
            return None
        return cast("bool | None", parameter.default)

    # --- weights ---------------------------------------------------------------------

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
                f"the layer {self.name!r} cannot make a weight of the shape {sizes}: "
                "a size of its input that it needs is not known"
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
        for layer in self.flattened():
            layer._trainable = bool(value)
            for variable in held(layer, Variable):
                if variable.born_trainable:
                    variable.trainable = bool(value)

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
        arrays = [np.asarray(value) for value in weights]
        if len(arrays) != len(variables):
            raise ShapeError(
                explain(
                    f"the layer {self.name!r} has {len(variables)} weights, got "
                    f"{len(arrays)} arrays",
                    operands=_weight_rows(variables),
                    fix=None if self.built else "build the layer first, by calling it",
                )
            )
        for variable, value in zip(variables, arrays, strict=True):
            if value.shape != variable.shape:
                raise ShapeError(
                    f"the weight {variable.path!r} has shape {list(variable.shape)}, "
                    f"got an array of shape {list(value.shape)}"
                )
            if value.dtype.kind not in "biuf" and value.dtype != dtypes.bfloat16:
                raise DTypeError(
                    f"the weight {variable.path!r} holds numbers, got {value.dtype}"
                )
        for variable, value in zip(variables, arrays, strict=True):
            variable.assign(value)

    def count_params(self) -> int:
        """Return how many numbers the weights hold.

        Raises :class:`~nervure.errors.NotBuiltError` before the layer has weights.
        """
        if not self.built and type(self).build is not Layer.build and not self.weights:
            raise NotBuiltError(
                explain(
                    f"the layer {self.name!r} has no weights yet, because the shape of "
                    "its input is not known",
                    fix="call it on data, or call build(input_shape)",
                )
            )
        return sum(variable.size for variable in self.weights)

    @property
    def losses(self) -> list[Array]:
        """What the weights' regularizers add to the loss."""
        return [
            Array.of_node(as_node(variable.regularizer(variable.value)))
            for variable in self.trainable_weights
            if variable.regularizer is not None
        ]

    # --- the layers inside -----------------------------------------------------------

    def _sublayers(self) -> list[Layer]:
        """Return the layers directly inside this one."""
        return [layer for layer in held(self, Layer) if layer is not self]

    def flattened(self) -> Iterator[Layer]:
        """Yield this layer and all layers inside it, each once, outer ones first."""
        seen: set[int] = set()
        waiting: list[Layer] = [self]
        while waiting:
            layer = waiting.pop()
            if id(layer) not in seen:
                seen.add(id(layer))
                yield layer
                waiting.extend(reversed(layer._sublayers()))

    # --- types and shapes ------------------------------------------------------------

    @property
    def name(self) -> str:
        """The layer's name."""
        if self._name is None:  # a subclass did not call super().__init__()
            self._name = automatic_name(snake_case(type(self).__name__))
        return self._name

    @property
    def dtype(self) -> DType:
        """The type of the weights and of the computation."""
        return self._dtype

    compute_dtype = dtype
    variable_dtype = dtype

    @property
    def declared_input_shape(self) -> PartialShape | None:
        """The shape given to the constructor, with the batch first, or None."""
        return self._declared_shape

    @property
    def input(self) -> Any:
        """The symbolic input of the first call."""
        call = self._first_call("input")
        args, kwargs = call.arguments
        return args[0] if args else next(iter(kwargs.values()), None)

    @property
    def output(self) -> Any:
        """The symbolic output of the first call."""
        return self._first_call("output").outputs

    @property
    def input_shape(self) -> Any:
        """The shape of the input, with None for unknown sizes."""
        if not self._calls and self.built_for is not None:
            return self.built_for
        return shapes_of(self.input)

    @property
    def output_shape(self) -> Any:
        """The shape of the output, with None for unknown sizes."""
        if not self._calls and self.built_for is not None:
            return self.compute_output_shape(self.built_for)
        return shapes_of(self.output)

    def _first_call(self, wanted: str) -> Call:
        if not self._calls:
            raise NotBuiltError(
                explain(
                    f"the layer {self.name!r} has no symbolic {wanted} yet: it has not "
                    "been called on a symbolic tensor",
                    fix="put it into a model with a known input shape, or call it on "
                    "nervure.layers.Input(shape)",
                )
            )
        return self._calls[0]

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape of the output for inputs of a shape (None: unknown sizes).

        A layer that is not built yet is built for this shape.
        """
        shapes = map_shapes(as_partial_shape, input_shape)
        if not self.built:
            self.build(shapes)
            self.built = True
        inputs = map_shapes(
            lambda shape: SymbolicTensor(shape, self._dtype, ""), shapes
        )
        run = functools.partial(self._run, False)
        return shapes_of(infer_outputs(run, (inputs,), {}))

    # --- configuration ---------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make a layer like this, as plain data."""
        config = super().get_config()
        if self._declared_shape is not None:
            config["batch_input_shape"] = list(self._declared_shape)
        return config

    def _config_names(self) -> list[str]:
        return [name for name in super()._config_names() if name not in SHAPE_OPTIONS]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}, built={self.built}>"


def _inspect(cls: type[Layer]) -> None:
    """Note what the constructor and ``call`` of a class take."""
    signature = full_signature(cls.__init__, LayerOptions, DEFAULTS)
    cls.__signature__ = signature  # type: ignore[attr-defined]
    cls._call_parameters = inspect.signature(cls.call).parameters


_inspect(Layer)


def _is_tensor(leaf: Any) -> bool:
    """Tell whether an argument of a call is data, not an option."""
    return isinstance(leaf, Array | Cell | SymbolicTensor | np.ndarray) or (
        hasattr(leaf, "__array__") and not isinstance(leaf, np.generic)
    )


def _without(variables: list[Variable], others: list[Variable]) -> list[Variable]:
    excluded = {id(variable) for variable in others}
    return [variable for variable in variables if id(variable) not in excluded]


def _weight_rows(variables: Sequence[Variable]) -> list[tuple[str, str, str]]:
    return [
        (variable.name, f"{variable.dtype.name}{list(variable.shape)}", variable.path)
        for variable in variables
    ]
