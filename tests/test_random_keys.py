"""Keys, generators, and that what they give is independent."""

from __future__ import annotations

import threading

import numpy as np

import nervure as nv
from tests.random_values import as_float64

KEY = nv.random.key(2024)
COUNT = 100_000


def test_seeds_give_different_keys() -> None:
    seeds = [0, 1, 2**32, 2**64 - 1, 2**64, -1, -(2**64), 10**30, np.int64(7)]
    keys = {tuple(nv.random.key(seed).tolist()) for seed in seeds}
    assert len(keys) == len(seeds)
    assert nv.random.key(2**64 - 1).tolist() == [2**32 - 1] * 2


def test_streams_do_not_overlap() -> None:
    """Numbers, children, folded keys and a generator's keys share no word."""
    seen: list[int] = []
    for seed in (0, 1, 2**32):
        key = nv.random.key(seed)
        generator = nv.random.Generator(seed)
        seen += nv.random.bits((300,), key=key).tolist()
        seen += np.ravel(nv.random.split(key, 150).numpy()).tolist()
        for number in range(50):
            seen += nv.random.fold_in(key, number).tolist()
            seen += generator.next_key().tolist()
        for child in nv.random.split(key, 4):
            seen += nv.random.split(child).numpy().ravel().tolist()[:4]
            seen += nv.random.bits((50,), key=child).tolist()
    assert len(set(seen)) == len(seen)


def test_children_are_independent() -> None:
    children = nv.random.split(KEY, 6)
    streams = [as_float64(nv.random.normal((COUNT,), key=one)) for one in children]
    streams.append(as_float64(nv.random.normal((COUNT,), key=KEY)))
    correlation = np.corrcoef(streams) - np.eye(len(streams))
    assert np.abs(correlation).max() < 5 / np.sqrt(COUNT)
    lagged = [np.corrcoef(one[:-lag], one[lag:])[0, 1] for one in streams
              for lag in (1, 16, 32)]  # fmt: skip
    assert np.abs(lagged).max() < 5 / np.sqrt(COUNT)


def test_fold_in_arrays_and_numbers_agree() -> None:
    for number in (0, 5, 2**40 + 1, -1, -(2**63), 2**63 - 1):
        folded = nv.random.fold_in(KEY, number).tolist()
        assert folded == nv.random.fold_in(KEY, nv.asarray(number)).tolist()
    small = nv.asarray(np.uint8(200))
    assert (
        nv.random.fold_in(KEY, small).tolist() == nv.random.fold_in(KEY, 200).tolist()
    )
    assert nv.random.fold_in(KEY, 2**64).tolist() != nv.random.fold_in(KEY, 0).tolist()


def test_seed_makes_the_process_repeatable() -> None:
    nv.random.seed(5)
    first = [nv.random.normal((3,)).tolist(), nv.random.permutation(5).tolist()]
    nv.random.seed(5)
    again = [nv.random.normal((3,)).tolist(), nv.random.permutation(5).tolist()]
    assert first == again
    assert nv.random.normal((3,)).tolist() != nv.random.normal((3,)).tolist()
    nv.random.seed()
    assert nv.random.normal((3,)).tolist() != first[0]


def test_generator_counts_past_a_word() -> None:
    generator = nv.random.Generator(3)
    start = generator.cell.stored.numpy()[:2]
    state = np.array([*start, 0, 2**32 - 1], np.uint32)
    generator.cell.store(nv.asarray(state))
    generator.next_key()
    assert generator.cell.stored.tolist()[2:] == [1, 0]
    generator.cell.store(nv.asarray(state))
    nv.compile(lambda: generator.next_key())()
    assert generator.cell.stored.tolist()[2:] == [1, 0]


def test_compiled_functions_draw_the_same_numbers() -> None:
    def draw() -> nv.Array:
        return nv.random.normal((3,)) + nv.random.uniform((3,))

    nv.random.seed(11)
    plain = [draw().tolist() for _ in range(3)]
    nv.random.seed(11)
    compiled = nv.compile(draw)
    assert [compiled().tolist(), draw().tolist(), compiled().tolist()] == plain


def test_threads_draw_different_keys() -> None:
    generator = nv.random.Generator(0)
    found: list[list[tuple[int, ...]]] = [[] for _ in range(4)]

    def work(place: int) -> None:
        for _ in range(100):
            found[place].append(tuple(generator.next_key().tolist()))

    threads = [threading.Thread(target=work, args=(place,)) for place in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    keys = [key for one in found for key in one]
    assert len(set(keys)) == 400
    alone = nv.random.Generator(0)
    assert set(keys) == {tuple(alone.next_key().tolist()) for _ in range(400)}


def test_a_seeded_block_draws_by_itself() -> None:
    """Its numbers follow from its seed, and the process's generator stays."""
    nv.random.seed(5)
    expected = nv.random.normal((3,)).tolist()
    nv.random.seed(5)
    with nv.random.seeded(1):
        first = nv.random.normal((3,)).tolist()
        with nv.random.seeded(1):
            assert nv.random.normal((3,)).tolist() == first
        second = nv.random.normal((3,)).tolist()
    assert nv.random.normal((3,)).tolist() == expected
    with nv.random.seeded(1):
        assert [nv.random.normal((3,)).tolist() for _ in range(2)] == [first, second]


def test_a_seeded_block_is_seen_by_its_thread_only() -> None:
    nv.random.seed(5)
    expected = nv.random.normal((3,)).tolist()
    nv.random.seed(5)
    found: list[list[float]] = []
    with nv.random.seeded(1):
        thread = threading.Thread(
            target=lambda: found.append(nv.random.normal((3,)).tolist())
        )
        thread.start()
        thread.join()
    assert found == [expected]
