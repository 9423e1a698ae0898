"""The native function of one step: the calls of a plan's kernels, phase by phase."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final, NamedTuple

from nervure.exec.cpu.chains import Chain, chains_of
from nervure.exec.cpu.kernel import Block, Instance, KernelCall, Slot, Spilled
from nervure.exec.cpu.layout import HEAD, Layout
from nervure.exec.cpu.phases import Owner
from nervure.ir.node import Node


class Order(NamedTuple):
    """How the steps follow each other.

    ``backwards`` reads slices from the last to the first.  ``open_ended`` means that
    the number of steps shows while they run, as it does in a while loop.
    """

    backwards: bool = False
    open_ended: bool = False


FORWARDS: Final = Order()


def step_text(
    name: str,
    layout: Layout,
    writer_type: type[StepWriter],
    order: Order = FORWARDS,
    clock: Sequence[KernelCall] = (),
) -> list[str]:
    """Write the function that runs all phases once.

    Every call of a kernel among ``clock`` is timed; see ``profiling.py``.

    Updates that are not in place take turns between the result and a spare place: so
    that the last step writes to the result, or if nobody knows the last step, so that
    the first one does.
    """
    plan = layout.plan
    lines = [
        f"define void @{name}(ptr %context, i64 %thread, i64 %threads, "
        f"ptr %control, i64 %step, i64 %left{writer_type.PARAMETER}) {{",
        "entry:",
        "  %next_thread = add i64 %thread, 1",
        "  %first = icmp eq i64 %thread, 0",
        "  %begin = icmp eq i64 %step, 0",
        f"  %parity = and i64 {'%step' if order.open_ended else '%left'}, 1",
        "  %even = icmp eq i64 %parity, 0",
    ]
    entry = "%left" if order.backwards else "%step"
    writer = writer_type(layout, lines, entry, clock)
    for number, phase in enumerate(plan.phases):
        if number:
            lines.append("  call void @nervure_barrier(ptr %control, i64 %threads)")
        writer.phase(number, phase)
    return [*lines, "  ret void", "}"]


class StepWriter:
    """Writes the calls of a step; pointers are found anew for each call.

    They could be found once, but hundreds of them alive at a time would only be saved
    and loaded again around every call.  ``PARAMETER`` is what the function takes beside
    the others (see ``checks/steps.py``).
    """

    PARAMETER: ClassVar[str] = ""

    def __init__(
        self,
        layout: Layout,
        lines: list[str],
        entry: str,
        clock: Sequence[KernelCall] = (),
    ) -> None:
        plan = self._plan = layout.plan
        self._timed = {call: number for number, call in enumerate(clock)}
        self._layout = layout
        self._lines = lines
        self._entry = entry  # the place of this step's slices
        self._count = 0
        self._first_row = ""  # of the bands at work
        self._state: dict[Slot, Slot] = dict(plan.state.items())
        self._in_place: dict[Slot, Slot] = dict(plan.in_place.items())
        self._varying: set[Slot] = {*plan.varying, *plan.stacked}

    def phase(self, number: int, calls: Sequence[KernelCall]) -> None:
        """Write the calls of one phase.

        What every thread does comes first, for all others may need it; what needs each
        other beyond that has the same owner and stays in order.
        """
        owners = self._plan.phases.owners
        for call in calls:
            if owners[call] is Owner.EVERY:
                self._call(call, "0", str(call.kernel.units))
        for chain in chains_of(calls, owners):
            self._chain(chain)
        for call in calls:
            if owners[call] is Owner.UNITS and isinstance(call.kernel, Block):
                self._write(call, "i64 %thread, i64 %threads, ptr %control")
            elif owners[call] is Owner.UNITS:
                self._call(call, *self._share(call.kernel.units))
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

    def _share(self, units: int) -> tuple[str, str]:
        """Write which units are this thread's: the first, and the last plus 1."""
        self._count += 1
        name = f"%u{self._count}"
        self._lines += [
            f"  {name}.a = mul i64 %thread, {units}",
            f"  {name}.b = udiv i64 {name}.a, %threads",
            f"  {name}.c = mul i64 %next_thread, {units}",
            f"  {name}.d = udiv i64 {name}.c, %threads",
        ]
        return f"{name}.b", f"{name}.d"

    def _chain(self, chain: Chain) -> None:
        """Write kernels of the same bands."""
        begin, end = self._share(chain.units)
        if not chain.together:
            for call in chain.calls:
                self._call(call, begin, end)
            return
        self._count += 1
        name = f"bands{self._count}"
        self._lines += [
            f"  br label %{name}.head",
            f"{name}.head:",
            f"  %{name} = phi i64 [ {begin}, %{self._block} ], "
            f"[ %{name}.next, %{name}.body ]",
            f"  %{name}.more = icmp ult i64 %{name}, {end}",
            f"  br i1 %{name}.more, label %{name}.body, label %{name}.done",
            f"{name}.body:",
            f"  %{name}.sum = add i64 %{name}, {chain.together}",
            f"  %{name}.last = icmp ugt i64 %{name}.sum, {end}",
            f"  %{name}.next = select i1 %{name}.last, i64 {end}, i64 %{name}.sum",
            f"  %{name}.row = mul i64 %{name}, {chain.height}",
        ]
        self._first_row = f"%{name}.row"
        for call in chain.calls:
            self._call(call, f"%{name}", f"%{name}.next")
        self._lines += [f"  br label %{name}.head", f"{name}.done:"]

    @property
    def _block(self) -> str:
        """The name of the basic block that is being written."""
        labels = (line[:-1] for line in reversed(self._lines) if line.endswith(":"))
        return next(labels)

    def _call(self, call: KernelCall, begin: str, end: str) -> None:
        if isinstance(call.kernel, Block):
            self._write(call, "i64 0, i64 1, ptr %control")
        else:
            self._write(call, f"i64 {begin}, i64 {end}")

    def _write(self, call: KernelCall, arguments: str) -> None:
        listed = self._arguments(call)
        line = f"  call void @{call.kernel.name}({listed}{arguments}{self._frame()})"
        number = self._timed.get(call)
        if number is None:
            self._lines.append(line)
            return
        begin = self._emit("call i64 @nervure_now()")
        self._lines += [
            line,
            f"  call void @nervure_note(i64 %thread, i64 {number}, i64 {begin})",
        ]

    def _arguments(self, call: KernelCall) -> str:
        """Write the pointers of a call."""
        slots = (*call.reads, *call.writes)
        return "".join(f"ptr {self._pointer(slot)}, " for slot in slots)

    def _frame(self) -> str:
        """Return what a call passes behind the other arguments."""
        return ""

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
            skip = self._emit(f"mul i64 {self._entry}, {slot.nbytes}")
            return self._moved(base, skip)
        if isinstance(slot, Spilled):
            assert self._layout.spill is not None
            base = self._array(self._layout.spill)
            offset = self._layout.spilled[slot]
            return self._moved(base, offset)
        if slot in self._layout.private and isinstance(slot, Node | Instance):
            return self._private(slot)
        if slot in self._layout.arrays:
            return self._array(slot)
        return self._at(self._layout.offsets[slot])

    def _private(self, slot: Node | Instance) -> str:
        """Return where row 0 would be if the bands at work were in their place."""
        mine = self._own_place(slot)
        before = self._emit(
            f"mul i64 {self._first_row}, {slot.nbytes // slot.shape[0]}"
        )
        return self._at(self._emit(f"sub i64 {mine}, {before}"))

    def _own_place(self, slot: Slot) -> str:
        """Return where in the context this thread has its bands of a value."""
        layout = self._layout
        mine = self._emit(f"mul i64 %thread, {layout.thread_nbytes}")
        return self._emit(f"add i64 {mine}, {layout.nbytes + layout.private[slot]}")

    def _array(self, slot: Slot) -> str:
        word = HEAD + self._layout.arrays[slot]
        where = self._emit(f"getelementptr ptr, ptr %context, i64 {word}")
        return self._emit(f"load ptr, ptr {self._read(where)}, align 8")

    def _read(self, where: str) -> str:
        """Return the address in the context to read from."""
        return where

    def _at(self, offset: int | str) -> str:
        return self._moved("%context", offset)

    def _moved(self, base: str, offset: int | str) -> str:
        return self._emit(f"getelementptr i8, ptr {base}, i64 {offset}")

    def _choose(self, condition: str, x: str, y: str) -> str:
        return self._emit(f"select i1 {condition}, ptr {x}, ptr {y}")

    def _emit(self, text: str) -> str:
        self._count += 1
        self._lines.append(f"  %s{self._count} = {text}")
        return f"%s{self._count}"
