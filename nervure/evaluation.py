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
    from nervure.result import Result

# A parameter's graph deeper than this comes from a loop that never starts afresh.
DEEP_GRAPH = 20_000

# For each node, the result that stands for it, as long as both are alive.
_results: weakref.WeakKeyDictionary[Node, weakref.ref[Result]] = (
    weakref.WeakKeyDictionary()
)
# For each input leaf made while tracing, what was passed.
_sources: weakref.WeakKeyDictionary[Node, Result] = weakref.WeakKeyDictionary()

_warned_about_depth = False


def result_of(node: Node) -> Result | None:
    """Return the living result that stands for ``node``."""
    reference = _results.get(node)
    return reference() if reference is not None else None


def register_result(node: Node, result: Result) -> None:
    """Remember that ``result`` stands for ``node``."""
    _results[node] = weakref.ref(result)


def bind_source(leaf: Node, result: Result) -> None:
    """Let an input leaf stand for ``result`` where its value is needed."""
    _sources[leaf] = result


def evaluate(results: Sequence[Result]) -> None:
    """Give every result its value.

    Raises :class:`~nervure.errors.TraceError` when a value depends on an argument of a
    function that is being traced and so has none.
    """
    wanted = [one for one in results if one.held is None]
    if not wanted:
        return
    known, held, unknown = _survey(wanted)
    outputs = [one.node for one in held]
    data = [node.buffer.held for node in unknown if node.buffer is not None]
    with computing_where([*known.values(), *data]):
        executor = choose_executor(unknown, implicit=True)
        if config.debug >= 1:
            print(f"nervure: evaluating {len(unknown)} nodes on {executor.name}")
        values = executor.evaluate(outputs, taken_by(executor, known))
    for one, value in zip(held, values, strict=True):
        one.accept_value(_frozen(value))
    warn_about_depth(wanted)


def _survey(
    wanted: Sequence[Result],
) -> tuple[dict[Node, NDArray | DeviceValue], list[Result], list[Node]]:
    """Walk down from what is wanted to where values are known.

    Returns the known values, the results to compute (the wanted ones and every other
    one that some array holds on the way), and the nodes that computing them takes.
    """
    known: dict[Node, NDArray | DeviceValue] = {}
    held: dict[Node, Result] = {one.node: one for one in wanted}
    stack = list(held)
    seen: set[Node] = set(stack)
    unknown: list[Node] = []
    while stack:
        node = stack.pop()
        if node.op.name == "input":
            known[node] = _source_value(node)
            continue
        if node not in held and node.inputs:
            result = result_of(node)
            if result is not None:
                value = result.held
                if value is not None:
                    known[node] = value
                    continue
                held[node] = result
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
    result = None if node.buffer is None else result_of(node)
    held = None if result is None else result.held
    return None if held is None or isinstance(held, np.ndarray) else held


def _hold_other_results(node: Node, held: dict[Node, Result]) -> None:
    """Add what somebody holds of the other results: a loop need not run twice."""
    for place in range(len(result_types(node.dtype))):
        part = find(key_of(PART, (node,), Attrs(index=place)))
        result = None if part is None else result_of(part)
        if part is not None and result is not None and result.held is None:
            held[part] = result


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


def future_device(result: Result) -> str:
    """Return where what has not been computed will be.

    That is the device that is set, else the one where the data are that it depends on.
    """
    if config.device is not None:
        return config.device
    for node in topological([result.node]):
        buffer, known = node.buffer, result_of(node)
        if known is not None and known.held is not None:
            held = known.held
        else:
            held = None if buffer is None else buffer.held
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


def warn_about_depth(results: Sequence[Result]) -> None:
    """Warn once when a graph that is kept for gradients has grown out of hand."""
    global _warned_about_depth
    if _warned_about_depth:
        return
    for one in results:
        if one.tracking == PARAMETRIC and one.depth > DEEP_GRAPH:
            _warned_about_depth = True
            warnings.warn(
                f"the graph behind this array is {one.depth} operations deep: it "
                "depends on a parameter and is kept for gradients. In a training loop "
                "write w = nervure.parameter(w - rate * g), which starts afresh; use "
                "nervure.stop_gradient for values that need no gradient.",
                stacklevel=5,
            )
            return
