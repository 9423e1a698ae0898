"""Graphs as models: weights, training, control flow, shapes, saving."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

import nervure as nv
from nervure.errors import ArgumentError
from nervure.importers.onnx import UnsupportedError, load_model, model_from_proto

FLOAT, INT = TensorProto.FLOAT, TensorProto.INT64


def value(name, kind, shape):
    return helper.make_tensor_value_info(name, kind, shape)


def proto_of(nodes, inputs, outputs, data=(), opset=20):
    tensors = [numpy_helper.from_array(np.asarray(one), name) for name, one in data]
    graph = helper.make_graph(nodes, "g", inputs, outputs, tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])


def convolutional(random):
    """Return a small network of convolutions with a Shape-made Reshape."""
    data = {
        "k": random.normal(size=(4, 3, 3, 3)).astype("float32"),
        "b": random.normal(size=4).astype("float32"),
        "scale": random.uniform(0.5, 1, 4).astype("float32"),
        "shift": random.normal(size=4).astype("float32"),
        "mean": random.normal(size=4).astype("float32"),
        "var": random.uniform(0.5, 1, 4).astype("float32"),
        "w": random.normal(size=(4 * 16, 5)).astype("float32"),
        "zero": np.asarray([0], "int64"),
        "rest": np.asarray([-1], "int64"),
    }
    nodes = [
        helper.make_node("Conv", ["x", "k", "b"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node(
            "BatchNormalization", ["c", "scale", "shift", "mean", "var"], ["n"]
        ),
        helper.make_node("Relu", ["n"], ["r"]),
        helper.make_node(
            "MaxPool", ["r"], ["p"], kernel_shape=[2, 2], strides=[2, 2], name="pool"
        ),
        helper.make_node("Shape", ["p"], ["s"]),
        helper.make_node("Gather", ["s", "zero"], ["n0"], axis=0),
        helper.make_node("Concat", ["n0", "rest"], ["to"], axis=0),
        helper.make_node("Reshape", ["p", "to"], ["f"]),
        helper.make_node("MatMul", ["f", "w"], ["y"]),
    ]
    return proto_of(
        nodes,
        [value("x", FLOAT, ["batch", 3, 8, 8])],
        [value("y", FLOAT, ["batch", 5])],
        data.items(),
    ), data


def test_weights_constants_and_values():
    proto, data = convolutional(np.random.default_rng(0))
    model = model_from_proto(proto)
    names = {one.path.split("/")[-1] for one in model.weights}
    assert names == {"k", "b", "scale", "shift", "mean", "var", "w"}
    fixed = {one.path.split("/")[-1] for one in model.non_trainable_weights}
    assert fixed == {"mean", "var"}
    assert model.input_shape == (None, 3, 8, 8)
    assert model.output_shape == (None, 5)
    x = np.random.default_rng(1).normal(size=(6, 3, 8, 8)).astype("float32")
    right = {key: torch.tensor(one) for key, one in data.items()}
    t = torch.conv2d(torch.tensor(x), right["k"], right["b"], padding=1)
    t = torch.nn.functional.batch_norm(
        t, right["mean"], right["var"], right["scale"], right["shift"]
    )
    t = torch.max_pool2d(torch.relu(t), 2).flatten(1) @ right["w"]
    np.testing.assert_allclose(model.predict(x), t.numpy(), rtol=1e-4, atol=1e-4)


def test_gradients_agree_with_torch():
    proto, data = convolutional(np.random.default_rng(0))
    model = model_from_proto(proto)
    x = np.random.default_rng(1).normal(size=(2, 3, 8, 8)).astype("float32")
    found = nv.grad(lambda a: nv.sum(nv.square(model(a))))(nv.asarray(x)).numpy()
    t = torch.tensor(x, requires_grad=True)
    right = {key: torch.tensor(one) for key, one in data.items()}
    y = torch.conv2d(t, right["k"], right["b"], padding=1)
    y = torch.nn.functional.batch_norm(
        y, right["mean"], right["var"], right["scale"], right["shift"]
    )
    y = torch.max_pool2d(torch.relu(y), 2).flatten(1) @ right["w"]
    y.square().sum().backward()
    np.testing.assert_allclose(found, t.grad.numpy(), rtol=1e-3, atol=1e-3)


def test_training_lowers_the_loss_and_keeps_the_moments():
    proto, data = convolutional(np.random.default_rng(0))
    model = model_from_proto(proto)
    random = np.random.default_rng(2)
    x = random.normal(size=(32, 3, 8, 8)).astype("float32")
    y = random.normal(size=(32, 5)).astype("float32")
    model.compile(nv.optimizers.Adam(0.01), "mse")
    before = model.evaluate(x, y, verbose=0)
    model.fit(x, y, epochs=5, batch_size=8, verbose=0)
    assert model.evaluate(x, y, verbose=0) < before / 2
    moments = {one.path.split("/")[-1]: one for one in model.non_trainable_weights}
    np.testing.assert_array_equal(moments["mean"].numpy(), data["mean"])


def test_saved_and_read_again(tmp_path):
    model = model_from_proto(convolutional(np.random.default_rng(0))[0])
    path = tmp_path / "m.nv"
    model.save(path)
    again = nv.models.load_model(path)
    x = np.random.default_rng(1).normal(size=(2, 3, 8, 8)).astype("float32")
    np.testing.assert_array_equal(again.predict(x), model.predict(x))


def test_fine_tuned_saved_and_exported_again(tmp_path):
    """A file of others becomes the start of something of one's own."""
    network = model_from_proto(convolutional(np.random.default_rng(0))[0])
    random = np.random.default_rng(3)
    x = random.normal(size=(24, 3, 8, 8)).astype("float32")
    y = (x[:, 0].mean(axis=(1, 2)) > 0).astype("int32")
    kernel = next(one for one in network.weights if one.path.split("/")[-1] == "k")
    before = kernel.numpy().copy()
    options = {"head_epochs": 3, "epochs": 3, "learning_rate": 1e-3, "verbose": 0}
    tuned = nv.pretrained.fine_tune(network, x, y, **options).model
    assert (kernel.numpy() != before).any()
    right = tuned.predict(x, verbose=0)
    tuned.save(tmp_path / "tuned.nv")
    again = nv.models.load_model(tmp_path / "tuned.nv")
    np.testing.assert_array_equal(again.predict(x, verbose=0), right)
    again.fit(x, y, verbose=0)  # its optimizer came along
    tuned.export(tmp_path / "tuned.onnx")
    back = nv.models.load_model(tmp_path / "tuned.onnx")
    np.testing.assert_allclose(back.predict(x, verbose=0), right, rtol=1e-4, atol=1e-5)


def test_features_are_another_output(tmp_path):
    path = tmp_path / "m.onnx"
    onnx.save(convolutional(np.random.default_rng(0))[0], path)
    features = load_model(path, outputs=["p"])
    assert features.output_shape == (None, 4, 4, 4)
    assert "w" not in {one.path.split("/")[-1] for one in features.weights}
    with pytest.raises(ArgumentError, match="no value 'q'"):
        load_model(path, outputs=["q"])
    fixed = load_model(path, input_shapes={"x": (2, 3, 8, 8)})
    assert fixed.output_shape == (2, 5)


def test_the_public_loader_reads_onnx(tmp_path):
    path = tmp_path / "m.onnx"
    onnx.save(convolutional(np.random.default_rng(0))[0], path)
    assert nv.models.load_model(path).output_shape == (None, 5)


def test_weights_made_by_nodes_are_weights():
    nodes = [
        helper.make_node(
            "ConstantOfShape",
            ["size"],
            ["w"],
            value=numpy_helper.from_array(np.asarray([0.5], "float32")),
        ),
        helper.make_node("MatMul", ["x", "w"], ["y"]),
    ]
    proto = proto_of(
        nodes,
        [value("x", FLOAT, [None, 3])],
        [value("y", FLOAT, [None, 2])],
        [("size", np.asarray([3, 2], "int64"))],
    )
    model = model_from_proto(proto)
    assert [one.shape for one in model.weights] == [(3, 2)]
    assert model.predict(np.ones((1, 3))).tolist() == [[1.5, 1.5]]


def test_small_constants_of_formulas_are_no_weights():
    nodes = [helper.make_node("Mul", ["x", "half"], ["y"])]
    data = [("half", np.asarray(0.5, "float32"))]
    x = value("x", FLOAT, [None, 2])
    model = model_from_proto(proto_of(nodes, [x], [value("y", FLOAT, None)], data))
    assert model.weights == []


def test_a_shape_that_is_an_input_must_be_known():
    nodes = [helper.make_node("Reshape", ["x", "to"], ["y"], name="fold")]
    inputs = [value("x", FLOAT, [None, 4]), value("to", INT, [2])]
    proto = proto_of(nodes, inputs, [value("y", FLOAT, None)])
    with pytest.raises(UnsupportedError, match="'Reshape' \\(node 'fold'\\)"):
        model_from_proto(proto)
    model = model_from_proto(proto, known={"to": [-1, 2]})
    found = model(np.ones((3, 4), "float32"))
    assert found.shape == (6, 2)
    with pytest.raises(ArgumentError, match="no input 'too'"):
        model_from_proto(proto, known={"too": [-1, 2]})


def _graph(nodes, inputs, outputs):
    return helper.make_graph(nodes, "body", inputs, outputs)


def test_a_branch_that_depends_on_an_input():
    then = _graph(
        [helper.make_node("Neg", ["x"], ["a"])], [], [value("a", FLOAT, None)]
    )
    other = _graph(
        [helper.make_node("Exp", ["x"], ["b"])], [], [value("b", FLOAT, None)]
    )
    nodes = [
        helper.make_node("ReduceSum", ["x"], ["total"], keepdims=0),
        helper.make_node("Less", ["total", "zero"], ["low"]),
        helper.make_node("If", ["low"], ["y"], then_branch=then, else_branch=other),
    ]
    proto = proto_of(
        nodes,
        [value("x", FLOAT, [2, 2])],
        [value("y", FLOAT, [2, 2])],
        [("zero", np.asarray(0.0, "float32"))],
    )
    model = model_from_proto(proto)
    compiled = nv.compile(lambda x: model(x))
    for x in (np.ones((2, 2), "float32"), -np.ones((2, 2), "float32")):
        right = -x if x.sum() < 0 else np.exp(x)
        np.testing.assert_allclose(np.asarray(compiled(x)), right, rtol=1e-6)


@pytest.mark.parametrize("steps", [3, 40])
def test_loops_unrolled_and_scanned(steps):
    body = _graph(
        [
            helper.make_node("Mul", ["v", "rate"], ["w"]),
            helper.make_node("Identity", ["go"], ["on"]),
            helper.make_node("Identity", ["w"], ["row"]),
        ],
        [
            value("i", INT, []),
            value("go", TensorProto.BOOL, []),
            value("v", FLOAT, None),
        ],
        [
            value("on", TensorProto.BOOL, []),
            value("w", FLOAT, None),
            value("row", FLOAT, None),
        ],
    )
    nodes = [helper.make_node("Loop", ["n", "", "x"], ["last", "rows"], body=body)]
    proto = proto_of(
        nodes,
        [value("x", FLOAT, [2])],
        [value("last", FLOAT, [2]), value("rows", FLOAT, None)],
        [("n", np.asarray(steps, "int64")), ("rate", np.asarray(0.9, "float32"))],
    )
    model = model_from_proto(proto)
    x = np.asarray([1.0, 2.0], "float32")
    last, rows = nv.compile(lambda a: model(a))(x)
    powers = 0.9 ** np.arange(1, steps + 1)[:, None]
    np.testing.assert_allclose(np.asarray(rows), powers * x, rtol=1e-4)
    np.testing.assert_allclose(np.asarray(last), powers[-1] * x, rtol=1e-4)


def test_a_loop_that_ends_by_its_values():
    body = _graph(
        [
            helper.make_node("Add", ["v", "v"], ["w"]),
            helper.make_node("ReduceMax", ["w"], ["most"], keepdims=0),
            helper.make_node("Less", ["most", "limit"], ["on"]),
        ],
        [
            value("i", INT, []),
            value("go", TensorProto.BOOL, []),
            value("v", FLOAT, None),
        ],
        [value("on", TensorProto.BOOL, []), value("w", FLOAT, None)],
    )
    nodes = [
        helper.make_node("ReduceMax", ["x"], ["first"], keepdims=0),
        helper.make_node("Less", ["first", "limit"], ["start"]),
        helper.make_node("Loop", ["", "start", "x"], ["y"], body=body),
    ]
    proto = proto_of(
        nodes,
        [value("x", FLOAT, [2])],
        [value("y", FLOAT, [2])],
        [("limit", np.asarray(100.0, "float32"))],
    )
    model = model_from_proto(proto)
    y = nv.compile(lambda a: model(a))(np.asarray([1.0, 3.0], "float32"))
    assert np.asarray(y).tolist() == [64.0, 192.0]


@pytest.mark.parametrize(
    "node, named",
    [
        (helper.make_node("NonMaxSuppression", ["x", "x"], ["y"]), "NonMaxSuppression"),
        (helper.make_node("Nothing", ["x"], ["y"]), "Nothing"),
        (helper.make_node("Scaler", ["x"], ["y"], domain="ai.onnx.ml"), "Scaler"),
        (helper.make_node("NonZero", ["x"], ["y"]), "NonZero"),
    ],
)
def test_refusals_name_the_operator(node, named):
    proto = proto_of([node], [value("x", FLOAT, [2, 2])], [value("y", FLOAT, None)])
    with pytest.raises(UnsupportedError, match=f"'{named}'") as caught:
        model_from_proto(proto)
    assert caught.value.operator == named


def test_old_versions_are_refused_with_a_way_out():
    node = helper.make_node("Add", ["x", "x"], ["y"])
    x = value("x", FLOAT, [2])
    proto = proto_of([node], [x], [value("y", FLOAT, None)], opset=6)
    with pytest.raises(UnsupportedError, match="version_converter"):
        model_from_proto(proto)
