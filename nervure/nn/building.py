"""How a layer's ``build`` is run: once, under its name, whole or not at all."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nervure.ir.node import scope
from nervure.nn.symbolic import as_partial_shape, map_shapes
from nervure.state import untraced

if TYPE_CHECKING:
    from nervure.nn.layer import Layer


def building(build: Callable[..., None]) -> Callable[..., None]:
    """Wrap a ``build`` method of a class of layers.

    The weights are named after the layer.  An error leaves the layer as it was.  A
    layer that is first called inside a function that is being traced gets its weights
    outside of the trace: they are what the function starts from, not what it computes.
    """

    @functools.wraps(build)
    def build_layer(self: Layer, *input_shapes: Any, **named: Any) -> None:
        if getattr(self, "_is_building", False):  # super().build(...) of a subclass
            build(self, *input_shapes, **named)
            return
        given = (*input_shapes, *named.values())
        shapes = map_shapes(
            as_partial_shape, given[0] if len(given) == 1 else list(given)
        )
        before, added = dict(vars(self)), list(self._added)
        self._is_building = True
        try:
            with scope(self.name), untraced():
                if len(given) == 1:
                    build(self, shapes)
                else:
                    build(self, *input_shapes, **named)
        except BaseException:
            vars(self).clear()
            vars(self).update(before)
            self._added[:] = added
            raise
        del self._is_building
        self.built = True
        self.built_for = shapes

    return build_layer
