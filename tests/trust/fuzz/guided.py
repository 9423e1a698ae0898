"""The same attacks, led by coverage: atheris, which is libFuzzer for Python.

Inputs that reach new lines of Python are kept and changed further.  Native code (HDF5,
Pillow's decoders, protocol buffers) is not instrumented; there the changes are blind.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
# What is instrumented: the readers, and the parsers in Python below them.
_INSTRUMENTED = [
    *("nervure.train", "nervure.importers", "nervure.nn", "nervure.datasets"),
    *("nervure.tblog", "nervure.tf1.train", "nervure.pretrained", "nervure.studio"),
    *("nervure.exec.peaks", "nervure.exec.cpu.cache", "nervure.state"),
    *("zipfile", "gzip", "json", "csv", "PIL", "h5py", "safetensors"),
]


def guided(
    name: str, folder: Path, inputs: int, seconds: float, seed: int
) -> dict[str, Any] | None:
    """Run one format in a fresh process, which is instrumented as it imports.

    Inputs that reached new lines are in ``FOLDER/corpus`` afterwards.
    """
    given = [name, str(folder), str(inputs), str(min(seconds, 1e6)), str(seed)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.trust.fuzz.guided", *given],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=(folder / "log").open("w"),
        text=True,
        check=False,
    )
    found = [one for one in done.stdout.splitlines() if one.startswith("{")]
    return json.loads(found[-1]) if found else None


def main(name: str, folder: Path, inputs: int, seconds: float, seed: int) -> None:
    """Attack until the inputs or the seconds are used up; print a line of JSON."""
    import time
    import warnings

    import atheris

    warnings.simplefilter("ignore")
    with atheris.instrument_imports(include=_INSTRUMENTED):
        from tests.trust.fuzz.__main__ import seeds_of
        from tests.trust.fuzz.damage import MOST_BYTES, damaged
        from tests.trust.fuzz.targets import FORMATS
        from tests.trust.fuzz.watch import Trials

        target = FORMATS[name](folder)
        seeds = seeds_of(name, target)
        trials = Trials(folder, target.place, target.read)
        chance = random.Random(seed)
        for one in seeds:
            trials.warm(one)
        for _ in range(200):
            trials.warm(damaged(chance.choice(seeds), chance))
    own, given = folder / "corpus", folder / "seeds"
    own.mkdir()
    given.mkdir()
    for number, one in enumerate(seeds):
        (given / str(number)).write_bytes(one)
    end = time.monotonic() + seconds

    def attack(data: bytes) -> None:
        trials.trial(data)
        if trials.count >= inputs or time.monotonic() > end:
            report = {"format": name, "engine": "guided", **trials.report()}
            report["corpus"] = len(list(own.iterdir()))
            print(json.dumps(report), flush=True)
            os._exit(0)

    def mutate(data: bytes, most: int, number: int) -> bytes:
        if number % 2:
            return atheris.Mutate(data, most)
        return damaged(data, random.Random(number))[:most]

    options = [f"-seed={seed}", f"-max_len={MOST_BYTES}", "-timeout=60"]
    options += ["-rss_limit_mb=8192", "-len_control=0"]
    options += [f"-artifact_prefix={folder}/"]
    atheris.Setup(
        [sys.argv[0], *options, str(own), str(given)], attack, custom_mutator=mutate
    )
    atheris.Fuzz()


if __name__ == "__main__":
    _name, _folder, _inputs, _seconds, _seed = sys.argv[1:]
    main(_name, Path(_folder), int(_inputs), float(_seconds), int(_seed))
