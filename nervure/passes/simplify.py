"""Algebraic simplification: the same bits from fewer or cheaper operations.

A training step before::

    graph (%0: float32[128, 10] "loss", %1: float32[10, 784] "w") {
      %2: float32[] = const {value = constant<float32[]>(128.0)}
      %3: float32[128, 10] = broadcast(%2) {axes = (), shape = (128, 10)}
      %4: float32[128, 10] = div(%0, %3)
      %5: float32[784, 10] = transpose(%1) {axes = (1, 0)}
      %6: float32[10, 784] = transpose(%5) {axes = (1, 0)}
      %7: float32[10, 784] = neg(%6)
      %8: float32[10, 784] = add(%1, %7)
      return %4, %8
    }

and after::

    graph (%0: float32[128, 10] "loss", %1: float32[10, 784] "w") {
      %2: float32[] = const {value = constant<float32[]>(0.0078125)}
      %3: float32[128, 10] = broadcast(%2) {axes = (), shape = (128, 10)}
      %4: float32[128, 10] = mul(%0, %3)
      %5: float32[10, 784] = sub(%1, %1)
      return %4, %5
    }

``sub(%1, %1)`` stays, because it is NaN for an infinity: a rule is only here if every
value keeps its bits, -0.0, infinities and NaN included.  The rules are in
``movement_rules.py``, ``arithmetic_rules.py`` and ``choice_rules.py``.
"""

from __future__ import annotations

from typing import Final

from nervure.ir.graph import Graph
from nervure.ir.node import Node
from nervure.passes.arithmetic_rules import ARITHMETIC_RULES
from nervure.passes.change import Note, Pass
from nervure.passes.choice_rules import CHOICE_RULES
from nervure.passes.movement_rules import MOVEMENT_RULES
from nervure.passes.rewriting import rewritten
from nervure.passes.rules import Rules

RULES: Final[Rules] = {
    op: [
        rule
        for rules in (MOVEMENT_RULES, ARITHMETIC_RULES, CHOICE_RULES)
        for rule in rules.get(op, ())
    ]
    for op in {**MOVEMENT_RULES, **ARITHMETIC_RULES, **CHOICE_RULES}
}


def _simplified(graph: Graph, note: Note) -> Graph:
    def replace(node: Node) -> Node | None:
        simpler = None
        found: Node | None = node
        while found is not None:
            found = _once(found, note)
            simpler = found or simpler
        return simpler

    return rewritten(graph, replace)


def _once(node: Node, note: Note) -> Node | None:
    """Return what the first rule that fits makes of a node.

    Every rule leaves fewer operations, or a cheaper one, so this comes to an end.
    """
    for rule in RULES.get(node.op.name, ()):
        simpler = rule.apply(node)
        if simpler is not None:
            note(rule.kind, node, (simpler,), rule.why)
            return simpler
    return None


SIMPLIFY: Final = Pass(
    "simplify", "Operations that cancel or do nothing disappear.", _simplified
)
