"""Models of ONNX: a graph in a file becomes a :class:`~nervure.models.Model`."""
