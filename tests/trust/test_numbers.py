"""Values at the extremes: nothing overflows on the way to a result that is a number."""

from __future__ import annotations

import numpy as np
import pytest

import nervure as nv
from nervure import layers, losses

EXTREME = np.array([[3e38, -3e38, 0.0], [1e30, 1e30, -1e30], [-1e-45, 1e-45, 88.8]])


@pytest.mark.parametrize("executor", ["reference", "cpu"])
def test_nothing_overflows_on_the_way(executor):
    with nv.config.override(executor=executor):
        x = nv.asarray(EXTREME.astype("float32"))
        soft = np.asarray(nv.nn.softmax(x))
        np.testing.assert_allclose(soft.sum(-1), 1, rtol=1e-6)
        logs = np.asarray(nv.nn.log_softmax(x))
        assert (logs <= 0).all()
        total = np.asarray(nv.logaddexp(x, x))
        with np.errstate(over="ignore"):
            wide = np.logaddexp(EXTREME, EXTREME).astype("float32")
        np.testing.assert_allclose(total, wide, rtol=1e-6, atol=1e-44)
        for value in (1e4, -1e4, 3e38):
            logits = nv.asarray([[value, 0.0], [0.0, value]], dtype="float32")
            for loss, truth in (
                (losses.SparseCategoricalCrossentropy(from_logits=True), [0, 1]),
                (losses.BinaryCrossentropy(from_logits=True), np.eye(2)),
            ):
                result, slope = nv.value_and_grad(
                    lambda given, loss=loss, truth=truth: loss(nv.asarray(truth), given)
                )(logits)
                assert not np.isnan(float(result))
                assert np.isfinite(np.asarray(slope)).all()


@pytest.mark.parametrize("executor", ["reference", "cpu"])
def test_normalizations_at_the_extremes(executor):
    rows = np.array(
        [[0.0] * 4, [1e-30] * 4, [1e15, -1e15, 1e15, 0], [5e3, 5e3, 5e3, 5]]
    )
    with nv.config.override(executor=executor):
        for layer in (
            layers.LayerNormalization(),
            layers.RMSNormalization(),
            layers.UnitNormalization(),
            layers.GroupNormalization(2),
        ):
            assert np.isfinite(
                np.asarray(layer(nv.asarray(rows, dtype="float32")))
            ).all()
