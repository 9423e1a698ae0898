"""
A time series with an LSTM
==========================

Sunspots come and go in eleven years or so, never twice alike. Here a wave of that kind
is made, an LSTM learns to say the next value, and is then left alone with its own
predictions.
"""

import matplotlib.pyplot as plt
import numpy as np

import nervure as nv
from nervure.layers import LSTM, Dense

nv.utils.set_random_seed(0)
random = np.random.default_rng(3)
time = np.arange(1200)
wave = np.sin(2 * np.pi * time / 40) * (1 + 0.5 * np.sin(2 * np.pi * time / 170))
series = (wave + 0.05 * random.normal(size=1200)).astype("float32")
length = 60
windows = np.lib.stride_tricks.sliding_window_view(series, length + 1)
x, y = windows[:1000, :-1, None], windows[:1000, -1:]

model = nv.models.Sequential([LSTM(24, input_shape=(length, 1)), Dense(1)])
model.compile(nv.optimizers.Adam(0.01), "mse")
history = model.fit(x, y, batch_size=50, epochs=15, verbose=0)
print(f"loss {history.history['loss'][0]:.3f} -> {history.history['loss'][-1]:.4f}")

# %%
# From 1060 on the network sees only what it has said itself.

known = list(series[1000:1060])
for _ in range(140):
    window = np.array(known[-length:], dtype="float32")[None, :, None]
    known.append(float(model.predict(window, verbose=0)[0, 0]))

figure, axes = plt.subplots(figsize=(10, 3.2), layout="constrained")
axes.plot(time[900:1200], series[900:], color="lightgray", lw=3, label="what happened")
axes.plot(
    time[1060:1200], known[60:], color="crimson", label="what the network expects"
)
axes.axvspan(1000, 1060, alpha=0.15, label="what it was shown")
axes.legend(loc="lower left", ncols=3)
axes.set(xlabel="time")
assert history.history["loss"][-1] < 0.02
