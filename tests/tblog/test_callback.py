"""The callback: Keras' layout and names, and nothing per batch unless asked for."""

import numpy as np
import pytest

import nervure as nv
from nervure.errors import ArgumentError
from nervure.layers import Conv2D, Dense, Dropout, Flatten, Input
from nervure.models import Sequential
from nervure.tblog import read_run
from nervure.train.callbacks.callback_list import CallbackList

accumulator = pytest.importorskip(
    "tensorboard.backend.event_processing.event_accumulator"
)

R = np.random.default_rng(0)
X = R.normal(size=(40, 6, 6, 1)).astype(np.float32)
Y = R.integers(0, 3, 40)


@pytest.fixture
def model():
    nv.utils.set_random_seed(0)
    one = Sequential(
        [
            Input((6, 6, 1)),
            Conv2D(2, 3, activation="relu", name="conv"),
            Flatten(),
            Dropout(0.5),
            Dense(3, activation="softmax", name="head"),
        ]
    )
    one.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return one


def fit(model, board, **options):
    return model.fit(
        X, Y, batch_size=10, epochs=3, verbose=0, callbacks=[board], **options
    )


def test_the_layout_of_keras(model, tmp_path):
    board = nv.callbacks.TensorBoard(
        tmp_path, histogram_freq=2, write_images=True, write_steps_per_second=True
    )
    history = fit(model, board, validation_data=(X, Y)).history
    assert sorted(one.name for one in tmp_path.iterdir()) == ["train", "validation"]
    train, validation = (
        accumulator.EventAccumulator(str(tmp_path / part), {"histograms": 0}).Reload()
        for part in ("train", "validation")
    )
    assert set(train.Tags()["scalars"]) == {
        "epoch_loss",
        "epoch_accuracy",
        "epoch_learning_rate",
        "epoch_steps_per_second",
    }
    assert set(validation.Tags()["scalars"]) == {
        "epoch_loss",
        "epoch_accuracy",
        "evaluation_loss_vs_iterations",
        "evaluation_accuracy_vs_iterations",
    }
    for run, name in ((train, "loss"), (validation, "val_loss")):
        found = run.Scalars("epoch_loss")
        assert [one.step for one in found] == [0, 1, 2]
        np.testing.assert_allclose([one.value for one in found], history[name],
                                   rtol=1e-6)  # fmt: skip
    steps = [one.step for one in validation.Scalars("evaluation_loss_vs_iterations")]
    assert steps == [4, 8, 12]
    rate = train.Scalars("epoch_learning_rate")[0].value
    assert rate == pytest.approx(0.001)
    histograms = train.Tags()["histograms"]
    assert any("conv/kernel/histogram" in one for one in histograms)
    assert [one.step for one in train.Histograms(histograms[0])] == [0, 2]
    last = next(one for one in histograms if "head" in one and "kernel" in one)
    value = train.Histograms(last)[-1].histogram_value
    kernel = model.get_layer("head").kernel.numpy()
    np.testing.assert_allclose([value.min, value.max], [kernel.min(), kernel.max()])
    assert any("conv/kernel/image" in one for one in train.Tags()["images"])
    graph = {node.name: node for node in train.Graph().node}
    assert any(name == f"{model.name}/conv/conv" and node.op == "conv"
               for name, node in graph.items())  # fmt: skip
    assert f"{model.name}/head/kernel" in graph
    for node in graph.values():
        assert all(one in graph for one in node.input)


def test_update_freq(model, tmp_path):
    fit(model, nv.callbacks.TensorBoard(tmp_path / "each", update_freq="batch"))
    fit(model, nv.callbacks.TensorBoard(tmp_path / "some", update_freq=5))
    each = read_run(tmp_path / "each" / "train").scalars
    some = read_run(tmp_path / "some" / "train").scalars
    assert [one.step for one in each["batch_loss"]] == list(range(12))
    assert [one.step for one in some["batch_loss"]] == [0, 5, 10]
    assert "batch_accuracy" in each and "epoch_loss" in each
    assert not (tmp_path / "each" / "validation").exists()


def test_nothing_per_batch(model, tmp_path):
    silent = CallbackList([nv.callbacks.TensorBoard(tmp_path)], model, {})
    assert not silent.watches_batches("train") and not silent.wants_logs("train")
    assert not silent.watches_batches("test") and not silent.wants_logs("test")
    board = nv.callbacks.TensorBoard(tmp_path, update_freq="batch")
    assert CallbackList([board], model, {}).watches_batches("train")


def test_files_are_closed_when_training_fails(model, tmp_path):
    board = nv.callbacks.TensorBoard(tmp_path, write_graph=False)

    def fail(epoch, logs):
        if epoch == 1:
            raise KeyboardInterrupt

    stop = nv.callbacks.LambdaCallback(on_epoch_end=fail)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y, epochs=3, verbose=0, callbacks=[board, stop])
    assert len(read_run(tmp_path / "train").scalars["epoch_loss"]) == 2
    fit(model, board)  # it can be used again
    assert len(read_run(tmp_path / "train").scalars["epoch_loss"]) == 5


def test_a_model_without_a_known_input_has_no_graph(tmp_path):
    from nervure.models import Model

    class Own(Model):
        def __init__(self):
            super().__init__()
            self.head = Dense(3)

        def call(self, inputs):
            return self.head(nv.reshape(inputs, (inputs.shape[0], -1)))

    own = Own()
    own.compile("sgd", nv.losses.SparseCategoricalCrossentropy(from_logits=True))
    fit(own, nv.callbacks.TensorBoard(tmp_path))
    nodes = read_run(tmp_path / "train").graph
    assert any("dense" in one.name for one in nodes)  # fit has shown the shapes


@pytest.mark.parametrize(
    "options",
    [
        {"update_freq": "sometimes"},
        {"update_freq": 0},
        {"histogram_freq": -1},
        {"histogram_freq": 0.5},
        {"profile_batch": 2},
        {"embeddings_freq": 1},
    ],
)
def test_wrong_arguments(options):
    with pytest.raises(ArgumentError, match="TensorBoard"):
        nv.callbacks.TensorBoard(**options)
