"""
Several devices
===============

The same script on one device and on four. A machine without four GPUs can still try it:
XLA divides its CPU into virtual devices, which are no faster, but do all that several
devices do. Needs ``pip install "nervure[xla]"``.
"""

import os

# Before JAX starts, which Nervure asks only when it is needed.
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=4"
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import matplotlib.pyplot as plt
import numpy as np

import nervure as nv
from nervure.layers import BatchNormalization, Dense

x, y = nv.datasets.digits.load_data()
x, y = (x.reshape(len(x), -1) / 16).astype("float32")[:1792], y[:1792]


def network():
    nv.utils.set_random_seed(0)
    model = nv.models.Sequential(
        [
            Dense(64, activation="relu", input_shape=(64,), name="hidden"),
            BatchNormalization(),
            Dense(10, activation="softmax", name="classes"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


# %%
# One device, then every device with all weights and a quarter of each batch, then a
# mesh of two by two, on which the hidden units are divided as well.

strategies = {
    "one device": None,
    "data parallel, 4": nv.distribute.DataParallel,
    "data 2 x model 2": lambda: nv.distribute.ModelParallel(
        {"hidden/kernel": (None, "model"), "classes/kernel": ("model", None)}, model=2
    ),
}
losses, weights = {}, {}
for name, strategy in strategies.items():
    if strategy is None:
        with nv.config.override(executor="xla"):
            model = network()
            history = model.fit(x, y, batch_size=128, epochs=8, verbose=0)
    else:
        with strategy():
            model = network()
            history = model.fit(x, y, batch_size=128, epochs=8, verbose=0)
    losses[name] = history.history["loss"]
    weights[name] = model.get_weights()[0]
    print(f"{name}: loss {losses[name][-1]:.4f}")

# %%
# The curves lie on each other: a batch is a batch, however it is dealt out. Sums are
# added up in another order, so the last digits of the weights differ.

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
for (name, values), width in zip(losses.items(), (7, 4, 1.5), strict=True):
    left.plot(values, lw=width, label=name)
left.set(title="Loss", xlabel="epoch")
left.legend()
reference = weights.pop("one device")
for name, values in weights.items():
    difference = np.abs(values - reference).ravel()
    right.hist(np.log10(difference + 1e-12), bins=40, alpha=0.6, label=name)
    assert difference.max() < 1e-3
right.set(title="Difference of weights, power of ten")
right.legend()
