"""Sends models to other processes and back; see ``test_across_processes``.

``python -m tests.trust.across_job JOB``.  Prints "right" at the end.
"""

from __future__ import annotations

import multiprocessing
import pickle
import sys
import time

import numpy as np

import nervure as nv
from nervure.sklearn import MLPClassifier
from tests.train.builders import classifier, same, state_of, three_classes

LIMIT = 300  # seconds


def trained(seed: int, units: int = 3) -> nv.models.Sequential:
    """Return a small model that has been trained."""
    nv.utils.set_random_seed(seed)
    model = classifier(units)
    x, y = three_classes(60)
    model.fit(x, y, batch_size=8, epochs=2, shuffle=False, verbose=0)
    return model


def train_on(packed: bytes) -> bytes:
    """Train a model that came from elsewhere for one more epoch, and send it back."""
    model = pickle.loads(packed)
    x, y = three_classes(60)
    model.fit(x, y, batch_size=8, shuffle=False, verbose=0)
    return pickle.dumps(model)


def predict(model: nv.models.Sequential) -> bytes:
    """Return what a model that came from elsewhere predicts."""
    return model.predict(three_classes(60)[0], verbose=0).tobytes()


def pickled(method: str) -> None:
    """Train further in another process and here: the same bits."""
    model = trained(3)
    expected = predict(model)
    context = multiprocessing.get_context(method)
    with context.Pool(1) as pool:
        assert pool.apply_async(predict, (model,)).get(LIMIT) == expected
        back = pickle.loads(
            pool.apply_async(train_on, (pickle.dumps(model),)).get(LIMIT)
        )
    again = pickle.loads(train_on(pickle.dumps(model)))
    assert same(state_of(back), state_of(again))
    assert not same(state_of(back), state_of(model))


def score(seed: int) -> list[float]:
    """Cross-validate with threads inside a process of a pool."""
    from sklearn.model_selection import cross_val_score

    x, y = three_classes(60)
    estimator = MLPClassifier((4,), max_iter=2, random_state=seed, batch_size=16)
    scores = cross_val_score(estimator, x, y, cv=3, n_jobs=2)
    return [float(one) for one in scores]


def nested() -> None:
    """Two processes of joblib with two workers inside each."""
    import warnings

    from joblib import Parallel, delayed

    warnings.simplefilter("ignore")
    plain = [score(seed) for seed in (0, 1)]
    work = (delayed(score)(seed) for seed in (0, 1))
    assert Parallel(2, backend="loky", timeout=LIMIT)(work) == plain


def endless() -> None:
    """Train until a signal comes."""
    random = np.random.default_rng(0)
    x = random.normal(size=(4096, 4)).astype("float32")
    y = random.integers(0, 3, 4096)
    model = classifier()
    model.fit(x, y, verbose=0)
    end = time.monotonic() + LIMIT
    try:
        print("begun", flush=True)
        while time.monotonic() < end:
            model.fit(x, y, epochs=1000, verbose=0)
    except KeyboardInterrupt:
        assert np.isfinite(model.predict(x[:9], verbose=0)).all()
        model.fit(x, y, verbose=0)


if __name__ == "__main__":
    {"nested": nested, "endless": endless}.get(
        sys.argv[1], lambda: pickled(sys.argv[1])
    )()
    print("right")
