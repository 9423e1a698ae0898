"""The further losses against torch and against formulas in NumPy's float64."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - as everybody calls it

import nervure as nv
from nervure import losses
from nervure.errors import ArgumentError, ShapeError

random = np.random.default_rng(0)
TRUE = random.normal(size=(5, 4))
PRED = random.normal(size=(5, 4)) * 2
AMOUNTS = random.uniform(0.1, 3.0, (5, 4))
SHARES = random.dirichlet(np.ones(4), size=5)


def close(got, expected, rtol=1e-9):
    np.testing.assert_allclose(np.asarray(got), np.asarray(expected), rtol, 1e-12)


def test_regression_against_torch():
    true, pred = torch.tensor(TRUE), torch.tensor(PRED)
    close(
        losses.huber(TRUE, PRED, 0.7),
        F.huber_loss(pred, true, reduction="none", delta=0.7).mean(-1),
    )
    close(losses.log_cosh(TRUE, PRED), np.log(np.cosh(PRED - TRUE)).mean(-1))
    close(losses.cosine_similarity(TRUE, PRED), -F.cosine_similarity(true, pred))
    close(
        losses.mean_absolute_percentage_error(TRUE, PRED),
        100 * np.abs((TRUE - PRED) / TRUE).mean(-1),
    )
    close(
        losses.mean_squared_logarithmic_error(AMOUNTS, 2 * AMOUNTS),
        ((np.log1p(AMOUNTS) - np.log1p(2 * AMOUNTS)) ** 2).mean(-1),
    )


def test_probabilistic_against_torch():
    shares = torch.tensor(SHARES)
    other = torch.tensor(SHARES[::-1].copy())
    expected = F.kl_div(other.log(), shares, reduction="none").sum(-1)
    close(losses.kl_divergence(SHARES, SHARES[::-1].copy()), expected)
    expected = F.poisson_nll_loss(
        torch.tensor(AMOUNTS),
        torch.tensor(AMOUNTS[::-1].copy()),
        False,
        eps=1e-7,
        reduction="none",
    ).mean(-1)
    close(losses.poisson(AMOUNTS[::-1].copy(), AMOUNTS), expected)


def test_hinge():
    signs = np.sign(TRUE)
    expected = np.maximum(1 - signs * PRED, 0)
    close(losses.hinge(signs, PRED), expected.mean(-1))
    close(losses.hinge((signs + 1) / 2, PRED), expected.mean(-1))
    close(losses.squared_hinge(signs, PRED), (expected**2).mean(-1))


@pytest.mark.parametrize("as_logits", [False, True])
def test_focal_losses_use_the_logits_behind_probabilities(as_logits):
    logits = np.array([[40.0, -40.0, 1.0]])
    bits = np.array([[0.0, 1.0, 1.0]])
    given = logits if as_logits else nv.sigmoid(nv.asarray(logits))
    got = losses.binary_focal_crossentropy(bits, given, from_logits=as_logits)
    p = 1 / (1 + np.exp(-logits))
    exact = np.where(bits == 1, np.logaddexp(0, -logits), np.logaddexp(0, logits))
    wrong = np.where(bits == 1, 1 - p, p)
    close(got, (wrong**2 * exact).mean(-1))


def test_ctc_against_torch():
    logits = random.normal(size=(3, 9, 5))
    labels = np.array([[1, 1, 2, 4], [3, 0, 0, 0], [0, 0, 0, 0]])
    lengths = torch.tensor((labels != 0).sum(1))
    weights = torch.tensor(logits, requires_grad=True)
    expected = F.ctc_loss(
        weights.log_softmax(-1).transpose(0, 1),
        torch.tensor(labels),
        torch.full((3,), 9),
        lengths,
        reduction="none",
    )
    expected.sum().backward()
    close(losses.ctc(labels, logits), expected.detach())
    gradient = nv.grad(lambda x: nv.sum(losses.ctc(labels, x)))(nv.asarray(logits))
    np.testing.assert_allclose(gradient.numpy(), weights.grad, atol=1e-12)


def test_impossible_ctc_has_no_nan():
    # Two equal labels need three frames.
    value, gradient = nv.value_and_grad(lambda x: nv.sum(losses.ctc([[1, 1]], x)))(
        nv.zeros((1, 2, 3))
    )
    assert value.item() > 1e20
    assert np.isfinite(gradient.numpy()).all()


def test_circle_without_partners():
    # Each class once: nothing to pull together, so nothing is lost, and no NaN.
    embeddings = np.eye(3, dtype="float32")
    function = lambda x: losses.Circle()([0, 1, 2], x)  # noqa: E731
    value, gradient = nv.value_and_grad(function)(nv.asarray(embeddings))
    assert value.item() == 0
    assert not gradient.numpy().any()


def test_ignored_targets_do_not_count_in_the_mean():
    pred = np.array([[0.25, 0.75], [0.5, 0.5], [0.5, 0.5]])
    loss = losses.SparseCategoricalCrossentropy(ignore_class=0)
    assert loss([1, 0, 0], pred).item() == pytest.approx(-np.log(0.75))
    assert loss([0, 0, 0], pred).item() == 0.0


def test_wrong_arguments():
    for make in (
        lambda: losses.Huber(delta=0),
        lambda: losses.CategoricalGeneralizedCrossEntropy(1.0),
    ):
        with pytest.raises(ArgumentError):
            make()
    for call in (
        lambda: losses.ctc([1], PRED),
        lambda: losses.circle([[1, 2]], PRED),
        lambda: losses.categorical_generalized_cross_entropy([[1, 2]], PRED, 0.5),
        lambda: losses.dice(TRUE, PRED[:, :3]),
    ):
        with pytest.raises(ShapeError):
            call()


@pytest.mark.parametrize(
    "name", [one for one in losses.__all__ if one[0].isupper() and "Loss" not in one]
)
def test_configuration(name):
    loss = losses.get(name)
    assert losses.get(loss.name.removesuffix("_loss")).get_config() == loss.get_config()
    again = losses.deserialize(losses.serialize(loss))
    assert type(again) is type(loss)
    assert again.get_config() == loss.get_config()


def test_aliases():
    for alias in ("mse", "MAE", "mape", "MSLE", "bce", "KLD", "logcosh"):
        assert losses.get(alias).name == losses.get(alias.lower()).name
