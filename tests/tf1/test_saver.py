"""Checkpoints: what is written, kept, and refused."""

import numpy as np
import pytest

import nervure.tf1 as tf
from nervure.errors import ArgumentError, ShapeError


@pytest.fixture
def session():
    with tf.Session() as one:
        yield one


def test_save_and_restore(session, tmp_path):
    w = tf.Variable(np.arange(6.0, dtype=np.float32).reshape(2, 3), name="w")
    step = tf.Variable(7, trainable=False, name="step")
    session.run(tf.global_variables_initializer())
    saver = tf.train.Saver()
    path = saver.save(session, tmp_path / "model.ckpt", global_step=step)
    assert path == str(tmp_path / "model.ckpt-7")
    assert sorted(one.name for one in tmp_path.iterdir()) == [
        "checkpoint",
        "model.ckpt-7.safetensors",
    ]
    assert tf.train.latest_checkpoint(tmp_path) == path
    with tf.Session() as other:  # without initialisation
        saver.restore(other, path)
        np.testing.assert_array_equal(other.run(w), session.run(w))
        assert other.run(step) == 7
    from safetensors.numpy import load_file

    assert set(load_file(path + ".safetensors")) == {"w", "step"}


def test_old_checkpoints_are_deleted(session, tmp_path):
    tf.Variable(1.0)
    session.run(tf.global_variables_initializer())
    saver = tf.train.Saver(max_to_keep=2)
    for step in range(4):
        saver.save(session, tmp_path / "m", step)
    assert sorted(one.name for one in tmp_path.glob("*.safetensors")) == [
        "m-2.safetensors",
        "m-3.safetensors",
    ]
    state = tf.train.get_checkpoint_state(tmp_path)
    assert state.model_checkpoint_path == str(tmp_path / "m-3")
    assert state.all_model_checkpoint_paths == saver.last_checkpoints


def test_other_names(session, tmp_path):
    v = tf.Variable([1.0, 2.0], name="v")
    session.run(v.initializer)
    path = tf.train.Saver({"renamed": v}).save(session, tmp_path / "m")
    w = tf.Variable([0.0, 0.0], name="w")
    tf.train.Saver({"renamed": w}).restore(session, path)
    assert session.run(w).tolist() == [1, 2]
    with pytest.raises(tf.errors.NotFoundError, match="no variable 'w'; it has"):
        tf.train.Saver([w]).restore(session, path)


def test_errors(session, tmp_path):
    with pytest.raises(ArgumentError, match="no variables to save"):
        tf.train.Saver()
    v = tf.Variable([1.0, 2.0], name="v")
    saver = tf.train.Saver()
    with pytest.raises(tf.errors.FailedPreconditionError, match="'v' has no value"):
        saver.save(session, tmp_path / "m")
    session.run(v.initializer)
    with pytest.raises(tf.errors.NotFoundError, match="does not exist"):
        saver.save(session, tmp_path / "none" / "m")
    with pytest.raises(tf.errors.NotFoundError, match="there is no checkpoint"):
        saver.restore(session, tmp_path / "m")
    path = saver.save(session, tmp_path / "m")
    file = tmp_path / "m.safetensors"
    for damaged in (b"", file.read_bytes()[:-3], b"\xff" * 64):
        file.write_bytes(damaged)
        with pytest.raises(tf.errors.DataLossError):
            saver.restore(session, path)
    assert session.run(v).tolist() == [1, 2]
    with tf.Graph().as_default(), tf.Session() as other:
        wider = tf.Variable([1.0, 2.0, 3.0], name="v")
        other.run(wider.initializer)
        written = tf.train.Saver().save(other, tmp_path / "wider")
    with pytest.raises(ShapeError, match=r"float32\[3\], the variable is float32\[2\]"):
        saver.restore(session, written)
    (tmp_path / "checkpoint").write_text("import os\n")
    with pytest.raises(tf.errors.DataLossError, match="a line that it cannot have"):
        tf.train.latest_checkpoint(tmp_path)


def test_a_failing_write_leaves_the_old_checkpoint(session, tmp_path, monkeypatch):
    v = tf.Variable(1.0, name="v")
    session.run(v.initializer)
    saver = tf.train.Saver()
    path = saver.save(session, tmp_path / "m")
    session.run(v.assign(2.0))
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError, match="full"):
        saver.save(session, tmp_path / "m")
    monkeypatch.undo()
    saver.restore(session, path)
    assert session.run(v) == 1
    assert len(list(tmp_path.iterdir())) == 2
