"""How far a result may be off: the reference is run again with errors on purpose.

A fixed tolerance means nothing for a random graph: ``1 / (x - x * 1.0000001)`` turns
the last bit of an operand into anything, and so does ``floor``.  Here the result of
every floating-point operation is moved by a few units in its last place, at random,
several times (Monte Carlo arithmetic).  What the runs differ by is what an executor
that rounds in another order may be off by; elements that the runs disagree about
altogether (another truth value, another index, infinite or not) are not judged.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ml_dtypes
import numpy as np

from nervure import dtypes
from nervure.ir.attrs import NDArray
from nervure.ir.graph import Graph
from nervure.ir.node import Node
from nervure.ir.primitive import Fusion
from nervure.ir.record import is_record

RUNS = 12
# Units in the last place by which one operation may be off.
UNITS = 4
# How much more than the runs' spread is allowed, as there are few runs.
SAFETY = 4
NARROW = (dtypes.float16, dtypes.bfloat16)
# Operations whose error is relative to the sum of the magnitudes of their terms.
SUMS = frozenset(
    {"reduce_sum", "dot", "conv", "conv_input_grad", "conv_kernel_grad", "cumsum",
     "scatter", "window_sum"}
)  # fmt: skip
CONVOLUTIONS = frozenset({"conv", "conv_input_grad", "conv_kernel_grad"})
PRODUCTS = CONVOLUTIONS | {"dot"}
# Their results are exact, but for the sign of a zero or in the case of a tie.
EXACT = frozenset(
    {"neg", "abs", "select", "stop_gradient", "custom_gradient", "checkpoint", "sort"}
)
EXTREMA = frozenset({"maximum", "minimum", "reduce_max", "reduce_min"})


def unit_of(dtype: np.dtype) -> float:
    """Return the distance from 1 to the next number."""
    return float(ml_dtypes.finfo(dtype).eps)


class Wide:
    """A node as if its narrow type were float32, for the reference definitions."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self.dtype = dtypes.float32 if node.dtype in NARROW else node.dtype

    def __getattr__(self, name: str) -> Any:
        return getattr(self._node, name)


class Perturbed:
    """Runs a graph with the reference definitions and deliberate errors.

    Numbers of the narrow types are kept in float32 and rounded after some operations,
    chosen at random: inside a fused loop they are not rounded, between loops they are.
    One in twelve runs makes no other errors: what cancels exactly with fewer roundings
    would never do so beside errors at random.
    """

    def __init__(self, graph: Graph, random: np.random.Generator) -> None:
        self.graph = graph
        self.random = random
        self.exact = random.random() < 1 / RUNS
        self.rounded = float(random.choice([0, 0, 0.3, 0.7, 1]))  # how often

    def run(self, inputs: Sequence[NDArray]) -> list[NDArray]:
        given = dict(zip(self.graph.inputs, inputs, strict=True))
        values: dict[Node, NDArray] = {}
        with np.errstate(all="ignore"):
            for node in self.graph.nodes:
                operands = [values[operand] for operand in node.inputs]
                if node in given:
                    exact = given[node]
                elif node.op.name == "bitcast":
                    operands[0] = operands[0].astype(node.inputs[0].dtype)
                    exact = node.op.reference(node, *operands)
                elif operands:
                    if node.op.control is not None:
                        operands = [self._as_in_a_body(one) for one in operands]
                    operands = self._reordered(node, operands)
                    exact = node.op.reference(Wide(node), *operands)
                else:
                    exact = node.op.reference(node)
                if is_record(node.dtype):
                    values[node] = exact  # its parts are moved
                    continue
                x = self._any_nan(self._moved(node, exact, operands))
                if node.op.name in CONVOLUTIONS and self.random.random() < 0.5:
                    x = self._without_infinities(node, x, operands)
                if node.dtype in NARROW:
                    x = x.astype(np.float32)
                    if self.random.random() < self.rounded:
                        x = x.astype(node.dtype).astype(np.float32)
                values[node] = x
            return [values[node].astype(node.dtype) for node in self.graph.outputs]

    def _as_in_a_body(self, x: NDArray) -> NDArray:
        """Move an operand of a loop as if the loop had rounded something of its size.

        The operations of a body are not moved one by one.
        """
        if not dtypes.is_float(x.dtype):
            return x
        wide = x.astype(np.float64)
        unit = UNITS * unit_of(x.dtype)
        moved = wide + unit * self.random.uniform(-1, 1, x.shape)
        return np.where(np.isfinite(wide), moved, wide).astype(x.dtype)

    def _reordered(self, node: Node, operands: list[NDArray]) -> list[NDArray]:
        """Which products overflow on the way depends on the order of the factors."""
        if node.op.name == "reduce_prod" and self.random.random() < 0.7:
            axes: Any = node.attrs["axes"]
            for axis in axes:
                order = self.random.permutation(operands[0].shape[axis])
                operands = [np.take(operands[0], order, axis=axis)]
        return operands

    def _moved(
        self, node: Node, exact: NDArray, operands: Sequence[NDArray]
    ) -> NDArray:
        if not dtypes.is_float(exact.dtype) or not operands or node.op.name in EXACT:
            return exact
        if self.exact:
            return self._signed_zeros(exact)
        if node.op.fusion in (Fusion.INJECTIVE, Fusion.BROADCAST, Fusion.ANNOTATION):
            return exact
        if node.op.name in EXTREMA:
            return self._signed_zeros(exact)
        wide = exact.astype(np.float64)
        unit = UNITS * unit_of(exact.dtype)
        size = np.abs(wide)
        if node.op.name in SUMS:
            magnitudes = [np.abs(one) if dtypes.is_float(one.dtype) else one
                          for one in operands]  # fmt: skip
            size = node.op.reference(Wide(node), *magnitudes).astype(np.float64)
            if node.op.name in PRODUCTS:
                wide = self._overflowing(node, wide, magnitudes)
            terms = max(one.size for one in operands) / max(node.size, 1)
            unit *= 1 + np.log2(max(terms, 1))
        elif node.op.name == "reduce_prod":
            unit *= max(1, operands[0].size // max(node.size, 1))
        moved = wide + unit * size * self.random.uniform(-1, 1, wide.shape)
        # infinity less a part of itself would be no number
        wide = np.where(np.isfinite(wide), moved, wide)
        wide = wide + self._underflow(exact.dtype, wide)
        return self._signed_zeros(wide.astype(exact.dtype))

    def _overflowing(
        self, node: Node, wide: NDArray, magnitudes: Sequence[NDArray]
    ) -> NDArray:
        """Products that are too large are infinite, or added without being rounded.

        So two of opposite signs make NaN on a machine without fused multiply-adds, and
        on another the infinity of whichever comes first.
        """
        tame = [np.where(np.isfinite(one), one, 0) for one in magnitudes]
        over = np.isinf(node.op.reference(Wide(node), *tame))
        any_of_them = self.random.choice([np.nan, np.inf, -np.inf])
        return np.where(over, any_of_them, wide)

    def _without_infinities(
        self, node: Node, x: NDArray, operands: Sequence[NDArray]
    ) -> NDArray:
        """Zeros of the padding may be multiplied with infinities, or left out."""
        finite = all(np.isfinite(one).all() for one in operands)
        if finite or not dtypes.is_float(x.dtype):
            return x
        if node.op.name == "conv_input_grad" and self.random.random() < 0.5:
            beside = padding_meets_infinity(node, *operands)
            return np.where(beside, np.asarray(np.nan, x.dtype), x)
        tame = [np.nan_to_num(one, nan=0, posinf=1, neginf=-1) for one in operands]
        return np.asarray(node.op.reference(Wide(node), *tame))

    def _any_nan(self, x: NDArray) -> NDArray:
        """Give what is not a number a random sign, which a bitcast would show.

        One for all elements: the largest of many random ones would always be the same.
        """
        if not dtypes.is_float(x.dtype):
            return x
        sign = np.asarray(self.random.choice([-1, 1])).astype(x.dtype)
        return np.where(np.isnan(x), np.copysign(x, sign), x).astype(x.dtype)

    def _signed_zeros(self, x: NDArray) -> NDArray:
        """Give zeros a random sign."""
        sign = self.random.choice([-1, 1], x.shape).astype(x.dtype)
        return np.where(x == 0, x * sign, x).astype(x.dtype)

    def _underflow(self, dtype: np.dtype, wide: NDArray) -> NDArray:
        """Numbers so small that they have lost digits may be off by more."""
        limits = ml_dtypes.finfo(dtype)
        small = (np.abs(wide) < 4 * float(limits.smallest_normal)) & (wide != 0)
        step = UNITS * float(limits.smallest_subnormal)
        return np.where(small, step * self.random.uniform(-1, 1, wide.shape), 0)


def padding_meets_infinity(node: Node, g: NDArray, kernel: NDArray) -> NDArray:
    """Tell for which results of a ``conv_input_grad`` padding meets an infinity.

    The definition adds only products with elements of g; a correlation that computes
    the same goes beyond the edges of g, as ``conv`` does beyond those of its image.
    """
    wild = (~np.isfinite(kernel)).astype(np.float32)
    met = node.op.reference(Wide(node), np.ones(g.shape, np.float32), wild)
    groups: Any = node.attrs["groups"]
    *_, channels, filters = kernel.shape
    shape = (-1, channels, groups, filters // groups)
    there = wild.reshape(shape).sum(axis=(0, 3)).T.ravel()
    return np.asarray(met < there)


def _fragile(graph: Graph) -> set[Node]:
    """Return the nodes that depend on the bits of a number that is not exact."""
    inexact: set[Node] = set()
    fragile: set[Node] = set()
    for node in graph.nodes:
        moved = node.op.fusion in (Fusion.INJECTIVE, Fusion.BROADCAST)
        computed = dtypes.is_float(node.dtype) and bool(node.inputs) and not moved
        if computed or any(operand in inexact for operand in node.inputs):
            inexact.add(node)
        broken = node.op.name == "bitcast" and node.inputs[0] in inexact
        if broken or any(operand in fragile for operand in node.inputs):
            fragile.add(node)
    return fragile


def judge(
    graph: Graph,
    inputs: Sequence[NDArray],
    results: Sequence[NDArray],
    perturbed: type[Perturbed] = Perturbed,
) -> list[str]:
    """Return what is wrong with an executor's results; nothing if they are right."""
    with np.errstate(all="ignore"):
        values = dict(zip(graph.inputs, inputs, strict=True))
        for node in graph.nodes:
            if node not in values:
                operands = [values[operand] for operand in node.inputs]
                values[node] = node.op.reference(node, *operands)
        wanted = [np.asarray(values[node]) for node in graph.outputs]
        if all(map(_same_bits, wanted, results)):
            return []
        runs: list[list[NDArray]] = []
        fragile = _fragile(graph)
        # a few runs may agree by chance where nothing is certain
        for count in (RUNS, 20 * RUNS):
            runs += [
                perturbed(graph, np.random.default_rng(seed)).run(inputs)
                for seed in range(len(runs), count)
            ]
            faults = []
            for place, (want, result) in enumerate(zip(wanted, results, strict=True)):
                if graph.outputs[place] in fragile:
                    continue
                fault = _difference(want, result, [run[place] for run in runs])
                if fault:
                    faults.append(f"output {place}: {fault}")
            if not faults:
                break
    return faults


def _same_bits(want: NDArray, result: NDArray) -> bool:
    same_type = (want.shape, want.dtype) == (result.shape, result.dtype)
    return same_type and want.tobytes() == result.tobytes()


def _difference(want: NDArray, result: NDArray, runs: list[NDArray]) -> str:
    if (want.shape, want.dtype) != (result.shape, result.dtype):
        return f"{result.dtype}{result.shape} instead of {want.dtype}{want.shape}"
    if not dtypes.is_float(want.dtype):
        agreed = np.logical_and.reduce([run == want for run in runs])
        wrong = agreed & (result != want)
        return f"{result[wrong]} instead of {want[wrong]}" if wrong.any() else ""
    exact, found = want.astype(np.float64), result.astype(np.float64)
    others = np.array([run.astype(np.float64) for run in runs])
    kinds = [(np.isnan(one), np.isposinf(one), np.isneginf(one))
             for one in (exact, *others)]  # fmt: skip
    agreed = np.ones(exact.shape, bool)
    for kind in kinds[1:]:
        for mine, theirs in zip(kinds[0], kind, strict=True):
            agreed &= mine == theirs
    finite = np.isfinite(exact)
    same = (found == exact) | (np.isnan(found) & np.isnan(exact))
    spread = np.max(np.abs(others - exact), axis=0, initial=0)
    unit = unit_of(want.dtype)
    tiny = float(ml_dtypes.finfo(want.dtype).smallest_subnormal)
    allowed = SAFETY * spread + 0.5 * unit * np.abs(exact) * (spread > 0)
    allowed += tiny * (spread > 0)
    if want.dtype in NARROW:  # rounded from a float32 that is off by a little
        allowed += unit * np.abs(exact) + tiny
    near = np.isfinite(found) & (np.abs(found - exact) <= allowed)
    wrong = agreed & ~same & ~(finite & near)
    if not wrong.any():
        return ""
    return f"{found[wrong]} instead of {exact[wrong]}, allowed {allowed[wrong]}"
