"""Event files, read back with TensorBoard's own reader and with ours."""

import contextlib
import io
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nervure as nv
from nervure.errors import ArgumentError, DataError, FileFormatError, ShapeError
from nervure.ir.graph import Graph
from nervure.tblog import EventWriter, GraphNode, read_events, read_run
from nervure.tblog.png import as_bytes_of_image, encode_png
from nervure.tblog.records import MOST_BYTES, framed, read_records
from nervure.tblog.summaries import histogram_message

accumulator = pytest.importorskip(
    "tensorboard.backend.event_processing.event_accumulator"
)


def reloaded(folder):
    found = accumulator.EventAccumulator(str(folder), {"histograms": 0, "images": 0})
    return found.Reload()


def test_scalars(tmp_path):
    with EventWriter(tmp_path / "new" / "folder") as writer:
        for step in range(5):
            writer.add_scalar("loss", 1.0 / (step + 1), step)
        writer.add_scalars({"a": np.float32(2), "b": np.array([3])}, 7)
        writer.add_scalar("bad", float("nan"), 1)
        writer.add_scalar("array", nv.asarray(4.0), 1)
    events = reloaded(tmp_path / "new" / "folder")
    assert set(events.Tags()["scalars"]) == {"loss", "a", "b", "bad", "array"}
    assert [(one.step, one.value) for one in events.Scalars("loss")] == [
        (step, np.float32(1.0 / (step + 1))) for step in range(5)
    ]
    assert events.Scalars("b")[0].step == 7 and events.file_version == 2.0
    assert abs(events.FirstEventTimestamp() - writer.path.stat().st_mtime) < 60
    run = read_run(tmp_path / "new" / "folder")
    assert [one.value for one in run.scalars["loss"]] == [
        one.value for one in events.Scalars("loss")
    ]
    assert run.damage == []


def test_histograms(tmp_path):
    values = np.random.default_rng(0).normal(size=10_000)
    with EventWriter(tmp_path) as writer:
        writer.add_histogram("normal", values, 1)
        writer.add_histogram("empty", [], 1)
        writer.add_histogram("zeros", np.zeros(5), 1)
        writer.add_histogram("whole", np.arange(10), 1)
    events = reloaded(tmp_path)
    found = events.Histograms("normal")[0].histogram_value
    assert found.num == 10_000 and sum(found.bucket) == 10_000
    np.testing.assert_allclose([found.min, found.max], [values.min(), values.max()])
    np.testing.assert_allclose(found.sum, values.sum())
    np.testing.assert_allclose(found.sum_squares, (values**2).sum())
    counts = np.cumsum(found.bucket)
    for limit, count in zip(found.bucket_limit, counts):
        assert count == (values < limit).sum()
    ours = read_run(tmp_path).histograms["normal"][0].value
    assert list(ours.limits) == list(found.bucket_limit)
    assert events.Histograms("empty")[0].histogram_value.num == 0
    assert sum(events.Histograms("zeros")[0].histogram_value.bucket) == 5
    with EventWriter(tmp_path) as writer, pytest.raises(DataError, match="2 of 3"):
        writer.add_histogram("bad", [np.nan, 1.0, np.inf], 1)


@given(st.lists(st.floats(-1e19, 1e19), max_size=30))
def test_every_number_is_in_its_bucket(values):
    from nervure.tblog.reader import _histogram

    found = _histogram(histogram_message("tag", values))
    assert sum(found.counts) == len(values) == found.count
    assert list(found.limits) == sorted(found.limits)
    for limit, count in zip(found.limits, np.cumsum(found.counts)):
        assert count == sum(value < limit for value in values)


def pixels_of(png):
    from matplotlib.image import imread

    return np.rint(imread(io.BytesIO(png), "png") * 255).astype(np.uint8)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_png_against_matplotlib(channels):
    image = np.random.default_rng(0).integers(0, 256, (5, 7, channels), np.uint8)
    expected = image[..., 0] if channels == 1 else image
    np.testing.assert_array_equal(pixels_of(encode_png(image)), expected)


def test_scaling_of_pictures():
    assert as_bytes_of_image(np.array([0.0, 0.5, 1.0])).tolist() == [0, 127, 255]
    assert as_bytes_of_image(np.array([-1.0, 0.0, 1.0])).tolist() == [1, 128, 255]
    assert as_bytes_of_image(np.array([np.nan, 2.0])).tolist() == [0, 255]
    assert as_bytes_of_image(np.array([0.0, 0.0])).tolist() == [0, 0]
    same = np.array([3], np.uint8)
    assert as_bytes_of_image(same) is same
    for wrong in (np.zeros((2, 2), np.uint8), np.zeros((2, 2, 5), np.uint8),
                  np.zeros((2, 2, 1)), np.zeros((0, 2, 1), np.uint8)):  # fmt: skip
        with pytest.raises(ShapeError, match="expected a picture"):
            encode_png(wrong)


def test_images_and_text(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (4, 6, 3), np.uint8)
    with EventWriter(tmp_path) as writer:
        writer.add_image("picture", image, 3)
        writer.add_text("note", "a **bold** word", 3)
        writer.add_text("table", ["one", "zwei"], 3)
    events = reloaded(tmp_path)
    (found,) = events.Images("picture")
    assert (found.step, found.height, found.width) == (3, 4, 6)
    np.testing.assert_array_equal(pixels_of(found.encoded_image_string), image)
    assert events.Tensors("note")[0].tensor_proto.string_val[0] == b"a **bold** word"
    metadata = events.SummaryMetadata("note").plugin_data
    assert metadata.plugin_name == "text"
    assert list(events.Tensors("table")[0].tensor_proto.string_val) == [b"one", b"zwei"]
    run = read_run(tmp_path)
    assert run.texts["table"][0].value == ["one", "zwei"]
    assert run.images["picture"][0].value.encoded == found.encoded_image_string
    with EventWriter(tmp_path) as writer, pytest.raises(ShapeError, match="one number"):
        writer.add_scalar("vector", [1.0, 2.0], 1)


def test_hparams(tmp_path):
    plugin_data_pb2 = pytest.importorskip("tensorboard.plugins.hparams.plugin_data_pb2")
    with EventWriter(tmp_path) as writer:
        writer.add_hparams(
            {"rate": 0.1, "units": 32, "name": "adam", "bias": True}, ["loss"], "mine"
        )
        with pytest.raises(ArgumentError, match="hyperparameter"):
            writer.add_hparams({"list": [1]})
    events = reloaded(tmp_path)

    def content(tag):
        data = events.SummaryMetadata(f"_hparams_/{tag}").plugin_data
        assert data.plugin_name == "hparams"
        return plugin_data_pb2.HParamsPluginData.FromString(data.content)

    start = content("session_start_info").session_start_info
    assert start.hparams["rate"].number_value == 0.1 and start.group_name == "mine"
    assert start.hparams["units"].number_value == 32
    assert start.hparams["name"].string_value == "adam"
    assert start.hparams["bias"].bool_value is True
    experiment = content("experiment").experiment
    assert [one.name for one in experiment.hparam_infos] == [
        "rate", "units", "name", "bias"
    ]  # fmt: skip
    assert [one.type for one in experiment.hparam_infos] == [3, 3, 1, 2]
    assert experiment.metric_infos[0].name.tag == "loss"


def test_graphs(tmp_path):
    x = nv.parameter([[1.0, 2.0]], name="x")
    graph = nv.graph(nv.sum(nv.tanh(x)))
    assert isinstance(graph, Graph)
    with EventWriter(tmp_path) as writer:
        writer.add_graph(graph)
    nodes = {node.op: node for node in reloaded(tmp_path).Graph().node}
    assert "tanh" in nodes and nodes["tanh"].attr["T"].type == 1
    sizes = nodes["tanh"].attr["_output_shapes"].list.shape[0].dim
    assert [one.size for one in sizes] == [1, 2]
    assert b"test_writer.py" in nodes["tanh"].attr["line"].s
    named = [GraphNode("a/b", "In"), GraphNode("c", "Out", ["a/b", "^a/b"], [None])]
    with EventWriter(tmp_path) as writer:
        writer.add_graph(named)
    ours = read_run(tmp_path).graph
    assert [(one.name, one.kind, tuple(one.inputs)) for one in ours] == [
        ("a/b", "In", ()),
        ("c", "Out", ("a/b", "^a/b")),
    ]


def test_writers_do_not_collide_and_threads_may_share(tmp_path):
    with EventWriter(tmp_path) as one, EventWriter(tmp_path, ".second") as other:
        assert one.path != other.path and other.path.name.endswith(".second")

        def work(number):
            for step in range(100):
                one.add_scalar(f"t{number}", step, step)

        threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    run = read_run(tmp_path)
    assert [len(run.scalars[f"t{k}"]) for k in range(4)] == [100] * 4
    one.close()
    with pytest.raises(ArgumentError, match="is closed"):
        one.add_scalar("a", 1, 1)


# --- reading -------------------------------------------------------------------------


@given(st.lists(st.binary(max_size=50), max_size=5))
def test_records(contents):
    data = b"".join(map(framed, contents))
    assert list(read_records(io.BytesIO(data))) == contents


def test_a_file_that_is_being_written(tmp_path):
    with EventWriter(tmp_path) as writer:
        for step in range(3):
            writer.add_scalar("loss", step, step)
    whole = writer.path.read_bytes()
    counts = set()
    for size in range(len(whole)):
        writer.path.write_bytes(whole[:size])
        run = read_run(tmp_path)
        assert run.damage == []  # an end that is missing is no damage
        counts.add(len(run.scalars.get("loss", [])))
    assert counts == {0, 1, 2}


def test_damaged_files_are_read_up_to_the_damage(tmp_path):
    with EventWriter(tmp_path) as writer:
        for step in range(3):
            writer.add_scalar("loss", step, step)
    whole = bytearray(writer.path.read_bytes())
    for place in range(len(whole)):
        damaged = whole.copy()
        damaged[place] ^= 0x40
        writer.path.write_bytes(damaged)
        run = read_run(tmp_path)
        assert len(run.damage) == 1 and "damaged" in run.damage[0]
        with pytest.raises(FileFormatError):
            list(read_events(writer.path))


def test_hostile_files(tmp_path):
    path = tmp_path / "events.out.tfevents.1.host"
    import struct

    from nervure.tblog.crc32c import masked_crc32c

    length = struct.pack("<Q", MOST_BYTES + 1)
    path.write_bytes(length + struct.pack("<I", masked_crc32c(length)))
    assert "at most" in read_run(tmp_path).damage[0]
    # A message that claims a field longer than itself, with a right check sum.
    path.write_bytes(framed(b"\x2a\xff\xff\xff\x7f"))
    assert "ends within a field" in read_run(tmp_path).damage[0]
    path.write_bytes(b"import os\n" * 100)
    assert "damaged at byte 0" in read_run(tmp_path).damage[0]
    (tmp_path / "notes.txt").write_text("not an event file")
    path.write_bytes(b"")
    assert read_run(tmp_path).damage == []


@given(st.binary(max_size=120))
def test_any_message_is_read_or_refused(data):
    from nervure.tblog.reader import _event

    with contextlib.suppress(FileFormatError):
        _event(data)


def test_summaries_of_tensorflow_2_are_read(tmp_path):
    summary_pb2 = pytest.importorskip("tensorboard.compat.proto.summary_pb2")
    tensor_util = pytest.importorskip("tensorboard.util.tensor_util")
    summary = summary_pb2.Summary()
    for tag, plugin, value in [
        ("loss", "scalars", np.float32(0.5)),
        ("weights", "histograms", np.array([[0, 1, 2], [1, 2, 3]], np.float64)),
        ("note", "text", np.array([b"words"], object)),
        ("picture", "images", np.array([b"6", b"4", b"png"], object)),
    ]:
        one = summary.value.add(tag=tag)
        one.metadata.plugin_data.plugin_name = plugin
        one.tensor.CopyFrom(tensor_util.make_tensor_proto(value))
    with EventWriter(tmp_path) as writer:
        writer.add_summary(summary.SerializeToString(), 9)
    run = read_run(tmp_path)
    assert run.damage == []
    assert run.scalars["loss"][0].value == 0.5 and run.scalars["loss"][0].step == 9
    histogram = run.histograms["weights"][0].value
    assert (histogram.counts, histogram.total) == ((2, 3), 2 * 0.5 + 3 * 1.5)
    assert run.texts["note"][0].value == ["words"]
    picture = run.images["picture"][0].value
    assert (picture.width, picture.height, picture.encoded) == (6, 4, b"png")
