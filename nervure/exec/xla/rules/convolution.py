"""Convolution, and its two gradients: transposes that JAX writes as XLA likes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import jax
from jax import lax

from nervure import dtypes
from nervure.dtypes import DType
from nervure.exec.xla.rules.contract import product_precision
from nervure.exec.xla.rules.rule import Context, Rule, converted, filled
from nervure.ir.node import Node, Shape
from nervure.prims.convolution import ConvSettings


def _product_type(context: Context, dtype: DType) -> DType:
    """Return the type of a convolution's operands.

    Accelerators multiply the narrow types and add in float32; a CPU would add in the
    narrow type, so there they are widened.
    """
    return dtypes.accumulator(dtype) if context.platform == "cpu" else dtype


def _convolution(
    context: Context, settings: ConvSettings, rank: int
) -> Callable[[Any, Any], Any]:
    """Return the function of x and kernel."""
    spatial = "".join(chr(ord("a") + axis) for axis in range(rank))
    names = (f"N{spatial}C", f"{spatial}IO", f"N{spatial}C")

    def function(x: Any, kernel: Any) -> Any:
        return lax.conv_general_dilated(
            x,
            kernel,
            settings.strides,
            settings.padding,
            rhs_dilation=settings.dilation,
            dimension_numbers=lax.conv_dimension_numbers(x.shape, kernel.shape, names),
            feature_group_count=settings.groups,
            precision=product_precision(context),
        )

    return function


def _conv(context: Context, node: Node, x: Any, kernel: Any) -> Any:
    if 0 in (node.size, kernel.size):
        return filled(node)
    settings = _settings(node)
    wide = _product_type(context, node.dtype)
    x, kernel = _with_spatial(converted(x, wide), 1), _with_spatial(kernel, 0)
    function = _convolution(context, settings, x.ndim - 2)
    result = function(x, converted(kernel, wide))
    return converted(lax.reshape(result, node.shape), node.dtype)


def _input_grad(context: Context, node: Node, g: Any, kernel: Any) -> Any:
    if 0 in (node.size, g.size, kernel.size):
        return filled(node)
    wide = _product_type(context, node.dtype)
    g = _with_spatial(converted(g, wide), 1)
    kernel = _with_spatial(converted(kernel, wide), 0)
    function = _convolution(context, _settings(node), g.ndim - 2)
    shape = _spatial_shape(node.shape, 1)
    (result,) = jax.linear_transpose(
        lambda x: function(x, kernel), jax.ShapeDtypeStruct(shape, wide)
    )(g)
    return converted(lax.reshape(result, node.shape), node.dtype)


def _kernel_grad(context: Context, node: Node, x: Any, g: Any) -> Any:
    if 0 in (node.size, g.size, x.size):
        return filled(node)
    wide = _product_type(context, node.dtype)
    x, g = (_with_spatial(converted(one, wide), 1) for one in (x, g))
    function = _convolution(context, _settings(node), g.ndim - 2)
    shape = _spatial_shape(node.shape, 0)
    (result,) = jax.linear_transpose(
        lambda kernel: function(x, kernel), jax.ShapeDtypeStruct(shape, wide)
    )(g)
    return converted(lax.reshape(result, node.shape), node.dtype)


# --- without any spatial axis there is a product, written with an axis of size 1 -----


def _settings(node: Node) -> ConvSettings:
    settings = ConvSettings.of(node.attrs)
    if settings.strides:
        return settings
    return ConvSettings((1,), ((0, 0),), (1,), settings.groups)


def _with_spatial(x: Any, place: int) -> Any:
    return lax.expand_dims(x, (place,)) if x.ndim == 2 else x


def _spatial_shape(shape: Shape, place: int) -> Shape:
    return shape if len(shape) > 2 else (*shape[:place], 1, *shape[place:])


RULES: Final[dict[str, Rule]] = {
    "conv": _conv,
    "conv_input_grad": _input_grad,
    "conv_kernel_grad": _kernel_grad,
}
