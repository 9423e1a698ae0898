"""Weights divided by how much they can enlarge a vector."""

from __future__ import annotations

from typing import Any, Unpack

from nervure import ops
from nervure.array import Array
from nervure.errors import ArgumentError, explain
from nervure.nn.arguments import whole_number
from nervure.nn.initializers import TruncatedNormal
from nervure.nn.input_spec import InputSpec
from nervure.nn.layer import Layer
from nervure.nn.layer_options import LayerOptions
from nervure.nn.layers.wrapping import Wrapper
from nervure.nn.variable import Variable
from nervure.ops import nn
from nervure.prims.annotate import stop_gradient


class SpectralNormalization(Wrapper):
    """Divides a layer's kernel by its largest singular value, at every training step.

    The kernel is seen as a matrix ``[..., outputs]``, and its largest singular value is
    approached by power iteration, which goes on from step to step.  Outside of training
    the layer is used as it is.  (Miyato et al., "Spectral normalization for generative
    adversarial networks", 2018.)

    Parameters
    ----------
    layer
        A layer with a weight ``kernel`` or ``embeddings``.
    power_iterations
        How many iterations a step makes.

    Other arguments: see :class:`~nervure.layers.Layer`.

    >>> import numpy as np
    >>> import nervure as nv
    >>> dense = nv.layers.Dense(3, kernel_initializer="random_normal")
    >>> layer = nv.layers.SpectralNormalization(dense, power_iterations=50)
    >>> y = layer(nv.ones((1, 4)), training=True)
    >>> round(float(np.linalg.norm(dense.kernel, 2)), 3)
    1.0
    """

    kernel: Variable
    vector_u: Variable

    def __init__(
        self, layer: Layer, power_iterations: int = 1, **options: Unpack[LayerOptions]
    ) -> None:
        super().__init__(layer, **options)
        self.power_iterations = whole_number(
            "power_iterations", power_iterations, least=1
        )

    def build(self, input_shape: Any) -> None:
        """Build the layer inside, and create the vector of the iteration.

        Raises
        ------
        ArgumentError
            For a layer without a kernel or a table of embeddings.
        """
        super().build(input_shape)
        kernel = getattr(self.layer, "kernel", None)
        if kernel is None:
            kernel = getattr(self.layer, "embeddings", None)
        if not isinstance(kernel, Variable):
            raise ArgumentError(
                explain(
                    f"SpectralNormalization expects a layer with a weight 'kernel' or "
                    f"'embeddings', {type(self.layer).__name__} has neither",
                    fix="wrap Dense, a convolution or Embedding",
                )
            )
        self.kernel = kernel
        self.vector_u = self.add_weight(
            (1, kernel.shape[-1]),
            TruncatedNormal(stddev=0.02),
            dtype=kernel.dtype,
            trainable=False,
            name="vector_u",
        )
        self.input_spec = InputSpec(min_ndim=1, axes={-1: input_shape[-1]})

    def call(self, inputs: Array, training: bool = False) -> Array:
        """Compute the output, in training after normalizing the kernel."""
        if training:
            self._normalize()
        return self.layer(inputs)  # type: ignore[no-any-return]

    def _normalize(self) -> None:
        """Go on with the power iteration, and divide the kernel."""
        kernel = self.kernel.value
        matrix = ops.reshape(kernel, (-1, kernel.shape[-1]))
        u = self.vector_u.value
        for _ in range(self.power_iterations):
            v = nn.normalize(u @ matrix.T, axis=(0, 1))
            u = nn.normalize(v @ matrix, axis=(0, 1))
        u, v = (Array.of_node(stop_gradient(one.node)) for one in (u, v))
        largest = (v @ matrix @ u.T)[0, 0]
        # A kernel of zeros stays as it is, and so does the vector.
        zero = ops.all(kernel == 0)
        self.vector_u.assign(ops.where(zero, self.vector_u.value, u))
        self.kernel.assign(kernel / ops.where(zero, 1.0, largest))
