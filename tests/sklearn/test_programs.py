"""Fits of one architecture share compiled programs, in a process and between them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import scale

from nervure.config import config
from nervure.exec.cpu import program
from nervure.layers import Dense, Dropout
from nervure.sklearn import MLPClassifier, NeuralClassifier

X, Y = load_iris(return_X_y=True)
X = scale(X).astype(np.float32)


@pytest.fixture
def compiled(monkeypatch, tmp_path):
    """Count the step programs that are compiled, not taken from a cache."""
    made = []
    original = program.CpuStepProgram.__init__

    def counting(self, *arguments):
        made.append(arguments)
        original(self, *arguments)

    monkeypatch.setattr(program.CpuStepProgram, "__init__", counting)
    with config.override(executor="cpu", cache_dir=tmp_path):
        yield made


def network(n_classes_, rate=0.5, units=9):
    return [
        Dense(units, activation="relu"),
        Dropout(rate),
        Dense(n_classes_, activation="softmax"),
    ]


def test_folds_seeds_and_numbers_share_one_program(compiled) -> None:
    """150 rows make three folds of 100 for training: four batches of 25."""
    grid = {
        "optimizer__learning_rate": [0.001, 0.02],
        "model__rate": [0.1, 0.5],
        "random_state": [0, 1],
    }
    one = NeuralClassifier(network, epochs=2, batch_size=25)
    search = GridSearchCV(one, grid, cv=3, refit=False, error_score="raise").fit(X, Y)
    assert len(compiled) == 1
    scores = search.cv_results_["mean_test_score"]
    assert len(set(scores)) > 1  # they are different settings


def test_penalties_and_rates_of_perceptrons_share_one_program(compiled) -> None:
    grid = {"alpha": [1e-4, 1.0], "learning_rate_init": [0.001, 0.1]}
    one = MLPClassifier((7,), max_iter=2, tol=1e6, batch_size=25, random_state=0)
    with pytest.warns(Warning, match="Maximum iterations"):
        search = GridSearchCV(one, grid, cv=3, refit=False, error_score="raise").fit(
            X, Y
        )
    assert len(compiled) == 1
    assert len(set(search.cv_results_["mean_test_score"])) > 1


def test_sharing_changes_no_bits(compiled) -> None:
    """A fit after others has the bits of one that is alone."""
    alone = NeuralClassifier(network, epochs=3, random_state=0, model__units=11)
    expected = alone.fit(X, Y).predict_proba(X)
    for rate in (0.2, 0.7):
        NeuralClassifier(
            network, epochs=3, random_state=5, model__units=11, model__rate=rate
        ).fit(X, Y)
    again = NeuralClassifier(network, epochs=3, random_state=0, model__units=11)
    np.testing.assert_array_equal(again.fit(X, Y).predict_proba(X), expected)


SCRIPT = """
import numpy as np

made = []
from nervure.exec.cpu.cache import ObjectCache
store = ObjectCache.store
def counting(self, key, body):
    made.append(key)
    store(self, key, body)
ObjectCache.store = counting
from nervure.sklearn import MLPClassifier
rng = np.random.default_rng(0)
x, y = rng.normal(size=(60, 3)), np.arange(60) % 3
MLPClassifier((5,), max_iter=2, random_state=0).fit(x, y)
print("stored", len(made))
"""


@pytest.mark.slow
def test_processes_share_programs_on_disk(tmp_path) -> None:
    """The second process compiles nothing."""
    root = Path(__file__).resolve().parents[2]
    counts = []
    for _ in range(2):
        run = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", SCRIPT],
            cwd=root,
            env={
                **os.environ,
                "NERVURE_CACHE_DIR": str(tmp_path),
                "NERVURE_EXECUTOR": "cpu",
            },
            capture_output=True,
            text=True,
            check=True,
        )
        counts.append(int(run.stdout.split()[-1]))
    assert counts[0] > 0
    assert counts[1] == 0
