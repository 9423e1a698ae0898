"""Plans that keep to a memory budget."""

from __future__ import annotations

from nervure.errors import BudgetError
from nervure.exec.cpu.layout import Layout, arena_bytes
from nervure.exec.cpu.plan import Plan


def budgeted(plan: Plan, memory_budget: int | None, offload: bool) -> Layout:
    """Return the layout of a plan whose arena fits into the budget."""
    layout = Layout(plan)
    needed = arena_bytes(layout)
    if memory_budget is not None and needed > memory_budget:
        raise BudgetError("the budget is too small", needed)
    return layout
