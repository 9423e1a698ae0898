"""The logarithm of 1 + x in float64, where XLA's own is not exact enough."""

from __future__ import annotations

import numpy as np

from nervure import dtypes
from nervure.ir import Graph
from nervure.prims.leaf import input_leaf
from nervure.prims.unary import log1p
from tests.exec.xla.agreement import run


def test_float64_is_right_to_four_units() -> None:
    random = np.random.default_rng(0)
    small = 10.0 ** random.uniform(-300, 0, 50_000)
    x = np.concatenate(
        [
            random.uniform(-0.999, 3, 200_000),
            small,
            -0.999 * small,
            10.0 ** random.uniform(0, 308, 10_000),
            [0.0, -0.0, -1.0, -2.0, np.inf, -np.inf, np.nan],
        ]
    )
    node = input_leaf(x.shape, dtypes.float64)
    (found,) = run(Graph([log1p(node)], [node]), [x])
    with np.errstate(all="ignore"):
        wanted = np.log1p(x)
    np.testing.assert_array_equal(np.isfinite(found), np.isfinite(wanted))
    np.testing.assert_array_equal(found[-7:], wanted[-7:])
    finite = np.isfinite(wanted)
    error = np.abs(found[finite] - wanted[finite])
    error /= np.spacing(np.abs(wanted[finite]))
    assert error.max() <= 4
