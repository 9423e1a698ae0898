"""The core of Nervure in one file, to be read from top to bottom.

Nervure is a compiler: what you write becomes a graph, the graph gets its derivative, is
made smaller, and becomes machine code.  Here is all of it for matrices of float64, in
the order in which an expression goes through it:

1. nodes         what a graph is; equal nodes are one object
2. primitives    one record for each operation: meaning, gradient, C
3. arrays        what people type, made of primitives
4. gradients     a function from nodes to nodes
5. passes        a function from graphs to graphs that mean the same
6. reference     NumPy, node by node: slow, and right by definition
7. kernels       which values are stored, and the loops in C that compute them
8. memory        one arena, in which values share places by their lifetimes
9. machine code  a C compiler, and a function that you can call
10. a network    a training step, from the first line to machine code

Run it with ``python docs/core_in_one_file.py``; it needs NumPy and ``cc``, a compiler
of C.  Nothing of Nervure is imported: this is the idea, the package is the work.
"""

from __future__ import annotations

import ctypes
import itertools
import subprocess
import tempfile
import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache, partial, partialmethod
from typing import Any, NamedTuple

import numpy as np


# --- 1. Nodes -------------------------------------------------------------------------
@dataclass(frozen=True, eq=False)
class Node:
    """An operation on matrices.  It holds no numbers: it says how to get them."""

    op: str
    operands: tuple[Node, ...]
    attribute: Any
    shape: tuple[int, int]

    def _with(self, op: str, other: Node | float) -> Node:
        return elementwise(op, self, other)

    __add__ = __radd__ = partialmethod(_with, "add")
    __mul__ = __rmul__ = partialmethod(_with, "mul")
    __sub__, __truediv__ = partialmethod(_with, "sub"), partialmethod(_with, "div")
    __matmul__ = partialmethod(lambda self, other: apply("dot", self, other))
    T = property(lambda self: apply("transpose", self))


_nodes: weakref.WeakValueDictionary[Any, Node] = weakref.WeakValueDictionary()


def apply(op: str, *operands: Node, attribute: Any = None) -> Node:
    """Return the node of this operation, the same object for the same question.

    So there are no common subexpressions: ``tanh(x)`` said again is the first one.
    """
    key = (op, operands, attribute)
    node = _nodes.get(key)
    if node is None:
        # The definition itself says which shapes it takes, and what it makes of them.
        like = [np.broadcast_to(1.0, one.shape) for one in operands]
        shape = PRIMITIVES[op].numpy(attribute, *like).shape
        node = _nodes[key] = Node(op, operands, attribute, shape)
    return node


def ordered(results: Iterable[Node], _found: Any = None) -> list[Node]:
    """Return all nodes that the results need, operands first."""
    found: dict[Node, None] = {} if _found is None else _found
    for node in results:
        if node not in found:
            ordered(node.operands, found)
            found[node] = None
    return list(found)


def text(results: Iterable[Node]) -> str:
    """Return a graph as text: one line for each node."""
    number = {node: f"%{place}" for place, node in enumerate(ordered(results))}
    lines = []
    for node, name in number.items():
        inside = [number[one] for one in node.operands]
        inside += [] if node.attribute is None else [str(node.attribute)]
        lines.append(f"{name} = {node.op}({', '.join(inside)}) : {node.shape}")
    return "\n".join(lines)


# --- 2. Primitives --------------------------------------------------------------------
class Primitive(NamedTuple):
    """All that the rest of the file has to know about an operation.

    ``numpy`` gets the attribute and arrays, and is the definition; ``gradient`` gets
    the node, the slope of the loss there and the operands, and returns a slope for each
    operand; ``c`` is an expression, where there is one.
    """

    numpy: Callable[..., Any]
    gradient: Callable[..., Sequence[Node]]
    c: str = ""


def _each(numpy: Any, c: str, gradient: Any) -> Primitive:
    return Primitive(lambda _, *arrays: numpy(*arrays), gradient, c)


def _sum_like(x: Node, slope: Node) -> Node:
    for axis in (0, 1):
        slope = apply("sum", slope, attribute=axis) if x.shape[axis] == 1 else slope
    return slope


# Attributes: which input and its shape; a number as text, because 0.0 == -0.0 would
# make these one node; the new shape; the axis of a sum (it stays, with size 1).  What
# broadcasts says so: no other gradient has to think of it.
PRIMITIVES = {
    "input": Primitive(lambda a: np.empty(a[1]), lambda n, g: ()),
    "const": Primitive(lambda a: np.full((1, 1), float(a)), lambda n, g: ()),
    "add": _each(np.add, "({} + {})", lambda n, g, x, y: (g, g)),
    "sub": _each(np.subtract, "({} - {})", lambda n, g, x, y: (g, -1.0 * g)),
    "mul": _each(np.multiply, "({} * {})", lambda n, g, x, y: (g * y, g * x)),
    "div": _each(np.divide, "({} / {})", lambda n, g, x, y: (g / y, -1.0 * g * n / y)),
    "exp": _each(np.exp, "exp({})", lambda n, g, x: (g * n,)),
    "log": _each(np.log, "log({})", lambda n, g, x: (g / x,)),
    "tanh": _each(np.tanh, "tanh({})", lambda n, g, x: (g - g * n * n,)),
    "dot": Primitive(lambda _, x, y: x @ y, lambda n, g, x, y: (g @ y.T, x.T @ g)),
    "transpose": Primitive(lambda _, x: x.T, lambda n, g, x: (g.T,)),
    "broadcast": Primitive(
        lambda shape, x: np.broadcast_to(x, shape), lambda n, g, x: (_sum_like(x, g),)
    ),
    "sum": Primitive(
        lambda axis, x: x.sum(axis=axis, keepdims=True),
        lambda n, g, x: (broadcast(g, x.shape),),
    ),
}


# --- 3. Arrays: what people type ------------------------------------------------------
_count = itertools.count()


def placeholder(rows: int, columns: int) -> Node:
    """Return a matrix whose numbers come later."""
    return apply("input", attribute=(next(_count), (rows, columns)))


def constant(value: float, shape: tuple[int, int] = (1, 1)) -> Node:
    """Return a matrix that holds one number everywhere."""
    return broadcast(apply("const", attribute=repr(float(value))), shape)


def broadcast(x: Node, shape: tuple[int, int]) -> Node:
    """Repeat a row, a column or a number."""
    return x if x.shape == shape else apply("broadcast", x, attribute=shape)


def elementwise(op: str, *values: Node | float) -> Node:
    """Apply an operation to matrices and numbers, rows and columns repeated."""
    nodes = [one if isinstance(one, Node) else constant(one) for one in values]
    rows, columns = (max(n) for n in zip(*(one.shape for one in nodes), strict=True))
    return apply(op, *(broadcast(one, (rows, columns)) for one in nodes))


tanh, exp, log = (partial(elementwise, op) for op in ("tanh", "exp", "log"))


# --- 4. Gradients ---------------------------------------------------------------------
def gradients(loss: Node, wanted: Sequence[Node]) -> list[Node]:
    """Return how the loss changes with each wanted node: nodes like all others."""
    slopes = {loss: constant(1.0, loss.shape)}
    for node in reversed(ordered([loss])):
        if node in slopes:
            parts = PRIMITIVES[node.op].gradient(node, slopes[node], *node.operands)
            for x, part in zip(node.operands, parts, strict=True):
                slopes[x] = slopes[x] + part if x in slopes else part
    return [slopes.get(node, constant(0.0, node.shape)) for node in wanted]


# --- 5. Passes ------------------------------------------------------------------------
VIEWS = ("broadcast", "transpose")


def behind_views(node: Node) -> Node:
    """Return the node whose numbers a chain of views shows."""
    return behind_views(node.operands[0]) if node.op in VIEWS else node


def simpler(node: Node) -> Node:
    """Return a node with the same values, with less to do if a rule is known."""
    sources = [behind_views(one) for one in node.operands]
    known = [one.attribute if one.op == "const" else None for one in sources]
    if PRIMITIVES[node.op].c and None not in known:
        value = PRIMITIVES[node.op].numpy(None, *map(np.float64, known))
        return constant(value, node.shape)
    if node.op == "mul" and "1.0" in known:
        return node.operands[1 - known.index("1.0")]
    if node.op == "transpose" and node.operands[0].op == "transpose":
        return node.operands[0].operands[0]
    if node.op == "sum" and node.operands[0].shape == node.shape:
        return node.operands[0]
    return node


def simplify(results: Sequence[Node]) -> list[Node]:
    """Return a smaller graph.  What nobody needs any more is gone by itself."""
    new: dict[Node, Node] = {}
    for node in ordered(results):
        operands = [new[one] for one in node.operands]
        new[node] = simpler(apply(node.op, *operands, attribute=node.attribute))
    return [new[node] for node in results]


# --- 6. The reference -----------------------------------------------------------------
def evaluate(results: Sequence[Node], values: dict[Node, Any]) -> list[Any]:
    """Compute with NumPy, node by node: what machine code is compared with."""
    known = dict(values)
    for node in ordered(results):
        if node not in known:
            operands = [known[one] for one in node.operands]
            known[node] = PRIMITIVES[node.op].numpy(node.attribute, *operands)
    return [np.broadcast_to(known[node], node.shape) for node in results]


# --- 7. Kernels -----------------------------------------------------------------------
def loop(index: str, size: int) -> str:
    """Return the head of a loop in C; where there is one element, index 0 is meant."""
    return f"for (long {index} = 0; {index} < {size}; {index}++) " if size > 1 else ""


def block(head: str, *lines: str) -> str:
    """Return lines of C in braces, indented."""
    inside = "\n".join(lines).replace("\n", "\n    ")
    return f"{head}{{\n    {inside}\n}}"


def element(name: str, shape: tuple[int, int], i: str, j: str) -> str:
    """Return C's name for an element of a stored matrix."""
    i, j = ("0" if size == 1 else index for size, index in zip(shape, (i, j)))  # noqa: B905
    return f"{name}[{j if i == '0' else i if j == '0' else f'{i} * {shape[1]} + {j}'}]"


@dataclass
class Kernel:
    """The loops that compute one stored value, and all that only it reads."""

    result: Node
    stored: dict[Node, str]  # the names of what is in memory already
    lines: list[str] = field(default_factory=list)
    reads: set[Node] = field(default_factory=set)
    known: dict[tuple[Node, str, str], str] = field(default_factory=dict)

    def at(self, node: Node, i: str, j: str) -> str:
        """Return an expression for an element, and write the lines that it needs."""
        if node in self.stored:
            self.reads.add(node)
            return element(self.stored[node], node.shape, i, j)
        if node.op == "const":
            return f"{node.attribute}"
        if node.op in VIEWS:  # read in place: never a copy
            (x,) = node.operands
            return self.at(x, j, i) if node.op == "transpose" else self.at(x, i, j)
        if (node, i, j) not in self.known:
            operands = [self.at(one, i, j) for one in node.operands]
            name = self.known[node, i, j] = f"t{len(self.known)}"
            expression = PRIMITIVES[node.op].c.format(*operands)
            self.lines.append(f"double {name} = {expression};")
        return self.known[node, i, j]

    def c(self, name: str) -> str:
        """Return the loops that fill the matrix of that name."""
        node, (rows, columns) = self.result, self.result.shape
        out = element(name, node.shape, "i", "j")
        if node.op == "dot":
            (x, y), row = node.operands, loop("j", columns)
            part = f"{self.at(x, 'i', 'k')} * {self.at(y, 'k', 'j')}"
            body = f"{row}{out} = 0;\n{loop('k', x.shape[1])}{row}{out} += {part};"
            return block(loop("i", rows), body)
        if node.op == "sum":
            (x,), axis = node.operands, node.attribute
            value = self.at(x, *(("k", "j") if axis == 0 else ("i", "k")))
            inner = block(loop("k", x.shape[axis]), *self.lines, f"s += {value};")
            body = f"double s = 0;\n{inner}\n{out} = s;"
        else:
            value = self.at(node, "i", "j")
            body = "\n".join([*self.lines, f"{out} = {value};"])
        return block(loop("i", rows) + loop("j", columns), body)


def in_memory(nodes: Sequence[Node], results: Sequence[Node]) -> list[Node]:
    """Return what is stored; all other values exist in registers only.

    Sums and products have loops of their own.  An elementwise operation joins the loop
    that reads it, unless several do, or one does many times.
    """
    pairs = {(node, behind_views(o)) for node in nodes for o in node.operands}
    readers = Counter(read for node, read in pairs if node.op not in VIEWS)
    often = {read for node, read in pairs if node.op in ("dot", "broadcast")}
    loops = {n for n in nodes if n.op in ("dot", "sum") or n in often or readers[n] > 1}
    free = {node for node in nodes if node.op in ("const", *VIEWS)} - {*results}
    return [n for n in nodes if n in {*results, *loops} - free and n.op != "input"]


# --- 8. Memory ------------------------------------------------------------------------
def place(kernels: Sequence[Kernel], results: Sequence[Node]) -> dict[Node, slice]:
    """Return the part of the arena of each stored value: first fit, by lifetimes."""
    death = {node: when for when, one in enumerate(kernels) for node in one.reads}
    death |= dict.fromkeys(results, len(kernels))
    parts: dict[Node, slice] = {}
    for birth, kernel in enumerate(kernels):
        size = kernel.result.shape[0] * kernel.result.shape[1]
        alive = [part for node, part in parts.items() if death[node] >= birth]
        free = [
            start
            for start in (0, *(part.stop for part in alive))
            if all(start + size <= one.start or one.stop <= start for one in alive)
        ]
        parts[kernel.result] = slice(min(free), min(free) + size)
    return parts


# --- 9. Machine code ------------------------------------------------------------------
@cache
def machine_code(c: str) -> Any:
    """Return the function ``run`` of a text in C; an equal text is compiled once."""
    with tempfile.NamedTemporaryFile(suffix=".so") as library:
        words = f"cc -O3 -shared -fPIC -x c - -o {library.name} -lm"
        subprocess.run(words.split(), input=c.encode(), check=True)
        return ctypes.CDLL(library.name).run


class Program:
    """A graph as a function from arrays to arrays: one call of machine code."""

    def __init__(self, inputs: Sequence[Node], results: Sequence[Node]) -> None:
        self.inputs, self.results = inputs, simplify(results)
        names = {node: f"x{number}" for number, node in enumerate(inputs)}
        self.kernels: list[Kernel] = []
        loops: list[str] = []
        for node in in_memory(ordered(self.results), self.results):
            self.kernels.append(Kernel(node, dict(names)))
            loops.append(self.kernels[-1].c(f"v{len(loops)}"))
            names[node] = f"v{len(loops) - 1}"
        self.parts = place(self.kernels, self.results)
        self.arena = np.empty(max((one.stop for one in self.parts.values()), default=0))
        arrays = ["double *arena", *(f"double *{names[node]}" for node in inputs)]
        starts = [(names[node], part.start) for node, part in self.parts.items()]
        begin = [f"double *{name} = arena + {start};" for name, start in starts]
        body = block(f"void run({', '.join(arrays)}) ", *begin, *loops)
        self.c = f"#include <math.h>\n{body}\n"

    def __call__(self, *arrays: Any) -> list[Any]:
        """Return an array for each result, given one for each input."""
        given = [np.ascontiguousarray(one, dtype=np.float64) for one in arrays]
        known = dict(zip(self.inputs, given, strict=True))
        for node, array in known.items():
            if node.shape != array.shape:
                raise ValueError(f"expected shape {node.shape}, got {array.shape}")
        pointers = [ctypes.c_void_p(one.ctypes.data) for one in (self.arena, *given)]
        machine_code(self.c)(*pointers)
        for node, part in self.parts.items():
            known[node] = self.arena[part].reshape(node.shape)
        return [known[node].copy() for node in self.results]


# --- 10. A network --------------------------------------------------------------------
def main() -> list[float]:
    """Learn whether two numbers have the same sign; return the losses."""
    x, y = placeholder(200, 2), placeholder(200, 1)
    weights = [placeholder(*shape) for shape in ((2, 16), (1, 16), (16, 1), (1, 1))]
    kernel, bias, last_kernel, last_bias = weights
    answer = tanh(x @ kernel + bias) @ last_kernel + last_bias
    loss = apply("sum", log(1.0 + exp(-1.0 * y * answer)), attribute=0) / 200.0
    pairs = zip(weights, gradients(loss, weights), strict=True)
    step = Program([*weights, x, y], [loss, *(w - 0.5 * slope for w, slope in pairs)])
    print(text(step.results), step.c, sep="\n\n")

    random = np.random.default_rng(0)
    points = random.normal(size=(200, 2))
    signs = np.sign(points[:, :1] * points[:, 1:])
    values = [random.normal(size=node.shape) for node in weights]
    losses = []
    for _ in range(3000):
        value, *values = step(*values, points, signs)
        losses.append(value.item())
    counts = f"{len(ordered(step.results))} nodes, {len(step.kernels)} loops"
    print(f"{counts}, loss {losses[0]:.3f} -> {losses[-1]:.5f}")
    return losses


if __name__ == "__main__":
    main()
