"""Making nodes: the only way into a graph, so every node has been checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nervure.errors import GraphError, NervureError, explain
from nervure.ir.attrs import NO_ATTRS, Attrs
from nervure.ir.node import Node, Site, current_site, find, intern, key_of
from nervure.ir.primitive import Primitive


def apply(op: Primitive, *inputs: Node, **attrs: Any) -> Node:
    """Return the node of ``op`` applied to ``inputs``.

    Shapes and data types are checked here; an equal node that already exists is
    returned instead of a new one.

    >>> import nervure as nv
    >>> from nervure.ir import primitive_named
    >>> x = nv.parameter([1.0]).node
    >>> node = apply(primitive_named("tanh"), x)
    >>> node is apply(primitive_named("tanh"), x)
    True
    """
    return apply_at(None, op, inputs, Attrs(attrs) if attrs else NO_ATTRS)


def apply_at(
    site: Site | None, op: Primitive, inputs: tuple[Node, ...], attrs: Attrs
) -> Node:
    """Like :func:`apply`, with the site given (None: the user's current line)."""
    key = key_of(op, inputs, attrs)
    node = find(key)
    if node is not None:
        return node
    if not op.variadic and len(inputs) != len(op.operands):
        raise GraphError(
            explain(
                f"{op.name} takes {len(op.operands)} operands "
                f"({', '.join(op.operands)}), got {len(inputs)}",
                fix="pass a node for each operand",
            )
        )
    shape, dtype = op.infer(inputs, attrs)
    return intern(key, op, inputs, attrs, shape, dtype, site)


def rebuild(node: Node, inputs: tuple[Node, ...]) -> Node:
    """Return ``node`` with other operands, made at the same site.

    Operands of the same types as before need no new shape inference.
    """
    key = key_of(node.op, inputs, node.attrs)
    existing = find(key)
    if existing is not None:
        return existing
    for old, new in zip(node.inputs, inputs, strict=True):
        if old.shape != new.shape or old.dtype != new.dtype:
            return apply_at(node.site, node.op, inputs, node.attrs)
    return intern(key, node.op, inputs, node.attrs, node.shape, node.dtype, node.site)


def origin_of(node: Node) -> str:
    """Say where an operand comes from, for an error message."""
    buffer = node.buffer
    if buffer is not None:
        label = repr(buffer) if buffer.name else buffer.__class__.__name__.lower()
        return f"{label}, {node.site}"
    if node.op.name == "input":
        return f"input {node.attrs['name']!r}, {node.site}"
    return f"from {node.op.name}, {node.site}"


def wrong(
    error: type[NervureError],
    op: str,
    headline: str,
    inputs: Sequence[Node],
    names: Sequence[str],
    fix: str | None = None,
) -> NervureError:
    """Build the error for operands or attributes that do not fit an operation."""
    site = current_site()
    place = f" (layer '{site.scope}')" if site.scope else ""
    rows = [
        (name, node.type_text, origin_of(node))
        for name, node in zip(names, inputs, strict=True)
    ]
    location = f"{site.file}:{site.line}"
    return error(
        explain(f"{op}{place}: {headline}", operands=rows, made_at=location, fix=fix)
    )
