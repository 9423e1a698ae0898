"""When lazy arrays get their values, and what they remember afterwards.

* Looking at an array (``np.asarray``, ``print``, ``float``) computes it, together with
  every array on the way that somebody still holds, so nothing held is computed twice.
* An evaluated array that depends on no parameter forgets its graph.  One that does
  keeps it, so gradients can still be taken after ``float(y)`` steered a Python loop.
* An ``input`` leaf stands for an argument of a function being traced.  If it stands for
  an array with a value (``nervure.grad`` runs the function once, on real values), that
  value is used; inside ``nervure.compile`` there is none, which is an explained error.
"""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nervure.config import config
from nervure.errors import TraceError, explain
from nervure.exec.base import Executor, choose_executor, computing_where
from nervure.ir.attrs import Attrs, DeviceValue, NDArray
from nervure.ir.build import origin_of
from nervure.ir.graph import topological
from nervure.ir.node import PARAMETRIC, Node, find, key_of
from nervure.ir.record import is_record, result_types
from nervure.prims.control import PART

if TYPE_CHECKING:
    from nervure.array import Array

# A parameter's graph deeper than this comes from a loop that never starts afresh.
DEEP_GRAPH = 20_000

# For each node, the array that stands for it, as long as both are alive.
_arrays: weakref.WeakKeyDictionary[Node, weakref.ref[Array]] = (
    weakref.WeakKeyDictionary()
)
# For each input leaf made while tracing, the array that was passed.
_sources: weakref.WeakKeyDictionary[Node, Array] = weakref.WeakKeyDictionary()

_warned_about_depth = False


def array_of(node: Node) -> Array | None:
    """Return the living array that stands for ``node``."""
    reference = _arrays.get(node)
    return reference() if reference is not None else None


def register_array(node: Node, array: Array) -> None:
    """Remember that ``array`` stands for ``node``."""
    _arrays[node] = weakref.ref(array)


def bind_source(leaf: Node, array: Array) -> None:
    """Let an input leaf stand for ``array`` where its value is needed."""
    _sources[leaf] = array


def is_bound(leaf: Node) -> bool:
    """Tell whether an input leaf stands for an array."""
    return leaf in _sources


def evaluate(arrays: Sequence[Array]) -> None:
    """Give every array its value.

    Raises :class:`~nervure.errors.TraceError` when a value depends on an argument of a
    function that is being traced and so has none.
    """
    wanted = [array for array in arrays if not array.has_value]
    if not wanted:
        return
    known, held, unknown = _survey(wanted)
    outputs = [array.node for array in held]
    data = [node.buffer.held for node in unknown if node.buffer is not None]
    with computing_where([*known.values(), *data]):
        executor = choose_executor(unknown, implicit=True)
        if config.debug >= 1:
            print(f"nervure: evaluating {len(unknown)} nodes on {executor.name}")
        values = executor.evaluate(outputs, taken_by(executor, known))
    for array, value in zip(held, values, strict=True):
        array.accept_value(_frozen(value))
    warn_about_depth(wanted)


def _survey(
    wanted: Sequence[Array],
) -> tuple[dict[Node, NDArray | DeviceValue], list[Array], list[Node]]:
    """Walk down from the wanted arrays to where values are known.

    Returns the known values, the arrays to compute (the wanted ones and every other
    array that somebody holds on the way), and the nodes that computing them takes.
    """
    known: dict[Node, NDArray | DeviceValue] = {}
    held: dict[Node, Array] = {array.node: array for array in wanted}
    stack = list(held)
    seen: set[Node] = set(stack)
    unknown: list[Node] = []
    while stack:
        node = stack.pop()
        if node.op.name == "input":
            known[node] = _source_value(node)
            continue
        if node not in held and node.inputs:
            array = array_of(node)
            if array is not None:
                value = array.held
                if value is not None:
                    known[node] = value
                    continue
                held[node] = array
        moved = _moved_data(node)
        if moved is not None:
            known[node] = moved
            continue
        unknown.append(node)
        if is_record(node.dtype):
            _hold_other_results(node, held)
        for operand in node.inputs:
            if operand not in seen:
                seen.add(operand)
                stack.append(operand)
    return known, list(held.values()), unknown


def _moved_data(node: Node) -> DeviceValue | None:
    """Return the data of a leaf where an array has them on a device."""
    if node.buffer is None:
        return None
    array = array_of(node)
    held = None if array is None else array.held
    return None if held is None or isinstance(held, np.ndarray) else held


def _hold_other_results(node: Node, held: dict[Node, Array]) -> None:
    """Add what somebody holds of the other results: a loop need not run twice."""
    for place in range(len(result_types(node.dtype))):
        result = find(key_of(PART, (node,), Attrs(index=place)))
        array = None if result is None else array_of(result)
        if result is not None and array is not None and not array.has_value:
            held[result] = array


def _source_value(leaf: Node) -> NDArray | DeviceValue:
    source = _sources.get(leaf)
    if source is None:
        raise TraceError(
            explain(
                "a value was asked for while a function is being traced, so there is "
                "none yet",
                operands=[("x", leaf.type_text, origin_of(leaf))],
                fix="let the decision be made by nervure.where, or do not compile the "
                "function that looks at values",
            )
        )
    return source.computed()


def future_device(array: Array) -> str:
    """Return where an array that has not been computed will be.

    That is the device that is set, else the one where the data are that it depends on.
    """
    if config.device is not None:
        return config.device
    for node in topological([array.node]):
        buffer, known = node.buffer, array_of(node)
        if buffer is not None:
            held = buffer.held
        else:
            held = None if known is None else known.held
        if held is not None and not isinstance(held, np.ndarray):
            return held.device
    return "cpu"


def taken_by(
    executor: Executor, known: Mapping[Node, NDArray | DeviceValue]
) -> dict[Node, Any]:
    """Return known values as an executor takes them: in NumPy's memory, or anywhere."""
    if executor.on_device:
        return dict(known)
    return {
        node: value if isinstance(value, np.ndarray) else value.numpy()
        for node, value in known.items()
    }


def _frozen(value: NDArray | DeviceValue) -> NDArray | DeviceValue:
    """Return a read-only array that owns its memory or shares only frozen memory."""
    if not isinstance(value, np.ndarray):
        return value
    base = value.base
    if isinstance(base, np.ndarray) and base.size > 4 * value.size + 64:
        value = value.copy()  # do not keep a large array alive for a small piece
    if value.flags.writeable:
        value = value.view()
        value.flags.writeable = False
    return value


def warn_about_depth(arrays: Sequence[Array]) -> None:
    """Warn once when a graph that is kept for gradients has grown out of hand."""
    global _warned_about_depth
    if _warned_about_depth:
        return
    for array in arrays:
        if array.tracking == PARAMETRIC and array.depth > DEEP_GRAPH:
            _warned_about_depth = True
            warnings.warn(
                f"the graph behind this array is {array.depth} operations deep: it "
                "depends on a parameter and is kept for gradients. In a training loop "
                "write w = nervure.parameter(w - rate * g), which starts afresh; use "
                "nervure.stop_gradient for values that need no gradient.",
                stacklevel=4,
            )
            return
