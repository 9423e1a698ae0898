"""Scopes of variables: ``variable_scope`` and ``get_variable``."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from nervure.errors import ArgumentError, DTypeError, ShapeError, explain
from nervure.tf1 import data_types
from nervure.tf1.graph import Graph, GraphKeys, get_default_graph
from nervure.tf1.shapes import TensorShape
from nervure.tf1.tensor import is_tensor
from nervure.tf1.variables import Variable

AUTO_REUSE: Final = "AUTO_REUSE"


class VariableScope:
    """Where ``get_variable`` looks, and what it does by default.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.variable_scope("layer") as scope:
    ...     scope.name, scope.reuse
    ('layer', False)
    """

    def __init__(
        self,
        name: str = "",
        reuse: Any = False,
        initializer: Any = None,
        regularizer: Callable[[Any], Any] | None = None,
        dtype: Any = data_types.float32,
    ) -> None:
        self.name = name
        self.reuse = reuse
        self.initializer = initializer
        self.regularizer = regularizer
        self.dtype = data_types.as_dtype(dtype)
        self.counts: dict[str, int] = {}

    @property
    def original_name_scope(self) -> str:
        """The name with a stroke at the end."""
        return f"{self.name}/" if self.name else ""

    def reuse_variables(self) -> None:
        """Let ``get_variable`` return the variables that are there."""
        self.reuse = True

    def set_initializer(self, initializer: Any) -> None:
        """Set how variables begin unless they say otherwise."""
        self.initializer = initializer

    def global_variables(self) -> list[Variable]:
        """Return the variables of this scope."""
        return get_default_graph().get_collection(
            GraphKeys.GLOBAL_VARIABLES, self.original_name_scope
        )

    def trainable_variables(self) -> list[Variable]:
        """Return the variables of this scope that optimizers change."""
        return get_default_graph().get_collection(
            GraphKeys.TRAINABLE_VARIABLES, self.original_name_scope
        )


def get_variable_scope() -> VariableScope:
    """Return the scope of variables in use.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default():
    ...     tf.get_variable_scope().name
    ''
    """
    return _scope_of(get_default_graph())


def _scope_of(graph: Graph) -> VariableScope:
    if graph.variable_scope is None:
        graph.variable_scope = VariableScope()
    scope: VariableScope = graph.variable_scope
    return scope


@contextlib.contextmanager
def variable_scope(
    name_or_scope: Any,
    default_name: str | None = None,
    values: Any = None,
    initializer: Any = None,
    regularizer: Callable[[Any], Any] | None = None,
    reuse: Any = None,
    dtype: Any = None,
) -> Iterator[VariableScope]:
    """Put a prefix before the names of variables and operations made inside.

    Parameters
    ----------
    name_or_scope
        A name within the current scope, or a scope to go back to.
    default_name
        A name that gets a number if it is taken, where ``name_or_scope`` is None.
    initializer, regularizer, dtype
        What ``get_variable`` takes unless it is told otherwise.
    reuse
        True: variables must be there; ``tf.AUTO_REUSE``: they may be; None: as outside.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default():
    ...     with tf.variable_scope("layer"):
    ...         w = tf.get_variable("w", [2])
    ...     with tf.variable_scope("layer", reuse=True):
    ...         print(tf.get_variable("w", [2]) is w, w.name)
    True layer/w:0
    """
    graph = get_default_graph()
    outer = _scope_of(graph)
    if isinstance(name_or_scope, VariableScope):
        full, last = name_or_scope.name, name_or_scope.name.rpartition("/")[2]
        parent = name_or_scope
    else:
        last = name_or_scope or _free_name(outer, default_name)
        full = f"{outer.name}/{last}" if outer.name else last
        parent = outer
    scope = VariableScope(
        full,
        (outer.reuse or (parent.reuse if parent is not outer else False))
        if reuse is None or (reuse is False and outer.reuse is True)
        else reuse,
        parent.initializer if initializer is None else initializer,
        regularizer or parent.regularizer,
        dtype or parent.dtype,
    )
    graph.variable_scope = scope
    try:
        with graph.name_scope(last):
            yield scope
    finally:
        graph.variable_scope = outer


def _free_name(scope: VariableScope, name: str | None) -> str:
    if not name:
        raise ArgumentError(
            explain(
                "variable_scope: give a name or default_name",
                fix="write tf.variable_scope('layer1')",
            )
        )
    count = scope.counts.get(name, 0)
    scope.counts[name] = count + 1
    return name if not count else f"{name}_{count}"


def get_variable(
    name: str,
    shape: Any = None,
    dtype: Any = None,
    initializer: Any = None,
    regularizer: Callable[[Any], Any] | None = None,
    trainable: bool = True,
    collections: Sequence[str] | None = None,
    caching_device: Any = None,
    partitioner: None = None,
    validate_shape: bool = True,
    use_resource: bool | None = None,
    custom_getter: None = None,
    constraint: Callable[[Any], Any] | None = None,
) -> Variable:
    """Return the variable of a name in the current scope, or make it.

    Parameters
    ----------
    name
        The name within the scope.
    shape
        Its sizes; not needed if ``initializer`` is a value.
    initializer
        A function such as ``tf.zeros_initializer()``, or a value.  By default
        Glorot's uniform numbers; zeros for whole numbers.
    regularizer
        A function of the variable whose value joins the collection
        ``tf.GraphKeys.REGULARIZATION_LOSSES``.

    The others are those of :class:`Variable`, or are not used.

    Raises
    ------
    ArgumentError
        When the variable is there and must not be, or the other way round.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default():
    ...     tf.get_variable("w", [2, 3])
    <tf.Variable 'w:0' shape=(2, 3) dtype=float32>
    """
    graph = get_default_graph()
    scope = _scope_of(graph)
    full = f"{scope.name}/{name}" if scope.name else name
    existing = graph.shared_variables.get(full)
    if existing is not None:
        return _reused(existing, full, scope, shape, dtype)
    if scope.reuse is True:
        raise ArgumentError(
            explain(
                f"there is no variable {full!r} to be used again",
                fix="make it without reuse first, or say reuse=tf.AUTO_REUSE",
            )
        )
    wanted = data_types.as_dtype(dtype) if dtype is not None else scope.dtype
    chosen_first = scope.initializer if initializer is None else initializer
    with graph.control_dependencies(None), graph.name_scope(None):
        first = _first_value(full, shape, wanted, chosen_first)
        made = Variable(
            first,
            trainable,
            collections,
            name=full,
            constraint=constraint,
            dtype=None if _is_value(initializer) and dtype is None else wanted,
        )
    graph.shared_variables[full] = made
    chosen = regularizer or scope.regularizer
    if chosen is not None:
        penalty = chosen(made)
        if penalty is not None:
            graph.add_to_collection(GraphKeys.REGULARIZATION_LOSSES, penalty)
    return made


def _is_value(initializer: Any) -> bool:
    return initializer is not None and (
        is_tensor(initializer) or not callable(initializer)
    )


def _first_value(full: str, shape: Any, dtype: Any, initializer: Any) -> Any:
    if _is_value(initializer):
        return initializer
    sizes = TensorShape(shape)
    if not sizes.is_fully_defined():
        raise ShapeError(
            explain(
                f"the variable {full!r} needs a shape of known sizes, got {sizes}",
                fix="give shape=[...]",
            )
        )
    from nervure.tf1 import initializers

    if initializer is None:
        glorot = initializers.glorot_uniform_initializer()
        initializer = glorot if dtype.is_floating else initializers.zeros_initializer()
    if isinstance(initializer, type):
        initializer = initializer()
    return lambda: initializer(sizes.as_list(), dtype=dtype)


def _reused(
    found: Variable, full: str, scope: VariableScope, shape: Any, dtype: Any
) -> Variable:
    if not scope.reuse:
        raise ArgumentError(
            explain(
                f"the variable {full!r} exists already",
                made_at=str(found.op.site),
                fix="say reuse=True or reuse=tf.AUTO_REUSE in variable_scope to use it "
                "again, or choose another name",
            )
        )
    if shape is not None and not found.shape.is_compatible_with(shape):
        raise ShapeError(
            explain(
                f"the variable {full!r} has shape {found.shape}, asked for was "
                f"{TensorShape(shape)}",
                fix="ask for the same shape, or take another name",
            )
        )
    if dtype is not None and found.dtype != data_types.as_dtype(dtype):
        raise DTypeError(
            explain(
                f"the variable {full!r} is {found.dtype.name}, asked for was "
                f"{data_types.as_dtype(dtype).name}",
                fix="ask for the same type, or take another name",
            )
        )
    return found
