"""
Fine-tuning
===========

A network has learnt the digits 0 to 4. What it has found helps with 5 to 9, of which
there are few: first a new classifier on its features, then all of it, gently, early
layers slower than late ones.
"""

import matplotlib.pyplot as plt
import numpy as np

import nervure as nv
from nervure.datasets import mnist
from nervure.layers import Conv2D, Dense, Flatten, MaxPooling2D


def network():
    return nv.models.Sequential(
        [
            Conv2D(16, 3, activation="relu", input_shape=(28, 28, 1), name="early"),
            MaxPooling2D(2),
            Conv2D(32, 3, activation="relu", name="late"),
            MaxPooling2D(2),
            Flatten(),
            Dense(64, activation="relu", name="features"),
            Dense(5, activation="softmax"),
        ]
    )


nv.utils.set_random_seed(0)
(x, y), (x_test, y_test) = mnist.load_data()
x, x_test = ((one[..., None] / 255).astype("float32") for one in (x, x_test))
low, high, test = (np.flatnonzero(rows) for rows in (y < 5, y >= 5, y_test >= 5))
x_test, y_test = x_test[test], y_test[test] - 5
base = network()
base.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
base.fit(x[low[:15000]], y[low[:15000]], batch_size=64, epochs=4, verbose=0)
before = base.get_layer("early").get_weights()[0]

# %%
# Three ways to the new digits, with more and more of them.

counts = [20, 40, 80, 160, 320]
scores = {"from the beginning": [], "new classifier only": [], "fine-tuned": []}
for count in counts:
    few = high[:count]
    fresh = network()
    fresh.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    fresh.fit(x[few], y[few] - 5, batch_size=16, epochs=25, verbose=0)
    models = [fresh]
    for epochs in (0, 15):
        start = nv.models.clone_model(base)
        start.set_weights(base.get_weights())
        head = [Dense(5, activation="softmax")]
        rates = {"head_learning_rate": 0.01, "learning_rate": 0.001, "lowest": 0.2}
        rates |= {"head_epochs": 30, "epochs": epochs, "batch_size": 16}
        tuned = nv.pretrained.fine_tune(
            start, x[few], y[few] - 5, head=head, verbose=0, **rates
        )
        models.append(tuned.model)
    for name, model in zip(scores, models, strict=True):
        scores[name].append(model.evaluate(x_test, y_test, verbose=0)[1])
for name, values in scores.items():
    print(f"{name}: {[round(value, 3) for value in values]}")
assert np.array_equal(before, base.get_layer("early").get_weights()[0])

# %%
# What was learnt from the old digits is worth almost as many new ones again.

figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
for name, values in scores.items():
    axes.plot([str(count) for count in counts], values, "o-", label=name)
axes.set(xlabel="digits 5 to 9 with a label", ylabel="accuracy on others")
axes.legend()
axes.grid(alpha=0.3)
assert np.mean(scores["fine-tuned"]) > np.mean(scores["from the beginning"])
