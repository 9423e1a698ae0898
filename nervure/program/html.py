"""A program as one HTML file: the data of the viewer, and the viewer around them.

The files of the viewer lie in ``view/``.  The page asks for nothing from any network;
its content-security policy does not let it.  All names are data: they are shown as
text, never as HTML.
"""

from __future__ import annotations

import html
import json
import linecache
import os
import re
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

from nervure._version import __version__
from nervure.exec.report import Kind
from nervure.exec.traffic import bytes_of, reads
from nervure.exec.work import operations
from nervure.ir.graph import Graph
from nervure.ir.node import Node
from nervure.ir.text import attribute_text, numbered
from nervure.passes.roles import Role, roles
from nervure.program.memory import Memory
from nervure.program.optimized import Kernel

if TYPE_CHECKING:
    from nervure.program.diff import PassDiff
    from nervure.program.program import Program

_LONGEST: Final = 160  # characters of an attribute
_FRAME_HEIGHT: Final = 640  # pixels, in a notebook
SCRIPTS: Final = (
    *("layout.js", "graph.js", "memory.js", "stages.js", "costs.js", "peak.js"),
    *("details.js", "viewer.js"),
)


def to_html(program: Program) -> str:
    """Return the page of a program."""
    page = _file("viewer.html")
    parts = {
        "@@TITLE@@": html.escape(program.name),
        "/*@@STYLE@@*/": _file("viewer.css"),
        "/*@@SCRIPT@@*/": "\n".join(_file(name) for name in SCRIPTS),
        "@@DATA@@": embedded(data_of(program)),
    }
    # All at once: what is put in may look like a mark itself.
    marks = re.compile("|".join(map(re.escape, parts)))
    return marks.sub(lambda found: parts[found.group()], page)


def framed(page: str) -> str:
    """Return a page as a frame within another page: a cell of a notebook."""
    return (
        f'<iframe srcdoc="{html.escape(page)}" sandbox="allow-scripts" '
        f'title="program" style="width: 100%; height: {_FRAME_HEIGHT}px; '
        'border: 1px solid #8884; border-radius: 6px"></iframe>'
    )


def embedded(data: Any) -> str:
    r"""Write data as JSON that may stand within a page: nothing in it ends a script.

    >>> embedded({"name": "</script>"})
    '{"name":"\\u003c/script\\u003e"}'
    """
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=True)
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


@cache
def _file(name: str) -> str:
    place = resources.files("nervure.program").joinpath("view", name)
    return place.read_text(encoding="utf-8")


# --- data ----------------------------------------------------------------------------


def data_of(program: Program) -> dict[str, Any]:
    """Return what the viewer shows.

    ``before`` and ``after`` list nodes; ``in`` are the places of the nodes that one
    reads.  ``kernels`` are those of ``after``, ``memory`` are the buffers.  ``passes``
    list what each pass has changed, and the places of the nodes of the graph that it
    left in ``before`` and ``more`` together.
    """
    memory = program.memory()
    diff = program.diff()
    records = [one.record for one in diff if one.record is not None]
    nodes = [*program.graph, *program.optimized.graph]
    nodes += [node for one in records for node in one.after]
    before = _before(program.graph)
    more, lists = _after_passes(program.graph, [one.after for one in records], before)
    return {
        "version": __version__,
        "title": program.name,
        "executor": program.executor,
        "before": before,
        "more": more,
        "passes": [_pass(one) for one in diff],
        "lists": lists,
        "after": _after(program),
        "kernels": [_kernel(one) for one in program.optimized],
        "memory": _memory(memory),
        "code": _code({node.site[:2] for node in nodes}),
    }


def _code(places: set[tuple[str, int]]) -> dict[str, str]:
    """Return the text of source lines, where it can be read."""
    found = {}
    for file, number in sorted(places):
        text = linecache.getline(file, number).strip() if number else ""
        if text:
            found[_place(file, number)] = text[:_LONGEST]
    return found


def _place(file: str, line: int) -> str:
    """Write a line without the folder of its file, which is nobody's business."""
    return f"{os.path.basename(file)}:{line}" if line else ""


def _before(graph: Graph) -> list[dict[str, Any]]:
    numbers = numbered(graph)
    role = roles(graph)
    results = set(graph.outputs)
    return [
        _node(node, number, [numbers[one] for one in node.inputs], role, results)
        for node, number in numbers.items()
    ]


def _pass(diff: PassDiff) -> dict[str, Any]:
    """Return the numbers and the words of one pass."""
    return {
        "name": diff.name,
        "before": diff.before,
        "after": diff.after,
        "changes": list(diff.changes),
        "graph": diff.record is not None,
    }


def _after_passes(
    first: Graph, graphs: list[Graph], before: list[dict[str, Any]]
) -> tuple[list[dict[str, Any]], list[dict[str, list[int]]]]:
    """Return the nodes that are not in ``before``, and for each graph its nodes.

    Graphs share most of their nodes, so each node is described once.
    """
    place = dict(numbered(first))
    more: list[dict[str, Any]] = []
    lists = []
    for graph in graphs:
        role = roles(graph)
        numbers = numbered(graph)
        for node in numbers:
            if node not in place:
                inputs = [place[one] for one in node.inputs]
                form = _node(node, len(before) + len(more), inputs, role, set())
                place[node] = form["id"]
                more.append(form)
        results = [place[one] for one in dict.fromkeys(graph.outputs)]
        lists.append({"nodes": [place[one] for one in numbers], "results": results})
    return more, lists


def _after(program: Program) -> list[dict[str, Any]]:
    """Return the nodes in the order of execution, each with its kernel.

    What is computed twice is there twice; who reads it reads the later one.
    """
    optimized = program.optimized
    graph = optimized.graph
    results = set(graph.outputs)
    place: dict[Node, int] = {}
    found: list[dict[str, Any]] = []

    def add(node: Node, kernel: int | None) -> None:
        form = _node(
            node, len(found), [place[one] for one in node.inputs],
            optimized.roles, results,
        )  # fmt: skip
        if kernel is not None:
            form["kernel"] = kernel
        place[node] = len(found)
        found.append(form)

    for node in graph.inputs:
        add(node, None)
    for kernel in optimized:
        own = set(kernel.nodes)
        for node in _unlisted(kernel.nodes, place, own):
            add(node, None)
        for node in kernel.nodes:
            add(node, kernel.number)
    for node in _unlisted(graph.outputs, place, set(), itself=True):
        add(node, None)
    return found


def _unlisted(
    nodes: Any, place: dict[Node, int], own: set[Node], *, itself: bool = False
) -> list[Node]:
    """Return what nodes need and nobody has listed, operands first."""
    order: list[Node] = []
    done: set[Node] = set()
    starts = list(nodes) if itself else [one for node in nodes for one in node.inputs]
    for start in starts:
        stack = [(start, False)]
        while stack:
            node, ready = stack.pop()
            if node in place or node in own or node in done:
                continue
            if ready:
                done.add(node)
                order.append(node)
                continue
            stack.append((node, True))
            stack += [(one, False) for one in node.inputs]
    return order


def _node(
    node: Node,
    number: int,
    inputs: list[int],
    role: dict[Node, Role],
    results: set[Node],
) -> dict[str, Any]:
    site = node.site
    form: dict[str, Any] = {
        "id": number,
        "op": node.op.name,
        "type": node.type_text,
        "in": inputs,
        "role": role[node].text,
        "class": node.op.fusion.value,
    }
    name = _name(node)
    optional = {
        "name": name,
        "layer": site.scope,
        "part": site.composite,
        "site": _place(site.file, site.line),
        "flops": operations(node),
        "out": bytes_of(node),
        "read": sum(reads([node]).values()),
        "attrs": _attributes(node),
        "result": node in results,
        "gradient": site.gradient,
    }
    return form | {key: value for key, value in optional.items() if value}


def _name(node: Node) -> str:
    if node.op.name == "input":
        return str(node.attrs["name"])
    return "" if node.buffer is None else node.buffer.name


def _attributes(node: Node) -> list[list[str]]:
    if node.op.name in ("input", "buffer"):
        return []
    pairs = sorted(node.attrs.items(), key=lambda item: item[0])
    found = []
    for key, value in pairs:
        text = attribute_text(value)
        if len(text) > _LONGEST:
            text = f"{text[:_LONGEST]}..."
        found.append([key, text])
    return found


def _kernel(kernel: Kernel) -> dict[str, Any]:
    site = kernel.site
    return {
        "id": kernel.number,
        "name": kernel.kernel,
        "names": list(kernel.kernels),
        "op": kernel.op,
        "type": kernel.type_text,
        "role": kernel.role,
        "layer": site.scope,
        "part": site.composite,
        "site": _place(site.file, site.line),
        "moment": kernel.moment,
        "flops": kernel.operations,
        "read": kernel.bytes_read,
        "out": kernel.bytes_written,
        "saved": kernel.saved,
        "recomputed": kernel.recomputed,
        "parallel": kernel.parallel,
        "reads": [one.number for one in kernel.reads],
        "writes": [one.number for one in kernel.writes],
    }


def _memory(memory: Memory) -> dict[str, Any]:
    return {
        "peak": memory.peak_bytes,
        "arena": memory.arena_bytes,
        "outside": memory.outside_bytes,
        "peakMoment": memory.peak_moment,
        "live": memory.live_bytes,
        "threads": memory.threads,
        "buffers": [
            {
                "id": number,
                "name": row.name,
                "kind": row.kind,
                "type": row.type_text,
                "bytes": row.nbytes,
                "space": row.space,
                "offset": row.offset,
                "birth": row.birth,
                "death": row.death,
                "role": row.role,
                "counts": row.in_arena or row.kind == Kind.VALUE.value,
            }
            for number, row in enumerate(memory.buffers)
        ],
    }
