"""The products and convolutions that are measured alone, as data."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal


@dataclass(frozen=True)
class Product:
    """``[m, k]`` times ``[k, n]``; T in ``form`` says which operand lies transposed."""

    m: int
    k: int
    n: int
    form: Literal["NN", "TN", "NT"] = "NN"

    @property
    def title(self) -> str:
        """The name in the report."""
        return f"{self.m} x {self.k} x {self.n} {self.form}"

    @property
    def operations(self) -> int:
        """Additions and multiplications."""
        return 2 * self.m * self.k * self.n

    @property
    def operands(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The shapes in memory."""
        left, right = (self.m, self.k), (self.k, self.n)
        return (
            left[::-1] if self.form[0] == "T" else left,
            right[::-1] if self.form[1] == "T" else right,
        )


@dataclass(frozen=True)
class Convolution:
    """Square images, channels last, and square kernels; or one of its gradients."""

    batch: int
    size: int
    channels: int
    filters: int
    window: int = 3
    stride: int = 1
    padding: int = 0
    of: Literal["output", "input", "kernel"] = "output"

    @property
    def title(self) -> str:
        """The name in the report."""
        what = "" if self.of == "output" else f", gradient of the {self.of}"
        return (
            f"{self.batch} x {self.size} x {self.size} x {self.channels} to "
            f"{self.filters}, {self.window} x {self.window}, stride {self.stride}, "
            f"padding {self.padding}{what}"
        )

    @property
    def result_size(self) -> int:
        """The height of the result."""
        return (self.size + 2 * self.padding - self.window) // self.stride + 1

    @property
    def operations(self) -> int:
        """Additions and multiplications, those with padding included."""
        pixels = self.batch * self.result_size**2
        return 2 * pixels * self.window**2 * self.channels * self.filters

    @property
    def images(self) -> tuple[int, ...]:
        """``[batch, height, width, channels]``."""
        return (self.batch, self.size, self.size, self.channels)

    @property
    def results(self) -> tuple[int, ...]:
        """``[batch, height, width, filters]``."""
        return (self.batch, self.result_size, self.result_size, self.filters)

    @property
    def kernel(self) -> tuple[int, ...]:
        """``[height, width, channels, filters]``."""
        return (self.window, self.window, self.channels, self.filters)

    @property
    def operands(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The shapes of the two arrays from which the result follows."""
        return {
            "output": (self.images, self.kernel),
            "input": (self.results, self.kernel),
            "kernel": (self.images, self.results),
        }[self.of]


Kernel = Product | Convolution


def _of_workloads() -> Iterator[Kernel]:
    """Yield what W1, W2, W3, W7 and W8 spend their time with."""
    products = (
        *((128, 784, 32), (784, 128, 32), (128, 784, 1024), (784, 128, 1024)),
        *((128, 1024, 1024), (1024, 128, 1024), (2048, 256, 1024), (2048, 2048, 2048)),
    )
    for m, k, n in products:
        yield from (Product(m, k, n, form) for form in ("NN", "TN", "NT"))
    convolutions = (
        *((128, 28, 1, 32), (128, 13, 32, 32)),
        *((64, 32, 3, 64, 3, 1, 1), (64, 32, 64, 64, 3, 1, 1)),
        *((64, 32, 64, 128, 3, 2, 1), (64, 16, 128, 128, 3, 1, 1)),
        *((64, 8, 256, 256, 3, 1, 1), (64, 4, 512, 512, 3, 1, 1)),
    )
    for one in convolutions:
        yield from (Convolution(*one, of=of) for of in ("output", "input", "kernel"))


def _at_random(count: int = 30) -> Iterator[Kernel]:
    """Yield odd shapes, two products for each convolution; the same in every run."""
    chosen = random.Random(20)

    def odd(low: int, high: int) -> int:
        """Return an odd number, as often small as large."""
        return int(math.exp(chosen.uniform(math.log(low), math.log(high)))) | 1

    for place in range(count):
        if place % 3 < 2:
            form = chosen.choice(("NN", "TN", "NT"))
            yield Product(odd(16, 1500), odd(16, 1500), odd(16, 1500), form)
        else:
            of = chosen.choice(("output", "input", "kernel"))
            window, stride = chosen.choice((1, 3, 5)), chosen.choice((1, 1, 2))
            sizes = (odd(3, 64), odd(9, 40), odd(3, 128), odd(8, 128))
            yield Convolution(*sizes, window, stride, window // 2, of)


KERNELS: Final[tuple[Kernel, ...]] = (*_of_workloads(), *_at_random())
