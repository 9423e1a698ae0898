"""TensorFlow's tutorials run after the import has been changed."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import nervure.tf1 as tf
from nervure.errors import ArgumentError, DataError
from nervure.tf1.examples.tutorials.mnist import input_data

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


def run(name, *arguments, timeout=600):
    done = subprocess.run(
        [sys.executable, str(HERE / "tutorials" / name), *arguments],
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_beginners():
    (accuracy,) = run("mnist_softmax.py", "--steps", "300")
    assert float(accuracy) > 0.89


@pytest.mark.slow
def test_beginners_in_full():
    (accuracy,) = run("mnist_softmax.py")
    assert 0.91 < float(accuracy) < 0.93


def test_experts_for_a_few_steps():
    lines = run("mnist_deep.py", "--steps", "60", "--test_images", "500")
    assert lines[0].startswith("step 0, training accuracy ")
    assert float(lines[-1].removeprefix("test accuracy ")) > 0.6


@pytest.mark.slow
def test_experts_for_some_steps():
    lines = run("mnist_deep.py", "--steps", "1000", timeout=3600)
    assert float(lines[-1].removeprefix("test accuracy ")) > 0.955


def test_the_reader():
    data = input_data.read_data_sets("nowhere/", one_hot=True, validation_size=59_000)
    assert data.train.num_examples == 1000 and not Path("nowhere").exists()
    assert data.validation.num_examples == 59_000
    images, labels = data.train.next_batch(100)
    assert images.shape == (100, 784) and images.dtype == np.float32
    assert (
        images.max() == 1 and labels.shape == (100, 10) and (labels.sum(1) == 1).all()
    )
    seen = [labels]
    for _ in range(9):
        seen.append(data.train.next_batch(100)[1])
    np.testing.assert_array_equal(np.concatenate(seen).sum(0), data.train.labels.sum(0))
    assert data.train.epochs_completed == 0
    data.train.next_batch(1)
    assert data.train.epochs_completed == 1
    plain = input_data.DataSet(np.zeros((5, 28, 28), np.uint8), np.arange(5),
                               dtype=tf.uint8, reshape=False)  # fmt: skip
    plain.next_batch(3, shuffle=False)
    assert plain.next_batch(3, shuffle=False)[1].tolist() == [3, 4, 0]
    assert plain.images.dtype == np.uint8


def test_wrong_uses_of_the_reader():
    with pytest.raises(DataError, match="5 images have 4 labels"):
        input_data.DataSet(np.zeros((5, 2, 2), np.uint8), np.arange(4))
    data = input_data.DataSet(np.zeros((5, 2, 2), np.uint8), np.arange(5))
    with pytest.raises(ArgumentError, match="1 to 5 images, got 6"):
        data.next_batch(6)
    with pytest.raises(ArgumentError, match="validation_size"):
        input_data.read_data_sets(validation_size=60_000)


def test_flags(monkeypatch):
    flags = tf.app.flags
    monkeypatch.setattr(sys, "argv", ["script", "--rate_of_test=0.5", "--on_of_test",
                                      "true", "other"])  # fmt: skip
    flags.DEFINE_float("rate_of_test", 0.1, "the rate")
    flags.DEFINE_string("name_of_test", "none", "a name")
    flags.DEFINE_boolean("on_of_test", False, "whether")
    assert flags.FLAGS.rate_of_test == 0.5 and flags.FLAGS.on_of_test is True
    assert flags.FLAGS.name_of_test == "none"
    flags.FLAGS.name_of_test = "mine"
    assert flags.FLAGS.name_of_test == "mine"
    with pytest.raises(AttributeError, match="unknown_flag"):
        _ = flags.FLAGS.unknown_flag
    with pytest.raises(SystemExit) as ended:
        tf.app.run(lambda arguments: len(arguments))
    assert ended.value.code == 2
