"""What is shown on a terminal, in a notebook, in a file, and when."""

from __future__ import annotations

import io
import re
import sys
import types

import pytest
from rich.console import Console

from nervure.callbacks import LambdaCallback
from nervure.train import progress
from nervure.train.progress import (
    NotebookTable,
    PlainLines,
    Silent,
    TerminalBar,
    display_for,
    duration,
    number,
    per_step,
)
from tests.train.builders import classifier, line, regressor, three_classes


class Watch:
    """A clock that moves when told to."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


# --- words ----------------------------------------------------------------------------


def test_durations():
    assert [duration(one) for one in (0, 0.04, 59.9, 59.96, 61, 3599.6, 3661)] == [
        "0.0s",
        "0.0s",
        "59.9s",
        "1m00s",
        "1m01s",
        "1h00m",
        "1h01m",
    ]


def test_times_of_steps():
    assert [per_step(one) for one in (2.5, 0.5, 0.012, 0.0012, 3e-5)] == [
        "2.5s/step",
        "500ms/step",
        "12ms/step",
        "1.2ms/step",
        "30us/step",
    ]


def test_numbers():
    given = (0.5, 0.0, 1e-3, 9e-4, -1e-5, 12345.678, float("nan"), float("inf"))
    assert [number(one) for one in given] == [
        "0.5000",
        "0.0000",
        "0.0010",
        "9.0000e-04",
        "-1.0000e-05",
        "12345.6780",
        "nan",
        "inf",
    ]
    assert number("on") == "on"


# --- plain lines ----------------------------------------------------------------------


def test_one_plain_line_an_epoch(capsys):
    watch = Watch()
    lines = PlainLines(watch)
    lines.begin("Epoch  1/10", 422)
    watch.now += 1.3
    assert not lines.due()
    lines.end({"accuracy": 0.8812, "loss": 0.4311})
    assert capsys.readouterr().out == (
        "Epoch  1/10 - 422 steps - 1.3s 3.1ms/step - accuracy: 0.8812 - loss: 0.4311\n"
    )


def test_fit_into_a_file_writes_no_control_characters(capsys):
    x, y = three_classes()
    model = classifier(metrics=["accuracy"])
    model.fit(x, y, epochs=2, batch_size=8, validation_split=0.25)
    output = capsys.readouterr().out
    pattern = (
        r"Epoch 1/2 - 3 steps - \S+ \S+/step - accuracy: [\d.]+ - loss: [\d.]+ - "
        r"val_accuracy: [\d.]+ - val_loss: [\d.]+\nEpoch 2/2 - .*\n"
    )
    assert re.fullmatch(pattern, output)


def test_evaluate_writes_a_line_and_predict_does_not(capsys):
    x, y = line(8)
    model = regressor()
    model.evaluate(x, y, batch_size=4)
    assert re.fullmatch(
        r"Evaluation - 2 steps - \S+ \S+/step - loss: [\d.]+\n", capsys.readouterr().out
    )
    model.predict(x, batch_size=4)
    assert capsys.readouterr().out == ""
    model.predict(x, batch_size=4, verbose=1)
    assert capsys.readouterr().out.startswith("Prediction - 2 steps - ")


def test_silence(capsys):
    x, y = line(8)
    model = regressor()
    model.fit(x, y, verbose=0)
    model.evaluate(x, y, verbose=0)
    model.predict(x, verbose=0)
    assert capsys.readouterr() == ("", "")


# --- a terminal -----------------------------------------------------------------------


def terminal(width=120):
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=width, highlight=False)
    return stream, console


def visible(stream):
    """Return what was written, without control sequences."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue())


def test_the_bar_of_a_terminal_moves_and_leaves_one_line():
    stream, console = terminal()
    watch = Watch()
    bar = TerminalBar(watch, console=console)
    bar.begin("Epoch 1/2", 50)
    assert not bar.due()
    watch.now += 0.2
    assert bar.due()
    bar.advance(10, {"loss": 0.5})
    assert not bar.due()
    watch.now += 0.8
    bar.end({"loss": 0.25, "val_loss": 0.3})
    shown = visible(stream)
    assert "10/50 0.2s 20ms/step loss: 0.5000" in shown
    assert "50/50 1.0s 20ms/step loss: 0.2500  val_loss: 0.3000" in shown
    assert "\x1b[?25h" in stream.getvalue()  # the cursor is shown again


def test_a_short_pass_writes_its_line_once_without_moving():
    stream, console = terminal()
    bar = TerminalBar(Watch(), console=console)
    bar.begin("Epoch 1/1", 5)
    bar.end({"loss": 0.25})
    assert visible(stream).count("\n") == 1
    assert "5/5 0.0s 0us/step loss: 0.2500" in visible(stream)
    assert "\x1b[?25l" not in stream.getvalue()


def test_numbers_that_do_not_fit_go_to_a_second_line():
    stream, console = terminal(width=80)
    bar = TerminalBar(Watch(), console=console)
    bar.begin("Epoch 10/10", 422)
    bar.end({"accuracy": 0.97, "loss": 0.1, "val_accuracy": 0.96, "val_loss": 0.12})
    lines = visible(stream).splitlines()
    assert len(lines) == 2
    assert lines[1].strip() == (
        "accuracy: 0.9700  loss: 0.1000  val_accuracy: 0.9600  val_loss: 0.1200"
    )
    assert max(map(len, lines)) <= 80


def test_an_interrupted_bar_shows_the_cursor_again():
    stream, console = terminal()
    watch = Watch()
    bar = TerminalBar(watch, console=console)
    bar.begin("Epoch 1/1", 5)
    watch.now += 1
    bar.advance(1, {"loss": 1.0})
    bar.close()
    bar.close()
    assert stream.getvalue().count("\x1b[?25h") == 1


def test_a_bar_that_is_not_kept_leaves_nothing():
    stream, console = terminal()
    bar = TerminalBar(Watch(), keep=False, console=console)
    bar.begin("Prediction", 5)
    bar.end({})
    assert stream.getvalue() == ""


def test_fit_on_a_terminal_updates_about_ten_times_a_second(monkeypatch):
    stream, console = terminal()
    watch = Watch()
    bar = TerminalBar(watch, console=console)
    monkeypatch.setattr("nervure.train.loop.display_for", lambda *_, **__: bar)

    def tick(batch, logs):
        watch.now += 0.04

    x, y = line(40)
    ticking = LambdaCallback(on_train_batch_begin=tick)
    regressor().fit(x, y, batch_size=1, callbacks=[ticking])
    shown = re.findall(r"(\d+)/40", visible(stream))
    assert list(dict.fromkeys(shown)) == [str(one) for one in range(3, 40, 3)] + ["40"]


# --- a notebook -----------------------------------------------------------------------


def test_a_notebook_gets_one_cell_that_is_replaced():
    cells = []

    def show(content):
        cells.append([content])
        return cells[-1].append

    watch = Watch()
    table = NotebookTable(watch, show)
    table.begin("Epoch 1/2", 10)
    watch.now += 0.5
    table.advance(5, {"loss": 0.5})
    table.end({"loss": 0.4, "a<b": 1.0})
    table.begin("Epoch 2/2", 10)
    table.end({"loss": 0.3})
    table.close()
    assert len(cells) == 1
    first, *_, last = cells[0]
    assert "<progress max='10' value='5'></progress> 5/10" in first
    assert "<td>Epoch 1/2</td><td>0.5s 100ms/step</td><td>0.5000</td>" in first
    assert "<th>loss</th><th>a&lt;b</th>" in last
    assert last.count("<tr>") == 3
    assert "<td>0.4000</td><td>1.0000</td>" in last


def test_a_notebook_shows_the_last_epochs_only():
    contents = []
    table = NotebookTable(Watch(), lambda content: contents.append)
    for epoch in range(100):
        table.begin(f"Epoch {epoch + 1}/100", 1)
        table.end({"loss": 0.5})
    assert contents[-1].count("<tr>") == 13
    assert "88 earlier rows are not shown" in contents[-1]


# --- choosing -------------------------------------------------------------------------


class TerminalStream(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def in_notebook(monkeypatch):
    shell = type("ZMQInteractiveShell", (), {})()
    module = types.SimpleNamespace(get_ipython=lambda: shell)
    monkeypatch.setitem(sys.modules, "IPython", module)


def test_elsewhere_lines_are_written():
    assert isinstance(display_for("auto"), PlainLines)
    assert isinstance(display_for(1), PlainLines)
    assert isinstance(display_for(2), PlainLines)
    assert isinstance(display_for(0), Silent)
    assert isinstance(display_for("auto", quiet_elsewhere=True), Silent)
    assert isinstance(display_for(1, quiet_elsewhere=True), PlainLines)


def test_on_a_terminal_a_bar_is_drawn(monkeypatch):
    monkeypatch.setattr(sys, "stdout", TerminalStream())
    monkeypatch.setenv("TERM", "xterm-256color")
    assert isinstance(display_for("auto"), TerminalBar)
    assert isinstance(display_for(1), TerminalBar)
    assert isinstance(display_for(2), PlainLines)
    assert isinstance(display_for(0), Silent)
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(display_for(1), PlainLines)


@pytest.mark.usefixtures("in_notebook")
def test_in_a_notebook_a_cell_is_shown():
    assert isinstance(display_for("auto"), NotebookTable)
    assert isinstance(display_for(2), PlainLines)


def test_a_shell_of_ipython_is_no_notebook(monkeypatch):
    shell = type("TerminalInteractiveShell", (), {})()
    module = types.SimpleNamespace(get_ipython=lambda: shell)
    monkeypatch.setitem(sys.modules, "IPython", module)
    assert not progress.in_notebook()
