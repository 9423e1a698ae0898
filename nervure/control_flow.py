"""Branches and loops that are part of the graph: one body for any number of steps.

The signatures are those of ``keras.ops`` and ``jax.lax``.  Python's own ``if``, ``for``
and ``while`` work as well wherever values exist, but inside :func:`nervure.compile`
they are unrolled into the graph, and a condition on values cannot be asked for.

Functions may close over arrays and weights, and may write cells: what a body does to a
random generator or a running mean is carried from step to step.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

from nervure import dtypes, ops, tree
from nervure.array import Array
from nervure.errors import ArgumentError, ShapeError, explain, require_function
from nervure.ir.bodies import closed
from nervure.ir.node import Node
from nervure.ops.operands import as_node, is_weak
from nervure.prims import control
from nervure.prims import scan as scan_primitive
from nervure.prims import while_loop as while_primitive
from nervure.prims.leaf import input_leaf, iota
from nervure.state import Cell
from nervure.tracing import TracedBody, arrays_of, captured, fresh_leaves, traced

__all__ = [
    "associative_scan",
    "cond",
    "fori_loop",
    "map",
    "scan",
    "switch",
    "while_loop",
]

Function = Callable[..., Any]


# --- branches ------------------------------------------------------------------------


def cond(pred: Any, true_fn: Function, false_fn: Function, *operands: Any) -> Any:
    """Return ``true_fn(*operands)`` or ``false_fn(*operands)``, as a value decides.

    Parameters
    ----------
    pred
        A truth value of shape ``[]``; numbers are true unless they are zero.
    true_fn, false_fn
        Return trees of arrays of the same structure, shapes and data types.  Both are
        traced; only the chosen one runs.
    operands
        Trees of arrays; the functions may also close over arrays.

    Raises
    ------
    ShapeError
        When the two return different structures or types.

    >>> import nervure as nv
    >>> x = nv.asarray(3.0)
    >>> nv.cond(x > 2, lambda: x * 10, lambda: x).item()
    30.0
    """
    index = as_node(pred)
    if not dtypes.is_bool(index.dtype):
        index = ops.not_equal(Array.of_node(index), 0).node
    return _branch("cond", index, [false_fn, true_fn], operands)


def switch(index: Any, branches: Sequence[Function], *operands: Any) -> Any:
    """Return ``branches[index](*operands)``; a place outside is the nearest one.

    Raises
    ------
    ArgumentError
        For no branches, and for an index that is no whole number.

    >>> import nervure as nv
    >>> nv.switch(1, [nv.sin, lambda x: x + 1], nv.asarray(3.0)).item()
    4.0
    """
    if not branches:
        raise ArgumentError(
            explain(
                "switch: expected at least one branch",
                fix="pass a list of functions, one for each value of the index",
            )
        )
    node = as_node(index)
    if not dtypes.is_integer(node.dtype):
        raise ArgumentError(
            explain(
                f"switch: expected a whole number, got {node.type_text}",
                fix="convert the index with .astype('int64')",
            )
        )
    return _branch("switch", node, branches, operands)


def _branch(
    name: str, index: Node, functions: Sequence[Function], operands: Sequence[Any]
) -> Any:
    flat, structure = tree.flatten(list(operands))
    given = [as_node(leaf) for leaf in flat]
    bodies = []
    for function in functions:
        leaves = fresh_leaves(given, "operand")
        arguments = tree.unflatten(structure, arrays_of(leaves))
        bodies.append(traced(function, leaves, arguments))
    _same_structure(name, bodies)
    outputs = _alike([body.results for body in bodies])
    cells = list(dict.fromkeys(c for body in bodies for c in body.cell_leaves))
    written = list(dict.fromkeys(c for body in bodies for c in body.cell_results))
    for body, results in zip(bodies, outputs, strict=True):
        for cell in cells:
            if cell not in body.cell_leaves:
                (body.cell_leaves[cell],) = fresh_leaves([cell.value.node], "state")
        results += [
            body.cell_results.get(cell, body.cell_leaves[cell]) for cell in written
        ]
    inputs = [
        [*body.leaves, *(body.cell_leaves[cell] for cell in cells)] for body in bodies
    ]
    lifted = list(
        dict.fromkeys(
            node
            for results, leaves in zip(outputs, inputs, strict=True)
            for node in captured(results, leaves)
        )
    )
    graphs = [
        closed(results, [*leaves, *lifted])
        for results, leaves in zip(outputs, inputs, strict=True)
    ]
    values = [cell.value.node for cell in cells]
    count = len(bodies[0].results)
    if not outputs[0]:
        return tree.unflatten(bodies[0].structure, [])
    found = control.cond(index, graphs, [*given, *values, *lifted])
    parts = arrays_of(control.parts_of(found))
    for cell, array in zip(written, parts[count:], strict=True):
        cell.value = array
    return tree.unflatten(bodies[0].structure, parts[:count])


def _same_structure(name: str, bodies: Sequence[TracedBody]) -> None:
    for place, body in enumerate(bodies):
        if body.structure != bodies[0].structure:
            raise ShapeError(
                explain(
                    f"{name}: the branches return different structures: "
                    f"{bodies[0].structure} and {body.structure} (branch {place})",
                    fix="return the same nesting of arrays from every branch",
                )
            )


def _alike(columns: Sequence[Sequence[Any]]) -> list[list[Node]]:
    """Return results as nodes; Python numbers take the type of their counterparts."""
    rows = []
    for row in zip(*columns, strict=True):
        known = [as_node(one).dtype for one in row if not is_weak(one)]
        dtype = known[0] if known else None
        rows.append([as_node(one, dtype) if is_weak(one) else as_node(one)
                     for one in row])  # fmt: skip
    return [[row[place] for row in rows] for place in range(len(columns))]


# --- loops of a known length ---------------------------------------------------------


def scan(
    f: Function,
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
    unroll: int | bool = 1,
) -> tuple[Any, Any]:
    """Call ``f`` for every entry of ``xs``, carrying values along.

    Parameters
    ----------
    f
        ``carry, y = f(carry, x)``: the carry keeps its structure and types, ``y`` is
        what to stack (a tree of arrays, or None).
    init
        The first carry, a tree of arrays.
    xs
        A tree of arrays whose first axes have one length; ``x`` is one entry of each.
        None: ``x`` is None, and ``length`` says how often.
    reverse
        Whether to go from the last entry to the first.
    unroll
        True, or a number not below the length, writes every step into the graph by
        itself, which may be faster for a few cheap steps.  Other numbers are a hint
        that changes nothing.

    Returns
    -------
    The last carry, and the stacked ``y``: entry ``i`` belongs to entry ``i`` of ``xs``.

    Derivatives in both modes; the gradient is a scan in the other direction that reads
    values saved on the way.

    >>> import nervure as nv
    >>> total, sums = nv.scan(lambda c, x: (c + x, c + x), 0.0, nv.asarray([1.0, 2.0]))
    >>> total.item(), sums.tolist()
    (3.0, [1.0, 3.0])
    """
    require_function("scan", f)
    carried, carry_structure = tree.flatten(init)
    flat, structure = tree.flatten(xs)
    slices = [as_node(leaf) for leaf in flat]
    count = _length(slices, length)
    state = [as_node(leaf) for leaf in carried]
    if unroll is True or (not isinstance(unroll, bool) and unroll >= count > 0):
        return _unrolled(f, init, tree.unflatten(structure, arrays_of(slices)), count,
                         reverse)  # fmt: skip
    leaves = fresh_leaves(state, "carry")
    entries = [
        Array.of_node(input_leaf(node.shape[1:], node.dtype, "entry"))
        for node in slices
    ]
    x = tree.unflatten(structure, entries)
    carry = tree.unflatten(carry_structure, arrays_of(leaves))
    body = traced(lambda: _pair(f(carry, x)), leaves, ())
    return _scanned(body, state, slices, entries, (carry_structure, count, reverse))


def _pair(result: Any) -> tuple[Any, Any]:
    if not isinstance(result, tuple | list) or len(result) != 2:
        raise ArgumentError(
            explain(
                "scan: expected the function to return (carry, y), got "
                f"{type(result).__name__}",
                fix="return (carry, None) if there is nothing to stack",
            )
        )
    return result[0], result[1]


def _length(slices: Sequence[Node], length: int | None) -> int:
    found = {node.shape[0] if node.shape else None for node in slices}
    if length is not None:
        found.add(operator.index(length))
    if len(found) != 1 or None in found:
        shown = ", ".join(node.type_text for node in slices) or "nothing to scan"
        raise ShapeError(
            explain(
                f"scan: expected arrays of one length along the first axis, got {shown}"
                + (f" and length={length}" if length is not None else ""),
                fix=None if slices else "give length=...",
            )
        )
    (count,) = found
    assert count is not None
    return count


def _scanned(
    body: TracedBody,
    state: Sequence[Node],
    slices: Sequence[Node],
    entries: Sequence[Array],
    how: tuple[tree.Structure, int, bool],
) -> tuple[Any, Any]:
    """Write the scan node of a body that was traced."""
    carry_structure, count, reverse = how
    returned, stacked = body.structure.children
    _same_carry("scan", carry_structure, returned)
    split = returned.leaf_count
    new = _carried("scan", body.results[:split], body.leaves)
    outputs = [as_node(one) for one in body.results[split:]]
    written, read = _cells(body)
    inputs = [*body.leaves, *(body.cell_leaves[cell] for cell in written)]
    read_leaves = [body.cell_leaves[cell] for cell in read]
    results = [*new, *(body.cell_results[cell] for cell in written), *outputs]
    entry_leaves = [entry.node for entry in entries]
    lifted = captured(results, [*inputs, *read_leaves, *entry_leaves])
    if not results:
        return tree.unflatten(returned, []), tree.unflatten(stacked, [])
    found = scan_primitive.scan(
        closed(results, [*inputs, *read_leaves, *lifted, *entry_leaves]),
        [
            *state,
            *(cell.value.node for cell in (*written, *read)),
            *lifted,
            *slices,
        ],
        len(inputs),
        len(read) + len(lifted),
        count,
        reverse,
    )
    parts = arrays_of(control.parts_of(found))
    for cell, array in zip(written, parts[split : len(inputs)], strict=True):
        cell.value = array
    return (
        tree.unflatten(returned, parts[:split]),
        tree.unflatten(stacked, parts[len(inputs) :]),
    )


def _cells(body: TracedBody) -> tuple[list[Cell], list[Cell]]:
    """Return the cells that a body writes, and those that it only reads."""
    read = [cell for cell in body.cell_leaves if cell not in body.cell_results]
    return list(body.cell_results), read


def _same_carry(name: str, given: tree.Structure, returned: tree.Structure) -> None:
    if given != returned:
        raise ShapeError(
            explain(
                f"{name}: the values that go from step to step changed their structure "
                f"from {given} to {returned}",
                fix="return them in the nesting in which they came",
            )
        )


def _carried(name: str, results: Sequence[Any], leaves: Sequence[Node]) -> list[Node]:
    """Return new values of the types of the old; Python numbers take their type."""
    nodes = []
    for place, (result, leaf) in enumerate(zip(results, leaves, strict=True)):
        node = as_node(result, leaf.dtype) if is_weak(result) else as_node(result)
        if (node.shape, node.dtype) != (leaf.shape, leaf.dtype):
            raise ShapeError(
                explain(
                    f"{name}: value {place} that goes from step to step changed from "
                    f"{leaf.type_text} to {node.type_text}",
                    made_at=str(node.site),
                    fix="give the first value the shape and type that the function "
                    "returns",
                )
            )
        nodes.append(node)
    return nodes


def _unrolled(
    f: Function, init: Any, xs: Any, count: int, reverse: bool
) -> tuple[Any, Any]:
    carry, stacked = init, []
    steps = range(count)
    for step in reversed(steps) if reverse else steps:
        x = tree.map_leaves(operator.itemgetter(step), xs)
        carry, y = _pair(f(carry, x))
        stacked.append(y)
    ordered = stacked[::-1] if reverse else stacked
    together = tree.map_leaves(lambda *ys: ops.stack(_as_arrays(ys)), *ordered)
    return tree.map_leaves(lambda one: Array.of_node(as_node(one)), carry), together


def _as_arrays(values: Sequence[Any]) -> list[Array]:
    """Return values as arrays."""
    return [Array.of_node(as_node(value)) for value in values]


def map(f: Function, xs: Any) -> Any:
    """Return ``f`` of every entry along the first axis of ``xs``, stacked.

    Unlike an operation on whole arrays, entries are computed one after the other.

    >>> import nervure as nv
    >>> nv.map(lambda x: nv.sum(x), nv.asarray([[1.0, 2.0], [3.0, 4.0]])).tolist()
    [3.0, 7.0]
    """
    return scan(lambda _, x: ((), f(x)), (), xs)[1]


def fori_loop(lower: Any, upper: Any, body_fun: Function, init_val: Any) -> Any:
    """Return the last of ``val = body_fun(i, val)`` for ``i`` from lower to upper - 1.

    With Python numbers for the bounds it is a :func:`scan`, which has derivatives in
    both modes; with arrays it is a :func:`while_loop`.

    >>> import nervure as nv
    >>> nv.fori_loop(0, 5, lambda i, x: x * 2, nv.asarray(1.0)).item()
    32.0
    """
    if isinstance(lower, int) and isinstance(upper, int):
        count = max(upper - lower, 0)
        if count == 0:
            return tree.map_leaves(lambda one: Array.of_node(as_node(one)), init_val)
        steps = Array.of_node(iota((count,), 0)) + lower
        return scan(lambda value, i: (body_fun(i, value), None), init_val, steps)[0]
    first = ops.asarray(lower)
    last = ops.astype(ops.asarray(upper), first.dtype)
    return while_loop(
        lambda i, _: i < last,
        lambda i, value: (i + 1, body_fun(i, value)),
        (first, init_val),
    )[1]


def associative_scan(
    f: Function, elems: Any, reverse: bool = False, axis: int = 0
) -> Any:
    """Return the running results of an associative function, in few large steps.

    Parameters
    ----------
    f
        ``f(a, b)`` combines two trees of arrays, entry by entry along ``axis``; it must
        be associative: ``f(f(a, b), c) == f(a, f(b, c))``.
    elems
        A tree of arrays of one length along ``axis``.
    reverse
        Whether to combine from the end.

    Returns
    -------
    A tree like ``elems``; entry ``i`` combines the entries up to ``i``.  It takes about
    twice the logarithm of the length in calls of ``f``, each on long arrays (Blelloch,
    "Prefix sums and their applications", 1990).

    Raises
    ------
    ShapeError
        For arrays whose first axes differ in size.

    >>> import nervure as nv
    >>> nv.associative_scan(nv.add, nv.asarray([1.0, 2.0, 3.0])).tolist()
    [1.0, 3.0, 6.0]
    """
    leaves, structure = tree.flatten(elems)
    arrays = [ops.moveaxis(array, axis, 0) for array in _as_arrays(leaves)]
    if len({len(array) for array in arrays}) > 1:
        raise ShapeError(
            explain(
                "associative_scan: expected arrays of one length",
                fix="all arrays are scanned together, so their first axes must be "
                "equal",
            )
        )
    if reverse:
        arrays = [ops.flip(array, axis=0) for array in arrays]

    def combined(a: list[Array], b: list[Array]) -> list[Array]:
        both = (a, b) if not reverse else (b, a)
        trees = [tree.unflatten(structure, _moved(one, 0, axis)) for one in both]
        return _moved(tree.flatten(f(*trees))[0], axis, 0)

    result = _running(combined, arrays)
    if reverse:
        result = [ops.flip(array, axis=0) for array in result]
    return tree.unflatten(structure, _moved(result, 0, axis))


def _moved(arrays: Sequence[Any], source: int, target: int) -> list[Array]:
    return [ops.moveaxis(array, source, target) for array in _as_arrays(arrays)]


def _running(
    combined: Callable[[list[Array], list[Array]], list[Array]], arrays: list[Array]
) -> list[Array]:
    """Combine pairs, find the running results of these, and fill in the others.

    The depth is the logarithm of the length.
    """
    count = arrays[0].shape[0] if arrays else 0
    if count < 2:
        return arrays
    pairs = combined(
        [array[0 : count - 1 : 2] for array in arrays],
        [array[1:count:2] for array in arrays],
    )
    odd = _running(combined, pairs)
    before = odd if count % 2 else [array[:-1] for array in odd]
    even = [array[:1] for array in arrays]
    if count > 2:
        rest = combined(before, [array[2:count:2] for array in arrays])
        even = [ops.concat([a, b]) for a, b in zip(even, rest, strict=True)]
    return [_interleaved(a, b) for a, b in zip(even, odd, strict=True)]


def _interleaved(even: Array, odd: Array) -> Array:
    """Return even[0], odd[0], even[1], ...; there may be one more of the even ones."""
    count = odd.shape[0]
    both = ops.stack([even[:count], odd], axis=1)
    joined = ops.reshape(both, (2 * count, *even.shape[1:]))
    if even.shape[0] > count:
        return ops.concat([joined, even[count:]])
    return joined


# --- loops of an unknown length ------------------------------------------------------


def while_loop(
    cond: Function,
    body: Function,
    loop_vars: Any,
    maximum_iterations: int | None = None,
) -> Any:
    """Repeat ``loop_vars = body(*loop_vars)`` while ``cond(*loop_vars)`` is true.

    Parameters
    ----------
    cond
        Returns a truth value of shape ``[]``.
    body
        Returns the new values, of the same structure and types.
    loop_vars
        A list or tuple, whose elements become the arguments; anything else (one array,
        a dict) is passed as one argument, as in Keras.
    maximum_iterations
        At most so many steps.  Needed for gradients in reverse mode, which then take
        that many steps; forward mode (:func:`nervure.jvp`) needs none.

    Raises
    ------
    GradientError
        When it is differentiated in reverse without ``maximum_iterations``.

    >>> import nervure as nv
    >>> n, x = nv.while_loop(lambda n, x: n > 0, lambda n, x: (n - 1, x * 2), (3, 1.0))
    >>> x.item()
    8.0
    """
    several = isinstance(loop_vars, list | tuple)
    flat, structure = tree.flatten(loop_vars)
    state = [as_node(leaf) for leaf in flat]
    leaves = fresh_leaves(state, "loop variable")

    def called(function: Function) -> TracedBody:
        arguments = tree.unflatten(structure, arrays_of(leaves))
        return traced(function, leaves, list(arguments) if several else [arguments])

    step, question = called(body), called(cond)
    if question.cell_results:
        raise ArgumentError(
            explain(
                "while_loop: the condition must not change any variable",
                fix="change it in the body, or carry its value through the loop",
            )
        )
    if several and len(flat) == 1 and step.structure == tree.LEAF:
        step.structure = structure
    if several and step.structure.kind in (list, tuple):  # one is as good as the other
        step.structure = step.structure._replace(kind=structure.kind)
    _same_carry("while_loop", structure, step.structure)
    new = _carried("while_loop", step.results, leaves)
    going_on = question.nodes()
    if len(going_on) != 1:
        raise ArgumentError(
            explain(
                "while_loop: expected the condition to return one array",
                fix="return one truth value, such as nervure.all(x > 0)",
            )
        )
    written, read = _cells(step)
    read += [cell for cell in question.cell_leaves if cell not in step.cell_leaves]
    for cell in (*written, *read):
        for one in (step, question):
            if cell not in one.cell_leaves:
                (one.cell_leaves[cell],) = fresh_leaves([cell.value.node], "state")
    results = [*new, *(step.cell_results[cell] for cell in written)]
    inputs = [[*leaves, *(one.cell_leaves[cell] for cell in (*written, *read))]
              for one in (step, question)]  # fmt: skip
    lifted = list(dict.fromkeys(
        [*captured(results, inputs[0]), *captured(going_on, inputs[1])]
    ))  # fmt: skip
    values = [cell.value.node for cell in (*written, *read)]
    found = while_primitive.while_loop(
        closed(going_on, [*inputs[1], *lifted]),
        closed(results, [*inputs[0], *lifted]),
        [*state, *values, *lifted],
        len(results),
        maximum_iterations,
    )
    parts = arrays_of(control.parts_of(found))
    for cell, array in zip(written, parts[len(state) :], strict=True):
        cell.value = array
    return tree.unflatten(structure, parts[: len(state)])
