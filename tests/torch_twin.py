"""A small convolutional network in Nervure and, with the same weights, in torch."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

import nervure as nv

torch.set_num_threads(1)  # else its threads wait for ours


def small_network(inner: str = "relu", activation: str | None = "softmax") -> Any:
    """Return a network for pictures of 10 x 10 with rectifiers inside of layers."""
    layers = nv.layers
    model = nv.models.Sequential(
        [
            layers.Conv2D(
                6, 3, activation=inner, input_shape=(10, 10, 2), name="first"
            ),
            layers.MaxPooling2D(2, name="pool"),
            layers.Conv2D(5, 2, activation=inner, name="second"),
            layers.Flatten(),
            layers.Dense(4, activation=activation, name="top"),
        ]
    )
    random = np.random.default_rng(3)
    # Large enough that all four classes occur, and few rectifiers are dead.
    model.set_weights([random.normal(size=one.shape) * 0.5 for one in model.weights])
    return model


class Twin(torch.nn.Module):
    """The network of :func:`small_network`, up to the logits, channels first."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.first = torch.nn.Conv2d(2, 6, 3)
        self.second = torch.nn.Conv2d(6, 5, 2)
        self.top = torch.nn.Linear(45, 4)
        # Rectifiers that tests may change.
        self.rectify = torch.relu
        with torch.no_grad():
            for name in ("first", "second"):
                layer, own = model.get_layer(name), getattr(self, name)
                own.weight.copy_(_tensor(layer.kernel).permute(3, 2, 0, 1))
                own.bias.copy_(_tensor(layer.bias))
            top = model.get_layer("top")
            self.top.weight.copy_(_tensor(top.kernel).T)
            self.top.bias.copy_(_tensor(top.bias))

    def maps(self, x: torch.Tensor) -> torch.Tensor:
        """Return what the layer "second" gives, channels first."""
        x = self.rectify(self.first(x))
        x = torch.nn.functional.max_pool2d(x, 2)
        return self.rectify(self.second(x))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logits."""
        return self.top(self.maps(x).permute(0, 2, 3, 1).flatten(1))


def _tensor(variable: Any) -> torch.Tensor:
    return torch.tensor(np.array(variable.numpy()))


def to_torch(x: np.ndarray) -> torch.Tensor:
    """Return pictures, channels first."""
    return torch.tensor(np.moveaxis(x, -1, 1).copy())


def to_numpy(x: torch.Tensor) -> np.ndarray:
    """Return pictures, channels last."""
    return np.moveaxis(x.detach().numpy(), 1, -1)


def pictures(count: int, seed: int = 0) -> np.ndarray:
    """Return random pictures, ``float32[count, 10, 10, 2]`` from 0 to 1."""
    drawn = np.random.default_rng(seed).uniform(size=(count, 10, 10, 2))
    return drawn.astype(np.float32)
