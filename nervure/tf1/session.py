"""Sessions: they hold the values of variables and run what is fetched."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from nervure import tree
from nervure.errors import ArgumentError, DTypeError, NervureError, ShapeError, explain
from nervure.ir.attrs import NDArray
from nervure.tf1.data_types import string
from nervure.tf1.errors import FailedPreconditionError
from nervure.tf1.graph import Graph, Operation, _Stack, get_default_graph
from nervure.tf1.programs import CompiledRun, FetchPlan
from nervure.tf1.random_keys import RandomKeys
from nervure.tf1.shapes import TensorShape
from nervure.tf1.tensor import Tensor, as_numpy
from nervure.tf1.variables import Variable

_sessions: Final = _Stack()


def get_default_session() -> Session | None:
    """Return the session in use, or None.

    >>> import nervure.tf1 as tf
    >>> with tf.Session() as session:
    ...     tf.get_default_session() is session
    True
    """
    return _sessions.items[-1] if _sessions.items else None


def session_for(session: Any, graph: Graph, what: str) -> Session:
    """Return the session given, or the one in use for a graph."""
    found = get_default_session() if session is None else session
    if found is None:
        raise ArgumentError(
            explain(
                f"{what}: there is no session in use",
                fix="write `with tf.Session() as session:`, or use tf."
                "InteractiveSession(), or pass session=...",
            )
        )
    if found.graph is not graph:
        raise ArgumentError(
            explain(
                f"{what}: the session in use runs another graph",
                fix="pass session=..., one that was made with tf.Session(graph=...)",
            )
        )
    result: Session = found
    return result


class Session:
    """Runs parts of a graph, and remembers the values of its variables.

    The same fetches with values of the same shapes are compiled once; see
    :meth:`compilations`.

    Parameters
    ----------
    target
        Must be empty: everything runs in this process.
    graph
        The graph; by default the one in use.
    config
        Taken for TensorFlow's sake; Nervure's own settings are in ``nervure.config``.

    Raises
    ------
    ArgumentError
        For a target: a session runs in this process.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     x = tf.placeholder(tf.float32, [None])
    ...     print(session.run(x * 2, feed_dict={x: [1.0, 2.0]}))
    [2. 4.]
    """

    def __init__(
        self, target: str = "", graph: Graph | None = None, config: Any = None
    ) -> None:
        if target:
            raise ArgumentError(
                explain(
                    f"expected no target, got {target!r}: a session runs in this "
                    "process",
                    fix="leave target out",
                )
            )
        self.graph = get_default_graph() if graph is None else graph
        self._values: dict[Variable, NDArray] = {}
        self._plans: dict[tuple[int, ...], FetchPlan] = {}
        self._keys = RandomKeys(self.graph)
        self._closed = False
        self._blocks: list[contextlib.ExitStack] = []

    # --- running ---------------------------------------------------------------------

    def run(
        self,
        fetches: Any,
        feed_dict: Any = None,
        options: Any = None,
        run_metadata: Any = None,
    ) -> Any:
        """Compute ``fetches`` and return their values in the same structure.

        Parameters
        ----------
        fetches
            A tensor, an operation (whose value is None), a variable, a name of one, or
            lists, tuples and dicts of these.
        feed_dict
            Values for tensors, mostly placeholders: numbers, lists, NumPy arrays.
        options, run_metadata
            Not used.

        Returns
        -------
        NumPy arrays that belong to the caller, NumPy numbers for tensors without axes,
        ``bytes`` for text and summaries.

        Raises
        ------
        InvalidArgumentError
            When a placeholder is needed and not fed.
        FailedPreconditionError
            When a variable is read that has no value yet.
        ShapeError, DTypeError
            When a value does not fit its placeholder.
        ArgumentError
            For what is not of this graph.
        """
        self._require_open()
        if isinstance(fetches, Tensor):  # the most frequent cases are the shortest
            (value,) = self._run([self._element(fetches)], self._fed(feed_dict))
            return value
        flat, structure = tree.flatten(fetches)
        targets = [self._element(one) for one in flat]
        return tree.unflatten(structure, self._run(targets, self._fed(feed_dict)))

    def _run(
        self, targets: list[Tensor | Operation], feeds: dict[Tensor, NDArray]
    ) -> list[Any]:
        plan = self._plan(targets)
        compiled = plan.run_for(feeds)
        results, new = compiled(self._inputs(compiled, feeds))
        for variable, value in new:
            self._values[variable] = value
        return results

    def _plan(self, targets: list[Tensor | Operation]) -> FetchPlan:
        # Objects of the graph live as long as it does, so their ids name them.
        key = tuple(map(id, targets))
        found = self._plans.get(key)
        if found is None:
            found = self._plans[key] = FetchPlan(targets)
        return found

    def _inputs(
        self, compiled: CompiledRun, feeds: dict[Tensor, NDArray]
    ) -> list[NDArray]:
        values = self._values
        try:
            inputs = [values[variable] for variable in compiled.variables]
        except KeyError as error:
            raise _uninitialized(error.args[0]) from None
        inputs.extend(feeds.values())
        for operation in compiled.keys:
            inputs.append(self._keys.next(operation))
        for variable in compiled.flags:
            inputs.append(np.array(variable in values))
        return inputs

    def make_callable(
        self, fetches: Any, feed_list: Any = None, accept_options: bool = False
    ) -> Any:
        """Return a function of the values of ``feed_list`` that runs ``fetches``."""
        keys = list(feed_list or [])

        def call(*values: Any) -> Any:
            return self.run(fetches, dict(zip(keys, values, strict=True)))

        return call

    @property
    def compilations(self) -> int:
        """How many programs this session has made."""
        return sum(plan.compilations for plan in self._plans.values())

    def program_graph(self, fetches: Any, feed_dict: Any = None) -> Any:
        """Return Nervure's own graph of what :meth:`run` would run, without running.

        It is a :class:`nervure.ir.Graph`, which prints itself.
        """
        flat, _ = tree.flatten(fetches)
        targets = [self._element(one) for one in flat]
        return self._plan(targets).run_for(self._fed(feed_dict)).graph

    # --- fetches and feeds -----------------------------------------------------------

    def _element(self, fetch: Any) -> Tensor | Operation:
        if isinstance(fetch, Tensor | Operation) and fetch.graph is self.graph:
            return fetch
        try:
            element: Tensor | Operation = self.graph.as_graph_element(fetch)
        except NervureError as error:
            error.add_note(f"it is among the fetches of Session.run: {fetch!r}")
            raise
        return element

    def _fed(self, feed_dict: Any) -> dict[Tensor, NDArray]:
        if not feed_dict:
            return {}
        feeds: dict[Tensor, NDArray] = {}
        for key, value in feed_dict.items():
            tensor: Any = key
            if not (isinstance(key, Tensor) and key.graph is self.graph):
                tensor = self._element(key)
                if isinstance(tensor, Operation):
                    raise ArgumentError(
                        explain(
                            f"feed_dict: {tensor.name!r} is an operation and has no "
                            "value to be fed",
                            fix=f"feed the tensor {tensor.name + ':0'!r}",
                        )
                    )
            feeds[tensor] = _fitting(tensor, value)
        if len(feeds) > 1:  # in whatever order they come, it is one program
            return dict(sorted(feeds.items(), key=_serial))
        return feeds

    # --- variables -------------------------------------------------------------------

    def value_of(self, variable: Variable) -> NDArray:
        """Return a variable's value, not to be changed; raises if it has none."""
        if variable not in self._values:
            raise _uninitialized(variable)
        return self._values[variable]

    def store(self, variable: Variable, value: Any) -> None:
        """Give a variable a value.

        Raises
        ------
        ShapeError
            For a value of another shape than the variable's.
        """
        array = as_numpy(value, variable.dtype, "load")
        if array.shape != variable.known_shape:
            raise ShapeError(
                explain(
                    f"{variable.name} holds shape {list(variable.known_shape)}, got "
                    f"{list(array.shape)}",
                    fix="give a value of the variable's shape",
                )
            )
        self._values[variable] = array

    # --- being in use ----------------------------------------------------------------

    def _require_open(self) -> None:
        if self._closed:
            raise ArgumentError(
                explain("this session is closed", fix="make a new tf.Session()")
            )

    def close(self) -> None:
        """Forget all values; the session cannot be used any more."""
        self._closed = True
        self._values.clear()
        self._plans.clear()

    @contextlib.contextmanager
    def as_default(self) -> Iterator[Session]:
        """Make this the session that ``x.eval()`` uses."""
        with _sessions.using(self):
            yield self

    def __enter__(self) -> Session:
        self._require_open()
        block = contextlib.ExitStack()
        block.enter_context(self.graph.as_default())
        block.enter_context(self.as_default())
        self._blocks.append(block)
        return self

    def __exit__(self, *error: Any) -> None:
        self._blocks.pop().close()
        self.close()


class InteractiveSession(Session):
    """A session that is in use from the moment it is made, for a shell or notebook.

    >>> import nervure.tf1 as tf
    >>> session = tf.InteractiveSession(graph=tf.Graph())
    >>> with session.graph.as_default():
    ...     print(tf.constant(2.0).eval())
    2.0
    >>> session.close()
    """

    def __init__(
        self, target: str = "", graph: Graph | None = None, config: Any = None
    ) -> None:
        super().__init__(target, graph, config)
        _sessions.items.append(self)

    def close(self) -> None:
        """Forget all values, and be in use no more."""
        if self in _sessions.items:
            _sessions.items.remove(self)
        super().close()


def _serial(item: tuple[Tensor, NDArray]) -> int:
    return item[0].serial


def _fitting(tensor: Tensor, value: Any) -> NDArray:
    """Return a fed value as an array of the tensor's type; raise if it is none."""
    if isinstance(value, Tensor):
        raise ArgumentError(
            explain(
                f"feed_dict: the value for {tensor.name} is a tensor of the graph",
                fix="feed a NumPy array or a number",
            )
        )
    wanted = tensor.dtype.dtype
    if not (isinstance(value, np.ndarray) and value.dtype == wanted):
        if tensor.dtype == string:
            raise DTypeError(
                explain(
                    f"feed_dict: {tensor.name} is text, which cannot be fed",
                    fix="make it a tf.constant",
                )
            )
        value = _converted(tensor, value)
    sizes = tensor.shape.sizes
    if sizes is not None and not (
        len(sizes) == value.ndim
        and all(
            size is None or size == given
            for size, given in zip(sizes, value.shape, strict=True)
        )
    ):
        raise ShapeError(
            explain(
                f"cannot feed a value of shape {TensorShape(value.shape)} for the "
                f"tensor {tensor.name}, which has shape {tensor.shape}",
                made_at=str(tensor.op.site),
                fix="reshape the value, or make the placeholder with None where the "
                "size varies",
            )
        )
    fitting: NDArray = value
    return fitting


def _converted(tensor: Tensor, value: Any) -> NDArray:
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ShapeError(
            explain(
                f"feed_dict: the value for {tensor.name}: {error}",
                fix="reshape the value, or make the placeholder with None where "
                "sizes vary",
            )
        ) from None
    if array.dtype.kind not in "biuf" and array.dtype.name != "bfloat16":
        raise DTypeError(
            explain(
                f"feed_dict: expected numbers for {tensor.name}, got "
                f"{array.dtype.name}",
                made_at=str(tensor.op.site),
                fix="convert the value with numpy.asarray(value, 'float32')",
            )
        )
    if array.dtype.kind == "f" and not tensor.dtype.is_floating:
        whole = array.astype(tensor.dtype.dtype)
        if not np.array_equal(whole, array):
            raise DTypeError(
                explain(
                    f"feed_dict: {tensor.name} takes {tensor.dtype.name}, got numbers "
                    "with a fraction",
                    made_at=str(tensor.op.site),
                    fix="round them, or make the placeholder a tf.float32",
                )
            )
        return whole
    converted: NDArray = array.astype(tensor.dtype.dtype)
    return converted


def _uninitialized(variable: Variable) -> FailedPreconditionError:
    return FailedPreconditionError(
        explain(
            f"the variable {variable.op.name!r} has no value in this session",
            made_at=str(variable.op.site),
            fix="run session.run(tf.global_variables_initializer()) after all "
            "variables have been made, or restore a checkpoint",
        )
    )
