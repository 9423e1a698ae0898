"""What every reader of graphs needs: leaves without data, and checked nodes."""

from __future__ import annotations

import itertools

from nervure.dtypes import DType
from nervure.errors import GraphError, NervureError
from nervure.ir.attrs import Attrs, Buffer
from nervure.ir.build import apply_at
from nervure.ir.node import Node, Shape, Site
from nervure.ir.primitive import Primitive, primitive_named
from nervure.ir.record import type_text

_input_numbers = itertools.count(-1, -1)


def fresh_input(site: Site, shape: Shape, dtype: DType, name: str) -> Node:
    """Return a new argument of a program that is being read.

    The numbers go down from -1 while those of :func:`nervure.prims.leaf.input_leaf` go
    up from 0, so no two inputs are ever the same node.
    """
    attrs = Attrs(name=name, uid=next(_input_numbers), shape=shape, dtype=dtype)
    return apply_at(site, primitive_named("input"), (), attrs)


def built(
    site: Site,
    op: Primitive,
    operands: tuple[Node, ...],
    attrs: Attrs,
    written: tuple[Shape, DType],
) -> Node:
    """Return the node of a statement that was read, or say why there is none.

    Shape rules trust the attributes that the functions of ``nervure.prims`` give them;
    a file may hold anything, so whatever a rule raises means a malformed file.
    """
    try:
        node = apply_at(site, op, operands, attrs)
    except NervureError as error:
        raise GraphError(f"{error}") from error
    except KeyError as error:
        raise GraphError(f"{op.name} needs the attribute {error}") from error
    except Exception as error:
        raise GraphError(f"the attributes do not fit {op.name}: {error}") from error
    if (node.shape, node.dtype) != written:
        found = type_text(*written)
        raise GraphError(f"expected the inferred type {node.type_text}, found {found}")
    return node


def buffer_attrs(attrs: Attrs, shape: Shape, dtype: DType) -> Attrs:
    """Turn what a file tells about a buffer into a buffer without data."""
    name, parameter = attrs.get("name", ""), attrs.get("parameter", False)
    known = attrs.keys() <= {"name", "parameter"}
    if not (known and isinstance(name, str) and isinstance(parameter, bool)):
        raise GraphError("expected the attributes name (text) and parameter (a bool)")
    return Attrs(buffer=Buffer(None, name, parameter), shape=shape, dtype=dtype)
