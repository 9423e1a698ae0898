"""Functions of a module that the code calls: for what is long and rarely needed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

from nervure.exec.cpu.llvm import FunctionBuilder, Value

Body = Callable[[FunctionBuilder, Sequence[Value]], Value]


def call_function(
    b: FunctionBuilder, label: str, arguments: Sequence[Value], body: Body
) -> Value:
    """Call a function of the module, and define it if nobody has.

    ``body`` writes it; equal texts have one name, so that kernels of one module share
    the definition.  The function is marked cold: a branch that calls it is unlikely.
    """
    parameters = [(one.type, f"x{place}") for place, one in enumerate(arguments)]
    inner = FunctionBuilder("@", parameters, "cold noinline nounwind ")
    inner.fma, inner.avx512 = b.fma, b.avx512
    result = body(inner, inner.parameters)
    text = inner.text(result, "internal")
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    name = f"nervure_{label}_{digest}"
    b.declarations.update(inner.declarations)
    b.declarations[text.replace("@@(", f"@{name}(", 1)] = None
    listed = ", ".join(map(str, arguments))
    return b.emit(result.type, f"call {result.type} @{name}({listed})")


def extract(b: FunctionBuilder, x: Value, index: Value, element: str) -> Value:
    """Return one lane of a vector; a scalar is its own only lane."""
    if x.type == element:
        return x
    return b.emit(element, f"extractelement {x}, {index}")


def insert(b: FunctionBuilder, x: Value, lane: Value, index: Value) -> Value:
    """Return a vector with one lane replaced."""
    if x.type == lane.type:
        return lane
    return b.emit(x.type, f"insertelement {x}, {lane}, {index}")
