"""What an executor is, and which one runs a graph.

An executor compiles a :class:`~nervure.ir.graph.Graph` to a :class:`Program`.  A graph
that describes one step of an iteration compiles to a :class:`StepProgram`, which runs
many steps in one call: a compiler may stay in native code between them.
"""

from __future__ import annotations

import contextlib
import importlib
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Protocol

from nervure.config import config
from nervure.errors import GraphError, MachineError, unknown_name
from nervure.exec.work import total_operations
from nervure.ir.attrs import NDArray
from nervure.ir.graph import Graph
from nervure.ir.node import Node


class Program(Protocol):
    """A compiled graph: arrays for its inputs in, arrays of its outputs out."""

    def __call__(self, inputs: Sequence[NDArray]) -> list[NDArray]:
        """Run once.  The inputs are not changed."""
        ...


class StepProgram(Protocol):
    """A compiled step of an iteration.

    The graph's inputs are, in order, the *state* (as many as the graph has outputs that
    replace it), the *constants* (the same for every step) and the *varying* values (a
    slice along their first axis for every step).  Its outputs are the new state.
    """

    def run(
        self,
        state: Sequence[NDArray],
        constants: Sequence[NDArray],
        varying: Sequence[NDArray],
    ) -> list[NDArray]:
        """Run one step for each entry of ``varying`` and return the last state.

        The executor owns ``state`` from now on and may overwrite it.
        """
        ...


class Executor(Protocol):
    """A way to run graphs."""

    name: str

    def compile(self, graph: Graph) -> Program:
        """Compile a graph."""
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
        self, outputs: Sequence[Node], known: Mapping[Node, NDArray]
    ) -> list[NDArray]:
        """Compute ``outputs`` once, given the values of some nodes below them."""
        ...


class SteppedProgram:
    """A :class:`StepProgram` that calls an ordinary program for every step."""

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
            current = self._program(inputs)
        return current


def step_count(varying: Sequence[NDArray]) -> int:
    """Return how many steps the varying values are for; all must say the same."""
    counts = {len(values) for values in varying}
    if len(counts) != 1:
        raise GraphError(
            f"varying inputs must be for one number of steps, got {sorted(counts)}"
        )
    return counts.pop()


def check_step(graph: Graph, state_count: int, constant_count: int) -> None:
    """Raise :class:`GraphError` unless the graph can be iterated."""
    if len(graph.outputs) != state_count:
        raise GraphError(
            f"a step with {state_count} state values has {len(graph.outputs)} outputs"
        )
    if len(graph.inputs) <= state_count + constant_count:
        raise GraphError("a step needs at least one varying input")
    for old, new in zip(graph.inputs, graph.outputs, strict=False):
        if old.shape != new.shape or old.dtype != new.dtype:
            raise GraphError(
                f"a step turns the state {old.type_text} into {new.type_text}"
            )


# Executors are imported when first asked for: compilers cost start-up time.
_FACTORIES: Final[dict[str, str]] = {
    "reference": "nervure.exec.reference:ReferenceExecutor",
    "cpu": "nervure.exec.cpu:CpuExecutor",
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
        executor_named("cpu" if config.executor == "auto" else config.executor)


def choose_executor(graph: Iterable[Node], *, implicit: bool = False) -> Executor:
    """Return the executor for a graph, or for the nodes that will be computed.

    The setting decides if there is one.  Otherwise it is the cpu executor, except that
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
    if implicit and total_operations(graph) < LITTLE_WORK:
        return executor_named("reference")
    try:
        return executor_named("cpu")
    except MachineError as error:
        _warn_about_machine(error)
        return executor_named("reference")


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
