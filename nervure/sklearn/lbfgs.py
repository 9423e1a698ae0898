"""Training with L-BFGS: SciPy's minimizer on the compiled loss and its gradient."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from nervure import step
from nervure.array import Array
from nervure.ir.attrs import NDArray
from nervure.models import Model
from nervure.nn.variable import Variable
from nervure.transforms import gradients


def minimize(
    model: Model,
    x: NDArray,
    y: NDArray,
    weights: NDArray | None,
    *,
    max_iterations: int,
    max_calls: int,
    tolerance: float,
) -> tuple[int, list[float]]:
    """Train a compiled model on all rows at once.

    Its optimizer is not used.  Warns (``ConvergenceWarning``) when the iterations or
    calls do not suffice.

    Returns
    -------
    The number of iterations, and the loss after each of them.
    """
    from scipy.optimize import minimize as scipy_minimize

    variables = model.trainable_variables
    evaluate = _loss_and_gradients(model, variables, weights is not None)
    data = [Array.of_value(one) for one in (x, y, weights) if one is not None]

    def flat(values: NDArray) -> tuple[float, NDArray]:
        _assign(variables, values)
        loss, *found = (one.numpy() for one in evaluate(data))
        flattened = [one.astype(np.float64).ravel() for one in found]
        return float(loss), np.concatenate(flattened)

    losses: list[float] = []
    result = scipy_minimize(
        flat,
        np.concatenate([one.numpy().astype(np.float64).ravel() for one in variables]),
        method="L-BFGS-B",
        jac=True,
        callback=lambda intermediate_result: losses.append(intermediate_result.fun),
        options={"maxiter": max_iterations, "maxfun": max_calls, "gtol": tolerance},
    )
    _assign(variables, result.x)
    if result.status == 1:
        warnings.warn(
            f"L-BFGS ended after {result.nit} iterations, before it had converged; "
            "scale the data, or raise max_iter",
            ConvergenceWarning,
            stacklevel=2,
        )
    return max(1, int(result.nit)), [*losses, float(result.fun)][: result.nit or 1]


def _loss_and_gradients(model: Model, variables: list[Variable], weighted: bool) -> Any:
    """Return a compiled function from the data to the loss and its gradients."""
    compiled = model.require_compiled("fit")

    def evaluate(data: list[Array]) -> list[Any]:
        before = [variable.value for variable in variables]
        x, y, *rest = data
        output = model(x.astype(model.input_dtype), training=True)
        loss = compiled.loss(y, output, sample_weight=rest[0] if weighted else None)
        for addition in model.losses:
            loss = loss + addition
        return [loss, *gradients(loss, before)]

    return step.compile(evaluate)


def _assign(variables: list[Variable], values: NDArray) -> None:
    """Set variables from one long vector."""
    start = 0
    for variable in variables:
        stop = start + variable.size
        variable.assign(values[start:stop].reshape(variable.shape))
        start = stop
