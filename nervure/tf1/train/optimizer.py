"""What TensorFlow 1's optimizers have in common.

An optimizer makes operations that change variables. Each variable's operation computes
its new value and those of its *slots* (momentum and the like) in one go.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from nervure import ops
from nervure.array import Array
from nervure.errors import ArgumentError, GradientError, explain
from nervure.tf1.building import operation
from nervure.tf1.emission import Context
from nervure.tf1.gradient import gradients
from nervure.tf1.graph import GraphKeys, Operation, get_default_graph
from nervure.tf1.ordering import group
from nervure.tf1.tensor import Tensor, convert_to_tensor, is_tensor
from nervure.tf1.variables import Variable, assign_add, trainable_variables

GradientsAndVariables = list[tuple[Any, Variable]]


class Optimizer:
    """Base class of optimizers.

    Raises
    ------
    ArgumentError
        For an empty name.

    >>> import nervure.tf1 as tf
    >>> issubclass(tf.train.AdamOptimizer, tf.train.Optimizer)
    True
    """

    GATE_NONE: ClassVar[int] = 0
    GATE_OP: ClassVar[int] = 1
    GATE_GRAPH: ClassVar[int] = 2

    def __init__(self, use_locking: bool, name: str) -> None:
        if not name:
            raise ArgumentError(
                explain("an optimizer needs a name", fix="leave the argument name out")
            )
        self._name = name
        self._slots: dict[str, dict[Variable, Variable]] = {}

    def get_name(self) -> str:
        """Return the name."""
        return self._name

    # --- what users call -------------------------------------------------------------

    def minimize(
        self,
        loss: Tensor,
        global_step: Variable | None = None,
        var_list: Sequence[Variable] | None = None,
        gate_gradients: int = GATE_OP,
        aggregation_method: Any = None,
        colocate_gradients_with_ops: bool = False,
        name: str | None = None,
        grad_loss: Any = None,
    ) -> Operation:
        """Return an operation that makes one step towards a smaller loss.

        Parameters
        ----------
        loss
            The tensor to make small.
        global_step
            A variable that counts the steps.
        var_list
            The variables to change; by default all trainable ones.
        name
            The name of the operation.
        grad_loss
            What the elements of the loss count.

        Raises
        ------
        GradientError
            When the loss depends on none of the variables.
        """
        pairs = self.compute_gradients(loss, var_list, grad_loss=grad_loss)
        if all(gradient is None for gradient, _ in pairs):
            raise GradientError(
                explain(
                    f"the loss {loss.name} depends on none of the variables: "
                    + ", ".join(variable.op.name for _, variable in pairs),
                    made_at=str(loss.op.site),
                    fix="use variables in the loss, through floating-point operations",
                )
            )
        return self.apply_gradients(pairs, global_step, name)

    def compute_gradients(
        self,
        loss: Any,
        var_list: Sequence[Variable] | None = None,
        gate_gradients: int = GATE_OP,
        aggregation_method: Any = None,
        colocate_gradients_with_ops: bool = False,
        grad_loss: Any = None,
    ) -> GradientsAndVariables:
        """Return pairs of a gradient, or None, and its variable.

        Raises
        ------
        ArgumentError
            When there are no variables to change.
        """
        variables = list(trainable_variables() if var_list is None else var_list)
        if not variables:
            raise ArgumentError(
                explain(
                    "there are no variables to change",
                    fix="make variables with trainable=True, or give var_list",
                )
            )
        given = None if grad_loss is None else [grad_loss]
        found = gradients([convert_to_tensor(loss)], variables, given)
        return list(zip(found, variables, strict=True))

    def apply_gradients(
        self,
        grads_and_vars: GradientsAndVariables,
        global_step: Variable | None = None,
        name: str | None = None,
    ) -> Operation:
        """Return an operation that changes variables by gradients.

        Raises
        ------
        GradientError
            When no variable has a gradient.
        """
        pairs = [
            (convert_to_tensor(gradient, variable.dtype), variable)
            for gradient, variable in grads_and_vars
            if gradient is not None
        ]
        if not pairs:
            raise GradientError(
                explain(
                    "apply_gradients: no variable has a gradient",
                    fix="the loss must be computed from the variables; is it cut off "
                    "by tf.stop_gradient?",
                )
            )
        variables = [variable for _, variable in pairs]
        with get_default_graph().control_dependencies(None):
            self._make_slots(variables)
        with get_default_graph().name_scope(name or self._name) as scope:
            updates = [
                self._applied(gradient, variable) for gradient, variable in pairs
            ]
            steps = [*updates, *self._finish(updates)]
            if global_step is None:
                made = group(*steps, name=scope.rstrip("/") + "/")
            else:
                with get_default_graph().control_dependencies(
                    [group(*steps, name="update")]
                ):
                    made = assign_add(global_step, 1, name=scope).op
        get_default_graph().add_to_collection(GraphKeys.TRAIN_OP, made)
        return made

    # --- slots -----------------------------------------------------------------------

    def get_slot(self, var: Variable, name: str) -> Variable | None:
        """Return the slot of a variable, or None."""
        return self._slots.get(name, {}).get(var)

    def get_slot_names(self) -> list[str]:
        """Return the names of the slots."""
        return sorted(self._slots)

    def variables(self) -> list[Variable]:
        """Return the variables that the optimizer itself has."""
        return [one for slots in self._slots.values() for one in slots.values()]

    def _slot(
        self, variable: Variable, slot: str, name: str, make: Callable[[], Any]
    ) -> Variable:
        """Make a slot of a variable, unless there is one."""
        slots = self._slots.setdefault(slot, {})
        if variable not in slots:
            with get_default_graph().name_scope(None):
                slots[variable] = Variable(
                    make(), trainable=False, name=f"{variable.op.name}/{name}"
                )
        return slots[variable]

    def _zeros(self, variable: Variable, slot: str, name: str) -> Variable:
        """Make a slot that begins with zeros."""
        return self._filled(variable, slot, name, 0.0)

    def _filled(
        self, variable: Variable, slot: str, name: str, value: float
    ) -> Variable:
        """Make a slot that begins with a number in every place."""
        from nervure.tf1.creation import fill
        from nervure.tf1.placeholders import constant

        number = constant(value, variable.dtype)
        return self._slot(
            variable, slot, name, lambda: fill(variable.known_shape, number)
        )

    # --- what a subclass says --------------------------------------------------------

    def _rates(self) -> dict[str, Any]:
        """Return the numbers of the formula, which may be tensors."""
        raise NotImplementedError(f"{type(self).__name__} has no _rates")

    def _make_slots(self, variables: Sequence[Variable]) -> None:
        """Make the slots of variables."""

    def _slots_of(self, variable: Variable) -> list[Variable]:
        """Return the variables that the update of a variable reads."""
        return []

    def _update(
        self, value: Array, gradient: Array, slots: list[Array], rates: dict[str, Array]
    ) -> tuple[Array, list[Array]]:
        """Return the new value of a variable, and of its slots."""
        raise NotImplementedError(f"{type(self).__name__} has no _update")

    def _finish(self, updates: list[Operation]) -> list[Operation]:
        """Return what is to be done after the updates of all variables."""
        return []

    def _applied(self, gradient: Tensor, variable: Variable) -> Operation:
        """Make the operation that changes one variable."""
        slots = self._slots_of(variable)
        own = set(Optimizer.variables(self))  # others, such as counts, change later
        changing = [one for one in slots if one in own]
        given = self._rates()
        tensors = {
            key: convert_to_tensor(one) for key, one in given.items() if is_tensor(one)
        }

        def emit(context: Context, change: Array, *values: Array) -> None:
            dtype = variable.dtype.dtype
            # Plain numbers are as exact as the variable's type can hold them.
            rates = {
                key: ops.asarray(one, dtype=dtype)
                for key, one in given.items()
                if key not in tensors
            }
            rates |= {
                key: one.astype(dtype) for key, one in zip(tensors, values, strict=True)
            }
            before = [context.now(slot) for slot in slots]
            new, after = self._update(context.now(variable), change, before, rates)
            context.write(variable, new)
            for slot, value in zip(slots, after, strict=False):
                if slot in changing:
                    context.write(slot, value)

        return operation(
            f"Apply{self._name}",
            [gradient, *tensors.values()],
            emit,
            f"update_{variable.op.name}/Apply{self._name}",
            types=[],
            attributes={"variable": variable, "variables": [variable, *changing]},
        )
