"""Runs cases in Nervure."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import nervure as nv
from nervure import tree
from nervure.nn.variable import Variable
from nervure.step import Step
from tests.parity.cases import Arrays, Case
from tests.parity.computing import STEPS, Framework, LayerTrial, NDArray, cotangent


class Nervure(Framework):
    """Nervure, on the executor that the settings name."""

    def module(self, name: str) -> Any:
        """Return a module of Nervure."""
        return importlib.import_module(f"nervure.{name}")

    def array(self, value: NDArray) -> Any:
        """Return a lazy array."""
        return nv.asarray(value)

    def seed(self, number: int) -> None:
        """Set the seed of everything random, and start names afresh."""
        nv.utils.clear_session()
        nv.utils.set_random_seed(number)

    def value_and_gradients(
        self, function: Callable[..., Any], arguments: Sequence[NDArray]
    ) -> tuple[NDArray, list[NDArray]]:
        """Return the value and, for `cotangent` of its shape, its gradients."""
        value, pull = nv.vjp(function, *map(nv.asarray, arguments))
        gradients = pull(nv.asarray(cotangent(value.shape)))
        return value.numpy(), [np.asarray(one) for one in gradients]

    def metric_results(
        self, metric: Any, updates: Sequence[tuple[list[NDArray], dict[str, NDArray]]]
    ) -> list[NDArray]:
        """Return the result after each update, which a compiled step takes in."""
        names = list(updates[0][1])
        count = len(updates[0][0])

        def update(constants: list[Any], varying: list[Any]) -> None:
            weights = dict(zip(names, varying[count:], strict=True))
            metric.update_state(*varying[:count], **weights)

        step, result = Step(update), nv.compile(metric.result)
        results = []
        for positional, options in updates:
            step.run([], [one[None] for one in (*positional, *options.values())])
            results.append(np.asarray(result()))
        return results

    def optimized(
        self,
        optimizer: Any,
        starts: Sequence[NDArray],
        gradients: Sequence[Sequence[NDArray]],
        options: Case,
    ) -> list[NDArray]:
        """Return variables after steps with given gradients, compiled as one run."""
        count = len(starts)
        names = options.get("names", [f"variable{place}" for place in range(count)])
        variables = [
            Variable(start, name=name)
            for start, name in zip(starts, names, strict=True)
        ]
        if "exclude" in options:
            optimizer.exclude_from_weight_decay(var_names=options["exclude"])
        optimizer.build(variables)

        def update(constants: list[Any], varying: list[Any]) -> None:
            optimizer.apply(varying, variables)

        Step(update).run([], [np.stack(one) for one in zip(*gradients, strict=True)])
        if options.get("finish", False):
            optimizer.finalize_variable_values(variables)
        return [variable.numpy() for variable in variables]

    def layer_answers(
        self, case: Case, layer: Any, trial: LayerTrial, given: Arrays | None
    ) -> Arrays:
        """Return what a layer with the given weights computes."""
        assert given is not None, "the weights come from Keras"
        self._call(layer, trial, trial.inputs)
        weights = [one for name, one in given.items() if name.startswith("weight ")]
        layer.set_weights(weights)
        trainable = layer.trainable_variables
        found: dict[str, Any] = {}

        def differentiate() -> list[Any]:
            inputs = [nv.asarray(one) for one in trial.inputs]
            smooth = [inputs[place] for place in trial.smooth]
            before = [variable.value for variable in trainable]
            outputs, loss = self._loss(layer, trial, inputs)
            gradients = nv.gradients(loss, [*before, *smooth])
            found.update(outputs=len(outputs))
            return [*outputs, loss, *gradients]

        state = [variable.numpy() for variable in layer.variables]
        results = [np.asarray(one) for one in nv.compile(differentiate)()]
        count = found["outputs"]
        # What the call did to moving means and the like is no part of the answer.
        for variable, value in zip(layer.variables, state, strict=True):
            variable.assign(value)
        answers = {
            f"weight {place}": one for place, one in enumerate(layer.get_weights())
        }
        answers |= {f"output {place}": one for place, one in enumerate(results[:count])}
        answers["loss"] = results[count]
        gradients = results[count + 1 :]
        cut = len(trainable)
        answers |= {
            f"gradient {place}": one for place, one in enumerate(gradients[:cut])
        }
        answers |= {
            f"input gradient {place}": one for place, one in enumerate(gradients[cut:])
        }
        if weights:
            answers |= self._trained(layer, trial)
        return answers

    def _trained(self, layer: Any, trial: LayerTrial) -> Arrays:
        """Return loss and weights after steps in one compiled run."""
        optimizer = nv.optimizers.SGD(0.05, momentum=0.9)
        trainable = layer.trainable_variables
        optimizer.build(trainable)
        last = Variable(0.0, name="loss", trainable=False)

        def update(constants: list[Any], varying: list[Any]) -> None:
            before = [variable.value for variable in trainable]
            _, loss = self._loss(layer, trial, constants)
            optimizer.apply(nv.gradients(loss, before), trainable)
            last.assign(loss)

        Step(update).run(trial.inputs, [np.zeros(STEPS, "float32")])
        values = [last.numpy(), *layer.get_weights()]
        names = ["loss", *(f"weight {place}" for place in range(len(values) - 1))]
        return {f"after, {name}": one for name, one in zip(names, values, strict=True)}

    def _loss(self, layer: Any, trial: LayerTrial, inputs: Any) -> Any:
        outputs = self._call(layer, trial, inputs)
        total = nv.asarray(0.0)
        for place, one in enumerate(outputs):
            if nv.isdtype(one.dtype, "real floating"):
                factors = nv.asarray(trial.coefficients(place, one.shape))
                total = total + nv.mean(one * factors) + 0.5 * nv.mean(one * one)
        for one in layer.losses:
            total = total + nv.sum(one)
        return outputs, total

    def _call(self, layer: Any, trial: LayerTrial, inputs: Any) -> list[Any]:
        options = {
            name: nv.asarray(one) if isinstance(one, np.ndarray) else one
            for name, one in trial.options.items()
        }
        outputs = layer(trial.arguments(inputs), **options, training=trial.training)
        return tree.flatten(outputs)[0]
