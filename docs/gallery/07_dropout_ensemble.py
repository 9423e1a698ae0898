"""
Dropout is an ensemble
======================

A network with dropout is many networks that share weights. Left on while predicting,
they disagree where there were no data: a measure of doubt for free.
"""

import matplotlib.pyplot as plt
import numpy as np

import nervure as nv
from nervure.layers import Dense, Dropout

nv.utils.set_random_seed(1)
random = np.random.default_rng(1)
x = np.concatenate([random.uniform(-3, -0.5, 80), random.uniform(0.8, 2.5, 80)])
x = x[:, None].astype("float32")
y = np.sin(2 * x) + 0.1 * random.normal(size=x.shape).astype("float32")

model = nv.models.Sequential(
    [
        Dense(128, activation="relu", input_shape=(1,)),
        Dropout(0.1, noise_shape=(1, 128)),
        Dense(128, activation="relu"),
        Dropout(0.1, noise_shape=(1, 128)),
        Dense(1),
    ]
)
model.compile(nv.optimizers.Adam(0.005), "mse")
model.fit(x, y, epochs=300, batch_size=40, verbose=0)

# %%
# One network a call: ``training=True`` draws other units to leave out, and the noise
# shape says that they are the same ones for every row.

ticks = np.linspace(-4.5, 4.5, 200, dtype="float32")[:, None]
members = np.stack([np.asarray(model(ticks, training=True)) for _ in range(100)])
mean, spread = members.mean(0)[:, 0], members.std(0)[:, 0]
whole = model.predict(ticks, verbose=0)[:, 0]

figure, axes = plt.subplots(figsize=(9, 4), layout="constrained")
axes.plot(ticks, members[:25, :, 0].T, color="steelblue", alpha=0.15)
axes.fill_between(ticks[:, 0], mean - 2 * spread, mean + 2 * spread, alpha=0.2)
axes.plot(ticks, mean, color="navy", label="mean of a hundred networks")
axes.plot(ticks, whole, "--", color="darkorange", label="predict: dropout off")
axes.scatter(x, y, color="black", s=12, zorder=3, label="data")
axes.set(ylim=(-3, 3), title="Sure where there are data, in doubt elsewhere")
axes.legend(loc="upper center", ncols=3)
outside = np.abs(ticks[:, 0]) > 3.5
assert spread[outside].mean() > 2 * spread[~outside].mean()
