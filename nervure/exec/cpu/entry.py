"""The modules of a program: the native function that runs it, and its kernels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from nervure.exec.cpu.checks.native import DECLARATIONS
from nervure.exec.cpu.checks.steps import main_frame, step_writer
from nervure.exec.cpu.kernel import Block, Kernel, KernelCall
from nervure.exec.cpu.layout import Layout
from nervure.exec.cpu.plan import Plan
from nervure.exec.cpu.stepping import step_text

# Characters of a module from which on its kernels go into another one.
_MODULE: Final = 60_000


def _main_text(layout: Layout, checked: bool) -> str:
    """Return the entry: the loop over steps, with a frame if they are checked."""
    begin = "\n".join(["", *main_frame(layout)]) if checked else ""
    frame = ", ptr %frame" if checked else ""
    return f"""
declare void @nervure_barrier(ptr, i64)
define void @nervure_main(ptr %context, i64 %thread, i64 %threads, ptr %control) {{
entry:{begin}
  %steps = load i64, ptr %context, align 8
  %last = sub i64 %steps, 1
  br label %body
body:
  %step = phi i64 [ 0, %entry ], [ %next, %again ]
  %left = sub i64 %last, %step
  call void @nervure_step(ptr %context, i64 %thread, i64 %threads, ptr %control,
                          i64 %step, i64 %left{frame})
  %more = icmp sgt i64 %left, 0
  br i1 %more, label %again, label %done
again:
  call void @nervure_barrier(ptr %control, i64 %threads)
  %next = add i64 %step, 1
  br label %body
done:
  ret void
}}"""


def program_texts(
    plan: Plan,
    layout: Layout,
    clock: Sequence[KernelCall] = (),
    clock_text: str = "",
) -> list[str]:
    """Write the modules of a program: the entry with some kernels, and more kernels.

    Modules of moderate size are compiled at the same time.  The kernels among ``clock``
    are timed by the functions of ``clock_text``.
    """
    calls = {call.kernel.name: call for call in _all_calls(plan.calls)}
    blocks = [call.kernel for call in calls.values() if isinstance(call.kernel, Block)]
    parts: list[list[Kernel]] = [[]]
    size = 0
    for call in calls.values():
        if isinstance(call.kernel, Block):
            continue  # they call barriers and kernels, as the entry does
        size += len(call.kernel.text)
        if size > _MODULE and parts[-1]:
            parts.append([])
            size = len(call.kernel.text)
        parts[-1].append(call.kernel)
    elsewhere = [
        _declaration(calls[kernel.name], plan.checked)
        for part in parts[1:]
        for kernel in part
    ]
    checks = DECLARATIONS if plan.checked else ()
    entry = [
        _main_text(layout, plan.checked),
        clock_text,
        *step_text("nervure_step", layout, step_writer(plan), clock=clock),
        *elsewhere,
        *_definitions([*blocks, *parts[0]], checks),
    ]
    others = (_definitions(part, checks) for part in parts[1:])
    return ["\n".join(entry), *map("\n".join, others)]


def _all_calls(calls: Sequence[KernelCall]) -> Iterator[KernelCall]:
    """Yield the calls and those within blocks; their nesting is limited."""
    for call in calls:
        yield call
        if isinstance(call.kernel, Block):
            yield from _all_calls(call.kernel.calls)


def _declaration(call: KernelCall, checked: bool) -> str:
    """Return the declaration of a kernel that another module defines."""
    pointers = "ptr, " * (len(call.reads) + len(call.writes))
    frame = ", ptr" if checked else ""
    return f"declare void @{call.kernel.name}({pointers}i64, i64{frame})"


def _definitions(kernels: Iterable[Kernel], checks: Iterable[str]) -> list[str]:
    """Return the text of all kernels and what they declare, each once."""
    kernels = list(kernels)
    declared = dict.fromkeys(line for one in kernels for line in one.declarations)
    return [*checks, *declared, *(kernel.text for kernel in kernels)]
