"""
LeNet and the lecture's CNN
===========================

Two convolutional networks on the same digits: LeNet-5 of 1998 and the one of the
lecture. The picture shows what each layer of the second makes of a digit.
"""

import matplotlib.pyplot as plt

import nervure as nv
from nervure.datasets import mnist
from nervure.layers import Conv2D, Dense, Dropout, Flatten, MaxPooling2D

nv.utils.set_random_seed(0)
(x_train, y_train), (x_test, y_test) = mnist.load_data()
x_train, y_train = (x_train[:6000, ..., None] / 255).astype("float32"), y_train[:6000]
x_test, y_test = (x_test[:2000, ..., None] / 255).astype("float32"), y_test[:2000]

lecture = nv.models.Sequential(
    [
        Conv2D(16, 3, activation="relu", input_shape=(28, 28, 1), name="first"),
        Conv2D(16, 3, activation="relu", name="second"),
        MaxPooling2D(2, name="pooling"),
        Dropout(0.25),
        Flatten(),
        Dense(64, activation="relu"),
        Dropout(0.5),
        Dense(10, activation="softmax"),
    ],
    name="lecture",
)
lenet = nv.models.Sequential(
    [
        Conv2D(6, 5, padding="same", activation="tanh", input_shape=(28, 28, 1)),
        nv.layers.AveragePooling2D(2),
        Conv2D(16, 5, activation="tanh"),
        nv.layers.AveragePooling2D(2),
        Flatten(),
        Dense(120, activation="tanh"),
        Dense(84, activation="tanh"),
        Dense(10, activation="softmax"),
    ],
    name="lenet",
)
curves = {}
for model in (lenet, lecture):
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(
        x_train, y_train, 64, epochs=4, validation_data=(x_test, y_test), verbose=0
    )
    curves[model.name] = history.history["val_accuracy"]
    print(f"{model.name}: {curves[model.name][-1]:.3f} of the test digits are right")

# %%
# A digit on its way through the lecture's network: edges first, then parts.

answers = nv.inspect.activations(lecture, x_test[:1], ["first", "second", "pooling"])
figure, axes = plt.subplots(3, 9, figsize=(10, 3.6), layout="constrained")
for line, (name, values) in zip(axes, answers.items(), strict=True):
    line[0].imshow(x_test[0, ..., 0], cmap="gray_r")
    line[0].set_ylabel(name)
    line[0].set(xticks=[], yticks=[])
    for place, filter in zip(line[1:], range(8), strict=True):
        place.imshow(values[0, ..., filter], cmap="magma")
        place.axis("off")
assert min(curve[-1] for curve in curves.values()) > 0.9
