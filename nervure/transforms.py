"""Functions that differentiate functions.

They all rest on :func:`nervure.autodiff.reverse`.  Arguments and results may be nested
dicts, lists and tuples of arrays.  The function is called once, on stand-ins for its
arguments, so Python's ``if`` and ``while`` may look at values.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from nervure import autodiff, dtypes, tree
from nervure.array import Array
from nervure.errors import GradientError, ShapeError, explain, require_function
from nervure.evaluation import bind_source
from nervure.ir.build import origin_of
from nervure.ir.graph import substitute
from nervure.ir.node import Node
from nervure.ops.operands import as_node
from nervure.prims import annotate
from nervure.prims.leaf import full_like, input_leaf
from nervure.state import Cell

Function = Callable[..., Any]


class _StandIns:
    """Fresh leaves for the arguments that are differentiated.

    A closure may mention the very array that is also passed as an argument; only the
    argument is to be differentiated.  So the function sees a leaf of its own for it,
    which is replaced by the real node in the result.
    """

    def __init__(self, values: Sequence[Any], what: str) -> None:
        self.originals: list[Node] = []
        self.leaves: list[Node] = []
        self.arrays: list[Array] = []
        for place, value in enumerate(values):
            array = value if isinstance(value, Array) else Array.of_node(as_node(value))
            _check_smooth(array, place, what)
            self._add(array)

    def _add(self, array: Array) -> None:
        leaf = input_leaf(array.shape, array.dtype, "argument")
        bind_source(leaf, array.result)
        self.originals.append(array.node)
        self.leaves.append(leaf)
        self.arrays.append(Array.of_node(leaf))

    def given_to(
        self, function: Function, structure: tree.Structure
    ) -> tuple[list[Node], tree.Structure]:
        """Return what a function makes of them, as nodes, and its structure."""
        result = function(*tree.unflatten(structure, self.arrays))
        results, result_structure = tree.flatten(result)
        return [as_node(leaf) for leaf in results], result_structure

    def resolve(self, nodes: Sequence[Node]) -> list[Array]:
        """Return arrays of ``nodes`` with the real arguments in place."""
        replacement = dict(zip(self.leaves, self.originals, strict=True))
        return [Array.of_node(node) for node in substitute(nodes, replacement)]


def _check_smooth(array: Array, place: int, what: str) -> None:
    if not dtypes.is_float(array.dtype):
        raise GradientError(
            explain(
                f"{what}: cannot differentiate with respect to whole numbers or truth "
                "values",
                operands=[(f"leaf {place}", array.node.type_text,
                           origin_of(array.node))],
                fix="convert the argument with .astype('float32') first",
            )
        )  # fmt: skip


def _scalar_output(value: Any, what: str) -> Array:
    """Return the result of a function that is to have a gradient."""
    if not isinstance(value, Array):
        raise GradientError(
            explain(
                f"{what} expects the function to return one array, got "
                f"{type(value).__name__}",
                fix="return the loss; with has_aux=True, return (loss, anything else)",
            )
        )
    if value.shape != ():
        raise GradientError(
            explain(
                f"{what} expects a function with a single number as its result, got "
                f"shape {list(value.shape)}",
                fix="reduce it with nervure.sum or nervure.mean, or use jacobian",
            )
        )
    if not dtypes.is_float(value.dtype):
        raise GradientError(
            explain(
                f"{what} expects a floating-point result, got {value.dtype.name}",
                fix="convert it inside the function, with .astype('float32')",
            )
        )
    return value


def _argument_places(argnums: int | Sequence[int], count: int) -> tuple[int, ...]:
    places = (argnums,) if isinstance(argnums, int) else tuple(argnums)
    for place in places:
        if not -count <= place < count:
            raise GradientError(
                explain(
                    f"argnums={argnums} names argument {place}, but the function was "
                    f"called with {count}",
                    fix="arguments count from 0, and keyword arguments do not count",
                )
            )
    return tuple(place % count for place in places)


def _or_zero(node: Node | None, like: Node) -> Node:
    return full_like(like, 0) if node is None else node


def value_and_grad(
    function: Function, argnums: int | Sequence[int] = 0, has_aux: bool = False
) -> Function:
    """Return a function that computes ``function`` and its gradient.

    Parameters
    ----------
    function
        Returns a floating-point array of shape ``[]``; with ``has_aux``, a pair of it
        and anything else.
    argnums
        Which positional arguments to differentiate; each may be a tree of
        floating-point arrays.

    Returns
    -------
    A function with the same arguments that returns ``(value, gradient)``; the gradient
    has the structure of the argument (a tuple of them for several ``argnums``).
    Arguments on which the value does not depend have the gradient zero.

    Raises
    ------
    GradientError
        For an argument of whole numbers, or a result that is not a single number.

    >>> import nervure as nv
    >>> value, gradient = nv.value_and_grad(lambda x: nv.sum(x ** 2))(nv.asarray([3.0]))
    >>> float(value), gradient.tolist()
    (9.0, [6.0])
    """
    require_function("grad", function)

    @functools.wraps(function)
    def differentiated(*args: Any, **kwargs: Any) -> Any:
        places = _argument_places(argnums, len(args))
        leaves, structure = tree.flatten([args[place] for place in places])
        stand_ins = _StandIns(leaves, "grad")
        replaced = list(args)
        for place, tree_ in zip(
            places, tree.unflatten(structure, stand_ins.arrays), strict=True
        ):
            replaced[place] = tree_
        result = function(*replaced, **kwargs)
        value, aux = result if has_aux else (result, None)
        output = _scalar_output(value, "grad").node
        found = autodiff.reverse([output], [full_like(output, 1)], stand_ins.leaves)
        nodes = [
            _or_zero(node, leaf)
            for node, leaf in zip(found, stand_ins.leaves, strict=True)
        ]
        aux_leaves, aux_structure = tree.flatten(aux)
        aux_nodes = [as_node(leaf) for leaf in aux_leaves]
        value, *rest = stand_ins.resolve([output, *nodes, *aux_nodes])
        gradients = tree.unflatten(structure, rest[: len(nodes)])
        gradient = gradients[0] if isinstance(argnums, int) else tuple(gradients)
        if not has_aux:
            return value, gradient
        return (value, tree.unflatten(aux_structure, rest[len(nodes) :])), gradient

    return differentiated


def grad(
    function: Function, argnums: int | Sequence[int] = 0, has_aux: bool = False
) -> Function:
    """Return a function that computes the gradient of ``function``.

    Like :func:`value_and_grad`, without the value; with ``has_aux`` it returns
    ``(gradient, aux)``.

    >>> import nervure as nv
    >>> nv.grad(nv.grad(lambda x: x ** 3))(nv.asarray(2.0)).item()
    12.0
    """
    both = value_and_grad(function, argnums, has_aux)

    @functools.wraps(function)
    def differentiated(*args: Any, **kwargs: Any) -> Any:
        value, gradient = both(*args, **kwargs)
        return (gradient, value[1]) if has_aux else gradient

    return differentiated


def gradients(ys: Any, xs: Any, grad_ys: Any = None) -> Any:
    """Return the derivatives of already computed arrays, as TensorFlow's function does.

    Parameters
    ----------
    ys
        An array or a tree of arrays; several are added up.
    xs
        A tree of arrays that ``ys`` were computed from: parameters, or any array on
        the way.  An array that depends on no parameter forgets how it was computed
        once somebody has looked at it.
    grad_ys
        Cotangents of ``ys``, ones by default.

    Returns
    -------
    Arrays in the structure of ``xs``; zeros where ``ys`` do not depend on one.

    Raises
    ------
    GradientError
        If one of ``ys`` remembers no operations, or something is not an array of
        floating-point numbers.

    >>> import nervure as nv
    >>> a = nv.parameter([1.0, 2.0], name="a")
    >>> (da,) = nv.gradients(nv.sum(a * a), [a])
    >>> da.tolist()
    [2.0, 4.0]
    """
    outputs = [_array(leaf, "ys").node for leaf in tree.flatten(ys)[0]]
    leaves, structure = tree.flatten(xs)
    arrays = [_array(leaf, "xs") for leaf in leaves]
    for place, array in enumerate(arrays):
        _check_smooth(array, place, "gradients")
    _check_remembered(outputs, [array.node for array in arrays])
    if grad_ys is None:
        cotangents = [full_like(output, 1) for output in outputs]
    else:
        cotangents = _cotangents(grad_ys, outputs, "gradients")
    smooth = [
        (output, cotangent)
        for output, cotangent in zip(outputs, cotangents, strict=True)
        if dtypes.is_float(output.dtype)
    ]
    found = autodiff.reverse(
        [output for output, _ in smooth],
        [cotangent for _, cotangent in smooth],
        [array.node for array in arrays],
    )
    result = [
        Array.of_node(_or_zero(node, array.node))
        for node, array in zip(found, arrays, strict=True)
    ]
    return tree.unflatten(structure, result)


def _check_remembered(outputs: Sequence[Node], wanted: Sequence[Node]) -> None:
    """Refuse plain data as results: their gradients would be zero without a word."""
    for output in outputs:
        is_data = output.buffer is not None and not output.buffer.parameter
        if is_data and output not in wanted:
            raise GradientError(
                explain(
                    "gradients expects ys to be computed from xs, got an array that "
                    "remembers no operations: it is data, or it depends on no "
                    "parameter and somebody has looked at it",
                    fix="make xs with nervure.parameter, ask before you look at ys, "
                    "or differentiate a function with nervure.grad",
                )
            )


def _array(value: Any, what: str) -> Array:
    if isinstance(value, Cell):
        value = value.value
    if not isinstance(value, Array):
        raise GradientError(
            explain(
                f"gradients expects {what} to hold Nervure arrays, got "
                f"{type(value).__name__}",
                fix="make parameters with nervure.parameter and compute with them",
            )
        )
    return value


def _cotangents(values: Any, outputs: Sequence[Node], what: str) -> list[Node]:
    """Return given cotangents as nodes of the outputs' types."""
    leaves, _ = tree.flatten(values)
    if len(leaves) != len(outputs):
        raise GradientError(
            explain(
                f"{what} expects {len(outputs)} cotangents, got {len(leaves)}",
                fix="pass one cotangent for each result of the function",
            )
        )
    nodes = [
        as_node(leaf, output.dtype)
        for leaf, output in zip(leaves, outputs, strict=True)
    ]
    for node, output in zip(nodes, outputs, strict=True):
        if node.shape != output.shape:
            raise ShapeError(
                explain(
                    f"{what} expects a cotangent of shape {list(output.shape)}, got "
                    f"{list(node.shape)}",
                    fix="give it the shape of the value that it belongs to",
                )
            )
    return nodes


def vjp(function: Function, *primals: Any) -> tuple[Any, Function]:
    """Return ``function(*primals)`` and the map from its cotangents to the primals'.

    >>> import nervure as nv
    >>> y, pull = nv.vjp(lambda x: x * x, nv.asarray([1.0, 2.0]))
    >>> pull(nv.asarray([1.0, 10.0]))[0].tolist()
    [2.0, 40.0]
    """
    leaves, structure = tree.flatten(list(primals))
    stand_ins = _StandIns(leaves, "vjp")
    outputs, result_structure = stand_ins.given_to(function, structure)

    def pull(cotangents: Any) -> tuple[Any, ...]:
        """Return the cotangents of the primals."""
        nodes = _cotangents(cotangents, outputs, "vjp")
        found = autodiff.reverse(outputs, nodes, stand_ins.leaves)
        filled = [
            _or_zero(node, leaf)
            for node, leaf in zip(found, stand_ins.leaves, strict=True)
        ]
        return tuple(tree.unflatten(structure, stand_ins.resolve(filled)))

    values = stand_ins.resolve(outputs)
    return tree.unflatten(result_structure, values), pull


def jvp(
    function: Function, primals: Sequence[Any], tangents: Sequence[Any]
) -> tuple[Any, Any]:
    """Return ``function(*primals)`` and its change along ``tangents``.

    >>> import nervure as nv
    >>> y, change = nv.jvp(nv.sin, [nv.asarray(0.0)], [nv.asarray(2.0)])
    >>> change.item()
    2.0
    """
    leaves, structure = tree.flatten(list(primals))
    stand_ins = _StandIns(leaves, "jvp")
    outputs, result_structure = stand_ins.given_to(function, structure)
    directions = _cotangents(list(tangents), stand_ins.leaves, "jvp")
    changes = autodiff.forward(outputs, stand_ins.leaves, directions)
    values = stand_ins.resolve([*outputs, *changes])
    return (
        tree.unflatten(result_structure, values[: len(outputs)]),
        tree.unflatten(result_structure, values[len(outputs) :]),
    )


def jacobian(function: Function, argnums: int = 0) -> Function:
    """Return a function that computes all first derivatives.

    For a result of shape ``[*R]`` and an argument of shape ``[*A]`` the Jacobian has
    shape ``[*R, *A]``.  It takes one reverse pass for each element of the result.

    Raises
    ------
    GradientError
        When the function returns several arrays, or whole numbers.

    >>> import nervure as nv
    >>> nv.jacobian(lambda x: x * x)(nv.asarray([1.0, 2.0])).tolist()
    [[2.0, 0.0], [0.0, 4.0]]
    """

    @functools.wraps(function)
    def differentiated(*args: Any, **kwargs: Any) -> Any:
        from nervure import ops

        (place,) = _argument_places(argnums, len(args))

        def partial(argument: Any) -> Any:
            return function(*args[:place], argument, *args[place + 1 :], **kwargs)

        value, pull = vjp(partial, args[place])
        if not isinstance(value, Array):
            raise GradientError(
                explain(
                    "jacobian expects the function to return one array",
                    fix="return one array, or join several with nervure.concat",
                )
            )
        basis = np.eye(value.size, dtype=value.dtype).reshape(-1, *value.shape)
        rows = [pull(Array.of_node(as_node(direction)))[0] for direction in basis]

        def assemble(*parts: Array) -> Array:
            shape = (*value.shape, *parts[0].shape)
            return ops.reshape(ops.stack(parts), shape)

        if not rows:
            return tree.map_leaves(
                lambda leaf: ops.zeros((*value.shape, *leaf.shape), dtype=leaf.dtype),
                args[place],
            )
        return tree.map_leaves(assemble, *rows)

    return differentiated


def hessian(function: Function, argnums: int = 0) -> Function:
    """Return a function that computes all second derivatives of a single number.

    For an argument of shape ``[*A]`` the result has shape ``[*A, *A]``.

    >>> import nervure as nv
    >>> nv.hessian(lambda x: nv.sum(x ** 3))(nv.asarray([1.0, 2.0])).tolist()
    [[6.0, 0.0], [0.0, 12.0]]
    """
    return jacobian(grad(function, argnums), argnums)


def stop_gradient(x: Any) -> Any:
    """Return a tree of arrays that derivatives treat as constants.

    >>> import nervure as nv
    >>> nv.grad(lambda x: x * nv.stop_gradient(x))(nv.asarray(3.0)).item()
    3.0
    """
    return tree.map_leaves(
        lambda leaf: Array.of_node(annotate.stop_gradient(as_node(leaf))), x
    )


def custom_gradient(function: Function) -> Function:
    """Give a function a gradient of its own.

    ``function(*args)`` returns ``(value, rule)``; ``rule(cotangent)`` returns the
    cotangent of every argument, as a tuple, or one array for a single argument.  The
    value is one array, the arguments are arrays.

    Raises
    ------
    GradientError
        When the rule returns another number of cotangents, or one of another shape.

    >>> import nervure as nv
    >>> @nv.custom_gradient
    ... def clipped(x):
    ...     return x, lambda g: nv.clip(g, -1, 1)
    >>> nv.grad(lambda x: 10 * clipped(x))(nv.asarray(2.0)).item()
    1.0
    """

    @functools.wraps(function)
    def wrapped(*args: Any) -> Array:
        arrays = [Array.of_node(as_node(argument)) for argument in args]
        value, rule = function(*arrays)

        def node_rule(arguments: Sequence[Node], g: Node) -> list[Node | None]:
            shares = rule(Array.of_node(g))
            if not isinstance(shares, list | tuple):
                shares = (shares,)
            if len(shares) != len(arrays):
                raise GradientError(
                    explain(
                        f"the gradient rule of {function.__name__} returned "
                        f"{len(shares)} "
                        f"cotangents for {len(arrays)} arguments",
                        fix="return one cotangent for each argument, zeros where "
                        "there is none",
                    )
                )
            found = [
                None if share is None else checked_share(share, array)
                for share, array in zip(shares, arrays, strict=True)
            ]
            # The rule closes over the arguments of the call; the graph may have been
            # rebuilt with other nodes in their place since.
            replacement = dict(zip(nodes, arguments, strict=True))
            kept = substitute([one for one in found if one is not None], replacement)
            rest = iter(kept)
            return [None if one is None else next(rest) for one in found]

        def checked_share(share: Any, array: Array) -> Node:
            node = as_node(share, array.dtype)
            if node.shape != array.shape:
                raise GradientError(
                    explain(
                        f"the gradient rule of {function.__name__} returned shape "
                        f"{list(node.shape)} for an argument of shape "
                        f"{list(array.shape)}",
                        fix="sum over the axes along which the argument was repeated",
                    )
                )
            return node

        nodes = [array.node for array in arrays]
        name = getattr(function, "__name__", "custom")
        return Array.of_node(
            annotate.custom_gradient(as_node(value), nodes, node_rule, name)
        )

    return wrapped


def checkpoint(function: Function) -> Function:
    """Mark a function whose inner values are computed again rather than kept.

    A gradient needs values that ``function`` computes on its way.  They are usually
    kept until then; behind this mark a compiled program keeps the arguments only, and
    computes the rest again when the gradient needs it: less memory for more time.
    Values and gradients are the same, on the cpu executor to the bit.  Where a whole
    training step is to fit into a budget, ``model.compile(..., memory_budget=...)``
    finds out by itself what to compute again.

    Parameters
    ----------
    function
        Takes and returns trees of arrays.  What it closes over is kept.

    Returns
    -------
    A function with the same arguments and results.

    >>> import nervure as nv
    >>> nv.grad(nv.checkpoint(lambda x: nv.sin(x)))(nv.asarray(0.0)).item()
    1.0
    """

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        leaves, _ = tree.flatten((args, kwargs))
        arguments = [leaf.node for leaf in leaves if isinstance(leaf, Array)]
        results, structure = tree.flatten(function(*args, **kwargs))
        marked = [
            Array.of_node(annotate.checkpoint(one.node, arguments))
            if isinstance(one, Array) and arguments
            else one
            for one in results
        ]
        return tree.unflatten(structure, marked)

    return wrapped
