"""The base class of all layers: it builds, checks, calls and keeps the weights."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any, ClassVar, Final, Unpack, cast

import numpy as np

from nervure import dtypes, tree
from nervure.array import Array
from nervure.dtypes import DType
from nervure.errors import ArgumentError, NotBuiltError, ShapeError, explain
from nervure.ir.node import scope
from nervure.nn import regularizers
from nervure.nn.arguments import truth_value
from nervure.nn.building import building
from nervure.nn.configuration import (
    as_plain,
    check_option_names,
    full_signature,
    require_mapping,
)
from nervure.nn.inference import infer_outputs
from nervure.nn.input_spec import InputSpec
from nervure.nn.layer_options import (
    DEFAULTS,
    SHAPE_OPTIONS,
    LayerOptions,
    declared_shape,
)
from nervure.nn.layer_weights import OwnsWeights
from nervure.nn.masking import (
    mask_of,
    masks_of,
    with_mask,
    with_masks_filled_in,
    with_output_masks,
)
from nervure.nn.naming import automatic_name, snake_case
from nervure.nn.observing import note_call
from nervure.nn.symbolic import (
    Call,
    PartialShape,
    SymbolicTensor,
    as_partial_shape,
    map_shapes,
    shapes_of,
    symbolic_leaves,
)
from nervure.nn.variable import Regularizer
from nervure.ops.operands import as_node
from nervure.state import Cell

# The `training` flag of the call that is going on; None outside of calls.
_training: Final[ContextVar[bool | None]] = ContextVar("nervure_training", default=None)


class Layer(OwnsWeights):
    """A part of a network: weights, and a function that uses them.

    A subclass creates its weights in ``build(input_shape)`` with :meth:`add_weight`
    (or in ``__init__``, when the shapes are known) and computes in
    ``call(inputs)``; a parameter ``training`` of ``call`` receives whether the network
    is being trained, a parameter ``mask`` which steps of the input count.  Variables
    and layers in attributes, also in lists and dictionaries, belong to the layer.

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

    Raises
    ------
    ArgumentError
        For a name that is no string or holds "/".

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
    supports_masking: bool  # whether the mask of an input reaches the layers after it
    activity_regularizer: Regularizer | None
    _name: str | None
    _declared_shape: PartialShape | None
    _calls: list[Call]
    _is_building: bool
    _call_parameters: ClassVar[Mapping[str, inspect.Parameter]]

    def __new__(cls, *args: Any, **options: Any) -> Any:
        """Make the layer with what it keeps for itself.

        Not in ``__init__``: a subclass may need it before it calls that, or forget to.
        """
        layer = super().__new__(cls, *args, **options)
        layer.built = False
        layer.built_for = None
        layer.input_spec = None
        layer._name = None
        layer._trainable = True
        layer._dtype = dtypes.DEFAULT_FLOAT
        layer._declared_shape = None
        layer._added = []
        layer._added_losses = []
        layer.activity_regularizer = None
        layer._calls = []
        layer.supports_masking = cls.compute_mask is not Layer.compute_mask
        return layer

    def __init__(self, **options: Unpack[LayerOptions]) -> None:
        check_option_names(type(self), options, LayerOptions.__annotations__)
        name = options.get("name")
        if name is not None and (not isinstance(name, str) or not name or "/" in name):
            raise ArgumentError(
                explain(
                    f"the name of a layer must be a string without '/', got {name!r}",
                    fix="use a name such as 'hidden_1', or leave it out",
                )
            )
        self._name = name or automatic_name(snake_case(type(self).__name__))
        self._trainable = truth_value("trainable", options.get("trainable", True))
        dtype = options.get("dtype")
        self._dtype = dtypes.DEFAULT_FLOAT if dtype is None else dtypes.as_dtype(dtype)
        self._declared_shape = declared_shape(options)
        self.activity_regularizer = regularizers.get(
            options.get("activity_regularizer")
        )

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

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """Return the mask of the output, given the input and its mask.

        Called only for a layer with :attr:`supports_masking`, which is True when a
        subclass defines this method.  By default the mask stays as it is, which is
        right when the output has the same steps as the input.
        """
        return previous_mask

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
        inputs = _first_argument(args, kwargs)
        self._check_single(inputs)
        # 2. Check rank and features, as far as the layer knows them by now.
        self._check_input(inputs)
        # 3. Build once; then more is known.
        if not self.built:
            self.build(self._shapes_to_build(args, kwargs))
            self.built = True
            self._check_input(inputs)
        # 4. Decide whether this is training.
        if training is not None:
            training = truth_value("training", training)
        flag = self._resolved_training(training)
        if _training.get() is None:  # not inside the call of another layer
            self.clear_losses()
        run = functools.partial(self._run, flag)
        # 5. Symbolic inputs ask for the type of the output only.
        if any(True for _ in symbolic_leaves((args, kwargs))):
            outputs = infer_outputs(run, args, kwargs)
            self.clear_losses()  # those of stand-ins
            # 6. Record the call: calls are the nodes of a model's graph.
            if training is not None:
                kwargs = {**kwargs, "training": bool(training)}
            self._calls.append(Call(self, (args, kwargs), outputs))
        else:
            # 7. Compute, under the layer's name.
            outputs = run(args, kwargs)
        # 8. Hand over.
        return outputs

    def _no_result(self) -> ArgumentError:
        return ArgumentError(
            explain(
                f"{snake_case(type(self).__name__)} (layer {self.name!r}): expected "
                "call() to return an array, got None",
                fix="end call(), or the function that the layer was given, with return",
            )
        )

    def _build_for(self, shapes: Any) -> None:
        """Build the layer because it is called for the first time."""
        self.build(shapes)

    def _run(
        self, training: bool, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Call ``call`` with the layer's name on every node and the flag known."""
        if "training" in self._call_parameters:
            kwargs = {**kwargs, "training": training}
        kwargs = with_masks_filled_in(self._call_parameters, args, kwargs)
        first = _first_argument(args, kwargs)
        previous = kwargs.get("mask")
        if previous is None:
            previous = masks_of(first)
        token = _training.set(training)
        try:
            with scope(self.name):
                outputs = self.call(*args, **kwargs)
                if outputs is None:
                    raise self._no_result()
                self._regularize_activity(outputs)
                outputs = with_output_masks(self, first, outputs, previous)
                note_call(self, outputs)
                return outputs
        finally:
            _training.reset(token)

    def _shapes_to_build(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Return what ``build`` is given: the shape of the first argument."""
        return shapes_of(_first_argument(args, kwargs))

    def _regularize_activity(self, outputs: Any) -> None:
        """Add what the regularizer of the output asks for, for each sample."""
        if self.activity_regularizer is None:
            return
        for output in tree.flatten(outputs)[0]:
            loss = Array.of_node(as_node(self.activity_regularizer(output)))
            self.add_loss(loss / max(1, output.shape[0]) if output.ndim else loss)

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
        return with_mask(Array.of_node(node), mask_of(leaf))

    def _check_single(self, inputs: Any) -> None:
        """Raise for several inputs where ``call`` says that it takes an array."""
        if not isinstance(inputs, dict | list | tuple):
            return
        first = next(iter(self._call_parameters.values()), None)
        if first is None or first.annotation not in ("Array", Array):
            return
        raise ShapeError(
            explain(
                f"{snake_case(type(self).__name__)} (layer {self.name!r}): expected "
                f"one array, got a {type(inputs).__name__} of {len(inputs)}",
                fix="pass one array; a Concatenate layer before makes one of several",
            )
        )

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
        return _first_argument(*call.arguments)

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

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy needs: not the calls, whose chains may be long.

        A copied model makes those of its own graph again.
        """
        return {**vars(self), "_calls": [], "_added_losses": []}

    @property
    def is_connected(self) -> bool:
        """Whether the layer has been called on symbolic tensors."""
        return bool(self._calls)

    def remember_call(self, call: Call) -> None:
        """Take a symbolic call back, after the layer was copied."""
        self._calls.append(call)

    # --- configuration ---------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make a layer like this, as plain data."""
        config = super().get_config()
        if self._declared_shape is not None:
            config["batch_input_shape"] = list(self._declared_shape)
        if self.activity_regularizer is not None:
            config["activity_regularizer"] = as_plain(
                self.activity_regularizer, f"{type(self).__name__}.activity_regularizer"
            )
        return config

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Any:
        """Make a layer from what :meth:`get_config` returned.

        Layers among the arguments are made from their descriptions.
        """
        from nervure.nn.serialization import revived

        require_mapping(cls, config)
        return cls(**{key: revived(value) for key, value in config.items()})

    def _config_names(self) -> list[str]:
        written_if_given = (*SHAPE_OPTIONS, "activity_regularizer")
        return [one for one in super()._config_names() if one not in written_if_given]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}, built={self.built}>"


def _inspect(cls: type[Layer]) -> None:
    """Note what the constructor and ``call`` of a class take."""
    signature = full_signature(cls.__init__, LayerOptions, DEFAULTS)
    cls.__signature__ = signature  # type: ignore[attr-defined]
    parameters = dict(inspect.signature(cls.call).parameters)
    parameters.pop("self", None)
    cls._call_parameters = parameters


_inspect(Layer)


def _is_tensor(leaf: Any) -> bool:
    """Tell whether an argument of a call is data, not an option."""
    return isinstance(leaf, Array | Cell | SymbolicTensor | np.ndarray) or (
        hasattr(leaf, "__array__") and not isinstance(leaf, np.generic)
    )


def _first_argument(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return args[0] if args else next(iter(kwargs.values()), None)
