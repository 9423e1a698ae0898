"""The intermediate representation: immutable, hash-consed nodes and graphs of them.

Read in this order: ``node`` (what a graph is made of), ``primitive`` (what an operation
knows), ``build`` (the only way to make a node), ``graph`` (several nodes seen as a
program), then ``text``, ``jsonform``, ``dot`` (ways to write one down) and ``verify``.
"""

from nervure.ir.build import apply
from nervure.ir.graph import Graph, substitute, topological
from nervure.ir.node import Attrs, Buffer, Constant, Node, Site, scope
from nervure.ir.primitive import Primitive, primitive_named, primitives

__all__ = [
    "Attrs",
    "Buffer",
    "Constant",
    "Graph",
    "Node",
    "Primitive",
    "Site",
    "apply",
    "primitive_named",
    "primitives",
    "scope",
    "substitute",
    "topological",
]
