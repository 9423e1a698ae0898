"""The native code of the worker threads: waiting for jobs, and for each other.

Waiting: a thread spins with ``pause``, yields its core every 64 turns, and sleeps after
about 6,400 on a futex (on systems without futexes it naps), so an idle program burns
nothing and a busy machine is not made worse.

The threads of a pool share a *control block*; each of its words lies on a cache line of
its own.  A job is posted by adding one to the word JOB.  At a barrier each thread adds
one to ARRIVED, and the last one adds one to PASSED, for which the others wait.
"""

from __future__ import annotations

import platform
import sys
from typing import Final

from nervure.exec.cpu.memory import DATA_OFFSET

LINE: Final = 64
JOB, FUNCTION, CONTEXT, ARRIVED, PASSED, QUIT, THREADS, IDLE, HELD = (
    LINE * number for number in range(9)
)
CONTROL_BYTES: Final = LINE * 9

# Turns of a waiting loop between yields, and before sleep; a turn takes about 20 ns.
_YIELD: Final = 64
_SLEEP: Final = 6400

_SYSCALL_FUTEX: Final = {"x86_64": 202, "aarch64": 98}
_WAIT_PRIVATE, _WAKE_PRIVATE = 128, 129
_X86: Final = platform.machine() in ("x86_64", "AMD64")
_ARM: Final = platform.machine() in ("aarch64", "arm64")


def futex_number() -> int | None:
    """Return the number of the system call ``futex``, None if there is none."""
    if sys.platform.startswith("linux") and sys.maxsize > 2**32:
        return _SYSCALL_FUTEX.get(platform.machine())
    return None


def runtime_text() -> str:
    """Return the module of all functions of the runtime."""
    return "\n".join([
        "declare i32 @nervure_yield()",
        "declare void @llvm.x86.sse2.pause()" if _X86 else "",
        "declare void @llvm.aarch64.hint(i32)" if _ARM else "",
        _sleep_text(),
        _barrier_text(),
        _worker_text(),
        _post_text(),
        _run_text(),
    ])  # fmt: skip


def _pause() -> str:
    """Return the instruction that tells the core that this is a waiting loop."""
    if _X86:
        return "call void @llvm.x86.sse2.pause()"
    return "call void @llvm.aarch64.hint(i32 1)" if _ARM else "fence seq_cst"


def _sleep_text() -> str:
    """Write ``sleep`` (until a word has changed, or for a moment) and ``wake``.

    Without a futex, moments get longer the longer the wait has lasted: five
    milliseconds at most.
    """
    number = futex_number()
    if number is None:
        unit = 1000 if sys.platform == "win32" else 1  # milli- or microseconds
        return f"""
declare i32 @nervure_nap(i32)
declare i64 @llvm.smin.i64(i64, i64)
define void @nervure_sleep(ptr %word, i32 %seen, i64 %turns) {{
  %over = sub i64 %turns, {_SLEEP - 50}
  %moment = call i64 @llvm.smin.i64(i64 %over, i64 5000)
  %length = sdiv i64 %moment, {unit}
  %short = trunc i64 %length to i32
  %r = call i32 @nervure_nap(i32 %short)
  ret void
}}
define void @nervure_wake(ptr %word) {{
  ret void
}}"""
    return f"""
declare i64 @nervure_syscall(i64, ptr, i64, i64, ptr, ptr, i64)
define void @nervure_sleep(ptr %word, i32 %seen, i64 %turns) {{
  %wide = zext i32 %seen to i64
  %r = call i64 @nervure_syscall(i64 {number}, ptr %word, i64 {_WAIT_PRIVATE},
                                 i64 %wide, ptr null, ptr null, i64 0)
  ret void
}}
define void @nervure_wake(ptr %word) {{
  %r = call i64 @nervure_syscall(i64 {number}, ptr %word, i64 {_WAKE_PRIVATE},
                                 i64 2147483647, ptr null, ptr null, i64 0)
  ret void
}}"""


def _at(name: str, offset: int) -> str:
    return f"%{name} = getelementptr i8, ptr %control, i64 {offset}"


def _wait_text(word: str, seen: str, sleepers: str, before: str, after: str) -> str:
    """Write the loop that waits until a word of 32 bits is no longer ``seen``.

    Who changes the word looks at ``sleepers`` afterwards, and who goes to sleep adds
    itself there before the futex compares the word: one of them sees the other.
    """
    return f"""
spin:
  %turn = phi i64 [ 0, %{before} ], [ %turns, %again ]
  %now = load atomic i32, ptr {word} acquire, align 4
  %changed = icmp ne i32 %now, {seen}
  br i1 %changed, label %{after}, label %wait
wait:
  {_pause()}
  %turns = add i64 %turn, 1
  %low = and i64 %turns, {_YIELD - 1}
  %tired = icmp eq i64 %low, 0
  br i1 %tired, label %rest, label %again
rest:
  %exhausted = icmp sgt i64 %turns, {_SLEEP}
  br i1 %exhausted, label %sleep, label %yield
yield:
  %ignored = call i32 @nervure_yield()
  br label %again
sleep:
  %down = atomicrmw add ptr {sleepers}, i64 1 seq_cst
  call void @nervure_sleep(ptr {word}, i32 {seen}, i64 %turns)
  %up = atomicrmw sub ptr {sleepers}, i64 1 seq_cst
  br label %again
again:
  br label %spin"""


def _change_text(word: str, sleepers: str) -> str:
    """Write the change of a word for which others may wait."""
    return f"""
  %old = atomicrmw add ptr {word}, i32 1 seq_cst
  %asleep = load atomic i64, ptr {sleepers} seq_cst, align 8
  %some = icmp ne i64 %asleep, 0
  br i1 %some, label %wake, label %done
wake:
  call void @nervure_wake(ptr {word})
  br label %done"""


def _barrier_text() -> str:
    """Write ``nervure_barrier(control, threads)``: nobody passes before all arrive."""
    return f"""
define void @nervure_barrier(ptr %control, i64 %threads) noinline {{
entry:
  %alone = icmp eq i64 %threads, 1
  br i1 %alone, label %done, label %arrive
arrive:
  {_at("arrived", ARRIVED)}
  {_at("passed", PASSED)}
  {_at("held", HELD)}
  %mine = load atomic i32, ptr %passed acquire, align 4
  %before = atomicrmw add ptr %arrived, i64 1 acq_rel
  %count = add i64 %before, 1
  %last = icmp eq i64 %count, %threads
  br i1 %last, label %release, label %spin
release:
  store atomic i64 0, ptr %arrived monotonic, align 8
  {_change_text("%passed", "%held")}
{_wait_text("%passed", "%mine", "%held", "arrive", "done")}
done:
  ret void
}}"""


def _worker_text() -> str:
    """Write what a worker does: wait for a job, do it, wait for the others."""
    return f"""
define void @nervure_worker(ptr %control, i64 %thread) {{
entry:
  {_at("job", JOB)}
  {_at("quit", QUIT)}
  {_at("idle", IDLE)}
  {_at("function_at", FUNCTION)}
  {_at("context_at", CONTEXT)}
  {_at("threads_at", THREADS)}
  %threads = load i64, ptr %threads_at, align 8
  br label %next
next:
  %seen = phi i32 [ 0, %entry ], [ %now, %work ]
  br label %spin
{_wait_text("%job", "%seen", "%idle", "next", "look")}
look:
  %stop = load atomic i64, ptr %quit acquire, align 8
  %quitting = icmp ne i64 %stop, 0
  br i1 %quitting, label %done, label %work
work:
  %function = load ptr, ptr %function_at, align 8
  %context = load ptr, ptr %context_at, align 8
  call void %function(ptr %context, i64 %thread, i64 %threads, ptr %control)
  call void @nervure_barrier(ptr %control, i64 %threads)
  br label %next
done:
  ret void
}}"""


def _post_text() -> str:
    return f"""
define void @nervure_post(ptr %control) {{
  {_at("job", JOB)}
  {_at("idle", IDLE)}
  {_change_text("%job", "%idle")}
done:
  ret void
}}"""


def _run_text() -> str:
    """Write ``run`` (with the workers) and ``run_alone``.

    Both first replace the pointers to array objects in the context by the addresses of
    their elements; see ``memory.DIRECT``.
    """
    return f"""
define void @nervure_bind(ptr %context) {{
entry:
  %count.at = getelementptr i64, ptr %context, i64 1
  %count = load i64, ptr %count.at, align 8
  %first = getelementptr i64, ptr %context, i64 2
  br label %head
head:
  %k = phi i64 [ 0, %entry ], [ %next, %body ]
  %more = icmp slt i64 %k, %count
  br i1 %more, label %body, label %done
body:
  %word = getelementptr ptr, ptr %first, i64 %k
  %object = load ptr, ptr %word, align 8
  %data.at = getelementptr i8, ptr %object, i64 {DATA_OFFSET}
  %data = load ptr, ptr %data.at, align 8
  store ptr %data, ptr %word, align 8
  %next = add i64 %k, 1
  br label %head
done:
  ret void
}}
define void @nervure_run(ptr %control, ptr %function, ptr %context) {{
  {_at("function_at", FUNCTION)}
  {_at("context_at", CONTEXT)}
  {_at("threads_at", THREADS)}
  call void @nervure_bind(ptr %context)
  %threads = load i64, ptr %threads_at, align 8
  store ptr %function, ptr %function_at, align 8
  store ptr %context, ptr %context_at, align 8
  call void @nervure_post(ptr %control)
  call void %function(ptr %context, i64 0, i64 %threads, ptr %control)
  call void @nervure_barrier(ptr %control, i64 %threads)
  ret void
}}
define void @nervure_run_alone(ptr %function, ptr %context) {{
  call void @nervure_bind(ptr %context)
  call void %function(ptr %context, i64 0, i64 1, ptr null)
  ret void
}}"""
