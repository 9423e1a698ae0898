"""What every constructor of a network takes, checked."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypedDict

from nervure.errors import ArgumentError, ShapeError, explain, unknown_name
from nervure.ir.attrs import NDArray
from nervure.train import checks

Weights = str | os.PathLike[str] | Mapping[str, NDArray] | None

TORCHVISION: Final = "torchvision"
KERAS: Final = "keras"
_POOLINGS: Final = (None, "avg", "max")
# Endings of files in which Keras publishes weights.
_ENDINGS_OF_KERAS: Final = (".h5", ".hdf5", ".keras")


class CommonOptions(TypedDict, total=False):
    """The arguments of all constructors of networks but their weights."""

    include_top: bool  # whether the layers that classify are there; True
    input_shape: Sequence[int | None] | None  # height, width, channels
    pooling: str | None  # without the top: "avg" or "max" over all places, None
    classes: int  # the number of outputs of the top; 1000
    classifier_activation: Any  # of the top; "softmax"; None gives logits
    style: str | None  # "torchvision" or "keras", where their networks differ
    name: str | None  # of the model


class NetworkOptions(CommonOptions, total=False):
    """The arguments that the constructors of all networks have in common."""

    weights: Weights  # None: random; a file; arrays by the names of a state dict


@dataclass(frozen=True)
class Settings:
    """The checked arguments of one network."""

    name: str
    weights: Weights
    include_top: bool
    input_shape: tuple[int | None, ...]
    pooling: str | None
    classes: int
    classifier_activation: Any
    style: str

    @property
    def is_keras(self) -> bool:
        """Whether the network is Keras' variant."""
        return self.style == KERAS


@dataclass(frozen=True)
class Facts:
    """What an architecture says about itself.

    Attributes
    ----------
    name
        The name of its constructor.
    input_shape
        The height, width and channels that it was published for.
    smallest
        The least height and width that it can take.
    styles
        The variants there are, the default one first.
    classes
        The number of classes that it was published for.
    needs_sizes
        Whether height and width must be known even without the top.
    shipped
        Whether its weights for ImageNet are in the package.
    """

    name: str
    input_shape: tuple[int, int, int] = (224, 224, 3)
    smallest: int = 32
    styles: tuple[str, ...] = (TORCHVISION, KERAS)
    classes: int = 1000
    needs_sizes: bool = False
    shipped: bool = False


def settings_of(facts: Facts, options: NetworkOptions) -> Settings:
    """Return the arguments of a constructor, checked and completed.

    Raises
    ------
    TypeError
        For an argument that no network has.
    ArgumentError, ShapeError, UnknownNameError
        For values that cannot be used.
    """
    _check_names(facts, options)
    include_top = checks.truth(options.get("include_top", True), "include_top")
    weights = options.get("weights")
    pooling = options.get("pooling")
    if pooling not in _POOLINGS:
        raise unknown_name("pooling", pooling, ["avg", "max"])
    classes = checks.whole_number(
        options.get("classes", facts.classes), "classes", 1, facts.classes
    )
    if weights == "imagenet":
        _check_shipped(facts, include_top, classes)
    return Settings(
        name=options.get("name") or facts.name,
        weights=weights,
        include_top=include_top,
        input_shape=_input_shape(facts, options.get("input_shape"), include_top),
        pooling=pooling,
        classes=classes,
        classifier_activation=options.get("classifier_activation", "softmax"),
        style=_style(facts, options.get("style"), weights),
    )


def _check_names(facts: Facts, options: NetworkOptions) -> None:
    known = NetworkOptions.__annotations__
    for name in options:
        if name not in known:
            raise TypeError(
                explain(
                    f"{facts.name}() got an unexpected argument {name!r}",
                    fix="use one of " + ", ".join(known),
                )
            )


def _check_shipped(facts: Facts, include_top: bool, classes: int) -> None:
    if not facts.shipped:
        raise ArgumentError(
            explain(
                f"the weights of {facts.name} for ImageNet are not in the package",
                fix="pass weights= the path of a file with torchvision's state dict "
                "(.safetensors) or Keras' weights (.h5), or use efficientnet_lite0",
            )
        )
    if include_top and classes != facts.classes:
        raise ArgumentError(
            explain(
                f"the weights for ImageNet are those of {facts.classes} classes, got "
                f"classes={classes}",
                fix="use include_top=False and add a layer of your own, or call "
                "nervure.pretrained.fine_tune",
            )
        )


def _input_shape(
    facts: Facts, given: Sequence[int | None] | None, include_top: bool
) -> tuple[int | None, ...]:
    if given is None:
        return facts.input_shape
    shape = tuple(given)
    expected = f"input_shape of {facts.name} is (height, width, channels)"
    if len(shape) != 3 or shape[2] is None or shape[2] < 1:
        raise ShapeError(
            explain(
                f"{expected}, got {shape}",
                fix="leave input_shape out to take that of the trained weights",
            )
        )
    for size in shape[:2]:
        if size is None:
            if facts.needs_sizes and include_top:
                raise ShapeError(
                    explain(
                        f"{expected}; this network needs known sizes, got {shape}",
                        fix=f"use {facts.input_shape}",
                    )
                )
        elif size < facts.smallest:
            raise ShapeError(
                explain(
                    f"{expected} of at least {facts.smallest} x {facts.smallest}, got "
                    f"{shape}",
                    fix="enlarge the images",
                )
            )
    return shape


def _style(facts: Facts, given: str | None, weights: Weights) -> str:
    if given is not None and given not in facts.styles:
        raise unknown_name(f"style of {facts.name}", given, facts.styles)
    of_weights = _style_of(weights)
    if of_weights in facts.styles:
        if given not in (None, of_weights):
            raise ArgumentError(
                explain(
                    f"these weights are for the style {of_weights!r} of {facts.name}, "
                    f"got style={given!r}, which computes something else with them",
                    fix=f"use style={of_weights!r}, or leave the style out",
                )
            )
        return of_weights
    return given or facts.styles[0]


def _style_of(weights: Weights) -> str | None:
    """Return whose weights these are, as far as their kind tells."""
    if isinstance(weights, Mapping):
        return TORCHVISION
    if isinstance(weights, str | os.PathLike):
        path = os.fspath(weights).lower()
        if path.endswith(_ENDINGS_OF_KERAS):
            return KERAS
        if path.endswith(".safetensors"):
            return TORCHVISION
    return None
