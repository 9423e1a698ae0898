"""Einstein summation: sums of products written as a subscript text.

``"bij,bjk->bik"`` names the axes of each operand by letters, one operand after the
other, and after ``->`` those of the result; what the result does not have is summed
over.  Operands are contracted in pairs from left to right, each pair with one ``dot``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Final, NamedTuple

from nervure.array import Array
from nervure.errors import ArgumentError, ShapeError, explain
from nervure.ir.build import wrong
from nervure.ir.node import Node
from nervure.ops.kinds import NUMBERS, ArrayLike, accepted
from nervure.ops.mixed import dot
from nervure.ops.operands import promoted
from nervure.prims.movement import reshape, transpose
from nervure.prims.reduce import reduce_sum
from nervure.prims.slicing import slice_

_TERM: Final = r"([A-Za-z]*)(?:(\.\.\.)([A-Za-z]*))?"

# The axes of an ellipsis are named by numbers, counted from the last, which no letter
# is: "...ij" of five axes becomes ("2", "1", "0", "i", "j").
Labels = tuple[str, ...]


class _Term(NamedTuple):
    """An operand and the names of its axes."""

    node: Node
    labels: Labels


def einsum(subscripts: str, /, *operands: ArrayLike) -> Array:
    """Return a sum of products of elements, as a text in Einstein's notation says.

    Follows ``numpy.einsum``: ``...`` stands for axes that broadcast, a letter twice in
    one operand takes its diagonal, and without ``->`` the result has the letters that
    occur once, in alphabetical order.

    >>> import nervure as nv
    >>> x = nv.asarray([[1, 2], [3, 4]])
    >>> nv.einsum("ij,kj->ik", x, x).tolist(), nv.einsum("ii", x).item()
    ([[5, 11], [11, 25]], 5)
    """
    if not isinstance(subscripts, str):
        raise _wrong_text(subscripts, "expected a text with the names of the axes")
    inputs, arrow, output = subscripts.replace(" ", "").partition("->")
    texts = inputs.split(",")
    if len(texts) != len(operands):
        raise _wrong_text(
            subscripts, f"{len(texts)} operands are named, {len(operands)} were given"
        )
    nodes = promoted(*operands)
    for node in nodes:
        accepted("einsum", [node], NUMBERS)
    labels = [
        _labels(subscripts, text, node) for text, node in zip(texts, nodes, strict=True)
    ]
    wanted = _output_labels(subscripts, output if arrow else None, labels)
    _check_sizes(subscripts, nodes, labels)
    terms = [_Term(node, some) for node, some in zip(nodes, labels, strict=True)]
    return Array.of_node(_contracted(_without_ones(terms), wanted))


# --- reading the text ----------------------------------------------------------------


def _wrong_text(subscripts: str, problem: str) -> ArgumentError:
    return ArgumentError(
        explain(
            f"einsum: {problem} in {subscripts!r}",
            fix="write one letter per axis, as in 'ij,jk->ik'",
        )
    )


def _labels(subscripts: str, text: str, node: Node) -> Labels:
    """Return the names of an operand's axes."""
    found = re.fullmatch(_TERM, text)
    if found is None:
        raise _wrong_text(subscripts, f"expected letters and one '...', got {text!r}")
    before, dots, after = found.group(1), found.group(2), found.group(3) or ""
    hidden = len(node.shape) - len(before) - len(after)
    if hidden < 0 or (hidden and not dots):
        raise wrong(
            ShapeError,
            "einsum",
            f"{text!r} in {subscripts!r} names {len(before) + len(after)} axes, the "
            f"operand has {len(node.shape)}",
            [node],
            ["x"],
            fix="write one letter per axis, or '...' for the rest",
        )
    return (*before, *map(str, reversed(range(hidden))), *after)


def _output_labels(
    subscripts: str, text: str | None, labels: Sequence[Labels]
) -> Labels:
    """Return the names of the result's axes, which the text may leave to us."""
    counts = Counter(label for some in labels for label in some)
    hidden = sorted((one for one in counts if one.isdigit()), key=int, reverse=True)
    if text is None:
        once = sorted(one for one in counts if one.isalpha() and counts[one] == 1)
        return (*hidden, *once)
    found = re.fullmatch(_TERM, text)
    if found is None:
        raise _wrong_text(subscripts, f"expected letters and one '...', got {text!r}")
    letters = found.group(1) + (found.group(3) or "")
    for letter, count in Counter(letters).items():
        if count > 1:
            raise _wrong_text(subscripts, f"the result names the axis {letter!r} twice")
        if letter not in counts:
            raise _wrong_text(subscripts, f"no operand has the axis {letter!r}")
    if hidden and not found.group(2):
        raise _wrong_text(subscripts, "the result lacks the '...' of the operands")
    return (*found.group(1), *hidden, *(found.group(3) or ""))


def _check_sizes(
    subscripts: str, nodes: Sequence[Node], labels: Sequence[Labels]
) -> None:
    """Raise unless axes of one name have one size, or size 1."""
    sizes: dict[str, int] = {}
    for node, some in zip(nodes, labels, strict=True):
        for label, extent in zip(some, node.shape, strict=True):
            known = sizes.setdefault(label, extent)
            if known == 1:
                sizes[label] = extent
            elif extent not in (1, known):
                name = "the axes of '...'" if label.isdigit() else f"axis {label!r}"
                raise wrong(
                    ShapeError,
                    "einsum",
                    f"{name} must have one size in {subscripts!r}, got {known} and "
                    f"{extent}",
                    nodes,
                    [f"x{place}" for place in range(len(nodes))],
                    fix="check the letters: the same letter stands for axes of one "
                    "size",
                )


# --- contracting ---------------------------------------------------------------------


def _without_ones(terms: Sequence[_Term]) -> list[_Term]:
    """Drop axes of size 1 that are larger elsewhere: dot repeats what lacks an axis."""
    largest: dict[str, int] = {}
    for term in terms:
        for label, extent in zip(term.labels, term.node.shape, strict=True):
            # 0 is as good as larger: it decides the size of the result
            if largest.get(label, 1) == 1:
                largest[label] = extent
    result = []
    for term in terms:
        kept = [
            place
            for place, label in enumerate(term.labels)
            if term.node.shape[place] == largest[label]
        ]
        shape = [term.node.shape[place] for place in kept]
        labels = tuple(term.labels[place] for place in kept)
        result.append(_Term(reshape(term.node, shape), labels))
    return result


def _contracted(terms: Sequence[_Term], wanted: Labels) -> Node:
    """Multiply the terms in pairs from left to right and order the axes."""
    singles = [_diagonal(term) for term in terms]
    needed = [set(wanted)]
    for term in reversed(singles[1:]):
        needed.append(needed[-1] | set(term.labels))
    needed.reverse()  # needed[i]: the names that are used after the first i + 1 terms
    total = _summed(singles[0], needed[0])
    for place, term in enumerate(singles[1:], 1):
        elsewhere = needed[place] | set(total.labels)
        total = _product(total, _summed(term, elsewhere), needed[place])
    order = [total.labels.index(label) for label in wanted]
    return transpose(total.node, order)


def _diagonal(term: _Term) -> _Term:
    """Merge axes of one name: the diagonal lies n + 1 apart in both laid together."""
    while True:
        twice = [one for one, count in Counter(term.labels).items() if count > 1]
        if not twice:
            return term
        label = twice[0]
        first = term.labels.index(label)
        second = term.labels.index(label, first + 1)
        others = [
            axis for axis in range(len(term.labels)) if axis not in (first, second)
        ]
        extent = term.node.shape[first]
        shape = [term.node.shape[axis] for axis in others]
        flat = reshape(
            transpose(term.node, (*others, first, second)), (*shape, extent * extent)
        )
        none, step = (0,) * (len(shape) + 1), (1,) * len(shape)
        node = slice_(flat, none, flat.shape, (*step, extent + 1))
        term = _Term(node, (*(term.labels[axis] for axis in others), label))


def _summed(term: _Term, kept: set[str]) -> _Term:
    """Sum over the axes that nobody else needs."""
    gone = [axis for axis, label in enumerate(term.labels) if label not in kept]
    labels = tuple(label for label in term.labels if label in kept)
    return _Term(reduce_sum(term.node, gone), labels)


def _product(x: _Term, y: _Term, needed: set[str]) -> _Term:
    """Multiply two terms; shared axes that are not needed later are summed over."""
    shared = [label for label in x.labels if label in y.labels]
    batch = [label for label in shared if label in needed]
    contract = [label for label in shared if label not in needed]

    def places(labels: Sequence[str]) -> tuple[list[int], list[int]]:
        return (
            [x.labels.index(label) for label in labels],
            [y.labels.index(label) for label in labels],
        )

    node = dot(x.node, y.node, batch=places(batch), contract=places(contract))
    free = [label for term in (x, y) for label in term.labels if label not in shared]
    return _Term(node, (*batch, *free))
