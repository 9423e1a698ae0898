"""What an executor is, and which one runs a graph.

An executor compiles a :class:`~nervure.ir.graph.Graph` to a :class:`Program`.  A graph
that describes one step of an iteration compiles to a :class:`StepProgram`, which runs
many steps in one call: a compiler may stay in native code between them.
"""

from __future__ import annotations

import contextlib
import importlib
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from typing import Any, ClassVar, Final, Protocol

import numpy as np

from nervure.config import config
from nervure.errors import (
    ArgumentError,
    GraphError,
    MachineError,
    explain,
    unknown_name,
)
from nervure.exec.accelerators import accelerator_to_use
from nervure.exec.work import total_operations
from nervure.ir.attrs import DeviceValue, NDArray
from nervure.ir.graph import Graph
from nervure.ir.node import Node

# No inputs.
NOTHING: Final = range(0)


class Program(Protocol):
    """A compiled graph: arrays for its inputs in, arrays of its outputs out.

    ``on_device`` says that it takes values that lie on a device as well, and returns
    such values; without it, all are NumPy arrays.
    """

    on_device: ClassVar[bool]

    def __call__(self, inputs: Sequence[Any]) -> Sequence[Any]:
        """Run once.  The inputs are not changed."""
        ...


class StepProgram(Protocol):
    """A compiled step of an iteration.

    The graph's inputs are, in order, the *state* (as many as the graph has outputs that
    replace it), the *constants* (the same for every step) and the *varying* values (a
    slice along their first axis for every step).  Its outputs are the new state.

    ``on_device`` is as for :class:`Program`; what varies are NumPy arrays always.
    """

    on_device: ClassVar[bool]

    def run(
        self,
        state: Sequence[Any],
        constants: Sequence[Any],
        varying: Sequence[NDArray],
    ) -> Sequence[Any]:
        """Run one step for each entry of ``varying`` and return the last state.

        The executor owns ``state`` from now on and may overwrite it, except for values
        on a device that are marked as shared.
        """
        ...


class Executor(Protocol):
    """A way to run graphs; ``on_device`` is as for :class:`Program`."""

    name: str
    on_device: ClassVar[bool]

    def compile(self, graph: Graph, settled: range = NOTHING) -> Program:
        """Compile a graph.

        ``settled`` are the places of inputs that hardly ever change from call to call,
        as the weights of a network that predicts: what depends on them alone need not
        be computed again while they are the same arrays.
        """
        ...

    def compile_step(
        self,
        graph: Graph,
        state_count: int,
        constant_count: int,
        *,
        memory_budget: int | None = None,
        offload: bool = False,
    ) -> StepProgram:
        """Compile one step of an iteration; see :class:`StepProgram`.

        The values between its kernels shall need no more than ``memory_budget`` bytes,
        which costs time; with ``offload`` they may lie outside of the memory that is
        budgeted while nobody needs them.  The results are the same to the last bit.

        Raises :class:`~nervure.errors.BudgetError` for a budget that is too small.
        """
        ...

    def evaluate(
        self, outputs: Sequence[Node], known: Mapping[Node, Any]
    ) -> Sequence[Any]:
        """Compute ``outputs`` once, given the values of some nodes below them."""
        ...


class SteppedProgram:
    """A :class:`StepProgram` that calls an ordinary program for every step."""

    on_device: ClassVar[bool] = False

    def __init__(self, program: Program) -> None:
        self._program = program

    def run(
        self,
        state: Sequence[NDArray],
        constants: Sequence[NDArray],
        varying: Sequence[NDArray],
    ) -> list[NDArray]:
        """Run the steps one after the other."""
        current = list(state)
        for step in range(step_count(varying)):
            inputs = [*current, *constants, *(values[step] for values in varying)]
            current = list(self._program(inputs))
        return current


def step_count(varying: Sequence[NDArray]) -> int:
    """Return how many steps the varying values are for; all must say the same."""
    counts = {len(values) for values in varying}
    if len(counts) != 1:
        raise GraphError(
            explain(
                f"varying inputs must be for one number of steps, got {sorted(counts)}",
                fix="let all varying arrays have one entry a step along their first "
                "axis",
            )
        )
    return counts.pop()


def check_inputs(
    nodes: Sequence[Node], values: Sequence[NDArray | DeviceValue]
) -> None:
    """Raise :class:`GraphError` for a wrong number or type of values."""
    if len(values) != len(nodes):
        raise wrong_count(len(nodes), len(values))
    for value, node in zip(values, nodes, strict=True):
        if value.shape != node.shape or value.dtype != node.dtype:
            raise wrong_input(node, value)


def wrong_count(expected: int, given: int) -> GraphError:
    """Return the error for a wrong number of inputs."""
    return GraphError(
        explain(
            f"expected {expected} inputs, got {given}",
            fix="pass one array for each of graph.inputs, in their order and of "
            "their types",
        )
    )


def wrong_input(node: Node, value: NDArray | DeviceValue) -> GraphError:
    """Return the error for a value of another type than its input's."""
    return GraphError(
        explain(
            f"input {node.attrs['name']!r}: expected {node.type_text}, got "
            f"{value.dtype.name}{list(value.shape)}",
            fix="convert the array first: astype() and reshape()",
        )
    )


def filled_up(rows: NDArray, length: int) -> NDArray:
    """Return rows with copies of the last one: the sizes of a program are fixed."""
    if len(rows) == length:
        return rows
    copies = np.broadcast_to(rows[-1:], (length - len(rows), *rows.shape[1:]))
    return np.concatenate([rows, copies])


def check_step(graph: Graph, state_count: int, constant_count: int) -> None:
    """Raise :class:`GraphError` unless the graph can be iterated."""
    if len(graph.outputs) != state_count:
        raise GraphError(
            explain(
                f"a step with {state_count} state values has {len(graph.outputs)} "
                "outputs",
                fix="let the step return the new value of each state value, in their "
                "order",
            )
        )
    if len(graph.inputs) <= state_count + constant_count:
        raise GraphError(
            explain(
                "a step needs at least one varying input",
                fix="pass what differs from step to step, such as the numbers of the "
                "rows",
            )
        )
    for old, new in zip(graph.inputs, graph.outputs, strict=False):
        if old.shape != new.shape or old.dtype != new.dtype:
            raise GraphError(
                explain(
                    f"a step turns the state {old.type_text} into {new.type_text}",
                    fix="keep the shape and the data type, for example with .astype()",
                )
            )


# Executors are imported when first asked for: compilers cost start-up time.
_FACTORIES: Final[dict[str, str]] = {
    "reference": "nervure.exec.reference:ReferenceExecutor",
    "cpu": "nervure.exec.cpu:CpuExecutor",
    "xla": "nervure.exec.xla:XlaExecutor",
}
_ready: dict[str, Executor] = {}

# An implicit evaluation of fewer elementary operations is not worth a compilation:
# NumPy is done with it in about the time that compiling a small graph takes.
LITTLE_WORK: Final = 20_000_000


def executors() -> list[str]:
    """Return the names of the executors that this version has."""
    return list(_FACTORIES)


def executor_named(name: str) -> Executor:
    """Return an executor by name.

    Raises :class:`~nervure.errors.UnknownNameError`, and
    :class:`~nervure.errors.MachineError` if it cannot work on this machine.
    """
    if name not in _ready:
        if name not in _FACTORIES:
            raise unknown_name("executor", name, list(_FACTORIES))
        module, _, attribute = _FACTORIES[name].partition(":")
        factory: Callable[[], Executor] = getattr(
            importlib.import_module(module), attribute
        )
        _ready[name] = factory()
    return _ready[name]


def make_ready() -> None:
    """Load the executor that will compile, so that the first program need not."""
    with contextlib.suppress(MachineError):  # explained when it is needed
        executor_named(_default() if config.executor == "auto" else config.executor)


def forget_data() -> None:
    """Tell the executors that the user's data may have been changed.

    Those that keep copies on a device throw them away; called before data are used for
    training or evaluation.
    """
    for executor in _ready.values():
        forget = getattr(executor, "forget_data", None)
        if forget is not None:
            forget()


# --- where values are ----------------------------------------------------------------

# Several devices that programs are compiled for together; the xla executor knows what
# it is (``exec/xla/placement.py``), everybody else that it has a ``key``.
mesh: Final[ContextVar[Any]] = ContextVar("nervure_mesh", default=None)


# The number of this process among those that train together, and how many there are.
# Only the first writes files; ``nervure.distribute`` sets both.
process_index = 0
process_count = 1


def execution_key() -> str:
    """Return what decides, besides a graph, which program is made for it."""
    parts = [config.executor, config.device or ""]
    if config.tf32:
        parts.append("tf32")
    if config.check:
        parts.append("check")
    if mesh.get() is not None:
        parts.append(mesh.get().key)
    return " ".join(part for part in parts if part)


def computing_where(
    values: Iterable[NDArray | DeviceValue | None],
) -> contextlib.AbstractContextManager[None]:
    """Compute on the device where values are, unless a setting names another one.

    Values on the CPU may go anywhere.  Raises :class:`~nervure.errors.ArgumentError`
    for values on several devices.
    """
    placed = [one for one in values if one is not None and type(one) is not np.ndarray]
    if not placed or config.device is not None or mesh.get() is not None:
        return contextlib.nullcontext()
    if config.executor not in ("auto", "xla"):
        return contextlib.nullcontext()
    names = sorted({one.device for one in placed if isinstance(one.device, str)})
    names = [name for name in names if name != "cpu"]
    if not names:
        return contextlib.nullcontext()
    if len(names) > 1:
        raise ArgumentError(
            explain(
                f"arrays are on different devices: {' and '.join(names)}",
                fix=f"bring them together with .to({names[0]!r})",
            )
        )
    return config.override(executor="xla", device=names[0])


def batch_parts() -> int:
    """Return into how many parts batch normalization divides a batch; 1: none.

    Several where a strategy says that each device takes the moments of its own rows.
    """
    return int(getattr(mesh.get(), "moments_apart", 1))


@contextlib.contextmanager
def using_mesh(placement: Any) -> Iterator[None]:
    """Compile for several devices within a ``with`` block."""
    token = mesh.set(placement)
    try:
        yield
    finally:
        mesh.reset(token)


def choose_executor(graph: Iterable[Node], *, implicit: bool = False) -> Executor:
    """Return the executor for a graph, or for the nodes that will be computed.

    The setting decides if there is one.  Otherwise it is the xla executor where there
    is a GPU or a TPU that it can use, which is said once, or where the device that is
    set (``nervure.device``) is none of the CPU; else the cpu executor.  Except that
    an *implicit* evaluation (somebody looked at a lazy array) of less than
    ``LITTLE_WORK`` runs on the reference executor, which needs no compilation.  The
    estimate comes from the nodes alone, never from what ran before, from a cache or a
    clock, so that a program's bits do not depend on its history.

    Where LLVM cannot make code for this machine a warning says so once, and everything
    runs on the reference executor.  If the setting asks for the cpu executor by name,
    that is an error: :class:`~nervure.errors.MachineError`.
    """
    name = config.executor
    if name != "auto":
        return executor_named(name)
    elsewhere = config.device not in (None, "cpu") or mesh.get() is not None
    if implicit and not elsewhere and total_operations(graph) < LITTLE_WORK:
        return executor_named("reference")
    if _default() == "xla":
        return executor_named("xla")
    try:
        return executor_named("cpu")
    except MachineError as error:
        _warn_about_machine(error)
        return executor_named("reference")


def _default() -> str:
    """Return the executor that compiles where no setting names one."""
    device = config.device
    if mesh.get() is not None or (device is not None and device != "cpu"):
        return "xla"
    return "cpu" if device == "cpu" or not accelerator_to_use() else "xla"


_warned_about_machine = False


def _warn_about_machine(error: MachineError) -> None:
    """Say once that everything will be slow, and why."""
    global _warned_about_machine
    if not _warned_about_machine:
        _warned_about_machine = True
        warnings.warn(
            f"{error}\nEverything runs on the reference executor, which is many times "
            "slower. NERVURE_EXECUTOR=reference chooses it without this warning.",
            RuntimeWarning,
            stacklevel=4,
        )
