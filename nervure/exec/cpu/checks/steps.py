"""Checked steps: kernels are told where the buffers of their pointers begin and end.

The frame of a step holds the bounds of its context and of every array in it.  What lies
within the context has the bounds of its own bytes there.  Bounds never reach beyond
the memory that really is there, whatever the plan says.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from nervure.exec.cpu.checks.native import (
    BOUNDS,
    FRAME_WORDS,
    PARENT,
    PLACE,
    RECORD,
    STRIDE,
)
from nervure.exec.cpu.kernel import Instance, KernelCall, Slot
from nervure.exec.cpu.layout import HEAD, Layout
from nervure.exec.cpu.stepping import StepWriter
from nervure.ir.node import Node

if TYPE_CHECKING:
    from nervure.exec.cpu.plan import Plan


def main_frame(layout: Layout) -> list[str]:
    """Return the lines that make the frame of a checked program's entry.

    Behind the pointers of the context lies one to what the run was given for checking:
    the address of the records, and the bounds of the context and of its arrays.
    """
    behind = HEAD + len(layout.arrays)
    return [
        f"  %given.at = getelementptr ptr, ptr %context, i64 {behind}",
        "  %given = load ptr, ptr %given.at, align 8",
        "  %records = load ptr, ptr %given, align 8",
        f"  %skip = mul i64 %thread, {STRIDE}",
        "  %record = getelementptr i8, ptr %records, i64 %skip",
        "  %bounds = getelementptr i64, ptr %given, i64 1",
        *frame_lines("%frame", "null", "0", "%record", "%bounds"),
    ]


def frame_lines(
    name: str, parent: str, place: str, record: str, bounds: str
) -> list[str]:
    """Return the lines that make a frame on the stack."""
    words = {
        PARENT: ("parent", f"ptr {parent}"),
        PLACE: ("place", f"i64 {place}"),
        RECORD: ("record", f"ptr {record}"),
        BOUNDS: ("bounds", f"ptr {bounds}"),
    }
    lines = [f"  {name} = alloca i64, i64 {FRAME_WORDS}, align 8"]
    for word, (label, value) in words.items():
        lines += [
            f"  {name}.{label}.in = getelementptr i64, ptr {name}, i64 {word}",
            f"  store {value}, ptr {name}.{label}.in, align 8",
        ]
    return lines


def body_frame(
    number: int, place: int, context: int, arrays: Sequence[int]
) -> list[str]:
    """Return the lines that make the frame of a body's step, within a block.

    ``place`` is the number of the step among those of the block, ``context`` and
    ``arrays`` are the numbers of the block's arguments that the body gets.
    """
    bounds = f"%bounds{number}"
    lines = [f"  {bounds} = alloca i64, i64 {2 * (1 + len(arrays))}, align 8"]
    for word, argument in enumerate((context, *arrays)):
        for half, side in enumerate(("low", "high")):
            where = f"{bounds}.{word}.{side}"
            lines += [
                f"  {where} = getelementptr i64, ptr {bounds}, i64 {2 * word + half}",
                f"  store i64 %p{argument}.{side}, ptr {where}, align 8",
            ]
    name = f"%frame{number}"
    return lines + frame_lines(name, "%frame", str(place), "%frame.record", bounds)


class CheckedStepWriter(StepWriter):
    """Writes steps whose kernels get a frame."""

    PARAMETER: ClassVar[str] = ", ptr %frame"

    def __init__(
        self,
        layout: Layout,
        lines: list[str],
        entry: str,
        clock: Sequence[KernelCall] = (),
    ) -> None:
        super().__init__(layout, lines, entry, clock)
        # Of every pointer: where the memory that it points to begins and ends.
        self._bounds: dict[str, tuple[str, str]] = {}
        calls = layout.plan.calls
        self._places = {call: place for place, call in enumerate(calls)}
        most = max((len(one.reads) + len(one.writes) for one in calls), default=0)
        self._emit(f"alloca i64, i64 {2 * most}, align 8")
        self._theirs = f"%s{self._count}"
        lines += [
            f"  %given.at = getelementptr ptr, ptr %frame, i64 {BOUNDS}",
            "  %given = load ptr, ptr %given.at, align 8",
            f"  %record.at = getelementptr ptr, ptr %frame, i64 {RECORD}",
            "  %record = load ptr, ptr %record.at, align 8",
            *frame_lines("%callee", "%frame", "0", "%record", self._theirs),
        ]
        self._context = self._given(0)
        self._bounds["%context"] = self._context

    def _given(self, place: int) -> tuple[str, str]:
        """Return the bounds at a place of the step's own frame."""
        low, high = (
            self._emit(f"getelementptr i64, ptr %given, i64 {2 * place + half}")
            for half in (0, 1)
        )
        return (
            self._emit(f"load i64, ptr {low}, align 8"),
            self._emit(f"load i64, ptr {high}, align 8"),
        )

    def _arguments(self, call: KernelCall) -> str:
        """Write the pointers of a call and their bounds."""
        pointers: list[str] = []
        for place, slot in enumerate((*call.reads, *call.writes)):
            pointer = self._pointer(slot)
            pointers.append(pointer)
            for half, bound in enumerate(self._within(pointer, slot)):
                where = self._emit(
                    f"getelementptr i64, ptr {self._theirs}, i64 {2 * place + half}"
                )
                self._lines.append(f"  store i64 {bound}, ptr {where}, align 8")
        place = self._places[call]
        self._lines.append(f"  store i64 {place}, ptr %callee.place.in, align 8")
        return "".join(f"ptr {pointer}, " for pointer in pointers)

    def _frame(self) -> str:
        return ", ptr %callee"

    def _within(self, pointer: str, slot: Slot) -> tuple[str, str]:
        """Return the bounds of a slot at a pointer, within the memory that is there."""
        low, high = self._bounds[pointer]
        if slot in self._layout.private:
            return low, high  # the pointer is that of a row which need not be there
        begin = self._emit(f"ptrtoint ptr {pointer} to i64")
        end = self._emit(f"add i64 {begin}, {slot.nbytes}")
        before = self._emit(f"icmp ult i64 {begin}, {low}")
        behind = self._emit(f"icmp ugt i64 {end}, {high}")
        return (
            self._emit(f"select i1 {before}, i64 {low}, i64 {begin}"),
            self._emit(f"select i1 {behind}, i64 {high}, i64 {end}"),
        )

    def _private(self, slot: Node | Instance) -> str:
        mine = self._own_place(slot)
        low = self._emit(f"ptrtoint ptr {self._at(mine)} to i64")
        size = self._layout.private_nbytes[slot]
        high = self._emit(f"add i64 {low}, {size}")
        pointer = super()._private(slot)
        self._bounds[pointer] = low, high
        return pointer

    def _array(self, slot: Slot) -> str:
        pointer = super()._array(slot)
        self._bounds[pointer] = self._given(1 + self._layout.arrays[slot])
        return pointer

    def _read(self, where: str) -> str:
        """Write the check of an address in the context."""
        low, high = self._context
        return self._emit(
            f"call ptr @nervure_checked(ptr {where}, i64 8, i64 8, i64 {low}, "
            f"i64 {high}, i64 0, ptr %frame)"
        )

    def _moved(self, base: str, offset: int | str) -> str:
        pointer = super()._moved(base, offset)
        self._bounds[pointer] = self._bounds[base]
        return pointer

    def _choose(self, condition: str, x: str, y: str) -> str:
        pointer = super()._choose(condition, x, y)
        (low_x, high_x), (low_y, high_y) = self._bounds[x], self._bounds[y]
        self._bounds[pointer] = (
            self._emit(f"select i1 {condition}, i64 {low_x}, i64 {low_y}"),
            self._emit(f"select i1 {condition}, i64 {high_x}, i64 {high_y}"),
        )
        return pointer


def step_writer(plan: Plan) -> type[StepWriter]:
    """Return who writes the steps of a plan."""
    return CheckedStepWriter if plan.checked else StepWriter
