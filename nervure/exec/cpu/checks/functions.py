"""Putting checks into the text of a function: of a kernel, a block, or a helper.

The text is what the unchecked mode compiles, line for line; before every line that
reads or writes memory goes a call that checks the address.  To which buffer an address
belongs is found by following pointers back through the text, to an argument, to memory
on the stack or to a constant table.  A line with a pointer that is not understood is an
error, so that nothing passes unchecked.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from nervure.exec.cpu.checks.native import BOUNDS, RECORD

# The parameter that every checked function has behind the others.
FRAME: Final = "%frame"

_NAME: Final = r"[%@][\w.]+"
_ALLOCA: Final = re.compile(rf"  ({_NAME}) = alloca (\S+), i64 (\d+), align \d+")
_ADDRESS: Final = re.compile(rf"  ({_NAME}) = getelementptr .*?, ptr ({_NAME}), .*")
_SELECT: Final = re.compile(
    rf"  ({_NAME}) = select (i1 {_NAME}), ptr ({_NAME}), ptr ({_NAME})"
)
_PHI: Final = re.compile(rf"  ({_NAME}) = phi ptr (.*)")
_INCOMING: Final = re.compile(rf"\[ ({_NAME}), ({_NAME}) \]")
_LOAD: Final = re.compile(rf"  {_NAME} = load (.+?), ptr ({_NAME}), align (\d+)")
_STORE: Final = re.compile(rf"  store (.+), ptr ({_NAME}), align (\d+)")
_LANES: Final = re.compile(
    r"  .*call .* ?@llvm\.masked\.(?:load|store)\.v(\d+)([a-z]+)(\d+)\.p0"
    rf"\(.*?ptr align (\d+) ({_NAME}), (<\d+ x i1> (?:{_NAME}|<.*?>|splat \(.*?\)))"
    r"[,)].*"
)
_COPY: Final = re.compile(
    rf"  call void @llvm\.memcpy\.p0\.p0\.i64\(ptr ({_NAME}), ptr ({_NAME}), "
    r"i64 (\S+), i1 false\)"
)
_DEFINED: Final = re.compile(r"define internal .*?(@[\w.]+)\(")
_TABLE: Final = re.compile(rf"({_NAME}) = internal constant \[(\d+) x i8\] .*")
# Calls of what touches no value: hints, barriers, and functions that check themselves.
_PASSES: Final = re.compile(
    r"  call void @(?:llvm\.prefetch\.|nervure_barrier\(|nervure_check_index\()"
    rf".*|  call void @.*, ptr {FRAME}[\w.]*\)"
)
_POINTER: Final = re.compile(r"\bptr\b|\bload\b|\bstore\b")
_SIZES: Final = {"half": 2, "bfloat": 2, "float": 4, "double": 8, "ptr": 8}


class Bounds(NamedTuple):
    """The names of the numbers where a buffer begins and ends."""

    low: str
    high: str


def checked(
    name: str,
    text: str,
    declarations: Iterable[str] = (),
    prologue: Sequence[str] = (),
) -> tuple[str, list[str]]:
    """Return the text of a function and its declarations with checks.

    Pointers among the arguments are called ``%p0``, ``%p1``, ... and have bounds in the
    frame, which becomes the last argument.  ``prologue`` are lines to begin with.

    Raises :class:`RuntimeError` for a line that cannot be checked.
    """
    declared = list(declarations)
    helpers = [found[1] for line in declared if (found := _DEFINED.match(line))]
    tables = {found[1]: int(found[2]) for line in declared
              if (found := _TABLE.fullmatch(line))}  # fmt: skip
    writer = _Writer(name, helpers, tables)
    result = writer.function(text, prologue)
    given = [
        _Writer(found[1], helpers, tables).function(line)
        if (found := _DEFINED.match(line))
        else line
        for line in declared
    ]
    return result, given


def site_of(name: str, line: int) -> int:
    """Return a number by which the line of a function is found again."""
    digest = hashlib.sha256(f"{name}:{line}".encode()).hexdigest()
    return int(digest[:12], 16)


class Access(NamedTuple):
    """A line that reads or writes memory; ``operand`` is the argument that it uses."""

    line: str
    operand: int | None
    writes: bool


def access_at(site: int, texts: Iterable[str]) -> Access | None:
    """Return the access that is checked at a site, if a text has it."""
    mark = f", i64 {site}, ptr {FRAME}"
    for text in texts:
        lines = iter(text.splitlines())
        for line in lines:
            if mark in line:
                checks = "@nervure_checked"
                return _access(line, next(one for one in lines if checks not in one))
    return None


def _access(check: str, line: str) -> Access:
    """Return what a line does with the address that a check is for."""
    operand = re.search(r", i64 %p(\d+)\.low, ", check)
    copy = _COPY.fullmatch(line)
    if copy:
        writes = f"(ptr {copy[1]}, " in check
    else:
        writes = "store" in line.split("%")[0] or "masked.store" in line
    return Access(line.strip(), int(operand[1]) if operand else None, writes)


def size_of(type_: str) -> int:
    """Return the bytes that a value of a type takes in memory."""
    vector = re.fullmatch(r"<(\d+) x (\S+)>", type_)
    if vector:
        return int(vector[1]) * size_of(vector[2])
    if type_ in _SIZES:
        return _SIZES[type_]
    return -(-int(type_.removeprefix("i")) // 8)


class _Writer:
    """Writes one function anew."""

    def __init__(
        self, name: str, helpers: Sequence[str], tables: Mapping[str, int]
    ) -> None:
        self._name = name
        self._helpers = helpers
        self._tables = tables
        self._lines: list[str] = []
        self._number = 0  # of the line, for the site
        self._count = 0  # of new values
        self._bases: dict[str, str] = {}  # of what an address was computed from
        self._choices: dict[str, list[str]] = {}  # what a phi or select may be
        self._bounds: dict[str, Bounds] = {}

    def function(self, text: str, prologue: Sequence[str] = ()) -> str:
        """Return the text with checks."""
        first, entry, *body, last = text.replace("ptr noalias %", "ptr %").splitlines()
        arguments, attributes = first.rsplit(")", 1)
        separator = "" if arguments.endswith("(") else ", "
        head = f"{arguments}{separator}ptr {FRAME}){attributes}"
        pointers = re.findall(r"ptr %p(\d+)", arguments)
        for line in body:
            self._follow(line)
        self._lines = [head, entry]
        self._begin([int(one) for one in pointers])
        self._lines += prologue
        for self._number, line in enumerate(body, 1):
            self._write(line)
        return "\n".join([*self._lines, last])

    def _begin(self, pointers: Sequence[int]) -> None:
        """Write where the bounds of the arguments and the record are read."""
        lines = [
            f"  {FRAME}.record.at = getelementptr ptr, ptr {FRAME}, i64 {RECORD}",
            f"  {FRAME}.record = load ptr, ptr {FRAME}.record.at, align 8",
            f"  {FRAME}.bounds.at = getelementptr ptr, ptr {FRAME}, i64 {BOUNDS}",
            f"  {FRAME}.bounds = load ptr, ptr {FRAME}.bounds.at, align 8",
        ]
        for number in pointers:
            for place, side in enumerate(("low", "high")):
                word, name = 2 * number + place, f"%p{number}.{side}"
                lines += [
                    f"  {name}.at = getelementptr i64, ptr {FRAME}.bounds, i64 {word}",
                    f"  {name} = load i64, ptr {name}.at, align 8",
                ]
            self._bounds[f"%p{number}"] = Bounds(f"%p{number}.low", f"%p{number}.high")
        self._lines += lines

    def _follow(self, line: str) -> None:
        """Note from what a pointer comes."""
        if found := _ADDRESS.fullmatch(line):
            self._bases[found[1]] = found[2]
        elif found := _SELECT.fullmatch(line):
            self._choices[found[1]] = [found[3], found[4]]
        elif found := _PHI.fullmatch(line):
            incoming = _INCOMING.findall(found[2])
            self._choices[found[1]] = [value for value, _ in incoming]

    def _root(self, pointer: str, seen: tuple[str, ...] = ()) -> str:
        """Return the pointer whose bounds count; a choice between others has its own.

        A choice between pointers of one buffer belongs to that.
        """
        while pointer in self._bases:
            pointer = self._bases[pointer]
        if pointer in self._choices and pointer not in seen:
            roots = {
                self._root(one, (*seen, pointer)) for one in self._choices[pointer]
            }
            roots -= {pointer, *seen}
            if len(roots) == 1:
                return roots.pop()
        return pointer

    def _bounds_of(self, pointer: str, line: str) -> Bounds:
        root = self._root(pointer)
        known = self._bounds.get(root)
        if known is not None:
            return known
        if root in self._tables:
            end = f"getelementptr (i8, ptr {root}, i64 {self._tables[root]})"
            return Bounds(
                f"ptrtoint (ptr {root} to i64)", f"ptrtoint (ptr {end} to i64)"
            )
        if root in self._choices:  # a phi whose line comes later
            return Bounds(f"{root}.low", f"{root}.high")
        raise RuntimeError(f"{self._name}: cannot check the pointer of {line!r}")

    def _write(self, line: str) -> None:
        """Write a line with the checks that it needs."""
        if found := _LOAD.fullmatch(line):
            self._access(line, found[2], size_of(found[1]), int(found[3]))
        elif found := _STORE.fullmatch(line):
            type_ = re.match(r"<.*?>|\S+", found[1])
            assert type_ is not None
            self._access(line, found[2], size_of(type_[0]), int(found[3]))
        elif found := _LANES.fullmatch(line):
            self._masked(line, found)
        elif found := _COPY.fullmatch(line):
            self._copy(line, found)
        elif found := _ALLOCA.fullmatch(line):
            self._stack(line, found)
        elif found := _SELECT.fullmatch(line):
            self._select(line, found)
        elif found := _PHI.fullmatch(line):
            self._phi(line, found)
        elif any(f"{helper}(" in line for helper in self._helpers):
            self._lines.append(f"{line[:-1]}, ptr {FRAME})")
        elif (
            _ADDRESS.fullmatch(line)
            or _PASSES.fullmatch(line)
            or not _POINTER.search(line)
        ):
            self._lines.append(line)
        else:
            raise RuntimeError(f"{self._name}: cannot check {line!r}")

    def _new(self, text: str) -> str:
        self._count += 1
        name = f"%check{self._count}"
        self._lines.append(f"  {name} = {text}")
        return name

    def _where(self, pointer: str, line: str, part: int = 0) -> str:
        """Return the last arguments of a check: bounds, site and frame."""
        low, high = self._bounds_of(pointer, line)
        site = site_of(f"{self._name}/{part}", self._number)
        return f"i64 {low}, i64 {high}, i64 {site}, ptr {FRAME}"

    def _access(self, line: str, pointer: str, size: int, align: int) -> None:
        good = self._new(
            f"call ptr @nervure_checked(ptr {pointer}, i64 {size}, i64 {align}, "
            f"{self._where(pointer, line)})"
        )
        head, tail = line.rsplit(f"ptr {pointer}, align", 1)
        self._lines.append(f"{head}ptr {good}, align{tail}")

    def _masked(self, line: str, found: re.Match[str]) -> None:
        lanes, kind, bits, align, pointer, mask = found.groups()
        number = self._new(f"bitcast {mask} to i{lanes}")
        if int(lanes) < 64:
            number = self._new(f"zext i{lanes} {number} to i64")
        assert kind in ("i", "f", "bf"), kind
        good = self._new(
            f"call ptr @nervure_checked_lanes(ptr {pointer}, i64 {number}, "
            f"i64 {int(bits) // 8}, i64 {align}, {self._where(pointer, line)})"
        )
        self._lines.append(
            line.replace(f"ptr align {align} {pointer},", f"ptr align {align} {good},")
        )

    def _copy(self, line: str, found: re.Match[str]) -> None:
        to, source, count = found.groups()
        for part, pointer in enumerate((to, source)):
            where = self._where(pointer, line, part)
            count = self._new(
                f"call i64 @nervure_checked_bytes(ptr {pointer}, i64 {count}, {where})"
            )
        self._lines.append(
            f"  call void @llvm.memcpy.p0.p0.i64(ptr {to}, ptr {source}, i64 {count}, "
            "i1 false)"
        )

    def _stack(self, line: str, found: re.Match[str]) -> None:
        name, type_, count = found.groups()
        low, end, high = (f"{name}.{side}" for side in ("low", "end", "high"))
        self._bounds[name] = Bounds(low, high)
        self._lines += [
            line,
            f"  {low} = ptrtoint ptr {name} to i64",
            f"  {end} = getelementptr {type_}, ptr {name}, i64 {count}",
            f"  {high} = ptrtoint ptr {end} to i64",
        ]

    def _select(self, line: str, found: re.Match[str]) -> None:
        name, condition, *pointers = found.groups()
        self._lines.append(line)
        if self._root(name) != name:
            return
        both = [self._bounds_of(one, line) for one in pointers]
        for side in Bounds._fields:
            x, y = (getattr(one, side) for one in both)
            self._lines.append(
                f"  {name}.{side} = select {condition}, i64 {x}, i64 {y}"
            )
        self._bounds[name] = Bounds(f"{name}.low", f"{name}.high")

    def _phi(self, line: str, found: re.Match[str]) -> None:
        name, incoming = found[1], _INCOMING.findall(found[2])
        self._lines.append(line)
        if self._root(name) != name:
            return
        self._bounds[name] = Bounds(f"{name}.low", f"{name}.high")
        both = [(self._bounds_of(value, line), block) for value, block in incoming]
        for side in Bounds._fields:
            listed = ", ".join(
                f"[ {getattr(one, side)}, {block} ]" for one, block in both
            )
            self._lines.append(f"  {name}.{side} = phi i64 {listed}")
