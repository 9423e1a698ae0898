"""ResNet-50, once for Nervure and once for torch: the same layers, channels last.

He, Zhang, Ren and Sun, "Deep residual learning for image recognition" (2016), table 1,
with the stride in the 3x3 convolution as torchvision has it.
"""

from __future__ import annotations

from typing import Any, Final

# filters of the 1x1 and 3x3 convolutions, and the number of blocks
STAGES: Final = ((64, 3), (128, 4), (256, 6), (512, 3))
EXPANSION: Final = 4
CLASSES: Final = 1000


def nervure_resnet50(size: int = 224) -> Any:
    """Return the network as a model of Nervure."""
    from nervure import layers
    from nervure.models import Model

    def convolved(x: Any, filters: int, window: int, stride: int = 1) -> Any:
        x = layers.Conv2D(
            filters, window, strides=stride, padding="same", use_bias=False
        )(x)
        return layers.BatchNormalization(epsilon=1e-5, momentum=0.9)(x)

    def block(x: Any, filters: int, stride: int) -> Any:
        wide = EXPANSION * filters
        short = x
        if stride > 1 or x.shape[-1] != wide:
            short = convolved(x, wide, 1, stride)
        y = layers.ReLU()(convolved(x, filters, 1))
        y = layers.ReLU()(convolved(y, filters, 3, stride))
        y = convolved(y, wide, 1)
        return layers.ReLU()(layers.Add()([y, short]))

    inputs = layers.Input((size, size, 3))
    x = layers.ReLU()(convolved(inputs, 64, 7, 2))
    x = layers.MaxPooling2D(3, strides=2, padding="same")(x)
    for stage, (filters, count) in enumerate(STAGES):
        for number in range(count):
            x = block(x, filters, 2 if stage and not number else 1)
    x = layers.GlobalAveragePooling2D()(x)
    return Model(inputs, layers.Dense(CLASSES)(x))


def torch_resnet50() -> Any:
    """Return the network as a module of torch."""
    from torch import nn

    class Block(nn.Module):  # type: ignore[misc]
        def __init__(self, channels: int, filters: int, stride: int) -> None:
            super().__init__()
            wide = EXPANSION * filters
            self.body = nn.Sequential(
                *convolved(channels, filters, 1),
                nn.ReLU(inplace=True),
                *convolved(filters, filters, 3, stride),
                nn.ReLU(inplace=True),
                *convolved(filters, wide, 1),
            )
            changes = stride > 1 or channels != wide
            short = convolved(channels, wide, 1, stride) if changes else ()
            self.short = nn.Sequential(*short)
            self.relu = nn.ReLU(inplace=True)

        def forward(self, x: Any) -> Any:
            return self.relu(self.body(x) + self.short(x))

    def convolved(
        channels: int, filters: int, window: int, stride: int = 1
    ) -> tuple[Any, Any]:
        padding = window // 2
        conv = nn.Conv2d(channels, filters, window, stride, padding, bias=False)
        return conv, nn.BatchNorm2d(filters)

    parts: list[Any] = [*convolved(3, 64, 7, 2), nn.ReLU(inplace=True)]
    parts.append(nn.MaxPool2d(3, 2, 1))
    channels = 64
    for stage, (filters, count) in enumerate(STAGES):
        for number in range(count):
            stride = 2 if stage and not number else 1
            parts.append(Block(channels, filters, stride))
            channels = EXPANSION * filters
    parts += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, CLASSES)]
    return nn.Sequential(*parts)
