"""Maps of importance and reconstructions, compared with torch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import nervure as nv
from nervure import inspect
from nervure.layers import (
    Activation,
    BatchNormalization,
    Conv2D,
    Dense,
    Flatten,
    GlobalAveragePooling2D,
    Input,
    MaxPooling2D,
    ReLU,
)
from nervure.models import Model, Sequential
from tests.torch_twin import Twin, pictures, small_network, to_numpy, to_torch

X = pictures(5)
Y = np.array([0, 1, 2, 3, 1])


@pytest.fixture(scope="module")
def model():
    return small_network()


@pytest.fixture
def twin(model):
    return Twin(model).eval()


def scores_at(twin, x):
    return twin(x).gather(1, torch.tensor(Y)[:, None]).sum()


def torch_gradient(twin, x):
    x = x.detach().requires_grad_()
    return torch.autograd.grad(scores_at(twin, x), x)[0]


# --- gradients ------------------------------------------------------------------------


def test_saliency(model, twin):
    g = to_numpy(torch_gradient(twin, to_torch(X)))
    signed = inspect.saliency(model, X, Y, keep_channels=True)
    np.testing.assert_allclose(signed, g, atol=1e-5)
    got = inspect.saliency(model, X, Y)
    assert got.shape == (5, 10, 10) and got.dtype == np.float32
    np.testing.assert_allclose(got, np.abs(g).max(axis=-1), atol=1e-5)


def test_saliency_is_the_slope_of_the_score(model):
    logits = Model(model.inputs[0], _logits(model))
    found = inspect.saliency(model, X, Y, keep_channels=True)[0]
    for place in [(0, 0, 0), (4, 5, 1), (9, 9, 0)]:
        step = np.zeros_like(X[:1])
        step[(0, *place)] = 1e-3
        both = logits.predict(np.concatenate([X[:1] + step, X[:1] - step]), verbose=0)
        slope = (both[0, 0] - both[1, 0]) / 2e-3
        assert found[place] == pytest.approx(slope, abs=2e-2)


def _logits(model):
    """Return the scores of a stack as a symbolic tensor, without the softmax."""
    x = model.inputs[0]
    for layer in model.layers[:-1]:
        x = layer(x)
    top = model.layers[-1]
    plain = Dense(top.units)
    out = plain(x)
    plain.set_weights(top.get_weights())
    return out


def test_classes_that_the_model_sees(model):
    seen = model.predict(X, verbose=0).argmax(axis=1)
    np.testing.assert_array_equal(
        inspect.saliency(model, X), inspect.saliency(model, X, seen)
    )
    one_hot = nv.utils.to_categorical(Y, 4)
    np.testing.assert_array_equal(
        inspect.saliency(model, X, one_hot), inspect.saliency(model, X, Y)
    )


def test_smooth_grad(model, twin):
    none = inspect.smooth_grad(model, X, Y, noise=0, samples=2)
    np.testing.assert_allclose(none, inspect.saliency(model, X, Y), atol=1e-6)
    got = inspect.smooth_grad(model, X, Y, samples=4, seed=3, keep_channels=True)
    random = np.random.default_rng(3)
    total = 0
    for _ in range(4):
        noise = random.standard_normal(X.shape) * 0.15
        spread = np.ptp(X, axis=(1, 2, 3), keepdims=True)
        total = total + to_numpy(
            torch_gradient(twin, to_torch((X + noise * spread).astype(np.float32)))
        )
    np.testing.assert_allclose(got, total / 4, atol=1e-4)
    again = inspect.smooth_grad(model, X, Y, samples=4, seed=3, keep_channels=True)
    np.testing.assert_array_equal(got, again)


@pytest.mark.parametrize("baseline", [0.0, 0.5, pictures(1, 7)[0], pictures(5, 8)])
def test_integrated_gradients_are_complete(model, twin, baseline):
    """Gradients of rectifiers jump on the way, so a finite sum is not exact."""
    got = inspect.integrated_gradients(model, X, Y, baseline=baseline, steps=200)
    assert got.shape == X.shape
    start = np.broadcast_to(np.asarray(baseline, np.float32), X.shape)
    with torch.no_grad():
        ends = [
            twin(to_torch(one)).numpy()[np.arange(5), Y] for one in (X, start.copy())
        ]
    np.testing.assert_allclose(
        got.sum(axis=(1, 2, 3)), ends[0] - ends[1], rtol=0.02, atol=0.08
    )


def test_integrated_gradients_of_a_smooth_network_are_exact():
    model = small_network(inner="tanh")
    got = inspect.integrated_gradients(model, X, Y, steps=30).sum(axis=(1, 2, 3))
    logits = Model(model.inputs[0], _logits(model))
    ends = [logits.predict(one, verbose=0)[np.arange(5), Y] for one in (X, 0 * X)]
    np.testing.assert_allclose(got, ends[0] - ends[1], rtol=2e-3, atol=2e-3)


# --- other ways back through rectifiers -----------------------------------------------


class _Guided(torch.autograd.Function):
    @staticmethod
    def forward(context, x):
        context.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(context, g):
        (x,) = context.saved_tensors
        return g.clamp(min=0) * (x > 0)


class _Deconvolution(torch.autograd.Function):
    @staticmethod
    def forward(context, x):
        return x.clamp(min=0)

    @staticmethod
    def backward(context, g):
        return g.clamp(min=0)


def test_guided_backpropagation(model, twin):
    twin.rectify = _Guided.apply
    expected = to_numpy(torch_gradient(twin, to_torch(X)))
    got = inspect.guided_backpropagation(model, X, Y)
    np.testing.assert_allclose(got, expected, atol=1e-5)
    plain = inspect.saliency(model, X, Y, keep_channels=True)
    assert not np.allclose(got, plain, atol=1e-3)


@pytest.mark.parametrize("place", ["strongest", "all", (1, 2)])
def test_deconvnet(model, twin, place):
    twin.rectify = _Deconvolution.apply
    for number in (0, 3):
        x = to_torch(X).requires_grad_()
        maps = twin.maps(x)
        one = maps[:, number].detach()
        kept = torch.zeros_like(one)
        if place == "all":
            kept = one
        elif place == "strongest":
            index = one.flatten(1).argmax(1)
            rows = torch.arange(5)
            kept.view(5, -1)[rows, index] = one.flatten(1)[rows, index]
        else:
            kept[:, place[0], place[1]] = one[:, place[0], place[1]]
        cotangent = torch.zeros_like(maps)
        cotangent[:, number] = kept
        expected = to_numpy(torch.autograd.grad(maps, x, cotangent)[0])
        got = inspect.deconvnet(
            model, X, layer="second", filter=number, place=place, batch_size=4
        )
        np.testing.assert_allclose(got, expected, atol=1e-4)


def test_deconvnet_of_a_dense_unit():
    hidden = Sequential(
        [
            Dense(6, activation="relu", input_shape=(4,), name="hidden"),
            Dense(3, activation="relu", name="unit"),
        ]
    )
    x = np.random.default_rng(0).normal(size=(7, 4)).astype(np.float32)
    first, bias, second, last = (one.astype(np.float64) for one in hidden.get_weights())
    inside = np.maximum(x @ first + bias, 0)
    units = np.maximum(inside @ second + last, 0)
    signal = np.maximum(units[:, 1:2], 0) * second[:, 1]
    expected = np.maximum(signal, 0) @ first.T
    got = inspect.deconvnet(hidden, x, layer="unit", filter=1)
    np.testing.assert_allclose(got, expected, atol=1e-5)


def spelled(rectifier):
    """Return one network, whose rectifiers are written in one of many ways."""

    class Own(nv.layers.Layer):
        def __init__(self, function):
            super().__init__()
            self.function = function

        def call(self, inputs):
            return self.function(inputs)

    x = Input((8, 8, 2))
    inside = "relu" if rectifier == "inside" else None
    first = Conv2D(4, 3, activation=inside)(x)
    after = {
        "inside": lambda: None,
        "activation": lambda: Activation("relu"),
        "layer": lambda: ReLU(),
        "maximum": lambda: Own(lambda h: nv.maximum(h, 0.0)),
        "where": lambda: Own(lambda h: nv.where(h > 0, h, 0.0)),
        "clip": lambda: Own(lambda h: nv.clip(h, 0.0, None)),
    }
    made = after[rectifier]()
    first = first if made is None else made(first)
    block = Sequential([Input((6, 6, 4)), Conv2D(3, 3, activation=inside)])
    second = block(first)
    made = after[rectifier]()
    second = second if made is None else made(second)
    return Model(x, Dense(3)(Flatten()(MaxPooling2D(2)(second))))


@pytest.mark.parametrize("kind", ["activation", "layer", "maximum", "where", "clip"])
def test_rectifiers_are_found_however_they_are_written(kind):
    plain, other = spelled("inside"), spelled(kind)
    other.set_weights(plain.get_weights())
    x = np.random.default_rng(1).normal(size=(3, 8, 8, 2)).astype(np.float32)
    np.testing.assert_allclose(
        inspect.guided_backpropagation(plain, x, 1),
        inspect.guided_backpropagation(other, x, 1),
        atol=1e-6,
    )
    name = next(one.name for one in plain.layers if isinstance(one, MaxPooling2D))
    again = next(one.name for one in other.layers if isinstance(one, MaxPooling2D))
    np.testing.assert_allclose(
        inspect.deconvnet(plain, x, layer=name, filter=0),
        inspect.deconvnet(other, x, layer=again, filter=0),
        atol=1e-6,
    )


def test_relu6():
    model = Sequential([Dense(1, activation="relu6", input_shape=(1,)), Dense(1)])
    model.set_weights([np.ones((1, 1)), np.zeros(1), np.ones((1, 1)), np.zeros(1)])
    x = np.array([[-1.0], [2.0], [9.0]], np.float32)
    got = inspect.guided_backpropagation(model, x, 0)
    assert got.tolist() == [[0.0], [1.0], [0.0]]
    # A deconvolutional network does not ask where the input was.
    back = inspect.deconvnet(model, x, layer=model.layers[1], filter=0, place="all")
    assert back.tolist() == [[0.0], [2.0], [6.0]]


def test_rectifiers_inside_of_loops():
    """A recurrent layer's rectifier is in the body of a loop."""
    model = Sequential([nv.layers.SimpleRNN(3, activation="relu", input_shape=(4, 2))])
    model.add(Dense(2))
    model.set_weights(
        [np.random.default_rng(3).normal(size=one.shape) for one in model.weights]
    )
    x = np.random.default_rng(0).normal(size=(3, 4, 2)).astype(np.float32)
    kernel, inner, bias, top, _ = (torch.tensor(one) for one in model.get_weights())
    given = torch.tensor(x).requires_grad_()
    h = torch.zeros(3, 3)
    for step in range(4):
        h = _Guided.apply(given[:, step] @ kernel + h @ inner + bias)
    expected = torch.autograd.grad((h @ top)[:, 1].sum(), given)[0].numpy()
    got = inspect.guided_backpropagation(model, x, 1)
    np.testing.assert_allclose(got, expected, atol=1e-5)


# --- class activation maps ------------------------------------------------------------


def torch_maps(twin):
    """Return the maps of the layer "second", and the derivatives by them."""
    maps = twin.maps(to_torch(X)).detach().requires_grad_()
    scores = twin.top(maps.permute(0, 2, 3, 1).flatten(1))
    score = scores.gather(1, torch.tensor(Y)[:, None]).sum()
    return maps.detach(), torch.autograd.grad(score, maps)[0]


def stretched(cam):
    return torch.nn.functional.interpolate(
        cam[:, None], (10, 10), mode="bilinear", align_corners=False
    )[:, 0].numpy()


def test_grad_cam(model, twin):
    maps, g = torch_maps(twin)
    cam = (g.mean((2, 3), keepdim=True) * maps).sum(1).clamp(min=0)
    got = inspect.grad_cam(model, X, Y)
    assert got.shape == (5, 10, 10)
    np.testing.assert_allclose(got, stretched(cam), atol=1e-4)
    np.testing.assert_array_equal(got, inspect.grad_cam(model, X, Y, layer="second"))


def test_grad_cam_plus_plus(model, twin):
    maps, g = torch_maps(twin)
    divisor = 2 * g**2 + maps.sum((2, 3), keepdim=True) * g**3
    share = g**2 / torch.where(divisor == 0, torch.ones(()), divisor)
    weights = (share * g.clamp(min=0)).sum((2, 3), keepdim=True)
    expected = stretched((weights * maps).sum(1).clamp(min=0))
    got = inspect.grad_cam_plus_plus(model, X, Y)
    np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-4)


def test_grad_cam_of_a_mean_is_the_weighted_maps():
    """Behind a global mean the maps are weighted by the class's weights (CAM)."""
    x = Input((12, 12, 1))
    maps = BatchNormalization()(Conv2D(4, 3)(x))
    maps = Activation("relu", name="last")(maps)
    model = Model(x, Dense(3, activation="softmax")(GlobalAveragePooling2D()(maps)))
    given = np.random.default_rng(0).normal(size=(2, 12, 12, 1)).astype(np.float32)
    values = inspect.activations(model, given, ["last"])["last"]
    weights = model.layers[-1].get_weights()[0][:, 1] / 100
    cam = np.maximum(values @ weights, 0)
    got = inspect.grad_cam(model, given, 1)
    np.testing.assert_allclose(got, stretched_to(cam, 12), atol=1e-6)


def stretched_to(cam, size):
    return torch.nn.functional.interpolate(
        torch.tensor(cam)[:, None], (size, size), mode="bilinear", align_corners=False
    )[:, 0].numpy()


def test_channels_first_gives_the_same_maps():
    def network(data_format, shape):
        model = Sequential(
            [
                Conv2D(
                    4, 3, activation="relu", data_format=data_format, input_shape=shape
                ),
                GlobalAveragePooling2D(data_format=data_format),
                Dense(3),
            ]
        )
        random = np.random.default_rng(6)
        model.set_weights([random.normal(size=one.shape) for one in model.weights])
        return model

    last, first = (
        network("channels_last", (10, 10, 2)),
        network("channels_first", (2, 10, 10)),
    )
    moved = np.moveaxis(X, -1, 1)
    for method in (inspect.grad_cam, inspect.saliency, inspect.occlusion):
        np.testing.assert_allclose(
            method(last, X, 2), method(first, moved, 2), atol=1e-5
        )
    np.testing.assert_allclose(
        inspect.deconvnet(last, X, layer=last.layers[0], filter=1),
        np.moveaxis(
            inspect.deconvnet(first, moved, layer=first.layers[0], filter=1), 1, -1
        ),
        atol=1e-5,
    )


def test_sequences():
    model = Sequential(
        [
            nv.layers.Conv1D(4, 3, activation="relu", input_shape=(9, 2)),
            nv.layers.GlobalMaxPooling1D(),
            Dense(2),
        ]
    )
    x = np.random.default_rng(0).normal(size=(3, 9, 2)).astype(np.float32)
    for method in (inspect.grad_cam, inspect.saliency, inspect.occlusion):
        assert method(model, x, 1).shape == (3, 9)


# --- covering -------------------------------------------------------------------------


def test_occlusion(model):
    got = inspect.occlusion(model, X, Y, size=(3, 4), stride=3, value=0.5)
    before = model.predict(X, verbose=0)[np.arange(5), Y]
    total, count = np.zeros((5, 10, 10)), np.zeros((10, 10))
    for top in (0, 3, 6, 7):
        for left in (0, 3, 6):
            covered = X.copy()
            covered[:, top : top + 3, left : left + 4] = 0.5
            after = model.predict(covered, verbose=0)[np.arange(5), Y]
            total[:, top : top + 3, left : left + 4] += (before - after)[:, None, None]
            count[top : top + 3, left : left + 4] += 1
    assert count.min() > 0
    np.testing.assert_allclose(got, total / count, atol=1e-5)
