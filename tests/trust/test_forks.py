"""A child made by a fork never waits for a lock that a thread of its parent held."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import nervure as nv
from nervure.exec.cpu import memory, runtime
from nervure.ir import node
from nervure.random import keys
from tests.train.builders import classifier, three_classes

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork"),
    # of Python 3.12 and of JAX, about what is tested here
    pytest.mark.filterwarnings("ignore"),
]
LIMIT = 20  # seconds


def forked(work: Callable[[], Any]) -> int:
    """Return the exit status of a child that does this; a signal's is negative."""
    child = os.fork()
    if not child:
        status = 1
        try:
            signal.alarm(LIMIT)
            work()
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@contextlib.contextmanager
def held(lock: Any) -> Iterator[None]:
    """Let another thread hold a lock within the block."""
    taken, done = threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            taken.set()
            done.wait(2 * LIMIT)

    thread = threading.Thread(target=hold)
    thread.start()
    assert taken.wait(LIMIT)
    try:
        yield
    finally:
        done.set()
        thread.join()


def train() -> None:
    x, y = three_classes(24)
    model = classifier()
    model.fit(x, y, batch_size=8, verbose=0)
    assert np.isfinite(model.predict(x, verbose=0)).all()


def locks() -> dict[str, Any]:
    return {
        "nodes": node._lock,
        "the process's generator": keys._default_lock,
        "a generator": nv.random.default_generator()._lock,
        "pools": runtime._pools_lock,
        "the runtime": runtime._native_lock,
        "memory": memory._lending,
    }


@pytest.mark.parametrize("name", locks())
def test_a_lock_that_was_held(name):
    train()  # so that everything has been made before
    with held(locks()[name]):
        assert forked(train) == 0
    train()


def test_a_child_of_a_process_that_trains():
    """Forks at any moment of what another thread does."""
    stop = threading.Event()
    failed = []

    def go_on() -> None:
        while not stop.is_set():
            try:
                train()
            except BaseException as error:
                failed.append(error)
                raise

    # Python's own locks of modules that are just being imported stay locked in a child.
    train()
    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        statuses = {forked(train) for _ in range(8)}
    finally:
        stop.set()
        thread.join()
    assert statuses == {0}
    assert not failed
