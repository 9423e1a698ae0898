"""Muon: momentum made orthogonal."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Final, Unpack

from nervure import ops
from nervure.array import Array
from nervure.nn.arguments import finite_number, whole_number, within_unit
from nervure.nn.optimizers.adam import move, reached
from nervure.nn.optimizers.base import Optimizer, OptimizerOptions, Rate
from nervure.nn.variable import Variable

# Keeps the norm of zeros from dividing by zero.
_EPSILON: Final = 1e-7


class Muon(Optimizer):
    """Muon for matrices, Adam for everything else (Jordan et al. 2024).

    The update of a matrix is its momentum with all singular values brought near 1, by
    ``ns_steps`` of the iteration ``x = a x + (b s + c s^2) x`` with ``s = x x^T``.

    Parameters
    ----------
    learning_rate
        Muon's rate.
    adam_beta_1, adam_beta_2, adam_weight_decay, epsilon
        See :class:`~nervure.optimizers.Adam`; for what is no matrix.
    weight_decay
        Of the matrices.
    exclude_layers
        Regular expressions; a matrix in whose path one is found is Adam's.
    exclude_embeddings
        Whether matrices of embeddings are Adam's.
    muon_a, muon_b, muon_c
        The numbers a, b and c.
    adam_lr_ratio
        Adam's rate, in Muon's.
    momentum
        From 0 to 1.
    ns_steps
        How often to iterate.
    nesterov
        Whether to look ahead.
    rms_rate
        The root mean square of an update, in rates; None to leave it as it is.

    Other arguments: see :class:`~nervure.nn.optimizers.base.Optimizer`.

    >>> import nervure as nv
    >>> nv.optimizers.Muon(0.01).ns_steps
    5
    """

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        adam_beta_1: float = 0.9,
        adam_beta_2: float = 0.999,
        adam_weight_decay: float | None = 0.004,
        epsilon: float = 1e-7,
        weight_decay: float | None = 0.004,
        exclude_layers: Sequence[str] | None = None,
        exclude_embeddings: bool = True,
        muon_a: float = 3.4445,
        muon_b: float = -4.7750,
        muon_c: float = 2.0315,
        adam_lr_ratio: float = 1,
        momentum: float = 0.95,
        ns_steps: int = 5,
        nesterov: bool = True,
        rms_rate: float | None = 0.2,
        **options: Unpack[OptimizerOptions],
    ) -> None:
        options["weight_decay"] = weight_decay
        super().__init__(learning_rate, **options)
        self.adam_beta_1 = within_unit("adam_beta_1", adam_beta_1, open_above=True)
        self.adam_beta_2 = within_unit("adam_beta_2", adam_beta_2, open_above=True)
        self.adam_weight_decay = adam_weight_decay
        self.epsilon = float(epsilon)
        self.exclude_layers = list(exclude_layers or ())
        self.exclude_embeddings = bool(exclude_embeddings)
        self.muon_a = finite_number("muon_a", muon_a)
        self.muon_b = finite_number("muon_b", muon_b)
        self.muon_c = finite_number("muon_c", muon_c)
        self.adam_lr_ratio = finite_number("adam_lr_ratio", adam_lr_ratio)
        self.momentum = within_unit("momentum", momentum)
        self.ns_steps = whole_number("ns_steps", ns_steps, least=0)
        self.nesterov = bool(nesterov)
        self.rms_rate = rms_rate

    def _is_for_adam(self, variable: Variable) -> bool:
        return (
            len(variable.shape) != 2
            or (self.exclude_embeddings and "embedding" in variable.path.lower())
            or any(re.search(one, variable.path) for one in self.exclude_layers)
        )

    def first_values(self, variable: Variable) -> dict[str, Array]:
        """Return what a variable's slots start with."""
        names = ("momentum", "velocity")[: 2 if self._is_for_adam(variable) else 1]
        zeros = ops.zeros(variable.shape, dtype=variable.dtype)
        return dict.fromkeys(names, zeros)

    def decay_of(self, variable: Variable) -> float | None:
        """Return the weight decay of a variable."""
        adam = self._is_for_adam(variable)
        return self.adam_weight_decay if adam else self.weight_decay

    def update_step(self, gradient: Array, variable: Variable, rate: Array) -> None:
        """Change one variable."""
        if self._is_for_adam(variable):
            self._adam_step(gradient, variable, rate * self.adam_lr_ratio)
            return
        momentum = self.slot(variable, "momentum")
        momentum.assign(momentum.value * self.momentum + gradient)
        direction = momentum.value
        if self.nesterov:
            direction = gradient + direction * self.momentum
        update = self._orthogonal(direction) * rate
        if self.rms_rate is not None:
            update = update * (math.sqrt(max(variable.shape)) * self.rms_rate)
        variable.assign_sub(update)

    def _adam_step(self, gradient: Array, variable: Variable, rate: Array) -> None:
        mean = self.slot(variable, "momentum")
        square = self.slot(variable, "velocity")
        move(mean, gradient, self.adam_beta_1)
        move(square, gradient * gradient, self.adam_beta_2)
        step = self.step_number(variable.dtype)
        size = rate * ops.sqrt(reached(self.adam_beta_2, step))
        size = size / reached(self.adam_beta_1, step)
        scale = ops.sqrt(square.value) + self.epsilon
        variable.assign_sub(mean.value * size / scale)

    def _orthogonal(self, matrix: Array) -> Array:
        """Return a matrix with singular values near 1 (Newton and Schulz)."""
        tall = matrix.shape[0] > matrix.shape[1]
        x = matrix.T if tall else matrix
        x = x / (ops.sqrt(ops.sum(x * x)) + _EPSILON)
        for _ in range(self.ns_steps):
            square = x @ x.T
            x = (
                self.muon_a * x
                + (self.muon_b * square + self.muon_c * square @ square) @ x
            )
        return x.T if tall else x
