"""Programs that one can look into: what is computed, by which kernels, where.

``nv.compile(f).program(*args)`` and ``model.train_program(batch_size=...)`` return a
:class:`Program`.
"""

from nervure.program.program import Program

__all__ = ["Program"]
