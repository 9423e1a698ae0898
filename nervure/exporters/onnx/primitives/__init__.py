"""How primitives are written, one file a group; importing this registers them."""

from nervure.exporters.onnx.primitives import (
    control,
    elementwise,
    indexed,
    movement,
    products,
    reductions,
    windows,
)

__all__ = [
    "control",
    "elementwise",
    "indexed",
    "movement",
    "products",
    "reductions",
    "windows",
]
