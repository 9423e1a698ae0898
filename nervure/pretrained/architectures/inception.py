"""Inception v3: several kernels side by side, large ones cut into small ones.

Szegedy et al., "Rethinking the inception architecture for computer vision", 2015.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple, Unpack

from nervure.layers import (
    Activation,
    AveragePooling2D,
    Concatenate,
    MaxPooling2D,
    ZeroPadding2D,
)
from nervure.pretrained.options import Facts, NetworkOptions, settings_of
from nervure.pretrained.parts import Parts, assembled
from nervure.train.model import Model

__all__ = ["inception_v3"]

_FACTS: Final = Facts("inception_v3", input_shape=(299, 299, 3), smallest=75)


class _Conv(NamedTuple):
    """A convolution of a branch: the end of its name, filters, size and strides."""

    label: str
    filters: int
    size: tuple[int, int]
    strides: int = 1


_Branch = tuple[str, tuple[_Conv, ...]]


def inception_v3(**options: Unpack[NetworkOptions]) -> Model:
    """Return Inception v3: 23.8 million weights.

    ``float32[batch, 299, 299, 3]`` becomes ``float32[batch, 1000]``.

    The second classifier, which helps in training from scratch, is left out; its
    weights in a file are passed over.

    Parameters
    ----------
    options
        As for :func:`resnet50`.  Keras' style has normalizations without ``gamma``, and
        its average pooling does not count the border.

    >>> import nervure as nv
    >>> model = nv.pretrained.inception_v3(style="keras")
    >>> model.count_params()
    23851784
    """
    settings = settings_of(_FACTS, options)
    return assembled(
        settings,
        _body,
        _top,
        epsilon=1e-3,
        momentum=0.99 if settings.is_keras else 0.9,
    )


def _body(parts: Parts, x: Any) -> Any:
    for label, filters, size, strides, padding in (
        ("1a_3x3", 32, 3, 2, "valid"),
        ("2a_3x3", 32, 3, 1, "valid"),
        ("2b_3x3", 64, 3, 1, "same"),
        ("pool1", 0, 3, 2, "valid"),
        ("3b_1x1", 80, 1, 1, "valid"),
        ("4a_3x3", 192, 3, 1, "valid"),
        ("pool2", 0, 3, 2, "valid"),
    ):
        if filters:
            name = f"conv{label}"
            source = f"Conv2d_{label}"
            x = _conv(parts, x, filters, (size, size), strides, padding, name, source)
        else:
            x = MaxPooling2D(size, strides=strides, name=label)(x)
    for number, (label, pooled) in enumerate((("5b", 32), ("5c", 64), ("5d", 64))):
        x = _mixed(parts, x, number, label, _FIVES, pooled)
    x = _mixed(parts, x, 3, "6a", _TO_SEVENS)
    for number, (label, filters) in enumerate(
        (("6b", 128), ("6c", 160), ("6d", 160), ("6e", 192)), 4
    ):
        x = _mixed(parts, x, number, label, _sevens(filters), 192)
    x = _mixed(parts, x, 8, "7a", _TO_FORKS)
    for number, label in enumerate(("7b", "7c"), 9):
        x = _forked(parts, x, number, label)
    return x


def _top(parts: Parts, x: Any) -> Any:
    dropout = 0.0 if parts.settings.is_keras else 0.5
    return parts.classifier(x, "fc", dropout=dropout)


# Figure 5 of the paper.
_FIVES: Final[tuple[_Branch, ...]] = (
    ("branch1x1", (_Conv("", 64, (1, 1)),)),
    ("branch5x5", (_Conv("_1", 48, (1, 1)), _Conv("_2", 64, (5, 5)))),
    (
        "branch3x3dbl",
        (_Conv("_1", 64, (1, 1)), _Conv("_2", 96, (3, 3)), _Conv("_3", 96, (3, 3))),
    ),
)
# Figure 10: half as high and wide.
_TO_SEVENS: Final[tuple[_Branch, ...]] = (
    ("branch3x3", (_Conv("", 384, (3, 3), 2),)),
    (
        "branch3x3dbl",
        (_Conv("_1", 64, (1, 1)), _Conv("_2", 96, (3, 3)), _Conv("_3", 96, (3, 3), 2)),
    ),
)
_TO_FORKS: Final[tuple[_Branch, ...]] = (
    ("branch3x3", (_Conv("_1", 192, (1, 1)), _Conv("_2", 320, (3, 3), 2))),
    (
        "branch7x7x3",
        (
            _Conv("_1", 192, (1, 1)),
            _Conv("_2", 192, (1, 7)),
            _Conv("_3", 192, (7, 1)),
            _Conv("_4", 192, (3, 3), 2),
        ),
    ),
)


def _sevens(filters: int) -> tuple[_Branch, ...]:
    """Return the branches of figure 6: 7 x 7 as 1 x 7 and 7 x 1."""
    return (
        ("branch1x1", (_Conv("", 192, (1, 1)),)),
        (
            "branch7x7",
            (
                _Conv("_1", filters, (1, 1)),
                _Conv("_2", filters, (1, 7)),
                _Conv("_3", 192, (7, 1)),
            ),
        ),
        (
            "branch7x7dbl",
            (
                _Conv("_1", filters, (1, 1)),
                _Conv("_2", filters, (7, 1)),
                _Conv("_3", filters, (1, 7)),
                _Conv("_4", filters, (7, 1)),
                _Conv("_5", 192, (1, 7)),
            ),
        ),
    )


def _mixed(
    parts: Parts,
    inputs: Any,
    number: int,
    label: str,
    branches: tuple[_Branch, ...],
    pooled: int | None = None,
) -> Any:
    """Apply branches side by side; without ``pooled`` all have strides of 2."""
    name = f"mixed{number}"
    outputs = []
    for branch, convs in branches:
        x = inputs
        for one in convs:
            x = _conv(
                parts,
                x,
                one.filters,
                one.size,
                one.strides,
                "same" if one.strides == 1 else "valid",
                f"{name}_{branch}{one.label}",
                f"Mixed_{label}.{branch}{one.label}",
            )
        outputs.append(x)
    if pooled is None:
        outputs.append(MaxPooling2D(3, strides=2, name=f"{name}_pool")(inputs))
    else:
        outputs.append(_averaged(parts, inputs, name, label, pooled))
    return Concatenate(name=name)(outputs)


def _averaged(parts: Parts, x: Any, name: str, label: str, filters: int) -> Any:
    """Average over the neighbours; torchvision counts the zeros of the border."""
    padding = "same"
    if not parts.settings.is_keras:
        x = ZeroPadding2D(1, name=f"{name}_pad")(x)
        padding = "valid"
    x = AveragePooling2D(3, strides=1, padding=padding, name=f"{name}_average")(x)
    source = f"Mixed_{label}.branch_pool"
    return _conv(parts, x, filters, (1, 1), 1, "same", f"{name}_branch_pool", source)


def _forked(parts: Parts, inputs: Any, number: int, label: str) -> Any:
    """Apply the branches of figure 7, whose last kernels lie side by side."""
    name, source = f"mixed{number}", f"Mixed_{label}"

    def conv(x: Any, filters: int, size: tuple[int, int], end: str) -> Any:
        return _conv(
            parts, x, filters, size, 1, "same", f"{name}_{end}", f"{source}.{end}"
        )

    def fork(x: Any, branch: str, place: int) -> Any:
        sides = [
            conv(x, 384, (1, 3), f"{branch}_{place}a"),
            conv(x, 384, (3, 1), f"{branch}_{place}b"),
        ]
        return Concatenate(name=f"{name}_{branch}")(sides)

    first = conv(inputs, 320, (1, 1), "branch1x1")
    second = fork(conv(inputs, 384, (1, 1), "branch3x3_1"), "branch3x3", 2)
    x = conv(inputs, 448, (1, 1), "branch3x3dbl_1")
    third = fork(conv(x, 384, (3, 3), "branch3x3dbl_2"), "branch3x3dbl", 3)
    last = _averaged(parts, inputs, name, label, 192)
    return Concatenate(name=name)([first, second, third, last])


def _conv(
    parts: Parts,
    x: Any,
    filters: int,
    size: tuple[int, int],
    strides: int,
    padding: str,
    name: str,
    source: str,
) -> Any:
    x = parts.conv(
        x,
        filters,
        size,
        strides=strides,
        padding=padding,
        name=f"{name}_conv",
        source=f"{source}.conv",
    )
    keras = parts.settings.is_keras
    x = parts.norm(x, name=f"{name}_bn", source=f"{source}.bn", scale=not keras)
    return Activation("relu", name=f"{name}_relu")(x)
