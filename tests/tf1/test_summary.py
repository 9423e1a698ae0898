"""Summaries, read back with TensorBoard's own reader."""

import numpy as np
import pytest

import nervure.tf1 as tf
from nervure.errors import ArgumentError, DataError, DTypeError


def events_of(folder):
    event_accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator"
    )
    found = event_accumulator.EventAccumulator(str(folder), {"histograms": 0})
    return found.Reload()


def test_a_run_in_tensorboard(tmp_path):
    x = tf.placeholder(tf.float32, [None], name="x")
    with tf.name_scope("loss"):
        loss = tf.reduce_mean(tf.square(x))
        tf.summary.scalar("value", loss)
    tf.summary.histogram("inputs", x)
    tf.summary.image("noise", tf.reshape(x, [1, -1, 1, 1]), max_outputs=1)
    tf.summary.text("note", tf.constant("a *first* try"))
    merged = tf.summary.merge_all()
    with tf.Session() as session:
        writer = tf.summary.FileWriter(tmp_path, session.graph)
        for step in range(3):
            values = np.arange(4.0) + step
            summary, found = session.run([merged, loss], {x: values})
            writer.add_summary(summary, step)
            assert found == np.mean(values**2)
        writer.close()
        assert session.compilations == 1
    events = events_of(tmp_path)
    tags = events.Tags()
    assert tags["scalars"] == ["loss/value"] and tags["histograms"] == ["inputs"]
    assert tags["images"] == ["noise/image"] and tags["tensors"] == ["note"]
    assert [(one.step, one.value) for one in events.Scalars("loss/value")] == [
        (step, np.mean((np.arange(4.0) + step) ** 2)) for step in range(3)
    ]
    histogram = events.Histograms("inputs")[-1].histogram_value
    assert (histogram.min, histogram.max, histogram.num) == (2, 5, 4)
    assert histogram.sum == 14 and sum(histogram.bucket) == 4
    picture = events.Images("noise/image")[0]
    assert (picture.height, picture.width) == (4, 1)
    graph = {node.name: node for node in events.Graph().node}
    assert graph["loss/Square"].op == "Square"
    assert list(graph["loss/Square"].input) == ["x"]
    shape = graph["x"].attr["_output_shapes"].list.shape[0]
    assert [one.size for one in shape.dim] == [-1]


def test_wrong_summaries(tmp_path):
    with pytest.raises(ArgumentError, match="at least one"):
        tf.summary.merge([])
    with pytest.raises(DTypeError, match="is no summary"):
        tf.summary.merge([tf.constant(1.0)])
    with pytest.raises(DTypeError, match="expected text"):
        tf.summary.text("note", tf.constant(1.0))
    bad = tf.summary.histogram("bad", [np.nan, 1.0])
    with pytest.raises(DataError, match="1 of 2 numbers"):
        tf.Session().run(bad)
    writer = tf.summary.FileWriter(tmp_path)
    with pytest.raises(DTypeError, match="bytes"):
        writer.add_summary(1.0)
    writer.close()
    with pytest.raises(ArgumentError, match="closed"):
        writer.add_summary(b"")
    writer.reopen()
    writer.add_summary(b"", 1)
    writer.close()


def test_names_are_cleaned_and_numbered():
    first = tf.summary.scalar("learning rate", 1.0)
    second = tf.summary.scalar("learning rate", 1.0)
    assert [first.op.name, second.op.name] == ["learning_rate", "learning_rate_1"]
