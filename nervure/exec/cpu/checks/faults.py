"""Errors for what a checked run has recorded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from nervure.errors import DataError, NativeCodeError, NervureError, explain
from nervure.exec.cpu.checks.functions import access_at
from nervure.exec.cpu.checks.watch import Fault, Watch, totals
from nervure.exec.cpu.kernel import Block, Instance, Kernel, KernelCall, Slot
from nervure.exec.cpu.plan import Plan
from nervure.ir.build import origin_of
from nervure.ir.node import Node
from nervure.prims.outside import index_outside, start_outside

_REPORT: Final = (
    "report it with this text and the code that made the graph: it is an error in "
    "Nervure's cpu executor; until then use NERVURE_EXECUTOR=reference, or find the "
    "pass that matters with NERVURE_SKIP_PASSES=fusion,in_place,schedule,memory"
)


def raise_faults(plan: Plan, watch: Watch) -> None:
    """Raise for what a run has recorded.

    Raises :class:`~nervure.errors.NativeCodeError` for an access outside its buffer,
    and :class:`~nervure.errors.DataError` for an index outside its axis.
    """
    totals.add(watch.checked)
    access = watch.access_fault()
    if access is not None:
        raise _access_error(plan, access)
    index = watch.index_fault()
    if index is not None:
        raise index_error(plan, index)


class _Place(NamedTuple):
    """A call that a path leads to."""

    kernel: Kernel | None
    slots: tuple[Slot, ...]
    nodes: tuple[Node, ...]


def _place(plan: Plan, path: Sequence[int]) -> _Place:
    """Follow a path from the calls of a program into blocks."""
    calls: Sequence[KernelCall] = plan.calls
    origins = [plan.origins.get(call, ()) for call in calls]
    found = _Place(None, (), ())
    for number in path:
        call = calls[number]
        kernel = call.kernel
        nodes = origins[number] if number < len(origins) else ()
        slots = (*call.reads, *call.writes)
        found = _Place(kernel, slots, nodes or found.nodes)
        if isinstance(kernel, Block):
            calls, origins = kernel.calls, list(kernel.origins)
    return found


def _access_error(plan: Plan, fault: Fault) -> NervureError:
    """Return the error for an access outside its buffer."""
    kernel, slots, nodes = _place(plan, fault.path)
    access = None
    if kernel is not None:
        access = access_at(fault.numbers[-1], (kernel.text, *kernel.declarations))
    rows: list[tuple[str, str, str]] = []
    what = "its own memory" if kernel else "the context"
    if access is not None and access.operand is not None:
        what = f"operand {access.operand}"
        rows.append((what, *_described(slots[access.operand])))
    rows += [("computes", node.type_text, origin_of(node)) for node in nodes[-1:]]
    if access is not None:
        rows.append(("line", "", access.line))
    name = f"kernel {kernel.name}" if kernel else "a step"
    verb = "writes" if access and access.writes else "reads"
    headline = f"{name} {verb} {_distance(fault, what)}"
    if fault.total > 1:
        headline += f" (the first of {fault.total:,} such accesses of this run)"
    made_at = str(nodes[-1].site) if nodes else None
    text = explain(headline, operands=rows, made_at=made_at, fix=_REPORT)
    return NativeCodeError(text)


def _distance(fault: Fault, what: str) -> str:
    """Say where an access lies with respect to its buffer."""
    address, size, low, high, _ = fault.numbers
    if low <= address and address + size <= high:
        return f"{size} bytes of {what} at an address that is not aligned"
    nbytes = max(high - low, 0)
    return f"{size} bytes at offset {address - low} of {what}, which has {nbytes} bytes"


def _described(slot: Slot) -> tuple[str, str]:
    """Return the type of what a slot holds, and where it is from."""
    if isinstance(slot, Instance):
        return slot.value.type_text, f"{origin_of(slot.value)}, once more"
    if isinstance(slot, Node):
        return slot.type_text, origin_of(slot)
    return f"{slot.nbytes:,} bytes", f"{type(slot).__name__.lower()} memory"


# The primitives whose operands are places.
_INDEXED: Final = ("gather", "scatter")
_PIECES: Final = ("dynamic_slice", "dynamic_update_slice")


def index_error(plan: Plan, fault: Fault) -> DataError:
    """Return the error for an index outside its axis, as the reference raises it."""
    raw, _, number, unsigned, _ = fault.numbers
    index = raw - 2**64 if raw >= 2**63 and not unsigned else raw
    nodes = _place(plan, fault.path).nodes
    node = next(one for one in nodes if one.op.name in (*_INDEXED, *_PIECES))
    if node.op.name in _PIECES:
        return start_outside(node, number, index)
    return index_outside(node, number, index)
