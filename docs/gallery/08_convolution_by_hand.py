"""
Convolution by hand
===================

A weighted mean of neighbours smooths a curve and a picture; a difference of neighbours
finds edges. What a convolutional network learns later is of this kind.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_sample_image

import nervure as nv

# %%
# One dimension: noise, and the same under a narrow and a wide bell.

random = np.random.default_rng(0)
time = np.linspace(0, 1, 300, dtype="float32")
clean = np.sign(np.sin(9 * time)).astype("float32")
noisy = clean + 0.4 * random.normal(size=300).astype("float32")
bell = nv.signal.gaussian_kernel(4.0)
smooth = nv.signal.convolve(nv.asarray(noisy), bell, mode="same")
assert np.allclose(smooth, np.convolve(noisy, bell, mode="same"), atol=1e-5)
figure, axes = plt.subplots(figsize=(9, 2.6), layout="constrained")
axes.plot(time, noisy, color="lightgray", label="noisy")
axes.plot(time, clean, "--", color="black", lw=1, label="clean")
for sigma, colour in ((2.0, "tab:blue"), (8.0, "tab:orange")):
    smooth = nv.signal.gaussian_filter1d(nv.asarray(noisy), sigma)
    axes.plot(time, np.asarray(smooth), color=colour, label=f"sigma {sigma:.0f}")
axes.legend(ncols=4, loc="lower right", fontsize=8)
axes.set_title("Smoothing in one dimension")

# %%
# Two dimensions: a photo, smoothed, and its gradients.

photo = load_sample_image("china.jpg").mean(axis=2).astype("float32")[60:360, 120:520]
picture = nv.asarray(photo / 255)
down, across = nv.signal.image_gradients(nv.signal.gaussian_filter(picture, 1.0))
strength = nv.sqrt(across**2 + down**2)
direction = np.asarray(nv.atan2(down, across))

figure, axes = plt.subplots(2, 3, figsize=(10, 5.4), layout="constrained")
limit = float(nv.max(nv.abs(across))) / 2
panels = [
    ("photo", picture, {"cmap": "gray"}),
    ("smoothed, sigma 4", nv.signal.gaussian_filter(picture, 4.0), {"cmap": "gray"}),
    ("strength of the edges", strength, {"cmap": "magma", "vmax": limit}),
    ("difference across", across, {"cmap": "RdBu", "vmin": -limit, "vmax": limit}),
    ("difference down", down, {"cmap": "RdBu", "vmin": -limit, "vmax": limit}),
    ("direction, where strong", direction, {"cmap": "twilight"}),
]
shown = np.clip(np.asarray(strength) / limit, 0, 1)
for place, (title, values, options) in zip(axes.flat, panels, strict=True):
    alpha = shown if title.startswith("direction") else None
    place.imshow(np.asarray(values), alpha=alpha, **options)
    place.set_title(title, fontsize=10)
    place.axis("off")
