"""Files that claim to be ONNX: nothing is executed, and nothing is believed."""

from __future__ import annotations

import os

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from nervure.errors import FileFormatError, NervureError
from nervure.importers.onnx import load_model, model_from_proto
from nervure.importers.onnx.reading import confined, parsed


def small(tensor=None):
    weights = tensor or numpy_helper.from_array(np.ones((2, 2), "float32"), "w")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 2])],
        [weights],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])


def external(location, **told):
    tensor = TensorProto(name="w", dims=[2, 2], data_type=TensorProto.FLOAT)
    tensor.data_location = TensorProto.EXTERNAL
    for key, one in {"location": location, **told}.items():
        tensor.external_data.add(key=key, value=str(one))
    return small(tensor)


def written(folder, proto):
    path = folder / "m.onnx"
    path.write_bytes(proto.SerializeToString())
    return path


def test_external_data_beside_the_model(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "w.bin").write_bytes(
        b"head" + np.full((2, 2), 3.0, "<f4").tobytes()
    )
    path = written(tmp_path, external("data/w.bin", offset=4, length=16))
    assert load_model(path).predict(np.ones((1, 2))).tolist() == [[6.0, 6.0]]


@pytest.mark.parametrize(
    "location",
    [
        *("../secret", "/etc/passwd", "a/../../secret", "", ".", "..", "sub/.."),
        *("..\\secret", "C:\\secret", "C:/secret", "link", "folder/secret", "a\0b"),
        *("//host/share", "./../secret", "file:///etc/passwd"),
    ],
)
def test_external_data_cannot_leave_the_folder(tmp_path, location):
    inside = tmp_path / "model"
    inside.mkdir()
    (tmp_path / "secret").write_bytes(np.ones((2, 2), "<f4").tobytes())
    os.symlink(tmp_path / "secret", inside / "link")
    os.symlink(tmp_path, inside / "folder")
    with pytest.raises(FileFormatError):
        load_model(written(inside, external(location)))


@pytest.mark.parametrize(
    "told",
    [{"offset": -4}, {"offset": 8}, {"length": 99}, {"length": 4}, {"offset": "x"}],
)
def test_external_data_of_another_size(tmp_path, told):
    (tmp_path / "w.bin").write_bytes(np.ones((2, 2), "<f4").tobytes())
    with pytest.raises(FileFormatError):
        load_model(written(tmp_path, external("w.bin", **told)))


def test_external_data_need_a_folder():
    with pytest.raises(FileFormatError, match="lies in another file"):
        model_from_proto(external("w.bin"))


def test_a_device_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FileFormatError):
        confined(tmp_path, "pipe")


@pytest.mark.parametrize("dims", [[2, 3], [-1, 4], [1 << 40], [0, 1 << 62]])
def test_tensors_with_other_sizes_than_their_data(dims):
    tensor = TensorProto(name="w", dims=dims, data_type=TensorProto.FLOAT)
    tensor.raw_data = np.ones((2, 2), "<f4").tobytes()
    with pytest.raises(FileFormatError):
        model_from_proto(small(tensor))


def test_a_few_bytes_cannot_ask_for_gigabytes():
    nodes = [
        helper.make_node("ConstantOfShape", ["size"], ["w"]),
        helper.make_node("ReduceSum", ["w"], ["s"], keepdims=0),
        helper.make_node("Identity", ["x"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 2])],
        [numpy_helper.from_array(np.asarray([1 << 20, 1 << 20], "int64"), "size")],
    )
    model = model_from_proto(helper.make_model(graph))
    assert model.predict(np.ones((1, 2))).tolist() == [[1.0, 1.0]]


def test_names_that_nothing_makes():
    proto = small()
    proto.graph.node[0].input[0] = "nothing"
    with pytest.raises(FileFormatError, match="reads 'nothing'"):
        model_from_proto(proto)


def test_truncated(tmp_path):
    data = small().SerializeToString()
    for size in range(0, len(data), 7):
        path = tmp_path / "m.onnx"
        path.write_bytes(data[:size])
        with pytest.raises(NervureError):
            load_model(path)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_changed_bytes_raise_our_errors_only(data):
    content = bytearray(small().SerializeToString())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] = data.draw(st.integers(0, 255))
    try:
        file = parsed(bytes(content))
        assert isinstance(file.graph.nodes, tuple)
        onnx.ModelProto.FromString(bytes(content))
    except NervureError:
        pass
