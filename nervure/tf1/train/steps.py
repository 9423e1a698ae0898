"""The counter of steps, and running means of variables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nervure import ops
from nervure.array import Array
from nervure.errors import ArgumentError, explain
from nervure.tf1 import data_types
from nervure.tf1.building import operation
from nervure.tf1.emission import Context
from nervure.tf1.graph import Graph, GraphKeys, Operation, get_default_graph
from nervure.tf1.ordering import group
from nervure.tf1.tensor import convert_to_tensor
from nervure.tf1.variables import Variable, trainable_variables


def get_global_step(graph: Graph | None = None) -> Variable | None:
    """Return the variable that counts steps, or None.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default():
    ...     print(tf.train.get_global_step())
    None
    """
    chosen = graph or get_default_graph()
    found = chosen.get_collection(GraphKeys.GLOBAL_STEP)
    if found:
        first: Variable = found[0]
        return first
    named = [
        one
        for one in chosen.get_collection(GraphKeys.GLOBAL_VARIABLES)
        if one.name == "global_step:0"
    ]
    return named[0] if named else None


def create_global_step(graph: Graph | None = None) -> Variable:
    """Make the variable that counts steps.

    Raises :class:`~nervure.errors.ArgumentError` if there is one.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default():
    ...     tf.train.create_global_step().name
    'global_step:0'
    """
    chosen = graph or get_default_graph()
    if get_global_step(chosen) is not None:
        raise ArgumentError(
            explain(
                "the graph has a global step already",
                fix="take it with tf.train.get_global_step()",
            )
        )
    with chosen.as_default(), chosen.name_scope(None):
        return Variable(
            0,
            trainable=False,
            name="global_step",
            dtype=data_types.int64,
            collections=[GraphKeys.GLOBAL_VARIABLES, GraphKeys.GLOBAL_STEP],
        )


def get_or_create_global_step(graph: Graph | None = None) -> Variable:
    """Return the variable that counts steps, made if there is none.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default():
    ...     tf.train.get_or_create_global_step() is tf.train.get_global_step()
    True
    """
    return get_global_step(graph) or create_global_step(graph)


def global_step(sess: Any, global_step_tensor: Any) -> int:
    """Return the number of steps in a session.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     step = tf.train.create_global_step()
    ...     session.run(step.initializer)
    ...     tf.train.global_step(session, step)
    0
    """
    return int(sess.run(global_step_tensor))


class ExponentialMovingAverage:
    """Running means of variables: ``mean = decay * mean + (1 - decay) * value``.

    Parameters
    ----------
    decay
        Close to 1.
    num_updates
        The number of steps; the decay is then at most (1 + n) / (10 + n).
    name
        Ends the names of the means.

    Raises
    ------
    ArgumentError
        For zero_debias, which is not there.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     v = tf.Variable(0.0)
    ...     means = tf.train.ExponentialMovingAverage(0.5)
    ...     with tf.control_dependencies([v.assign(8.0)]):
    ...         update = means.apply([v])
    ...     session.run(tf.global_variables_initializer())
    ...     session.run(update)
    ...     session.run(means.average(v))
    np.float32(4.0)
    """

    def __init__(
        self,
        decay: float,
        num_updates: Any = None,
        zero_debias: bool = False,
        name: str = "ExponentialMovingAverage",
    ) -> None:
        if zero_debias:
            raise ArgumentError(
                explain(
                    "ExponentialMovingAverage: zero_debias is not there",
                    fix="leave it out",
                )
            )
        self._decay = decay
        self._num_updates = num_updates
        self._name = name
        self._averages: dict[Variable, Variable] = {}

    def apply(self, var_list: Sequence[Variable] | None = None) -> Operation:
        """Return an operation that updates the means, made at the first call."""
        graph = get_default_graph()
        variables = list(trainable_variables() if var_list is None else var_list)
        counts = (
            [] if self._num_updates is None else [convert_to_tensor(self._num_updates)]
        )
        updates = []
        for variable in variables:
            if variable not in self._averages:
                with graph.control_dependencies(None), graph.name_scope(None):
                    self._averages[variable] = Variable(
                        variable.initialized_value(),
                        trainable=False,
                        name=self.average_name(variable),
                        collections=[GraphKeys.GLOBAL_VARIABLES],
                    )
                graph.add_to_collection(GraphKeys.MOVING_AVERAGE_VARIABLES, variable)
            updates.append(self._update(variable, counts))
        return group(*updates, name=self._name)

    def _update(self, variable: Variable, counts: list[Any]) -> Operation:
        mean = self._averages[variable]

        def emit(context: Context, value: Array, *count: Array) -> None:
            keep: Any = self._decay
            if count:
                number = ops.astype(count[0], variable.dtype.name)
                keep = ops.minimum(self._decay, (1.0 + number) / (10.0 + number))
            old = context.now(mean)
            context.write(mean, old - (old - value) * (1.0 - keep))

        return operation(
            "AssignMovingAvg",
            [convert_to_tensor(variable), *counts],
            emit,
            types=[],
            attributes={"variables": [mean]},
        )

    def average(self, var: Variable) -> Variable | None:
        """Return the variable that holds the mean of another, or None."""
        return self._averages.get(var)

    def average_name(self, var: Variable) -> str:
        """Return the name of the mean of a variable."""
        return f"{var.op.name}/{self._name}"

    def variables_to_restore(self) -> dict[str, Variable]:
        """Return variables by the names of their means, for a saver."""
        from nervure.tf1.variables import global_variables

        averaged = set(self._averages)
        means = set(self._averages.values())
        return {
            self.average_name(one) if one in averaged else one.op.name: one
            for one in global_variables()
            if one not in means
        }
