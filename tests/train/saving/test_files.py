"""What is written is what is read, to the last bit."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

import nervure as nv
from nervure.callbacks import Callback, ModelCheckpoint
from nervure.errors import (
    ArgumentError,
    FileFormatError,
    NotBuiltError,
    UnknownNameError,
)
from nervure.layers import Activation, Dense, Dropout, Flatten, Input, Layer, Reshape
from nervure.models import Model, Sequential, load_model, save_model
from nervure.train.saving import atomic
from tests.train.builders import (
    classifier,
    line,
    regressor,
    same,
    state_of,
    three_classes,
)

GOLDEN = Path(__file__).parent / "golden"


def deep():
    layers = [
        Input((6,)),
        Reshape((3, 2)),
        Sequential([Dense(4, "tanh"), Dropout(0.5)], name="inner"),
        Flatten(),
        Dense(3),
        Activation("softmax"),
    ]
    return Sequential(layers, name="deep")


@pytest.mark.parametrize("executor", ["reference", "cpu"])
@pytest.mark.parametrize("optimizer", ["adam", "sgd", "rmsprop"])
def test_training_goes_on_with_the_same_bits(tmp_path, executor, optimizer):
    with nv.config.override(executor=executor):
        nv.utils.set_random_seed(1)
        x = np.random.default_rng(0).normal(size=(30, 6)).astype("float32")
        y = np.arange(30) % 3
        model = deep()
        model.compile(
            optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"]
        )
        model.fit(x, y, batch_size=7, epochs=2, verbose=0)
        model.save(tmp_path / "m.nv")
        again = load_model(tmp_path / "m.nv")
        assert same(state_of(model), state_of(again))
        results = []
        for one in (model, again):
            nv.random.seed(5)
            history = one.fit(x, y, batch_size=7, epochs=2, verbose=0)
            results.append((history.history, one.evaluate(x, y, verbose=0)))
        assert results[0] == results[1]
        assert same(state_of(model), state_of(again))
        assert [one.name for one in again.layers] == [one.name for one in model.layers]
        assert again.name == "deep"


def test_equal_models_give_equal_files(tmp_path):
    model = regressor("adam")
    model.save(tmp_path / "a.nv")
    save_model(load_model(tmp_path / "a.nv"), tmp_path / "b.nv")
    assert (tmp_path / "a.nv").read_bytes() == (tmp_path / "b.nv").read_bytes()


def test_reading_draws_no_random_number(tmp_path):
    regressor().save(tmp_path / "m.nv")
    nv.random.seed(3)
    expected = nv.random.uniform((3,)).tolist()
    nv.random.seed(3)
    load_model(tmp_path / "m.nv")
    assert nv.random.uniform((3,)).tolist() == expected


def test_models_that_are_not_built_or_not_compiled(tmp_path):
    model = Sequential([Dense(3), Dense(2)])
    model.save(tmp_path / "m.nv")
    again = load_model(tmp_path / "m.nv")
    assert not again.built
    assert not again.compiled
    again.build((None, 5))
    assert again.count_params() == 5 * 3 + 3 + 3 * 2 + 2
    compiled = classifier()
    compiled.save(tmp_path / "c.nv")
    assert not load_model(tmp_path / "c.nv", compile=False).compiled


def test_frozen_layers_and_data_types_stay(tmp_path):
    model = Sequential([Dense(3, input_shape=(2,)), Dense(2, dtype="float64")])
    model.layers[0].trainable = False
    model.save(tmp_path / "m.nv")
    again = load_model(tmp_path / "m.nv")
    assert [one.trainable for one in again.layers] == [False, True]
    assert [one.dtype.name for one in again.weights] == ["float32"] * 2 + [
        "float64"
    ] * 2
    assert same(model.get_weights(), again.get_weights())


# --- classes and functions of the user's own ----------------------------------------


class Scale(Layer):
    def __init__(self, start=1.0, **options):
        super().__init__(**options)
        self.start = start

    def build(self, input_shape):
        self.factor = self.add_weight((input_shape[-1],), "ones", name="factor")

    def call(self, inputs):
        return inputs * self.factor * self.start


class Net(Model):
    def __init__(self, units, **options):
        super().__init__(**options)
        self.units = units
        self.hidden = Dense(units, "relu")
        self.top = Dense(1)

    def call(self, inputs):
        return self.top(self.hidden(inputs))


def own_loss(y_true, y_pred):
    return nv.mean((y_true - y_pred) ** 2, axis=-1) * 2


def test_custom_objects(tmp_path):
    x, y = line()
    model = Sequential([Scale(2.0, input_shape=(2,)), Dense(1)])
    model.compile("sgd", own_loss, metrics=["mae", own_loss])
    model.fit(x, y, verbose=0)
    model.save(tmp_path / "m.nv")
    with pytest.raises(UnknownNameError, match="custom_objects"):
        load_model(tmp_path / "m.nv")
    with pytest.raises(UnknownNameError, match="own_loss"):
        load_model(tmp_path / "m.nv", {"Scale": Scale})
    again = load_model(tmp_path / "m.nv", {"Scale": Scale, "own_loss": own_loss})
    assert again.layers[0].start == 2.0
    assert again.evaluate(x, y, verbose=0) == model.evaluate(x, y, verbose=0)


def test_a_model_class_of_ones_own(tmp_path):
    x, y = line()
    model = Net(5)
    model.compile("adam", "mse")
    model.fit(x, y, verbose=0)
    model.save(tmp_path / "m.nv")
    again = load_model(tmp_path / "m.nv", {"Net": Net})
    assert again.units == 5
    np.testing.assert_array_equal(
        again.predict(x, verbose=0), model.predict(x, verbose=0)
    )
    assert same(state_of(model), state_of(again))


def test_a_function_that_no_file_can_hold(tmp_path):
    model = Sequential([Dense(2, activation=lambda x: x * 2, input_shape=(3,))])
    with pytest.raises(ArgumentError, match="cannot be saved"):
        model.save(tmp_path / "m.nv")
    assert os.listdir(tmp_path) == []


def graph():
    first, second = Input((4,), name="first"), Input((3,), name="second")
    shared = Dense(3, activation="relu", name="shared")
    one = shared(first) * 2.0 + second
    other = shared(Dense(4)(second))
    return Model([first, second], {"sum": Dense(1)(one), "class": Dense(2)(other)})


def test_a_graph_of_layers(tmp_path):
    nv.utils.set_random_seed(1)
    generator = np.random.default_rng(0)
    x = [generator.normal(size=(20, size)).astype("float32") for size in (4, 3)]
    y = {"sum": x[0][:, :1], "class": x[1][:, :2]}
    model = graph()
    model.compile("adam", {"sum": "mse", "class": "mae"}, loss_weights={"sum": 2.0})
    model.fit(x, y, batch_size=5, verbose=0)
    model.save(tmp_path / "m.nv")
    again = load_model(tmp_path / "m.nv")
    assert same(state_of(model), state_of(again))
    histories = []
    for one in (model, again):
        nv.random.seed(2)
        histories.append(one.fit(x, y, batch_size=5, epochs=2, verbose=0).history)
    assert histories[0] == histories[1]
    found, expected = again.predict(x, verbose=0), model.predict(x, verbose=0)
    for name in ("sum", "class"):
        np.testing.assert_array_equal(found[name], expected[name])
    assert same(state_of(model), state_of(again))


# --- weights ------------------------------------------------------------------------


def test_weights_alone(tmp_path):
    one, other = classifier(), classifier()
    one.save_weights(tmp_path / "m.weights.nv")
    assert not same(one.get_weights(), other.get_weights())
    other.load_weights(tmp_path / "m.weights.nv")
    assert same(one.get_weights(), other.get_weights())
    one.save(tmp_path / "m.nv")
    third = classifier()
    third.load_weights(tmp_path / "m.nv")
    assert same(one.get_weights(), third.get_weights())


def test_weights_of_another_model_change_nothing(tmp_path):
    classifier().save_weights(tmp_path / "m.weights.nv")
    for model in (classifier(features=5), classifier(units=4), regressor()):
        before = model.get_weights()
        with pytest.raises(FileFormatError, match="of the model is|the model has"):
            model.load_weights(tmp_path / "m.weights.nv")
        assert same(model.get_weights(), before)
    with pytest.raises(FileFormatError, match="holds a 'weights'"):
        load_model(tmp_path / "m.weights.nv")
    with pytest.raises(NotBuiltError):
        Sequential([Dense(3)]).load_weights(tmp_path / "m.weights.nv")
    with pytest.raises(NotBuiltError):
        Sequential([Dense(3)]).save_weights(tmp_path / "n.weights.nv")


# --- the file -----------------------------------------------------------------------


def test_paths(tmp_path):
    model = regressor()
    for name in ("m", "m.keras", "m.h5", "m.zip", ".nv"):
        with pytest.raises(ArgumentError, match="must end in"):
            model.save(tmp_path / name)
    with pytest.raises(ArgumentError, match="must end in"):
        model.save_weights(tmp_path / "m.nv")
    model.save(str(tmp_path / "m.nv"))
    with pytest.raises(ArgumentError, match="there already"):
        model.save(tmp_path / "m.nv", overwrite=False)
    with pytest.raises(FileNotFoundError):
        load_model(tmp_path / "none.nv")
    with pytest.raises(FileNotFoundError):
        load_model(tmp_path / "none.keras")
    with pytest.raises(FileNotFoundError):
        model.save(tmp_path / "no folder" / "m.nv")


@pytest.mark.parametrize("ending", ["pt", "pth", "bin", "ckpt", "pkl"])
def test_pickles_are_refused_and_the_way_out_is_named(ending, tmp_path):
    path = tmp_path / f"state.{ending}"
    path.write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    model = Sequential([Dense(2, input_shape=(3,))])
    before = model.get_weights()
    for read in (load_model, model.load_weights):
        with pytest.raises(ArgumentError, match=r"is a pickle.*\n.*save_file"):
            read(path)
    same(before, model.get_weights())


def test_a_crash_while_writing_leaves_the_old_file(tmp_path, monkeypatch):
    model = regressor()
    model.save(tmp_path / "m.nv")
    before = (tmp_path / "m.nv").read_bytes()

    def fail(handle):
        raise OSError("the disk is full")

    monkeypatch.setattr(atomic.os, "fsync", fail)
    model.set_weights([one + 1 for one in model.get_weights()])
    with pytest.raises(OSError, match="full"):
        model.save(tmp_path / "m.nv")
    assert (tmp_path / "m.nv").read_bytes() == before
    assert os.listdir(tmp_path) == ["m.nv"]


def test_others_can_read_it(tmp_path):
    from safetensors.numpy import load

    model = regressor()
    model.save(tmp_path / "m.nv")
    with zipfile.ZipFile(tmp_path / "m.nv") as archive:
        arrays = load(archive.read("variables.safetensors"))
        described = json.loads(archive.read("model.json"))
    kernel, bias = model.get_weights()
    name = model.layers[0].name
    np.testing.assert_array_equal(arrays[f"weights/0000/line/{name}/kernel"], kernel)
    np.testing.assert_array_equal(arrays[f"weights/0001/line/{name}/bias"], bias)
    assert described["model"]["class_name"] == "Sequential"


@pytest.mark.parametrize(
    "path", sorted(GOLDEN.glob("version?.nv")), ids=lambda p: p.stem
)
def test_every_version_of_the_format_is_read(path):
    expected = json.loads(path.with_suffix(".json").read_text())
    x, y = np.array(expected["x"], "float32"), np.array(expected["y"])
    model = load_model(path)
    np.testing.assert_allclose(
        model.predict(x, verbose=0), expected["predicted"], rtol=1e-5
    )
    before = model.get_weights()
    model.fit(x, y, batch_size=4, epochs=1, shuffle=False, verbose=0)
    np.testing.assert_allclose(
        model.predict(x, verbose=0),
        expected["predicted_after_another_epoch"],
        rtol=1e-5,
    )
    model.load_weights(path.with_suffix(".weights.nv"))
    assert same(model.get_weights(), before)


# --- checkpoints --------------------------------------------------------------------


class Values(Callback):
    def __init__(self, values):
        self.values = values

    def on_epoch_end(self, epoch, logs=None):
        logs["val_loss"] = self.values[epoch]


def test_a_checkpoint_for_each_epoch(tmp_path):
    x, y = line()
    path = tmp_path / "new" / "m-{epoch:02d}-{loss:.3f}.nv"
    model = regressor()
    history = model.fit(
        x, y, epochs=3, verbose=0, callbacks=[ModelCheckpoint(path)]
    ).history
    names = [f"m-{i + 1:02d}-{value:.3f}.nv" for i, value in enumerate(history["loss"])]
    assert sorted(os.listdir(tmp_path / "new")) == names
    last = load_model(tmp_path / "new" / names[-1])
    assert same(state_of(last), state_of(model))


def test_only_the_best_is_kept(tmp_path, capsys):
    x, y = line()
    seen = []

    class Look(Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.append(self.model.get_weights())

    path = tmp_path / "b.weights.nv"
    best = ModelCheckpoint(
        path,
        save_best_only=True,
        save_weights_only=True,
        verbose=1,
    )
    values = Values([3.0, 1.0, 2.0, 1.5])
    model = regressor()
    model.fit(x, y, epochs=4, verbose=0, callbacks=[values, best, Look()])
    model.load_weights(path)
    assert same(model.get_weights(), seen[1])
    assert best.best == 1.0
    assert capsys.readouterr().out.count("written to") == 2
    none = ModelCheckpoint(
        tmp_path / "n.nv", save_best_only=True, initial_value_threshold=0.5
    )
    model.fit(x, y, epochs=4, verbose=0, callbacks=[values, none])
    assert not (tmp_path / "n.nv").exists()


def test_a_checkpoint_every_so_many_batches(tmp_path):
    x, y = three_classes(20)
    path = tmp_path / "{epoch}-{batch}.nv"
    classifier().fit(
        x, y, batch_size=4, epochs=2, verbose=0,
        callbacks=[ModelCheckpoint(path, save_freq=3)],
    )  # fmt: skip
    assert sorted(os.listdir(tmp_path)) == ["1-3.nv", "2-1.nv", "2-4.nv"]


def test_arguments_of_checkpoints(tmp_path):
    for name, options in (
        ("m.keras", {}),
        ("m", {}),
        ("m.nv", {"save_weights_only": True}),
        ("m.nv", {"save_freq": 0}),
        ("m.nv", {"mode": "best"}),
        ("m.nv", {"initial_value_threshold": "low"}),
    ):
        with pytest.raises(ArgumentError):
            ModelCheckpoint(name, **options)
    x, y = line()
    bad = ModelCheckpoint(tmp_path / "{accuracy}.nv")
    with pytest.raises(ArgumentError, match="it may use"):
        regressor().fit(x, y, verbose=0, callbacks=[bad])
