"""Loops and branches in native code, without Python between the steps.

A body is planned like a training step: its own kernels, phases and memory.  A block is
a function with a *context* for each body (see ``layout.py``), a piece of the memory of
the program around it.  The first thread fills in the pointers; then all threads go
through the steps together, and meet after each.

A scan gives its body's context the arrays it carries, reads and writes; the body's step
finds its entries itself.  A while loop is made to say in its state whether it goes on:
the condition is part of the body, applied to the new state.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from nervure import dtypes
from nervure.exec.cpu.checks.functions import checked
from nervure.exec.cpu.checks.steps import body_frame, step_writer
from nervure.exec.cpu.kernel import Block, KernelCall, Scratch, Slot
from nervure.exec.cpu.layout import HEAD, Layout
from nervure.exec.cpu.phases import TINY_COST
from nervure.exec.cpu.stepping import FORWARDS, Order, step_text
from nervure.exec.cpu.target import Target
from nervure.ir.bodies import closed, inlined
from nervure.ir.graph import Graph
from nervure.ir.node import Node
from nervure.ir.record import result_types
from nervure.prims.binary import add, and_, lt
from nervure.prims.leaf import full, input_leaf
from nervure.prims.scan import scan_of
from nervure.prims.while_loop import While, while_of

if TYPE_CHECKING:
    from nervure.exec.cpu.plan import Plan

# Steps that a while loop is taken to run, for deciding whether to share its work.
GUESSED_STEPS: Final = 16
_BARRIER: Final = "  call void @nervure_barrier(ptr %control, i64 %threads)"


@dataclass(frozen=True)
class _Body:
    """A planned body, and which slot outside each of its pointers stands for."""

    layout: Layout
    outside: Mapping[Slot, Slot]
    context: Scratch
    order: Order = FORWARDS

    @property
    def plan(self) -> Plan:
        return self.layout.plan

    @property
    def cost(self) -> float:
        return sum(call.kernel.cost for call in self.plan.calls)


def lower_control(
    node: Node,
    operands: Sequence[Node],
    parts: Mapping[Any, Node],
    target: Target,
    plan: type[Plan],
) -> KernelCall:
    """Return the call of the block that a node with bodies becomes.

    ``parts`` are the results that are read; the others are written to scratch.
    """
    results: list[Slot] = []
    for place, (shape, dtype) in enumerate(result_types(node.dtype)):
        leaf = input_leaf(shape, dtype)  # for its size
        results.append(parts.get(place) or Scratch(leaf.nbytes))
    writers = {"scan": _scan, "while_loop": _while, "cond": _cond}
    return writers[node.op.name](node, operands, results, target, plan)


def _scan(
    node: Node,
    operands: Sequence[Node],
    results: Sequence[Slot],
    target: Target,
    plan: type[Plan],
) -> KernelCall:
    one = scan_of(node.attrs)
    planned = plan(one.body, target, one.carry, one.consts, body=True)
    body = _planned(planned, operands, results, Order(backwards=one.reverse))
    writer = _BlockWriter("scan", [body])
    writer.lines += [
        "  br label %body",
        "body:",
        "  %step = phi i64 [ 0, %filled ], [ %next, %body ]",
        f"  %left = sub i64 {one.length - 1}, %step",
        writer.step(body, "%step", "%left"),
        _BARRIER,
        "  %next = add i64 %step, 1",
        f"  %more = icmp slt i64 %next, {one.length}",
        "  br i1 %more, label %body, label %done",
        "done:",
    ]
    return writer.call(one.length * body.cost)


def _cond(
    node: Node,
    operands: Sequence[Node],
    results: Sequence[Slot],
    target: Target,
    plan: type[Plan],
) -> KernelCall:
    branches: Any = node.attrs["branches"]
    count = len(operands) - 1
    bodies = [
        _planned(plan(one, target, 0, count, body=True), operands[1:], results)
        for one in branches
    ]
    writer = _BlockWriter("cond", bodies, operands[:1])
    index = _loaded_index(operands[0], writer.pointer(operands[0]), len(branches) - 1)
    cases = [f"i64 {place}, label %branch{place}" for place in range(len(branches))]
    writer.lines += [
        *index,
        f"  switch i64 %index, label %done [ {' '.join(cases)} ]",
    ]
    for place, body in enumerate(bodies):
        writer.lines += [
            f"branch{place}:",
            writer.step(body, "0", "0"),
            _BARRIER,
            "  br label %done",
        ]
    writer.lines.append("done:")
    return writer.call(max(body.cost for body in bodies))


def _loaded_index(node: Node, pointer: str, last: int) -> list[str]:
    """Return the text that reads which branch to take, within bounds."""
    bits = 8 * node.dtype.itemsize
    signed = dtypes.is_signed(node.dtype)
    widen, above = ("sext", "sgt") if signed else ("zext", "ugt")
    wide = f"{widen} i{bits} %raw to i64" if bits < 64 else "add i64 %raw, 0"
    return [
        f"  %raw = load i{bits}, ptr {pointer}, align {node.dtype.itemsize}",
        f"  %wide = {wide}",
        f"  %high = icmp {above} i64 %wide, {last}",
        f"  %least = select i1 %high, i64 {last}, i64 %wide",
        "  %low = icmp slt i64 %least, 0",
        "  %index = select i1 %low, i64 0, i64 %least",
    ]


def _while(
    node: Node,
    operands: Sequence[Node],
    results: Sequence[Slot],
    target: Target,
    plan: type[Plan],
) -> KernelCall:
    one = while_of(node.attrs)
    flag, counter = Scratch(1), Scratch(8)  # whether to begin, and at which step
    consts = len(operands) - one.state
    asking = plan(one.condition, target, 0, len(operands), body=True)
    question = _planned(asking, operands, [flag])
    body = _repeated(one)
    extra: list[Slot] = [flag] if one.bound is None else [flag, counter]
    count = len(extra)
    state = plan(
        body, target, count + one.state, consts, body=True, apart=body.inputs[:1]
    )
    answers = [Scratch(slot.nbytes) for slot in extra]
    loop = _planned(
        state, [*extra, *operands], [*answers, *results], Order(open_ended=True)
    )
    writer = _BlockWriter("while", [question, loop])
    if one.bound is not None:
        start = f"  store i64 0, ptr {writer.pointer(counter)}, align 8"
        writer.before_steps([start])
    result, spare = writer.pointer(answers[0]), writer.spare(loop, state.outputs[0])
    begin = "false" if one.bound == 0 else "true"
    writer.lines += [
        writer.step(question, "0", "0"),
        _BARRIER,
        f"  %given = load i8, ptr {writer.pointer(flag)}, align 1",
        f"  %never = select i1 {begin}, i8 %given, i8 0",
        "  br label %check",
        "check:",
        "  %step = phi i64 [ 0, %filled ], [ %next, %body ]",
        "  %flag = phi i8 [ %never, %filled ], [ %now, %body ]",
        "  %more = icmp ne i8 %flag, 0",
        "  br i1 %more, label %body, label %last",
        "body:",
        writer.step(loop, "%step", "0"),
        _BARRIER,
        "  %parity = and i64 %step, 1",
        "  %even = icmp eq i64 %parity, 0",
        f"  %where = select i1 %even, ptr {result}, ptr {spare}",
        "  %now = load i8, ptr %where, align 1",
        "  %next = add i64 %step, 1",
        "  br label %check",
        "last:",
        *writer.collect(loop, [*extra, *operands]),
        _BARRIER,
    ]
    return writer.call(GUESSED_STEPS * (loop.cost + question.cost))


def _repeated(one: While) -> Graph:
    """Return the body of a while loop with its condition inside.

    Its state begins with the answer of the condition and, if there is a bound, with the
    number of steps.
    """
    leaves = list(one.body.inputs)
    new, consts = list(one.body.outputs), leaves[one.state :]
    flag = input_leaf((), dtypes.bool_)
    (going_on,) = inlined(one.condition, [*new, *consts])
    if one.bound is None:
        return closed([going_on, *new], [flag, *leaves])
    counter = input_leaf((), dtypes.int64)
    counted = add(counter, full((), 1, dtypes.int64))
    within = lt(counted, full((), one.bound, dtypes.int64))
    return closed([and_(going_on, within), counted, *new], [flag, counter, *leaves])


def _planned(
    plan: Plan,
    operands: Sequence[Slot],
    results: Sequence[Slot],
    order: Order = FORWARDS,
) -> _Body:
    """Lay out a body that reads ``operands`` and writes ``results``."""
    layout = Layout(plan, threads_apart=False)  # how many there are is not known
    outside: dict[Slot, Slot] = dict(zip(plan.graph.inputs, operands, strict=True))
    outside.update(zip(plan.outputs, results, strict=True))
    outside.update((constant, constant) for constant in layout.constants)
    return _Body(layout, outside, Scratch(layout.nbytes), order)


class _BlockWriter:
    """Writes the function of a block: filling in the contexts, then what is added."""

    def __init__(
        self, label: str, bodies: Sequence[_Body], reads: Sequence[Slot] = ()
    ) -> None:
        self._label = label
        self._bodies = bodies
        contexts = [body.context for body in bodies]
        written = [
            body.outside[slot]
            for body in bodies
            for slot in body.layout.arrays
            if slot in body.plan.outputs
        ]
        read = [
            body.outside[slot]
            for body in bodies
            for slot in body.layout.arrays
            if slot not in body.plan.outputs
        ]
        self._writes = list(dict.fromkeys([*written, *contexts]))
        within = set(self._writes)  # the answer of one body is read by another
        read = [*reads, *(slot for slot in read if slot not in within)]
        self._reads = list(dict.fromkeys(read))
        self._numbers: dict[Slot, int] = {
            slot: place for place, slot in enumerate([*self._reads, *self._writes])
        }
        self._steps: dict[str, KernelCall] = {}
        self._declared: tuple[str, ...] = ()
        self._checked = any(body.plan.checked for body in bodies)
        self._frames: list[list[str]] = []
        self.lines: list[str] = []
        self._fill()

    def pointer(self, slot: Slot) -> str:
        """Return the argument that points to a slot outside."""
        return f"%p{self._numbers[slot]}"

    def _fill(self) -> None:
        """Let the first thread write the pointers of every body to its context."""
        lines = self.lines
        lines += [
            "entry:",
            "  %first = icmp eq i64 %thread, 0",
            "  br i1 %first, label %fill, label %filled",
            "fill:",
        ]
        for number, body in enumerate(self._bodies):
            context = self.pointer(body.context)
            for slot, place in body.layout.arrays.items():
                where = f"%c{number}_{place}"
                lines += [
                    f"  {where} = getelementptr ptr, ptr {context}, i64 {HEAD + place}",
                    f"  store ptr {self.pointer(body.outside[slot])}, ptr {where}, "
                    "align 8",
                ]
        lines += ["  br label %filled", "filled:", _BARRIER]

    def step(self, body: _Body, step: str, left: str) -> str:
        """Return the call of a body's step; its function goes with the block's."""
        writer_type = step_writer(body.plan)
        lines = step_text("@@", body.layout, writer_type, body.order)
        digest = _digest("\n".join(lines))
        name = f"{self._label}_step_{digest}"
        text = "\n".join(lines).replace("define void @@@(", f"define void @{name}(", 1)
        calls = tuple(body.plan.calls)
        origins = tuple(body.plan.origins[call] for call in calls)
        kernel = Block(name, text, (), 2, body.cost, calls, False, origins)
        self._steps[name] = KernelCall(kernel, (), ())
        frame = self._frame(body, list(self._steps).index(name))
        return (
            f"  call void @{name}(ptr {self.pointer(body.context)}, i64 %thread, "
            f"i64 %threads, ptr %control, i64 {step}, i64 {left}{frame})"
        )

    def _frame(self, body: _Body, place: int) -> str:
        """Return what checked steps are passed in addition, having prepared it."""
        if not self._checked:
            return ""
        number, numbers = len(self._frames), self._numbers
        arrays = [numbers[body.outside[slot]] for slot in body.layout.arrays]
        lines = body_frame(number, place, numbers[body.context], arrays)
        self._frames.append(lines)
        return f", ptr %frame{number}"

    def before_steps(self, lines: Sequence[str]) -> None:
        """Let the first thread do something before all others go on."""
        place = self.lines.index("  br label %filled")
        self.lines[place:place] = lines

    def spare(self, body: _Body, output: Slot) -> str:
        """Return the pointer to the second place of an update that takes turns."""
        name = f"%spare{len(self.lines)}"
        offset = body.layout.turns[output]
        context = self.pointer(body.context)
        self.lines.append(f"  {name} = getelementptr i8, ptr {context}, i64 {offset}")
        return name

    def collect(self, body: _Body, given: Sequence[Slot]) -> list[str]:
        """Let the first thread bring the last state to the results.

        ``given`` is where it lies if there was no step; an update that takes turns is
        in the spare place after an even number of steps.
        """
        self._declared = (_COPY,)
        plan, layout = body.plan, body.layout
        context = self.pointer(body.context)
        lines = [
            "  %none = icmp eq i64 %step, 0",
            "  %rest = and i64 %step, 1",
            "  %turned = icmp eq i64 %rest, 0",
            "  br i1 %first, label %collect, label %done",
            "collect:",
            "  br i1 %none, label %copy_given, label %copy_spare_or_not",
            "copy_given:",
        ]
        pairs = list(zip(given, plan.outputs, strict=False))[: len(plan.state)]
        lines += [
            _copy(self.pointer(body.outside[new]), self.pointer(old), new.nbytes)
            for old, new in pairs
        ]
        lines += [
            "  br label %done",
            "copy_spare_or_not:",
            "  br i1 %turned, label %copy_spare, label %done",
            "copy_spare:",
        ]
        for number, (new, offset) in enumerate(layout.turns.items()):
            where = f"%t{number}"
            lines += [
                f"  {where} = getelementptr i8, ptr {context}, i64 {offset}",
                _copy(self.pointer(body.outside[new]), where, new.nbytes),
            ]
        return [*lines, "  br label %done", "done:"]

    def call(self, cost: float) -> KernelCall:
        """Return the call of the finished block."""
        pointers = "".join(f"ptr %p{place}, " for place in self._numbers.values())
        body = "\n".join(
            [
                f"define void @@@({pointers}"
                "i64 %thread, i64 %threads, ptr %control) {",
                *self.lines,
                "  ret void",
                "}",
            ]
        )
        name = f"{self._label}_{_digest(body)}"
        text = body.replace("define void @@@(", f"define void @{name}(", 1)
        if self._checked:
            text, _ = checked(name, text, (), [*chain.from_iterable(self._frames)])
        alone = all(
            body.plan.phases.serial or not body.plan.calls for body in self._bodies
        )
        if alone:  # one unit, which is never worth doing by every thread
            cost = max(cost, 2 * TINY_COST)
        calls = tuple(self._steps.values())
        block = Block(name, text, self._declared, 1 if alone else 2, cost, calls, alone)
        return KernelCall(block, tuple(self._reads), tuple(self._writes))


_COPY: Final = "declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)"


def _copy(target: str, source: str, nbytes: int) -> str:
    return (
        f"  call void @llvm.memcpy.p0.p0.i64(ptr {target}, ptr {source}, "
        f"i64 {nbytes}, i1 false)"
    )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
