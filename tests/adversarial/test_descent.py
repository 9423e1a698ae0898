"""Batched L-BFGS in a box, compared with SciPy's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize, rosen, rosen_der

from nervure.adversarial.constants import ConstantSearch
from nervure.adversarial.descent import minimized


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(1, 6))
def test_quadratics(seed, rows, size):
    random = np.random.default_rng(seed)
    roots = random.normal(size=(rows, size, size))
    matrices = np.einsum("rij,rkj->rik", roots, roots) + np.eye(size)
    goals = random.normal(size=(rows, size))

    def function(x):
        slope = np.einsum("rij,rj->ri", matrices, x - goals)
        return 0.5 * np.einsum("ri,ri->r", slope, x - goals), slope

    got = minimized(function, np.zeros((rows, size)), -0.5, 0.5, steps=300)
    for row in range(rows):
        best = minimize(
            lambda x, row=row: tuple(
                one[row] for one in function(np.tile(x, (rows, 1)))
            ),
            np.zeros(size),
            jac=True,
            bounds=[(-0.5, 0.5)] * size,
            method="L-BFGS-B",
            options={"ftol": 1e-14, "gtol": 1e-9},
        )
        np.testing.assert_allclose(got[row], best.x, atol=1e-4)


@pytest.mark.parametrize("high", [0.7, 3.0])
def test_rosenbrock(high):
    def function(points):
        return np.array([rosen(x) for x in points]), np.array(
            [rosen_der(x) for x in points]
        )

    start = np.array([[-1.2, 0.5], [0.0, 0.0], [-0.3, 0.6]])
    got = minimized(function, start, -2.0, high, steps=500, tolerance=1e-8)
    bounds = [(-2.0, high)] * 2
    best = minimize(rosen, start[1], jac=rosen_der, bounds=bounds, method="L-BFGS-B")
    np.testing.assert_allclose(got, np.tile(best.x, (3, 1)), atol=2e-3)


def test_constants_close_in():
    search = ConstantSearch(2, 1.0)
    needed = np.array([3.0, 0.2])
    for _ in range(12):
        search.learn(search.constants >= needed)
    np.testing.assert_allclose(search.constants, needed, rtol=0.01)
