"""Plans that keep to a memory budget: some kernels run again, some values move out."""

from __future__ import annotations

from typing import Final

from nervure.config import config
from nervure.errors import BudgetError, explain
from nervure.exec.budget import size_text
from nervure.exec.cpu.kernel import Instance, Slot, Spilled
from nervure.exec.cpu.layout import Layout, arena_bytes
from nervure.exec.cpu.rescheduling import Rescheduling
from nervure.exec.cpu.target import Target
from nervure.ir.build import origin_of
from nervure.ir.node import Node
from nervure.passes.memory_budget import fitted
from nervure.passes.recompute import Decision

# Searches, each in the plan of the one before.
_LEVELS: Final = 3
# Another one is worth it if the last one has made the plan this much smaller.
_WORTH: Final = 0.99
# The share of a program's cost that may run again without another look for less.
_LITTLE: Final = 0.05
# Budgets that are tried to name the smallest one.
_TRIES: Final = 3


def budgeted(
    layout: Layout, target: Target, memory_budget: int | None, offload: bool
) -> Layout:
    """Return the layout of a plan whose arena has at most ``memory_budget`` bytes.

    Without a budget, ``offload`` moves out everything that waits.  What the user has
    marked with ``nervure.checkpoint`` runs again in any case.

    Raises :class:`~nervure.errors.BudgetError` if no plan is small enough.
    """
    skipped = config.skip_passes
    marked = layout.plan.regions and "recomputation" not in skipped
    offload = offload and "offload" not in skipped
    if marked or (offload and memory_budget is None):
        plan = Rescheduling(layout, target)
        decision = plan.required if marked else Decision()
        if offload and memory_budget is None:
            moved = frozenset(plan.worth_moving()) - decision.dropped
            decision = decision._replace(moved=moved)
        plain = plan.layout(plan.program.schedule(decision))
    else:
        plain = layout
    if memory_budget is None or arena_bytes(plain) <= memory_budget:
        return plain
    tight = Layout(plain.plan, tight=True)
    if arena_bytes(tight) <= memory_budget:
        return tight
    found = _smaller(layout, target, memory_budget, offload)
    if arena_bytes(found) > memory_budget:
        raise _unreachable(layout, found, target, memory_budget, offload)
    return found


def _smaller(layout: Layout, target: Target, budget: int, offload: bool) -> Layout:
    """Return the cheapest layout found that fits, or the smallest one if none does."""
    found: list[Layout] = []
    for one_by_one in (False, True):
        one = _again_and_again(layout, target, budget, offload, one_by_one)
        found.append(one)
        little = _extra_cost(one) < _LITTLE * sum(
            call.kernel.cost for call in layout.plan.calls
        )
        if arena_bytes(one) <= budget and little:
            return one
    fitting = [one for one in found if arena_bytes(one) <= budget]
    if fitting:
        return min(fitting, key=_extra_cost)
    return min(found, key=arena_bytes)


def _again_and_again(
    layout: Layout, target: Target, budget: int, offload: bool, one_by_one: bool
) -> Layout:
    """Return a layout that fits or is as small as it gets.

    What runs again may be dropped and run again itself: that is another search, in the
    plan that the one before has found.
    """
    for level in range(_LEVELS):
        first, drop = level == 0, "recomputation" not in config.skip_passes
        plan = Rescheduling(
            layout, target, one_by_one=one_by_one and first, marked=first and drop
        )
        found = fitted(
            plan.program,
            budget,
            plan.measure,
            plan.required,
            move=offload,
            drop=drop,
            once=not first,
        )
        smaller = plan.layout(found.schedule)
        small_enough = found.nbytes <= budget
        if small_enough or found.nbytes > _WORTH * arena_bytes(layout):
            better = small_enough or found.nbytes < arena_bytes(layout)
            return smaller if better else layout
        layout = smaller
    return layout


def _extra_cost(layout: Layout) -> float:
    """Return what running again and moving costs."""
    return sum(
        call.kernel.cost
        for call in layout.plan.calls
        if call.recomputed or any(isinstance(one, Spilled) for one in call.reads)
    )


def _unreachable(
    layout: Layout, found: Layout, target: Target, budget: int, offload: bool
) -> BudgetError:
    """Return the error for a budget that no plan keeps to.

    The smallest budget that it names is one for which a plan was found.
    """
    smallest, low, high = layout, budget, arena_bytes(layout)
    wanted = arena_bytes(found)
    for _ in range(_TRIES):
        one = _smaller(layout, target, wanted, offload)
        if arena_bytes(one) <= wanted:
            smallest, high = one, wanted
            wanted = (low + high) // 2
        else:
            low = wanted
            wanted = min(arena_bytes(one), (low + high) // 2)
    slot = _in_the_way(smallest)
    rows = []
    if slot is not None:
        node = _node_of(slot, smallest)
        what = f"{slot.nbytes:,} bytes"
        rows = [(what, node.type_text, origin_of(node))] if node else [(what, "", "")]
    return BudgetError(
        explain(
            f"no plan keeps to a memory budget of {budget:,} bytes; the smallest "
            f"budget that can be kept to is {high:,} bytes "
            f"({size_text(high)}), and in its way stands",
            operands=rows,
            fix="give a larger budget, or train with smaller batches",
        ),
        high,
    )


def _in_the_way(layout: Layout) -> Slot | None:
    """Return the largest value where the most memory is needed."""
    alive: dict[int, list[Slot]] = {}
    for slot in layout.offsets:
        life = layout.lifetimes[slot]
        for moment in range(life.birth, life.death + 1):
            alive.setdefault(moment, []).append(slot)
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
