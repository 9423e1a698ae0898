"""Callbacks that write down how training went."""

from __future__ import annotations

import csv

import numpy as np
import pandas as pd
import pytest

from nervure.callbacks import Callback, CSVLogger, LambdaCallback, ProgbarLogger
from nervure.errors import ArgumentError
from nervure.step import Step
from tests.train.builders import classifier, line, regressor, three_classes


def rows_of(path, separator=","):
    with path.open(newline="") as file:
        return list(csv.reader(file, delimiter=separator))


def test_a_line_for_each_epoch(tmp_path):
    x, y = three_classes()
    path = tmp_path / "log.csv"
    history = classifier(metrics=["accuracy"]).fit(
        x, y, epochs=3, validation_split=0.25, verbose=0, callbacks=[CSVLogger(path)]
    )
    table = pd.read_csv(path)
    assert list(table) == ["epoch", *sorted(history.history)]
    assert table["epoch"].tolist() == [0, 1, 2]
    for name, values in history.history.items():
        np.testing.assert_array_equal(table[name], values)


def test_epochs_without_validation_have_na(tmp_path):
    x, y = line()
    path = tmp_path / "log.csv"
    regressor().fit(
        x, y, epochs=2, validation_split=0.5, validation_freq=2, verbose=0,
        callbacks=[CSVLogger(path, separator=";")],
    )  # fmt: skip
    header, first, second = rows_of(path, ";")
    assert header == ["epoch", "loss", "val_loss"]
    assert first[2] == "NA"
    assert float(second[2]) >= 0


def test_appending_keeps_the_columns(tmp_path):
    x, y = line()
    path = tmp_path / "log.csv"
    log = CSVLogger(path, append=True)
    regressor().fit(x, y, validation_split=0.5, verbose=0, callbacks=[log])
    regressor().fit(x, y, initial_epoch=1, epochs=2, verbose=0, callbacks=[log])
    header, first, second = rows_of(path)
    assert header == ["epoch", "loss", "val_loss"]
    assert first[0] == "0"
    assert second[0] == "1"
    assert second[2] == "NA"
    regressor().fit(x, y, verbose=0, callbacks=[CSVLogger(path)])
    assert len(rows_of(path)) == 2


def test_cells_of_several_numbers_and_text(tmp_path):
    class Add(Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["pair"] = np.array([1, 2])
            logs["word"] = "a, b"

    x, y = line()
    path = tmp_path / "log.csv"
    regressor().fit(x, y, verbose=0, callbacks=[Add(), CSVLogger(path)])
    _, row = rows_of(path)
    assert "[1, 2]" in row
    assert "a, b" in row


def test_a_separator_is_one_character():
    with pytest.raises(ArgumentError, match="one character"):
        CSVLogger("log.csv", separator="; ")


def test_the_bar_is_shown_and_costs_nothing_per_batch(monkeypatch, capsys):
    calls = []
    run = Step.run

    def counting(self, constants, varying):
        calls.append(len(varying[0]))
        return run(self, constants, varying)

    monkeypatch.setattr(Step, "run", counting)
    x, y = line(200)
    regressor().fit(x, y, batch_size=1, verbose=0, callbacks=[ProgbarLogger()])
    assert sum(calls) == 200
    assert len(calls) < 100
    assert "Epoch 1/1" in capsys.readouterr().out


def test_every_method_has_a_function():
    heard = []
    names = [name for name in dir(Callback) if name.startswith("on_")]
    names = [name for name in names if not name.startswith("on_batch")]
    functions = {
        name: lambda *arguments, name=name: heard.append(name) for name in names
    }
    x, y = line()
    model = regressor()
    callback = LambdaCallback(**functions)
    model.fit(x, y, validation_split=0.5, verbose=0, callbacks=[callback])
    model.predict(x, verbose=0, callbacks=[callback])
    assert set(heard) == set(names)
    with pytest.raises(ArgumentError, match="must be a function"):
        LambdaCallback(on_epoch_end=3)
    with pytest.raises(TypeError):
        LambdaCallback(on_epoch=print)
