"""
From NumPy to Nervure
=====================

The lecture's first network is written by hand: a forward pass, a backward pass, a step
downhill. Here the backward pass disappears, and nothing else changes.
"""

import matplotlib.pyplot as plt
import numpy as np

import nervure as nv

# %%
# Two classes that no straight line separates: a spiral for each.

random = np.random.default_rng(0)
angle = np.sqrt(random.uniform(0, 1, 300)) * 2.4 * np.pi
side = np.where(np.arange(300) % 2 == 0, 1.0, -1.0)
x = np.stack([np.cos(angle), np.sin(angle)], 1) * (side * angle)[:, None] / 7.5
x = (x + random.normal(size=x.shape) * 0.02).astype("float32")
y = (side[:, None] > 0).astype("float32")

# %%
# The network in NumPy's notation. ``nv.value_and_grad`` gives what one derives by hand
# otherwise: the loss, and its gradient for each array in the dictionary.


def network(weights, x):
    hidden = nv.tanh(x @ weights["W1"] + weights["b1"])
    hidden = nv.tanh(hidden @ weights["W2"] + weights["b2"])
    return nv.nn.sigmoid(hidden @ weights["W3"] + weights["b3"])


def loss(weights, x, y):
    p = nv.clip(network(weights, x), 1e-6, 1 - 1e-6)
    return -nv.mean(y * nv.log(p) + (1 - y) * nv.log(1 - p))


@nv.compile
def step(weights, velocity, x, y):
    value, slope = nv.value_and_grad(loss)(weights, x, y)
    velocity = {name: 0.9 * velocity[name] - 0.3 * slope[name] for name in weights}
    return value, {k: w + velocity[k] for k, w in weights.items()}, velocity


# %%
# A step of gradient descent is a function from weights to weights, compiled once.

shapes = {"W1": (2, 24), "W2": (24, 24), "W3": (24, 1)}
weights = {k: random.normal(size=s, scale=s[0] ** -0.5) for k, s in shapes.items()}
weights["W1"] *= 4  # the spirals are narrow
weights |= {"b1": np.zeros(24), "b2": np.zeros(24), "b3": np.zeros(1)}
weights = {name: nv.asarray(w.astype("float32")) for name, w in weights.items()}
velocity = {name: nv.zeros_like(w) for name, w in weights.items()}
losses = []
for _ in range(1500):
    value, weights, velocity = step(weights, velocity, x, y)
    losses.append(float(value))
print(f"loss: {losses[0]:.3f} at first, {losses[-1]:.5f} at last")

# %%
# What the network thinks of the whole plane, and how the loss fell.

ticks = np.linspace(-1.15, 1.15, 160, dtype="float32")
plane = np.stack(np.meshgrid(ticks, ticks), -1).reshape(-1, 2)
p = np.asarray(network(weights, plane)).reshape(160, 160)
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
left.contourf(ticks, ticks, p, levels=20, cmap="RdBu_r", alpha=0.8)
left.scatter(*x.T, c=y[:, 0], cmap="RdBu_r", edgecolor="white", s=24)
left.set(title="Two spirals", aspect="equal")
right.semilogy(losses, color="black")
right.set(title="Loss", xlabel="step")
right.grid(alpha=0.3)
assert losses[-1] < 0.05
