"""Networks as they are today: normalised, residual, limited rectifiers, by channel.

The same network in torch, with the backward passes of the papers written as autograd
functions, says what is right.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import nervure as nv
from nervure import inspect

torch.set_num_threads(1)  # else its threads wait for ours

X = np.random.default_rng(0).uniform(-1, 1, size=(3, 16, 16, 3)).astype(np.float32)
Y = np.array([2, 0, 1])


def clipped(x):
    """Return ReLU6 as somebody may write it in an own layer."""
    return nv.clip(x, 0.0, 6.0)


SPELLINGS = {
    "layer": lambda: nv.layers.ReLU(6.0),
    "activation": lambda: nv.layers.Activation("relu6"),
    "clip": lambda: nv.layers.Lambda(clipped),
    "minimum": lambda: nv.layers.Lambda(lambda x: nv.minimum(nv.maximum(x, 0.0), 6.0)),
    "maximum": lambda: nv.layers.Lambda(lambda x: nv.maximum(nv.minimum(x, 6.0), 0.0)),
}


def make_network(rectifier="layer"):
    """Return a stem, an inverted residual block, a head: EfficientNet in small."""
    layers = nv.layers

    def rectified(x, name):
        x = layers.BatchNormalization(epsilon=1e-3, name=f"{name}_bn")(x)
        return SPELLINGS[rectifier]()(x)

    x = inputs = layers.Input((16, 16, 3))
    x = layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False, name="stem")(x)
    x = before = rectified(x, "stem")
    x = layers.Conv2D(16, 1, use_bias=False, name="expand")(x)
    x = rectified(x, "expand")
    x = layers.DepthwiseConv2D(3, padding="same", use_bias=False, name="depthwise")(x)
    x = rectified(x, "depthwise")
    x = layers.Conv2D(8, 1, use_bias=False, name="project")(x)
    x = layers.BatchNormalization(epsilon=1e-3, name="project_bn")(x)
    x = layers.Add(name="add")([x, before])
    x = layers.Conv2D(12, 1, use_bias=False, name="head")(x)
    x = rectified(x, "head")
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dense(3, activation="softmax", name="top")(x)
    model = nv.models.Model(inputs, x)
    random = np.random.default_rng(1)
    for one in model.weights:
        value = random.normal(size=one.shape)
        if "variance" in one.path or "gamma" in one.path:
            value = 0.5 + 2 * abs(value)
        elif "kernel" in one.path:
            value = value * 0.8
        one.assign(value.astype(np.float32))
    return model


class Rectifier(torch.autograd.Function):
    """ReLU6 with one of the three ways back."""

    way = "gradient"

    @staticmethod
    def forward(context, x):
        context.save_for_backward(x)
        return x.clamp(0, 6)

    @staticmethod
    def backward(context, g):
        (x,) = context.saved_tensors
        if Rectifier.way != "gradient":
            g = g.clamp(min=0)
        if Rectifier.way != "deconvolution":
            g = g * ((x > 0) & (x < 6))
        return g


class Twin(nn.Module):
    """The network with the weights of the model, up to the logits."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def weights(self, name):
        values = self.model.get_layer(name).get_weights()
        return [torch.tensor(one) for one in values]

    def conv(self, x, name, **options):
        (kernel,) = self.weights(name)
        return nn.functional.conv2d(x, kernel.permute(3, 2, 0, 1), **options)

    def norm(self, x, name):
        gamma, beta, mean, variance = self.weights(f"{name}_bn")
        return nn.functional.batch_norm(x, mean, variance, gamma, beta, eps=1e-3)

    def rectified(self, x, name):
        return Rectifier.apply(self.norm(x, name))

    def maps(self, x):
        # A stride of 2 over an even size: the one border of zeros is at the end.
        x = nn.functional.pad(x, (0, 1, 0, 1))
        x = before = self.rectified(self.conv(x, "stem", stride=2), "stem")
        x = self.rectified(self.conv(x, "expand"), "expand")
        (kernel,) = self.weights("depthwise")
        x = nn.functional.conv2d(x, kernel.permute(2, 3, 0, 1), padding=1, groups=16)
        x = self.rectified(x, "depthwise")
        x = self.norm(self.conv(x, "project"), "project") + before
        return self.rectified(self.conv(x, "head"), "head")

    def top(self, maps):
        kernel, bias = self.weights("top")
        return maps.mean((2, 3)) @ kernel + bias

    def forward(self, x):
        return self.top(self.maps(x))


def channels_first(x):
    return torch.tensor(np.moveaxis(x, -1, 1).copy())


def channels_last(x):
    return np.moveaxis(x.detach().numpy(), 1, -1)


@pytest.fixture(scope="module")
def model():
    return make_network()


@pytest.fixture
def back(model):
    """Return a function: the way through rectifiers, and what comes back."""

    def found(way):
        Rectifier.way = way
        x = channels_first(X).requires_grad_()
        scores = Twin(model)(x)
        total = scores.gather(1, torch.tensor(Y)[:, None]).sum()
        return channels_last(torch.autograd.grad(total, x)[0])

    yield found
    Rectifier.way = "gradient"


def close(found, expected):
    assert abs(expected).max() > 1e-4  # or the comparison says nothing
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-5 * abs(expected).max())


def test_the_twin_computes_the_same(model):
    with torch.no_grad():
        expected = torch.softmax(Twin(model)(channels_first(X)), 1).numpy()
    np.testing.assert_allclose(model.predict(X, verbose=0), expected, atol=1e-5)
    maps = Twin(model).maps(channels_first(X))
    assert (maps == 6).any() and (maps == 0).any()  # both limits are reached


def test_saliency(model, back):
    close(inspect.saliency(model, X, Y, keep_channels=True), back("gradient"))


@pytest.mark.parametrize("rectifier", SPELLINGS)
def test_guided_backpropagation(model, back, rectifier):
    other = make_network(rectifier)
    close(inspect.guided_backpropagation(other, X, Y), back("guided"))


@pytest.mark.parametrize("rectifier", SPELLINGS)
def test_deconvnet(model, rectifier):
    other = make_network(rectifier)
    layer = other.layers[-3].name  # the last rectifier
    Rectifier.way = "deconvolution"
    x = channels_first(X).requires_grad_()
    maps = Twin(model).maps(x)
    cotangent = torch.zeros_like(maps)
    flat = maps[:, 5].detach().flatten(1)
    rows, places = torch.arange(3), flat.argmax(1)
    cotangent[:, 5].view(3, -1)[rows, places] = flat[rows, places]
    expected = channels_last(torch.autograd.grad(maps, x, cotangent)[0])
    Rectifier.way = "gradient"
    close(inspect.deconvnet(other, X, layer=layer, filter=5), expected)


@pytest.mark.parametrize("plus_plus", [False, True])
def test_class_activation_maps(model, plus_plus):
    twin = Twin(model)
    maps = twin.maps(channels_first(X)).detach().requires_grad_()
    score = twin.top(maps).gather(1, torch.tensor(Y)[:, None]).sum()
    g = torch.autograd.grad(score, maps)[0].double()
    maps = maps.detach().double()
    if plus_plus:
        divisor = 2 * g**2 + maps.sum((2, 3), keepdim=True) * g**3
        weights = (g**2 / divisor * g.clamp(min=0)).sum((2, 3), keepdim=True)
    else:
        weights = g.mean((2, 3), keepdim=True)
    cam = (weights * maps).sum(1, keepdim=True).clamp(min=0)
    expected = nn.functional.interpolate(cam, (16, 16), mode="bilinear")[:, 0].numpy()
    method = inspect.grad_cam_plus_plus if plus_plus else inspect.grad_cam
    close(method(model, X, Y), expected)


def test_small_slopes_count_in_grad_cam_plus_plus(model):
    """The formula's squares of slopes underflow where the maps themselves do not."""
    other = make_network()
    kernel, bias = other.get_layer("top").get_weights()
    other.get_layer("top").set_weights([kernel * 1e-22, bias])
    maps = inspect.activations(other, X)[other.layers[-3].name]
    weights = np.maximum(kernel.T[Y], 0)[:, None, None] * 1e-22 / 2
    expected = np.maximum((weights * maps).sum(-1), 0)
    found = inspect.grad_cam_plus_plus(other, X, Y)
    np.testing.assert_allclose(found.max(), expected.max(), rtol=0.5)


@pytest.mark.parametrize("baseline", [0.0, -1.0])
def test_integrated_gradients_are_complete(model, baseline):
    """The slope jumps at every rectifier's limits, so the sum closes in slowly."""
    with torch.no_grad():
        here, there = (
            Twin(model)(channels_first(one)).numpy()[np.arange(3), Y]
            for one in (X, np.full_like(X, baseline))
        )
    gaps = []
    for steps in (50, 2000):
        got = inspect.integrated_gradients(model, X, Y, baseline=baseline, steps=steps)
        gaps.append(abs(got.sum(axis=(1, 2, 3)) - (here - there)).max())
    assert gaps[1] < 0.05 * abs(here - there).max() and gaps[1] < gaps[0] / 5


def test_smooth_grad_without_noise_is_saliency(model, back):
    found = inspect.smooth_grad(model, X, Y, samples=2, noise=0, keep_channels=True)
    close(found, back("gradient"))


def test_occlusion(model):
    """Every patch of 4 x 4 covered by grey, in torch."""
    found = inspect.occlusion(model, X, Y, size=4, stride=4, value=0.0)
    with torch.no_grad():
        before = torch.softmax(Twin(model)(channels_first(X)), 1).numpy()
        for top, left in [(0, 0), (4, 8), (12, 12)]:
            covered = X.copy()
            covered[:, top : top + 4, left : left + 4] = 0
            after = torch.softmax(Twin(model)(channels_first(covered)), 1).numpy()
            fall = (before - after)[np.arange(3), Y]
            np.testing.assert_allclose(found[:, top, left], fall, atol=1e-5)


@pytest.mark.slow
def test_the_shipped_network():
    """On EfficientNet-Lite0 every method shows something, and in the right place."""
    from PIL import Image
    from sklearn.datasets import load_sample_image

    size = 224
    photo = Image.fromarray(load_sample_image("flower.jpg"))
    flower = photo.crop((133, 27, 506, 400)).resize((size, size))  # in the middle
    x = nv.pretrained.preprocess_input(np.asarray(flower)[None])
    model = nv.pretrained.efficientnet_lite0()
    daisy = 985
    assert model.predict(x, verbose=0).argmax() == daisy
    for name in ("block2a_expand_activation", "block4b_add", "top_activation"):
        responses = inspect.activations(model, x, name)[name].max(axis=(0, 1, 2))
        strongest = int(responses.argmax())  # at the limit of ReLU6
        back = inspect.deconvnet(model, x, layer=name, filter=strongest)
        assert np.isfinite(back).all() and back.any(), name
    inside = np.s_[:, size // 4 : -size // 4, size // 4 : -size // 4]
    for method in (inspect.grad_cam, inspect.grad_cam_plus_plus):
        found = method(model, x, daisy)
        assert found[inside].mean() > 1.2 * found.mean()
    guided = inspect.guided_backpropagation(model, x, daisy)
    assert np.isfinite(guided).all() and (guided < 0).any() and (guided > 0).any()
    logits = nv.pretrained.efficientnet_lite0(classifier_activation=None)
    here, there = (logits.predict(one, verbose=0)[0, daisy] for one in (x, 0 * x))
    total = inspect.integrated_gradients(model, x, daisy, steps=100).sum()
    np.testing.assert_allclose(total, here - there, rtol=0.2)
