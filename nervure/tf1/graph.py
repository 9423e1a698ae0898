"""TensorFlow 1's graph: operations with names, in the order in which they were made.

A graph computes nothing. A session walks over the operations that a result needs and
asks each to *emit* nodes of Nervure's own graph (see ``emission.py``), for the shapes
that are fed; those are differentiated, optimised and compiled like everything else.
"""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from nervure.errors import ArgumentError, UnknownNameError, explain, nearest_names
from nervure.ir.node import Site, current_site

if TYPE_CHECKING:
    from nervure.tf1.tensor import Tensor
    from nervure.tf1.variables import Variable

# ``(context, *arrays of the inputs) -> what the outputs are``; see ``emission.py``.
Emit = Callable[..., Any]


class GraphKeys:
    """The names of the collections that TensorFlow itself uses.

    >>> import nervure.tf1 as tf
    >>> tf.GraphKeys.TRAINABLE_VARIABLES
    'trainable_variables'
    """

    GLOBAL_VARIABLES = "variables"
    VARIABLES = "variables"
    LOCAL_VARIABLES = "local_variables"
    TRAINABLE_VARIABLES = "trainable_variables"
    MOVING_AVERAGE_VARIABLES = "moving_average_variables"
    MODEL_VARIABLES = "model_variables"
    METRIC_VARIABLES = "metric_variables"
    SUMMARIES = "summaries"
    LOSSES = "losses"
    REGULARIZATION_LOSSES = "regularization_losses"
    UPDATE_OPS = "update_ops"
    TRAIN_OP = "train_op"
    GLOBAL_STEP = "global_step"
    INIT_OP = "init_op"
    SAVERS = "savers"


class Operation:
    """One operation of a graph.

    Operations are made by the functions of ``nervure.tf1``, never by hand.

    Attributes
    ----------
    graph, name, type
        Where it belongs, its name there, and what it does (``"MatMul"``).
    inputs, outputs
        Tensors.
    control_inputs
        Operations that run before it.
    attributes
        Plain data about it, for pictures of the graph.
    site
        The line that made it.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default():
    ...     tf.constant(1.0, name="one").op.type
    'Const'
    """

    __slots__ = (
        *("attributes", "control_inputs", "device", "emit", "graph", "inputs"),
        *("name", "number", "outputs", "site", "type"),
    )

    def __init__(
        self,
        graph: Graph,
        kind: str,
        name: str,
        inputs: Sequence[Tensor],
        emit: Emit,
        attributes: dict[str, Any],
    ) -> None:
        self.graph = graph
        self.type = kind
        self.name = name
        self.inputs = tuple(inputs)
        self.emit = emit
        self.attributes = attributes
        self.outputs: tuple[Tensor, ...] = ()
        self.control_inputs = graph.current_control_inputs()
        self.device = graph.current_device
        self.site: Site = current_site()._replace(scope="")
        self.number = 0

    def run(self, feed_dict: Any = None, session: Any = None) -> None:
        """Run the operation in a session, by default the one in use."""
        from nervure.tf1.session import session_for

        session_for(session, self.graph, "Operation.run").run(self, feed_dict)

    def get_attr(self, name: str) -> Any:
        """Return one of the attributes; raises for an unknown name."""
        if name not in self.attributes:
            raise UnknownNameError(
                explain(
                    f"the operation {self.name!r} has no {name!r}",
                    fix="op.inputs, op.outputs and op.type say what it has",
                )
            )
        return self.attributes[name]

    def values(self) -> tuple[Tensor, ...]:
        """Return the outputs."""
        return self.outputs

    def __repr__(self) -> str:
        return f"<tf.Operation '{self.name}' type={self.type}>"


_VALID_SCOPE: Final = re.compile(r"^[A-Za-z0-9_.\-/\\]*$")
DEFAULT_GRAPH_SEED: Final = 87654321


class Graph:
    """A graph of operations.

    >>> import nervure.tf1 as tf
    >>> graph = tf.Graph()
    >>> with graph.as_default():
    ...     total = tf.constant(1.0) + 2.0
    >>> with tf.Session(graph=graph) as session:
    ...     print(session.run(total))
    3.0
    """

    def __init__(self) -> None:
        self._operations: dict[str, Operation] = {}
        self._names: dict[str, int] = {}
        self._collections: dict[Any, list[Any]] = {}
        self._scope = ""
        self._device = ""
        self._controls: list[tuple[Operation, ...]] = []
        self._finalized = False
        self.seed: int | None = None
        # State of variable scopes (see ``scopes.py``), and snapshots of variables.
        self.variable_scope: Any = None
        self.shared_variables: dict[str, Variable] = {}
        # Set while the branches of a condition or the body of a loop are made.
        self.inside: list[Any] = []

    # --- making operations -----------------------------------------------------------

    def add(
        self,
        kind: str,
        inputs: Sequence[Tensor],
        emit: Emit,
        name: str | None,
        attributes: dict[str, Any] | None = None,
    ) -> Operation:
        """Make an operation, without outputs as yet.

        Raises
        ------
        ArgumentError
            For a graph that is finalized, and for tensors of another graph.
        """
        if self._finalized:
            raise ArgumentError(
                explain(
                    f"the graph is finalized and cannot take the operation {kind!r}",
                    fix="make operations before the training loop, not inside it",
                )
            )
        for tensor in inputs:
            if tensor.graph is not self:
                raise ArgumentError(
                    explain(
                        f"{kind}: {tensor.name!r} belongs to another graph",
                        operands=[
                            (
                                tensor.name,
                                str(tensor.shape),
                                f"made at {tensor.op.site}",
                            )
                        ],
                        fix="make all operations inside one `with graph.as_default():`",
                    )
                )
        chosen = self._operation_name(kind if name is None else name)
        operation = Operation(self, kind, chosen, inputs, emit, attributes or {})
        operation.number = len(self._operations)
        self._operations[chosen] = operation
        return operation

    def _operation_name(self, name: str) -> str:
        if name.endswith("/") and name[:-1] not in self._operations:
            return name[:-1]  # as TensorFlow: this very name
        if not name or not _VALID_SCOPE.match(name):
            raise ArgumentError(
                explain(
                    f"{name!r} is not a valid name of an operation",
                    fix="use letters, digits and _.-/ only, and begin with a letter, "
                    "a digit or a point",
                )
            )
        return self.unique_name(name)

    def unique_name(
        self, name: str, mark_as_used: bool = True, absolute: bool = False
    ) -> str:
        """Return a name in the current scope that no operation has."""
        full = name if absolute or not self._scope else f"{self._scope}/{name}"
        key = full.lower()
        count = self._names.get(key, 0)
        found = full
        while count and found.lower() in self._names:
            found = f"{full}_{count}"
            count += 1
        if mark_as_used:
            self._names[key] = max(count, 1)
            self._names.setdefault(found.lower(), 1)
        return found

    @property
    def version(self) -> int:
        """The number of operations."""
        return len(self._operations)

    @property
    def finalized(self) -> bool:
        """Whether nothing can be added."""
        return self._finalized

    def finalize(self) -> None:
        """Let nothing be added any more, so that a loop cannot grow the graph."""
        self._finalized = True

    # --- scopes ----------------------------------------------------------------------

    @contextlib.contextmanager
    def as_default(self) -> Iterator[Graph]:
        """Make this the graph to which functions add operations."""
        with _graphs.using(self):
            yield self

    @contextlib.contextmanager
    def name_scope(self, name: str | None) -> Iterator[str]:
        """Put ``name/`` before the names of the operations that are made inside.

        Raises
        ------
        ArgumentError
            For a name with other characters than letters, digits and ``_.-/``.
        """
        outer = self._scope
        if name and not _VALID_SCOPE.match(name):
            raise ArgumentError(
                explain(
                    f"{name!r} is not a valid name of a scope",
                    fix="use letters, digits and _.-/ only",
                )
            )
        if not name:
            self._scope = ""
        elif name.endswith("/"):
            self._scope = name[:-1]
        else:
            self._scope = self.unique_name(name)
        try:
            yield f"{self._scope}/" if self._scope else ""
        finally:
            self._scope = outer

    def get_name_scope(self) -> str:
        """Return the current scope of names, without a stroke at the end."""
        return self._scope

    @contextlib.contextmanager
    def control_dependencies(self, control_inputs: Any) -> Iterator[None]:
        """Let what is made inside run after ``control_inputs``.

        These are operations, tensors and variables; None forgets all outer ones.
        """
        outer = self._controls
        if control_inputs is None:
            self._controls = []
        else:
            given = tuple(self._as_operation(one) for one in control_inputs)
            self._controls = [*outer, given]
        try:
            yield
        finally:
            self._controls = outer

    def _as_operation(self, value: Any) -> Operation:
        if isinstance(value, Operation):
            return value
        operation = getattr(value, "op", None)
        if not isinstance(operation, Operation):
            raise ArgumentError(
                explain(
                    "control_dependencies expects operations and tensors, got "
                    f"{value!r}",
                    fix="pass a list of tensors and operations of this graph",
                )
            )
        return operation

    def current_control_inputs(self) -> tuple[Operation, ...]:
        """Return what an operation made now has to wait for."""
        return tuple(dict.fromkeys(one for group in self._controls for one in group))

    @contextlib.contextmanager
    def device(self, device_name_or_function: Any) -> Iterator[None]:
        """Note a device, which pictures show; everything runs where the executor is."""
        outer = self._device
        named = isinstance(device_name_or_function, str)
        self._device = device_name_or_function if named else ""
        try:
            yield
        finally:
            self._device = outer

    @property
    def current_device(self) -> str:
        """The device noted for operations made now."""
        return self._device

    # --- collections -----------------------------------------------------------------

    def add_to_collection(self, name: Any, value: Any) -> None:
        """Append to the list of this name."""
        self._collections.setdefault(name, []).append(value)

    def add_to_collections(self, names: Any, value: Any) -> None:
        """Append to several lists, or to one."""
        for name in (names,) if isinstance(names, str) else dict.fromkeys(names):
            self.add_to_collection(name, value)

    def get_collection(self, name: Any, scope: str | None = None) -> list[Any]:
        """Return a copy of a list; ``scope`` is a pattern for the names' beginning."""
        found = list(self._collections.get(name, []))
        if scope is None:
            return found
        pattern = re.compile(scope)
        return [one for one in found if pattern.match(getattr(one, "name", ""))]

    def get_collection_ref(self, name: Any) -> list[Any]:
        """Return the list itself."""
        return self._collections.setdefault(name, [])

    def clear_collection(self, name: Any) -> None:
        """Empty a list."""
        self._collections.pop(name, None)

    def get_all_collection_keys(self) -> list[Any]:
        """Return the names of the lists."""
        return [key for key, values in self._collections.items() if values]

    # --- finding ---------------------------------------------------------------------

    def get_operations(self) -> list[Operation]:
        """Return all operations in the order in which they were made."""
        return list(self._operations.values())

    def get_operation_by_name(self, name: str) -> Operation:
        """Return an operation; raises an error that names the nearest."""
        found = self._operations.get(name)
        if found is None:
            near = nearest_names(name, self._operations)
            fix = f"did you mean {' or '.join(map(repr, near))}?" if near else None
            raise UnknownNameError(
                explain(f"the graph has no operation named {name!r}", fix=fix)
            )
        return found

    def get_tensor_by_name(self, name: str) -> Tensor:
        """Return the tensor of a name such as ``"MatMul:0"``.

        Raises
        ------
        ArgumentError, UnknownNameError
            For what is no name of a tensor, and for one that is not in the graph.
        """
        operation_name, _, place = name.partition(":")
        if not place.isdecimal():
            raise ArgumentError(
                explain(
                    f"{name!r} is no name of a tensor",
                    fix=f"use {operation_name + ':0'!r} for the first output",
                )
            )
        outputs = self.get_operation_by_name(operation_name).outputs
        if int(place) >= len(outputs):
            raise UnknownNameError(
                explain(
                    f"the operation {operation_name!r} has {len(outputs)} outputs, "
                    "there "
                    f"is no {name!r}",
                    fix=f"the first output is {operation_name + ':0'!r}",
                )
            )
        return outputs[int(place)]

    def as_graph_element(self, value: Any) -> Any:
        """Return the tensor or operation of this graph that a value stands for.

        A value is a tensor, an operation, a variable, or the name of one.

        Raises
        ------
        ArgumentError
            For what does not belong to this graph.
        """
        if isinstance(value, str):
            if ":" in value:
                return self.get_tensor_by_name(value)
            return self.get_operation_by_name(value)
        element = getattr(value, "snapshot", value)
        if getattr(element, "graph", None) is self:
            return element
        made_at = getattr(getattr(element, "op", element), "site", None)
        raise ArgumentError(
            explain(
                f"{value!r} is not an element of this graph",
                made_at=None if made_at is None else str(made_at),
                fix="make the session with tf.Session(graph=...), or make everything "
                "inside one `with graph.as_default():`",
            )
        )

    def __repr__(self) -> str:
        return f"<tf.Graph of {len(self._operations)} operations>"


class _Stack(threading.local):
    """A default that ``with`` blocks change, for each thread by itself."""

    def __init__(self) -> None:
        self.items: list[Any] = []

    @contextlib.contextmanager
    def using(self, item: Any) -> Iterator[None]:
        self.items.append(item)
        try:
            yield
        finally:
            self.items.remove(item)


_graphs = _Stack()
_first: Graph | None = None


def get_default_graph() -> Graph:
    """Return the graph to which functions add operations now.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default() as graph:
    ...     tf.get_default_graph() is graph
    True
    """
    global _first
    if _graphs.items:
        graph: Graph = _graphs.items[-1]
        return graph
    if _first is None:
        _first = Graph()
    return _first


def reset_default_graph() -> None:
    """Replace the graph that is used outside every ``with`` by an empty one.

    Raises :class:`~nervure.errors.ArgumentError` inside a ``with`` block.

    >>> import nervure.tf1 as tf
    >>> tf.reset_default_graph()
    >>> tf.get_default_graph().get_operations()
    []
    """
    global _first
    if _graphs.items:
        raise ArgumentError(
            explain(
                "reset_default_graph must not be called inside `with "
                "graph.as_default():`",
                fix="leave the block first",
            )
        )
    _first = Graph()


def name_scope(
    name: str | None, default_name: str | None = None, values: Any = None
) -> contextlib.AbstractContextManager[str]:
    """Put a prefix before the names of what is made inside.

    ``default_name`` serves where ``name`` is None; ``values`` is ignored.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.name_scope("layer"):
    ...     tf.constant(1.0, name="one").name
    'layer/one:0'
    """
    return get_default_graph().name_scope(default_name if name is None else name)


def control_dependencies(
    control_inputs: Any,
) -> contextlib.AbstractContextManager[None]:
    """Let what is made inside run after these operations and tensors.

    A variable that is read inside is read after them.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     step = tf.Variable(0)
    ...     session.run(step.initializer)
    ...     with tf.control_dependencies([tf.assign_add(step, 1)]):
    ...         after = tf.identity(step)
    ...     print(session.run(after))
    1
    """
    return get_default_graph().control_dependencies(control_inputs)


def device(
    device_name_or_function: Any,
) -> contextlib.AbstractContextManager[None]:
    """Note a device for what is made inside; see :meth:`Graph.device`.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.device("/cpu:0"):
    ...     tf.constant(1.0).device
    '/cpu:0'
    """
    return get_default_graph().device(device_name_or_function)


def add_to_collection(name: Any, value: Any) -> None:
    """Append to a list of the default graph.

    >>> import nervure.tf1 as tf
    >>> tf.add_to_collection("wanted", 3)
    """
    get_default_graph().add_to_collection(name, value)


def get_collection(key: Any, scope: str | None = None) -> list[Any]:
    """Return a list of the default graph; ``scope`` filters by the names' beginning.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default():
    ...     tf.get_collection(tf.GraphKeys.GLOBAL_VARIABLES)
    []
    """
    return get_default_graph().get_collection(key, scope)


def set_random_seed(seed: int | None) -> None:
    """Make the random operations of the default graph that are made later repeatable.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default():
    ...     tf.set_random_seed(1)
    ...     x = tf.random_normal([3])
    ...     a, b = tf.Session().run(x), tf.Session().run(x)
    ...     print((a == b).all())
    True
    """
    get_default_graph().seed = seed
