"""The cheapest values to keep: a minimum cut.

What the backward pass needs can be computed from any set of values that separates it
from the arguments.  Keeping the separating set with the fewest bytes is the problem of
the minimum cut, where every value is an edge as thick as its bytes::

    arguments ── a 8 bytes ── tanh ── b 4 bytes ── wanted late      keep b

What must not be computed again hangs on the source by an edge that cannot be cut.  A
largest flow has the value of a smallest cut (Ford and Fulkerson 1956); it is found as
Dinic did ("Algorithm for solution of a problem of maximum flow", 1970).  PyTorch's
``min_cut_rematerialization_partition`` (functorch, 2022) divides a training step so.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final, NamedTuple

_ENDLESS: Final = 1 << 60


class Recipe(NamedTuple):
    """How a value is made: of which others, and whether it may be made again."""

    reads: tuple[int, ...]
    again: bool


def smallest_kept(
    nbytes: Sequence[int], recipes: Mapping[int, Recipe], wanted: Collection[int]
) -> frozenset[int]:
    """Return the values to keep so that the wanted ones are kept or can be made again.

    Parameters
    ----------
    nbytes
        The size of every value.
    recipes
        For each value how it is made; values without one are always there.
    wanted
        The values that are needed.

    Of several sets with the fewest bytes it is the one nearest to the arguments.

    >>> smallest_kept([0, 8, 4], {1: Recipe((0,), True), 2: Recipe((1,), False)}, [2])
    frozenset({2})
    >>> smallest_kept([0, 8, 4], {1: Recipe((0,), True), 2: Recipe((1,), True)}, [2])
    frozenset()
    """
    network = _Network(2 + 2 * len(nbytes))
    pending, seen = list(wanted), set(wanted)
    while pending:
        value = pending.pop()
        recipe = recipes.get(value)
        if recipe is None:
            continue
        network.connect(_into(value), _from(value), nbytes[value])
        if not recipe.again:
            network.connect(_SOURCE, _into(value), _ENDLESS)
            continue
        for operand in recipe.reads:
            if operand in recipes:
                network.connect(_from(operand), _into(value), _ENDLESS)
                if operand not in seen:
                    seen.add(operand)
                    pending.append(operand)
    for value in wanted:
        if value in recipes:
            network.connect(_from(value), _SINK, _ENDLESS)
    network.fill()
    reached = network.reached()
    return frozenset(
        value for value in seen
        if value in recipes and _into(value) in reached and _from(value) not in reached
    )  # fmt: skip


_SOURCE: Final = 0
_SINK: Final = 1


def _into(value: int) -> int:
    return 2 + 2 * value


def _from(value: int) -> int:
    return 3 + 2 * value


class _Network:
    """Edges with what more they can carry; each has a partner backwards."""

    def __init__(self, points: int) -> None:
        self._edges: list[list[int]] = [[] for _ in range(points)]
        self._ends: list[int] = []
        self._room: list[int] = []
        self._distance: list[int] = []

    def connect(self, start: int, end: int, room: int) -> None:
        """Add an edge."""
        for one, other, free in ((start, end, room), (end, start, 0)):
            self._edges[one].append(len(self._ends))
            self._ends.append(other)
            self._room.append(free)

    def fill(self) -> None:
        """Let as much flow from the source to the sink as can."""
        while self._measure():
            untried = [0] * len(self._edges)
            while self._push(untried):
                pass

    def reached(self) -> set[int]:
        """Return the points to which more could flow."""
        self._measure()
        return {point for point, distance in enumerate(self._distance) if distance >= 0}

    def _measure(self) -> bool:
        """Find how far every point is from the source; tell whether the sink is."""
        self._distance = [-1] * len(self._edges)
        self._distance[_SOURCE] = 0
        queue = [_SOURCE]
        for point in queue:
            for edge in self._edges[point]:
                end = self._ends[edge]
                if self._room[edge] and self._distance[end] < 0:
                    self._distance[end] = self._distance[point] + 1
                    queue.append(end)
        return self._distance[_SINK] >= 0

    def _push(self, untried: list[int]) -> bool:
        """Send flow along one shortest way; False if there is none left."""
        way: list[int] = []
        point = _SOURCE
        while point != _SINK:
            edges = self._edges[point]
            if untried[point] == len(edges):
                if not way:
                    return False
                point = self._ends[way.pop() ^ 1]
                untried[point] += 1
                continue
            edge = edges[untried[point]]
            end = self._ends[edge]
            if self._room[edge] and self._distance[end] == self._distance[point] + 1:
                way.append(edge)
                point = end
            else:
                untried[point] += 1
        least = min(self._room[edge] for edge in way)
        for edge in way:
            self._room[edge] -= least
            self._room[edge ^ 1] += least
        return True
