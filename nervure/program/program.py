"""A program that one can look into."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any, Final, NamedTuple

from nervure.config import config
from nervure.errors import ArgumentError, BudgetError, explain
from nervure.exec.base import Executor, executor_named
from nervure.exec.budget import byte_count
from nervure.exec.peaks import peaks_of
from nervure.exec.report import Profiler, Report, Reporter, node_report
from nervure.ir.attrs import NDArray
from nervure.ir.graph import Graph
from nervure.passes import PassRecord, optimized
from nervure.program import batch_search
from nervure.program.amounts import byte_text
from nervure.program.cost import Cost, cost_of
from nervure.program.diff import Comparison, Diff, compared, diff_of
from nervure.program.dot import to_dot
from nervure.program.html import framed, to_html
from nervure.program.memory import Memory
from nervure.program.optimized import Optimized
from nervure.program.profile import Profile


class Options(NamedTuple):
    """How a program is to be planned.

    Attributes
    ----------
    memory_budget
        The bytes of the executor's arena; None for as many as are fastest.
    offload
        Whether values may leave the memory that is budgeted.
    skip
        Names of passes to leave out.
    """

    memory_budget: int | None = None
    offload: bool = False
    skip: tuple[str, ...] = ()

    @classmethod
    def checked(cls, memory_budget: Any, offload: Any, skip: Any) -> Options:
        """Return the options as a user gave them; ``skip`` may be a single name."""
        names = (skip,) if isinstance(skip, str) else tuple(skip)
        return cls(byte_count(memory_budget), bool(offload), names)


DEFAULTS: Final = Options()


class Step(NamedTuple):
    """That a graph is a step of an iteration, and which inputs are what."""

    state_count: int
    constant_count: int


class Program:
    """What is computed, by which kernels, where and in what time.

    The values of its inputs, if any are given, have the shapes and types of the
    graph's inputs.

    Made by ``nv.compile(f).program(*args)``, ``model.train_program(...)`` and its kin.
    Nothing is compiled or run until :meth:`profile` or :meth:`compare` is called.

    Attributes
    ----------
    graph
        What was captured, before any pass.  ``print`` writes it as text, ``len`` counts
        its nodes, iterating gives them.
    name
        What it is the program of.
    executor
        The name of the executor.

    >>> import nervure as nv
    >>> program = nv.compile(lambda x: nv.exp(x) + 1).program(nv.zeros((2, 3)))
    >>> len(program.graph), len(program.optimized)
    (5, 1)
    >>> program.optimized[0].operations
    12
    """

    def __init__(
        self,
        graph: Graph,
        *,
        name: str,
        executor: str,
        inputs: Callable[[], list[NDArray]],
        step: Step | None = None,
        options: Options = DEFAULTS,
        of_batch: Callable[[int], tuple[Graph, Step | None]] | None = None,
    ) -> None:
        self.graph = graph
        self.name = name
        self.executor = executor
        self.options = options
        self._inputs = inputs
        self._step = step
        self._of_batch = of_batch
        _ = self._report  # so that a wrong option is an error now, and here

    # --- what runs -------------------------------------------------------------------

    @cached_property
    def optimized(self) -> Optimized:
        """The kernels in the order in which they run, after all passes.

        ``print`` writes them in the text format of graphs.  Each entry has ``kernel``,
        ``nodes``, ``recomputed``, ``saved``, ``operations``, ``reads``, ``writes`` and
        more; see :class:`~nervure.program.optimized.Kernel`.
        """
        return Optimized(self._report)

    def memory(self) -> Memory:
        """Return every buffer with its bytes, birth and death, and the peak.

        ``memory().peak_bytes`` is, to the byte, what the executor's arena allocates.
        """
        return Memory(self._report, self.optimized.roles)

    def cost(self, *, measure_again: bool = False) -> Cost:
        """Return operations and bytes of every kernel, and the least time they take.

        The estimate is a roofline of this machine's peaks, which are measured when they
        are first needed (in less than a second) and kept in the cache folder;
        ``measure_again`` does not trust what is kept.
        """
        with self._settings():
            peaks = peaks_of(self._executor, measure_again=measure_again)
        return cost_of(self.optimized, self._report.graph, peaks)

    def profile(self) -> Profile:
        """Run the program for a moment and return the measured time of every kernel.

        On the cpu executor a variant of the program reads the clock around each kernel,
        in every thread, while the steps run as they do in training; on the reference
        executor the NumPy definitions are timed one by one.  Nothing that the program
        would change is changed.

        Raises
        ------
        ArgumentError
            For an executor that cannot look into its programs.
        """
        executor = self._executor
        if not isinstance(executor, Profiler):
            raise ArgumentError(
                explain(
                    f"the executor {self.executor!r} does not tell its kernels' times",
                    fix="choose the cpu executor (nv.config.executor = 'cpu'); for "
                    "what XLA runs, jax.profiler.trace('folder') around the training",
                )
            )
        with self._settings():
            timings = executor.profile(
                self.graph,
                self._inputs(),
                *self._counts,
                memory_budget=self.options.memory_budget,
                offload=self.options.offload,
            )
            peaks = peaks_of(executor)
        return Profile(self.optimized, timings, peaks)

    def largest_batch(self, budget: int | float | str) -> int:
        """Return the largest batch whose arena fits into a budget of bytes.

        It is found by planning programs for other batches, without compiling any: the
        result fits, one row more does not.  A program that was made with a
        ``memory_budget`` may recompute within this one.  Where memory does not grow
        with the batch the answer is 2**20.

        Raises
        ------
        ArgumentError
            When not even one row fits, or the program does not know what a batch is.
        """
        nbytes = byte_count(budget, "budget")
        if self._of_batch is None or nbytes is None:
            raise ArgumentError(
                explain(
                    "this program does not know which arguments hold the batch, or no "
                    "budget was given",
                    fix="name the arguments: nv.compile(f).program(x, w, batched=[0]), "
                    "and pass a number of bytes",
                )
            )
        of_batch = self._of_batch

        def plan(rows: int) -> Memory | None:
            graph, step = of_batch(rows)
            options = self.options
            if options.memory_budget is not None:
                options = options._replace(memory_budget=nbytes)
            try:
                report = _report(graph, step, self.executor, options)
            except BudgetError:
                return None
            return Memory(report, {})

        return batch_search.largest_batch(nbytes, plan)

    # --- the passes ------------------------------------------------------------------

    def diff(self) -> Diff:
        """Return what each pass has changed, and why."""
        records: list[PassRecord] = []
        with self._settings():
            optimized(self.graph, record=records)
        return diff_of(records, self._report)

    def without(self, *names: str) -> Program:
        """Return the same program planned without some passes.

        Raises :class:`~nervure.errors.SettingError` for a pass that does not exist.
        """
        skip = tuple(dict.fromkeys([*self.options.skip, *names]))
        return self._with(self.options._replace(skip=skip))

    def compare(self, other: Program) -> Comparison:
        """Run both programs on the same inputs and say whether all bits are equal.

        >>> import nervure as nv
        >>> program = nv.compile(lambda x: x * 1 + 0).program(nv.ones(3))
        >>> print(program.compare(program.without("inline")))
        the same bits
        """
        inputs = self._inputs()
        return compared(self._run(inputs), other._run(inputs))

    # --- pictures --------------------------------------------------------------------

    def to_html(self) -> str:
        """Return one HTML file that shows everything, without a server or a network.

        Layers unfold to composites and primitives; there are pan, zoom and search, the
        graph before and after the passes, the memory over time, and for each node its
        shape, cost and source line.  The keys are listed under "?".
        """
        return to_html(self)

    def to_dot(self, *, optimized: bool = True) -> str:
        """Return the program in the language of Graphviz.

        A box is a kernel, a frame its layer; with ``optimized=False`` a box is a node
        of :attr:`graph`.
        """
        return to_dot(self.optimized) if optimized else self.graph.to_dot()

    def _repr_html_(self) -> str:
        return framed(self.to_html())

    def __repr__(self) -> str:
        arena = byte_text(self.memory().peak_bytes)
        return (
            f"<Program {self.name}: {len(self.graph)} nodes -> {len(self.optimized)} "
            f"kernels on {self.executor!r}, {arena} at the peak; look at .graph, "
            ".optimized, .diff(), .cost(), .profile(), .memory(), .to_html()>"
        )

    # --- inside ----------------------------------------------------------------------

    @property
    def _executor(self) -> Executor:
        return executor_named(self.executor)

    @property
    def _counts(self) -> tuple[int | None, int]:
        return (None, 0) if self._step is None else self._step

    @cached_property
    def _report(self) -> Report:
        return _report(self.graph, self._step, self.executor, self.options)

    def _settings(self) -> Any:
        return _settings(self.options.skip)

    def _with(self, options: Options) -> Program:
        return Program(
            self.graph,
            name=self.name,
            executor=self.executor,
            inputs=self._inputs,
            step=self._step,
            options=options,
            of_batch=self._of_batch,
        )

    def _run(self, inputs: Sequence[NDArray]) -> list[NDArray]:
        """Run once, for one step."""
        executor = self._executor
        with self._settings():
            if self._step is None:
                return executor.compile(self.graph)(inputs)
            state, constants = self._step
            program = executor.compile_step(
                self.graph,
                state,
                constants,
                memory_budget=self.options.memory_budget,
                offload=self.options.offload,
            )
        moving = state + constants
        return program.run(
            [one.copy() for one in inputs[:state]],
            inputs[state:moving],
            [one[None] for one in inputs[moving:]],
        )


@contextmanager
def _settings(skip: Collection[str]) -> Iterator[None]:
    """Leave out some passes more than the setting says."""
    with config.override(skip_passes=(*config.skip_passes, *skip)):
        yield


def _report(graph: Graph, step: Step | None, executor: str, options: Options) -> Report:
    """Return what an executor will do with a graph."""
    chosen = executor_named(executor)
    counts = (None, 0) if step is None else step
    with _settings(options.skip):
        if isinstance(chosen, Reporter):
            return chosen.report(
                graph,
                *counts,
                memory_budget=options.memory_budget,
                offload=options.offload,
            )
        return node_report(optimized(graph), executor, *counts)
