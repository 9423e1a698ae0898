"""The searches for small changes, beside the same algorithms in torch and SciPy.

Written anew for these tests from the papers, one sample at a time and in float64, so
that nothing is shared but the mathematics.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import fmin_l_bfgs_b

from nervure import adversarial
from nervure.adversarial.problem import row_norms
from tests.torch_twin import Twin, pictures, small_network, to_numpy, to_torch

X = pictures(4)


@pytest.fixture(scope="module")
def model():
    return small_network()


@pytest.fixture(scope="module")
def twin(model):
    return Twin(model).eval().double()


@pytest.fixture(scope="module")
def labels(model):
    return model.predict(X, verbose=0).argmax(axis=1)


def raised_then_halved(constant, low, high, reached):
    """Return the next constant of a search, and its limits."""
    low, high = (low, min(high, constant)) if reached else (max(low, constant), high)
    return (constant * 10 if np.isinf(high) else (low + high) / 2), low, high


# --- Carlini and Wagner ---------------------------------------------------------------


def ahead(scores, label, targeted):
    """Return by how much a class is ahead that shall not be."""
    others = torch.cat([scores[:label], scores[label + 1 :]]).max()
    return others - scores[label] if targeted else scores[label] - others


def carlini_wagner(twin, x, label, targeted, *, steps, searches, rate, first):
    """Attack one picture by torch's Adam; the change of variables of section V."""
    constant, low, high = first, 0.0, np.inf
    best, least = x.clone(), np.inf
    start = torch.atanh((2 * x - 1) * 0.999999)
    for _ in range(searches):
        free = start.clone().requires_grad_()
        optimizer = torch.optim.Adam([free], lr=rate)
        reached = False
        for _ in range(steps):
            sample = (torch.tanh(free) + 1) / 2
            size = (sample - x).square().sum()
            excess = ahead(twin(sample[None])[0], label, targeted)
            if excess <= 0:
                reached = True
                if size < least:
                    best, least = sample.detach().clone(), float(size.detach())
            optimizer.zero_grad()
            (size + constant * excess.clamp(min=0)).backward()
            optimizer.step()
        constant, low, high = raised_then_halved(constant, low, high, reached)
    return best


@pytest.mark.parametrize("targeted", [False, True])
def test_carlini_wagner(model, twin, labels, targeted):
    chosen = (labels + 1) % 4 if targeted else labels
    options = {"steps": 40, "first": 0.1, "rate": 0.02, "searches": 4}
    expected = torch.stack(
        [
            carlini_wagner(twin, one, int(label), targeted, **options)
            for one, label in zip(to_torch(X).double(), chosen)
        ]
    )
    got = adversarial.carlini_wagner(
        *(model, X, labels),
        target=chosen if targeted else None,
        steps=40, search_steps=4, learning_rate=0.02, first_constant=0.1,
    )  # fmt: skip
    # Adam starts with steps of one size along the sign of slopes near 0, so single
    # numbers differ; the search finds changes of the same size in the same direction.
    right = to_numpy(expected) - X
    sizes = row_norms(got - X), row_norms(right)
    np.testing.assert_allclose(sizes[0], sizes[1], rtol=0.05)
    along = (right * (got - X)).reshape(4, -1).sum(axis=1) / (sizes[0] * sizes[1])
    assert (along > 0.95).all()


# --- L-BFGS ---------------------------------------------------------------------------


def szegedy(twin, x, target, *, searches, steps):
    """Attack one picture by SciPy's L-BFGS-B; the formula of section 4.1."""
    constant, low, high = 1.0, 0.0, np.inf
    best, least = x.copy(), np.inf
    wanted = torch.tensor([target])

    def objective(flat, constant):
        sample = torch.tensor(flat.reshape(x.shape)).requires_grad_()
        loss = torch.nn.functional.cross_entropy(twin(sample[None]), wanted)
        total = (sample - torch.tensor(x)).square().sum() + constant * loss
        total.backward()
        return float(total.detach()), sample.grad.numpy().ravel()

    for _ in range(searches):
        found, _, _ = fmin_l_bfgs_b(
            objective,
            x.ravel(),
            args=(constant,),
            bounds=[(0, 1)] * x.size,
            maxiter=steps,
            pgtol=1e-6,
            factr=10,
        )
        found = found.reshape(x.shape)
        with torch.no_grad():
            reached = int(twin(torch.tensor(found)[None]).argmax()) == target
        size = np.square(found - x).sum()
        if reached and size < least:
            best, least = found, size
        constant, low, high = raised_then_halved(constant, low, high, reached)
    return best


def test_lbfgs(model, twin, labels):
    wanted = (labels + 1) % 4
    expected = np.stack(
        [
            szegedy(twin, one, int(target), searches=3, steps=30)
            for one, target in zip(to_torch(X).double().numpy(), wanted)
        ]
    )
    got = adversarial.lbfgs(model, X, wanted, search_steps=3, steps=30)
    right = np.moveaxis(expected, 1, -1) - X
    sizes = row_norms(got - X), row_norms(right)
    # The function has several minima, and both methods stop in one nearby.
    assert (sizes[0] <= 1.1 * sizes[1]).all()
    near = abs(sizes[0] / sizes[1] - 1) < 0.03
    assert near.sum() >= 3
    along = (right * (got - X)).reshape(4, -1).sum(axis=1) / (sizes[0] * sizes[1])
    assert (along[near] > 0.95).all()


# --- over the nearest boundary --------------------------------------------------------


def over_boundary(twin, x, label, *, steps, overshoot, norm, start=None):
    """Return one picture behind the nearest linearised boundary, step by step."""
    origin = x if start is None else start
    change, x = torch.zeros_like(x), origin
    for _ in range(steps):
        x = x.detach().requires_grad_()
        scores = twin(x[None])[0]
        if int(scores.argmax()) != label:
            break
        slopes = [torch.autograd.grad(one, x, retain_graph=True)[0] for one in scores]
        scores = scores.detach()
        ways = []
        for other in range(4):
            if other == label:
                continue
            slope = slopes[other] - slopes[label]
            gap = abs(scores[other] - scores[label])
            if norm == "inf":
                distance = gap / slope.abs().sum()
                ways.append((float(distance), (distance + 1e-4) * slope.sign()))
            else:
                distance = gap / slope.norm()
                way = (distance + 1e-4) * slope / slope.norm()
                ways.append((float(distance), way))
        change = change + min(ways, key=lambda one: one[0])[1]
        x = (origin + (1 + overshoot) * change).clamp(0, 1)
    return x.detach()


@pytest.mark.parametrize("norm", ["2", "inf"])
def test_deepfool(model, twin, labels, norm):
    got = adversarial.deepfool(model, X, labels, norm=norm, overshoot=0.02)
    options = {"steps": 50, "overshoot": 0.02, "norm": norm}
    expected = torch.stack(
        [
            over_boundary(twin, one, int(label), **options)
            for one, label in zip(to_torch(X).double(), labels)
        ]
    )
    np.testing.assert_allclose(got, to_numpy(expected), atol=2e-4)


@pytest.mark.parametrize("norm", ["2", "inf"])
def test_universal(model, twin, norm):
    """Two passes over the samples in the same order, in torch."""
    many = pictures(12, seed=9)
    eps = 1.2 if norm == "2" else 0.1
    got = adversarial.universal(
        model, many, eps=eps, norm=norm, fooling_rate=1.0, passes=2, steps=5, seed=3
    )
    samples = to_torch(many).double()
    with torch.no_grad():
        seen = twin(samples).argmax(1)
    change = torch.zeros_like(samples[0])
    generator = np.random.default_rng(3)
    for _ in range(2):
        with torch.no_grad():
            now = twin((samples + change).clamp(0, 1)).argmax(1)
        if (now != seen).all():
            break
        for row in generator.permutation(12):
            moved = (samples[row] + change).clamp(0, 1)
            behind = over_boundary(
                twin, moved, int(seen[row]), steps=5, overshoot=0.02, norm="2"
            )
            change = change + behind - moved
            if norm == "inf":
                change = change.clamp(-eps, eps)
            else:
                change = change * min(1.0, eps / float(change.norm()))
    expected = np.moveaxis(change.numpy(), 0, -1)
    assert abs(expected).max() > 0.05
    np.testing.assert_allclose(got, expected, atol=2e-3)
