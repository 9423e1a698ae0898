"""What of a graph is known before it runs, and which of that are its weights.

Nodes that depend on initializers alone are computed once.  Of the values that remain,
floating-point ones that an operator uses as a parameter (a kernel, a bias, a table)
become weights, which training may change; everything else stays a constant.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from nervure import dtypes
from nervure.array import Array
from nervure.importers.onnx import operators as _registered  # noqa: F401
from nervure.importers.onnx.budget import Budget, too_large
from nervure.importers.onnx.reading import OnnxFile
from nervure.importers.onnx.records import OnnxGraph, OnnxNode, OnnxValue
from nervure.importers.onnx.refusal import UnsupportedError
from nervure.importers.onnx.running import Rules, constant, run_node
from nervure.ir.attrs import NDArray

# Which inputs of an operator are its parameters.
_PARAMETERS: Final[Mapping[str, tuple[int, ...]]] = {
    "BatchNormalization": (1, 2, 3, 4),
    "Conv": (1, 2),
    "ConvTranspose": (1, 2),
    "DeformConv": (1, 3),
    "Einsum": (0, 1, 2),
    "GRU": (1, 2, 3),
    "Gather": (0,),
    "Gemm": (0, 1, 2),
    "GroupNormalization": (1, 2),
    "InstanceNormalization": (1, 2),
    "LSTM": (1, 2, 3, 7),
    "LayerNormalization": (1, 2),
    "MatMul": (0, 1),
    "PRelu": (1,),
    "RMSNormalization": (1,),
    "RNN": (1, 2, 3),
}
# These are parameters where they have several elements: biases and scales, but not the
# 0.5 of a formula.
_PERHAPS: Final = frozenset({"Add", "Div", "Mul", "Sub"})
# Moments, which training does not change.
_FIXED: Final = {"BatchNormalization": (3, 4)}
_RANDOM: Final = frozenset(
    {
        "Bernoulli",
        "Dropout",
        "Multinomial",
        "RandomNormal",
        "RandomNormalLike",
        "RandomUniform",
        "RandomUniformLike",
    }
)


@dataclass(frozen=True)
class Weight:
    """A weight that a graph brings along."""

    value: NDArray
    trainable: bool


@dataclass(frozen=True)
class FoldedGraph:
    """A graph whose known parts have been computed.

    ``nodes`` are those that remain; ``weights`` and ``constants`` are what they read.
    """

    inputs: tuple[OnnxValue, ...]
    nodes: tuple[OnnxNode, ...]
    weights: Mapping[str, Weight]
    constants: Mapping[str, NDArray]


def folded(
    file: OnnxFile, given: Mapping[str, NDArray], most_bytes: int
) -> FoldedGraph:
    """Return a graph with all computed that depends on no input.

    ``given`` are values for inputs, which become constants; those that are computed
    take ``most_bytes`` at most.  Raises :class:`UnsupportedError` when the outputs need
    more.
    """
    graph = file.graph
    rules = Rules(file.opsets, file.functions, budget=Budget(len(graph.nodes)))
    known: dict[str, Any] = {**graph.initializers, **given}
    left = most_bytes
    nodes: list[OnnxNode] = []
    large: list[OnnxNode] = []
    for node in graph.nodes:
        results = _computed(node, rules, known)
        size = sum(one.nbytes for one in results)
        if not results or size > left:
            nodes.append(node)
            large += [node] if results else []
            continue
        left -= size
        for name, one in zip(node.outputs, results, strict=False):
            if name:
                known[name] = one.numpy()
    inputs = tuple(one for one in graph.inputs if one.name not in known)
    kept = _needed(graph, nodes)
    needed = set(map(id, kept))
    for node in large:
        if id(node) in needed:
            raise too_large(node.operator, node.label)
    used = _used(graph, kept)
    weights = _weights(kept, known)
    constants = {
        name: np.asarray(known[name])
        for name in used
        if name in known and name not in weights
    }
    return FoldedGraph(inputs, tuple(kept), weights, constants)


def _computed(node: OnnxNode, rules: Rules, known: Mapping[str, Any]) -> list[Array]:
    """Return the results of a node that depends on known values alone, else none."""
    if node.operator in _RANDOM or any(
        isinstance(one, OnnxGraph) for one in node.attributes.values()
    ):
        return []
    if not all(name in known for name in node.inputs if name):
        return []
    if any(known[name].dtype == object for name in node.inputs if name):
        return []
    inputs = [constant(known[name]) if name else None for name in node.inputs]
    try:
        results = run_node(node, rules, inputs, {})
    except UnsupportedError:
        return []  # refused when the graph runs, if it is needed at all
    if not all(isinstance(one, Array) for one in results):
        return []
    return list(results)


def _needed(graph: OnnxGraph, nodes: list[OnnxNode]) -> list[OnnxNode]:
    """Return the nodes on which the outputs depend."""
    wanted = {value.name for value in graph.outputs}
    kept = []
    for node in reversed(nodes):
        if wanted.intersection(node.outputs):
            wanted |= _read_by(node)
            kept.append(node)
    return kept[::-1]


def _used(graph: OnnxGraph, nodes: list[OnnxNode]) -> set[str]:
    names = {value.name for value in graph.outputs}
    for node in nodes:
        names |= _read_by(node)
    return names


def _read_by(node: OnnxNode) -> set[str]:
    """Return the names that a node reads, its graphs included."""
    names = {name for name in node.inputs if name}
    for value in node.attributes.values():
        if isinstance(value, OnnxGraph):
            names |= {output.name for output in value.outputs}
            for inner in value.nodes:
                names |= _read_by(inner)
    return names


def _weights(nodes: list[OnnxNode], known: Mapping[str, Any]) -> dict[str, Weight]:
    weights: dict[str, Weight] = {}
    for node in nodes:
        if node.domain:
            continue
        places: tuple[int, ...] = _PARAMETERS.get(node.operator, ())
        several = node.operator in _PERHAPS
        if several:
            places = tuple(range(len(node.inputs)))
        for place in places:
            name = node.inputs[place] if place < len(node.inputs) else ""
            value = known.get(name)
            if value is None or not dtypes.is_float(value.dtype):
                continue
            if several and math.prod(value.shape) < 2:
                continue
            trainable = place not in _FIXED.get(node.operator, ())
            weights.setdefault(name, Weight(value, trainable))
    return weights
