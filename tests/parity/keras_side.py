"""Runs cases in real Keras: ``python -m tests.parity.keras_side REQUEST FOLDER``.

REQUEST is a JSON object of cases by file name; each gets ``<file name>.npz`` in FOLDER,
or ``<file name>.error`` with a message.
"""

from __future__ import annotations

import importlib
import json
import os
import pathlib
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

os.environ["KERAS_BACKEND"] = "jax"
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax
import jax.numpy as jnp
import keras

from tests.parity.cases import Arrays, Case
from tests.parity.computing import (
    STEPS,
    Framework,
    LayerTrial,
    NDArray,
    compute,
    cotangent,
)


class Keras(Framework):
    """Keras 3 with JAX on the CPU."""

    def module(self, name: str) -> Any:
        """Return a module of Keras."""
        return importlib.import_module(f"keras.{name}")

    def array(self, value: NDArray) -> Any:
        """Return an array of JAX."""
        return jnp.asarray(value)

    def seed(self, number: int) -> None:
        """Set the seed of everything random, and start names afresh."""
        keras.utils.clear_session(free_memory=False)
        keras.utils.set_random_seed(number)

    def value_and_gradients(
        self, function: Callable[..., Any], arguments: Sequence[NDArray]
    ) -> tuple[NDArray, list[NDArray]]:
        """Return the value and, for `cotangent` of its shape, its gradients."""
        value, pull = jax.vjp(function, *map(jnp.asarray, arguments))
        gradients = pull(jnp.asarray(cotangent(value.shape)))
        return np.asarray(value), [*map(np.asarray, gradients)]

    def metric_results(
        self, metric: Any, updates: Sequence[tuple[list[NDArray], dict[str, NDArray]]]
    ) -> list[NDArray]:
        """Return the result after each update."""
        results = []
        for positional, options in updates:
            metric.update_state(*positional, **options)
            results.append(np.asarray(metric.result()))
        return results

    def optimized(
        self,
        optimizer: Any,
        starts: Sequence[NDArray],
        gradients: Sequence[Sequence[NDArray]],
        options: Case,
    ) -> list[NDArray]:
        """Return variables after steps with given gradients."""
        variables = [
            keras.Variable(start, name=name)
            for start, name in zip(starts, _names(options, starts), strict=True)
        ]
        if "exclude" in options:
            optimizer.exclude_from_weight_decay(var_names=options["exclude"])
        optimizer.build(variables)

        @jax.jit
        def step(state: Any, values: Any, given: Any) -> Any:
            return optimizer.stateless_apply(state, given, values)

        values = [one.value for one in variables]
        state = [one.value for one in optimizer.variables]
        for given in gradients:
            values, state = step(state, values, [jnp.asarray(one) for one in given])
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
        for variable, value in zip(optimizer.variables, state, strict=True):
            variable.assign(value)
        if options.get("finish", False):
            optimizer.finalize_variable_values(variables)
        return [np.asarray(one.value) for one in variables]

    def layer_answers(
        self, case: Case, layer: Any, trial: LayerTrial, given: Arrays | None
    ) -> Arrays:
        """Return what a layer computes."""
        layer(trial.arguments(trial.inputs), **trial.options, training=trial.training)
        layer.set_weights(trial.perturbed(layer.get_weights()))
        weights = layer.get_weights()
        state = layer.non_trainable_variables
        trainable = layer.trainable_variables

        def forward(values: Any, others: Any, inputs: Any) -> Any:
            mapping = [
                *zip(trainable, values, strict=True),
                *zip(state, others, strict=True),
            ]
            with keras.StatelessScope(mapping, collect_losses=True) as scope:
                outputs = layer(
                    trial.arguments(inputs), **trial.options, training=trial.training
                )
                flat = keras.tree.flatten(outputs)
                total = jnp.asarray(0.0)
                for place, one in enumerate(flat):
                    if jnp.issubdtype(one.dtype, jnp.floating):
                        factors = trial.coefficients(place, one.shape)
                        total += jnp.mean(one * factors) + 0.5 * jnp.mean(one * one)
                for one in layer.losses:
                    total += jnp.sum(one)
            after = [scope.get_current_value(one) for one in state]
            after = [
                one.value if value is None else value
                for one, value in zip(state, after, strict=True)
            ]
            return total, (flat, after)

        def of_smooth(values: Any, others: Any, smooth: Any, inputs: Any) -> Any:
            inputs = list(inputs)
            for place, one in zip(trial.smooth, smooth, strict=True):
                inputs[place] = one
            return forward(values, others, inputs)

        differentiate = jax.value_and_grad(of_smooth, argnums=(0, 2), has_aux=True)
        if case.get("compiled", True):
            differentiate = jax.jit(differentiate)
        values = [one.value for one in trainable]
        others = [one.value for one in state]
        inputs = [jnp.asarray(one) for one in trial.inputs]
        smooth = [inputs[place] for place in trial.smooth]
        (loss, (outputs, _)), (of_weights, of_inputs) = differentiate(
            values, others, smooth, inputs
        )
        answers = {f"weight {place}": one for place, one in enumerate(weights)}
        answers |= {f"output {place}": one for place, one in enumerate(outputs)}
        answers["loss"] = loss
        answers |= {f"gradient {place}": one for place, one in enumerate(of_weights)}
        answers |= {
            f"input gradient {place}": one for place, one in enumerate(of_inputs)
        }
        optimizer = keras.optimizers.SGD(0.05, momentum=0.9)
        optimizer.build(trainable)
        for _ in range(STEPS if weights else 0):
            (loss, (_, others)), (grads, _) = differentiate(
                [one.value for one in trainable], others, smooth, inputs
            )
            if grads:
                optimizer.apply(grads, trainable)
        if weights:
            for one, value in zip(state, others, strict=True):
                one.assign(value)
            answers["after, loss"] = loss
            answers |= {
                f"after, weight {place}": one
                for place, one in enumerate(layer.get_weights())
            }
        return {name: np.asarray(one) for name, one in answers.items()}


def _names(options: Case, starts: Sequence[NDArray]) -> list[str]:
    return options.get("names", [f"variable{place}" for place in range(len(starts))])


def main() -> None:
    """Answer the request."""
    request, folder = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    cases = json.loads(request.read_text(encoding="utf-8"))
    keras_ = Keras()
    for name, case in cases.items():
        try:
            answers = compute(keras_, case)
        except Exception:  # noqa: BLE001 - told to the test of this case
            message = traceback.format_exc()
            (folder / f"{name}.error").write_text(message, encoding="utf-8")
            continue
        partial = folder / f"{name}.part"
        with partial.open("wb") as file:
            np.savez(file, **answers)
        partial.replace(folder / f"{name}.npz")


if __name__ == "__main__":
    main()
