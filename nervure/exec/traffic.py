"""How many bytes nodes have to read and write, estimated from their shapes alone."""

from __future__ import annotations

from collections.abc import Sequence

from nervure.ir.node import Node
from nervure.ir.primitive import Fusion
from nervure.ir.record import result_types

# They show elements of their operand, which are read in place.
_SHOWS = frozenset({"broadcast", "transpose", "slice", "reverse", "reshape"})
# They read as much of their first operand as they write.
_PICKS = frozenset({"gather", "dynamic_slice"})


def source_of(node: Node) -> tuple[Node, int]:
    """Return the node whose elements are read where ``node`` is, and how many bytes."""
    nbytes = bytes_of(node)
    while node.op.name in _SHOWS or node.op.fusion is Fusion.ANNOTATION:
        node = node.inputs[0]
        nbytes = min(nbytes, bytes_of(node))
    return node, nbytes


def bytes_of(node: Node) -> int:
    """Return the bytes of a value, of all results together where there are several."""
    if node.dtype.names is None:
        return node.nbytes
    total = 0
    for shape, dtype in result_types(node.dtype):
        size = dtype.itemsize
        for extent in shape:
            size *= extent
        total += size
    return total


def reads(nodes: Sequence[Node]) -> dict[Node, int]:
    """Return how many bytes nodes computed together read of each value outside.

    A value that is read several times counts once: the second time it is in a cache.

    >>> import nervure as nv
    >>> x = nv.asarray([[1.0], [2.0]])
    >>> y = nv.graph(x[:1] + nv.zeros((4, 1), dtype=nv.float32)).outputs[0]
    >>> [(node.op.name, nbytes) for node, nbytes in reads([y]).items()]
    [('buffer', 4), ('const', 4)]
    """
    inside = set(nodes)
    found: dict[Node, int] = {}
    for node in nodes:
        for place, operand in enumerate(node.inputs):
            root, nbytes = source_of(operand)
            if operand in inside or root in inside:
                continue
            if place == 0 and node.op.name in _PICKS:
                nbytes = min(nbytes, bytes_of(node))
            found[root] = max(found.get(root, 0), nbytes)
    return found
