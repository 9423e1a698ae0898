"""
Pretrained features and a linear model
======================================

The lecture's advice for few labelled pictures: take a network that others have trained,
cut off its end, and put a linear model there. Here the task is to say of which photo a
small grey patch is a part: all patches have the same brightness and contrast.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_sample_image
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import nervure as nv

# %%
# Patches for training come from the left halves of the photos, those for testing from
# the right halves: no pixel is in both.

random = np.random.default_rng(0)
photos = [load_sample_image(name).mean(axis=-1) for name in ("china.jpg", "flower.jpg")]
size = 64


def patches(rows, first, last):
    label = np.arange(rows) % 2
    found = []
    for photo in (photos[one] for one in label):
        top, left = random.integers(0, 427 - size), random.integers(first, last - size)
        patch = photo[top : top + size, left : left + size]
        patch = 127 + 50 * (patch - patch.mean()) / (patch.std() + 1)
        found.append(np.clip(patch, 0, 255).astype("uint8"))
    return np.stack(found), label


x_train, y_train = patches(240, 0, 320)
x_test, y_test = patches(240, 320, 640)

# %%
# The network without its classifier, as a transformer of scikit-learn.

network = nv.pretrained.efficientnet_lite0(
    include_top=False, input_shape=(size, size, 3), pooling="avg"
)
extractor = nv.pretrained.FeatureExtractor(network)
features = []
for x in (x_train, x_test):
    colour = np.repeat(x[..., None], 3, axis=-1)
    features.append(extractor.transform(nv.pretrained.preprocess_input(colour)))

# %%
# The same linear model on pixels and on features, with more and more patches.

counts = [10, 20, 40, 80, 160, 240]
pixels = [x.reshape(len(x), -1) / 255 for x in (x_train, x_test)]
scores = {}
for name, (train, test) in {"pixels": pixels, "features": features}.items():
    linear = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=500))
    fits = [linear.fit(train[:n], y_train[:n]).score(test, y_test) for n in counts]
    scores[name] = fits
    print(f"{name}: {fits[0]:.2f} with {counts[0]} patches, {fits[-1]:.2f} with all")

figure = plt.figure(figsize=(9, 3.6), layout="constrained")
left, right = figure.subfigures(1, 2)
for place, row in zip(left.subplots(3, 4).flat, range(12), strict=True):
    place.imshow(x_train[row], cmap="gray")
    place.set_title(("china", "flower")[y_train[row]], fontsize=8)
    place.axis("off")
axes = right.subplots()
for name, values in scores.items():
    axes.plot([str(n) for n in counts], values, "o-", label=f"model on {name}")
axes.set(xlabel="labelled patches", ylabel="accuracy", ylim=(0.3, 1.02))
axes.legend()
axes.grid(alpha=0.3)
assert scores["features"][-1] > scores["pixels"][-1] + 0.1
