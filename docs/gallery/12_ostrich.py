"""
The adversarial ostrich
=======================

A change of a photo that one does not see, after which a network sees an ostrich.
``nervure ostrich photo.jpg out.png`` does it for your photo, with Szegedy's attack
of 2013: the smallest change, found with L-BFGS. Here it is a quicker one.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_sample_image

import nervure as nv

photo = load_sample_image("china.jpg")[100:324, 180:404]
network = nv.pretrained.efficientnet_lite0()
x = nv.pretrained.preprocess_input(photo[None])
limits = np.array([[[0] * 3, [255] * 3]], np.uint8)
low, high = nv.pretrained.preprocess_input(limits)[0, :, 0]


def answer(picture):
    scores = network.predict(picture, verbose=0)
    _, name, p = nv.pretrained.decode_predictions(scores, top=1)[0][0]
    return f"{name}, {p:.0%}"


# %%
# A few steps uphill for "ostrich", none of which may leave a box of two levels of 255
# around the photo.

box = 2 / 255 * float(high - low)
changed = nv.adversarial.pgd(
    network,
    x,
    target=nv.pretrained.imagenet_classes().index("ostrich"),
    eps=box,
    steps=12,
    step_size=box / 4,
    random_start=False,
    clip_min=float(low),
    clip_max=float(high),
)
levels = 255 * np.abs(changed - x).mean() / float(high - low)
print(
    f"{answer(x)} -> {answer(changed)}; {levels:.2f} of 255 levels changed per number"
)

# %%
# The photo, the change (strengthened, or one would see grey), and their sum.

figure, axes = plt.subplots(1, 3, figsize=(9, 3.3), layout="constrained")
shown = [(one[0] - low) / (high - low) for one in (x, changed)]
panels = {answer(x): shown[0], "60 times the change": 0.5 + 60 * (shown[1] - shown[0])}
for place, (title, picture) in zip(
    axes, [*panels.items(), (answer(changed), shown[1])], strict=True
):
    place.imshow(np.clip(picture, 0, 1))
    place.set_title(title)
    place.axis("off")
assert answer(changed).startswith("ostrich") and levels < 2
