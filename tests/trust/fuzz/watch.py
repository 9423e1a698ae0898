"""What a reader does besides reading its file, and what it costs.

An audit hook sees what Python does: files that are opened, moved or deleted, programs
and sockets, code that is compiled or run, pickles, libraries and modules.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nervure.errors import NervureError

MIB = 2**20
# What a reader may raise; everything else is a fault.
ALLOWED = (NervureError,)
MOST_SECONDS = 1.0
# Of wall time: a reader that goes round for ever in a library's code ends the process.
HANGING = 120
# Beginnings of audited events that no reader of data has a use for.
FORBIDDEN = (
    *("os.system", "os.exec", "os.spawn", "os.posix_spawn", "os.fork", "os.startfile"),
    *("subprocess.", "pty.", "socket.", "urllib.", "webbrowser.", "ctypes."),
    *("exec", "compile", "code.", "function.__new__", "pickle.", "marshal."),
    *("os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.link", "os.symlink"),
    *("os.truncate", "os.chmod", "os.chown", "os.chdir", "shutil.", "tempfile."),
)
# What the standard library brings in at its first use; no file names these.
LAZY = ("encodings.", "_strptime", "unicodedata", "stringprep")


class Watch:
    """Notes forbidden events while it is on; a hook cannot be taken off again.

    Parameters
    ----------
    folder
        The one place where files may be opened, for reading.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = os.path.realpath(folder) + os.sep
        self.on = False
        self.seen: dict[str, None] = {}

    def hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Take part in every audited event of this process."""
        if not self.on:
            return
        if event == "open":
            if isinstance(arguments[0], str | bytes):
                self._opened(os.fsdecode(arguments[0]), arguments[2])
        elif event == "import":
            if not arguments[0].startswith(LAZY):
                self.seen[f"import {arguments[0]}"] = None
        elif event == "compile" and arguments[1] == "<unknown>":
            return  # ast.parse: a signature is read, no code is made
        elif event.startswith(FORBIDDEN):
            self.seen[f"{event} {str(arguments)[:80]}"] = None

    def _opened(self, path: str, flags: int) -> None:
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            self.seen[f"write {path}"] = None
        elif path.endswith((".py", ".pyc")):
            return  # lines for tracebacks
        elif not os.path.realpath(path).startswith(self.folder):
            self.seen[f"open {path}"] = None


class Trials:
    """Reads one input after the other and keeps the count.

    Parameters
    ----------
    folder
        Where the reader's file lies; an input that shows a fault is kept there too.
    place, read
        Put an input where the reader finds it (not watched), and read it.
    """

    def __init__(
        self, folder: Path, place: Callable[[bytes], None], read: Callable[[], object]
    ) -> None:
        self._folder, self._place, self._read = folder, place, read
        self.watch = Watch(folder)
        sys.addaudithook(self.watch.hook)
        self.count = self.refused = 0
        self.slowest = self.seconds = 0.0
        self._guarded = 0.0
        self.faults: list[str] = []
        self._first_peak = self._peak = peak_memory()

    def warm(self, data: bytes) -> None:
        """Read an input unwatched: what a reader does once is done afterwards."""
        self._place(data)
        with contextlib.suppress(Exception):
            self._read()
        self._first_peak = self._peak = peak_memory()

    def trial(self, data: bytes) -> None:
        """Read an input; note what is wrong with how that went."""
        self._place(data)
        self.watch.on = True
        if time.monotonic() > self._guarded:
            # a thread of its own, so not for every input
            faulthandler.dump_traceback_later(HANGING, exit=True)
            self._guarded = time.monotonic() + HANGING / 4
        begun = time.process_time()
        wrong = ""
        try:
            self._read()
        except ALLOWED:
            self.refused += 1
        except Exception as error:  # noqa: BLE001 - that is what is looked for
            wrong = f"{type(error).__name__}: {error}"
        finally:
            self.watch.on = False
        self.count += 1
        seconds = time.process_time() - begun
        self.slowest = max(self.slowest, seconds)
        self.seconds += seconds
        cost = self._cost(data, seconds)
        wrong = next(iter(self.watch.seen), "") or wrong or cost
        if wrong:
            self.watch.seen.clear()
            self._keep(data, wrong)

    def _cost(self, data: bytes, seconds: float) -> str:
        """Return what an input took too much of."""
        before, self._peak = self._peak, peak_memory()
        if self._peak - before > 4 * len(data) + 64 * MIB:
            return f"took {(self._peak - before) // MIB} MiB for {len(data)} bytes"
        return f"took {seconds:.1f} s" if seconds > MOST_SECONDS else ""

    def _keep(self, data: bytes, wrong: str) -> None:
        if len(self.faults) < 20:
            kept = self._folder / f"fault-{len(self.faults)}"
            kept.write_bytes(data)
            self.faults.append(f"{self.count}, {kept}: {wrong}"[:400])

    def report(self) -> dict[str, Any]:
        """Return the figures so far."""
        return {
            "inputs": self.count,
            "refused": self.refused,
            "faults": self.faults,
            "seconds": round(self.seconds, 2),
            "slowest": round(self.slowest, 3),
            "grown": self._peak - self._first_peak,
        }


def peak_memory() -> int:
    """Return the most bytes that this process has held.

    ``getrusage`` would count what its parent held when it started this process.
    """
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    for line in status.read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0
