"""The checked mode of native code: ``NERVURE_CHECK=1``.

Every load and store is asked first whether it lies within the buffer to which its
pointer belongs; one that does not is recorded, goes to memory of its own instead, and
the run ends in an error.  So the process lives, and the error says where.

| file | does |
|---|---|
| ``native.py`` | the functions that check, and what they record |
| ``functions.py`` | puts calls of them into the text of a kernel or a block |
| ``steps.py`` | tells kernels where their buffers begin and end |
| ``watch.py`` | gives a run its records, and reads them afterwards |
| ``faults.py`` | turns a record into an error |

A pointer's *bounds* travel beside it.  Every function gets a *frame*: who called it,
the number of the call, where to record, and the bounds of each of its pointers.  Bounds
are those of the very value, not of the arena around it.
"""
