"""Putting checks into the text of functions."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from nervure.exec.cpu.checks.functions import checked, size_of
from nervure.exec.cpu.kernel import Scratch
from nervure.exec.cpu.spill import move
from nervure.exec.cpu.target import target

HEAD = (
    "define void @k(ptr noalias %p0, ptr noalias %p1, i64 %begin, i64 %end) {\nentry:"
)


@pytest.mark.parametrize(
    "line",
    [
        "  %x = load i32, ptr %unknown, align 4",
        "  %x = atomicrmw add ptr %p0, i64 1 seq_cst",
        "  %x = inttoptr i64 %y to ptr",
        "  call void @someone(ptr %p0)",
        "  %x = load ptr, ptr %p0, align 8\n  store i8 0, ptr %x, align 1",
    ],
)
def test_a_line_that_is_not_understood_is_refused(line: str) -> None:
    with pytest.raises(RuntimeError, match="^k: cannot check"):
        checked("k", f"{HEAD}\n{line}\n  ret void\n}}")


def test_a_choice_between_buffers_has_bounds_of_its_own() -> None:
    lines = [
        HEAD,
        "  %c = icmp eq i64 %begin, 0",
        "  %one = select i1 %c, ptr %p0, ptr %p1",
        "  store i8 0, ptr %one, align 1",
        "  br label %head",
        "head:",
        "  %two = phi ptr [ %p0, %entry ], [ %next, %head ]",
        "  %three = phi ptr [ %one, %entry ], [ %three, %head ]",
        "  store i8 0, ptr %two, align 1",
        "  store i8 0, ptr %three, align 1",
        "  %next = getelementptr i8, ptr %two, i64 1",
        "  br label %head\n}",
    ]
    text, _ = checked("k", "\n".join(lines))
    assert "%one.low = select i1 %c, i64 %p0.low, i64 %p1.low" in text
    bounds = re.findall(r"@nervure_checked\(ptr \S+, i64 1, i64 1, i64 (\S+), ", text)
    assert bounds == ["%one.low", "%p0.low", "%one.low"]


@pytest.mark.parametrize(
    "type_, size",
    [("i1", 1), ("i8", 1), ("i64", 8), ("i384", 48), ("half", 2), ("bfloat", 2),
     ("ptr", 8), ("<16 x float>", 64), ("<4 x double>", 32), ("<64 x i8>", 64)],
)  # fmt: skip
def test_sizes_of_types(type_: str, size: int) -> None:
    assert size_of(type_) == size


def test_a_copy_of_bytes_is_checked_on_both_sides() -> None:
    here, there = Scratch(100), Scratch(96)
    machine = replace(target(), check=True)
    text = move(here, there, machine).kernel.text
    assert text.count("@nervure_checked_bytes") == 2
    assert move(here, there, target()).kernel.text.count("@nervure_check") == 0
