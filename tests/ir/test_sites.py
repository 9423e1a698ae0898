"""What a site tells beyond the line: layer, composite, gradient."""

from __future__ import annotations

import functools
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nervure import dtypes
from nervure.autodiff import reverse
from nervure.ir.build import apply_at
from nervure.ir.graph import Graph
from nervure.ir.jsonform import from_json, to_json
from nervure.ir.node import Node, Site, scope
from nervure.ir.parser import parse
from nervure.ir.sites import composite, gradient_of, within
from nervure.ir.text import sectioned_text, to_text
from nervure.prims import leaf, unary
from tests.strategies import layers


def exp_at(site: Site) -> Graph:
    x = leaf.input_leaf((), dtypes.float32, "x")
    return Graph([apply_at(site, unary.EXP, (x,), unary.exp(x).attrs)])


@given(layers, layers, st.booleans())
def test_composites_and_gradients_read_back(
    layer: str, part: str, gradient: bool
) -> None:
    site = Site("model.py", 7, layer, part, gradient)
    x = leaf.input_leaf((), dtypes.float32, "x")
    graph = Graph([apply_at(site, unary.SIN, (x,), unary.sin(x).attrs)])
    made = graph.outputs[0].site
    text = to_text(graph)
    assert parse(text).outputs[0].site[1:] == made[1:]
    assert to_text(parse(text)) == text
    assert from_json(to_json(graph)).outputs[0].site[1:] == made[1:]


def test_texts_of_sites() -> None:
    def comment(site: Site) -> str:
        x = leaf.input_leaf((), dtypes.float32, "x")
        node = apply_at(site, unary.EXP, (x,), NONE)
        return to_text(Graph([node])).split("# ")[1].split("\n")[0]

    assert comment(Site("m.py", 3)) == "m.py:3"
    assert comment(Site("m.py", 3, "a", "softmax")) == "m.py:3 layer 'a' in 'softmax'"
    assert (
        comment(Site("m.py", 3, "", "softmax", True)) == "m.py:3 in 'softmax' gradient"
    )


NONE = unary.exp(leaf.const(np.float32(1))).attrs


def test_layers_and_composites_nest() -> None:
    @composite("inner")
    def inner(x):
        return unary.exp(x)

    @composite("outer")
    def outer(x):
        return inner(unary.sin(x))

    x = leaf.input_leaf((2,), dtypes.float32, "x")
    with scope("model"), scope("dense"):
        y = outer(x)
    assert y.site[2:] == ("model/dense", "outer/inner", False)
    assert y.inputs[0].site[2:] == ("model/dense", "outer", False)
    with within("outer"), scope("layer"):  # what a layer makes is the layer's
        assert unary.tanh(x).site[2:] == ("layer", "", False)
    assert unary.log(x).site[2:] == ("", "", False)
    assert inner.__name__ == "inner"


def test_gradients_belong_to_what_they_are_of() -> None:
    x = leaf.input_leaf((2,), dtypes.float32, "x")
    with scope("dense"), within("activation"):
        y = unary.tanh(x)
    (g,) = reverse([y], [leaf.full_like(y, 1)], [x])
    assert g.site[2:] == ("dense", "activation", True)
    assert g.site.purpose == "gradient of activation in layer 'dense'"
    assert y.site.purpose == "activation in layer 'dense'"
    with gradient_of(Site("", 0)):
        assert unary.cos(x).site.purpose == "gradient"
    assert Site("m.py", 1).purpose == ""


def test_sites_are_no_part_of_the_structure() -> None:
    plain, told = exp_at(Site("a.py", 1)), exp_at(Site("b.py", 2, "c", "d", True))
    assert plain.structural_hash == told.structural_hash


def test_pythons_wrappers_are_not_the_users_line() -> None:
    class Late:
        @functools.cached_property
        def node(self):
            return unary.exp(leaf.input_leaf((3,), dtypes.float32, "x"))

    assert Late().node.site.file == __file__


def test_threads_that_only_run_nervure_have_no_line() -> None:
    x = leaf.input_leaf((3,), dtypes.float32, "x")

    def of_the_user() -> Node:
        return unary.sin(x)

    with ThreadPoolExecutor(1) as threads:
        assert threads.submit(unary.exp, x).result().site.line == 0
        assert threads.submit(of_the_user).result().site.file == __file__


def test_sections_write_operands_first_and_twice_what_is_listed_twice() -> None:
    x = leaf.input_leaf((2,), dtypes.float32, "x")
    a = unary.exp(x)
    b = unary.sin(a)
    sections = [("first", [a]), ("again", [a]), ("last", [b])]
    text = sectioned_text(Graph([b], [x]), sections, sites=False)
    assert text == (
        'graph (%0: float32[2] "x") {\n'
        "  # first\n"
        "  %1: float32[2] = exp(%0)\n"
        "  # again\n"
        "  %2: float32[2] = exp(%0)\n"
        "  # last\n"
        "  %3: float32[2] = sin(%2)\n"
        "  return %3\n"
        "}\n"
    )
    again = parse(text)
    assert again.structural_hash == Graph([b], [x]).structural_hash
    late = sectioned_text(Graph([b], [x]), [("sine", [b])], sites=False)
    assert late.index("exp(") < late.index("# sine") < late.index("sin(")
