"""The networks that are trained on a GPU, as data: lists of steps, read three times.

``gpu_nervure.py``, ``gpu_torch.py`` and ``gpu_jax.py`` build the same network from the
same list.  Images are ``[rows, height, width, channels]``.

ResNet-50: He, Zhang, Ren and Sun, "Deep residual learning for image recognition", 2016,
table 1, with the stride in the 3x3 convolution as torchvision has it.  Inception v3:
Szegedy, Vanhoucke, Ioffe, Shlens and Wojna, "Rethinking the Inception architecture for
computer vision", 2016, without the auxiliary classifier.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

Pair = tuple[int, int]


class Step(NamedTuple):
    """One operation on the results of earlier ones; 0 is the network's input.

    ``op`` is one of ``conv``, ``norm``, ``relu``, ``max``, ``average``, ``mean``,
    ``dense``, ``flatten``, ``dropout``, ``add``, ``concat``, ``encoder``.  ``units``
    are filters, units or heads.
    """

    op: str
    inputs: tuple[int, ...]
    units: int = 0
    window: Pair = (1, 1)
    stride: int = 1
    same: bool = True
    bias: bool = False
    rate: float = 0.0


Network = tuple[Step, ...]


class _Builder:
    """Collects the steps; every method returns the place of its result."""

    def __init__(self) -> None:
        self.steps: list[Step] = []

    def add(self, step: Step) -> int:
        self.steps.append(step)
        return len(self.steps)

    def then(self, op: str, *inputs: int) -> int:
        return self.add(Step(op, inputs))

    def conv(
        self, x: int, filters: int, window: int | Pair, stride: int = 1,
        same: bool = True, relu: bool = True,
    ) -> int:  # fmt: skip
        size = (window, window) if isinstance(window, int) else window
        x = self.then("norm", self.add(Step("conv", (x,), filters, size, stride, same)))
        return self.then("relu", x) if relu else x

    def pool(self, op: str, x: int, window: int, stride: int, same: bool) -> int:
        return self.add(Step(op, (x,), 0, (window, window), stride, same))

    def dense(self, x: int, units: int) -> int:
        return self.add(Step("dense", (x,), units))


# filters of the 1x1 and 3x3 convolutions, and the number of blocks
_STAGES: Final = ((64, 3), (128, 4), (256, 6), (512, 3))


def resnet50() -> Network:
    """Return ResNet-50."""
    b = _Builder()
    x = b.pool("max", b.conv(0, 64, 7, 2), 3, 2, True)
    for stage, (filters, count) in enumerate(_STAGES):
        for number in range(count):
            stride = 2 if stage and not number else 1
            short = x if number else b.conv(x, 4 * filters, 1, stride, relu=False)
            y = b.conv(b.conv(x, filters, 1), filters, 3, stride)
            x = b.then(
                "relu", b.then("add", b.conv(y, 4 * filters, 1, relu=False), short)
            )
    b.dense(b.then("mean", x), 1000)
    return tuple(b.steps)


def resnet18() -> Network:
    """Return W7: ResNet-18 for images of 32x32."""
    b = _Builder()
    x, width = b.conv(0, 64, 3), 64
    for filters, stride in ((64, 1), (64, 1), (128, 2), (128, 1),
                            (256, 2), (256, 1), (512, 2), (512, 1)):  # fmt: skip
        same = stride == 1 and filters == width
        short = x if same else b.conv(x, filters, 1, stride, relu=False)
        y = b.conv(b.conv(x, filters, 3, stride), filters, 3, relu=False)
        x, width = b.then("relu", b.then("add", y, short)), filters
    b.dense(b.then("mean", x), 10)
    return tuple(b.steps)


def inception_v3() -> Network:
    """Return Inception v3, for images of at least 75x75."""
    b = _Builder()
    x = b.conv(b.conv(b.conv(0, 32, 3, 2, False), 32, 3, same=False), 64, 3)
    x = b.pool("max", x, 3, 2, False)
    x = b.conv(b.conv(x, 80, 1, same=False), 192, 3, same=False)
    x = b.pool("max", x, 3, 2, False)
    for pooled in (32, 64, 64):
        five = b.conv(b.conv(x, 48, 1), 64, 5)
        three = b.conv(b.conv(b.conv(x, 64, 1), 96, 3), 96, 3)
        mean = b.conv(b.pool("average", x, 3, 1, True), pooled, 1)
        x = b.then("concat", b.conv(x, 64, 1), five, three, mean)
    three = b.conv(b.conv(b.conv(x, 64, 1), 96, 3), 96, 3, 2, False)
    large = b.pool("max", x, 3, 2, False)
    x = b.then("concat", b.conv(x, 384, 3, 2, False), three, large)
    for inner in (128, 160, 160, 192):
        seven = b.conv(b.conv(b.conv(x, inner, 1), inner, (1, 7)), 192, (7, 1))
        twice = b.conv(b.conv(b.conv(x, inner, 1), inner, (7, 1)), inner, (1, 7))
        twice = b.conv(b.conv(twice, inner, (7, 1)), 192, (1, 7))
        mean = b.conv(b.pool("average", x, 3, 1, True), 192, 1)
        x = b.then("concat", b.conv(x, 192, 1), seven, twice, mean)
    three = b.conv(b.conv(x, 192, 1), 320, 3, 2, False)
    seven = b.conv(b.conv(b.conv(x, 192, 1), 192, (1, 7)), 192, (7, 1))
    seven = b.conv(seven, 192, 3, 2, False)
    x = b.then("concat", three, seven, b.pool("max", x, 3, 2, False))
    for _ in range(2):
        y = b.conv(x, 384, 1)
        z = b.conv(b.conv(x, 448, 1), 384, 3)
        wide = [b.conv(one, 384, size) for one in (y, z) for size in ((1, 3), (3, 1))]
        mean = b.conv(b.pool("average", x, 3, 1, True), 192, 1)
        x = b.then("concat", b.conv(x, 320, 1), *wide, mean)
    b.dense(b.then("mean", x), 1000)
    return tuple(b.steps)


def hidden_layers(*units: int, rate: float = 0.0) -> Network:
    """Return W1 or W2: fully connected layers, perhaps with dropout."""
    b, x = _Builder(), 0
    for one in units:
        x = b.then("relu", b.dense(x, one))
        x = b.add(Step("dropout", (x,), rate=rate)) if rate else x
    b.dense(x, 10)
    return tuple(b.steps)


def lecture_cnn() -> Network:
    """Return W3."""
    b, x = _Builder(), 0
    for _ in range(2):
        x = b.then("relu", b.add(Step("conv", (x,), 32, (3, 3), 1, False, True)))
        x = b.pool("max", x, 2, 2, False)
    x = b.then("relu", b.dense(b.then("flatten", x), 64))
    b.dense(x, 10)
    return tuple(b.steps)


def transformer() -> Network:
    """Return W8: self-attention with 8 heads and a GELU network, 256 wide."""
    b = _Builder()
    b.dense(b.then("mean", b.add(Step("encoder", (0,), 8))), 10)
    return tuple(b.steps)


NETWORKS: Final[dict[str, Callable[[], Network]]] = {
    "W1": lambda: hidden_layers(32),
    "W2": lambda: hidden_layers(1024, 1024, rate=0.5),
    "W3": lecture_cnn,
    "W7": resnet18,
    "W8": transformer,
    "ResNet-50": resnet50,
    "Inception v3": inception_v3,
}
