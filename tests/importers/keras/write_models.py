"""Write models with real Keras; runs in the environment of the parity tests.

``KERAS_BACKEND=jax python write_models.py FOLDER NAME...`` writes ``NAME.keras``,
``NAME.h5``, ``NAME.weights.h5`` and ``NAME.npz`` with an input and what Keras predicts.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np


def dense(keras):
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(5, activation="relu", kernel_regularizer="l2", name="hidden"),
            layers.Dropout(0.3),
            layers.Dense(3, use_bias=False),
            layers.Activation("softmax"),
        ],
        name="dense",
    )


def convolution(keras):
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((8, 8, 2)),
            layers.Conv2D(3, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.DepthwiseConv2D(2),
            layers.Conv2DTranspose(2, 2, strides=2),
            layers.ZeroPadding2D(1),
            layers.Flatten(),
            layers.Dense(2),
        ],
        name="convolution",
    )


def nested(keras):
    layers = keras.layers
    inner = keras.Sequential([layers.Dense(4, activation="tanh"), layers.Dense(3)])
    return keras.Sequential(
        [keras.Input((6,)), layers.Reshape((2, 3)), inner, layers.Flatten()],
        name="nested",
    )


def normalized(keras):
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((5, 4)),
            layers.LayerNormalization(),
            layers.Conv1D(3, 2),
            layers.BatchNormalization(),
            layers.PReLU(),
            layers.GlobalAveragePooling1D(),
        ],
        name="normalized",
    )


def recurrent(keras):
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((5, 3)),
            layers.Bidirectional(layers.LSTM(3, return_sequences=True)),
            layers.SimpleRNN(4, return_sequences=True),
            layers.GRU(2, return_sequences=True),
            layers.TimeDistributed(layers.Dense(3)),
            layers.LSTM(2),
        ],
        name="recurrent",
    )


def embedded(keras):
    layers = keras.layers
    return keras.Sequential(
        [keras.Input((4,), dtype="int32"), layers.Embedding(7, 3), layers.Flatten()],
        name="embedded",
    )


def graph(keras):
    layers = keras.layers
    first, second = keras.Input((4,), name="first"), keras.Input((3,), name="second")
    shared = layers.Dense(3, activation="relu", name="shared")
    one = layers.Add()([shared(first), second])
    both = layers.Concatenate()([one, shared(layers.Dense(4)(second))])
    return keras.Model([first, second], layers.Dense(2)(both), name="graph")


def attention(keras):
    layers = keras.layers
    first = keras.Input((5, 4), name="first")
    second = keras.Input((6, 4), name="second")
    mixed = layers.MultiHeadAttention(2, 3)(first, second)
    mixed = layers.LayerNormalization()(mixed + first * 2.0)
    return keras.Model([first, second], layers.Dense(2)(mixed), name="attention")


MODELS = {
    one.__name__: one
    for one in (
        dense,
        convolution,
        nested,
        normalized,
        recurrent,
        embedded,
        graph,
        attention,
    )
}


def write(keras, folder, name):
    keras.utils.set_random_seed(1)
    model = MODELS[name](keras)
    generator = np.random.default_rng(3)
    # Biases, means and the like start at 0; numbers that differ show mistakes.
    model.set_weights(
        [
            np.abs(generator.normal(size=one.shape)).astype(one.dtype) * 0.5 + 0.1
            for one in model.get_weights()
        ]
    )
    inputs = [
        generator.integers(0, 7, (3, *one.shape[1:])).astype("int32")
        if "int" in str(one.dtype)
        else generator.normal(size=(3, *one.shape[1:])).astype("float32")
        for one in model.inputs
    ]
    model.compile("adam", "mse")
    predicted = model.predict(inputs if len(inputs) > 1 else inputs[0], verbose=0)
    np.savez(folder / f"{name}.npz", *inputs, predicted=predicted)
    model.save(folder / f"{name}.keras")
    model.save(folder / f"{name}.h5")
    model.save_weights(folder / f"{name}.weights.h5")


if __name__ == "__main__":
    import keras

    for name in sys.argv[2:]:
        write(keras, Path(sys.argv[1]), name)
