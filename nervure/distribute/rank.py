"""One process of ``nervure launch``: runs the script, shows that it lives, ends hard.

Run as ``python -m nervure.distribute.rank script.py arguments``.
"""

from __future__ import annotations

import os
import runpy
import sys
import threading
import time
import traceback
from pathlib import Path
from types import TracebackType
from typing import Final

from nervure.distribute.launch import PULSE

_BEAT_SECONDS: Final = 1.0


def main(arguments: list[str]) -> None:
    """Run a script as the main program."""
    pulse = os.environ.get(PULSE)
    if pulse:
        threading.Thread(target=_beat, args=(Path(pulse),), daemon=True).start()
    sys.excepthook = _fail
    script, sys.argv = arguments[0], list(arguments)
    sys.path[0] = str(Path(script).resolve().parent)
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as end:
        if end.code in (None, 0):
            return
        if not isinstance(end.code, int):
            print(end.code, file=sys.stderr)
        _end(end.code if isinstance(end.code, int) else 1)


def _fail(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """End at once after an error.

    An ordinary end would wait for the other processes, which wait for this one.
    """
    traceback.print_exception(kind, error, trace)
    _end(1)


def _end(status: int) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _beat(pulse: Path) -> None:
    while True:
        pulse.touch()
        time.sleep(_BEAT_SECONDS)


if __name__ == "__main__":
    main(sys.argv[1:])
