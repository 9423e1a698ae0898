"""A kernel: one native function over a range of work units.

A kernel's function is ``void name(ptr operand, ..., i64 begin, i64 end)``.  The shapes
are baked in; the operands are the only arguments besides the range of units, so kernels
of equal text are shared.  The number of units depends on the shapes alone, never on the
number of threads: this is what makes results independent of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from nervure.exec.cpu import conversions
from nervure.exec.cpu.checks.functions import checked
from nervure.exec.cpu.llvm import FunctionBuilder, Value, element_of
from nervure.exec.cpu.target import Target
from nervure.ir.node import Node, Shape

# Work smaller than this is done by one thread: a barrier costs more.
SERIAL_COST = 20_000


@dataclass(frozen=True)
class Kernel:
    """A native function, its work units and what one of them costs."""

    name: str
    text: str
    declarations: tuple[str, ...]
    units: int
    cost: float  # of all units, in elementary operations

    @property
    def serial(self) -> bool:
        """Whether one thread does it all."""
        return self.units <= 1 or self.cost < SERIAL_COST


@dataclass(frozen=True, eq=False)
class Scratch:
    """Memory that lives between the kernels of one operation."""

    nbytes: int


@dataclass(frozen=True, eq=False)
class Instance:
    """Memory of its own for a value that is computed or fetched a second time."""

    value: Node

    @property
    def shape(self) -> Shape:
        """The shape of the value."""
        return self.value.shape

    @property
    def nbytes(self) -> int:
        """The number of bytes of the value."""
        return self.value.nbytes


@dataclass(frozen=True, eq=False)
class Spilled:
    """A place outside of the arena, where a value waits meanwhile."""

    nbytes: int


Slot = Node | Scratch | Instance | Spilled


@dataclass(frozen=True)
class Bands:
    """That a kernel's units are bands of rows; see ``bands.py``.

    ``slots`` are the operands of which a unit touches its own rows only.
    """

    rows: int  # of all bands together
    height: int
    slots: frozenset[Slot]


@dataclass(frozen=True, eq=False)
class KernelCall:
    """A kernel with its operands: nodes that have memory, or scratch.

    ``recomputed`` says that it has run before, for another instance of its results.
    """

    kernel: Kernel
    reads: tuple[Slot, ...]
    writes: tuple[Slot, ...]
    bands: Bands | None = None
    recomputed: bool = False


@dataclass(frozen=True)
class Block(Kernel):
    """A function that runs phases of its own: a loop, or a choice between branches.

    Its arguments are ``(ptr operand, ..., i64 thread, i64 threads, ptr control)``.  All
    threads enter it together, unless there is so little to share that ``alone``, the
    first thread does everything.  ``origins`` are the nodes that each call computes,
    where they are known.
    """

    calls: tuple[KernelCall, ...]
    alone: bool
    origins: tuple[tuple[Node, ...], ...] = ()

    @property
    def serial(self) -> bool:
        """Whether one thread does it all."""
        return self.alone


class KernelBuilder(FunctionBuilder):
    """Writes the function of a kernel for ``operands`` pointers."""

    def __init__(self, label: str, target: Target, operands: int) -> None:
        parameters = [("ptr", f"p{place}") for place in range(operands)]
        parameters += [("i64", "begin"), ("i64", "end")]
        super().__init__("@", parameters)
        self.target = target
        self.label = label
        # mul and add may become one rounding; always the same way for one text
        self.flags = "contract" if target.fma else ""
        self.fma = target.fma

    @property
    def operands(self) -> Sequence[Value]:
        """The pointers, reads first, then writes."""
        return self.parameters[:-2]

    @property
    def begin(self) -> Value:
        """The first unit to do."""
        return self.parameters[-2]

    @property
    def end(self) -> Value:
        """The unit to stop before."""
        return self.parameters[-1]

    def convert(self, op: str, x: Value, type_: str) -> Value:
        """Append a conversion; those that the target lacks are written out."""
        element = element_of(type_)
        if op == "fptrunc" and element == "bfloat":
            return conversions.to_bfloat(self, x)
        if op == "fptrunc" and element == "half" and not self.target.half:
            return conversions.to_half(self, x)
        if op == "fpext" and element_of(x.type) == "half" and not self.target.half:
            return conversions.from_half(self, x)
        return super().convert(op, x, type_)

    def finish(self, units: int, cost: float) -> Kernel:
        """Return the kernel; its name is derived from its text."""
        body = self.text()
        digest = hashlib.sha256(body.encode()).hexdigest()[:16]
        name = f"{self.label}_{digest}"
        text = body.replace("define void @@(", f"define void @{name}(", 1)
        declarations = list(self.declarations)
        if self.target.check:
            text, declarations = checked(name, text, declarations)
        return Kernel(name, text, tuple(declarations), units, cost)
