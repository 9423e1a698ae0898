"""
A small transformer
===================

Characters in, the next character out: a transformer of two blocks reads two poems by
Lewis Carroll (1871, in the public domain), which lie beside this script, and then goes
on by itself. It is small enough to learn them by heart.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import nervure as nv
from nervure.layers import Dense, Embedding, LayerNormalization, MultiHeadAttention

text = Path("../gallery/carroll.txt").read_text()
letters = sorted(set(text))
code = np.array([letters.index(letter) for letter in text])
length, width = 32, 64
windows = np.lib.stride_tricks.sliding_window_view(code, length + 1)
x, y = windows[:, :-1].astype("int32"), windows[:, 1:]


class Block(nv.layers.Layer):
    """Attention to what came before, then a small network for each place."""

    def __init__(self, name):
        super().__init__(name=name)
        self.attention = MultiHeadAttention(4, width // 4)
        self.first, self.second = LayerNormalization(), LayerNormalization()
        self.wide, self.narrow = Dense(4 * width, activation="gelu"), Dense(width)

    def call(self, inputs):
        z = self.first(inputs)
        z = inputs + self.attention(z, z, use_causal_mask=True)
        return z + self.narrow(self.wide(self.second(z)))


# %%
# Letters and places become vectors; the blocks mix them; every place guesses its next
# letter, so a window is a lesson of 32 letters.

nv.utils.set_random_seed(0)
inputs = nv.layers.Input((length,), dtype="int32")
places = Embedding(length, width)(nv.arange(length))
z = Embedding(len(letters), width)(inputs) + places
for number in range(2):
    z = Block(f"block{number}")(z)
outputs = Dense(len(letters), activation="softmax")(LayerNormalization()(z))
model = nv.models.Model(inputs, outputs)
rate = nv.optimizers.schedules.CosineDecay(0.004, decay_steps=14 * len(x) // 32)
model.compile(nv.optimizers.Adam(rate), "sparse_categorical_crossentropy")
history = model.fit(x, y, batch_size=32, epochs=14, verbose=0)

# %%
# Given the first words of a verse, it writes: the most likely letter each time.

written = '"The time has come," the Walrus s'
for _ in range(180):
    known = [[letters.index(letter) for letter in written[-length:]]]
    p = model.predict(np.array(known, "int32"), verbose=0)[0, -1]
    written += letters[p.argmax()]
print(written)

figure, axes = plt.subplots(figsize=(6, 3.4), layout="constrained")
axes.plot(history.history["loss"], "o-", color="navy")
axes.axhline(np.log(len(letters)), ls="--", color="gray", label="knows nothing")
axes.set(title="Surprise about the next letter", xlabel="epoch", ylim=0)
axes.legend()
assert history.history["loss"][-1] < 0.4 and "pigs have wings" in written
