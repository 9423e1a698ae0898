"""Every layer of the parity table, written as ONNX and run by onnxruntime."""

from __future__ import annotations

import json

import numpy as np
import onnx
import onnxruntime
import pytest

import nervure as nv
from nervure import tree
from nervure.errors import TraceError
from nervure.exporters.onnx import ExportError, model_proto
from tests.parity.cases import array, is_array, kind_of, read_cases
from tests.parity.computing import make
from tests.parity.nervure_side import Nervure

LAYERS = {name: case for name, case in read_cases().items() if kind_of(case) == "layer"}
# A model's first axis is the batch; this case is one image without it.
FIXED = {"layers/preprocessing/resizing_single"}


def _session(proto: onnx.ModelProto) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(proto.SerializeToString(), options)


def _case(name: str) -> tuple[nv.models.Model, list[np.ndarray]]:
    """Return a model of the layer of a case, and its data."""
    case = LAYERS[name]
    nv.utils.clear_session()
    nv.utils.set_random_seed(0)
    layer = make(Nervure(), "layer", case)
    data = [array(case, f"input {k}", one) for k, one in enumerate(case["inputs"])]
    inputs = [nv.layers.Input(one.shape[1:], dtype=one.dtype) for one in data]
    options = {}
    for key, one in case.get("call", {}).items():
        options[key] = one
        if is_array(one):
            data.append(array(case, key, one))
            options[key] = nv.layers.Input(data[-1].shape[1:], dtype=data[-1].dtype)
            inputs.append(options[key])
    count = len(case["inputs"])
    outputs = layer(inputs[0] if count == 1 else inputs[:count], **options)
    model = nv.models.Model(inputs[0] if len(inputs) == 1 else inputs, outputs)
    random = np.random.default_rng(0)
    for weight in model.weights:
        if weight.dtype.kind == "f":
            moved = weight.numpy() + random.uniform(0.0, 0.1, weight.shape)
            weight.assign(moved.astype(weight.dtype))
    return model, data


@pytest.mark.parametrize("name", LAYERS)
def test_layers_compute_the_same_in_onnxruntime(name):
    model, data = _case(name)
    proto = model_proto(model, batch_size=len(data[0]) if name in FIXED else None)
    onnx.checker.check_model(proto, full_check=True)
    session = _session(proto)
    given = {
        one.name: value for one, value in zip(session.get_inputs(), data, strict=True)
    }
    results = session.run(None, given)
    expected = tree.flatten(model(data[0] if len(data) == 1 else data, training=False))[
        0
    ]
    assert len(results) == len(expected)
    for found, right in zip(results, map(np.asarray, expected), strict=True):
        assert (found.shape, found.dtype) == (right.shape, right.dtype)
        np.testing.assert_allclose(found, right, rtol=1e-5, atol=1e-5)


# Tables of words, and of numbers as words: no graph of arrays holds them.
OF_TEXTS = {"Hashing", "IntegerLookup", "StringLookup", "TextVectorization"}
# What is part of other layers' cases, or has no computation of its own.
BASES = {"InputLayer", "Lambda", "Layer", "Operation", "Wrapper"}


def test_every_layer_has_a_case():
    classes = {
        one.__name__
        for one in vars(nv.layers).values()
        if isinstance(one, type) and issubclass(one, nv.layers.Layer)
    }
    without = {one for one in classes if f'"{one}"' not in json.dumps(LAYERS)}
    assert without == OF_TEXTS | BASES


@pytest.mark.parametrize("name", ["Hashing", "IntegerLookup"])
def test_layers_of_texts_are_no_part_of_models(name):
    options = {"num_bins": 5} if name == "Hashing" else {"vocabulary": [1, 2]}
    with pytest.raises(TraceError, match="apply it to the data"):
        getattr(nv.layers, name)(**options)(nv.layers.Input((3,), dtype="int64"))


def _transformer():
    x = inputs = nv.layers.Input((4, 3))
    x = nv.pretrained.PositionEmbedding()(nv.pretrained.ClassToken()(x))
    return nv.models.Model(inputs, nv.layers.Lambda(lambda one: one * 2.0)(x))


def _hardened():
    model = nv.models.Sequential([nv.layers.Dense(2, input_shape=(5,))])
    return nv.adversarial.AdversarialTraining(model)


@pytest.mark.parametrize(
    "make",
    [_transformer, _hardened, lambda: nv.pretrained.lenet5(style="paper")],
    ids=["transformer", "hardened", "lenet"],
)
def test_layers_of_other_parts(make):
    nv.utils.set_random_seed(0)
    model = make()
    random = np.random.default_rng(0)
    x = random.normal(size=(3, *model.inputs[0].shape[1:])).astype("float32")
    proto = model_proto(model)
    onnx.checker.check_model(proto, full_check=True)
    session = _session(proto)
    (found,) = session.run(None, {session.get_inputs()[0].name: x})
    np.testing.assert_allclose(found, model.predict(x, verbose=0), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_norms_neither_overflow_nor_vanish(dtype):
    """ONNX has no bits of numbers; the unit that is taken out comes of a logarithm."""
    random = np.random.default_rng(0)
    sizes = np.array([[3e37], [1e20], [1.0], [2.0], [1e-30], [0.0]])
    x = (random.normal(size=(6, 3)) * sizes).astype("float32")
    x[3] = [0, 0, np.finfo(np.float32).max]  # its logarithm is rounded to 128
    inputs = nv.layers.Input((3,))
    model = nv.models.Model(inputs, nv.layers.UnitNormalization(dtype=dtype)(inputs))
    proto = model_proto(model)
    onnx.checker.check_model(proto, full_check=True)
    session = _session(proto)
    (found,) = session.run(None, {session.get_inputs()[0].name: x})
    assert found.dtype == dtype
    np.testing.assert_allclose(found, model.predict(x, verbose=0), rtol=1e-6)
    lengths = np.linalg.norm(found.astype("float64"), axis=1)
    np.testing.assert_allclose(lengths[:4], 1.0, rtol=1e-6)


def test_other_bits_of_numbers_are_refused():
    inputs = nv.layers.Input((3,))
    after = nv.layers.Lambda(lambda x: nv.nextafter(x, x + 1.0))
    with pytest.raises(ExportError, match="bitcast"):
        model_proto(nv.models.Model(inputs, after(inputs)))
