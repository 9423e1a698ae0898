"""Variables: what a session remembers from run to run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from nervure import ops
from nervure.array import Array
from nervure.errors import ArgumentError, ShapeError, explain
from nervure.ir.attrs import NDArray
from nervure.ir.node import Shape
from nervure.tf1 import data_types
from nervure.tf1.building import operation
from nervure.tf1.data_types import DType
from nervure.tf1.emission import Context, HostValue
from nervure.tf1.graph import Graph, GraphKeys, Operation, get_default_graph
from nervure.tf1.operators import Operators
from nervure.tf1.shapes import TensorShape
from nervure.tf1.tensor import Tensor, convert_to_tensor


class Variable(Operators):
    """A tensor that keeps its value between runs, in each session by itself.

    A variable that is read in a run has its value from before the run, unless the
    reading waits for something (:func:`~nervure.tf1.control_dependencies`): then it has
    the value that it has after that.  So results never depend on a race.

    Parameters
    ----------
    initial_value
        A tensor, an array, or a function that returns one; its shape must be known.
    trainable
        Whether optimizers change it.
    collections
        The collections that it joins; None is that of global variables.
    validate_shape
        Must be True: a variable's shape never changes.
    name, dtype, expected_shape
        As their names say.

    Raises
    ------
    ShapeError
        When the shape is not known completely.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     w = tf.Variable([1.0, 2.0])
    ...     session.run(tf.global_variables_initializer())
    ...     print(session.run(w * 2))
    [2. 4.]
    """

    def __init__(
        self,
        initial_value: Any = None,
        trainable: bool = True,
        collections: Sequence[str] | None = None,
        validate_shape: bool = True,
        caching_device: Any = None,
        name: str | None = None,
        variable_def: None = None,
        dtype: Any = None,
        expected_shape: Any = None,
        import_scope: None = None,
        constraint: Callable[[Any], Any] | None = None,
    ) -> None:
        if initial_value is None:
            raise ArgumentError(
                explain(
                    "a variable needs an initial value",
                    fix="write tf.Variable(tf.zeros([3]))",
                )
            )
        if not validate_shape:
            raise ArgumentError(
                explain(
                    "validate_shape=False: the shape of a variable cannot change here",
                    fix="make the variable in its final shape",
                )
            )
        graph = get_default_graph()
        if graph.inside:
            raise ArgumentError(
                explain(
                    "make variables outside the functions of tf.cond and tf.while_loop",
                    fix="make them before, and use them inside",
                )
            )
        self.constraint = constraint
        self._make(graph, initial_value, name, dtype, expected_shape)
        self.trainable = trainable
        self._collect(graph, collections)

    def _make(
        self,
        graph: Graph,
        initial_value: Any,
        name: str | None,
        dtype: Any,
        expected_shape: Any,
    ) -> None:
        """Make the operations: the variable, its first value, and reading it."""
        full = graph.unique_name("Variable" if name is None else name)
        with graph.control_dependencies(None), graph.name_scope(f"{full}/"):
            given = initial_value() if callable(initial_value) else initial_value
            first = convert_to_tensor(given, dtype, name="initial_value")
            shape = TensorShape(expected_shape).merge_with(first.shape)
            if not shape.is_fully_defined():
                raise ShapeError(
                    explain(
                        f"the variable {full!r} needs a shape that is known before "
                        f"the graph runs, got {first.type_text}",
                        made_at=str(first.op.site),
                        fix="give sizes as numbers, not as tensors",
                    )
                )
            self.known_shape: Shape = tuple(int(size) for size in shape)
            self._initial_value = first
            self.snapshot = self._reading(full, shape, first.dtype)
            self.initializer: Operation = assign(self, first, name="Assign").op

    def _reading(self, name: str, shape: TensorShape, dtype: DType) -> Tensor:
        made = operation(
            "VariableV2",
            (),
            lambda context: context.before(self),
            f"{name}/",
            types=[(shape, dtype)],
        )
        return made.outputs[0]

    def _collect(self, graph: Graph, collections: Sequence[str] | None) -> None:
        names = list(collections or [GraphKeys.GLOBAL_VARIABLES])
        if self.trainable and GraphKeys.TRAINABLE_VARIABLES not in names:
            names.append(GraphKeys.TRAINABLE_VARIABLES)
        graph.add_to_collections(names, self)

    # --- what it is ------------------------------------------------------------------

    @property
    def op(self) -> Operation:
        """The operation of the variable."""
        return self.snapshot.op

    @property
    def name(self) -> str:
        """The name, such as ``"weights:0"``."""
        return self.snapshot.name

    @property
    def dtype(self) -> DType:
        """The data type."""
        return self.snapshot.dtype

    @property
    def shape(self) -> TensorShape:
        """The shape, which is known."""
        return self.snapshot.shape

    @property
    def graph(self) -> Graph:
        """The graph that it belongs to."""
        return self.snapshot.graph

    @property
    def device(self) -> str:
        """The device that was noted for it."""
        return self.op.device

    @property
    def initial_value(self) -> Tensor:
        """The tensor of the first value."""
        return self._initial_value

    def get_shape(self) -> TensorShape:
        """Return the shape."""
        return self.shape

    # --- reading ---------------------------------------------------------------------

    def as_tensor(self) -> Tensor:
        """Return the tensor that stands for the variable where it is used now."""
        if self.graph.current_control_inputs():
            return self.read_value()
        return self.snapshot

    def value(self) -> Tensor:
        """Return the value as a tensor."""
        return self.as_tensor()

    def read_value(self) -> Tensor:
        """Return a reading that waits for the control dependencies."""
        made = operation(
            "ReadVariable",
            [self.snapshot],
            lambda context, _before: context.now(self),
            f"{self.op.name}/read",
            types=[(self.shape, self.dtype)],
        )
        return made.outputs[0]

    def initialized_value(self) -> Tensor:
        """Return the first value, for the first value of another variable."""
        return self._initial_value

    def eval(self, session: Any = None) -> Any:
        """Return the value in a session, by default the one in use."""
        return self.snapshot.eval(session=session)

    def load(self, value: Any, session: Any = None) -> None:
        """Give the variable a value in a session."""
        from nervure.tf1.session import session_for

        session_for(session, self.graph, "load").store(self, value)

    # --- changing --------------------------------------------------------------------

    def assign(self, value: Any, use_locking: bool = False) -> Tensor:
        """Return a tensor that gives the variable a value when it runs."""
        return assign(self, value)

    def assign_add(self, delta: Any, use_locking: bool = False) -> Tensor:
        """Return a tensor that adds to the variable when it runs."""
        return assign_add(self, delta)

    def assign_sub(self, delta: Any, use_locking: bool = False) -> Tensor:
        """Return a tensor that subtracts from the variable when it runs."""
        return assign_sub(self, delta)

    def __iter__(self) -> Any:
        return iter(self.as_tensor())

    def __repr__(self) -> str:
        return f"<tf.Variable '{self.name}' shape={self.shape} dtype={self.dtype.name}>"


# --- changing variables --------------------------------------------------------------


def _change(
    kind: str, variable: Any, values: Sequence[Tensor], change: Any, name: str | None
) -> Tensor:
    if not isinstance(variable, Variable):
        raise ArgumentError(
            explain(
                f"{kind}: expected a variable, got {variable!r}",
                fix="keep what tf.Variable returned; operations on it give tensors",
            )
        )

    def emit(context: Context, *arrays: Array) -> Array:
        new: Array = change(context, *arrays)
        if new.shape != variable.known_shape:
            raise ShapeError(
                explain(
                    f"{kind}: the variable {variable.name} holds shape "
                    f"{list(variable.known_shape)}, got {list(new.shape)}",
                    fix="give a value of the variable's shape",
                )
            )
        context.write(variable, new)
        return new

    made = operation(
        kind,
        [variable.snapshot, *values] if kind != "Assign" else values,
        emit,
        name,
        types=[(variable.shape, variable.dtype)],
        attributes={"variable": variable},
    )
    return made.outputs[0]


def _checked(kind: str, variable: Variable, value: Any, *, exact: bool) -> Tensor:
    tensor = convert_to_tensor(value, variable.dtype)
    if exact and not tensor.shape.is_compatible_with(variable.shape):
        raise ShapeError(
            explain(
                f"{kind}: the variable {variable.name} has shape {variable.shape}, got "
                f"{tensor.shape}",
                operands=[
                    ("value", tensor.type_text, f"{tensor.name}, {tensor.op.site}")
                ],
                fix="reshape the value with tf.reshape",
            )
        )
    return tensor


def assign(
    ref: Variable,
    value: Any,
    validate_shape: bool | None = None,
    use_locking: bool | None = None,
    name: str | None = None,
) -> Tensor:
    """Return a tensor that sets a variable when it runs, and is the new value.

    Raises :class:`~nervure.errors.ShapeError` for a value of another shape.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     v = tf.Variable(1.0)
    ...     session.run(tf.assign(v, 5.0)), session.run(v)
    (np.float32(5.0), np.float32(5.0))
    """
    value = _checked("Assign", ref, value, exact=True)
    return _change("Assign", ref, [value], lambda _context, new: new, name)


def assign_add(
    ref: Variable, value: Any, use_locking: bool | None = None, name: str | None = None
) -> Tensor:
    """Return a tensor that adds to a variable when it runs, and is the new value.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     v = tf.Variable(1.0)
    ...     session.run(v.initializer)
    ...     session.run(tf.assign_add(v, 5.0))
    np.float32(6.0)
    """
    value = _checked("AssignAdd", ref, value, exact=True)
    return _change(
        "AssignAdd", ref, [value], lambda c, _old, more: c.now(ref) + more, name
    )


def assign_sub(
    ref: Variable, value: Any, use_locking: bool | None = None, name: str | None = None
) -> Tensor:
    """Return a tensor that subtracts from a variable when it runs.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     v = tf.Variable(1.0)
    ...     session.run(v.initializer)
    ...     session.run(tf.assign_sub(v, 5.0))
    np.float32(-4.0)
    """
    value = _checked("AssignSub", ref, value, exact=True)
    return _change(
        "AssignSub", ref, [value], lambda c, _old, less: c.now(ref) - less, name
    )


def _scattered(
    kind: str,
    ref: Variable,
    indices: Any,
    updates: Any,
    name: str | None,
    change: Callable[[Array, Array, Array], Array],
) -> Tensor:
    index = convert_to_tensor(indices)
    value = convert_to_tensor(updates, ref.dtype)

    def emit(context: Context, _old: Array, at: Array, new: Array) -> Array:
        found: Array = change(context.now(ref), at, new)
        return found

    return _change(kind, ref, [index, value], emit, name)


def _one_hot_rows(old: Array, at: Array) -> Array:
    """Return for each place of ``at`` and each row whether they are the same."""
    flat = ops.reshape(at, (-1, 1))
    return flat == ops.arange(old.shape[0], dtype=flat.dtype)


def scatter_add(
    ref: Variable,
    indices: Any,
    updates: Any,
    use_locking: bool = False,
    name: str | None = None,
) -> Tensor:
    """Return a tensor that adds ``updates`` to rows of a variable when it runs.

    Rows that occur several times in ``indices`` get the sum.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     v = tf.Variable([1.0, 2.0, 3.0])
    ...     session.run(v.initializer)
    ...     print(session.run(tf.scatter_add(v, [0, 0], [10.0, 20.0])))
    [31.  2.  3.]
    """

    def change(old: Array, at: Array, new: Array) -> Array:
        chosen = ops.astype(_one_hot_rows(old, at), old.dtype)
        flat = ops.reshape(new, (chosen.shape[0], -1))
        return old + ops.reshape(ops.matmul(chosen.T, flat), old.shape)

    return _scattered("ScatterAdd", ref, indices, updates, name, change)


def scatter_update(
    ref: Variable,
    indices: Any,
    updates: Any,
    use_locking: bool = True,
    name: str | None = None,
) -> Tensor:
    """Return a tensor that replaces rows of a variable when it runs.

    Of a row that occurs several times in ``indices`` the last counts.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     v = tf.Variable([1.0, 2.0, 3.0])
    ...     session.run(v.initializer)
    ...     print(session.run(tf.scatter_update(v, [2, 0], [10.0, 20.0])))
    [20.  2. 10.]
    """

    def change(old: Array, at: Array, new: Array) -> Array:
        same = _one_hot_rows(old, at)
        count = same.shape[0]
        number = ops.reshape(ops.arange(1, count + 1), (-1, 1))
        last = ops.max(ops.where(same, number, 0), axis=0)
        flat = ops.reshape(new, (count, *old.shape[1:]))
        rows = ops.take(flat, ops.maximum(last - 1, 0), axis=0)
        touched = ops.reshape(last > 0, (-1,) + (1,) * (old.ndim - 1))
        return ops.where(touched, rows, old)

    return _scattered("ScatterUpdate", ref, indices, updates, name, change)


# --- lists of variables --------------------------------------------------------------


def global_variables(scope: str | None = None) -> list[Variable]:
    """Return the variables of the default graph that checkpoints hold.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default():
    ...     w = tf.Variable(1.0, name="w")
    ...     tf.global_variables()
    [<tf.Variable 'w:0' shape=() dtype=float32>]
    """
    return get_default_graph().get_collection(GraphKeys.GLOBAL_VARIABLES, scope)


def local_variables(scope: str | None = None) -> list[Variable]:
    """Return the variables of the default graph that checkpoints do not hold.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default():
    ...     tf.local_variables()
    []
    """
    return get_default_graph().get_collection(GraphKeys.LOCAL_VARIABLES, scope)


def trainable_variables(scope: str | None = None) -> list[Variable]:
    """Return the variables of the default graph that optimizers change.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default():
    ...     step = tf.Variable(0, trainable=False)
    ...     tf.trainable_variables()
    []
    """
    return get_default_graph().get_collection(GraphKeys.TRAINABLE_VARIABLES, scope)


def variables_initializer(
    var_list: Iterable[Variable], name: str = "init"
) -> Operation:
    """Return an operation that gives variables their first values.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     v = tf.Variable(3.0)
    ...     session.run(tf.variables_initializer([v]))
    ...     session.run(v)
    np.float32(3.0)
    """
    from nervure.tf1.ordering import group

    return group(*(one.initializer for one in var_list), name=name)


def global_variables_initializer() -> Operation:
    """Return an operation that gives all global variables their first values.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     v = tf.Variable(tf.zeros([2]))
    ...     session.run(tf.global_variables_initializer())
    ...     print(session.run(v))
    [0. 0.]
    """
    return variables_initializer(global_variables())


def local_variables_initializer() -> Operation:
    """Return an operation that gives all local variables their first values.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     session.run(tf.local_variables_initializer())
    """
    return variables_initializer(local_variables())


initialize_all_variables = global_variables_initializer
all_variables = global_variables


def is_variable_initialized(variable: Variable) -> Tensor:
    """Return a tensor that tells whether the session has a value for a variable.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     v = tf.Variable(3.0)
    ...     bool(session.run(tf.is_variable_initialized(v)))
    False
    """
    made = operation(
        "IsVariableInitialized",
        (),
        lambda context: context.has_value(variable),
        types=[(TensorShape([]), data_types.bool_)],
    )
    return made.outputs[0]


def report_uninitialized_variables(
    var_list: Sequence[Variable] | None = None, name: str | None = None
) -> Tensor:
    """Return a tensor of the names of variables without a value.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     v = tf.Variable(3.0, name="v")
    ...     session.run(tf.report_uninitialized_variables()).tolist()
    [b'v']
    """
    listed = list(
        var_list if var_list is not None else [*global_variables(), *local_variables()]
    )

    def emit(context: Context) -> HostValue:
        def names(*known: NDArray) -> NDArray:
            missing = [
                variable.op.name.encode()
                for variable, has in zip(listed, known, strict=True)
                if not has
            ]
            return np.array(missing, dtype=object)

        return HostValue([context.has_value(one) for one in listed], names)

    types = [(TensorShape([None]), data_types.string)]
    made = operation("ReportUninitializedVariables", (), emit, name, types=types)
    return made.outputs[0]
