"""Attacks on readers that are known by name, and what fuzzing found.

Each is refused with an explained error, fast, and without the memory that it asks for.
"""

from __future__ import annotations

import io
import json
import struct
import time
import zipfile
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

import nervure as nv
from nervure import cli
from nervure.callbacks import CSVLogger
from nervure.errors import FileFormatError, NervureError
from nervure.exec import peaks
from nervure.importers.onnx import load_model as load_onnx
from nervure.models import load_model
from nervure.pretrained.photos import read_photo
from nervure.train.saving.container import write_container
from tests.trust.fuzz.watch import MIB, peak_memory


class Bounds:
    """Asserts that a block takes less than a second and 64 MiB."""

    def __enter__(self):
        self.begun, self.peak = time.process_time(), peak_memory()

    def __exit__(self, *error):
        assert time.process_time() - self.begun < 1
        assert peak_memory() - self.peak < 64 * MIB


# --- pictures ------------------------------------------------------------------------


def png(width, height, *more, color=2, data=b""):
    """Return a PNG with the size that it claims, and further chunks."""
    head = struct.pack(">IIBBBBB", width, height, 8, color, 0, 0, 0)
    chunks = [(b"IHDR", head), *more, (b"IDAT", zlib.compress(data)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(one))
        + kind
        + one
        + struct.pack(">I", zlib.crc32(kind + one))
        for kind, one in chunks
    )


@pytest.mark.parametrize(
    "size", [(2**31 - 1, 2**31 - 1), (60_000, 60_000), (9000, 9000)]
)
def test_a_picture_that_claims_gigabytes(tmp_path, size):
    path = tmp_path / "a.png"
    path.write_bytes(png(*size))
    with Bounds(), pytest.raises(FileFormatError, match="claims|damaged"):
        read_photo(path, 256)


def test_a_picture_of_one_row(tmp_path):
    path = tmp_path / "a.png"
    rows = b"\0" + bytes(3 * 100_000)
    path.write_bytes(png(100_000, 1, data=rows))
    with Bounds():
        assert read_photo(path, 256).size == (256, 256)


def test_notes_that_unfold_to_megabytes(tmp_path):
    path = tmp_path / "a.png"
    note = b"note\0\0" + zlib.compress(bytes(MIB - 9))
    notes = [(b"zTXt", note)] * 100
    path.write_bytes(png(2, 2, *notes, data=bytes(14)))
    with Bounds():
        assert read_photo(path, 4).size == (4, 4)


def test_a_jpeg_that_claims_more_than_it_can_hold(tmp_path):
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "JPEG")
    path = tmp_path / "a.jpg"
    data = bytearray(buffer.getvalue())
    place = data.index(b"\xff\xc0")
    struct.pack_into(">HH", data, place + 5, 65_000, 65_000)
    path.write_bytes(data)
    with Bounds(), pytest.raises(FileFormatError, match="claims"):
        read_photo(path, 256)


def test_a_jpeg_of_many_scans(tmp_path):
    buffer = io.BytesIO()
    Image.new("RGB", (1000, 1000)).save(buffer, "JPEG", progressive=True)
    data = buffer.getvalue()
    begin, end = data.rindex(b"\xff\xda"), data.rindex(b"\xff\xd9")
    path = tmp_path / "a.jpg"
    path.write_bytes(data[:end] + data[begin:end] * 2000 + data[end:])
    with Bounds(), pytest.raises(FileFormatError, match="scans"):
        read_photo(path, 256)


def test_a_photo_starts_no_other_program(tmp_path, capsys):
    path = tmp_path / "a.jpg"
    # Pillow hands PostScript to Ghostscript, whatever the name of the file says
    path.write_bytes(
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n"
    )
    assert cli.main(["ostrich", str(path), str(tmp_path / "out.png")]) == 2
    assert "is no JPEG or PNG" in capsys.readouterr().err


# --- ONNX ----------------------------------------------------------------------------


def graph(nodes, initializers=(), output="y"):
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 2])
    y = helper.make_tensor_value_info(output, TensorProto.FLOAT, None)
    made = helper.make_graph(nodes, "g", [x], [y], list(initializers))
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 20)])


def refused(tmp_path, proto, match):
    path = tmp_path / "m.onnx"
    data = proto if isinstance(proto, bytes) else proto.SerializeToString()
    path.write_bytes(data)
    with Bounds(), pytest.raises(NervureError, match=match):
        load_onnx(path)


def test_a_constant_of_gigabytes_that_is_needed(tmp_path):
    size = numpy_helper.from_array(np.asarray([1 << 13, 1 << 13], "int64"), "size")
    nodes = [
        helper.make_node("ConstantOfShape", ["size"], ["w"]),
        helper.make_node("ReduceSum", ["w"], ["s"], keepdims=0),
        helper.make_node("Add", ["x", "s"], ["y"]),
    ]
    refused(tmp_path, graph(nodes, [size]), "much larger than the file")
    path = tmp_path / "m.onnx"
    assert load_onnx(path, max_bytes=1 << 30).predict(np.ones((1, 2))).sum() == 2


def body(nodes, name="body"):
    value = helper.make_tensor_value_info
    return helper.make_graph(
        [helper.make_node("Identity", ["on"], ["going"]), *nodes],
        name,
        [value("i", TensorProto.INT64, []), value("on", TensorProto.BOOL, []),
         value("last", TensorProto.FLOAT, None)],
        [value("going", TensorProto.BOOL, []), value("next", TensorProto.FLOAT, None)],
    )  # fmt: skip


def test_a_loop_without_an_end(tmp_path):
    true = numpy_helper.from_array(np.asarray(True), "true")
    step = body([helper.make_node("Exp", ["last"], ["next"])])
    loop = helper.make_node("Loop", ["", "true", "x"], ["y"], body=step)
    refused(tmp_path, graph([loop], [true]), "does not end")


def test_functions_that_call_each_other_twice(tmp_path):
    nodes = [helper.make_node("f0", ["x"], ["y"], domain="own")]
    proto = graph(nodes)
    proto.opset_import.append(helper.make_opsetid("own", 1))
    opsets = list(proto.opset_import)
    for level in range(40):
        inner = f"f{level + 1}" if level < 39 else "f39"
        calls = [
            helper.make_node(inner, ["a"], ["b"], domain="own"),
            helper.make_node(inner, ["b"], ["c"], domain="own"),
        ]
        if level == 39:
            calls = [helper.make_node("Exp", ["a"], ["c"])]
        proto.functions.append(
            helper.make_function("own", f"f{level}", ["a"], ["c"], calls, opsets)
        )
    refused(tmp_path, proto, "does not end")


def test_a_function_that_calls_itself(tmp_path):
    proto = graph([helper.make_node("f", ["x"], ["y"], domain="own")])
    proto.opset_import.append(helper.make_opsetid("own", 1))
    calls = [helper.make_node("f", ["a"], ["b"], domain="own")]
    proto.functions.append(
        helper.make_function("own", "f", ["a"], ["b"], calls, list(proto.opset_import))
    )
    refused(tmp_path, proto, "makes no sense|does not end|describes no model")


def test_graphs_that_make_no_sense(tmp_path):
    exp = helper.make_node("Exp", ["x"], ["y"])
    refused(tmp_path, graph([exp], output="z"), "nothing makes the output 'z'")
    pool = helper.make_node("MaxPool", ["x"], ["y"])
    refused(tmp_path, graph([pool]), "makes no sense")
    data = graph([exp]).SerializeToString()
    # a name that is no text: protocol buffers then give bytes
    refused(tmp_path, data.replace(b"Exp", b"\xff\xfep"), ".")
    few = body([helper.make_node("Exp", ["last"], ["next"])])
    del few.input[2]
    most = numpy_helper.from_array(np.asarray(2, "int64"), "most")
    loop = helper.make_node("Loop", ["most", "", "x"], ["y"], body=few)
    refused(tmp_path, graph([loop], [most]), "takes 2 values, not 3")


# --- HDF5 ----------------------------------------------------------------------------


GOLDEN = Path(__file__).parents[1] / "importers" / "keras" / "golden"


def refused_hdf5(tmp_path, content, match):
    path = tmp_path / "m.h5"
    path.write_bytes(content)
    with Bounds(), pytest.raises(FileFormatError, match=match):
        load_model(path)


def made_hdf5(write, **options):
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", **options) as file:
        write(file)
    return buffer.getvalue()


def test_a_text_that_claims_gigabytes(tmp_path):
    """The library would make room for it before it looks."""
    good = (GOLDEN / "dense.h5").read_bytes()
    place = good.find(b"model_config")
    heap = good.find(b"GCOL")
    at = good.index(struct.pack("<Q", heap), place) - 4
    for length in (2**32 - 1, 10**9):
        wrong = bytearray(good)
        struct.pack_into("<I", wrong, at, length)
        refused_hdf5(tmp_path, wrong, "a text claims")
    wrong = bytearray(good)
    struct.pack_into("<Q", wrong, at + 4, len(good) + 8)
    refused_hdf5(tmp_path, wrong, "a text at byte")


def test_a_tree_that_leads_to_itself(tmp_path):
    good = bytearray((GOLDEN / "dense.h5").read_bytes())
    tree = good.find(b"TREE")
    good[tree + 5] = 1  # not a leaf
    struct.pack_into("<Q", good, tree + 32, tree)
    refused_hdf5(tmp_path, good, "reached twice|another kind")


def test_layouts_that_keras_does_not_write(tmp_path):
    def linked(file):
        file["a"] = h5py.ExternalLink("/etc/passwd", "x")

    def ordered(file):
        file.create_group("a", track_order=True)

    def virtual(file):
        layout = h5py.VirtualLayout((4,), "f4")
        layout[:] = h5py.VirtualSource("/etc/passwd", "x", (4,))
        file.create_virtual_dataset("a", layout)

    def external(file):
        file.create_dataset("a", (4,), "f4", external=[("/etc/passwd", 0, 16)])

    def described(file):
        file["a"] = np.zeros(2, [("x", "f4"), ("y", "f4")])

    for write in (linked, ordered, virtual, external, described):
        refused_hdf5(
            tmp_path, made_hdf5(write), "does not write|another file|as Keras writes"
        )
    refused_hdf5(tmp_path, made_hdf5(lambda file: None, libver="latest"), "newer")
    aside = bytes(512) + (GOLDEN / "dense.h5").read_bytes()
    refused_hdf5(tmp_path, aside, "does not begin")


def test_packed_numbers_that_unfold(tmp_path):
    def zeros(file):
        file.create_dataset("a", data=np.zeros(2**23), chunks=(2**16,), compression=9)

    refused_hdf5(tmp_path, made_hdf5(zeros), "does not hold|claims")

    def many(file):
        file["0"] = np.ones(2**17)
        for number in range(1, 99):
            file[str(number)] = file["0"]

    path = tmp_path / "m.weights.h5"
    path.write_bytes(
        made_hdf5(lambda file: many(file.create_group("layers/dense/vars")))
    )
    model = nv.models.Sequential([nv.layers.Dense(2, input_shape=(3,))])
    with Bounds(), pytest.raises(FileFormatError, match="claim .* together"):
        model.load_weights(path)


def test_an_unknown_filter_is_not_looked_for(tmp_path):
    """HDF5 would search folders of the system for a library of that number."""
    good = made_hdf5(
        lambda file: file.create_dataset(
            "a", data=np.ones(8), shuffle=True, chunks=(4,)
        )
    )
    place = good.index(b"shuffle") - 8
    wrong = bytearray(good)
    struct.pack_into("<H", wrong, place, 32_015)
    refused_hdf5(tmp_path, wrong, "unknown filter 32015")


# --- JSON ----------------------------------------------------------------------------


def test_json_that_unfolds(tmp_path):
    path = tmp_path / "m.nv"
    text = b"[" + b"[]," * 2_000_000 + b"0]"
    write_container(path, "model", {"model.json": text, "variables.safetensors": b""})
    with Bounds(), pytest.raises(FileFormatError, match="parts, too many"):
        load_model(path)


# --- texts ---------------------------------------------------------------------------


def test_a_model_may_not_name_a_vocabulary(tmp_path):
    """A model's file would choose which other file is opened."""
    outside = tmp_path / "outside.txt"
    outside.write_text("3\n5\n")
    path = tmp_path / "m.nv"
    model = nv.models.Sequential([nv.layers.Dense(1, input_shape=(2,))])
    model.save(path)
    with zipfile.ZipFile(path) as archive:
        entries = {one: archive.read(one) for one in archive.namelist()}
    del entries["manifest.json"]
    content = json.loads(entries["model.json"])
    text = json.dumps(content)
    layer = next(one for one in walk(content) if one.get("class_name") == "Dense")
    layer["class_name"] = "StringLookup"
    layer["config"] = {"vocabulary": str(outside)}
    assert json.dumps(content) != text
    write_container(
        path, "model", entries | {"model.json": json.dumps(content).encode()}
    )
    with pytest.raises(FileFormatError, match="may not choose what else is opened"):
        load_model(path)
    assert nv.layers.StringLookup(vocabulary=str(outside)).vocabulary_size() == 3


def walk(value):
    """Yield all dicts in plain data."""
    if isinstance(value, dict):
        yield value
    for one in value.values() if isinstance(value, dict) else value:
        if isinstance(one, dict | list):
            yield from walk(one)


def test_texts_that_are_none(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"one\xff\ntwo")
    with pytest.raises(FileFormatError, match="no text in UTF-8"):
        nv.layers.StringLookup(vocabulary=str(path))
    with pytest.raises(FileFormatError, match="no log that can be gone on with"):
        CSVLogger(path, append=True).on_train_begin()


def test_a_state_of_checkpoints_with_a_control_character(tmp_path):
    import nervure.tf1 as tf

    (tmp_path / "checkpoint").write_bytes(b'model_checkpoint_path: "m\x01"\n')
    with pytest.raises(NervureError, match="line that it cannot have"):
        tf.train.get_checkpoint_state(tmp_path)


@pytest.mark.parametrize(
    "text", ["[" * 9000, '{"version": 1, "machines": {"a": 1e999}}']
)
def test_peaks_that_are_none(tmp_path, text):
    path = tmp_path / "peaks.json"
    path.write_text(text)
    assert peaks._loaded(path) == {}


def test_nothing_of_nervure_reads_npz_or_pickles():
    """Arrays of NumPy's own formats may hold pickles; only users read them."""
    root = Path(nv.__file__).parent
    for one in root.rglob("*.py"):
        text = one.read_text(encoding="utf-8")
        assert "np.load(" not in text.replace(">>> ", ""), one
        assert "pickle.load" not in text, one
