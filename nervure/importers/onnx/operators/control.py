"""Branches and loops: ``If``, ``Loop``, ``Scan``.

Where a condition or a number of steps is known they disappear; else they become
Nervure's own ``cond``, ``while_loop`` and ``scan``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nervure import ops
from nervure.array import Array
from nervure.control_flow import cond, scan, while_loop
from nervure.importers.onnx.records import OnnxGraph
from nervure.importers.onnx.running import Operation, Value, constant, is_known
from nervure.importers.onnx.table import operator

# Loops of up to so many steps are written out; more make a scan.
_MOST_UNROLLED = 16


@operator("If")
def branch(operation: Operation, condition: Array) -> Any:
    """Return the outputs of one of two graphs."""
    first = operation.subgraph("then_branch")
    second = operation.subgraph("else_branch")
    if is_known(condition):
        chosen = first if bool(condition.numpy().reshape(())) else second
        return tuple(chosen())
    return tuple(cond(ops.reshape(condition, ()), first, second))


@operator("Loop")
def loop(
    operation: Operation,
    count: Array | None = None,
    start: Array | None = None,
    *carried: Value,
) -> Any:
    """Repeat a graph, carrying values along and stacking others."""
    body = operation.subgraph("body")
    graph: OnnxGraph = operation.attribute("body")
    if count is not None and not is_known(count):
        operation.refuse("its number of steps is computed from the model's inputs")
    limit = None if count is None else int(count.numpy().reshape(()))
    stacked = len(graph.outputs) - 1 - len(carried)
    endless = start is None or (is_known(start) and bool(start.numpy().reshape(())))
    always = _always_continues(graph) and endless
    plain = all(isinstance(one, Array) for one in carried)
    if always and plain and limit is not None and limit > _MOST_UNROLLED:
        return _counted(body, limit, carried)
    if start is not None and not is_known(start):
        if stacked:
            operation.refuse("it stacks results, but how many is not known")
        return _open(body, limit, start, carried)
    return _unrolled(operation, body, limit, start, carried, stacked)


def _always_continues(graph: OnnxGraph) -> bool:
    """Tell whether the body hands its condition on, or sets it to true."""
    name = graph.outputs[0].name
    makers = {out: node for node in graph.nodes for out in node.outputs}
    while name in makers and makers[name].operator == "Identity":
        name = makers[name].inputs[0]
    if name == graph.inputs[1].name:
        return True
    node = makers.get(name)
    if node is not None and node.operator == "Constant":
        return bool(np.all(node.attributes.get("value", False)))
    return name in graph.initializers and bool(np.all(graph.initializers[name]))


def _counted(body: Any, limit: int, carried: Any) -> tuple[Any, ...]:
    true = constant(np.asarray(True))
    number = len(carried)

    def step(state: Any, place: Array) -> tuple[Any, Any]:
        results = body(place, true, *state)
        return results[1 : 1 + number], results[1 + number :]

    last, rows = scan(step, list(carried), ops.arange(limit))
    return (*last, *rows)


def _open(
    body: Any, limit: int | None, start: Array, carried: Any, steps: int = 0
) -> tuple[Any, ...]:
    """Write a loop that ends by its values, after some steps were written out."""

    def proceed(place: Array, go: Array, *_state: Array) -> Array:
        return go

    def step(place: Array, go: Array, *state: Array) -> Any:
        results = body(place, go, *state)
        return (place + 1, ops.reshape(results[0], ()), *results[1:])

    first = (ops.asarray(steps), ops.reshape(start, ()), *carried)
    most = None if limit is None else limit - steps
    return tuple(while_loop(proceed, step, first, most)[2:])


def _unrolled(
    operation: Operation,
    body: Any,
    limit: int | None,
    start: Array | None,
    carried: Any,
    stacked: int,
) -> tuple[Any, ...]:
    rows: list[list[Array]] = [[] for _ in range(stacked)]
    state = list(carried)
    go, place = start, 0
    while limit is None or place < limit:
        if go is not None:
            if not is_known(go) and not stacked:
                return _open(body, limit, go, state, place)
            if not is_known(go):
                operation.refuse("whether it goes on depends on the model's inputs")
            if not bool(go.numpy().reshape(())):
                break
        given = constant(np.asarray(True)) if go is None else go
        results = body(constant(np.asarray(place, np.int64)), given, *state)
        go = None if start is None and limit is not None else results[0]
        state = results[1 : 1 + len(state)]
        for row, one in zip(rows, results[1 + len(state) :], strict=True):
            row.append(one)
        place += 1
    if not place and stacked:
        operation.refuse("it takes no step, so the shape of its results is not known")
    return (*state, *(ops.stack(row) for row in rows))


@operator("Scan", since=8)
def scanned(operation: Operation, *inputs: Any) -> Any:
    """Call a graph for every entry of some arrays, carrying values along."""
    body = operation.subgraph("body")
    count = operation.attribute("num_scan_inputs")
    if operation.version < 9:
        return _scanned_by_batch(operation, body, count, inputs)
    split = len(inputs) - count
    graph: OnnxGraph = operation.attribute("body")
    results = len(graph.outputs) - split
    axes = operation.attribute("scan_input_axes") or [0] * count
    backwards = operation.attribute("scan_input_directions") or [0] * count
    rows = []
    for x, axis, backward in zip(inputs[split:], axes, backwards, strict=True):
        moved = ops.moveaxis(x, axis, 0)
        rows.append(ops.flip(moved, axis=0) if backward else moved)
    state, stacks = _run(body, inputs[:split], rows)
    out_axes = operation.attribute("scan_output_axes") or [0] * results
    reversed_ = operation.attribute("scan_output_directions") or [0] * results
    outputs = []
    for stack, axis, backward in zip(stacks, out_axes, reversed_, strict=True):
        turned = ops.flip(stack, axis=0) if backward else stack
        outputs.append(ops.moveaxis(turned, 0, axis))
    return (*state, *outputs)


def _run(body: Any, first: Any, rows: Any) -> tuple[Any, Any]:
    number = len(first)

    def step(state: Any, row: Any) -> tuple[Any, Any]:
        results = body(*state, *row)
        return results[:number], results[number:]

    return scan(step, list(first), list(rows))


def _scanned_by_batch(
    operation: Operation, body: Any, count: int, inputs: Any
) -> tuple[Any, ...]:
    """Version 8: the first axis of everything is a batch, the second is scanned."""
    lengths, *values = inputs
    if lengths is not None or any(operation.attribute("directions") or ()):
        operation.refuse("Nervure reads its version 8 with whole sequences only")
    split = len(values) - count
    outputs: list[list[Any]] = []
    for place in range(values[0].shape[0]):
        row = [one[place] for one in values]
        state, stacks = _run(body, row[:split], row[split:])
        outputs.append([*state, *stacks])
    return tuple(ops.stack(column) for column in zip(*outputs, strict=True))
