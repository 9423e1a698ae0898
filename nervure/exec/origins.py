"""Where numbers stop being finite: the operations that made the first NaN or infinity.

An *origin* turns finite numbers into an infinity, or numbers without NaN into NaN.
From an output that is not finite one walks back through the operands that are not
finite either, as far as they count (of a ``select`` only what was chosen), and keeps
the origin that ran first.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from nervure.exec.reference.watching import run_watched
from nervure.ir.attrs import NDArray
from nervure.ir.graph import Graph
from nervure.ir.node import Node


class Extent(NamedTuple):
    """What is said about the numbers of a value."""

    type_text: str
    low: float
    high: float
    not_finite: int

    @classmethod
    def of(cls, node: Node, value: Any) -> Extent:
        """Look at a value; a record of several results counts as all of them."""
        parts = value if isinstance(value, tuple | list) else (value,)
        flat = np.concatenate([np.asarray(one, np.float64).ravel() for one in parts])
        finite = flat[np.isfinite(flat)]
        low, high = (finite.min(), finite.max()) if finite.size else (np.nan, np.nan)
        missing = int(flat.size - finite.size)
        return cls(node.type_text, float(low), float(high), missing)

    def __str__(self) -> str:
        missing = f", {self.not_finite} not finite" if self.not_finite else ""
        if np.isnan(self.low):
            return "nothing finite"
        return f"{self.low:.4g} to {self.high:.4g}{missing}"


class Origin(NamedTuple):
    """The operation that made the first number that is not finite.

    Attributes
    ----------
    node
        The operation, or a leaf whose value was not finite from the beginning.
    kind
        ``"NaN"`` or ``"infinity"``.
    result, operands
        What its numbers were.
    rows
        The places along the first axis of the result that are not finite.
    output
        The number of the output by which it was found.
    """

    node: Node
    kind: str
    result: Extent
    operands: tuple[Extent, ...]
    rows: NDArray
    output: int


class _Suspect(NamedTuple):
    order: int
    causes: tuple[Node, ...]
    origin: Origin | None


class _Watch:
    """Remembers every value that is not finite, and from which operands that came."""

    def __init__(self, trusted: Collection[Node]) -> None:
        self.found: dict[Node, _Suspect] = {}
        self._trusted = trusted
        self._has_nan: dict[Node, bool] = {}

    def __call__(self, node: Node, operands: Sequence[Any], value: Any) -> None:
        if node in self._trusted:
            return
        parts = value if isinstance(value, tuple | list) else (value,)
        wrong = [one for one in map(np.asarray, parts) if not _is_finite(one)]
        if not wrong:
            return
        nan = any(bool(np.isnan(one).any()) for one in wrong)
        causes = tuple(
            operand
            for place, operand in enumerate(node.inputs)
            if operand in self.found and _counts(node, operands, place)
        )
        inherited = [one for one in causes if self._has_nan[one] or not nan]
        origin = None
        if not inherited and node.op.name != "const":
            rows = np.arange(0)
            if len(parts) == 1 and wrong[0].ndim:
                flat = wrong[0].reshape(len(wrong[0]), -1)
                rows = np.flatnonzero(~np.isfinite(flat).all(axis=1))
            pairs = zip(node.inputs, operands, strict=True)
            origin = Origin(
                node,
                "NaN" if nan else "infinity",
                Extent.of(node, value),
                tuple(
                    Extent.of(one, held)
                    for one, held in pairs
                    if one not in self._trusted
                ),
                rows,
                -1,
            )
        self._has_nan[node] = nan
        self.found[node] = _Suspect(len(self.found), causes, origin)


def _is_finite(value: NDArray) -> bool:
    return value.dtype.kind in "biu" or bool(np.isfinite(value).all())


def _counts(node: Node, operands: Sequence[Any], place: int) -> bool:
    """Tell whether what is not finite in an operand reached the result."""
    if node.op.name != "select" or place == 0:
        return True
    chosen = operands[0] if place == 1 else ~operands[0]
    return bool((chosen & ~np.isfinite(operands[place])).any())


def find_origin(
    graph: Graph,
    inputs: Mapping[Node, NDArray],
    outputs: Sequence[int],
    trusted: Collection[Node] = frozenset(),
) -> Origin | None:
    """Run a graph and return where the first number stopped being finite.

    Parameters
    ----------
    graph
        What to run, on the reference executor.
    inputs
        The value of each input.
    outputs
        The numbers of the outputs to begin with, the most telling one first.
    trusted
        Inputs that are not looked at: large data, of which little is used.

    Returns
    -------
    The origin behind the first of these outputs that is not finite; None when all are
    finite.
    """
    watch = _Watch(trusted)
    run_watched(graph, inputs, watch)
    for place in outputs:
        if graph.outputs[place] in watch.found:
            earliest = _earliest(watch.found, graph.outputs[place])
            return None if earliest is None else earliest._replace(output=place)
    return None


def _earliest(found: Mapping[Node, _Suspect], root: Node) -> Origin | None:
    seen, stack = {root}, [root]
    best: _Suspect | None = None
    while stack:
        suspect = found[stack.pop()]
        if suspect.origin is not None and (best is None or suspect.order < best.order):
            best = suspect
        for cause in suspect.causes:
            if cause not in seen:
                seen.add(cause)
                stack.append(cause)
    return None if best is None else best.origin
