"""Showing how training goes: a bar, a notebook cell, plain lines, or nothing.

Where output goes decides how it looks: a terminal gets a live bar, a notebook one HTML
cell that is updated in place, and everything else (a file, a pipe, a batch system) one
plain line an epoch, without control characters.  Rich and IPython are imported only
where they draw.
"""

from __future__ import annotations

import html
import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from nervure.exec import base

Clock = Callable[[], float]
Numbers = Mapping[str, float]

# Seconds between two updates: the eye sees no more than about ten a second.
UPDATE_INTERVAL: Final = 0.1
# Rows of a notebook's table; a cell with a thousand would slow the browser down.
_NOTEBOOK_ROWS: Final = 12
_BAR_WIDTH: Final = 24


class Display(Protocol):
    """What the loop tells about its progress."""

    def begin(self, title: str, steps: int | None) -> None:
        """Start a pass over data: ``"Epoch 1/10"`` of so many steps, if known."""
        ...

    def due(self) -> bool:
        """Tell whether :meth:`advance` should be called now."""
        ...

    def advance(self, done: int, logs: Numbers) -> None:
        """Show that ``done`` steps are finished, and the means so far."""
        ...

    def end(self, logs: Numbers, done: int | None = None) -> None:
        """Show the numbers of a finished pass, of ``done`` steps if that is new."""
        ...

    def close(self) -> None:
        """Leave the screen in order; called whatever ended training."""
        ...


class Silent:
    """Shows nothing."""

    def begin(self, title: str, steps: int | None) -> None:
        """Show nothing."""

    def due(self) -> bool:
        """Never."""
        return False

    def advance(self, done: int, logs: Numbers) -> None:
        """Show nothing."""

    def end(self, logs: Numbers, done: int | None = None) -> None:
        """Show nothing."""

    def close(self) -> None:
        """Do nothing."""


class _Timed:
    """What the displays have in common: the title, the steps and a watch."""

    def __init__(self, clock: Clock = time.perf_counter) -> None:
        self._clock = clock
        self._title = ""
        self._steps = 0
        self._known = True
        self._began = self._shown = clock()

    def begin(self, title: str, steps: int | None) -> None:
        """Start a pass over data."""
        self._title = title
        self._known = steps is not None
        self._steps = steps or 0
        self._began = self._shown = self._clock()

    def due(self) -> bool:
        """Tell whether the last update is long enough ago."""
        return self._clock() - self._shown >= UPDATE_INTERVAL

    def _count(self, done: int | None) -> None:
        """Take the steps so far for all steps, while nobody knows how many come."""
        if not self._known and done is not None:
            self._steps = done

    def _timing(self, done: int) -> str:
        """Return the time since the start, and for each step."""
        seconds = self._clock() - self._began
        if not done:
            return duration(seconds)
        return f"{duration(seconds)} {per_step(seconds / done)}"

    def close(self) -> None:
        """Do nothing."""


class PlainLines(_Timed):
    """Writes one line at the end of each pass."""

    def due(self) -> bool:
        """Never: a line is written only when it is final."""
        return False

    def advance(self, done: int, logs: Numbers) -> None:
        """Show nothing."""

    def end(self, logs: Numbers, done: int | None = None) -> None:
        """Write the line."""
        self._count(done)
        steps = f"{self._steps} step" + ("s" if self._steps != 1 else "")
        parts = [self._title, steps, self._timing(self._steps), *named_numbers(logs)]
        print(" - ".join(parts), flush=True)


class TerminalBar(_Timed):
    """Draws a bar that moves, and leaves one line for each pass behind.

    Parameters
    ----------
    keep
        Leave the finished line on the screen.
    console
        A ``rich.console.Console``, that of standard output by default.
    """

    def __init__(
        self,
        clock: Clock = time.perf_counter,
        *,
        keep: bool = True,
        console: Any = None,
    ) -> None:
        super().__init__(clock)
        self._keep = keep
        self._console = console
        # Made by the first update: passes shorter than that need no moving bar.
        self._live: Any = None

    def advance(self, done: int, logs: Numbers) -> None:
        """Move the bar."""
        from rich.live import Live

        self._count(done)
        self._shown = self._clock()
        if self._live is None:
            self._live = Live(
                console=self._rich_console(),
                auto_refresh=False,
                transient=not self._keep,
            )
            self._live.start()
        self._live.update(self._row(done, logs), refresh=True)

    def end(self, logs: Numbers, done: int | None = None) -> None:
        """Leave the finished line behind."""
        self._count(done)
        row = self._row(self._steps, logs)
        if self._live is not None:
            self._live.update(row, refresh=True)
            self.close()
        elif self._keep:
            self._rich_console().print(row)

    def close(self) -> None:
        """Stop drawing and show the cursor again."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _rich_console(self) -> Any:
        if self._console is None:
            from rich.console import Console

            self._console = Console(highlight=False)
        return self._console

    def _row(self, done: int, logs: Numbers) -> Any:
        """Return the line, or two where the numbers do not fit beside the bar."""
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        width = len(str(self._steps))
        count = f"{done:>{width}}/{self._steps}"
        timing = self._timing(done)
        numbers = "  ".join(named_numbers(logs))
        row = Table.grid(padding=(0, 1))
        row.add_row(
            Text(self._title, no_wrap=True),
            ProgressBar(total=self._steps, completed=done, width=_BAR_WIDTH),
            Text(count, no_wrap=True),
            Text(timing, style="dim", no_wrap=True),
        )
        taken = len(self._title) + _BAR_WIDTH + len(count) + len(timing) + 4
        if taken + len(numbers) > self._rich_console().width:
            return Group(row, Text("  " + numbers)) if numbers else row
        line = Table.grid(padding=(0, 1))
        line.add_row(row, Text(numbers, no_wrap=True))
        return line


class NotebookTable(_Timed):
    """Keeps one HTML cell: a bar for the pass that runs, a row for each finished one.

    Parameters
    ----------
    show
        ``show(html)`` makes the cell and returns the function that replaces its
        content; IPython's by default.
    """

    def __init__(
        self,
        clock: Clock = time.perf_counter,
        show: Callable[[str], Callable[[str], None]] | None = None,
    ) -> None:
        super().__init__(clock)
        self._show = show or _ipython_cell
        self._replace: Callable[[str], None] | None = None
        self._rows: list[tuple[str, str, Numbers]] = []

    def advance(self, done: int, logs: Numbers) -> None:
        """Move the bar."""
        self._count(done)
        self._shown = self._clock()
        self._draw((self._title, self._timing(done), logs), done)

    def end(self, logs: Numbers, done: int | None = None) -> None:
        """Add a row to the table."""
        self._count(done)
        self._rows.append((self._title, self._timing(self._steps), dict(logs)))
        self._draw(None, self._steps)

    def _draw(self, current: tuple[str, str, Numbers] | None, done: int) -> None:
        content = self._content(current, done)
        if self._replace is None:
            self._replace = self._show(content)
        else:
            self._replace(content)

    def _content(self, current: tuple[str, str, Numbers] | None, done: int) -> str:
        shown = self._rows[-_NOTEBOOK_ROWS:]
        if current is not None:
            shown = [*shown, current]
        names = list(dict.fromkeys(name for _, _, logs in shown for name in logs))
        head = "".join(f"<th>{html.escape(one)}</th>" for one in ("", "time", *names))
        body = "".join(_table_row(row, names) for row in shown)
        bar = f"<progress max='{self._steps}' value='{done}'></progress>"
        hidden = len(self._rows) - _NOTEBOOK_ROWS
        note = f"<p>{hidden} earlier rows are not shown</p>" if hidden > 0 else ""
        return (
            f"<div>{bar} {done}/{self._steps}{note}"
            f"<table><tr>{head}</tr>{body}</table></div>"
        )


def _table_row(row: tuple[str, str, Numbers], names: list[str]) -> str:
    title, timing, logs = row
    numbers = [number(logs[name]) if name in logs else "" for name in names]
    return (
        "<tr>"
        + "".join(f"<td>{html.escape(one)}</td>" for one in (title, timing, *numbers))
        + "</tr>"
    )


def _ipython_cell(content: str) -> Callable[[str], None]:
    """Show HTML below the running cell and return the function that replaces it."""
    from IPython.display import HTML, display

    handle = display(HTML(content), display_id=True)
    return lambda newer: handle.update(HTML(newer))


# --- choosing -----------------------------------------------------------------------


def display_for(verbose: int | str, *, quiet_elsewhere: bool = False) -> Display:
    """Return the display for ``verbose`` and for where output goes.

    Parameters
    ----------
    verbose
        0 nothing, 1 a bar, 2 one line a pass, "auto" a bar.  Where there is no
        terminal and no notebook, a bar becomes one line a pass.
    quiet_elsewhere
        With "auto": write no line where a bar is impossible, and leave none behind
        where it is; for ``predict``, which has no numbers to tell.
    """
    if verbose == 0 or base.process_index > 0:  # one process tells for all
        return Silent()
    quiet = quiet_elsewhere and verbose == "auto"
    if verbose != 2:
        if in_notebook():
            return NotebookTable()
        if on_terminal():
            return TerminalBar(keep=not quiet)
    return Silent() if quiet else PlainLines()


def in_notebook() -> bool:
    """Tell whether the program runs in a Jupyter notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return type(shell).__name__ == "ZMQInteractiveShell"


def on_terminal() -> bool:
    """Tell whether standard output is a terminal that can move its cursor."""
    stream = sys.stdout
    is_terminal = getattr(stream, "isatty", None)
    if is_terminal is None or not is_terminal():
        return False
    return os.environ.get("TERM", "") not in ("dumb", "unknown")


# --- words for numbers --------------------------------------------------------------


def duration(seconds: float) -> str:
    """Return a time as people say it: ``1.3s``, ``2m05s``, ``1h02m``.

    >>> duration(1.26), duration(125), duration(3720)
    ('1.3s', '2m05s', '1h02m')
    """
    if seconds < 59.95:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02}m"


def per_step(seconds: float) -> str:
    """Return the time of one step: ``38us/step``, ``3.1ms/step``, ``1.2s/step``.

    >>> per_step(0.0031), per_step(0.000038)
    ('3.1ms/step', '38us/step')
    """
    if seconds >= 1:
        return f"{seconds:.1f}s/step"
    if seconds >= 1e-3:
        milliseconds = seconds * 1e3
        return f"{milliseconds:.{1 if milliseconds < 10 else 0}f}ms/step"
    return f"{seconds * 1e6:.0f}us/step"


def number(value: float) -> str:
    """Return a loss or a metric with four digits.

    >>> number(0.97031), number(0.00012345), number(0)
    ('0.9703', '1.2345e-04', '0.0000')
    """
    try:
        small = 0 < abs(value) < 1e-3
        return f"{value:.4e}" if small else f"{value:.4f}"
    except (TypeError, ValueError):
        return str(value)


def named_numbers(logs: Numbers) -> list[str]:
    """Return ``["loss: 0.1203", ...]``."""
    return [f"{name}: {number(value)}" for name, value in logs.items()]
