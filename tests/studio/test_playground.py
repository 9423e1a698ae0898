"""The playground without its page: points, networks, frames, scripts, sessions."""

from __future__ import annotations

import os
import queue
import struct
import subprocess
import sys
import time
from dataclasses import asdict, replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nervure.errors import ArgumentError, DataError, NervureError
from nervure.studio.playground import points
from nervure.studio.playground import session as playground_session
from nervure.studio.playground.choices import OPTIMIZERS, Choices, read_choices
from nervure.studio.playground.frames import HEADER, frame
from nervure.studio.playground.named_sets import TITLES, named_set
from nervure.studio.playground.script import script
from nervure.studio.playground.session import Session
from nervure.studio.playground.trainer import MAP_SIDE, Trainer


@pytest.mark.parametrize("name", points.names())
def test_points_lie_on_the_plane_and_repeat(name):
    one, same = (points.dataset(name, noise=0.1, seed=3) for _ in range(2))
    assert one.x.dtype == one.y.dtype == np.float32
    assert one.y.shape == (len(one.x), 1)
    np.testing.assert_array_equal(one.x, same.x)
    assert not np.array_equal(one.x, points.dataset(name, noise=0.1, seed=4).x)
    assert np.abs(one.y).max() <= 1
    if one.problem == "classification":
        assert set(one.y.ravel()) == {-1.0, 1.0}


def test_shapes_without_noise():
    circle = points.dataset("circle")
    distance = np.hypot(*circle.x.T)
    assert (distance[circle.y[:, 0] > 0] <= 2.5).all()
    assert (distance[circle.y[:, 0] < 0] >= 3.5 - 1e-5).all()
    xor = points.dataset("xor")
    assert (np.sign(xor.x.prod(axis=1)) == xor.y[:, 0]).all()
    assert np.abs(xor.x).min() >= 0.3
    plane = points.dataset("plane")
    np.testing.assert_allclose(
        plane.y[:, 0], np.clip(plane.x.sum(axis=1) / 10, -1, 1), atol=1e-5
    )
    spiral = points.dataset("spiral")
    turned = -spiral.x[spiral.y[:, 0] > 0]  # each arm is the other one, turned by half
    other = spiral.x[spiral.y[:, 0] < 0]
    order = [np.lexsort(one.round(3).T) for one in (turned, other)]
    np.testing.assert_allclose(turned[order[0]], other[order[1]], atol=2e-3)
    hills = points.dataset("multigauss")
    near = np.hypot(hills.x[:, 0], hills.x[:, 1] + 2.5) < 0.5
    assert (hills.y[near] > 0.7).all()


@pytest.mark.parametrize("name", TITLES)
def test_sets_of_scikit_learn(name):
    found = named_set(name, noise=0.1, seed=0)
    assert np.abs(found.x).max() <= 5.001
    if found.classes:
        assert set(found.y.ravel()) == set(range(len(found.classes)))
    else:
        assert np.abs(found.y).max() <= 1.001


def test_words_of_a_table_are_classes():
    found = points.of_table("1,2,b\n2,3,c\n3,4,a\n4,5,b\n")
    assert found.classes == ("a", "b", "c") and found.outputs == 3
    # Rows are shuffled; the first input still tells which row it was.
    order = found.x[:, 0].argsort()
    assert found.y[order, 0].tolist() == [1, 2, 0, 1]


@pytest.mark.parametrize(
    "text, reason",
    [
        ("", "three columns"),
        ("1,2\n", "three columns"),
        ("1,2,3\n1,x,3\n", "row 2"),
        ("a,b,c\n1,2,3\n", "at least 4"),
        ("".join(f"{at},{at},w{at}\n" for at in range(11)), "11 different words"),
        ("1,2,1\n1,3,2\n1,4,3\n1,5,4\n", "the same in every row"),
        ("1,nan,1\n2,3,2\n3,4,3\n4,5,4\n", "finite"),
    ],
)
def test_tables_that_are_none_are_refused(text, reason):
    with pytest.raises(DataError, match=reason):
        points.of_table(text)


@given(st.text(max_size=200))
@settings(max_examples=200, deadline=None)
def test_any_text_is_a_table_or_refused(text):
    try:
        found = points.of_table(text)
    except NervureError:
        return
    assert np.isfinite(found.x).all()


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=4,
)


@given(st.dictionaries(st.sampled_from(sorted(asdict(Choices()))), values))
@settings(max_examples=300, deadline=None)
def test_any_choices_are_read_or_refused(data):
    try:
        found = read_choices(data)
    except ArgumentError:
        return
    assert len(found.hidden) <= 6 and found.features


def test_a_frame_holds_what_the_network_answers():
    trainer = Trainer(Choices(hidden=(3, 2), features=("x", "sinY")))
    trainer.train(2)
    picture = frame(trainer, 123.0)
    head = HEADER.unpack_from(picture)
    count = 2 * 3 + 3 + 3 * 2 + 2 + 3
    assert head[:2] == (2, 2) and head[4:9] == (123.0, 60, 20, count, 5)
    view = trainer.look()
    assert head[2:4] == pytest.approx((view.train_loss, view.test_loss))
    assert head[9:] == pytest.approx((view.train_right, view.test_right, 1))
    weights = np.frombuffer(picture, "<f4", head[7], HEADER.size)
    np.testing.assert_array_equal(
        weights[:6], trainer.network.dense[0].kernel.numpy().ravel()
    )
    at = HEADER.size + 4 * head[7]
    shown = np.frombuffer(picture, np.uint8, MAP_SIDE**2, at) / 127.5 - 1
    # The middle of the top left cell, by hand.
    x = np.array([[-5.9, np.sin(5.9)]], np.float64)
    for layer in trainer.network.dense:
        x = np.tanh(x @ layer.kernel.numpy() + layer.bias.numpy())
    assert shown[0] == pytest.approx(x[0, 0], abs=0.01)
    assert len(picture) == at + MAP_SIDE**2 + 5 * 400


def test_a_frame_holds_the_probability_of_each_class():
    trainer = Trainer(Choices(data="sklearn:iris", hidden=(3,)))
    trainer.train(2)
    picture = frame(trainer, 0.0)
    head = HEADER.unpack_from(picture)
    assert head[-1] == 3
    at = HEADER.size + 4 * head[7]
    shown = np.frombuffer(picture, np.uint8, 3 * MAP_SIDE**2, at).reshape(3, -1)
    hidden, last = trainer.network.dense
    x = np.tanh(np.array([[-5.9, 5.9]]) @ hidden.kernel.numpy() + hidden.bias.numpy())
    scores = np.exp(x @ last.kernel.numpy() + last.bias.numpy())[0]
    assert shown[:, 0] / 255 == pytest.approx(scores / scores.sum(), abs=0.01)
    # The part of the points that is right, as the model itself says it.
    rows = slice(0, trainer.train_count)
    answers = trainer.network.model.predict(trainer.points.x[rows], verbose=0)
    right = answers.argmax(axis=1) == trainer.points.y[rows, 0]
    assert head[9] == pytest.approx(right.mean())


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_all_optimizers_learn(optimizer):
    rate = 0.003 if optimizer == "lion" else 0.03
    trainer = Trainer(Choices(data="gauss", optimizer=optimizer, rate=rate))
    before = trainer.look().test_loss
    trainer.train(8)
    assert trainer.look().test_loss < before / 2


def test_penalties_dropout_and_normalization_are_built():
    choices = Choices(penalty="l1", penalty_rate=3.0, dropout=0.2, batch_norm=True)
    trainer = Trainer(replace(choices, data="xor", hidden=(4,)))
    before = np.abs(trainer.network.weights()).sum()
    trainer.train(10)
    assert np.abs(trainer.network.weights()).sum() < before / 2
    kinds = [type(one).__name__ for one in trainer.network.model.layers]
    assert "Dropout" in kinds and "BatchNormalization" in kinds


def test_weights_are_set_one_at_a_time():
    network = Trainer(Choices(hidden=(3,))).network
    network.set_weight(0, 1, 2, 5.0)
    network.set_weight(1, -1, 0, -2.0)
    assert network.dense[0].kernel.numpy()[1, 2] == 5
    assert network.weights()[-1] == -2
    for wrong in ((2, 0, 0), (0, 2, 0), (0, 0, 3), (-1, 0, 0), (0, -2, 0)):
        with pytest.raises(ArgumentError):
            network.set_weight(*wrong, 1.0)


@pytest.mark.parametrize(
    "choices",
    [
        Choices(
            data="sklearn:moons", dropout=0.1, batch_norm=True, optimizer="momentum"
        ),
        Choices(data="plane", problem="regression", penalty="l2", penalty_rate=0.001),
    ],
)
def test_scripts_run(choices, tmp_path):
    file = tmp_path / "playground.py"
    file.write_text(script(choices).replace("epochs=200", "epochs=2"))
    folder = os.fspath(tmp_path)
    run = subprocess.run(
        [sys.executable, file],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        cwd=folder,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("Test loss: 0.")


def test_the_script_trains_the_network_of_the_page():
    choices = Choices(data="spiral", hidden=(6,), features=("x", "y", "sinX"))
    trainer = Trainer(choices)
    trainer.train(3)
    scope: dict = {}
    exec(script(choices).replace("epochs=200", "epochs=3"), scope)
    assert scope["test_loss"] == pytest.approx(trainer.look().test_loss, rel=1e-4)


def playing():
    """Return a session that plays, what it sent, and a function for the next epoch."""
    sent: queue.Queue = queue.Queue()
    session = Session(sent.put)
    session.tell({"type": "configure", "choices": {"data": "gauss"}})
    session.tell({"type": "play"})

    def next_epoch():
        while True:
            found = sent.get(timeout=20)
            if isinstance(found, bytes):
                return struct.unpack_from("<I", found, 4)[0]

    return session, sent, next_epoch


def test_a_session_plays_at_the_speed_of_its_page():
    session, sent, next_epoch = playing()
    assert [next_epoch(), next_epoch(), next_epoch()] == [0, 1, 2]
    time.sleep(0.3)  # the page is busy: nothing may pile up
    assert sent.empty()
    for expected in (3, 4, 5):
        session.tell({"type": "drawn"})
        assert next_epoch() == expected
    session.tell({"type": "rate", "value": 0.5})
    session.tell({"type": "pause"})
    session.close(finish=True)


def test_the_speed_is_that_of_the_clock(monkeypatch):
    """Passes that last 2 and 30 ms in turn: 250 samples in 16 ms."""
    sent: list = []
    session = Session(sent.append)
    session.tell({"type": "configure", "choices": {"data": "gauss"}})
    session.close(finish=True)
    clock = [100.0]
    own_time = SimpleNamespace(perf_counter=lambda: clock[0])
    monkeypatch.setattr(playground_session, "time", own_time)

    def train(epochs):
        assert epochs == 1
        clock[0] += lasting.pop()
        session._trainer.samples += 250

    lasting = [0.002, 0.03] * 100
    monkeypatch.setattr(session._trainer, "train", train)
    session._play({})
    while lasting:
        session._advance()
    (speed,) = struct.unpack_from("<f", sent[-1], 16)
    assert speed == pytest.approx(250 / 0.016, rel=0.05)


def test_a_page_that_missed_a_frame_gets_others(monkeypatch):
    monkeypatch.setattr(playground_session, "_PATIENCE", 0.05)
    session, _, next_epoch = playing()
    assert [next_epoch() for _ in range(9)] == list(range(9))
    session.close(finish=True)


def test_as_many_passes_as_fit_are_made():
    session, _, next_epoch = playing()
    session.tell({"type": "speed", "epochs": 0})
    last, most = 0, 0
    for _ in range(200):
        session.tell({"type": "drawn"})
        epoch = next_epoch()
        last, most = epoch, max(most, epoch - last)
    assert 2 <= most <= 200
    session.close(finish=True)
