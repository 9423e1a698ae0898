"""Event files as the page shows them: curves, histograms, pictures, warnings.

Runs are found by walking through the folder; what a page asks for is looked up among
what was found, so that no name can lead elsewhere.  Links are not followed.
"""

from __future__ import annotations

import base64
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from nervure.errors import ArgumentError, explain
from nervure.tblog.reader import Histogram, Moment, Run, read_run

_MOST_RUNS: Final = 200
_DEEPEST: Final = 6
# Points of a curve that a page gets; longer ones are thinned.
_MOST_POINTS: Final = 2_000
_MOST_IMAGES: Final = 40
_MOST_STEPS: Final = 40
_MOST_WARNINGS: Final = 20
# Where ``callbacks.Studio`` writes what ``gradient_flow`` remarks.
WARNINGS: Final = "gradient_flow/warnings"


class Runs:
    """The runs below a folder.

    Parameters
    ----------
    folder
        Where to look; it need not exist yet.

    >>> import tempfile
    >>> Runs(tempfile.mkdtemp()).listed({})
    {'runs': []}
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._folder = Path(folder)
        # name -> the state of its files, and what they hold
        self._read: dict[str, tuple[Any, Run]] = {}

    def listed(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Return the names of the runs and when they were last written to."""
        del asked
        runs = [
            {"name": name, "changed": max(stamp for _, _, stamp in state)}
            for name, (_, state) in self._found().items()
        ]
        return {"runs": sorted(runs, key=lambda run: run["name"])}

    def scalars(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Return the curves and the warnings of the runs ``asked["runs"]``."""
        names = asked.get("runs")
        if not isinstance(names, list) or len(names) > _MOST_RUNS:
            raise ArgumentError(
                explain(
                    "runs must be a list of names",
                    fix="send the names that the list of runs has",
                )
            )
        answer: dict[str, Any] = {"curves": {}, "warnings": [], "damage": []}
        for name in names:
            run = self._run(name)
            answer["damage"] += run.damage
            for tag, moments in run.scalars.items():
                answer["curves"].setdefault(tag, {})[name] = _curve(moments)
            answer["warnings"] += _warnings(name, run)
        answer["warnings"] = answer["warnings"][:_MOST_WARNINGS]
        return answer

    def details(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Return histograms, pictures and texts of the run ``asked["run"]``."""
        run = self._run(asked.get("run"))
        images = [
            {
                "tag": tag,
                "step": moments[-1].step,
                "data": base64.b64encode(moments[-1].value.encoded).decode(),
            }
            for tag, moments in list(run.images.items())[:_MOST_IMAGES]
            if moments[-1].value.encoded.startswith(b"\x89PNG")
        ]
        return {
            "histograms": {
                tag: [_histogram(one) for one in moments[-_MOST_STEPS:]]
                for tag, moments in run.histograms.items()
            },
            "images": images,
            "texts": {
                tag: "\n".join(moments[-1].value)
                for tag, moments in run.texts.items()
                if tag != WARNINGS
            },
        }

    def _run(self, name: Any) -> Run:
        found = self._found()
        if not isinstance(name, str) or name not in found:
            raise ArgumentError(
                explain(
                    f"there is no run {name!r:.100}",
                    fix="reload the page: its folder may have been moved",
                )
            )
        folder, state = found[name]
        if name not in self._read or self._read[name][0] != state:
            self._read[name] = state, read_run(folder)
        return self._read[name][1]

    def _found(self) -> dict[str, tuple[Path, Any]]:
        """Return folders with event files, and names, sizes and times of these."""
        found: dict[str, tuple[Path, Any]] = {}
        if not self._folder.is_dir():
            return found
        top = self._folder.resolve()
        for folder in _folders(top, 0):
            files = _event_files(folder)
            if files:
                name = folder.relative_to(top).as_posix()
                found[name] = folder, files
            if len(found) >= _MOST_RUNS:
                break
        return found


def _folders(folder: Path, depth: int) -> Iterator[Path]:
    yield folder
    if depth < _DEEPEST:
        try:
            with os.scandir(folder) as entries:
                inner = sorted(
                    Path(one.path)
                    for one in entries
                    if one.is_dir(follow_symlinks=False)
                )
        except OSError:
            return
        for one in inner:
            yield from _folders(one, depth + 1)


def _event_files(folder: Path) -> list[tuple[str, int, float]]:
    """Return names, sizes and times of event files; none if one is a link."""
    found = []
    try:
        with os.scandir(folder) as entries:
            files = [one for one in entries if ".tfevents." in one.name]
        for one in files:
            if not one.is_file(follow_symlinks=False):
                return []
            status = one.stat(follow_symlinks=False)
            found.append((one.name, status.st_size, status.st_mtime))
    except OSError:
        return []
    return sorted(found)


def _curve(moments: list[Moment]) -> list[list[float | None]]:
    """Return pairs of step and value, thinned; None for what is not finite."""
    every = max(1, math.ceil(len(moments) / _MOST_POINTS))
    kept = moments[::every]
    if kept[-1] is not moments[-1]:
        kept = [*kept, moments[-1]]
    return [[one.step, one.value if math.isfinite(one.value) else None] for one in kept]


def _histogram(moment: Moment) -> dict[str, Any]:
    """Return a histogram with 30 columns of equal width."""
    value: Histogram = moment.value
    columns = [0.0] * 30
    low, high = value.low, value.high
    width = (high - low) / len(columns)
    before = low
    for limit, count in zip(value.limits, value.counts, strict=True):
        left, right = max(before, low), min(limit, high)
        before = limit
        if not count:
            continue
        if width <= 0 or not math.isfinite(right - left) or right <= left:
            columns[0 if width <= 0 else _column(left, low, width)] += count
            continue
        # A bucket is spread over the columns that it covers.
        for at in range(_column(left, low, width), _column(right, low, width) + 1):
            ends = low + at * width, low + (at + 1) * width
            part = min(right, ends[1]) - max(left, ends[0])
            columns[at] += count * max(0.0, part) / (right - left)
    return {"step": moment.step, "low": low, "high": high, "columns": columns}


def _column(place: float, low: float, width: float) -> int:
    if not math.isfinite(place):
        return 0
    return min(29, max(0, int((place - low) / width)))


def _warnings(name: str, run: Run) -> list[dict[str, Any]]:
    """Return what is wrong: what the callback wrote, and losses that are not finite."""
    found = []
    if WARNINGS in run.texts:
        last = run.texts[WARNINGS][-1]
        found += [
            {"run": name, "step": last.step, "text": line}
            for text in last.value
            for line in text.splitlines()
            if line
        ]
    for tag, moments in run.scalars.items():
        wrong = next((one for one in moments if not math.isfinite(one.value)), None)
        if wrong is not None:
            text = f"{tag} is not finite: lower the learning rate, or see nv.why"
            found.append({"run": name, "step": wrong.step, "text": text})
    return found
