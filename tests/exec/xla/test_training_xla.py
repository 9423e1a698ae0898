"""Training on the xla executor: as on the cpu executor, and nothing lost on the way."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import nervure as nv
from nervure.config import config
from nervure.errors import ArgumentError, UnknownNameError
from nervure.exec.base import executor_named
from nervure.exec.xla.placement import SingleDevice
from nervure.exec.xla.program import XlaStepProgram, pieces
from nervure.exec.xla.value import XlaValue
from nervure.layers import (
    BatchNormalization,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    MaxPooling2D,
)
from nervure.models import Sequential


def data(rows: int = 320) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    x = random.normal(size=(rows, 20)).astype("float32")
    return x, x[:, :5].argmax(axis=1)


def network(**options: Any) -> Sequential:
    nv.utils.set_random_seed(3)
    model = Sequential(
        [
            Dense(33, activation="relu", input_shape=(20,)),
            BatchNormalization(),
            Dropout(0.3),
            Dense(5, activation="softmax"),
        ]
    )
    model.compile(
        "adam", "sparse_categorical_crossentropy", metrics=["accuracy"], **options
    )
    return model


def fitted(model: Sequential, **options: Any) -> dict[str, list[float]]:
    x, y = data()
    options = {"batch_size": 32, "epochs": 4, "verbose": 0} | options
    return model.fit(x, y, validation_split=0.1, **options).history


def assert_alike(first: Any, second: Any, tolerance: float = 2e-4) -> None:
    for one, other in zip(first, second, strict=True):
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance / 10)


def test_fit_evaluate_and_predict_are_those_of_the_cpu_executor() -> None:
    first = network(executor="cpu")
    histories = [fitted(first)]
    second = network(executor="xla")
    histories.append(fitted(second))
    for name, values in histories[0].items():
        np.testing.assert_allclose(histories[1][name], values, rtol=1e-3)
    assert_alike(first.get_weights(), second.get_weights(), 1e-3)
    x, y = data(50)
    assert_alike(first.evaluate(x, y, verbose=0), second.evaluate(x, y, verbose=0))
    for _ in range(3):  # the short way of predictions one like the other
        assert_alike(first.predict(x, verbose=0), second.predict(x, verbose=0))
    row = x[:1]
    assert_alike(first.predict(row, verbose=0), second.predict(row, verbose=0))
    assert_alike(first.predict(row, verbose=0), second.predict(row, verbose=0))


def test_a_convolutional_network_too() -> None:
    random = np.random.default_rng(1)
    x = random.normal(size=(96, 12, 12, 1)).astype("float32")
    y = (x.mean(axis=(1, 2, 3)) > 0).astype("int64")
    histories = []
    for executor in ("cpu", "xla"):
        nv.utils.set_random_seed(5)
        model = Sequential(
            [
                Conv2D(8, 3, activation="relu", input_shape=(12, 12, 1)),
                MaxPooling2D(),
                Conv2D(8, 3, padding="same", activation="relu"),
                MaxPooling2D(3, strides=2, padding="same"),
                Flatten(),
                Dense(2),
            ]
        )
        loss = nv.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile("sgd", loss, executor=executor)
        histories.append(
            model.fit(x, y, batch_size=16, epochs=3, verbose=0).history["loss"]
        )
    np.testing.assert_allclose(*histories, rtol=1e-4)


def test_the_state_stays_on_the_device() -> None:
    model = network(executor="xla")
    fitted(model, epochs=1)
    held = model.weights[0].stored.held
    assert isinstance(held, XlaValue)
    assert model.weights[0].value.device == "cpu"


def test_nobody_who_holds_an_old_value_sees_it_change() -> None:
    model = network(executor="xla")
    fitted(model, epochs=1)
    kernel = model.weights[0].value
    lazy = kernel * 2.0
    twin = model.weights[2].value
    before = np.array(kernel)
    seen = np.asarray(twin)
    copy = seen.copy()
    fitted(model, epochs=2)
    np.testing.assert_array_equal(np.asarray(kernel), before)
    np.testing.assert_array_equal(np.asarray(lazy), before * 2)
    np.testing.assert_array_equal(seen, copy)
    assert not np.array_equal(model.get_weights()[0], before)


def test_data_that_do_not_fit_are_sent_piece_by_piece(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = network(executor="xla")
    first = fitted(whole)
    monkeypatch.setattr(SingleDevice, "room", lambda self: 10)
    monkeypatch.setattr("nervure.exec.xla.program.BYTES_PER_CALL", 10_000)
    executor_named("xla")._kept.clear()  # type: ignore[attr-defined]
    sent: list[int] = []
    streamed = XlaStepProgram._streamed

    def counted(self: XlaStepProgram, state: Any, *rest: Any) -> Any:
        sent.append(len(self._streamed_step().streamed))
        return streamed(self, state, *rest)

    monkeypatch.setattr(XlaStepProgram, "_streamed", counted)
    model = network(executor="xla")
    assert fitted(model) == first
    assert sent and set(sent) == {2}
    for one, other in zip(model.get_weights(), whole.get_weights()):
        np.testing.assert_array_equal(one, other)


def test_data_that_were_changed_between_two_fits_are_read_again() -> None:
    x, y = data()
    losses = []
    for executor in ("cpu", "xla"):
        own = x.copy()
        model = network(executor=executor)
        model.fit(own, y, batch_size=32, verbose=0)
        own *= -1
        losses.append(model.fit(own, y, batch_size=32, verbose=0).history["loss"])
    np.testing.assert_allclose(*losses, rtol=1e-3)


def test_the_same_run_gives_the_same_bits() -> None:
    runs = []
    for _ in range(2):
        model = network(executor="xla")
        fitted(model)
        runs.append(model.get_weights())
    for one, other in zip(*runs):
        assert one.tobytes() == other.tobytes()


def test_how_many_steps_run_in_one_call_changes_no_bit() -> None:
    model = network(executor="xla")
    first = fitted(model)

    class Watch(nv.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            assert logs is not None

    other = network(executor="xla")
    assert fitted(other, callbacks=[Watch()]) == first
    for one, two in zip(model.get_weights(), other.get_weights()):
        assert one.tobytes() == two.tobytes()


def test_runs_are_cut_into_few_lengths() -> None:
    for steps in (1, 2, 15, 16, 17, 300, 1000):
        found = list(pieces(steps, (16, 256)))
        counts = [count for _, count, _ in found]
        assert [start for start, _, _ in found] == list(np.cumsum([0, *counts])[:-1])
        assert sum(counts) == steps
        assert all(count <= capacity for _, count, capacity in found)


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16", "tf32"])
@pytest.mark.parametrize("executor", ["cpu", "xla"])
def test_precisions(precision: str, executor: str) -> None:
    exact = fitted(network(executor=executor))
    model = network(executor=executor, precision=precision)
    found = fitted(model)
    np.testing.assert_allclose(found["loss"], exact["loss"], rtol=0.05)
    assert all(one.dtype == np.float32 for one in model.get_weights())
    scaled = isinstance(model.optimizer, nv.optimizers.LossScaleOptimizer)
    assert scaled == (precision == "mixed_float16")


def test_a_loss_is_scaled_only_if_wanted() -> None:
    model = network(precision="mixed_float16", auto_scale_loss=False)
    assert isinstance(model.optimizer, nv.optimizers.Adam)


def test_the_program_says_where_tf32_is_allowed() -> None:
    from nervure.exec.xla.rules import Context
    from nervure.exec.xla.rules.contract import product_precision

    assert str(product_precision(Context("gpu"))) == "HIGHEST"
    assert str(product_precision(Context("gpu", tf32=True))) == "DEFAULT"


def test_unknown_executors_and_precisions() -> None:
    with pytest.raises(UnknownNameError, match="unknown executor: 'gpu'"):
        network(executor="gpu")
    with pytest.raises(ArgumentError, match="tf32.*got 'tf16'"):
        network(precision="tf16")


def test_the_setting_chooses_it_for_everything() -> None:
    with config.override(executor="xla"):
        model = network()
        fitted(model, epochs=1)
        assert isinstance(model.weights[0].stored.held, XlaValue)
        value, slope = nv.compile(nv.value_and_grad(lambda x: nv.sum(x**3)))(
            nv.asarray([1.0, 2.0])
        )
        assert (value.item(), slope.tolist()) == (9.0, [3.0, 12.0])
        assert nv.sum(nv.ones(3)).item() == 3.0


def test_nothing_warns() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted(network(executor="xla"), epochs=1)


def test_graphs_that_differ_in_their_data_only_are_compiled_once() -> None:
    executor = executor_named("xla")
    x = nv.asarray([1.0, 2.0])
    codes = set()
    for number in range(3):
        values = nv.asarray(np.full(2, number, np.float32))
        graph = nv.graph(nv.tanh(values) * x)
        program = executor.compile(graph)
        codes.add(id(program._code))
        (result,) = program([])
        np.testing.assert_allclose(result, np.tanh(number) * np.array([1, 2]), 1e-6)
    assert len(codes) == 1
