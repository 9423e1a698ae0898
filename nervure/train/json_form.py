"""Models as JSON text: which layers, connected how, without their weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from nervure._version import __version__
from nervure.errors import FileFormatError, explain
from nervure.nn.layer import Layer
from nervure.nn.serialization import deserialize, serialize


def to_json(model: Layer, **options: Any) -> str:
    """Return a model as JSON; ``options`` are those of :func:`json.dumps`."""
    return json.dumps({**serialize(model), "nervure_version": __version__}, **options)


def model_from_json(
    json_string: str, custom_objects: Mapping[str, Any] | None = None
) -> Any:
    """Return the model that ``model.to_json()`` described, with new weights.

    The text is only read: a class means something when it is Nervure's, registered, or
    in ``custom_objects``.

    Parameters
    ----------
    json_string
        What ``to_json`` returned.
    custom_objects
        Further classes and functions by name.

    Raises
    ------
    FileFormatError
        For what is no JSON, or describes no model.
    UnknownNameError
        For a class that is not known.

    >>> import nervure as nv
    >>> model = nv.models.Sequential([nv.layers.Dense(2, input_shape=(3,))])
    >>> nv.models.model_from_json(model.to_json()).output_shape
    (None, 2)
    """
    try:
        data = json.loads(json_string)
    except (ValueError, RecursionError, TypeError) as error:
        raise FileFormatError(
            explain(
                f"the text is no JSON: {error}",
                fix="pass what model.to_json() returned",
            )
        ) from None
    from nervure.train.network import Network

    model = deserialize(data, custom_objects)
    if not isinstance(model, Network):
        raise FileFormatError(
            explain(
                f"the text describes a {type(model).__name__}, which is no model",
                fix="pass the text that model.to_json() returned",
            )
        )
    return model
