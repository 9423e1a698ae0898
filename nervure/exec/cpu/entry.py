"""The native function of a program: its kernels' calls, phase by phase, step by step.

It is given one pointer, the *context*: the number of steps, the number of pointers, the
pointers to inputs, constants and results, and behind them the arena.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

from nervure.exec.cpu.fusion import LEAVES
from nervure.exec.cpu.kernel import Kernel, KernelCall, Slot
from nervure.exec.cpu.memory import Lifetime, place, rounded
from nervure.exec.cpu.phases import Owner
from nervure.exec.cpu.plan import Plan
from nervure.ir.attrs import Constant, NDArray
from nervure.ir.node import Node

# Words of the context before the pointers: the number of steps, and that of pointers.
HEAD: Final = 2


class Layout:
    """Where every slot of a plan lies: in an array of its own, or in the arena.

    Attributes
    ----------
    arrays
        For each slot with an array of its own (inputs, constants, results), the number
        of its pointer.
    constants
        The values of those that are constants.
    results
        The slots that become new arrays.
    nbytes
        The size of the whole context.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        births, deaths = _lives(plan)
        inputs = plan.graph.inputs
        written = {slot for call in plan.calls for slot in call.writes}
        self.results = list(dict.fromkeys(
            slot for slot in plan.outputs
            if slot in written or (slot.nbytes == 0 and not is_leaf(slot))
        ))  # fmt: skip
        self.constants = {
            slot: contiguous(leaf_value(slot))
            for slot in births
            if isinstance(slot, Node) and is_leaf(slot) and slot not in inputs
        }
        listed = dict.fromkeys([*inputs, *self.constants, *self.results])
        self.arrays: dict[Slot, int] = {
            slot: place for place, slot in enumerate(listed)
        }
        self._place_in_arena(births, deaths)

    def _place_in_arena(self, births: dict[Slot, int], deaths: dict[Slot, int]) -> None:
        lifetimes = {
            slot: Lifetime(births[slot], deaths[slot], slot.nbytes)
            for slot in births
            if slot not in self.arrays
        }
        placement = place(dict(lifetimes.items()))
        begin = rounded(8 * (HEAD + len(self.arrays)))
        self.offsets = {slot: begin + at for slot, at in placement.offsets.items()}
        end = begin + rounded(placement.nbytes)
        # state that takes turns with its update needs a second place across steps
        self.turns: dict[Slot, int] = {}
        for old, new in self.plan.state.items():
            if old not in self.plan.in_place:
                self.turns[new] = end
                end += rounded(new.nbytes)
        self.nbytes = end


def is_leaf(slot: Slot) -> bool:
    """Tell whether a slot holds an input or a constant."""
    return isinstance(slot, Node) and slot.op.name in LEAVES


def _lives(plan: Plan) -> tuple[dict[Slot, int], dict[Slot, int]]:
    """Return the first and last phase in which each slot is used.

    Where one thread does everything, every call counts as a phase.
    """
    births: dict[Slot, int] = {}
    deaths: dict[Slot, int] = {}
    phases = [[call] for call in plan.calls] if plan.phases.serial else plan.phases
    for number, phase in enumerate(phases):
        for call in phase:
            for slot in (*call.reads, *call.writes):
                births.setdefault(slot, number)
                deaths[slot] = number
    return births, deaths


def contiguous(value: NDArray) -> NDArray:
    """Return the value in row-major order at an address that suits its type."""
    if value.flags.num & _PLAIN == _PLAIN:
        return value
    return np.array(value, order="C", copy=True)


# NumPy's flags C_CONTIGUOUS and ALIGNED.
_PLAIN: Final = 0x101


def leaf_value(node: Node) -> NDArray:
    """Return the value of a ``const`` or ``buffer`` leaf."""
    payload = node.attrs.get("value")
    if isinstance(payload, Constant):
        return payload.value
    return node.op.reference(node)  # type: ignore[no-any-return]


# --- the text ------------------------------------------------------------------------

# Characters of a module from which on its kernels go into another one.
_MODULE: Final = 60_000

_MAIN: Final = """
declare void @nervure_barrier(ptr, i64)
define void @nervure_main(ptr %context, i64 %thread, i64 %threads, ptr %control) {
entry:
  %steps = load i64, ptr %context, align 8
  %last = sub i64 %steps, 1
  br label %body
body:
  %step = phi i64 [ 0, %entry ], [ %next, %again ]
  %left = sub i64 %last, %step
  call void @nervure_step(ptr %context, i64 %thread, i64 %threads, ptr %control,
                          i64 %step, i64 %left)
  %more = icmp sgt i64 %left, 0
  br i1 %more, label %again, label %done
again:
  call void @nervure_barrier(ptr %control, i64 %threads)
  %next = add i64 %step, 1
  br label %body
done:
  ret void
}"""


def program_texts(plan: Plan, layout: Layout) -> list[str]:
    """Write the modules of a program: the entry with some kernels, and more kernels.

    Modules of moderate size are compiled at the same time.
    """
    calls = {call.kernel.name: call for call in plan.calls}
    parts: list[list[Kernel]] = [[]]
    size = 0
    for call in calls.values():
        size += len(call.kernel.text)
        if size > _MODULE and parts[-1]:
            parts.append([])
            size = len(call.kernel.text)
        parts[-1].append(call.kernel)
    elsewhere = [
        _declaration(calls[kernel.name]) for part in parts[1:] for kernel in part
    ]
    entry = [_MAIN, *_step_text(plan, layout), *elsewhere, *_definitions(parts[0])]
    return ["\n".join(entry), *("\n".join(_definitions(part)) for part in parts[1:])]


def _declaration(call: KernelCall) -> str:
    """Return the declaration of a kernel that another module defines."""
    pointers = "ptr, " * (len(call.reads) + len(call.writes))
    return f"declare void @{call.kernel.name}({pointers}i64, i64)"


def _step_text(plan: Plan, layout: Layout) -> list[str]:
    """Write the function that runs all phases once."""
    lines = [
        "define void @nervure_step(ptr %context, i64 %thread, i64 %threads, "
        "ptr %control, i64 %step, i64 %left) {",
        "entry:",
        "  %next_thread = add i64 %thread, 1",
        "  %first = icmp eq i64 %thread, 0",
        "  %begin = icmp eq i64 %step, 0",
        "  %parity = and i64 %left, 1",
        "  %even = icmp eq i64 %parity, 0",
    ]
    writer = _StepWriter(layout, lines)
    for number, phase in enumerate(plan.phases):
        if number:
            lines.append("  call void @nervure_barrier(ptr %control, i64 %threads)")
        writer.phase(number, phase)
    return [*lines, "  ret void", "}"]


class _StepWriter:
    """Writes the calls of a step; pointers are found anew for each call.

    They could be found once, but hundreds of them alive at a time would only be saved
    and loaded again around every call.
    """

    def __init__(self, layout: Layout, lines: list[str]) -> None:
        plan = self._plan = layout.plan
        self._layout = layout
        self._lines = lines
        self._count = 0
        self._state: dict[Slot, Slot] = dict(plan.state.items())
        self._in_place: dict[Slot, Slot] = dict(plan.in_place.items())
        self._varying: set[Slot] = set(plan.varying)

    def phase(self, number: int, calls: Sequence[KernelCall]) -> None:
        """Write the calls of one phase; those of the first thread come last."""
        owners = self._plan.phases.owners
        for call in calls:
            if owners[call] is Owner.EVERY:
                self._call(call, "0", str(call.kernel.units))
            elif owners[call] is not Owner.FIRST:
                self._shared(call)
        serial = [call for call in calls if owners[call] is Owner.FIRST]
        if not serial:
            return
        self._lines += [
            f"  br i1 %first, label %serial{number}, label %after{number}",
            f"serial{number}:",
        ]
        for call in serial:
            self._call(call, "0", str(call.kernel.units))
        self._lines += [f"  br label %after{number}", f"after{number}:"]

    def _shared(self, call: KernelCall) -> None:
        """Write a call in which every thread does its part of the units."""
        self._count += 1
        name, units = f"%u{self._count}", call.kernel.units
        self._lines += [
            f"  {name}.a = mul i64 %thread, {units}",
            f"  {name}.b = udiv i64 {name}.a, %threads",
            f"  {name}.c = mul i64 %next_thread, {units}",
            f"  {name}.d = udiv i64 {name}.c, %threads",
        ]
        self._call(call, f"{name}.b", f"{name}.d")

    def _call(self, call: KernelCall, begin: str, end: str) -> None:
        pointers = [self._pointer(slot) for slot in call.reads]
        pointers += [self._pointer(slot) for slot in call.writes]
        listed = "".join(f"ptr {pointer}, " for pointer in pointers)
        self._lines.append(
            f"  call void @{call.kernel.name}({listed}i64 {begin}, i64 {end})"
        )

    def _pointer(self, slot: Slot) -> str:
        """Return the pointer to a slot in this step.

        The first step reads the state that was given and nobody changes it; later ones
        read what the step before has written.  An update in place is always written to
        the result.  Another one takes turns with a second place, so that the last step
        writes to the result.
        """
        new = self._state.get(slot)
        if new is not None:
            given, result = self._array(slot), self._array(new)
            before = result
            if slot not in self._in_place:
                spare = self._at(self._layout.turns[new])
                before = self._choose("%even", spare, result)
            return self._choose("%begin", given, before)
        if slot in self._layout.turns:
            spare = self._at(self._layout.turns[slot])
            return self._choose("%even", self._array(slot), spare)
        if slot in self._varying:
            base = self._array(slot)
            skip = self._emit(f"mul i64 %step, {slot.nbytes}")
            return self._emit(f"getelementptr i8, ptr {base}, i64 {skip}")
        if slot in self._layout.arrays:
            return self._array(slot)
        return self._at(self._layout.offsets[slot])

    def _array(self, slot: Slot) -> str:
        word = HEAD + self._layout.arrays[slot]
        where = self._emit(f"getelementptr ptr, ptr %context, i64 {word}")
        return self._emit(f"load ptr, ptr {where}, align 8")

    def _at(self, offset: int) -> str:
        return self._emit(f"getelementptr i8, ptr %context, i64 {offset}")

    def _choose(self, condition: str, x: str, y: str) -> str:
        return self._emit(f"select i1 {condition}, ptr {x}, ptr {y}")

    def _emit(self, text: str) -> str:
        self._count += 1
        self._lines.append(f"  %s{self._count} = {text}")
        return f"%s{self._count}"


def _definitions(kernels: Iterable[Kernel]) -> list[str]:
    """Return the text of all kernels and what they declare, each once."""
    kernels = list(kernels)
    declared = dict.fromkeys(line for one in kernels for line in one.declarations)
    return [*declared, *(kernel.text for kernel in kernels)]
