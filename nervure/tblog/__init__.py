"""Event files: what TensorBoard shows, written and read without TensorFlow.

| file | what is in it |
|---|---|
| ``crc32c`` | the check sum of records |
| ``wire`` | protobuf's wire format: encoding, and bounded decoding |
| ``records`` | records of a file |
| ``png`` | pictures as PNG |
| ``summaries`` | scalars, histograms, images, text as messages |
| ``graphs`` | graphs as messages |
| ``hparams`` | hyperparameters as messages |
| ``writer`` | the files themselves |
| ``reader`` | reading them back, for our own pages; nothing read is ever executed |
| ``callback`` | the callback for ``fit`` |

>>> import tempfile
>>> from nervure.tblog import EventWriter, read_run
>>> folder = tempfile.mkdtemp()
>>> with EventWriter(folder) as writer:
...     writer.add_scalar("loss", 0.5, step=1)
>>> read_run(folder).scalars["loss"][0].value
0.5
"""

from nervure.tblog.callback import TensorBoard
from nervure.tblog.graphs import GraphNode
from nervure.tblog.reader import Run, read_events, read_run
from nervure.tblog.writer import EventWriter

__all__ = [
    "EventWriter",
    "GraphNode",
    "Run",
    "TensorBoard",
    "read_events",
    "read_run",
]
