"""Reverse mode with another rule for some nodes."""

from __future__ import annotations

import numpy as np

import nervure as nv
from nervure.array import Array
from nervure.autodiff import reverse
from nervure.prims.binary import add
from nervure.prims.leaf import full_like, input_leaf


def doubled_sine(node, g):
    """Let twice the cotangent go back through a sine, whatever its slope."""
    return [add(g, g)] if node.op.name == "sin" else None


def leaf():
    return input_leaf((3,), np.dtype("float32"), "x")


def numbers(node, x):
    from nervure.ir.graph import substitute

    (found,) = substitute([node], {x: nv.asarray([1.0, 2.0, 3.0]).node})
    return Array.of_node(found).tolist()


def test_a_rule_takes_the_place_of_the_gradient():
    x = leaf()
    y = nv.sum(nv.sin(Array.of_node(x) ** 2)).node
    (found,) = reverse([y], [full_like(y, 1)], [x], doubled_sine)
    assert numbers(found, x) == [4.0, 8.0, 12.0]


def test_a_rule_that_is_never_wanted_changes_nothing():
    x = leaf()
    y = nv.sum(nv.cos(Array.of_node(x))).node
    (plain,) = reverse([y], [full_like(y, 1)], [x])
    (found,) = reverse([y], [full_like(y, 1)], [x], doubled_sine)
    assert found is plain


def test_bodies_of_loops_ask_too():
    x = leaf()
    looped = nv.fori_loop(0, 3, lambda _, one: nv.sin(one), Array.of_node(x))
    y = nv.sum(looped).node
    (found,) = reverse([y], [full_like(y, 1)], [x], doubled_sine)
    assert numbers(found, x) == [8.0, 8.0, 8.0]
