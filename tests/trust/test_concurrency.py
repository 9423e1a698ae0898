"""Threads, forks, processes and signals: right results, and no deadlock.

Every test is bounded in time: what hangs is ended and fails.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import nervure as nv
from tests.train.builders import classifier, same, state_of, three_classes

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 120  # seconds


def trained(seed=3, epochs=3, **options):
    nv.utils.set_random_seed(seed)
    model = classifier(**options)
    x, y = three_classes(60)
    model.fit(x, y, batch_size=8, epochs=epochs, shuffle=False, verbose=0)
    return model


def test_eight_threads_predict_while_two_train():
    x, y = three_classes(60)
    shared = trained()
    sizes = (1, 7, 33, 60)
    expected = {size: shared.predict(x[:size], verbose=0) for size in sizes}
    # without dropout and shuffling nothing is drawn, so the threads share no numbers
    kinds = ({"optimizer": "adam"}, {"optimizer": "rmsprop", "units": 5})
    alone, mine = ([trained(5, 1, **kind) for kind in kinds] for _ in range(2))
    for one, other in zip(alone, mine):
        assert same(state_of(one), state_of(other))
        one.fit(x, y, batch_size=8, epochs=6, shuffle=False, verbose=0)

    def predict(number):
        for turn in range(25):
            size = sizes[(number + turn) % len(sizes)]
            found = shared.predict(x[:size], verbose=0)
            np.testing.assert_array_equal(found, expected[size])

    def train(model):
        model.fit(x, y, batch_size=8, epochs=6, shuffle=False, verbose=0)

    with ThreadPoolExecutor(10) as pool:
        waiting = [pool.submit(predict, number) for number in range(8)]
        waiting += [pool.submit(train, model) for model in mine]
        for one in waiting:
            one.result(timeout=LIMIT)
    for one, other in zip(alone, mine):
        assert same(state_of(one), state_of(other))


def child(method, used_before):
    script = f"""
import multiprocessing, numpy as np, warnings
warnings.simplefilter("ignore")
import nervure as nv
from tests.trust.test_concurrency import trained, predicted
if __name__ == "__main__":
    if {used_before}:
        trained()
    context = multiprocessing.get_context({method!r})
    with context.Pool(2) as pool:
        found = pool.map_async(predicted, [3, 3, 4]).get({LIMIT})
    assert found[0] == found[1] != found[2]
    assert predicted(3) == found[0]
    print("right")
"""
    return subprocess.run(
        [sys.executable, "-c", script]
        if method == "fork"
        else [sys.executable, "-m", "tests.trust.spawn_job", str(int(used_before))],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "NERVURE_EXECUTOR": "cpu"},
        capture_output=True,
        text=True,
        timeout=2 * LIMIT,
        check=False,
    )


def predicted(seed):
    """Return what a model trained here predicts, as bytes."""
    return trained(seed).predict(three_classes(60)[0], verbose=0).tobytes()


@pytest.mark.parametrize("used_before", [False, True])
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes(method, used_before):
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {method} here")
    done = child(method, used_before)
    assert done.stdout.strip() == "right", done.stderr[-2000:]


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_estimators_in_nested_joblib():
    from joblib import Parallel, delayed
    from sklearn.model_selection import cross_val_score

    from nervure.sklearn import MLPClassifier

    x, y = three_classes(60)

    def scores(seed):
        estimator = MLPClassifier((4,), max_iter=2, random_state=seed, batch_size=16)
        with nv.config.override(executor="cpu"):
            return cross_val_score(estimator, x, y, cv=3, n_jobs=2).tolist()

    plain = [scores(seed) for seed in (0, 1)]
    work = (delayed(scores)(seed) for seed in (0, 1))
    assert Parallel(2, backend="threading", timeout=LIMIT)(work) == plain


def test_models_are_pickled_to_other_processes():
    model = trained()
    x, _ = three_classes(60)
    again = pickle.loads(pickle.dumps(model))
    assert same(state_of(model), state_of(again))
    np.testing.assert_array_equal(
        model.predict(x, verbose=0), again.predict(x, verbose=0)
    )


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers")
def test_signals_in_the_middle_of_training_change_nothing():
    expected = trained()
    seen = []
    before = signal.signal(signal.SIGALRM, lambda number, frame: seen.append(number))
    signal.setitimer(signal.ITIMER_REAL, 0.002, 0.002)
    try:
        model = trained()
        while not seen:
            model = trained()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert same(state_of(expected), state_of(model))


def test_no_thread_or_descriptor_is_left():
    folder = Path("/proc/self/fd")
    if not folder.exists():
        pytest.skip("the system does not list descriptors")
    trained()
    threads, files = threading.active_count(), len(list(folder.iterdir()))
    for seed in range(5):
        trained(seed)
    assert threading.active_count() <= threads
    assert len(list(folder.iterdir())) <= files + 1
