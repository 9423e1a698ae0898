"""Dead code: what no output needs is not computed.

A graph consists of what its outputs need, so only operations with bodies can compute
something in vain.  Before::

    graph (%0: int8[] "h") {
      %1: (int8[], int8[]) = scan(%0, %0) {body = graph (%0: int8[] "", %1: int8[] "") {
        %2: int8[] = add(%0, %0)
        %3: int8[] = mul(%1, %1)
        return %2, %3
      }, carry = 2, consts = 0, length = 5, reverse = false}
      %2: int8[] = part(%1) {index = 0}
      return %2
    }

and after, without the second value that was carried::

    graph (%0: int8[] "h") {
      %1: (int8[],) = scan(%0) {body = graph (%0: int8[] "") {
        %1: int8[] = add(%0, %0)
        return %1
      }, carry = 1, consts = 0, length = 5, reverse = false}
      %2: int8[] = part(%1) {index = 0}
      return %2
    }
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from nervure.ir.graph import Graph, topological
from nervure.ir.node import Node
from nervure.passes.change import Note, Pass
from nervure.passes.loops import Narrowing, Parts, parts_of, with_parts
from nervure.passes.rewriting import made
from nervure.prims.control import PART


def _without_dead(graph: Graph, note: Note) -> Graph:
    def narrow(node: Node, used: Sequence[int]) -> Mapping[int, Node] | None:
        parts = parts_of(node)
        results = _needed_results(parts, used)
        operands = _needed_operands(parts, results)
        everything = len(parts.bodies[0].outputs), len(parts.operands)
        if (len(results), len(operands)) == everything:
            return None
        shorter = with_parts(node, operands, results, {})
        gone = [everything[0] - len(results), everything[1] - len(operands)]
        note(
            "unused results and operands",
            node,
            (shorter,),
            f"Nobody reads {gone[0]} of the results; {gone[1]} of the operands are "
            "needed by nothing else.",
        )
        return {
            place: made(node, PART, shorter, index=results.index(place))
            for place in used
        }

    return Narrowing(narrow).graph(graph)


def _needed_results(parts: Parts, used: Sequence[int]) -> list[int]:
    """Return the results that are read, or carried to what is read."""
    needed = set(used)
    if parts.condition is not None:
        needed |= _reached([parts.condition], [0]) & {*parts.carried}
    if not needed and not parts.carried:
        needed = {0}  # there is no operation without results
    while True:
        carried = _reached(parts.bodies, sorted(needed)) & {*parts.carried}
        if carried <= needed:
            return sorted(needed)
        needed |= carried


def _needed_operands(parts: Parts, results: Sequence[int]) -> list[int]:
    """Return the operands on which results depend."""
    needed = _reached(parts.bodies, results)
    if parts.condition is not None:
        needed |= _reached([parts.condition], [0])
    carried = set(parts.carried)
    return sorted((needed - carried) | (set(results) & carried))


def _reached(bodies: Sequence[Graph], results: Sequence[int]) -> set[int]:
    """Return the inputs on which some results of bodies depend."""
    found: set[int] = set()
    for body in bodies:
        below = set(topological([body.outputs[place] for place in results]))
        found.update(p for p, one in enumerate(body.inputs) if one in below)
    return found


DEAD: Final = Pass("dead", "What no output needs is not computed.", _without_dead)
