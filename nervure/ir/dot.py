"""Graphs in the DOT language of Graphviz: boxes in frames, one frame a layer.

The body of a loop or branch is a dashed frame of its own, tied to the box it is of.

Syntax: https://graphviz.org/doc/info/lang.html.  Colours stand for fusion classes, so
one sees at a glance what a compiler can merge.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from nervure.ir.bodies import bodies_of
from nervure.ir.graph import Graph
from nervure.ir.node import Node
from nervure.ir.primitive import Fusion
from nervure.ir.text import attribute_text, numbered

# Light fills, so that black text is readable on each.
COLOURS: Final[dict[Fusion, str]] = {
    Fusion.LEAF: "#eceff1",
    Fusion.ELEMENTWISE: "#c8e6c9",
    Fusion.BROADCAST: "#dcedc8",
    Fusion.INJECTIVE: "#bbdefb",
    Fusion.REDUCTION: "#ffe0b2",
    Fusion.CONTRACTION: "#ffccbc",
    Fusion.WINDOW: "#d1c4e9",
    Fusion.OPAQUE: "#f8bbd0",
    Fusion.ANNOTATION: "#fff9c4",
}
_LONGEST_ATTRIBUTE: Final = 40  # characters; a box is not a listing


def to_dot(graph: Graph) -> str:
    """Write ``graph`` in the DOT language, for the ``dot`` program or a viewer.

    >>> from nervure.prims import leaf
    >>> print(to_dot(Graph([leaf.const(True)])).splitlines()[0])
    digraph nervure {
    """
    numbers = numbered(graph)
    lines = [
        "digraph nervure {",
        '  node [shape=box, style="filled,rounded", fontname="Helvetica"];',
        '  edge [fontname="Helvetica", fontsize=10];',
    ]
    lines.extend(_framed_nodes(numbers))
    lines.extend(_edges(numbers))
    lines.extend(_bodies(numbers, ""))
    for place, output in enumerate(graph.outputs):
        lines.append(f'  out{place} [label="output {place}", shape=ellipse, style=""];')
        lines.append(f"  n{numbers[output]} -> out{place};")
    return "\n".join([*lines, "}", ""])


@dataclass
class _Frame:
    """The layer of some nodes; layers lie within layers, as their names tell."""

    name: str
    nodes: list[Node] = field(default_factory=list)
    inner: dict[str, _Frame] = field(default_factory=dict)


def _frames(numbers: dict[Node, int]) -> _Frame:
    outermost = _Frame("")
    known: dict[str, _Frame] = {"": outermost}
    for node in numbers:
        scope = node.site.scope
        frame = known.get(scope)
        if frame is None:
            frame = outermost
            for part in scope.split("/"):
                frame = frame.inner.setdefault(part, _Frame(part))
            known[scope] = frame
        frame.nodes.append(node)
    return outermost


def _framed_nodes(numbers: dict[Node, int]) -> list[str]:
    """Write the boxes, each in its layer's frame; a frame within frames is indented."""
    lines: list[str] = []
    cluster = 0
    # A frame to open, or None to close the one that is open.
    pending: list[_Frame | None] = [_frames(numbers)]
    depth = 0
    while pending:
        frame = pending.pop()
        if frame is None:
            lines.append("  " * min(depth, 20) + "}")
            depth -= 1
            continue
        if depth:
            lines.append("  " * min(depth, 20) + f"subgraph cluster_{cluster} {{")
            title = f'label={quoted_dot(frame.name)}; style="rounded"; color="#90a4ae";'
            lines.append("  " * min(depth + 1, 20) + title)
            cluster += 1
            pending.append(None)
        depth += 1
        indent = "  " * min(depth, 20)
        lines.extend(f"{indent}{_box(node, numbers[node])}" for node in frame.nodes)
        pending.extend(reversed(frame.inner.values()))
    return lines


def _bodies(numbers: dict[Node, int], prefix: str) -> list[str]:
    """Write the bodies of all nodes; their nesting is limited, so this recurses."""
    lines: list[str] = []
    for owner, number in numbers.items():
        for place, (name, body) in enumerate(bodies_of(owner)):
            inner = f"{prefix}b{number}_{place}_"
            own = numbered(body)
            title = f"{owner.op.name} {name}"
            lines.append(f"  subgraph cluster_{inner} {{")
            lines.append(f'    label={quoted_dot(title)}; style="dashed";')
            lines += [f"    {_box(n, f'{inner}{place}')}" for n, place in own.items()]
            lines.append("  }")
            lines += _edges(own, inner)
            lines += _bodies(own, inner)
            for output in dict.fromkeys(body.outputs):
                source = f"n{inner}{own[output]}"
                lines.append(f"  {source} -> n{prefix}{number} [style=dashed];")
    return lines


def _box(node: Node, number: int | str) -> str:
    rows = [_title(node), node.type_text]
    for name, value in sorted(node.attrs.items(), key=lambda item: item[0]):
        if node.op.name in ("input", "buffer"):
            continue  # their attributes are in the title and the type
        text = f"{name} = {attribute_text(value)}"
        if len(text) > _LONGEST_ATTRIBUTE:
            text = f"{text[: _LONGEST_ATTRIBUTE - 3]}..."
        rows.append(text)
    colour = COLOURS[node.op.fusion]
    is_parameter = node.buffer is not None and node.buffer.parameter
    border = ", penwidth=2" if is_parameter else ""
    return (
        f"n{number} [label={quoted_dot(chr(10).join(rows))}, "
        f'fillcolor="{colour}", tooltip={quoted_dot(str(node.site))}{border}];'
    )


def _title(node: Node) -> str:
    buffer = node.buffer
    if buffer is not None:
        kind = "parameter" if buffer.parameter else "buffer"
        return f"{kind} {buffer.name}".rstrip()
    if node.op.name == "input":
        return f"input {node.attrs['name']}".rstrip()
    return node.op.name


def _edges(numbers: dict[Node, int], prefix: str = "") -> list[str]:
    lines = []
    for node, number in numbers.items():
        named = len(node.inputs) > 1  # the order of several operands matters
        for position, operand in enumerate(node.inputs):
            label = ""
            if named:
                label = f" [label={quoted_dot(node.op.operand_name(position))}]"
            source = f"n{prefix}{numbers[operand]}"
            lines.append(f"  {source} -> n{prefix}{number}{label};")
    return lines


def quoted_dot(text: str) -> str:
    r"""Write a string of the DOT language.

    A backslash starts an escape (``\N`` is the node's name), so it is doubled; an
    ampersand starts an HTML entity.  What cannot be seen is shown as its code point.
    """
    parts = []
    for character in text:
        if character == "\n":
            parts.append("\\n")
        elif character in '"\\':
            parts.append("\\" + character)
        elif character == "&":
            parts.append("&amp;")
        elif character.isprintable():
            parts.append(character)
        else:
            parts.append(f"U+{ord(character):04X}")
    return f'"{"".join(parts)}"'
