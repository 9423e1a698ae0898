"""Graphs as text: what people read, what tests compare, what the hash digests.

::

    graph (%0: float32[5, 4] "x", %1: float32[4, 8] "w") {
      %2: float32[5, 8] = dot(%0, %1) {contract = ((1,), (0,))}  # model.py:12
      %3: float32[8] = buffer {name = "bias", parameter = true}
      return %2, %3
    }

An attribute is ``true``, ``false``, ``none``, a whole number, a string as in JSON, a
data type (a bare word), a tuple as in Python, ``constant<type>(numbers)``,
``rule "name"`` or ``graph`` with the body of a loop or branch, whose values are
numbered on their own.  A comment after a statement is its site: the file, the line, the
layer and the composite if there are any (``model.py:12 layer 'out' in 'softmax'``), and
``gradient`` if the node is part of their gradient.  Several results have the tuple of
their types.

The text names buffers and rules but does not hold their data or code.
``nervure.ir.parser`` reads it.
"""

from __future__ import annotations

import itertools
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from nervure.errors import GraphError, explain
from nervure.ir import numerals
from nervure.ir.attrs import AttrValue, Constant, NDArray, Rule
from nervure.ir.graph import Graph, topological
from nervure.ir.node import Node, Site

DEEPEST_TUPLE: Final = 32  # no primitive needs more than three levels
# A file name that needs no quotes in a site.
BARE_FILE: Final = re.compile(r"[^\s\"'#:]+")
_LINE_WIDTH: Final = 88

# --- writing -------------------------------------------------------------------------


def to_text(graph: Graph, *, sites: bool = True, full: bool = True) -> str:
    """Write ``graph`` as text that :func:`parse` reads.

    Parameters
    ----------
    sites
        Whether the user's lines are added as comments.
    full
        Whether long constants are written whole.  Without, the text is for reading
        only.

    >>> import numpy as np
    >>> from nervure.prims import leaf
    >>> print(to_text(Graph([leaf.const(np.float32(1.5))]), sites=False))
    graph () {
      %0: float32[] = const {value = constant<float32[]>(1.5)}
      return %0
    }
    <BLANKLINE>
    """
    constant = numerals.written if full else numerals.shortened
    return _Writer(constant, sites=sites).graph(graph) + "\n"


def sectioned_text(
    graph: Graph,
    sections: Iterable[tuple[str, Iterable[Node]]],
    *,
    sites: bool = True,
) -> str:
    """Write a graph in an order of one's own, with a comment before each section.

    Long constants are shortened.  A node that is listed again is computed again: it is
    a new value from there on.  Operands that are in no section are written before their
    first use.

    >>> from nervure.prims import leaf, unary
    >>> y = unary.exp(leaf.const(np.float32(1.5)))
    >>> print(sectioned_text(Graph([y]), [("kernel 0", [y])], sites=False))
    graph () {
      %0: float32[] = const {value = constant<float32[]>(1.5)}
      # kernel 0
      %1: float32[] = exp(%0)
      return %1
    }
    <BLANKLINE>
    """
    writer = _Writer(numerals.shortened, indent="  ")
    numbers = {node: place for place, node in enumerate(graph.inputs)}
    count = itertools.count(len(numbers))
    lines = [f"graph {writer.header(graph)} {{"]

    def write(nodes: Iterable[Node]) -> None:
        for node in nodes:
            numbers[node] = next(count)
            comment = f"  # {_site_text(node.site)}" if sites else ""
            lines.append(f"  {writer.statement(node, numbers)}{comment}")

    def write_operands(nodes: Sequence[Node]) -> None:
        needed = [one for node in nodes for one in node.inputs]
        own = set(nodes)
        write(one for one in topological(needed, stop=numbers.keys() | own)
              if one not in numbers and one not in own)  # fmt: skip

    for heading, section in sections:
        nodes = list(section)
        write_operands(nodes)
        lines.append(f"  # {heading}")
        write(nodes)
    write(one for one in topological(graph.outputs, stop=numbers.keys())
          if one not in numbers)  # fmt: skip
    lines.append(f"  {_return_line(graph, numbers)}")
    return "\n".join([*lines, "}", ""])


def canonical_lines(graph: Graph) -> Iterator[str]:
    """Yield the lines that decide the structural hash.

    They hold no sites, no names of inputs and buffers, and nothing that differs
    between processes.  Buffers differ by the order of their first use, long constants
    are written as a digest of their bytes.  Rules of equal names are not told apart:
    their code is no part of the graph.
    """
    writer = _Writer(constant=numerals.digested, names=False)
    numbers = numbered(graph)
    yield writer.header(graph)
    for node in itertools.islice(numbers, len(graph.inputs), None):
        yield writer.statement(node, numbers)
    yield _return_line(graph, numbers)


def numbered(graph: Graph) -> dict[Node, int]:
    """Number the nodes as in the text: inputs first, then in topological order."""
    numbers = {node: number for number, node in enumerate(graph.inputs)}
    for node in graph.nodes:
        numbers.setdefault(node, len(numbers))
    return numbers


def attribute_text(value: AttrValue) -> str:
    """Write the value of one attribute for people; long constants are shortened.

    >>> attribute_text((1, None, ("a",)))
    '(1, none, ("a",))'
    """
    return _Writer(constant=numerals.shortened, bodies=False).value(value)


def quoted(string: str) -> str:
    r"""Write a string as in JSON; what cannot be seen is escaped.

    >>> print(quoted("größe"), quoted('a "b"'), quoted("two\nlines"))
    "größe" "a \"b\"" "two\nlines"
    """
    return json.dumps(string, ensure_ascii=not string.isprintable())


def _return_line(graph: Graph, numbers: dict[Node, int]) -> str:
    values = ", ".join(f"%{numbers[node]}" for node in graph.outputs)
    return f"return {values}".rstrip()


def _site_text(site: Site) -> str:
    file = os.path.basename(site.file)
    if not (BARE_FILE.fullmatch(file) and file.isprintable()):
        file = quoted(file)
    text = f"{file}:{site.line}"
    if site.scope:
        text += f" layer {_name_text(site.scope)}"
    if site.composite:
        text += f" in {_name_text(site.composite)}"
    return f"{text} gradient" if site.gradient else text


def _name_text(name: str) -> str:
    """Write the name of a layer or composite in single quotes if that is plain."""
    plain = name.isprintable() and not {"'", "\\"} & set(name)
    return f"'{name}'" if plain else quoted(name)


@dataclass(frozen=True)
class _Writer:
    """How the parts of a graph are written.

    ``constant`` writes a constant, ``names`` says whether inputs and buffers are named,
    ``sites`` whether nodes say where they were made, ``bodies`` whether a body is
    written whole.  ``indent`` stands before the lines of a body.
    """

    constant: Callable[[NDArray], str]
    names: bool = True
    sites: bool = False
    bodies: bool = True
    indent: str = ""

    def graph(self, graph: Graph) -> str:
        """Write a whole graph, without a line end."""
        inner = replace(self, indent=f"{self.indent}  ")
        numbers = numbered(graph)
        lines = [f"graph {inner.header(graph)} {{"]
        for node in itertools.islice(numbers, len(graph.inputs), None):
            comment = f"  # {_site_text(node.site)}" if self.sites else ""
            lines.append(f"{inner.indent}{inner.statement(node, numbers)}{comment}")
        lines.append(f"{inner.indent}{_return_line(graph, numbers)}")
        return "\n".join([*lines, f"{self.indent}}}"])

    def body(self, body: Graph) -> str:
        """Write a graph that is the value of an attribute."""
        if not self.bodies:
            return f"graph of {len(body)} nodes"
        if not self.names:  # for the structural hash, which a body has itself
            return f"graph {body.structural_hash}"
        return self.graph(body)

    def header(self, graph: Graph) -> str:
        """Write the inputs: on one line, or one a line if that is too long."""
        parts = []
        for number, node in enumerate(graph.inputs):
            name = node.attrs.get("name") if self.names else None
            label = f" {quoted(name)}" if isinstance(name, str) else ""
            parts.append(f"%{number}: {node.type_text}{label}")
        line = f"({', '.join(parts)})"
        if len(line) + len("graph  {") <= _LINE_WIDTH or len(parts) < 2:
            return line
        between = f"\n{self.indent or '  '}"
        last = f"\n{self.indent[2:]}"
        return f"({between}" + f",{between}".join(parts) + f"{last})"

    def statement(self, node: Node, numbers: dict[Node, int]) -> str:
        """Write a node without its site."""
        operands = ", ".join([f"%{numbers[operand]}" for operand in node.inputs])
        arguments = f"({operands})" if operands else ""
        head = f"%{numbers[node]}: {node.type_text} = {node.op.name}"
        return f"{head}{arguments}{self.attributes(node)}"

    def attributes(self, node: Node) -> str:
        """Write the attributes of a node in braces; nothing if there are none."""
        if not node.attrs:
            return ""
        pairs: Iterable[tuple[str, AttrValue]] = sorted(node.attrs.items(), key=_key)
        buffer = node.buffer
        if buffer is not None:  # its type is written already
            name = [("name", buffer.name)] if self.names else []
            pairs = [*name, ("parameter", buffer.parameter)]
        return f" {{{', '.join([f'{key} = {self.value(v)}' for key, v in pairs])}}}"

    def value(self, value: AttrValue, depth: int = 0) -> str:
        """Write the value of an attribute."""
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, int):
            return str(value)
        if isinstance(value, tuple):
            if depth == DEEPEST_TUPLE:
                raise GraphError(
                    explain(
                        f"a tuple is nested deeper than {DEEPEST_TUPLE}",
                        fix="give the primitive flatter attributes",
                    )
                )
            parts = [self.value(part, depth + 1) for part in value]
            return f"({parts[0]},)" if len(parts) == 1 else f"({', '.join(parts)})"
        if value is None:
            return "none"
        if isinstance(value, str):
            return quoted(value)
        if isinstance(value, np.dtype):
            return value.name
        if isinstance(value, Constant):
            return self.constant(value.value)
        if isinstance(value, Rule):
            return f"rule {quoted(value.name)}"
        if isinstance(value, Graph):
            return self.body(value)
        raise GraphError(
            explain(
                f"an attribute cannot be written as text: {value!r}",
                fix="use numbers, texts, data types, tuples, constants and graphs as "
                "attributes",
            )
        )


def _key(item: tuple[str, AttrValue]) -> str:
    return item[0]
