"""Runs as the page gets them, and the callback that writes them."""

from __future__ import annotations

import numpy as np
import pytest

import nervure as nv
from nervure.errors import ArgumentError
from nervure.studio.inspector.answers import Answers
from nervure.studio.inspector.pictures import as_bytes, picture_shape
from nervure.studio.inspector.subject import DefaultModel, GivenModel, lecture_network
from nervure.studio.opening import read_subject
from nervure.studio.programs import Programs
from nervure.studio.runs import Runs
from nervure.tblog import EventWriter


def network(activation="relu"):
    layers = [nv.layers.Dense(8, activation, input_shape=(3,)) for _ in range(2)]
    model = nv.models.Sequential([*layers, nv.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


def test_curves_are_thinned_and_keep_both_ends(tmp_path):
    with EventWriter(tmp_path / "long") as writer:
        for step in range(5001):
            writer.add_scalar("loss", step / 2, step)
    (name,) = (run["name"] for run in Runs(tmp_path).listed({})["runs"])
    curve = Runs(tmp_path).scalars({"runs": [name]})["curves"]["loss"]["long"]
    assert curve[0] == [0, 0.0] and curve[-1] == [5000, 2500.0]
    assert 1000 < len(curve) <= 2001


def test_a_file_that_grows_is_read_again(tmp_path):
    runs, writer = Runs(tmp_path), EventWriter(tmp_path)
    for count in (1, 2):
        writer.add_scalar("loss", 1.0, count)
        writer.flush()
        curves = runs.scalars({"runs": ["."]})["curves"]
        assert len(curves["loss"]["."]) == count
    writer.close()


def test_numbers_that_are_not_finite_are_warned_of(tmp_path):
    with EventWriter(tmp_path) as writer:
        writer.add_scalar("loss", 1.0, 0)
        writer.add_scalar("loss", float("nan"), 1)
    answer = Runs(tmp_path).scalars({"runs": ["."]})
    assert answer["curves"]["loss"]["."] == [[0, 1.0], [1, None]]
    assert "not finite" in answer["warnings"][0]["text"]


def test_histograms_keep_all_counts(tmp_path):
    values = np.random.default_rng(0).normal(size=1000)
    with EventWriter(tmp_path) as writer:
        writer.add_histogram("w", values, 3)
        writer.add_histogram("same", np.ones(5), 3)
    found = Runs(tmp_path).details({"run": "."})["histograms"]
    (one,), (same,) = found["w"], found["same"]
    assert sum(one["columns"]) == pytest.approx(1000, rel=0.01)
    assert (one["low"], one["high"]) == pytest.approx((values.min(), values.max()))
    assert sum(same["columns"]) == 5


def test_the_callback_feeds_the_page(tmp_path):
    x = np.random.default_rng(0).normal(size=(64, 3)).astype(np.float32)
    y = x.sum(axis=1, keepdims=True)
    model = network()
    model.layers[0].kernel.assign(np.zeros((3, 8)))  # dead from the start
    board = nv.callbacks.Studio(tmp_path, name="dead", samples=(x, y))
    model.fit(x, y, epochs=2, verbose=0, callbacks=[board])
    runs = Runs(tmp_path)
    answer = runs.scalars({"runs": ["dead/train"]})
    assert len(answer["curves"]["epoch_loss"]["dead/train"]) == 2
    assert any("never active" in one["text"] for one in answer["warnings"])
    tags = runs.details({"run": "dead/train"})["histograms"]
    assert sum(tag.endswith("/gradient") for tag in tags) == 6


def test_gradients_are_those_of_the_loss(tmp_path):
    from nervure.studio.callback import _weight_gradients

    model = nv.models.Sequential([nv.layers.Dense(1, input_shape=(2,))])
    model.compile("sgd", "mse")
    x, y = np.array([[1.0, 2.0], [3.0, -1.0]]), np.array([[1.0], [0.0]])
    found = dict(_weight_gradients(model, x, y))
    errors = x @ model.layers[0].kernel.numpy() - y
    kernel, bias = found.values()
    np.testing.assert_allclose(kernel, x.T @ errors, rtol=1e-5)
    np.testing.assert_allclose(bias, [errors.sum()], rtol=1e-5)


def test_samples_must_be_two():
    with pytest.raises(ArgumentError, match="samples"):
        nv.callbacks.Studio(samples=(1, 2, 3))


def test_subjects_are_models_or_folders(tmp_path):
    path = tmp_path / "model.nv"
    network().save(path)
    assert read_subject(path).name == "model.nv"
    assert read_subject(tmp_path).folder == tmp_path
    with pytest.raises(ArgumentError, match="there is no"):
        read_subject(tmp_path / "none")


def test_the_default_network_is_trained_once(tmp_path):
    first = DefaultModel(tmp_path, rows=640)
    assert not first.state()["ready"]
    trained = first.model()
    assert first.state() == {"ready": True, "progress": 1.0, "error": ""}
    again = DefaultModel(tmp_path, rows=640).model()
    for one, other in zip(trained.get_weights(), again.get_weights()):
        np.testing.assert_array_equal(one, other)


def test_the_inspector_answers_with_the_networks_own_numbers():
    model = lecture_network()
    answers = Answers(GivenModel(model), "mine")
    x = np.random.default_rng(0).integers(0, 256, (28, 28)) / 255
    look = answers.look({"pixels": as_bytes(x)})
    expected = model.predict(x[None, ..., None].astype(np.float32), verbose=0)[0]
    assert look["scores"] == pytest.approx(expected.tolist(), rel=1e-5)
    found = answers.map({"pixels": as_bytes(x), "method": "saliency"})
    assert (found["height"], found["width"]) == (28, 28)
    for wrong in ({"method": "none"}, {"method": "deconvnet", "layer": 3}, {}):
        with pytest.raises(nv.errors.NervureError):
            answers.map({"pixels": as_bytes(x), **wrong})
    with pytest.raises(nv.errors.NervureError):
        answers.look({"pixels": "AAAA"})


def test_networks_that_take_no_pictures_are_refused():
    with pytest.raises(ArgumentError, match="pictures"):
        picture_shape(network())


def test_graphs_of_models_that_are_not_compiled_say_so():
    model = nv.models.Sequential([nv.layers.Dense(1, input_shape=(3,))])
    programs = Programs(lambda: model)
    assert "doctype" in programs.page("predict")
    with pytest.raises(nv.errors.NervureError, match="compile"):
        programs.page("train")


def test_notebooks_get_a_frame_with_the_token():
    frame = nv.playground(height=500)
    assert f'src="{frame.address}"' in frame._repr_html_()
    assert "height: 500px" in frame._repr_html_() and "?token=" in frame.address
    assert nv.playground().address == frame.address  # one server for all cells
    with pytest.raises(ArgumentError, match="height"):
        nv.playground(height=0)
