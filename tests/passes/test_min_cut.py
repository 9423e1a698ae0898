"""The smallest set of values to keep, against all sets."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from nervure.passes.min_cut import Recipe, smallest_kept


def reaches(
    kept: frozenset[int], recipes: dict[int, Recipe], wanted: list[int]
) -> bool:
    """Tell whether what is wanted can be made of what is kept."""
    known: dict[int, bool] = {}

    def there(value: int) -> bool:
        if value not in known:
            recipe = recipes.get(value)
            known[value] = (
                recipe is None
                or value in kept
                or (recipe.again and all(there(one) for one in recipe.reads))
            )
        return known[value]

    return all(there(value) for value in wanted)


@st.composite
def problems(draw: st.DrawFn) -> tuple[list[int], dict[int, Recipe], list[int]]:
    count = draw(st.integers(1, 9))
    nbytes = draw(st.lists(st.integers(0, 9), min_size=count, max_size=count))
    recipes = {}
    for value in range(count):
        if draw(st.integers(0, 4)):
            below = st.lists(st.integers(0, value - 1), max_size=3)
            reads = draw(below) if value else []
            recipes[value] = Recipe(tuple(reads), draw(st.integers(0, 2)) > 0)
    wanted = draw(st.lists(st.integers(0, count - 1), unique=True))
    return nbytes, recipes, wanted


@given(problems())
def test_no_set_is_smaller(
    problem: tuple[list[int], dict[int, Recipe], list[int]],
) -> None:
    nbytes, recipes, wanted = problem
    kept = smallest_kept(nbytes, recipes, wanted)
    assert reaches(kept, recipes, wanted)
    least = min(
        sum(nbytes[value] for value in one)
        for size in range(len(nbytes) + 1)
        for one in itertools.combinations(range(len(nbytes)), size)
        if reaches(frozenset(one), recipes, wanted)
    )
    assert sum(nbytes[value] for value in kept) == least


def test_a_long_chain_is_cut_at_its_narrowest_place() -> None:
    count = 20_000
    recipes = {value: Recipe((value - 1,), value > 1) for value in range(1, count)}
    nbytes = [100] * count
    nbytes[777] = 3
    assert smallest_kept(nbytes, recipes, [count - 1]) == {777}
