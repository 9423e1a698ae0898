"""
The first Keras network
=======================

Ten lines from data to a trained network, its learning curves, and the digits that it
gets wrong.
"""

import matplotlib.pyplot as plt
import numpy as np

import nervure as nv
from nervure.datasets import mnist
from nervure.layers import Dense
from nervure.models import Sequential

nv.utils.set_random_seed(0)
(x_train, y_train), (x_test, y_test) = mnist.load_data()
x_train, x_test = (
    x.reshape(-1, 784).astype("float32") / 255 for x in (x_train, x_test)
)
model = Sequential(
    [Dense(32, input_shape=(784,), activation="relu"), Dense(10, activation="softmax")]
)
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
history = model.fit(
    x_train, y_train, batch_size=128, epochs=8, validation_split=0.1, verbose=2
)

# %%
# Training and validation part where the network begins to learn by heart.

figure, axes = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
for place, name in zip(axes, ("loss", "accuracy"), strict=True):
    place.plot(history.history[name], ".-", label="training")
    place.plot(history.history[f"val_{name}"], ".-", label="validation")
    place.set(title=name, xlabel="epoch")
    place.grid(alpha=0.3)
    place.legend()

# %%
# The mistakes of which the network is most certain.

p = model.predict(x_test, verbose=0)
wrong = np.flatnonzero(p.argmax(1) != y_test)
worst = wrong[np.argsort(-p[wrong].max(1))[:12]]
figure, axes = plt.subplots(2, 6, figsize=(9, 3.4), layout="constrained")
for place, row in zip(axes.flat, worst, strict=True):
    place.imshow(x_test[row].reshape(28, 28), cmap="gray_r")
    place.set_title(f"{p[row].argmax()}, not {y_test[row]}", fontsize=10)
    place.axis("off")
assert np.mean(p.argmax(1) == y_test) > 0.95
