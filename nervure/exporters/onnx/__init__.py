"""Models as files of ONNX: ``model.export("m.onnx")``.

The graph of primitives is written, so every layer can be: there is no rule for layers,
only one for each primitive.  Needs the onnx package (``pip install nervure[onnx]``).

| file | what is in it |
|---|---|
| ``tracing`` | the model's graph, traced for two batch sizes |
| ``sizes`` | which sizes follow the batch |
| ``writer`` | names, constants, nodes |
| ``primitives/`` | the operators that compute each primitive |
| ``model`` | the file |
"""

from nervure.exporters.onnx.model import export_model, model_proto
from nervure.exporters.onnx.writer import ExportError

__all__ = ["ExportError", "export_model", "model_proto"]
