"""Nested structures of arrays."""

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nervure import tree
from nervure.errors import ShapeError

trees = st.recursive(
    st.integers() | st.none(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=12,
)


class Point(NamedTuple):
    x: object
    y: object


@given(trees)
def test_unflatten_is_the_inverse_of_flatten(value: object) -> None:
    leaves, structure = tree.flatten(value)
    assert tree.unflatten(structure, leaves) == value
    assert structure.leaf_count == len(leaves)


def test_dicts_are_walked_in_the_order_of_their_keys() -> None:
    first = tree.flatten({"b": 1, "a": 2})
    second = tree.flatten({"a": 2, "b": 1})
    assert first == second == ([2, 1], first[1])


def test_named_tuples_come_back_as_themselves() -> None:
    leaves, structure = tree.flatten(Point([1], 2))
    assert tree.unflatten(structure, leaves) == Point([1], 2)
    assert isinstance(tree.unflatten(structure, leaves), Point)


def test_map_leaves_refuses_another_structure() -> None:
    assert tree.map_leaves(lambda a, b: a + b, {"x": [1]}, {"x": [2]}) == {"x": [3]}
    with pytest.raises(ShapeError, match=r"expected a tree like \{'x': \[\*\]\}"):
        tree.map_leaves(lambda a, b: a, {"x": [1]}, {"x": [1, 2]})


def test_wrong_number_of_leaves_is_refused() -> None:
    _, structure = tree.flatten([1, 2])
    with pytest.raises(ShapeError, match="expected 2 leaves"):
        tree.unflatten(structure, [1])
