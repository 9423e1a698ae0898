"""Passes: from graphs to graphs that compute the same.

| pass | what it does |
|---|---|
| ``inline`` | calls become the operations of their bodies |
| ``simplify`` | operations that cancel or do nothing disappear |
| ``fold`` | what depends on constants alone is computed beforehand |
| ``layout`` | movements go into operations, or are not needed around them |
| ``merge`` | what is computed twice is computed once |
| ``dead`` | what no output needs is not computed |
| ``fusion`` | operations become tasks |
| ``in_place`` | new state is written over the old one |
| ``recomputation`` | values are dropped and computed again, to fit a memory budget |
| ``offload`` | values that wait for long lie elsewhere meanwhile |
| ``schedule`` | kernels are shared among threads |
| ``memory`` | values that do not live at the same time share memory |

The first six are functions of graphs, one file each, and keep every bit of every value
by definition; ``pipeline.py`` runs them.  The others are decisions of the cpu executor.
Each can be left out by name (``nervure.config``: ``skip_passes``).

A new pass is a file with a ``Pass``, an entry in ``pipeline.py`` and one in
``config.PASS_NAMES``.  Its docstring shows a graph before and after, as text.
"""

from nervure.passes.change import Change, Pass, PassRecord
from nervure.passes.inline import runnable
from nervure.passes.pipeline import PASSES, PLANNED, optimized, pass_named

__all__ = [
    "PASSES",
    "PLANNED",
    "Change",
    "Pass",
    "PassRecord",
    "optimized",
    "pass_named",
    "runnable",
]
