"""The xla executor: GPUs, TPUs and meshes of devices, through JAX's public API.

A graph is written in ``jax.lax`` by one table of rules (``rules/``) and compiled by
``jax.jit``.  Values stay on the device until somebody looks at them.  JAX is imported
here and nowhere else, and only when this executor is used.
"""

from nervure.exec.xla.runtime import load_jax

load_jax()  # explains what is missing, before an import below fails

from nervure.exec.xla.executor import XlaExecutor  # noqa: E402

__all__ = ["XlaExecutor"]
