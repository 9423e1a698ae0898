"""Models of ONNX: a graph in a file becomes a :class:`~nervure.models.Model`.

``nervure.models.load_model("m.onnx")`` reads one, :func:`load_model` here has more
options, and ``model.export("m.onnx")`` writes one.  Reading needs the onnx package
(``pip install nervure[onnx]``), which parses the file and brings the definitions of
rare operators; nothing in a file is executed.  docs/onnx.md lists the operators.

| file | what is in it |
|---|---|
| ``reading``, ``records`` | bytes, checked, as plain data |
| ``table``, ``operators/`` | which function computes which operator |
| ``running``, ``functions`` | running a graph on lazy arrays |
| ``folding``, ``model`` | what is known, what is a weight; the layer and the model |
"""

from nervure.importers.onnx.model import (
    OnnxGraphLayer,
    load_model,
    load_weights,
    model_from_proto,
)
from nervure.importers.onnx.refusal import UnsupportedError

__all__ = [
    "OnnxGraphLayer",
    "UnsupportedError",
    "load_model",
    "load_weights",
    "model_from_proto",
]
