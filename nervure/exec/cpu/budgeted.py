"""Plans that keep to a memory budget: some kernels run again, some values move out."""

from __future__ import annotations

from nervure.errors import BudgetError, explain
from nervure.exec.budget import size_text
from nervure.exec.cpu.kernel import Instance, Slot
from nervure.exec.cpu.layout import Layout, arena_bytes
from nervure.exec.cpu.rescheduling import Rescheduling
from nervure.exec.cpu.target import Target
from nervure.ir.build import origin_of
from nervure.ir.node import Node
from nervure.passes.memory_budget import fitted, smallest_budget
from nervure.passes.recompute import Decision


def budgeted(
    layout: Layout, target: Target, memory_budget: int | None, offload: bool
) -> Layout:
    """Return the layout of a plan whose arena has at most ``memory_budget`` bytes.

    Without a budget, ``offload`` moves out everything that waits.

    Raises :class:`~nervure.errors.BudgetError` if no plan is small enough.
    """
    fits = memory_budget is not None and arena_bytes(layout) <= memory_budget
    if fits or (memory_budget is None and not offload):
        return layout
    plan = Rescheduling(layout, target)
    if memory_budget is None:
        decision = Decision(moved=frozenset(plan.worth_moving()))
        return plan.layout(plan.program.schedule(decision))
    found = fitted(plan.program, memory_budget, plan.measure, move=offload)
    if found.nbytes > memory_budget:
        raise _unreachable(plan, memory_budget, offload)
    return plan.layout(found.schedule)


def _unreachable(plan: Rescheduling, budget: int, offload: bool) -> BudgetError:
    """Return the error for a budget that no plan keeps to."""
    smallest, found = smallest_budget(plan.program, plan.measure, move=offload)
    layout = plan.layout(found.schedule)
    slot = _in_the_way(layout)
    rows = []
    if slot is not None:
        node = _node_of(slot, layout)
        what = f"{slot.nbytes:,} bytes"
        rows = [(what, node.type_text, origin_of(node))] if node else [(what, "", "")]
    return BudgetError(
        explain(
            f"no plan keeps to a memory budget of {budget:,} bytes; the smallest "
            f"budget that can be kept to is {smallest:,} bytes "
            f"({size_text(smallest)}), and in its way stands",
            operands=rows,
            fix="give a larger budget, or train with smaller batches",
        ),
        smallest,
    )


def _in_the_way(layout: Layout) -> Slot | None:
    """Return the largest value where the most memory is needed."""
    alive: dict[int, list[Slot]] = {}
    for slot in layout.offsets:
        for phase in range(layout.births[slot], layout.deaths[slot] + 1):
            alive.setdefault(phase, []).append(slot)
    if not alive:
        return None
    fullest = max(alive.values(), key=lambda found: sum(one.nbytes for one in found))
    return max(fullest, key=lambda one: one.nbytes)


def _node_of(slot: Slot, layout: Layout) -> Node | None:
    """Return the node whose value a slot holds, or from which it is made."""
    if isinstance(slot, Node):
        return slot
    if isinstance(slot, Instance):
        return slot.value
    for call in layout.plan.calls:
        if slot in call.writes:
            known = [one for one in (*call.writes, *call.reads) if one is not slot]
            nodes = [one.value if isinstance(one, Instance) else one for one in known
                     if isinstance(one, Node | Instance)]  # fmt: skip
            return max(nodes, key=lambda node: node.nbytes, default=None)
    return None
