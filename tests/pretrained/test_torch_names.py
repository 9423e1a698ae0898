"""The networks of these tests have the state dicts of torchvision itself.

The digests were made from ``torchvision.models`` of torchvision 0.29.2 as below; there
the outputs were also equal, bit for bit, for the same weights and images.
"""

from __future__ import annotations

import hashlib

import pytest
import torch

from tests.pretrained import torch_networks as others
from tests.pretrained.test_architectures import TRAINABLE
from tests.pretrained.test_torch_weights import CASES

# The first numbers of a SHA-256 of all names and shapes, and how many there are.
OF_TORCHVISION = {
    "alexnet": ("12a60b133d7b54dc", 16),
    "densenet121": ("d9126905d0ec5cf6", 727),
    "efficientnet_b0": ("c82a02375566e02a", 360),
    "inception_v3": ("7319ac97ba5bb65a", 566),  # without the second classifier
    "mobilenet_v2": ("b37e2a9130e6341b", 314),
    "resnet18": ("867b8d8ae95f5a28", 122),
    "resnet34": ("d6dbfa48843359d6", 218),
    "resnet50": ("2d5b8870b35e1530", 320),
    "resnet101": ("83dfe6275c4f12d9", 626),
    "vgg16": ("26a44a8d3cab16c6", 32),
    "vgg19": ("2ae6c231664ee367", 38),
    "vit_b_16": ("55c98fb7dfaa7147", 152),
}


@pytest.mark.parametrize("name", OF_TORCHVISION)
def test_names_and_shapes_are_those_of_torchvision(name):
    with torch.device("meta"):  # no memory, no numbers
        network = others.ViT(224, 1000) if name == "vit_b_16" else CASES[name][0](1000)
    stored = {
        label: one
        for label, one in network.state_dict().items()
        if not label.startswith("AuxLogits")
    }
    lines = sorted(f"{label} {list(one.shape)}" for label, one in stored.items())
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]
    assert (digest, len(lines)) == OF_TORCHVISION[name]
    trained = {label for label, _ in network.named_parameters()}
    count = sum(one.numel() for label, one in stored.items() if label in trained)
    assert count == TRAINABLE[name]
