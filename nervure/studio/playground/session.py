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

from nervure.errors import ArgumentError, NervureError, explain
from nervure.studio.playground import named_sets, script
from nervure.studio.playground.choices import read_choices
from nervure.studio.playground.frames import frame
from nervure.studio.playground.trainer import Trainer, chosen_points

# Pictures a second at most, and passes over the data that one may wait for.
_FRAME_SECONDS: Final = 1 / 60
_MOST_EPOCHS: Final = 200
# Frames that are made before the page has drawn them.
_MOST_AHEAD: Final = 2
# How long to wait for the page before it is believed to have missed a frame.
_PATIENCE: Final = 2.0
# Epochs between two looks at the clock, where the page wants all that fits in a frame.
_SLICE: Final = 2
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
        self._speed = 0.0
        self._thread = threading.Thread(target=self._run, daemon=True)
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

    def _run(self) -> None:
        self._send({"type": "hello", "sklearn": named_sets.available()})
        due = time.perf_counter()
        while True:
            wait = max(0.0, due - time.perf_counter()) if self._playing else None
            try:
                message = self._told.get(timeout=wait)
            except queue.Empty:
                if self._may_draw():
                    due = time.perf_counter() + _FRAME_SECONDS
                    self._guarded(lambda end=due: self._advance(end))
                else:
                    due = time.perf_counter() + _FRAME_SECONDS / 4
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

    def _may_draw(self) -> bool:
        if time.perf_counter() - self._sent_at > _PATIENCE:
            self._ahead = 0
        return self._ahead < _MOST_AHEAD

    # --- messages --------------------------------------------------------------------

    def _hear(self, message: Any) -> None:
        kind = message.get("type") if isinstance(message, dict) else None
        hear = self._HEARERS.get(kind) if isinstance(kind, str) else None
        if hear is None:
            raise ArgumentError(
                explain(
                    f"no message is called {kind!r:.60}",
                    fix="reload the page: it may be of another version of Nervure",
                )
            )
        hear(self, message)

    def _configure(self, message: dict[str, Any]) -> None:
        choices = read_choices(message.get("choices"))
        table = message.get("table")
        if isinstance(table, str):
            if len(table) > _LONGEST_TABLE:
                raise ArgumentError(
                    explain(
                        f"the table has {len(table)} characters; "
                        f"{_LONGEST_TABLE} is the most",
                        fix="use some of the rows, or fewer digits",
                    )
                )
            self._table = table
        if choices.data == "csv" and self._table is None:
            raise ArgumentError(
                explain("no table was given yet", fix="choose a CSV file")
            )
        self._trainer = Trainer(choices, self._table)
        self._speed = 0.0
        self._send(_description(self._trainer))
        self._draw()

    def _play(self, message: dict[str, Any]) -> None:
        del message
        self._required()
        self._playing = True

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
            _whole(message, name) for name in ("layer", "source", "target")
        )
        value = _number(message, "value", 1e6)
        self._required().network.set_weight(layer, source, target, value)
        self._draw()

    def _set_rate(self, message: dict[str, Any]) -> None:
        self._required().network.set_rate(_number(message, "value", 10))

    def _set_speed(self, message: dict[str, Any]) -> None:
        self._epochs = min(max(_whole(message, "epochs"), 0), _MOST_EPOCHS)

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
            raise ArgumentError(
                explain(
                    "no network was described yet",
                    fix="send the message that describes it first, as the page does",
                )
            )
        return self._trainer

    def _advance(self, due: float) -> None:
        """Train until the next picture is due, at least one pass, and draw it."""
        trainer = self._required()
        began, samples = time.perf_counter(), trainer.samples
        if self._epochs:
            trainer.train(self._epochs)
        else:  # as many as fit
            while True:
                trainer.train(_SLICE)
                if time.perf_counter() > due - _FRAME_SECONDS / 3:
                    break
        since = time.perf_counter() - max(self._sent_at, began - 1)
        speed = (trainer.samples - samples) / max(since, 1e-6)
        self._speed += (speed - self._speed) * (0.1 if self._speed else 1.0)
        self._draw()

    def _draw(self) -> None:
        self._ahead += 1
        self._sent_at = time.perf_counter()
        self._send(frame(self._required(), self._speed))


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


def _whole(message: dict[str, Any], name: str) -> int:
    value = message.get(name)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ArgumentError(
            explain(
                f"{name} must be a whole number, got {value!r:.60}",
                fix=f"send {name}=1, for example",
            )
        )
    return value


def _number(message: dict[str, Any], name: str, most: float) -> float:
    value = message.get(name)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not -most <= value <= most:
        raise ArgumentError(
            explain(
                f"{name} must be a number of at most {most:g}, got {value!r:.60}",
                fix=f"send a number from 0 to {most:g}",
            )
        )
    return float(value)
