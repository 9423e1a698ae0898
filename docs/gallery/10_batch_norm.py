"""
What batch normalisation does
=============================

A deep network with badly scaled first weights, once without and once with batch
normalisation: how the activations are spread in each layer before training, and what
that does to training.
"""

import matplotlib.pyplot as plt
import numpy as np

import nervure as nv
from nervure.datasets import digits
from nervure.layers import Activation, BatchNormalization, Dense

x, y = digits.load_data()
x = (x.reshape(len(x), -1) / 16).astype("float32")


def network(normalised):
    nv.utils.set_random_seed(0)
    layers = [nv.layers.Input((64,))]
    small = nv.initializers.RandomNormal(stddev=0.06)
    for place in range(6):
        layers.append(Dense(64, kernel_initializer=small))
        if normalised:
            layers.append(BatchNormalization(momentum=0.5))
        layers.append(Activation("tanh", name=f"tanh{place + 1}"))
    model = nv.models.Sequential([*layers, Dense(10, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


# %%
# Without it, activations shrink from layer to layer, and gradients with them.

losses = {}
figure = plt.figure(figsize=(10, 4.6), layout="constrained")
left, right = figure.subfigures(1, 2, width_ratios=(2, 1))
axes = left.subplots(2, 6, sharex=True)
curve = right.subplots()
for line, normalised in zip(axes, (False, True), strict=True):
    model = network(normalised)
    names = [f"tanh{place + 1}" for place in range(6)]
    title = "with" if normalised else "without"
    for _ in range(10 if normalised else 0):
        model(x, training=True)  # the running means get to know the data
    answers = nv.inspect.activations(model, x[:500], names)
    for place, (name, values) in zip(line, answers.items(), strict=True):
        colour = "seagreen" if normalised else "firebrick"
        place.hist(values.ravel(), bins=np.linspace(-1, 1, 41), color=colour)
        place.set(title=f"{name}\nspread {values.std():.3f}", yticks=[])
        place.title.set_fontsize(8)
    line[0].set_ylabel(f"{title} batch norm")
    history = model.fit(x, y, batch_size=64, epochs=12, verbose=0)
    losses[title] = history.history["loss"]
    curve.plot(losses[title], ".-", color=colour, label=title)
curve.set(title="Loss", xlabel="epoch")
curve.legend()
curve.grid(alpha=0.3)
assert losses["with"][-1] < losses["without"][-1] / 2
