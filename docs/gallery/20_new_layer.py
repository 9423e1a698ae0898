"""
Writing a new layer
===================

A layer is a class with ``build`` for its weights and ``call`` for what it computes;
gradients, compilation and saving come by themselves. This one has radial units: each
looks at the distance to a point that it learns.
"""

import matplotlib.pyplot as plt
import numpy as np

import nervure as nv


class Radial(nv.layers.Layer):
    """Return ``exp(-width * distance**2)`` for each of some centres."""

    def __init__(self, units):
        super().__init__()
        self.units = units

    def build(self, input_shape):
        shape = (self.units, input_shape[-1])
        spread = nv.initializers.RandomNormal(stddev=1.0)
        self.centres = self.add_weight(shape, initializer=spread, name="centres")
        self.widths = self.add_weight((self.units,), initializer="ones", name="widths")

    def call(self, inputs):
        difference = nv.expand_dims(inputs, axis=1) - self.centres
        return nv.exp(-nv.abs(self.widths) * nv.sum(difference**2, axis=-1))


# %%
# Two rings, one within the other.

nv.utils.set_random_seed(2)
random = np.random.default_rng(0)
angle, ring = random.uniform(0, 2 * np.pi, 400), np.arange(400) % 2
radius = 1 + ring + 0.15 * random.normal(size=400)
x = np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1).astype("float32")

model = nv.models.Sequential(
    [Radial(12), nv.layers.Dense(1, activation="sigmoid")], name="rings"
)
model.compile(nv.optimizers.Adam(0.03), "binary_crossentropy", metrics=["accuracy"])
history = model.fit(x, ring[:, None], epochs=60, batch_size=40, verbose=0)
print(f"accuracy {history.history['accuracy'][-1]:.3f}")

# %%
# Where the centres went, with circles of their widths.

ticks = np.linspace(-3, 3, 120, dtype="float32")
plane = np.stack(np.meshgrid(ticks, ticks), -1).reshape(-1, 2)
p = model.predict(plane, verbose=0).reshape(120, 120)
centres, widths = (np.asarray(one) for one in model.layers[0].get_weights())
figure, axes = plt.subplots(figsize=(5.6, 5), layout="constrained")
axes.contourf(ticks, ticks, p, levels=20, cmap="PuOr", alpha=0.7)
axes.scatter(*x.T, c=ring, cmap="PuOr", edgecolor="white", s=20)
for centre, width in zip(centres, np.abs(widths), strict=True):
    axes.add_patch(plt.Circle(centre, (2 * width) ** -0.5, fill=False, color="black"))
axes.scatter(*centres.T, marker="+", color="black")
axes.set(aspect="equal", title="Radial units", xlim=(-3, 3), ylim=(-3, 3))
assert history.history["accuracy"][-1] > 0.95
