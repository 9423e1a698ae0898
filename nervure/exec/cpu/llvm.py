"""Writing LLVM IR as text: one builder for the body of one function.

Only what the kernels need: arithmetic on scalars and vectors, loads and stores with
masks, and counted loops whose accumulators are explicit ``phi`` values, so that no
optimisation pass has to find them.  Values are strings such as ``%12`` together with
their LLVM type.
"""

from __future__ import annotations

import contextlib
import functools
import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from nervure import dtypes
from nervure.dtypes import DType


class Value(NamedTuple):
    """An LLVM value: its type and how the text names it."""

    type: str
    name: str

    def __str__(self) -> str:
        return f"{self.type} {self.name}"


_SCALARS = {
    dtypes.bool_: "i1",
    dtypes.float16: "half",
    dtypes.bfloat16: "bfloat",
    dtypes.float32: "float",
    dtypes.float64: "double",
    **{dtype: f"i{8 * dtype.itemsize}" for dtype in dtypes.INTEGERS},
}


def scalar_type(dtype: DType) -> str:
    """Return the LLVM type in which one element is computed; truth values are i1."""
    return _SCALARS[dtype]


def storage_type(dtype: DType) -> str:
    """Return the LLVM type in which one element lies in memory."""
    return "i8" if dtype == dtypes.bool_ else _SCALARS[dtype]


def vector_type(element: str, lanes: int) -> str:
    """Return the type of ``lanes`` elements; the scalar for one lane."""
    return element if lanes == 1 else f"<{lanes} x {element}>"


@functools.lru_cache(maxsize=1024)
def element_of(type_: str) -> str:
    """Return the element type of a vector type, a scalar type itself."""
    return type_.split(" x ")[1][:-1] if type_.startswith("<") else type_


@functools.lru_cache(maxsize=1024)
def lanes_of(type_: str) -> int:
    """Return the number of lanes of a type, 1 for a scalar."""
    return int(type_[1:].split(" x ")[0]) if type_.startswith("<") else 1


def literal(number: bool | int | float, element: str) -> str:
    """Write a number as an LLVM literal of a scalar type, exactly."""
    if element == "i1":
        return "true" if number else "false"
    if element.startswith("i"):
        return str(int(number))
    if element == "half":
        bits = int(np.float16(number).view(np.uint16))
        return f"0xH{bits:04X}"
    if element == "bfloat":
        bits = int(np.asarray(number, dtypes.bfloat16).view(np.uint16))
        return f"0xR{bits:04X}"
    # LLVM writes a float as the double of the same value
    value = float(np.float32(number)) if element == "float" else float(number)
    return f"0x{struct.unpack('<Q', struct.pack('<d', value))[0]:016X}"


def constant(number: bool | int | float, type_: str) -> Value:
    """Return a number as a constant of a scalar or vector type."""
    element = element_of(type_)
    text = literal(number, element)
    return Value(type_, text if type_ == element else f"splat ({element} {text})")


class Loop:
    """A counted loop being written; see :meth:`FunctionBuilder.loop`."""

    def __init__(self, index: Value, carried: list[Value]) -> None:
        self.index = index
        self.carried = carried
        self.next: Sequence[Value] = ()
        self.results: list[Value] = []


class FunctionBuilder:
    """Writes one function: instructions are appended in order.

    Intrinsics that are called are collected in :attr:`declarations`, and so are the
    texts of whole functions that the code calls.
    """

    # What the target can do, and the flags of ordinary arithmetic; see `mathlib`.
    fma: bool = False
    avx512: bool = False
    flags: str = ""

    def __init__(
        self, name: str, parameters: Sequence[tuple[str, str]], attributes: str = ""
    ) -> None:
        self.name = name
        self._attributes = attributes
        self._parameters = [Value(type_, f"%{label}") for type_, label in parameters]
        self._lines: list[str] = ["entry:"]
        self._block = "entry"
        self._count = 0
        self._aliased: set[Value] = set()
        self.declarations: dict[str, None] = {}
        self.globals: dict[str, None] = {}

    @property
    def parameters(self) -> list[Value]:
        """The arguments; those of type ``ptr`` alias only after ``may_alias``."""
        return self._parameters

    def may_alias(self, *pointers: Value) -> None:
        """Let arguments point to the same memory, as in an update in place."""
        self._aliased.update(pointers)

    # --- instructions ----------------------------------------------------------------

    def fresh(self, prefix: str = "") -> str:
        """Return a name not used before."""
        self._count += 1
        return f"%{prefix}{self._count}" if prefix else f"%v{self._count}"

    def emit(self, type_: str, text: str) -> Value:
        """Append an instruction that yields a value."""
        name = self.fresh()
        self._lines.append(f"  {name} = {text}")
        return Value(type_, name)

    def line(self, text: str) -> None:
        """Append an instruction that yields nothing."""
        self._lines.append(f"  {text}")

    def binary(self, op: str, x: Value, y: Value, flags: str = "") -> Value:
        """Append a two-operand instruction such as ``fadd`` or ``add``."""
        space = f" {flags}" if flags else ""
        return self.emit(x.type, f"{op}{space} {x.type} {x.name}, {y.name}")

    def compare(self, op: str, condition: str, x: Value, y: Value) -> Value:
        """Append ``icmp`` or ``fcmp``."""
        result = vector_type("i1", lanes_of(x.type))
        return self.emit(result, f"{op} {condition} {x.type} {x.name}, {y.name}")

    def select(self, condition: Value, x: Value, y: Value) -> Value:
        """Append a choice by lane."""
        return self.emit(x.type, f"select {condition}, {x}, {y}")

    def convert(self, op: str, x: Value, type_: str) -> Value:
        """Append a conversion such as ``fpext``, ``trunc`` or ``bitcast``."""
        return x if x.type == type_ else self.emit(type_, f"{op} {x} to {type_}")

    def call(self, intrinsic: str, result: str, arguments: Sequence[Value]) -> Value:
        """Call an intrinsic or another function and declare it."""
        types = ", ".join(argument.type for argument in arguments)
        self.declarations[f"declare {result} @{intrinsic}({types})"] = None
        listed = ", ".join(map(str, arguments))
        if result == "void":
            self.line(f"call void @{intrinsic}({listed})")
            return Value("void", "")
        return self.emit(result, f"call {result} @{intrinsic}({listed})")

    def intrinsic(self, name: str, x: Value, *others: Value) -> Value:
        """Call an overloaded intrinsic whose type is that of its first operand."""
        return self.call(f"llvm.{name}.{_suffix(x.type)}", x.type, (x, *others))

    def prefetch(
        self, where: Value, *, nearest: bool = False, write: bool = False
    ) -> None:
        """Ask for a cache line, which need not exist.

        It comes into the second-level cache, or with ``nearest`` into the first;
        ``write`` says that it will be written.
        """
        how = (int(write), 3 if nearest else 2, 1)
        arguments = [where, *(constant(number, "i32") for number in how)]
        self.call("llvm.prefetch.p0", "void", arguments)

    def splat(self, x: Value, lanes: int) -> Value:
        """Repeat a scalar in every lane."""
        if lanes == 1:
            return x
        type_ = vector_type(x.type, lanes)
        first = self.emit(type_, f"insertelement {type_} poison, {x}, i64 0")
        return self.emit(
            type_,
            f"shufflevector {first}, {type_} poison, <{lanes} x i32> zeroinitializer",
        )

    def lane_numbers(self, element: str, lanes: int, step: int = 1) -> Value:
        """Return the vector 0, 1, 2, ... of an integer type, times ``step``."""
        listed = ", ".join(f"{element} {step * lane}" for lane in range(lanes))
        if lanes == 1:
            return Value(element, "0")
        return Value(vector_type(element, lanes), f"<{listed}>")

    # --- memory ----------------------------------------------------------------------

    def address(self, base: Value, element: str, index: Value | int) -> Value:
        """Return the address of an element."""
        where = f"i64 {index}" if isinstance(index, int) else str(index)
        return self.emit("ptr", f"getelementptr inbounds {element}, {base}, {where}")

    def load(self, type_: str, address: Value, align: int) -> Value:
        """Load a scalar or a vector."""
        return self.emit(type_, f"load {type_}, {address}, align {align}")

    def store(self, x: Value, address: Value, align: int) -> None:
        """Store a scalar or a vector."""
        self.line(f"store {x}, {address}, align {align}")

    def masked_load(
        self, type_: str, address: Value, mask: Value, align: int, fill: int = 0
    ) -> Value:
        """Load the lanes of ``mask``; the others are ``fill``.

        Numbers of type bfloat are loaded as their bits: where the machine does not
        compute with them, LLVM 22 would call a function that nobody has.
        """
        if element_of(type_) == "bfloat":
            bits = int(np.asarray(fill, dtypes.bfloat16).view(np.uint16))
            whole = vector_type("i16", lanes_of(type_))
            raw = self.masked_load(whole, address, mask, align, bits)
            return self.convert("bitcast", raw, type_)
        name = f"llvm.masked.load.{_suffix(type_)}.p0"
        if_aligned = Value("ptr", f"align {align} {address.name}")
        return self._masked(name, type_, (if_aligned, mask, constant(fill, type_)))

    def masked_store(self, x: Value, address: Value, mask: Value, align: int) -> None:
        """Store the lanes of ``mask``.

        A constant mask of the first lane alone is a scalar store here, since LLVM 22
        makes a wrong one of it: behind a ``trunc`` it stores the wide element, beyond
        the place of the narrow one.
        """
        if mask.name.count("true") == 1 and mask.name.startswith("<i1 true"):
            element = element_of(x.type)
            first = self.emit(element, f"extractelement {x}, i64 0")
            self.store(first, address, align)
            return
        name = f"llvm.masked.store.{_suffix(x.type)}.p0"
        if_aligned = Value("ptr", f"align {align} {address.name}")
        self._masked(name, "void", (x, if_aligned, mask))

    def _masked(self, name: str, result: str, arguments: Sequence[Value]) -> Value:
        """Call a masked intrinsic, whose declaration has no alignment."""
        types = ", ".join(argument.type for argument in arguments)
        self.declarations[f"declare {result} @{name}({types})"] = None
        listed = ", ".join(map(str, arguments))
        if result == "void":
            self.line(f"call void @{name}({listed})")
            return Value("void", "")
        return self.emit(result, f"call {result} @{name}({listed})")

    def stack(self, element: str, count: int, align: int = 64) -> Value:
        """Reserve memory on the stack; call it before the first loop."""
        return self.emit("ptr", f"alloca {element}, i64 {count}, align {align}")

    # --- control ---------------------------------------------------------------------

    @contextlib.contextmanager
    def loop(
        self,
        begin: Value | int,
        end: Value | int,
        step: int = 1,
        carried: Sequence[Value] = (),
    ) -> Iterator[Loop]:
        """Write a loop that runs while ``index < end`` (not at all if empty).

        ``carried`` are the initial values of accumulators; inside the block
        ``loop.carried`` are their current values, and ``loop.next`` must be set to the
        new ones.  After the block ``loop.results`` are the final values.
        """
        first = str(begin) if isinstance(begin, int) else begin.name
        last = str(end) if isinstance(end, int) else end.name
        number = self._count = self._count + 1
        head, body, done = f"head{number}", f"body{number}", f"done{number}"
        before = self._block
        self.line(f"br label %{head}")
        self._start(head)
        index = Value("i64", f"%i{number}")
        phis = [Value(one.type, f"%c{number}.{k}") for k, one in enumerate(carried)]
        place = len(self._lines)  # the phis are written when the back edge is known
        more = self.emit("i1", f"icmp slt {index}, {last}")
        self.line(f"br {more}, label %{body}, label %{done}")
        self._start(body)
        written = Loop(index, phis)
        yield written
        following = self.emit("i64", f"add nsw {index}, {step}")
        after = self._block
        self.line(f"br label %{head}")
        updates = list(written.next) if carried else []
        if len(updates) != len(carried):
            raise ValueError("loop.next must be set for every carried value")
        lines = [
            f"  {index.name} = phi i64 [ {first}, %{before} ], "
            f"[ {following.name}, %{after} ]"
        ]
        for phi, initial, update in zip(phis, carried, updates, strict=True):
            lines.append(
                f"  {phi.name} = phi {phi.type} [ {initial.name}, %{before} ], "
                f"[ {update.name}, %{after} ]"
            )
        self._lines[place:place] = lines
        self._start(done)
        written.results = phis

    @contextlib.contextmanager
    def when(self, condition: Value) -> Iterator[None]:
        """Write instructions that run only if a scalar condition holds."""
        number = self._count = self._count + 1
        self.line(f"br {condition}, label %then{number}, label %join{number}")
        self._start(f"then{number}")
        yield
        self.line(f"br label %join{number}")
        self._start(f"join{number}")

    @contextlib.contextmanager
    def rarely(self, condition: Value, usual: Value) -> Iterator[Loop]:
        """Write instructions that replace a value if a scalar condition holds.

        ``loop.next`` must be set to the one replacement; ``loop.results[0]`` is the
        value afterwards.  Call a ``cold`` function inside, so that LLVM knows that
        the branch is unlikely.
        """
        number = self._count = self._count + 1
        before = self._block
        self.line(f"br {condition}, label %rare{number}, label %merge{number}")
        self._start(f"rare{number}")
        written = Loop(condition, [usual])
        yield written
        (replacement,) = written.next
        after = self._block
        self.line(f"br label %merge{number}")
        self._start(f"merge{number}")
        merged = self.emit(
            usual.type,
            f"phi {usual.type} [ {usual.name}, %{before} ], "
            f"[ {replacement.name}, %{after} ]",
        )
        written.results = [merged]

    def _start(self, label: str) -> None:
        self._lines.append(f"{label}:")
        self._block = label

    def text(self, result: Value | None = None, linkage: str = "") -> str:
        """Return the function's definition; without ``result`` it returns nothing."""
        parameters = ", ".join(
            f"ptr noalias {one.name}"
            if one.type == "ptr" and one not in self._aliased
            else str(one)
            for one in self._parameters
        )
        space = f"{linkage} " if linkage else ""
        type_, given = (result.type, str(result)) if result else ("void", "void")
        head = f"define {space}{type_} @{self.name}({parameters}) {self._attributes}{{"
        return "\n".join([head, *self._lines, f"  ret {given}", "}"])


def _suffix(type_: str) -> str:
    """Return how an overloaded intrinsic's name spells a type: ``v16f32``."""
    words = {"half": "f16", "bfloat": "bf16", "float": "f32", "double": "f64"}
    element = element_of(type_)
    lanes = lanes_of(type_)
    word = words.get(element, element)
    return word if lanes == 1 else f"v{lanes}{word}"
