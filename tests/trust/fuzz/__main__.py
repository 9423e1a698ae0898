"""Attacks readers of files; ``python -m tests.trust.fuzz --help``.

Every format runs in a process of its own, forked from this one.  Prints a line of JSON
for each, and ends with status 1 if one has a fault.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

# Readers compute nothing worth compiling; and no fuzz may be lost to a warm cache.
os.environ["NERVURE_EXECUTOR"] = "reference"

CORPUS = Path(__file__).parent / "corpus"
# Files in memory where the system has such a folder: half as much time again is for
# inputs then.
MEMORY = Path("/dev/shm")
_WARM = 50


def seeds_of(name: str, target: Any) -> list[bytes]:
    """Return the good files, and the inputs that guided runs found worth keeping."""
    folder = CORPUS / name
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    return [*target.seeds, *(one.read_bytes() for one in found)]


def blind(
    name: str, folder: Path, inputs: int, seconds: float, seed: int
) -> dict[str, Any]:
    """Change seeds at random and read them."""
    from tests.trust.fuzz.damage import crossed, damaged
    from tests.trust.fuzz.targets import FORMATS
    from tests.trust.fuzz.watch import Trials

    target = FORMATS[name](folder)
    seeds = seeds_of(name, target)
    trials = Trials(folder, target.place, target.read)
    for one in seeds:
        trials.warm(one)
    chance = random.Random(seed)
    for _ in range(min(_WARM, inputs)):
        trials.warm(damaged(crossed(seeds, chance), chance))
    end = time.monotonic() + seconds
    while trials.count < inputs and time.monotonic() < end:
        trials.trial(damaged(crossed(seeds, chance), chance))
    return {"format": name, "engine": "blind", **trials.report()}


def in_a_child(work: Any) -> dict[str, Any] | None:
    """Return what ``work`` returns in a forked process, None if that died."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.close(reading)
            with os.fdopen(writing, "w") as pipe:
                json.dump(work(), pipe)
            status = 0
        except BaseException:  # noqa: BLE001 - the parent hears that there is nothing
            import traceback

            traceback.print_exc()
        finally:
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    os.waitpid(pid, 0)
    return json.loads(text) if text else None


def main() -> int:
    """Run the command."""
    from tests.trust.fuzz.targets import FORMATS

    parser = argparse.ArgumentParser(prog="python -m tests.trust.fuzz")
    parser.add_argument("formats", nargs="*", default=list(FORMATS))
    parser.add_argument("--inputs", type=int, default=20_000, help="for each format")
    parser.add_argument("--seconds", type=float, default=1e9, help="for each, at most")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--guided", action="store_true", help="by coverage, with atheris"
    )
    parser.add_argument("--folder", type=Path, help="where inputs with faults are kept")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    # readers import these on first use; here, so that no child has to
    for module in ("h5py", "onnx", "PIL.Image", "safetensors.numpy"):
        with contextlib.suppress(ImportError):
            __import__(module)
    near = MEMORY if os.access(MEMORY, os.W_OK) else None
    place = options.folder or Path(tempfile.mkdtemp(prefix="nervure-fuzz-", dir=near))
    bad = 0
    for name in options.formats:
        folder = place / name
        folder.mkdir(parents=True)
        given = (name, folder, options.inputs, options.seconds, options.seed)
        begun = time.monotonic()
        if options.guided:
            from tests.trust.fuzz.guided import guided

            found = guided(*given)
        else:
            found = in_a_child(lambda given=given: blind(*given))
        if found is None:
            found = {"format": name, "faults": ["the process died"]}
        found["wall"] = round(time.monotonic() - begun, 1)
        bad += bool(found["faults"])
        print(json.dumps(found), flush=True)
        if not options.folder and not found["faults"]:
            shutil.rmtree(folder)
    if not options.folder and not bad:
        place.rmdir()
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
