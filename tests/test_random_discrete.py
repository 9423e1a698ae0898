"""Random integers, truth values, orders and choices."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import nervure as nv
from nervure.random.keys import key_node
from nervure.random.words import words

KEY = nv.random.key(2024)
COUNT = 100_000

# A test statistic this unlikely means an error: every seed here is fixed.
UNLIKELY = 1e-4


@pytest.mark.parametrize(
    ("low", "high"),
    [(0, 7), (-3, 4), (0, 256), (0, 1000), (-(10**9), 2 * 10**9)],
)
def test_randint_law(low: int, high: int) -> None:
    values = nv.random.randint((COUNT,), low, high, key=KEY).numpy()
    assert values.dtype == np.int64
    assert low <= values.min() <= values.max() < high
    if high - low <= 1000:
        counts = np.bincount(values - low, minlength=high - low)
        assert stats.chisquare(counts).pvalue > UNLIKELY
    else:
        scaled = (values - low) / (high - low)
        assert stats.kstest(scaled, "uniform").pvalue > UNLIKELY


@pytest.mark.parametrize(
    ("low", "high"),
    [
        (0, 2**32),
        (0, 2**32 + 1),
        (-5, 2**40 + 3),
        (-(2**63), 2**62 + 5),
        (-(2**63), 2**63),
        (2**63 - 3, 2**63),
    ],
)
def test_randint_is_exact_multiplication(low: int, high: int) -> None:
    """Compared with Python's integers of any size."""
    width = high - low
    got = nv.random.randint((50,), low, high, key=KEY).tolist()
    limbs = 1 if width <= 2**32 else 2
    power_of_two = width & (width - 1) == 0
    count = limbs if power_of_two else 1 + (1 if width < 2**32 else 2)
    parts = [
        nv.Array.of_node(word).tolist()
        for word in words(key_node("test", KEY), (50,), count)
    ]
    for place, value in enumerate(got):
        if power_of_two:
            number = 0
            for part in parts:
                number = number * 2**32 + part[place]
            assert value == low + number % width
        else:
            number = sum(part[place] << (32 * i) for i, part in enumerate(parts))
            assert value == low + (number * width >> (32 * count))


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint32", "uint64"])
def test_randint_whole_range_of_a_type(dtype: str) -> None:
    limits = np.iinfo(dtype)
    whole = nv.random.randint(
        (5000,), int(limits.min), int(limits.max) + 1, dtype=dtype, key=KEY
    ).numpy()
    assert whole.dtype == dtype
    middle = int(limits.max) // 2 + int(limits.min) // 2
    assert abs((whole > middle).mean() - 0.5) < 0.05


@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_bernoulli(p: float) -> None:
    for given in (p, nv.asarray(p), nv.asarray(np.full(COUNT, p))):
        values = nv.random.bernoulli((COUNT,), p=given, key=KEY)
        assert values.dtype == np.bool_
        share = values.numpy().mean()
        assert abs(share - p) <= 5 * np.sqrt(p * (1 - p) / COUNT)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32", "uint64"])
def test_bits_types(dtype: str) -> None:
    values = nv.random.bits((COUNT,), dtype=dtype, key=KEY).numpy()
    assert values.dtype == dtype
    scaled = values / (float(np.iinfo(dtype).max) + 1)
    assert abs(scaled.mean() - 0.5) < 0.005
    assert scaled.max() > 0.99


def test_permutation_is_uniform() -> None:
    orders = [
        tuple(nv.random.permutation(3, key=nv.random.fold_in(KEY, n)).tolist())
        for n in range(1200)
    ]
    counts = [orders.count(order) for order in sorted(set(orders))]
    assert len(counts) == 6
    assert stats.chisquare(counts).pvalue > UNLIKELY


def test_shuffle_keeps_slices() -> None:
    x = np.arange(24).reshape(4, 6)
    columns = nv.random.shuffle(x, axis=1, key=KEY).numpy()
    assert sorted(map(tuple, columns.T)) == sorted(map(tuple, x.T))
    same = nv.random.permutation(nv.asarray(x), axis=-1, key=KEY).numpy()
    np.testing.assert_array_equal(columns, same)
    assert nv.random.shuffle(np.zeros((0, 2)), key=KEY).shape == (0, 2)


def test_choice_follows_probabilities() -> None:
    chances = np.array([0.1, 0.0, 0.6, 0.3])
    chosen = nv.random.choice(4, (COUNT,), p=chances, key=KEY).numpy()
    share = np.bincount(chosen, minlength=4) / COUNT
    assert share[1] == 0
    np.testing.assert_allclose(share, chances, atol=0.01)
    even = nv.random.choice(4, (COUNT,), key=KEY).numpy()
    np.testing.assert_allclose(np.bincount(even) / COUNT, 0.25, atol=0.01)


def test_choice_without_replacement() -> None:
    chances = np.array([0.1, 0.0, 0.6, 0.3])
    chosen = np.array(
        [
            nv.random.choice(
                4, (2,), p=chances, replace=False, key=nv.random.fold_in(KEY, n)
            ).tolist()
            for n in range(800)
        ]
    )
    assert (chosen[:, 0] != chosen[:, 1]).all()
    assert 1 not in chosen
    first = np.bincount(chosen[:, 0], minlength=4) / len(chosen)
    np.testing.assert_allclose(first, chances, atol=0.06)
    after_two = chosen[chosen[:, 0] == 2, 1]
    assert abs((after_two == 3).mean() - 0.75) < 0.08
    names = nv.random.choice(
        np.arange(10.0).reshape(5, 2), (5,), replace=False, key=KEY
    )
    assert sorted(names.numpy()[:, 0]) == [0.0, 2.0, 4.0, 6.0, 8.0]


def test_categorical() -> None:
    logits = np.log(np.array([[0.1, 0.2, 0.7], [0.5, 0.25, 0.25]]))
    classes = nv.random.categorical(logits, (50_000, 2), key=KEY).numpy()
    for row, chances in zip(classes.T, np.exp(logits), strict=True):
        np.testing.assert_allclose(np.bincount(row) / len(row), chances, atol=0.01)
    across = nv.random.categorical(logits.T, axis=0, key=KEY)
    assert across.tolist() == nv.random.categorical(logits, key=KEY).tolist()
