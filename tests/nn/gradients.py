"""Values and gradients of layers against torch, in float64."""

import numpy as np
import torch

import nervure as nv


def assert_like_torch(layer, expected, *inputs, rtol=1e-9, **options):
    """Compare a layer with a function of torch tensors: inputs, then weights.

    Values, and gradients of all inputs and trainable weights.  The layer must be built.
    """
    leaves = [
        torch.tensor(np.asarray(one), requires_grad=True)
        for one in (*inputs, *(one.numpy() for one in layer.trainable_weights))
    ]
    outputs = expected(*leaves)
    factors = np.cos(np.arange(outputs.numel())).reshape(tuple(outputs.shape))
    (outputs * torch.tensor(factors)).sum().backward()

    given = [nv.asarray(one) for one in inputs]
    found = layer(*given, **options)
    wanted = [*given, *(one.value for one in layer.trainable_weights)]
    gradients = nv.gradients(nv.sum(found * factors), wanted)
    np.testing.assert_allclose(
        found.numpy(), outputs.detach().numpy(), rtol=rtol, atol=1e-11
    )
    for one, other in zip(gradients, leaves, strict=True):
        np.testing.assert_allclose(
            one.numpy(), other.grad.numpy(), rtol=rtol, atol=1e-10
        )


def randomize(layer, seed=0):
    """Give all weights random positive values."""
    random = np.random.default_rng(seed)
    layer.set_weights(
        [random.uniform(0.2, 1.5, one.shape) for one in layer.get_weights()]
    )
