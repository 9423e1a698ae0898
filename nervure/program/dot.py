"""The kernels of a program in the DOT language of Graphviz: a frame for each layer."""

from __future__ import annotations

from typing import Final

from nervure.ir.dot import quoted_dot
from nervure.program.amounts import byte_text, count_text
from nervure.program.optimized import Kernel, Optimized

# Light fills, so that black text is readable on each.
COLOURS: Final = {"forward": "#c8e6c9", "backward": "#bbdefb", "update": "#ffe0b2"}
_RECOMPUTED: Final = "#f8bbd0"
_MOST_OPS: Final = 6  # that a box names


def to_dot(kernels: Optimized) -> str:
    """Write the kernels and the values between them."""
    lines = [
        "digraph nervure {",
        '  node [shape=box, style="filled,rounded", fontname="Helvetica"];',
        '  edge [fontname="Helvetica", fontsize=10];',
    ]
    frames: dict[tuple[str, str], list[Kernel]] = {}
    for kernel in kernels:
        frames.setdefault((kernel.role, kernel.site.scope), []).append(kernel)
    for number, ((role, layer), members) in enumerate(frames.items()):
        if not layer:
            lines += [f"  {_box(one)}" for one in members]
            continue
        title = quoted_dot(f"{layer} ({role})")
        lines.append(f"  subgraph cluster_{number} {{")
        lines.append(f'    label={title}; style="rounded"; color="#90a4ae";')
        lines += [f"    {_box(one)}" for one in members]
        lines.append("  }")
    return "\n".join([*lines, *_edges(kernels), "}", ""])


def _box(kernel: Kernel) -> str:
    names = [node.op.name for node in kernel.nodes]
    shown = names[:_MOST_OPS] + (["..."] if len(names) > _MOST_OPS else [])
    rows = [
        f"{kernel.number} {kernel.op}",
        " ".join(shown),
        kernel.type_text,
        f"{count_text(kernel.operations, 'FLOP')}, {byte_text(kernel.bytes_written)}",
    ]
    colour = _RECOMPUTED if kernel.recomputed else COLOURS[kernel.role]
    border = ", penwidth=2" if kernel.saved else ""
    return (
        f"k{kernel.number} [label={quoted_dot(chr(10).join(rows))}, "
        f'fillcolor="{colour}", tooltip={quoted_dot(str(kernel.site))}{border}];'
    )


def _edges(kernels: Optimized) -> list[str]:
    """Write an edge for every value that goes from one kernel to another."""
    writer: dict[int, int] = {}
    lines: dict[str, None] = {}
    for kernel in kernels:
        for buffer in kernel.reads:
            source = writer.get(buffer.number)
            if source is not None and source != kernel.number:
                type_ = "" if buffer.node is None else buffer.node.type_text
                label = f" [label={quoted_dot(type_)}]" if type_ else ""
                lines[f"  k{source} -> k{kernel.number}{label};"] = None
        for buffer in kernel.writes:
            writer[buffer.number] = kernel.number
    return list(lines)
