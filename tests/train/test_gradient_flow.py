"""The report on how gradients pass through a model, compared with torch."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import nervure as nv
from nervure.errors import NotCompiledError
from nervure.layers import BatchNormalization, Conv2D, Dense, Dropout, Flatten, ReLU
from nervure.models import Model, Sequential
from nervure.utils import gradient_flow

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(32, 4)).astype("float32")
Y = X[:, :1] * 2


def small(rate: float = 0.1) -> Sequential:
    nv.utils.set_random_seed(0)
    layers = [Dense(6, activation="relu", name="a"), Dense(1, name="b")]
    model = Sequential(layers, name="net")
    model.compile(nv.optimizers.SGD(rate), "mse")
    model.build((None, 4))
    return model


def test_numbers_are_those_of_torch() -> None:
    model = small()
    flow = gradient_flow(model, X, Y)
    w1, b1, w2, b2 = (torch.tensor(one) for one in model.get_weights())
    for one in (w1, b1, w2, b2):
        one.requires_grad_(True)
    hidden = torch.relu(torch.tensor(X) @ w1 + b1)
    output = hidden @ w2 + b2
    hidden.retain_grad()
    output.retain_grad()
    loss = torch.mean((output - torch.tensor(Y)) ** 2)
    loss.backward()
    assert flow.loss == pytest.approx(loss.item(), rel=1e-5)
    for row, value, pair in zip(flow.layers, (hidden, output), ((w1, b1), (w2, b2))):
        slope = math.sqrt(sum(float(one.grad.square().sum()) for one in pair))
        size = math.sqrt(sum(float(one.detach().square().sum()) for one in pair))
        assert row.mean == pytest.approx(value.mean().item(), rel=1e-4)
        assert row.spread == pytest.approx(value.std(correction=0).item(), rel=1e-4)
        assert row.gradient == pytest.approx(value.grad.norm().item(), rel=1e-4)
        assert row.weights == pytest.approx(size, rel=1e-4)
        assert row.update == pytest.approx(0.1 * slope / size, rel=1e-3)
    assert [row.layer for row in flow.layers] == ["net/a", "net/b"]
    assert [row.shape for row in flow.layers] == [(32, 6), (32, 1)]


def test_nothing_is_changed() -> None:
    model = Sequential([Dense(6), BatchNormalization(), Dropout(0.5), Dense(1)])
    model.compile("adam", "mse", metrics=["mae"])
    model.fit(X, Y, verbose=0)
    cells = [*model.variables, *model.optimizer.variables]
    before = [np.array(one.numpy()) for one in cells]
    flows = [gradient_flow(model, X, Y) for _ in range(2)]
    assert str(flows[0]) == str(flows[1])
    for one, value in zip(cells, before):
        np.testing.assert_array_equal(one.numpy(), value)


def test_dead_units() -> None:
    model = small()
    kernel, bias, *rest = model.get_weights()
    bias[:4] = -1e3
    model.set_weights([kernel, bias, *rest])
    flow = gradient_flow(model, X, Y)
    assert flow.layers[0].dead == pytest.approx(4 / 6)
    assert math.isnan(flow.layers[1].dead)
    assert flow.problems == ["net/a: most units are never active"]


def test_dead_channels_of_pictures() -> None:
    model = Sequential([Conv2D(3, 3, bias_initializer="zeros"), ReLU(), Flatten()])
    model.compile("sgd", "mse")
    x = RANDOM.normal(size=(5, 6, 6, 1))
    y = np.zeros((5, 48))
    model.build((None, 6, 6, 1))
    kernel, _bias = model.get_weights()
    model.set_weights([kernel * 0, np.array([-1.0, 1.0, 1.0], "float32")])
    flow = gradient_flow(model, x, y)
    rectified = flow.layers[1]
    assert rectified.dead == pytest.approx(1 / 3) and rectified.shape == (5, 4, 4, 3)


def test_vanishing_and_exploding_gradients() -> None:
    nv.utils.set_random_seed(0)
    deep = [Dense(8, activation="sigmoid") for _ in range(9)]
    model = Sequential([*deep, Dense(1)])
    model.compile("sgd", "mse")
    flow = gradient_flow(model, X, Y)
    assert flow.layers[0].remark == "vanishing gradient" and not flow.layers[-1].remark

    large = nv.initializers.RandomNormal(0.0, 9.0, seed=1)
    wide = [Dense(8, kernel_initializer=large) for _ in range(5)]
    model = Sequential([*wide, Dense(1)])
    model.compile(nv.optimizers.SGD(1.0), "mse")
    remarks = [one.remark for one in gradient_flow(model, X, Y).layers]
    assert remarks[0] == "exploding gradient, large update"


def test_losses_that_take_logits_pass_the_last_output_by() -> None:
    nv.utils.set_random_seed(0)
    hidden, last = Dense(8, activation="relu"), Dense(2, activation="softmax")
    model = Sequential([hidden, last])
    model.compile(nv.optimizers.SGD(0.001), "sparse_categorical_crossentropy")
    flow = gradient_flow(model, X, np.arange(len(X)) % 2)
    assert flow.layers[-1].gradient == 0 < flow.layers[0].gradient
    assert flow.problems == []


def test_numbers_that_are_not_finite_and_no_gradient() -> None:
    model = small()
    model.set_weights([one * np.float32(3e38) for one in model.get_weights()])
    assert "not finite" in gradient_flow(model, X, Y).layers[-1].remark
    model = small()
    kernel, bias, last, end = model.get_weights()
    model.set_weights([kernel, bias, last * 0, end])
    assert gradient_flow(model, X, Y).layers[0].remark == "no gradient"


def test_shared_layers_and_inner_models() -> None:
    shared = Dense(4, activation="relu", name="shared")
    x = nv.layers.Input((4,))
    inner = Sequential([Dense(4, name="deep")], name="inner")
    model = Model(x, Dense(1, name="last")(inner(shared(shared(x)))), name="net")
    model.compile("sgd", "mse")
    flow = gradient_flow(model, X, Y)
    assert [one.layer for one in flow.layers] == [
        "net/shared", "net/shared (call 2)", "net/inner/deep", "net/last",
    ]  # fmt: skip


def test_it_prints() -> None:
    flow = gradient_flow(small(), X, Y)
    lines = str(flow).splitlines()
    assert lines[0].startswith("loss ") and lines[1].split()[0] == "layer"
    assert lines[2].split()[0] == "net/a" and repr(flow) == str(flow)
    assert flow._repr_html_().count("<tr>") == 3


def test_it_needs_a_compiled_model() -> None:
    with pytest.raises(NotCompiledError):
        gradient_flow(Sequential([Dense(1)]), X, Y)
