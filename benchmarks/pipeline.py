"""Measure the way from a graph to kernels: ``python -m benchmarks.pipeline``.

Prints the time of each stage for a training step of about two thousand nodes: every
pass, fusion, phases, the memory plan and the kernels' text.  LLVM is not asked.  The
goal is less than ``GOAL`` seconds for all of it.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

import nervure as nv
from benchmarks import machine
from nervure import dtypes
from nervure.array import Array
from nervure.autodiff import reverse
from nervure.exec.cpu.entry import program_texts
from nervure.exec.cpu.fusion import Tasks, without_annotations
from nervure.exec.cpu.layout import Layout
from nervure.exec.cpu.phases import Phases
from nervure.exec.cpu.plan import Plan
from nervure.exec.cpu.target import target
from nervure.ir import Graph, Node
from nervure.passes import PASSES, optimized
from nervure.prims.leaf import full_like, input_leaf

GOAL: Final = 0.3
BATCH, WIDTH, CLASSES = 64, 128, 10
Result = TypeVar("Result")


def training_step(nodes: int = 2000) -> tuple[Graph, int]:
    """Return one step of a deep network with Adam, and how many values it changes.

    Layers of a product, normalization by the batch and ReLU are added until the graph
    has as many nodes as are wanted.
    """
    layers = 1
    while True:
        graph, state = _network(layers)
        if len(graph) >= nodes:
            return graph, state
        layers += max((nodes - len(graph)) * layers // len(graph), 1)


def _network(layers: int) -> tuple[Graph, int]:
    def leaf(*shape: int, name: str) -> Node:
        return input_leaf(shape, dtypes.float32, name)

    x, y = leaf(BATCH, WIDTH, name="x"), leaf(BATCH, CLASSES, name="y")
    weights = []
    h = Array.of_node(x)
    for number in range(layers):
        w = leaf(WIDTH, WIDTH, name=f"w{number}")
        scale, shift = (leaf(WIDTH, name=f"{name}{number}") for name in ("a", "b"))
        weights += [w, scale, shift]
        z = h @ Array.of_node(w)
        normal = (z - nv.mean(z, axis=0)) / nv.sqrt(nv.var(z, axis=0) + 1e-3)
        h = nv.maximum(normal * Array.of_node(scale) + Array.of_node(shift), 0)
    last = leaf(WIDTH, CLASSES, name="last")
    weights.append(last)
    z = h @ Array.of_node(last)
    z = z - nv.log(nv.sum(nv.exp(z), axis=1, keepdims=True))
    loss = (-nv.sum(z * Array.of_node(y)) / BATCH).node
    state, updates = _adam(weights, reverse([loss], [full_like(loss, 1)], weights))
    return Graph(updates, [*state, x, y]), len(state)


def _adam(
    weights: Sequence[Node], gradients: Sequence[Node | None]
) -> tuple[list[Node], list[Node]]:
    """Return the state before and after a step of Adam."""
    state, updates = [], []
    for w, gradient in zip(weights, gradients, strict=True):
        assert gradient is not None
        m, v = (input_leaf(w.shape, w.dtype, name) for name in ("m", "v"))
        g = Array.of_node(gradient)
        new_m = Array.of_node(m) * 0.9 + g * 0.1
        new_v = Array.of_node(v) * 0.999 + g * g * 0.001
        new_w = Array.of_node(w) - 0.001 * new_m / (nv.sqrt(new_v) + 1e-7)
        state += [w, m, v]
        updates += [new_w.node, new_m.node, new_v.node]
    return state, updates


class Stopwatch:
    """Seconds of each stage, over some rounds."""

    def __init__(self) -> None:
        self._seconds: dict[str, list[float]] = {}

    def run(self, stage: str, work: Callable[[], Result]) -> Result:
        """Do some work and note how long this process took for it."""
        begin = time.process_time()
        result = work()
        self._seconds.setdefault(stage, []).append(time.process_time() - begin)
        return result

    @property
    def medians(self) -> dict[str, float]:
        """The median of each stage."""
        return {name: statistics.median(one) for name, one in self._seconds.items()}


def measure(graph: Graph, state: int, watch: Stopwatch) -> None:
    """Run every stage once."""
    graph = Graph(graph.outputs, graph.inputs)  # which has nothing worked out yet
    watch.run("order and hash", lambda: graph.structural_hash)
    after = graph
    for one in PASSES:
        before = after
        after = watch.run(f"pass {one.name}", lambda: one.run(before))  # noqa: B023
    passed = watch.run("all passes, again and again", lambda: optimized(graph))
    plain = without_annotations(passed)
    updates = dict(zip(plain.inputs[:state], plain.outputs, strict=False))
    watch.run("fusion", lambda: Tasks(plain, updates))
    plan = watch.run("the plan, all passes too", lambda: Plan(graph, target(), state))
    over = {new: old for old, new in plan.in_place.items()}
    watch.run("phases", lambda: Phases(plan.calls, over))
    layout = watch.run("memory plan", lambda: Layout(plan))
    watch.run("text of the program", lambda: program_texts(plan, layout))


def total(medians: dict[str, float]) -> float:
    """Return the seconds from capture to LLVM; parts of the plan count once."""
    whole = (
        "order and hash",
        "the plan, all passes too",
        "memory plan",
        "text of the program",
    )
    return sum(medians[name] for name in whole)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser("benchmarks.pipeline", description=__doc__)
    parser.add_argument("--nodes", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args(arguments)
    graph, state = training_step(options.nodes)
    watch = Stopwatch()
    for _ in range(options.rounds):
        measure(graph, state, watch)
    plan = Plan(graph, target(), state)
    print(
        f"{len(graph)} nodes, {len(optimized(graph))} after the passes; "
        f"{len(plan.calls)} kernels in {len(plan.phases)} phases"
    )
    for name, seconds in watch.medians.items():
        print(f"{name:<30}{seconds * 1000:8.1f} ms")
    whole = total(watch.medians)
    verdict = "within" if whole < GOAL else "beyond"
    print(f"{'everything but LLVM':<30}{whole * 1000:8.1f} ms, {verdict} the goal")
    print(f"others kept {machine.busy_cores():.1f} cores busy")


if __name__ == "__main__":
    main()
