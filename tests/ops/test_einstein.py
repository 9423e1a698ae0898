from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nervure as nv
from nervure.errors import ArgumentError, DTypeError, ShapeError
from tests.ops.checks import assert_equal, assert_gradient

SIZES = {"i": 2, "j": 3, "k": 1, "l": 4, "z": 0}


def operands(subscripts: str, hidden: tuple[int, ...] = (3, 2)) -> list[np.ndarray]:
    """Return operands of small integers that fit the text."""
    random = np.random.default_rng(0)
    found = []
    for term in subscripts.replace(" ", "").split("->")[0].split(","):
        before, dots, after = term.partition("...")
        sizes = [SIZES[one] for one in before]
        sizes += (hidden if dots else ()) + tuple(SIZES[one] for one in after)
        found.append(random.integers(-3, 4, sizes))
    return found


@pytest.mark.parametrize(
    "subscripts",
    [
        "ij,jk->ik", "ij,jl", "ii", "ii->i", "iji->j", "jiiij->ji", "ij->ji", "ij->",
        "i,i", "i,j->ij", "i,j->ji", "lij,ljk->lik", "ij,ij,ij->i", "ij,jl,li->",
        "ij,jl,lk,ki->", "i...,i...->...", "...ij,...jl->...il", "...i->i...",
        "...,...", "i...j,j->...", "iz,zj->ij", "z->", "zz->z", "ij , jl -> il",
        "ilj,jil->lij", "ji,ij", "kk,ij->ji", "ij,ik,il->jkl", "...", "->", "i,->i",
        "ij,i,j",
    ],
)  # fmt: skip
def test_as_numpy(subscripts: str) -> None:
    arrays = operands(subscripts)
    assert_equal(nv.einsum(subscripts, *arrays), np.einsum(subscripts, *arrays))


@settings(max_examples=150)
@given(st.data())
def test_random_subscripts_as_numpy(data: st.DataObject) -> None:
    term = st.text("ijkl", max_size=4)
    inputs = data.draw(st.lists(term, min_size=1, max_size=4))
    letters = sorted(set("".join(inputs)))
    output = "".join(data.draw(st.permutations(letters)))
    output = output[: data.draw(st.integers(0, len(output)))]
    subscripts = ",".join(inputs)
    if data.draw(st.booleans()):
        subscripts += "->" + output
    arrays = operands(subscripts)
    assert_equal(nv.einsum(subscripts, *arrays), np.einsum(subscripts, *arrays))


def test_hidden_axes_broadcast() -> None:
    x, y = np.arange(6).reshape(3, 1, 2), np.arange(8).reshape(4, 2)
    assert_equal(nv.einsum("...i,...i->...", x, y), np.einsum("...i,...i->...", x, y))
    assert_equal(nv.einsum("...,i->...i", x, y[0]), np.einsum("...,i->...i", x, y[0]))
    z = np.ones((1, 0, 2), int)
    assert nv.einsum("...i,...i->...", z, z[:, :, :1]).shape == (1, 0)


def test_types_promote() -> None:
    got = nv.einsum("i,i", nv.ones(3), np.ones(3, np.float64))
    assert_equal(got, np.float64(3))


@pytest.mark.parametrize(
    "subscripts, shapes, error, text",
    [
        ("ij,jk", [(2, 3)], ArgumentError, "2 operands are named, 1 were given"),
        ("i1", [(2, 3)], ArgumentError, "letters and one '...', got 'i1'"),
        ("ij->i-", [(2, 3)], ArgumentError, "got 'i-' in 'ij->i-'"),
        ("i", [(2, 3)], ShapeError, "'i' in 'i' names 1 axes, the operand has 2"),
        ("ijk...", [(2, 3)], ShapeError, "names 3 axes, the operand has 2"),
        ("ij->ii", [(2, 3)], ArgumentError, "names the axis 'i' twice"),
        ("ij->k", [(2, 3)], ArgumentError, "no operand has the axis 'k'"),
        ("...->", [(2, 3)], ArgumentError, "the result lacks the '...'"),
        ("ij,jk", [(2, 3), (4, 5)], ShapeError,
         "axis 'j' must have one size in 'ij,jk', got 3 and 4"),
        ("...,...", [(2,), (3,)], ShapeError, "the axes of '...' must have one size"),
    ],
)  # fmt: skip
def test_errors(subscripts: str, shapes: list, error: type, text: str) -> None:
    with pytest.raises(error) as caught:
        nv.einsum(subscripts, *map(nv.zeros, shapes))
    assert str(caught.value).startswith("einsum: ")
    assert text in str(caught.value)


def test_truth_values() -> None:
    with pytest.raises(DTypeError, match="^einsum: expected integers or floating"):
        nv.einsum("i->", nv.ones(2, dtype=bool))


@pytest.mark.parametrize("subscripts", ["iij->j", "ij,jl,il->i", "...i,ij->...j"])
def test_gradients(subscripts: str) -> None:
    arrays = [array + 0.5 for array in operands(subscripts)]
    assert_gradient(lambda *x: nv.einsum(subscripts, *x), *arrays)
