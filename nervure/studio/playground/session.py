"""The thread that trains for one open page, and what it is told.

The page sends small JSON messages; what it sees comes back as messages and as frames.
While the page draws one frame the next is made, and no more than that: a slow page
slows the pictures down, and nothing piles up.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from typing import Any, Final

from nervure.config import config
from nervure.errors import ArgumentError, NervureError, explain
from nervure.studio.asked import whole_number
from nervure.studio.playground import named_sets, script
from nervure.studio.playground.choices import read_choices
from nervure.studio.playground.frames import frame
from nervure.studio.playground.trainer import Trainer, chosen_points

# Pictures a second at most, and passes over the data that one may wait for.
_FRAME_SECONDS: Final = 1 / 60
_MOST_EPOCHS: Final = 200
# Frames that are made before the page has drawn them: where one comes late, those make
# up for it.
_MOST_AHEAD: Final = 3
# How long to wait for the page before it is believed to have missed a frame.
_PATIENCE: Final = 2.0
# The part of the time between two pictures that is for training where as much as fits
# is wanted, and the seconds that a pass is believed to take before any was made.
_TRAINING: Final = 2 / 3
_FIRST_PASS: Final = 0.01
# Pictures over which the samples a second are averaged.
_PICTURES: Final = 30
# A table of the user, in characters.
_LONGEST_TABLE: Final = 2_000_000

Send = Callable[[dict[str, Any] | bytes], None]


class Session:
    """One page's network, in a thread of its own.

    Parameters
    ----------
    send
        Takes messages and frames; called from the thread.

    >>> sent = []
    >>> session = Session(sent.append)
    >>> session.tell({"type": "configure", "choices": {"hidden": [2]}})
    >>> session.tell({"type": "step"})
    >>> session.close(finish=True)
    >>> [one["type"] for one in sent if isinstance(one, dict)]
    ['hello', 'ready']
    """

    def __init__(self, send: Send) -> None:
        self._send = send
        self._told: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._trainer: Trainer | None = None
        self._table: str | None = None
        self._playing = False
        self._epochs = 1
        self._ahead = 0
        self._sent_at = 0.0
        self._samples = 0.0
        self._seconds = 0.0
        self._pass_seconds = _FIRST_PASS
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def tell(self, message: Any) -> None:
        """Hand over a message of the page; returns at once."""
        self._told.put(message)

    def waiting(self) -> int:
        """Return how many messages are not worked off yet."""
        return self._told.qsize()

    def close(self, *, finish: bool = False) -> None:
        """End the thread; with ``finish`` after what it was told, and wait for it."""
        self._told.put(None)
        if finish:
            self._thread.join()

    def _work(self) -> None:
        # Networks this small gain nothing from a second thread, which would wait for
        # the core on which the browser draws.
        with config.override(num_threads=1):
            self._run()

    def _run(self) -> None:
        self._send({"type": "hello", "sklearn": named_sets.available()})
        due = 0.0
        while True:
            try:
                message = self._told.get(timeout=self._wait(due))
            except queue.Empty:
                if self._ahead >= _MOST_AHEAD:
                    self._ahead = 0  # what the page missed
                # From when it was due, and not from now, lest each delay add up; but no
                # more than one picture is made up for.
                due = max(due, time.perf_counter() - _FRAME_SECONDS) + _FRAME_SECONDS
                self._guarded(self._advance)
                continue
            if message is None:
                return
            self._guarded(lambda heard=message: self._hear(heard))

    def _guarded(self, work: Callable[[], None]) -> None:
        """Do something; what goes wrong is shown on the page, which then goes on."""
        try:
            work()
        except NervureError as error:
            self._playing = False
            self._send({"type": "error", "message": f"{error}"})
        except Exception as error:
            self._playing = False
            self._send({"type": "error", "message": f"the server failed: {error!r}"})
            raise

    def _wait(self, due: float) -> float | None:
        """Return the seconds until the next picture, or None if only the page can say.

        A page that has drawn says so, which is a message; one that does not for too
        long is believed to have missed a frame.
        """
        if not self._playing:
            return None
        if self._ahead >= _MOST_AHEAD:
            due = self._sent_at + _PATIENCE
        return max(0.0, due - time.perf_counter())

    # --- messages --------------------------------------------------------------------

    def _hear(self, message: Any) -> None:
        kind = message.get("type") if isinstance(message, dict) else None
        hear = self._HEARERS.get(kind) if isinstance(kind, str) else None
        if hear is None:
            raise ArgumentError(explain(f"no message is called {kind!r:.60}"))
        hear(self, message)

    def _configure(self, message: dict[str, Any]) -> None:
        choices = read_choices(message.get("choices"))
        table = message.get("table")
        if isinstance(table, str):
            if len(table) > _LONGEST_TABLE:
                raise ArgumentError(
                    explain(
                        f"the table has {len(table)} characters; "
                        f"{_LONGEST_TABLE} is the most"
                    )
                )
            self._table = table
        if choices.data == "csv" and self._table is None:
            raise ArgumentError(
                explain("no table was given yet", fix="choose a CSV file")
            )
        self._trainer = Trainer(choices, self._table)
        self._samples = self._seconds = 0.0
        self._pass_seconds = _FIRST_PASS
        self._send(_description(self._trainer))
        self._draw()

    def _play(self, message: dict[str, Any]) -> None:
        del message
        self._required()
        self._playing = True
        self._sent_at = time.perf_counter()  # from when the speed is measured

    def _pause(self, message: dict[str, Any]) -> None:
        del message
        self._playing = False
        self._draw()

    def _step(self, message: dict[str, Any]) -> None:
        del message
        self._playing = False
        self._required().train(1)
        self._draw()

    def _set_weight(self, message: dict[str, Any]) -> None:
        layer, source, target = (
            whole_number(message, name) for name in ("layer", "source", "target")
        )
        value = _number(message, "value", 1e6)
        self._required().network.set_weight(layer, source, target, value)
        self._draw()

    def _set_rate(self, message: dict[str, Any]) -> None:
        self._required().network.set_rate(_number(message, "value", 10))

    def _set_speed(self, message: dict[str, Any]) -> None:
        self._epochs = min(max(whole_number(message, "epochs"), 0), _MOST_EPOCHS)

    def _has_drawn(self, message: dict[str, Any]) -> None:
        del message
        self._ahead = max(0, self._ahead - 1)

    def _write_script(self, message: dict[str, Any]) -> None:
        choices = read_choices(message.get("choices"))
        outputs = chosen_points(choices, self._table).outputs
        self._send({"type": "script", "text": script.script(choices, outputs)})

    _HEARERS: Final = {
        "configure": _configure,
        "play": _play,
        "pause": _pause,
        "step": _step,
        "weight": _set_weight,
        "rate": _set_rate,
        "speed": _set_speed,
        "drawn": _has_drawn,
        "script": _write_script,
    }

    # --- training --------------------------------------------------------------------

    def _required(self) -> Trainer:
        if self._trainer is None:
            raise ArgumentError(explain("no network was described yet"))
        return self._trainer

    def _advance(self) -> None:
        """Train for one picture, at least one pass, and draw it."""
        trainer = self._required()
        began, samples = time.perf_counter(), trainer.samples
        epochs = self._epochs or self._fitting()
        trainer.train(epochs)
        now = time.perf_counter()
        # Slowly, lest one pass that was interrupted leaves the next ones idle; the very
        # first one, which compiles, takes a hundred times as long as the others.
        lasted = min((now - began) / epochs, 2 * self._pass_seconds)
        self._pass_seconds += (lasted - self._pass_seconds) / 8
        # Of sums: a mean of speeds would favour the pictures that took little time.
        self._samples += trainer.samples - samples - self._samples / _PICTURES
        self._seconds += now - self._sent_at - self._seconds / _PICTURES
        self._draw()

    def _fitting(self) -> int:
        """Return how many passes over the data fit between two pictures."""
        passes = int(_TRAINING * _FRAME_SECONDS / max(self._pass_seconds, 1e-6))
        return min(max(1, passes), _MOST_EPOCHS)

    def _draw(self) -> None:
        self._ahead += 1
        self._sent_at = time.perf_counter()
        self._send(frame(self._required(), self._samples / max(self._seconds, 1e-6)))


def _description(trainer: Trainer) -> dict[str, Any]:
    """Return what the page needs to know of a new network: its sizes and the points."""
    points = trainer.points
    table = [
        [round(float(one), 3) for one in (*x, y[0])]
        for x, y in zip(points.x, points.y, strict=True)
    ]
    return {
        "type": "ready",
        "sizes": trainer.network.sizes,
        "axes": points.axes,
        "problem": points.problem,
        "classes": points.classes,
        "train": table[: trainer.train_count],
        "test": table[trainer.train_count :],
    }


def _number(message: dict[str, Any], name: str, most: float) -> float:
    value = message.get(name)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not -most <= value <= most:
        raise ArgumentError(
            explain(f"{name} must be a number of at most {most:g}, got {value!r:.60}")
        )
    return float(value)
