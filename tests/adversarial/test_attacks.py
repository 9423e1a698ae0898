"""Attacks do what the papers say: compared with torch, step by step."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import nervure as nv
from nervure import adversarial
from nervure.adversarial.problem import row_norms
from tests.torch_twin import Twin, pictures, small_network, to_numpy, to_torch

X = pictures(6)
LOW_EPS = 0.03


@pytest.fixture(scope="module")
def model():
    return small_network()


@pytest.fixture(scope="module")
def twin(model):
    return Twin(model).eval()


@pytest.fixture(scope="module")
def labels(model):
    return model.predict(X, verbose=0).argmax(axis=1)


def torch_gradient(twin, x, labels):
    x = x.detach().requires_grad_()
    loss = torch.nn.functional.cross_entropy(twin(x), labels, reduction="sum")
    return torch.autograd.grad(loss, x)[0]


def predicted(model, x):
    return model.predict(x, verbose=0).argmax(axis=1)


# --- steps of a given size ------------------------------------------------------------


@pytest.mark.parametrize("target", [None, 2])
def test_fgsm(model, twin, labels, target):
    chosen = labels if target is None else np.full(6, target)
    x = to_torch(X)
    g = torch_gradient(twin, x, torch.tensor(chosen))
    way = 1 if target is None else -1
    expected = to_numpy((x + way * LOW_EPS * torch.sign(g)).clip(0, 1))
    got = adversarial.fgsm(model, X, labels, eps=LOW_EPS, target=target)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, expected, atol=1e-6)


def test_fgsm_by_batches_and_in_other_limits(model, labels):
    whole = adversarial.fgsm(model, X, labels, eps=LOW_EPS)
    parts = adversarial.fgsm(model, X, labels, eps=LOW_EPS, batch_size=4)
    np.testing.assert_allclose(whole, parts, atol=1e-6)
    wide = adversarial.fgsm(model, X, labels, eps=0.5, clip_min=-3, clip_max=3)
    assert wide.min() < 0 and wide.max() > 1
    np.testing.assert_allclose(np.abs(wide - X).max(axis=(1, 2, 3)), 0.5, rtol=1e-5)


@pytest.mark.parametrize("norm", ["inf", 2])
def test_pgd(model, twin, labels, norm):
    eps, length = (0.1, 0.02) if norm == "inf" else (1, 0.3)
    x = x0 = to_torch(X)
    y = torch.tensor(labels)
    for _ in range(5):
        g = torch_gradient(twin, x, y)
        if norm == "inf":
            change = (x + length * torch.sign(g) - x0).clip(-eps, eps)
        else:
            size = g.flatten(1).norm(dim=1)[:, None, None, None]
            change = x + length * g / size - x0
            size = change.flatten(1).norm(dim=1)[:, None, None, None]
            change = change * torch.clamp(eps / size, max=1)
        x = (x0 + change).clip(0, 1)
    got = adversarial.pgd(
        *(model, X, labels),
        eps=eps, steps=5, step_size=length, norm=norm, random_start=False,
    )  # fmt: skip
    np.testing.assert_allclose(got, to_numpy(x), atol=2e-5)


def test_random_starts(model, labels):
    for norm, size in (("inf", np.inf), (2, 2)):
        one, same, other = (
            adversarial.pgd(
                model, X, labels, eps=0.2, steps=1, step_size=0.0, norm=norm, seed=seed
            )
            for seed in (1, 1, 2)
        )
        np.testing.assert_array_equal(one, same)
        assert not np.array_equal(one, other)
        sizes = np.linalg.norm((one - X).reshape(6, -1), ord=size, axis=1)
        assert (sizes <= 0.2 + 1e-6).all() and (sizes > 0.1).all()


def test_pgd_finds_more_than_fgsm(model, labels):
    options = {"eps": 0.1, "target": (labels + 1) % 4}
    moved = adversarial.pgd(model, X, seed=0, steps=30, **options)
    once = adversarial.fgsm(model, X, **options)
    wanted = (labels + 1) % 4
    assert np.abs(moved - X).max() <= 0.1 + 1e-6
    assert moved.min() >= 0 and moved.max() <= 1
    rows = np.arange(6)
    sure, less = (model.predict(one, verbose=0)[rows, wanted] for one in (moved, once))
    assert sure.mean() > less.mean()


# --- the smallest change --------------------------------------------------------------


def test_deepfool(model, twin, labels):
    got = adversarial.deepfool(model, X, labels, overshoot=0.02)
    for row in range(6):
        x0, label = to_torch(X[row : row + 1]), int(labels[row])
        change = torch.zeros_like(x0)
        x = x0
        for _ in range(50):
            x = x.detach().requires_grad_()
            scores = twin(x)[0]
            if int(scores.argmax()) != label:
                break
            slopes = [
                torch.autograd.grad(one, x, retain_graph=True)[0] for one in scores
            ]
            scores = scores.detach()
            best = min(
                (k for k in range(4) if k != label),
                key=lambda k: float(
                    abs(scores[k] - scores[label]) / (slopes[k] - slopes[label]).norm()
                ),
            )
            slope = slopes[best] - slopes[label]
            gap = abs(scores[best] - scores[label])
            change = change + (gap / slope.norm() + 1e-4) / slope.norm() * slope
            x = (x0 + 1.02 * change).clip(0, 1)
        np.testing.assert_allclose(got[row], to_numpy(x)[0], atol=1e-4)
    assert (predicted(model, got) != labels).all()


def test_deepfool_in_the_largest_number(model, labels):
    got = adversarial.deepfool(model, X, labels, norm="inf")
    assert (predicted(model, got) != labels).all()
    by_length = adversarial.deepfool(model, X, labels)
    assert np.abs(got - X).max() < np.abs(by_length - X).max()


def boundary_model():
    """Return a linear classifier, of which the nearest boundary is known exactly."""
    model = nv.models.Sequential(
        [nv.layers.Dense(3, input_shape=(5,), activation="softmax")]
    )
    random = np.random.default_rng(4)
    model.set_weights([random.normal(size=(5, 3)), random.normal(size=3) * 0.1])
    return model


def nearest_boundary(model, x, targets=None):
    """Return how far the nearest boundary of a linear classifier is from each row."""
    kernel, bias = (one.astype(np.float64) for one in model.get_weights())
    scores = x @ kernel + bias
    own = scores.argmax(axis=1)
    distances = []
    for row, label in enumerate(own):
        others = range(3) if targets is None else [targets[row]]
        distances.append(
            min(
                (scores[row, label] - scores[row, k])
                / np.linalg.norm(kernel[:, k] - kernel[:, label])
                for k in others
                if k != label
            )
        )
    return np.array(distances)


@pytest.mark.parametrize("name", ["carlini_wagner", "deepfool", "lbfgs"])
def test_the_smallest_change_of_a_linear_classifier(name):
    """Far from the limits of the box the nearest point of a boundary is known."""
    model = boundary_model()
    x = np.random.default_rng(5).normal(size=(8, 5)).astype(np.float32)
    before = predicted(model, x)
    limits = {"clip_min": -9, "clip_max": 9}
    attack = getattr(adversarial, name)
    if name == "deepfool":
        moved = attack(model, x, **limits)
        assert (predicted(model, moved) != before).all()
        got = row_norms(moved - x)
    else:
        # The runner-up need not be the nearest, so all are reached for in turn.
        options = {"search_steps": 14} if name == "lbfgs" else {"steps": 400}
        found = [attack(model, x, target=k, **options, **limits) for k in range(3)]
        for k in range(3):
            assert (predicted(model, found[k]) == k).all()
        sizes = np.array([row_norms(one - x) for one in found])
        got = np.sort(sizes, axis=0)[1]  # the label itself is reached without a change
    expected = nearest_boundary(model, x)
    assert (got >= expected * 0.999).all()
    np.testing.assert_allclose(got, expected, rtol=0.05, atol=0.01)


def test_the_smallest_changes_of_a_network(model, labels):
    wanted = (labels + 1) % 4
    deepfool = adversarial.deepfool(model, X, labels)
    for moved, reached in (
        (adversarial.lbfgs(model, X, wanted, search_steps=4), wanted),
        (adversarial.carlini_wagner(model, X, target=wanted, steps=100), wanted),
        (adversarial.carlini_wagner(model, X, labels, steps=200), None),
    ):
        now = predicted(model, moved)
        assert (now == reached).all() if reached is not None else (now != labels).all()
        assert moved.min() >= 0 and moved.max() <= 1
        if reached is None:  # a better optimizer of the same aim, mostly
            assert np.median(row_norms(moved - X) / row_norms(deepfool - X)) <= 1.01


def test_lbfgs_with_confidence_and_without_target(model, labels):
    sure = adversarial.lbfgs(
        model, X, (labels + 1) % 4, confidence=0.6, search_steps=4, steps=40
    )
    wanted = model.predict(sure, verbose=0)[np.arange(6), (labels + 1) % 4]
    assert (wanted >= 0.6 - 1e-3).all()
    second = model.predict(X, verbose=0).argsort(axis=1)[:, -2]
    assert (
        predicted(model, adversarial.lbfgs(model, X, search_steps=4, steps=40))
        == second
    ).all()


def test_what_cannot_be_reached_comes_back(labels):
    constant = nv.models.Sequential(
        [nv.layers.Dense(2, kernel_initializer="zeros", input_shape=(3,))]
    )
    constant.set_weights([np.zeros((3, 2)), np.array([1.0, 0.0])])
    x = np.full((1, 3), 0.5, np.float32)
    np.testing.assert_array_equal(adversarial.lbfgs(constant, x, 1), x)
    got = adversarial.carlini_wagner(constant, x, target=1, steps=20)
    np.testing.assert_array_equal(got, x)


def test_universal(model, labels):
    many = pictures(40, seed=9)
    before = predicted(model, many)
    for norm, size in (("inf", np.inf), (2, 2)):
        eps = 0.3 if norm == "inf" else 3.0
        change = adversarial.universal(
            model, many, eps=eps, norm=norm, fooling_rate=0.6, seed=0
        )
        assert change.shape == (10, 10, 2)
        assert np.linalg.norm(change.ravel(), ord=size) <= eps * (1 + 1e-5)
        after = predicted(model, np.clip(many + change, 0, 1))
        assert (after != before).mean() >= 0.6
    again = adversarial.universal(
        model, many, eps=3.0, norm=2, fooling_rate=0.6, seed=0
    )
    np.testing.assert_array_equal(change, again)
