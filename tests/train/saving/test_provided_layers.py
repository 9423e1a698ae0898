"""Layers outside of nervure.layers are known in a process that never imported them."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import nervure as nv
from nervure.errors import UnknownNameError
from nervure.importers.onnx import model_from_proto
from nervure.nn import registry

ROOT = Path(__file__).resolve().parents[3]
X = np.random.default_rng(0).normal(size=(2, 32, 32, 1)).astype("float32")

READ = """
import sys
import numpy as np
import nervure as nv

folder, *names = sys.argv[1:]
late = ("nervure.pretrained.architectures", "nervure.importers.onnx.model", "onnx")
assert not [one for one in sys.modules if one.startswith(late)]
for name in names:
    with np.load(f"{folder}/{name}.npz") as file:
        model = nv.models.load_model(f"{folder}/{name}.nv")
        np.testing.assert_array_equal(model.predict(file["x"], verbose=0), file["y"])
"""


def imported():
    """Return a model of a graph of ONNX."""
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "g",
        [value("x", TensorProto.FLOAT, [None, 3])],
        [value("y", TensorProto.FLOAT, [None, 2])],
        [numpy_helper.from_array(np.arange(6, dtype="f").reshape(3, 2), "w")],
    )
    opset = helper.make_opsetid("", 20)
    return model_from_proto(onnx.helper.make_model(graph, opset_imports=[opset]))


def transformer():
    """Return the first layers of a vision transformer."""
    inputs = nv.layers.Input((4, 3))
    x = nv.pretrained.ClassToken()(inputs)
    return nv.models.Model(inputs, nv.pretrained.PositionEmbedding()(x))


def hardened():
    """Return a wrapper of adversarial training with its model."""
    model = nv.models.Sequential([nv.layers.Dense(2, input_shape=(3,))])
    return nv.adversarial.AdversarialTraining(model, eps=0.2, steps=2, seed=3)


MODELS = {
    "imported": (imported, X[:, :3, 0, 0]),
    "transformer": (transformer, X[:, :4, :3, 0]),
    "lenet": (lambda: nv.pretrained.lenet5(style="paper"), X),
    "hardened": (hardened, X[:, :3, 0, 0]),
}


def test_models_are_read_in_a_process_that_imports_nothing_else(tmp_path):
    for name, (make, x) in MODELS.items():
        model = make()
        y = model.predict(x, verbose=0)
        model.save(tmp_path / f"{name}.nv")
        np.savez(tmp_path / f"{name}.npz", x=x, y=y)
    done = subprocess.run(
        [sys.executable, "-c", READ, str(tmp_path), *MODELS],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr


def test_the_table_names_every_class_that_registers_itself():
    """A layer that is left out could be saved, and not be read."""
    for part in ("pretrained", "importers", "adversarial", "distribute", "inspect"):
        package = importlib.import_module(f"nervure.{part}")
        for one in pkgutil.walk_packages(package.__path__, f"nervure.{part}."):
            importlib.import_module(one.name)
    registered = {
        name: thing.__module__
        for name, thing in registry._by_name.items()
        if thing.__module__.startswith("nervure.")
        and not name.startswith("mine>")  # of other tests
    }
    assert registered == registry.PROVIDED


@pytest.mark.parametrize(
    "name", ["os>system", "nervure>os", "nervure.pretrained>ClassToken", "antigravity"]
)
def test_a_file_cannot_have_modules_imported(name):
    before = set(sys.modules)
    with pytest.raises(UnknownNameError, match="is not known"):
        nv.layers.deserialize({"class_name": name, "config": {}})
    assert set(sys.modules) == before
