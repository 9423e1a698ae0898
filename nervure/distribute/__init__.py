"""Training on several devices and several machines; see docs/distribution.md.

>>> import nervure as nv
>>> nv.distribute.DataParallel
<class 'nervure.distribute.strategies.DataParallel'>
"""

from nervure.distribute.processes import (
    initialize,
    process_count,
    process_index,
)
from nervure.distribute.strategies import DataParallel, ModelParallel, Strategy

__all__ = [
    "DataParallel",
    "ModelParallel",
    "Strategy",
    "initialize",
    "process_count",
    "process_index",
]
