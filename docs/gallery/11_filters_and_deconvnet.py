"""
What a network looks at
=======================

A pretrained network and a photo: what decides its answer. First by regions (Grad-CAM),
then by pixels, then what one filter saw, taken back to pixels by a deconvolutional
network.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_sample_image

import nervure as nv

network = nv.pretrained.efficientnet_lite0()
flower = load_sample_image("flower.jpg")[100:324, 210:434]
x = nv.pretrained.preprocess_input(flower[None])
answer = nv.pretrained.decode_predictions(network.predict(x, verbose=0), top=3)[0]
print([f"{name} {p:.0%}" for _, name, p in answer])
assert answer[0][2] > 0.2

# %%
# Four early convolutions, and the strongest filter of each: petals, their borders,
# lines, ends of lines. In later ones the pattern of the strides hides the flower.

chosen = ["stem_conv", "block1a_dwconv", "block2a_expand_conv", "block2b_expand_conv"]
answers = nv.inspect.activations(network, x, chosen)
back = []
for name in chosen:
    strongest = int(answers[name][0].max(axis=(0, 1)).argmax())
    picture = nv.inspect.deconvnet(
        network, x, layer=name, filter=strongest, place="all"
    )
    back.append(picture[0])

# %%
# All of it beside the photo.


def bright(values):
    """Stretch a picture to 0 ... 1, leaving out what is extreme."""
    low, high = np.percentile(values, (1, 99))
    return np.clip((values - low) / (high - low + 1e-12), 0, 1)


cam = nv.inspect.grad_cam(network, x)[0]
guided = nv.inspect.guided_backpropagation(network, x)[0]
slopes = nv.inspect.smooth_grad(network, x, samples=8, seed=0)[0]
figure, axes = plt.subplots(2, 4, figsize=(10, 5.4), layout="constrained")
first, second = axes
first[0].imshow(flower)
first[0].set_title(f"{answer[0][1]}, {answer[0][2]:.0%}")
first[1].imshow(flower)
first[1].imshow(cam.squeeze(), cmap="jet", alpha=0.45, extent=(0, 224, 224, 0))
first[1].set_title("Grad-CAM")
first[2].imshow(bright(guided))
first[2].set_title("guided backpropagation")
first[3].imshow(bright(slopes.squeeze()), cmap="magma")
first[3].set_title("smoothed gradient")
for place, name, picture in zip(second, chosen, back, strict=True):
    place.imshow(bright(picture))
    place.set_title(f"deconvnet: {name}", fontsize=8)
for place in axes.flat:
    place.axis("off")
