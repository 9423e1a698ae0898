"""The networks once more, in torch, with the names of torchvision's modules.

Written for these tests: the forward pass and the names in the state dict are those that
torchvision documents; everything else is left out.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as fn
from torch import nn


def with_random_state(network: nn.Module, seed: int = 0) -> nn.Module:
    """Give all weights and moments values of a size that keeps signals alive."""
    generator = torch.Generator().manual_seed(seed)

    def normal(like: torch.Tensor) -> torch.Tensor:
        return torch.randn(like.shape, generator=generator)

    with torch.no_grad():
        for name, value in network.state_dict().items():
            if name.endswith("num_batches_tracked"):
                continue
            if name.endswith("running_var"):
                value.copy_(0.5 + 0.5 * normal(value).abs())
            elif value.ndim > 1:
                value.copy_(normal(value) * math.sqrt(2 / value[0].numel()))
            elif name.endswith("weight"):
                value.copy_(0.7 + 0.3 * normal(value).abs())
            else:
                value.copy_(0.1 * normal(value))
    return network.eval()


# --- chains of convolutions ---------------------------------------------------------


class AlexNet(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, 11, stride=4, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(3, 2),
            nn.Conv2d(64, 192, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(3, 2),
            nn.Conv2d(192, 384, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(384, 256, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(256, 256, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(3, 2),
        )
        self.avgpool = nn.AdaptiveAvgPool2d(6)
        self.classifier = nn.Sequential(
            nn.Dropout(),
            nn.Linear(256 * 36, 4096),
            nn.ReLU(),
            nn.Dropout(),
            nn.Linear(4096, 4096),
            nn.ReLU(),
            nn.Linear(4096, classes),
        )

    def forward(self, x):
        return self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))


class VGG(nn.Module):
    def __init__(self, repeats, classes):
        super().__init__()
        layers, channels = [], 3
        for width, count in zip((64, 128, 256, 512, 512), repeats):
            for _ in range(count):
                layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
                channels = width
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(7)
        self.classifier = nn.Sequential(
            nn.Linear(512 * 49, 4096),
            nn.ReLU(),
            nn.Dropout(),
            nn.Linear(4096, 4096),
            nn.ReLU(),
            nn.Dropout(),
            nn.Linear(4096, classes),
        )

    def forward(self, x):
        return self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))


class LeNet(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 6, 5), nn.Conv2d(6, 16, 5)
        self.fc1, self.fc2 = nn.Linear(400, 120), nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, classes)

    def forward(self, x):
        for conv in (self.conv1, self.conv2):
            x = fn.avg_pool2d(torch.tanh(conv(x)), 2)
        x = torch.flatten(x, 1)
        for dense in (self.fc1, self.fc2):
            x = torch.tanh(dense(x))
        return self.fc3(x)


# --- residual networks --------------------------------------------------------------


class ResidualBlock(nn.Module):
    def __init__(self, channels, width, strides, widening):
        super().__init__()
        wide = width * widening
        if widening == 1:
            shapes = [(channels, width, 3, strides), (width, width, 3, 1)]
        else:
            shapes = [
                (channels, width, 1, 1),
                (width, width, 3, strides),
                (width, wide, 1, 1),
            ]
        self.count = len(shapes)
        for number, (before, after, size, step) in enumerate(shapes, 1):
            conv = nn.Conv2d(before, after, size, step, size // 2, bias=False)
            self.add_module(f"conv{number}", conv)
            self.add_module(f"bn{number}", nn.BatchNorm2d(after))
        self.downsample = None
        if strides > 1 or channels != wide:
            self.downsample = nn.Sequential(
                nn.Conv2d(channels, wide, 1, strides, bias=False), nn.BatchNorm2d(wide)
            )

    def forward(self, x):
        y = x
        for number in range(1, self.count + 1):
            y = getattr(self, f"bn{number}")(getattr(self, f"conv{number}")(y))
            if number < self.count:
                y = torch.relu(y)
        shortcut = x if self.downsample is None else self.downsample(x)
        return torch.relu(y + shortcut)


class ResNet(nn.Module):
    def __init__(self, repeats, widening, classes):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        channels = 64
        for stage, count in enumerate(repeats):
            blocks = []
            for number in range(count):
                strides = 2 if stage and number == 0 else 1
                blocks.append(ResidualBlock(channels, 64 << stage, strides, widening))
                channels = (64 << stage) * widening
            self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))
        self.fc = nn.Linear(channels, classes)

    def forward(self, x):
        x = fn.max_pool2d(torch.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = layer(x)
        return self.fc(x.mean((2, 3)))


# --- mobile networks ----------------------------------------------------------------


def conv_norm(before, after, size=1, strides=1, groups=1, activation=None):
    layers = [
        nn.Conv2d(before, after, size, strides, size // 2, groups=groups, bias=False),
        nn.BatchNorm2d(after),
    ]
    return nn.Sequential(*layers, *([activation()] if activation else []))


class InvertedResidual(nn.Module):
    def __init__(self, channels, width, strides, expansion):
        super().__init__()
        self.adds = strides == 1 and channels == width
        wide = channels * expansion
        layers = []
        if expansion > 1:
            layers.append(conv_norm(channels, wide, activation=nn.ReLU6))
        layers.append(conv_norm(wide, wide, 3, strides, wide, nn.ReLU6))
        layers += [nn.Conv2d(wide, width, 1, bias=False), nn.BatchNorm2d(width)]
        self.conv = nn.Sequential(*layers)

    def forward(self, x):
        return x + self.conv(x) if self.adds else self.conv(x)


class MobileNetV2(nn.Module):
    def __init__(self, classes):
        super().__init__()
        layers, channels = [conv_norm(3, 32, 3, 2, activation=nn.ReLU6)], 32
        for expansion, width, count, strides in (
            (1, 16, 1, 1),
            (6, 24, 2, 2),
            (6, 32, 3, 2),
            (6, 64, 4, 2),
            (6, 96, 3, 1),
            (6, 160, 3, 2),
            (6, 320, 1, 1),
        ):
            for number in range(count):
                step = 1 if number else strides
                layers.append(InvertedResidual(channels, width, step, expansion))
                channels = width
        layers.append(conv_norm(320, 1280, activation=nn.ReLU6))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(1280, classes))

    def forward(self, x):
        return self.classifier(self.features(x).mean((2, 3)))


class SqueezeExcitation(nn.Module):
    def __init__(self, channels, squeezed):
        super().__init__()
        self.fc1 = nn.Conv2d(channels, squeezed, 1)
        self.fc2 = nn.Conv2d(squeezed, channels, 1)

    def forward(self, x):
        y = fn.silu(self.fc1(x.mean((2, 3), keepdim=True)))
        return x * torch.sigmoid(self.fc2(y))


class MBConv(nn.Module):
    def __init__(self, channels, width, size, strides, expansion):
        super().__init__()
        self.adds = strides == 1 and channels == width
        wide = channels * expansion
        layers = []
        if expansion > 1:
            layers.append(conv_norm(channels, wide, activation=nn.SiLU))
        layers.append(conv_norm(wide, wide, size, strides, wide, nn.SiLU))
        layers.append(SqueezeExcitation(wide, channels // 4))
        layers.append(conv_norm(wide, width))
        self.block = nn.Sequential(*layers)

    def forward(self, x):
        return x + self.block(x) if self.adds else self.block(x)


class EfficientNetB0(nn.Module):
    def __init__(self, classes):
        super().__init__()
        layers, channels = [conv_norm(3, 32, 3, 2, activation=nn.SiLU)], 32
        for count, size, strides, expansion, width in (
            (1, 3, 1, 1, 16),
            (2, 3, 2, 6, 24),
            (2, 5, 2, 6, 40),
            (3, 3, 2, 6, 80),
            (3, 5, 1, 6, 112),
            (4, 5, 2, 6, 192),
            (1, 3, 1, 6, 320),
        ):
            blocks = []
            for number in range(count):
                step = 1 if number else strides
                blocks.append(MBConv(channels, width, size, step, expansion))
                channels = width
            layers.append(nn.Sequential(*blocks))
        layers.append(conv_norm(320, 1280, activation=nn.SiLU))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(1280, classes))

    def forward(self, x):
        return self.classifier(self.features(x).mean((2, 3)))


# --- DenseNet -----------------------------------------------------------------------


class DenseLayer(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv1 = nn.Conv2d(channels, 128, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(128)
        self.conv2 = nn.Conv2d(128, 32, 3, padding=1, bias=False)

    def forward(self, x):
        y = self.conv1(torch.relu(self.norm1(x)))
        return torch.cat([x, self.conv2(torch.relu(self.norm2(y)))], 1)


class DenseNet(nn.Module):
    def __init__(self, repeats, classes):
        super().__init__()
        self.features = nn.Sequential()
        add = self.features.add_module
        add("conv0", nn.Conv2d(3, 64, 7, 2, 3, bias=False))
        add("norm0", nn.BatchNorm2d(64))
        add("relu0", nn.ReLU())
        add("pool0", nn.MaxPool2d(3, 2, 1))
        channels = 64
        for block, count in enumerate(repeats, 1):
            layers = nn.Sequential()
            for number in range(1, count + 1):
                layers.add_module(f"denselayer{number}", DenseLayer(channels))
                channels += 32
            add(f"denseblock{block}", layers)
            if block < len(repeats):
                transition = nn.Sequential()
                transition.add_module("norm", nn.BatchNorm2d(channels))
                transition.add_module("relu", nn.ReLU())
                half = nn.Conv2d(channels, channels // 2, 1, bias=False)
                transition.add_module("conv", half)
                transition.add_module("pool", nn.AvgPool2d(2, 2))
                add(f"transition{block}", transition)
                channels //= 2
        add("norm5", nn.BatchNorm2d(channels))
        self.classifier = nn.Linear(channels, classes)

    def forward(self, x):
        return self.classifier(torch.relu(self.features(x)).mean((2, 3)))


# --- Inception ----------------------------------------------------------------------


class BasicConv(nn.Module):
    def __init__(self, before, after, size, strides=1, padding=0):
        super().__init__()
        self.conv = nn.Conv2d(before, after, size, strides, padding, bias=False)
        self.bn = nn.BatchNorm2d(after, eps=0.001)

    def forward(self, x):
        return torch.relu(self.bn(self.conv(x)))


class Mixed(nn.Module):
    """Branches of convolutions: ``{name: [(filters, size, strides), ...]}``."""

    def __init__(self, channels, branches, pooled):
        super().__init__()
        self.chains = []
        for name, convs in branches.items():
            chain, before = [], channels
            for number, (after, (high, wide), strides) in enumerate(convs, 1):
                padding = (high // 2, wide // 2) if strides == 1 else 0
                conv = BasicConv(before, after, (high, wide), strides, padding)
                label = name if len(convs) == 1 else f"{name}_{number}"
                self.add_module(label, conv)
                chain.append(label)
                before = after
            self.chains.append(chain)
        if pooled:
            self.branch_pool = BasicConv(channels, pooled, 1)
        self.pooled = pooled

    def forward(self, x):
        outputs = []
        for chain in self.chains:
            y = x
            for label in chain:
                y = getattr(self, label)(y)
            outputs.append(y)
        if self.pooled:
            outputs.append(self.branch_pool(fn.avg_pool2d(x, 3, 1, 1)))
        else:
            outputs.append(fn.max_pool2d(x, 3, 2))
        return torch.cat(outputs, 1)


class Forked(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.branch1x1 = BasicConv(channels, 320, 1)
        self.branch3x3_1 = BasicConv(channels, 384, 1)
        self.branch3x3_2a = BasicConv(384, 384, (1, 3), padding=(0, 1))
        self.branch3x3_2b = BasicConv(384, 384, (3, 1), padding=(1, 0))
        self.branch3x3dbl_1 = BasicConv(channels, 448, 1)
        self.branch3x3dbl_2 = BasicConv(448, 384, 3, padding=1)
        self.branch3x3dbl_3a = BasicConv(384, 384, (1, 3), padding=(0, 1))
        self.branch3x3dbl_3b = BasicConv(384, 384, (3, 1), padding=(1, 0))
        self.branch_pool = BasicConv(channels, 192, 1)

    def forward(self, x):
        y = self.branch3x3_1(x)
        z = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        outputs = [
            self.branch1x1(x),
            *(self.branch3x3_2a(y), self.branch3x3_2b(y)),
            *(self.branch3x3dbl_3a(z), self.branch3x3dbl_3b(z)),
            self.branch_pool(fn.avg_pool2d(x, 3, 1, 1)),
        ]
        return torch.cat(outputs, 1)


class Inception(nn.Module):
    def __init__(self, classes):
        super().__init__()
        one, three, five = (1, 1), (3, 3), (5, 5)
        self.Conv2d_1a_3x3 = BasicConv(3, 32, 3, 2)
        self.Conv2d_2a_3x3 = BasicConv(32, 32, 3)
        self.Conv2d_2b_3x3 = BasicConv(32, 64, 3, padding=1)
        self.Conv2d_3b_1x1 = BasicConv(64, 80, 1)
        self.Conv2d_4a_3x3 = BasicConv(80, 192, 3)
        channels = 192
        for label, pooled in (("5b", 32), ("5c", 64), ("5d", 64)):
            branches = {
                "branch1x1": [(64, one, 1)],
                "branch5x5": [(48, one, 1), (64, five, 1)],
                "branch3x3dbl": [(64, one, 1), (96, three, 1), (96, three, 1)],
            }
            self.add_module(f"Mixed_{label}", Mixed(channels, branches, pooled))
            channels = 64 + 64 + 96 + pooled
        branches = {
            "branch3x3": [(384, three, 2)],
            "branch3x3dbl": [(64, one, 1), (96, three, 1), (96, three, 2)],
        }
        self.Mixed_6a = Mixed(channels, branches, None)
        for label, width in (("6b", 128), ("6c", 160), ("6d", 160), ("6e", 192)):
            flat, tall = (1, 7), (7, 1)
            branches = {
                "branch1x1": [(192, one, 1)],
                "branch7x7": [(width, one, 1), (width, flat, 1), (192, tall, 1)],
                "branch7x7dbl": [
                    *((width, one, 1), (width, tall, 1), (width, flat, 1)),
                    *((width, tall, 1), (192, flat, 1)),
                ],
            }
            self.add_module(f"Mixed_{label}", Mixed(768, branches, 192))
        # Only training uses it; files hold it all the same.
        self.AuxLogits = nn.Linear(3, classes)
        branches = {
            "branch3x3": [(192, one, 1), (320, three, 2)],
            "branch7x7x3": [
                *((192, one, 1), (192, (1, 7), 1), (192, (7, 1), 1)),
                (192, three, 2),
            ],
        }
        self.Mixed_7a = Mixed(768, branches, None)
        self.Mixed_7b, self.Mixed_7c = Forked(1280), Forked(2048)
        self.fc = nn.Linear(2048, classes)

    def forward(self, x):
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        x = self.Conv2d_3b_1x1(fn.max_pool2d(x, 3, 2))
        x = fn.max_pool2d(self.Conv2d_4a_3x3(x), 3, 2)
        for label in ("5b", "5c", "5d", "6a", "6b", "6c", "6d", "6e", "7a", "7b", "7c"):
            x = getattr(self, f"Mixed_{label}")(x)
        return self.fc(x.mean((2, 3)))


# --- transformer --------------------------------------------------------------------


class EncoderBlock(nn.Module):
    def __init__(self, width, heads, hidden):
        super().__init__()
        self.ln_1 = nn.LayerNorm(width, eps=1e-6)
        self.self_attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.ln_2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = nn.Sequential(
            nn.Linear(width, hidden),
            nn.GELU(),
            nn.Dropout(0.0),
            nn.Linear(hidden, width),
        )

    def forward(self, x):
        y = self.ln_1(x)
        x = x + self.self_attention(y, y, y, need_weights=False)[0]
        return x + self.mlp(self.ln_2(x))


class Encoder(nn.Module):
    def __init__(self, steps, width, heads, hidden, blocks):
        super().__init__()
        self.pos_embedding = nn.Parameter(torch.zeros(1, steps, width))
        self.layers = nn.Sequential()
        for number in range(blocks):
            block = EncoderBlock(width, heads, hidden)
            self.layers.add_module(f"encoder_layer_{number}", block)
        self.ln = nn.LayerNorm(width, eps=1e-6)

    def forward(self, x):
        return self.ln(self.layers(x + self.pos_embedding))


class ViT(nn.Module):
    def __init__(self, size, classes):
        super().__init__()
        self.conv_proj = nn.Conv2d(3, 768, 16, 16)
        self.class_token = nn.Parameter(torch.zeros(1, 1, 768))
        self.encoder = Encoder((size // 16) ** 2 + 1, 768, 12, 3072, 12)
        self.heads = nn.Sequential()
        self.heads.add_module("head", nn.Linear(768, classes))

    def forward(self, x):
        x = self.conv_proj(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.class_token.expand(len(x), -1, -1), x], 1)
        return self.heads(self.encoder(x)[:, 0])
