"""Whole networks as ONNX: what the file looks like, and that it comes back."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx
import onnxruntime
import pytest

import nervure as nv
from nervure.errors import ArgumentError, NotBuiltError
from nervure.exporters.onnx import ExportError, model_proto
from nervure.exporters.onnx.sizes import Size, size_of


def small():
    return nv.models.Sequential(
        [
            nv.layers.Conv2D(4, 3, padding="same", input_shape=(8, 8, 3)),
            nv.layers.BatchNormalization(),
            nv.layers.ReLU(),
            nv.layers.MaxPooling2D(),
            nv.layers.Flatten(),
            nv.layers.Dense(5),
        ]
    )


def test_a_convolution_takes_in_bias_and_normalization(tmp_path):
    model = small()
    random = np.random.default_rng(0)
    for weight in model.weights:
        weight.assign(random.uniform(0.1, 1.0, weight.shape).astype("float32"))
    path = tmp_path / "m.onnx"
    model.export(path)
    proto = onnx.load(path)
    onnx.checker.check_model(proto, full_check=True)
    kinds = Counter(node.op_type for node in proto.graph.node)
    assert kinds["Conv"] == kinds["Relu"] == kinds["MaxPool"] == kinds["MatMul"] == 1
    assert not {"Where", "Sub", "Sqrt", "Div"} & set(kinds)
    session = onnxruntime.InferenceSession(path)
    for batch in (1, 3, 16):
        x = random.normal(size=(batch, 8, 8, 3)).astype("float32")
        (found,) = session.run(None, {session.get_inputs()[0].name: x})
        np.testing.assert_allclose(found, model.predict(x), rtol=1e-5, atol=1e-4)


def test_there_and_back(tmp_path):
    model = small()
    path = tmp_path / "m.onnx"
    model.export(path)
    again = nv.models.load_model(path)
    x = np.random.default_rng(0).normal(size=(3, 8, 8, 3)).astype("float32")
    np.testing.assert_allclose(again.predict(x), model.predict(x), rtol=1e-4, atol=1e-5)
    again.compile("sgd", "mse")
    before = again.evaluate(x, np.zeros((3, 5)), verbose=0)
    again.fit(x, np.zeros((3, 5)), epochs=3, verbose=0)
    assert again.evaluate(x, np.zeros((3, 5)), verbose=0) < before


def test_a_value_of_a_convolution_that_is_used_twice():
    x = nv.layers.Input((6, 6, 2))
    h = nv.layers.Conv2D(2, 1, bias_initializer="ones")(x)
    model = nv.models.Model(x, [nv.layers.Add()([h, nv.layers.ReLU()(h)]), h])
    proto = model_proto(model)
    onnx.checker.check_model(proto, full_check=True)
    session = onnxruntime.InferenceSession(proto.SerializeToString())
    data = np.random.default_rng(0).normal(size=(2, 6, 6, 2)).astype("float32")
    found = session.run(None, {session.get_inputs()[0].name: data})
    for one, right in zip(found, model.predict(data)):
        np.testing.assert_allclose(one, right, rtol=1e-5, atol=1e-5)


def test_names_of_inputs_and_outputs_and_the_batch():
    proto = model_proto(small())
    (shape,) = [one.type.tensor_type.shape.dim for one in proto.graph.input]
    assert shape[0].dim_param == "batch"
    assert [one.dim_value for one in shape[1:]] == [8, 8, 3]
    fixed = model_proto(small(), batch_size=2).graph.output[0].type.tensor_type.shape
    assert [one.dim_value for one in fixed.dim] == [2, 5]


def test_what_cannot_be_exported(tmp_path):
    with pytest.raises(ArgumentError, match="ends in .onnx"):
        small().export(tmp_path / "m.tflite")
    unbuilt = nv.models.Sequential([nv.layers.Dense(2)])
    with pytest.raises(NotBuiltError, match="does not know its inputs"):
        unbuilt.export(tmp_path / "m.onnx")
    sequence = nv.layers.Input((None, 3))
    free = nv.models.Model(sequence, nv.layers.Dense(2)(sequence))
    with pytest.raises(ExportError, match="sizes besides the batch"):
        free.export(tmp_path / "m.onnx")
    drawn = nv.layers.Input((3,))
    layer = nv.layers.Lambda(lambda x: x + nv.random.uniform((3,)))
    with pytest.raises(ExportError, match="random_bits"):
        model_proto(nv.models.Model(drawn, layer(drawn)), batch_size=1)
    assert list(tmp_path.iterdir()) == []


def test_sizes_that_follow_the_batch():
    assert size_of(2 * 61 + 3, 2 * 67 + 3) == Size(2, 3)
    assert size_of(61 // 2, 67 // 2) is None


@pytest.mark.slow
@pytest.mark.parametrize("name", ["efficientnet_lite0", "resnet18", "mobilenet_v2"])
def test_networks_of_papers(name):
    model = getattr(nv.pretrained, name)(weights=None)
    proto = model_proto(model)
    session = onnxruntime.InferenceSession(proto.SerializeToString())
    shape = (2, *model.input_shape[1:])
    x = np.random.default_rng(0).uniform(size=shape).astype("float32")
    (found,) = session.run(None, {session.get_inputs()[0].name: x})
    np.testing.assert_allclose(found, model.predict(x), rtol=1e-4, atol=1e-5)
