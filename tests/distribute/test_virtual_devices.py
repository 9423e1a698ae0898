"""Training on eight devices is training on one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.distribute.running import DEVICES, ROOT, run_python, run_script

LIMITS = {"float32": 1e-4, "float64": 1e-6}


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    script = str(ROOT / "tests" / "distribute" / "virtual.py")
    done = run_python([script], DEVICES)
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout)


@pytest.mark.parametrize("dtype", LIMITS)
@pytest.mark.parametrize("way", ["data", "data on 4", "model", "both"])
def test_fifty_steps_are_those_of_one_device(
    found: dict[str, Any], way: str, dtype: str
) -> None:
    losses = found[f"learnt {dtype}"]
    assert losses[-1] < 0.8 * losses[0]
    for what, off in found[f"{way} {dtype}"].items():
        assert off <= LIMITS[dtype], (what, off)


def test_variables_are_cut_as_the_layout_says(found: dict[str, Any]) -> None:
    layout = found["both layout"]
    kernel = next(key for key in layout if key.startswith("dense") and "kernel" in key)
    assert "'batch': 4, 'model': 2" in layout[kernel]
    assert "spec=P(None, 'model')" in layout[kernel]
    assert all("spec=P()" in one for key, one in layout.items() if "conv" in key)
    assert all("spec=P()" in one for one in found["data layout"].values())


TRAFFIC = """
import re
import numpy as np
import nervure as nv
from nervure.exec.base import using_mesh, executor_named
from nervure.exec.xla import program

texts = []
many = program.StepCode.__init__
def watched(self, *args):
    many(self, *args)
    call = self.call
    def look(*given):
        texts.append(call.lower(*given).compile().as_text())
        return call(*given)
    self.call = look
program.StepCode.__init__ = watched

x = np.ones((64, 50), np.float32)
y = np.zeros((64, 10), np.float32)
with nv.distribute.DataParallel() as strategy:
    model = nv.models.Sequential([nv.layers.Dense(10, input_shape=(50,))])
    model.compile("sgd", "mse", executor="xla")
    model.fit(x, y, batch_size=32, verbose=0)
parameters = sum(w.size for w in model.get_weights())
(text,) = texts[:1]
reduced = 0
for line in text.splitlines():
    before, found, _ = line.partition(" all-reduce(")
    if found:
        for shape in re.findall(r"f32\\[([0-9,]*)\\]", before):
            reduced += int(np.prod([int(n) for n in shape.split(",") if n]))
print(strategy.replicas, parameters, reduced, text.count("f32[4,10]") > 0)
"""


def test_each_device_computes_its_rows_and_gradients_are_added_up() -> None:
    replicas, parameters, reduced, has_rows = run_script(TRAFFIC, DEVICES).split()
    assert int(replicas) == DEVICES
    # the gradients, and the sums of the loss
    assert int(parameters) <= int(reduced) <= int(parameters) + 8
    assert has_rows == "True"  # 32 rows on 8 devices


PREDICTING = """
import numpy as np
import nervure as nv
from nervure.exec.xla import program

texts = []
once = program.Code.__init__
def watched(self, *args):
    once(self, *args)
    call = self.call
    def look(given):
        texts.append(call.lower(given).compile().as_text())
        return call(given)
    self.call = look
program.Code.__init__ = watched

x = np.random.default_rng(0).normal(size=(127, 50)).astype("float32")
y = np.zeros((127, 10), np.float32)
with nv.distribute.DataParallel():
    model = nv.models.Sequential(
        [nv.layers.Dense(10, activation="tanh", input_shape=(50,))]
    )
    model.compile("sgd", "mse", executor="xla")
    model.fit(x, y, batch_size=64, verbose=0)
    texts.clear()
    spread = model.predict(x, batch_size=64, verbose=0)
    loss = model.evaluate(x, y, batch_size=64, verbose=0)
print("f32[8,10]" in texts[0], any("f32[64,10]" in one for one in texts))
alone = model.predict(x, verbose=0)
np.testing.assert_allclose(spread, alone, rtol=1e-5, atol=1e-6)
np.testing.assert_allclose(loss, (alone ** 2).mean(), rtol=1e-5)
"""


def test_predictions_are_divided_too() -> None:
    # 64 rows on 8 devices; the last 63 rows cannot be dealt out
    assert run_script(PREDICTING, DEVICES).split() == ["True", "False"]


WRONG = """
import nervure as nv
from nervure.errors import NervureError
import numpy as np
def show(make):
    try:
        make()
    except NervureError as error:
        print(type(error).__name__, str(error).splitlines()[0], sep=": ")
show(lambda: nv.distribute.DataParallel(devices=9))
show(lambda: nv.distribute.DataParallel(devices=["gpu:0"]))
show(lambda: nv.distribute.ModelParallel({"x": ("modell",)}))
show(lambda: nv.distribute.ModelParallel({}, model=3))
def cut():
    with nv.distribute.ModelParallel({"kernel": (None, "model")}):
        model = nv.models.Sequential([nv.layers.Dense(10, input_shape=(5,))])
        model.compile("sgd", "mse")
        model.fit(np.ones((8, 5)), np.ones((8, 10)), verbose=0)
show(cut)
"""


def test_what_cannot_be_spread_is_explained() -> None:
    assert run_script(WRONG, DEVICES).splitlines() == [
        "ArgumentError: expected from 1 to 8 devices, got 9",
        "UnknownNameError: unknown device: 'gpu:0'",
        "UnknownNameError: unknown axis of the mesh for 'x': 'modell'",
        "ArgumentError: 8 devices cannot be divided into groups of 3",
        "ArgumentError: axis 1 of 'sequential/dense/kernel', float32[5, 10], cannot be "
        "cut into 8 equal parts for the axis 'model' of the mesh",
    ]


DEVICES_OF_ARRAYS = """
import numpy as np
import nervure as nv
from nervure.errors import NervureError
assert nv.devices() == [f"cpu:{n}" for n in range(8)], nv.devices()
x = nv.asarray([1.0, 2.0, 3.0]).to("cpu:1")
assert x.device == "cpu:1" and x.to_device("cpu:1") is x
y = nv.tanh(x) * 2
assert y.device == "cpu:1"  # where it will be
np.testing.assert_allclose(y, np.tanh([1, 2, 3]) * 2, rtol=1e-6)
assert y.device == "cpu:1" and nv.sum(y).device == "cpu:1"
assert y.to("cpu").device == "cpu" and y.to("cpu").tolist() == y.tolist()
f = nv.compile(lambda a: a * 3)
assert f(x).device == "cpu:1" and f(nv.asarray([1.0])).device == "cpu"
with nv.device("cpu:2"):
    z = nv.ones(3) + 1
    assert z.tolist() == [2, 2, 2] and z.device == "cpu:2"
    assert f(nv.ones(2)).device == "cpu:2"
    with nv.device("cpu"):
        assert f(nv.ones(2)).device == "cpu"
assert nv.zeros(3, device="cpu:4").device == "cpu:4"
assert nv.asarray([1.0], device="cpu:4").device == "cpu:4"
w = nv.parameter([1.0, 2.0]).to("cpu:5")
loss = nv.sum(w * w)
assert float(loss) == 5 and loss.device == "cpu:5"
assert nv.gradients(loss, [w])[0].tolist() == [2, 4]
try:
    print(x + z)
except NervureError as error:
    print(f"{error}")
try:
    x.to("gpu:0")
except NervureError as error:
    print(str(error).splitlines()[0])
info = nv.__array_namespace_info__()
assert info.devices() == nv.devices() and info.default_device() == "cpu"
"""


def test_arrays_on_devices() -> None:
    assert run_script(DEVICES_OF_ARRAYS, DEVICES).splitlines() == [
        "arrays are on different devices: cpu:1 and cpu:2",
        "  fix: bring them together with .to('cpu:1')",
        "unknown device: 'gpu:0'",
    ]


MOMENTS = """
import numpy as np
import nervure as nv
x = np.random.default_rng(0).normal(size=(32, 3)).astype("float32")
x[4:8] += 5
y = np.zeros((32, 3), np.float32)
def moving(scope, synchronized=False):
    with scope:
        layer = nv.layers.BatchNormalization(momentum=0.0, synchronized=synchronized)
        model = nv.models.Sequential([nv.layers.Input((3,)), layer])
        model.compile(nv.optimizers.SGD(0.0), "mse", executor="xla")
        loss = model.fit(x, y, batch_size=32, verbose=0, shuffle=False)
    return layer.moving_variance.numpy(), loss.history["loss"][0]
Data = nv.distribute.DataParallel
parts = x.reshape(8, 4, 3)
whole, apart = x.var(axis=0), parts.var(axis=1).mean(axis=0)
def close(found, wanted):
    np.testing.assert_allclose(found, wanted, rtol=1e-5)
close(moving(Data())[0], whole)
close(moving(Data(synchronize_batch_norm=False), True)[0], whole)
variance, loss = moving(Data(synchronize_batch_norm=False))
close(variance, apart)
normal = (parts - parts.mean(1, keepdims=True)) / np.sqrt(
    parts.var(1, keepdims=True) + 1e-3
)
close(loss, (normal ** 2).mean())
"""


def test_batch_normalization_is_synchronized_by_choice() -> None:
    run_script(MOMENTS, DEVICES)
