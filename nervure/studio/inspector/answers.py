"""What the page asks about a network and a picture."""

from __future__ import annotations

import math
import threading
from typing import Any, Final

import numpy as np

from nervure import adversarial, inspect, pretrained
from nervure.errors import ArgumentError, UnknownNameError, explain
from nervure.ir.attrs import NDArray
from nervure.studio.asked import optional_whole_number, whole_number
from nervure.studio.inspector.pictures import (
    PictureShape,
    as_bytes,
    one_map,
    picture_shape,
    read_picture,
    shown_picture,
    thumbnail,
)

_MOST_CHANNELS: Final = 32
# Networks of more layers show each one when it is asked for.
_MOST_LAYERS: Final = 24
_MOST_LISTED: Final = 400
# Sides of the maps of activations: more could not be seen.
_MOST_SIDE: Final = 56
_MOST_UNITS: Final = 1000
_MOST_CLASSES: Final = 1000
_ATTACK_STEPS: Final = 15
_VIEW_STEPS: Final = 64


class Answers:
    """Answers about one network.

    Parameters
    ----------
    subject
        Has ``state()`` and ``model()``.
    name
        What to call it.

    >>> from nervure.studio.inspector.subject import GivenModel, lecture_network
    >>> answers = Answers(GivenModel(lecture_network()), "mine")
    >>> answers.about({})["width"]
    28
    """

    def __init__(self, subject: Any, name: str) -> None:
        self._subject = subject
        self.name = name
        # Networks keep what they compiled; one question at a time.
        self._lock = threading.Lock()

    def about(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Return the network's name, the size of its pictures and its layers."""
        del asked
        state = self._subject.state()
        if not state["ready"]:
            return {"name": self.name, **state}
        with self._lock:
            model = self._subject.model()
            shape = picture_shape(model)
            blank = np.zeros((1, *shape.input_shape), np.float32)
            found = inspect.activations(model, blank)
        layers = [
            {
                "name": name,
                "channels": int(values.shape[-1]),
                "maps": values.ndim == 4,
                "shape": list(values.shape[1:]),
            }
            for name, values in list(found.items())[:_MOST_LISTED]
        ]
        size = {"height": shape.height, "width": shape.width}
        return {
            "name": self.name,
            **state,
            **size,
            "channels": shape.channels,
            "layers": layers,
            "classes": _classes(model),
        }

    def look(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Return scores for a picture, and activations if there are few layers."""
        with self._lock:
            model, _, x = self._read(asked)
            found = inspect.activations(model, x)
            scores = self._scores(model, x)
        few = list(found.items()) if len(found) <= _MOST_LAYERS else []
        return {"scores": scores, "layers": [_layer(*one) for one in few]}

    def layer(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Return the activations of the layer ``asked["layer"]`` for a picture."""
        name = _text(asked.get("layer"))
        with self._lock:
            model, _, x = self._read(asked)
            found = inspect.activations(model, x, [name])
        return _layer(name, found[name])

    def map(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Return a map of importance of ``asked["method"]``."""
        method = asked.get("method")
        with self._lock:
            model, shape, x = self._read(asked)
            label = optional_whole_number(asked, "label")
            if method == "deconvnet":
                layer = _text(asked.get("layer"))
                channel = whole_number(asked, "filter")
                found = inspect.deconvnet(model, x, layer=layer, filter=channel)
            elif method in _METHODS:
                found = _METHODS[method](model, x, label)
            else:
                known = ", ".join([*_METHODS, "deconvnet"])
                raise UnknownNameError(
                    explain(f"no map is called {method!r:.60}", fix=f"take {known}")
                )
        signed = method in ("deconvnet", "guided")
        return one_map(_one_picture(found[0], shape), signed=signed)

    def filters(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Return the filters of the first layer."""
        del asked
        with self._lock:
            found = inspect.first_layer_filters(self._subject.model())
        if found.ndim != 4:
            raise ArgumentError(explain("the first layer has no filters to draw"))
        shown = found[:_MOST_CHANNELS]
        grey = shown if shown.shape[-1] == 3 else shown[..., 0]
        return {"maps": [one_map(one, signed=True) for one in grey]}

    def feature(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Return a picture that a filter responds to as much as possible."""
        layer = _text(asked.get("layer"))
        channel = whole_number(asked, "filter")
        with self._lock:
            model = self._subject.model()
            shape = picture_shape(model)
            found = inspect.feature_visualization(
                *(model, layer, [channel]),
                steps=_VIEW_STEPS,
                clip_min=float(shape.low.min()),
                clip_max=float(shape.high.max()),
            )
        picture = shown_picture(found[0], shape)
        return one_map(picture[..., 0] if picture.shape[-1] == 1 else picture)

    def attack(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Return a picture changed by ``asked["strength"]`` at most, and the scores."""
        strength = asked.get("strength")
        is_number = isinstance(strength, int | float) and not isinstance(strength, bool)
        if not is_number or not 0 < strength <= 1:
            raise ArgumentError(
                explain(f"strength must lie between 0 and 1, got {strength!r:.60}")
            )
        with self._lock:
            model, shape, x = self._read(asked)
            target = optional_whole_number(asked, "target")
            changed = adversarial.pgd(
                *(model, x),
                eps=float(strength) * shape.span,
                steps=_ATTACK_STEPS,
                clip_min=float(shape.low.min()),
                clip_max=float(shape.high.max()),
                target=target,
                seed=0,
            )
            scores = self._scores(model, changed)
        pixels = shown_picture(changed, shape)
        change = (pixels - shown_picture(x, shape)).mean(axis=-1)
        return {
            "scores": scores,
            "pixels": as_bytes(pixels),
            "change": one_map(change, signed=True),
        }

    def _read(self, asked: dict[str, Any]) -> tuple[Any, PictureShape, NDArray]:
        model = self._subject.model()
        shape = picture_shape(model)
        return model, shape, read_picture(asked.get("pixels"), shape)

    def _scores(self, model: Any, x: NDArray) -> list[float]:
        scores = np.asarray(model.predict(x, verbose=0)).reshape(-1)[:_MOST_CLASSES]
        return [float(one) if math.isfinite(one) else 0.0 for one in scores]


_METHODS: Final[dict[Any, Any]] = {
    "saliency": lambda model, x, y: inspect.saliency(model, x, y),
    "smooth_grad": lambda model, x, y: inspect.smooth_grad(
        model, x, y, samples=16, seed=0
    ),
    "grad_cam": lambda model, x, y: inspect.grad_cam(model, x, y),
    "guided": lambda model, x, y: inspect.guided_backpropagation(model, x, y),
}


def _layer(name: str, values: NDArray) -> dict[str, Any]:
    return {
        "name": name,
        "shape": list(values.shape[1:]),
        "maps": [one_map(thumbnail(one, _MOST_SIDE)) for one in _maps(values[0])],
    }


def _classes(model: Any) -> list[str]:
    """Return the names of the classes of a network of ImageNet."""
    outputs = getattr(model, "output_shape", None)
    is_known = _is_pretrained(model) and tuple(outputs or ())[-1:] == (1000,)
    return list(pretrained.imagenet_classes()) if is_known else []


def _is_pretrained(model: Any) -> bool:
    name = getattr(model, "name", "")
    return callable(getattr(pretrained, name, None)) if name.isidentifier() else False


def _maps(values: NDArray) -> list[NDArray]:
    """Return activations of one sample as maps; units of a vector as one row."""
    if values.ndim == 3:
        return list(np.moveaxis(values, -1, 0)[:_MOST_CHANNELS])
    if values.ndim == 2:
        return [values]
    return [values.reshape(1, -1)[:, :_MOST_UNITS]]


def _one_picture(values: NDArray, shape: PictureShape) -> NDArray:
    if values.ndim == 3:
        return values.mean(axis=-1)
    return values.reshape(shape.height, shape.width, -1).mean(axis=-1)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ArgumentError(explain(f"layer must be a name, got {value!r:.60}"))
    return value
