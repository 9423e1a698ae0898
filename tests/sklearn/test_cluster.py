"""Searches on several processes and on local clusters, one of whose workers dies."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import scale

from nervure.config import thread_count
from nervure.layers import Dense
from nervure.sklearn import MLPClassifier, NeuralClassifier

X, Y = load_iris(return_X_y=True)
X = scale(X).astype(np.float32)
ROOT = Path(__file__).resolve().parents[2]

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


def network(n_classes_, units=8, marker=None, threads_file=None):
    """Return layers; ends its process if it is the first to write the marker."""
    if marker is not None:
        try:
            Path(marker).touch(exist_ok=False)
        except FileExistsError:
            pass
        else:
            os._exit(9)
    if threads_file is not None:
        with Path(threads_file).open("a") as file:
            file.write(f"{os.getpid()} {thread_count()}\n")
    return [Dense(units, activation="relu"), Dense(n_classes_, activation="softmax")]


def _is_there(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


@pytest.fixture(autouse=True)
def importable_workers(monkeypatch):
    """Let worker processes find this package, and take this module by value."""
    # joblib may bring a copy of its own; Dask and Ray need the package.
    names = ("joblib.externals.cloudpickle", "cloudpickle")
    copies = [importlib.import_module(one) for one in names if _is_there(one)]
    module = sys.modules[__name__]
    for copy in copies:
        copy.register_pickle_by_value(module)
    paths = [str(ROOT), *filter(None, os.environ.get("PYTHONPATH", "").split(":"))]
    monkeypatch.setenv("PYTHONPATH", ":".join(paths))
    yield
    for copy in copies:
        copy.unregister_pickle_by_value(module)


def search(n_jobs=None, **parameters) -> GridSearchCV:
    one = NeuralClassifier(network, epochs=10, random_state=0)
    one.set_params(optimizer__learning_rate=0.02, **parameters)
    grid = {"model__units": [2, 8], "batch_size": [16, 32]}
    return GridSearchCV(one, grid, cv=3, n_jobs=n_jobs, error_score="raise")


def assert_same(found: GridSearchCV) -> None:
    """The scores are those of a search in this process, to the last bit."""
    expected = search().fit(X, Y)
    np.testing.assert_array_equal(
        found.cv_results_["mean_test_score"], expected.cv_results_["mean_test_score"]
    )
    assert found.best_score_ > 0.8


def test_loky_divides_the_threads(tmp_path) -> None:
    file = tmp_path / "threads"
    found = search(n_jobs=2, model__threads_file=str(file)).fit(X, Y)
    lines = [tuple(map(int, line.split())) for line in file.read_text().splitlines()]
    workers = {pid: threads for pid, threads in lines if pid != os.getpid()}
    assert len(workers) == 2
    assert sum(workers.values()) <= max(2, thread_count())
    assert_same(found)


def test_loky_with_a_number_of_threads_for_each_worker(tmp_path) -> None:
    import joblib

    file = tmp_path / "threads"
    with joblib.parallel_config(backend="loky", inner_max_num_threads=1):
        search(n_jobs=2, model__threads_file=str(file)).fit(X, Y)
    lines = [line.split() for line in file.read_text().splitlines()]
    workers = {threads for pid, threads in lines if int(pid) != os.getpid()}
    assert workers == {"1"}


@pytest.mark.parametrize("dies", [False, True], ids=["whole", "a worker dies"])
def test_dask(tmp_path, dies) -> None:
    distributed = pytest.importorskip("distributed")
    import joblib

    marker = str(tmp_path / "died")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster),
        joblib.parallel_config(backend="dask"),
    ):
        found = search(**({"model__marker": marker} if dies else {})).fit(X, Y)
    assert Path(marker).exists() == dies
    assert_same(found)


@pytest.mark.parametrize("dies", [False, True], ids=["whole", "a worker dies"])
def test_ray(tmp_path, dies) -> None:
    ray = pytest.importorskip("ray")
    import joblib
    from ray.util.joblib import register_ray

    register_ray()
    marker = str(tmp_path / "died")
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        configure_logging=False,
        runtime_env={"env_vars": {"PYTHONPATH": os.environ["PYTHONPATH"]}},
    )
    try:
        with joblib.parallel_config(
            backend="ray",
            n_jobs=2,
            ray_remote_args={"max_restarts": -1, "max_task_retries": -1},
        ):
            found = search(**({"model__marker": marker} if dies else {})).fit(X, Y)
    finally:
        ray.shutdown()
    assert Path(marker).exists() == dies
    assert_same(found)


def test_perceptrons_travel() -> None:
    one = MLPClassifier((8,), max_iter=20, random_state=0)
    grid = {"alpha": [1e-4, 1.0]}
    here = GridSearchCV(one, grid, cv=3, error_score="raise").fit(X, Y)
    there = GridSearchCV(one, grid, cv=3, n_jobs=2, error_score="raise").fit(X, Y)
    np.testing.assert_array_equal(
        here.cv_results_["mean_test_score"], there.cv_results_["mean_test_score"]
    )
