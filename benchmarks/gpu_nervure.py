"""The networks of ``gpu_networks.py`` with Nervure."""

from __future__ import annotations

from typing import Any

import nervure as nv
from benchmarks.gpu_networks import Network, Step
from nervure import layers


def model_of(network: Network, shape: tuple[int, ...]) -> Any:
    """Return a network as a model."""
    values = [layers.Input(shape)]
    for step in network:
        values.append(_value(step, [values[one] for one in step.inputs]))
    return nv.models.Model(values[0], values[-1])


def _value(step: Step, inputs: list[Any]) -> Any:
    x = inputs[0]
    padding = "same" if step.same else "valid"
    match step.op:
        case "conv":
            return layers.Conv2D(
                step.units, step.window, step.stride, padding, use_bias=step.bias
            )(x)
        case "norm":
            return layers.BatchNormalization(epsilon=1e-5, momentum=0.9)(x)
        case "relu":
            return layers.ReLU()(x)
        case "max":
            return layers.MaxPooling2D(step.window, step.stride, padding)(x)
        case "average":
            return layers.AveragePooling2D(step.window, step.stride, padding)(x)
        case "mean":
            images = len(x.shape) == 4
            pooling = layers.GlobalAveragePooling2D if images else None
            return (pooling or layers.GlobalAveragePooling1D)()(x)
        case "dense":
            return layers.Dense(step.units)(x)
        case "flatten":
            return layers.Flatten()(x)
        case "dropout":
            return layers.Dropout(step.rate)(x)
        case "add":
            return layers.Add()(inputs)
        case "concat":
            return layers.Concatenate()(inputs)
        case "encoder":
            return _encoder(x, step.units)
    raise ValueError(step.op)


def _encoder(x: Any, heads: int) -> Any:
    width = x.shape[-1]
    y = layers.MultiHeadAttention(heads, width // heads)(x, x)
    x = layers.LayerNormalization(epsilon=1e-5)(layers.Add()([x, y]))
    y = layers.Dense(4 * width, activation="gelu")(x)
    y = layers.Dense(width)(y)
    return layers.LayerNormalization(epsilon=1e-5)(layers.Add()([x, y]))


def trainer(
    network: Network, x: Any, y: Any, batch: int, mixed: bool, steps: int
) -> Any:
    """Return a function that trains so many steps, on rows that stay on the device."""
    model = model_of(network, x.shape[1:])
    model.compile(
        nv.optimizers.Adam(1e-3),
        nv.losses.SparseCategoricalCrossentropy(from_logits=True),
        executor="xla",
        precision="mixed_bfloat16" if mixed else "float32",
    )
    epochs = steps * batch // len(x)
    return lambda: model.fit(x, y, batch, epochs=epochs, verbose=0)
