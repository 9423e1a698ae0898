"""The reference executor: NumPy, operation by operation.  It is the definition."""

from nervure.exec.reference.executor import ReferenceExecutor

__all__ = ["ReferenceExecutor"]
