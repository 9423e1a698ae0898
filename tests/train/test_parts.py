"""The small parts: labels, orders, pace, seeds, and that nothing is left behind."""

from __future__ import annotations

import doctest
import gc
import importlib
import pkgutil
import random
import subprocess
import sys

import numpy as np
import pytest

import nervure as nv
import nervure.train
from nervure.ir.node import interned_count
from nervure.train.pace import Pace
from nervure.train.shuffle import Order
from tests.train.builders import classifier, three_classes

MODULES = [
    one.name
    for one in pkgutil.walk_packages(nervure.train.__path__, "nervure.train.")
    if not one.ispkg
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0


# --- labels ---------------------------------------------------------------------------


def test_to_categorical():
    rows = nv.utils.to_categorical([[0], [2], [1]])
    assert rows.dtype == np.float32
    assert rows.tolist() == [[1, 0, 0], [0, 0, 1], [0, 1, 0]]
    assert nv.utils.to_categorical(np.zeros((2, 3), int), 5).shape == (2, 3, 5)
    assert nv.utils.to_categorical(np.array([1.0, 0.0])).tolist() == [[0, 1], [1, 0]]
    assert nv.utils.to_categorical([0]).tolist() == [[1.0]]


# --- the order of rows ----------------------------------------------------------------


def all_rows(blocks):
    return np.concatenate([block.reshape(-1) for block in blocks]).tolist()


def test_without_a_seed_rows_come_as_they_are():
    order = Order(7, 3)
    assert order.batches == 3
    assert [block.tolist() for block in order.blocks(0)] == [
        [[0, 1, 2], [3, 4, 5]],
        [[6]],
    ]
    assert [block.shape for block in Order(6, 3).blocks(0)] == [(2, 3)]
    assert [block.shape for block in Order(2, 3).blocks(0)] == [(1, 2)]


def test_each_pass_has_every_row_once_in_an_order_of_its_own():
    order = Order(100, 7, seed=5)
    passes = [all_rows(order.blocks(number)) for number in range(4)]
    assert all(sorted(one) == list(range(100)) for one in passes)
    assert len({tuple(one) for one in passes}) == 4
    again = Order(100, 7, seed=5)
    assert all_rows(again.blocks(2)) == passes[2]
    assert all_rows(Order(100, 7, seed=6).blocks(2)) != passes[2]


@pytest.mark.parametrize("rows", [1, 5, 6, 7, 20])
@pytest.mark.parametrize("size", [1, 3, 7])
def test_epochs_of_any_length_continue_through_the_passes(rows, size):
    order = Order(rows, size, seed=1)
    stream = []
    for number in range(8):
        for block in order.blocks(number):
            stream += block.tolist()
    for count in (1, 2, order.batches, order.batches + 1):
        found = []
        for epoch in range(3):
            for block in order.steps(epoch * count, count):
                found += block.tolist()
        assert found == stream[: 3 * count]


# --- pace -----------------------------------------------------------------------------


def test_the_pace_follows_the_time_of_a_step():
    now = [0.0]
    pace = Pace(clock=lambda: now[0])

    def run(seconds_a_step, remaining=10**6, size=32):
        count = pace.next_count(remaining)
        with pace.timed(count, size):
            now[0] += count * seconds_a_step
        return count

    assert run(5.0) == 1  # compiles, so it tells nothing
    short = 2.0**-13
    assert run(short) == 1
    assert [run(short) for _ in range(5)] == [8, 64, 409, 409, 409]
    assert run(short, remaining=10) == 10
    assert run(1.0) == 409
    assert run(1.0) == 1
    assert run(0.0) == 1
    assert run(0.0, size=7) == 8


# --- the process ----------------------------------------------------------------------


def test_one_seed_for_all_generators():
    def draw():
        own = nv.random.uniform((2,)).tolist()
        return random.random(), np.random.rand(), own

    nv.utils.set_random_seed(5)
    first = draw()
    nv.utils.set_random_seed(5)
    assert draw() == first
    assert draw() != first


PROGRAM = """
import hashlib
import numpy as np
import nervure as nv
from tests.train.builders import classifier, state_of, three_classes
nv.utils.set_random_seed(8)
model = classifier()
model.fit(*three_classes(), batch_size=5, epochs=3, verbose=0)
data = b"".join(one.tobytes() for one in state_of(model))
print(hashlib.sha256(data).hexdigest())
"""


@pytest.mark.slow
def test_fresh_processes_give_the_same_bits():
    hashes = {
        subprocess.run(
            [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
        ).stdout
        for _ in range(3)
    }
    assert len(hashes) == 1


def test_models_that_are_dropped_leave_nothing():
    x, y = three_classes()

    def cycle():
        model = classifier(metrics=["accuracy"])
        model.fit(x, y, validation_split=0.25, verbose=0)
        model.predict(x, verbose=0)

    for _ in range(3):
        cycle()
    gc.collect()
    before = interned_count()
    for _ in range(10):
        cycle()
    gc.collect()
    assert interned_count() <= before + 5


def test_training_does_not_grow():
    x, y = three_classes()
    model = classifier(metrics=["accuracy"])
    model.fit(x, y, epochs=3, verbose=0)
    gc.collect()
    nodes, objects = interned_count(), len(gc.get_objects())
    model.fit(x, y, epochs=60, verbose=0)
    gc.collect()
    assert interned_count() <= nodes + 2
    assert len(gc.get_objects()) < objects + 300
