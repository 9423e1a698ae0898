"""What `fit` and `evaluate` compute, against plain float64 NumPy."""

from __future__ import annotations

import numpy as np
import pytest

import nervure as nv
from nervure.layers import Dense, Dropout
from nervure.models import Sequential
from nervure.train.shuffle import Order
from tests.train.builders import (
    classifier,
    line,
    regressor,
    same,
    state_of,
    three_classes,
)


class NumpyClassifier:
    """Dense-relu-dense-softmax with cross-entropy and Adam, by hand."""

    def __init__(self, weights):
        self.weights = [np.asarray(one, np.float64) for one in weights]
        self.first = [np.zeros_like(one) for one in self.weights]
        self.second = [np.zeros_like(one) for one in self.weights]
        self.steps = 0

    def output(self, x):
        w1, b1, w2, b2 = self.weights
        hidden = np.maximum(x @ w1 + b1, 0)
        logits = hidden @ w2 + b2
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return hidden, powers / powers.sum(axis=1, keepdims=True)

    def loss(self, x, y, weights):
        _, output = self.output(x)
        values = -np.log(output[np.arange(len(y)), y])
        return (values * weights).mean(), (output.argmax(axis=1) == y).mean()

    def step(self, x, y, weights):
        hidden, output = self.output(x)
        error = output - np.eye(output.shape[1])[y]
        error *= weights[:, None] / len(y)
        below = (error @ self.weights[2].T) * (hidden > 0)
        gradients = [x.T @ below, below.sum(0), hidden.T @ error, error.sum(0)]
        self.steps += 1
        rate = 0.001 * np.sqrt(1 - 0.999**self.steps) / (1 - 0.9**self.steps)
        for place, g in enumerate(gradients):
            self.first[place] += (g - self.first[place]) * 0.1
            self.second[place] += (g * g - self.second[place]) * 0.001
            change = rate * self.first[place] / (np.sqrt(self.second[place]) + 1e-7)
            self.weights[place] = self.weights[place] - change

    def fit(self, x, y, batch_size, epochs, weights=None, orders=None):
        weights = np.ones(len(y)) if weights is None else weights
        history = {"loss": [], "accuracy": []}
        for epoch in range(epochs):
            rows = np.arange(len(y)) if orders is None else orders[epoch]
            losses, hits = [], []
            for start in range(0, len(y), batch_size):
                batch = rows[start : start + batch_size]
                loss, hit = self.loss(x[batch], y[batch], weights[batch])
                losses.append(loss * len(batch))
                hits.append(hit * len(batch))
                self.step(x[batch], y[batch], weights[batch])
            history["loss"].append(sum(losses) / len(y))
            history["accuracy"].append(sum(hits) / len(y))
        return history


@pytest.mark.parametrize("weighting", ["none", "sample", "class", "both"])
def test_numbers_are_those_of_a_plain_loop(weighting):
    # With some first weights all units die, and equal outputs are told apart by chance.
    nv.utils.set_random_seed(1)
    x, y = three_classes(22)  # the last batch of 8 has 6 rows
    sample = np.linspace(0.1, 2.0, 22)
    of_class = {0: 0.5, 2: 3.0}
    weights = np.ones(22)
    options = {}
    if weighting in ("sample", "both"):
        weights = weights * sample
        options["sample_weight"] = sample
    if weighting in ("class", "both"):
        weights = weights * np.array([0.5, 1.0, 3.0])[y]
        options["class_weight"] = of_class
    model = classifier(metrics=["accuracy"])
    plain = NumpyClassifier(model.get_weights())
    history = model.fit(
        x, y, batch_size=8, epochs=5, shuffle=False, verbose=0, **options
    )
    expected = plain.fit(x.astype(np.float64), y, 8, 5, weights)
    assert list(history.history) == ["accuracy", "loss"]
    np.testing.assert_allclose(history.history["loss"], expected["loss"], rtol=2e-6)
    np.testing.assert_allclose(history.history["accuracy"], expected["accuracy"])
    for weight, value in zip(model.get_weights(), plain.weights):
        np.testing.assert_allclose(weight, value, rtol=1e-4, atol=1e-6)


def test_one_hot_targets_give_the_same_as_labels():
    x, y = three_classes()
    histories = []
    for loss, targets in (
        ("sparse_categorical_crossentropy", y),
        ("categorical_crossentropy", nv.utils.to_categorical(y)),
    ):
        nv.utils.set_random_seed(0)
        model = classifier(loss=loss, metrics=["accuracy"])
        histories.append(model.fit(x, targets, epochs=3, verbose=0).history)
    assert histories[0]["accuracy"] == histories[1]["accuracy"]
    np.testing.assert_allclose(histories[0]["loss"], histories[1]["loss"], rtol=1e-6)


def test_shuffled_rows_follow_the_seed():
    x, y = three_classes()
    nv.utils.set_random_seed(11)
    model = classifier(metrics=["accuracy"])
    weights = model.get_weights()
    nv.utils.set_random_seed(12)
    low, high = nv.random.default_generator().next_key().tolist()
    order = Order(len(y), 10, low | high << 32)
    orders = [order.permutation(epoch) for epoch in range(3)]
    assert not np.array_equal(orders[0], orders[1])
    nv.utils.set_random_seed(12)
    history = model.fit(x, y, batch_size=10, epochs=3, verbose=0)
    expected = NumpyClassifier(weights).fit(
        x.astype(np.float64), y, 10, 3, None, orders
    )
    np.testing.assert_allclose(history.history["loss"], expected["loss"], rtol=2e-6)


def test_the_same_seed_gives_the_same_bits():
    x, y = three_classes(50)

    def run():
        nv.utils.set_random_seed(4)
        model = Sequential(
            [
                Dense(16, activation="relu", input_shape=(4,)),
                Dropout(0.3),
                Dense(3, activation="softmax"),
            ]
        )
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        history = model.fit(x, y, batch_size=8, epochs=3, verbose=0)
        return history.history, state_of(model)

    first, second = run(), run()
    assert first[0] == second[0]
    assert same(first[1], second[1])


def test_other_seeds_give_other_orders():
    x, y = three_classes(50)
    model = classifier()
    start = model.get_weights()
    results = []
    for seed in (1, 2):
        nv.utils.set_random_seed(seed)
        model.set_weights(start)
        model.compile("adam", "sparse_categorical_crossentropy")
        model.fit(x, y, batch_size=8, verbose=0)
        results.append(model.get_weights())
    assert not same(*results)


def test_how_many_steps_run_in_a_call_changes_no_bit():
    x, y = three_classes(50)
    results = []
    watcher = nv.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: None)
    for callbacks in ([], [watcher]):
        nv.utils.set_random_seed(9)
        model = classifier(metrics=["accuracy"])
        history = model.fit(
            x, y, batch_size=4, epochs=4, verbose=0, callbacks=callbacks
        )
        results.append((history.history, state_of(model)))
    assert results[0][0] == results[1][0]
    assert same(results[0][1], results[1][1])


def test_the_ragged_last_batch_is_a_second_program_and_no_more():
    x, y = three_classes(22)
    model = classifier()
    model.fit(x, y, batch_size=8, epochs=3, verbose=0)
    model.fit(x, y, batch_size=8, epochs=3, verbose=0)
    assert model._steps[0].train.recompiles.causes == [
        "the training step of 'net' compiled again: the batch changed from int64[8] to "
        "int64[6]"
    ]


# --- validation -----------------------------------------------------------------------


def test_validation_takes_the_last_rows_before_shuffling():
    x, y = three_classes(40)
    model = classifier(metrics=["accuracy"])
    history = model.fit(x, y, epochs=2, validation_split=0.25, verbose=0)
    expected = model.evaluate(x[30:], y[30:], verbose=0)
    assert list(history.history) == ["accuracy", "loss", "val_accuracy", "val_loss"]
    assert history.history["val_loss"][-1] == pytest.approx(expected[0], rel=1e-6)
    assert history.history["val_accuracy"][-1] == pytest.approx(expected[1])


def test_validation_rows_are_not_trained_on():
    x, y = line(20)
    far = y.copy()
    far[15:] = 1e6
    results = []
    for targets in (y, far):
        nv.utils.set_random_seed(0)
        model = regressor()
        model.fit(x, targets, epochs=3, validation_split=0.25, verbose=0)
        results.append(model.get_weights())
    assert same(*results)


def test_validation_data_takes_precedence_and_may_be_weighted():
    x, y = line(20)
    weights = np.linspace(0, 1, 10)
    model = regressor()
    history = model.fit(
        x,
        y,
        verbose=0,
        validation_split=0.5,
        validation_data=(x[:10], y[:10] + 1, weights),
    )
    expected = model.evaluate(x[:10], y[:10] + 1, sample_weight=weights, verbose=0)
    assert history.history["val_loss"][0] == pytest.approx(expected, rel=1e-6)


def test_validation_frequency_steps_and_batch_size():
    x, y = line(20)
    model = regressor()
    history = model.fit(
        x, y, epochs=5, validation_data=(x, y), validation_freq=2, verbose=0
    )
    assert len(history.history["loss"]) == 5
    assert len(history.history["val_loss"]) == 2
    history = model.fit(
        x, y, epochs=5, validation_data=(x, y), validation_freq=[1, 5], verbose=0
    )
    assert len(history.history["val_loss"]) == 2
    history = model.fit(
        x,
        y,
        validation_data=(x, y),
        validation_steps=2,
        validation_batch_size=3,
        verbose=0,
    )
    expected = model.evaluate(x[:6], y[:6], verbose=0)
    assert history.history["val_loss"][0] == pytest.approx(expected, rel=1e-5)


# --- epochs ---------------------------------------------------------------------------


def test_initial_epoch_counts_as_trained():
    x, y = line()
    history = regressor().fit(x, y, initial_epoch=3, epochs=5, verbose=0)
    assert history.epoch == [3, 4]
    assert len(history.history["loss"]) == 2
    assert regressor().fit(x, y, initial_epoch=5, epochs=5, verbose=0).history == {}


def test_steps_per_epoch_continue_where_the_last_epoch_ended():
    x, y = line(20)
    nv.utils.set_random_seed(0)
    whole = regressor()
    start = whole.get_weights()
    whole.fit(x, y, batch_size=4, epochs=2, shuffle=False, verbose=0)
    pieces = regressor()
    pieces.set_weights(start)
    history = pieces.fit(
        x, y, batch_size=4, epochs=5, steps_per_epoch=2, shuffle=False, verbose=0
    )
    assert len(history.history["loss"]) == 5
    assert same(whole.get_weights(), pieces.get_weights())


def test_fitting_again_continues():
    x, y = line(20)
    once, twice = regressor("adam"), regressor("adam")
    twice.set_weights(once.get_weights())
    once.fit(x, y, epochs=4, shuffle=False, verbose=0)
    twice.fit(x, y, epochs=2, shuffle=False, verbose=0)
    twice.fit(x, y, epochs=2, shuffle=False, verbose=0)
    assert same(state_of(once), state_of(twice))


def test_the_learning_rate_changes_without_a_new_program():
    x, y = line(20)
    model = regressor()
    model.fit(x, y, verbose=0)
    model.optimizer.learning_rate = 0.0
    weights = model.get_weights()
    model.fit(x, y, verbose=0)
    assert same(weights, model.get_weights())
    assert model._steps[0].train.recompiles.causes == []


def test_frozen_layers_do_not_change_and_need_no_new_compile():
    x, y = three_classes()
    model = classifier()
    model.fit(x, y, verbose=0)
    model.layers[0].trainable = False
    frozen, top = model.layers[0].get_weights(), model.layers[1].get_weights()
    model.fit(x, y, verbose=0)
    assert same(frozen, model.layers[0].get_weights())
    assert not same(top, model.layers[1].get_weights())


def test_regularizers_add_to_the_loss():
    x, y = line(20)
    layer = Dense(1, kernel_regularizer=lambda w: 0.5 * nv.sum(w * w), input_shape=(2,))
    model = Sequential([layer])
    model.compile("sgd", "mse")
    kernel, bias = (one.astype(np.float64) for one in model.get_weights())
    plain = np.mean((x @ kernel + bias - y[:, None]) ** 2)
    loss = model.evaluate(x, y, verbose=0)
    assert loss == pytest.approx(plain + 0.5 * np.sum(kernel**2), rel=1e-5)


def test_a_model_with_a_call_of_its_own_trains():
    class Residual(nv.models.Model):
        def __init__(self):
            super().__init__()
            self.inner = Dense(2)
            self.top = Dense(1)

        def call(self, inputs):
            return self.top(inputs + self.inner(inputs))

    x, y = line(40)
    model = Residual()
    model.compile("adam", "mse")
    history = model.fit(x, y, epochs=30, verbose=0)
    assert history.history["loss"][-1] < history.history["loss"][0]
    assert model.layers == [model.inner, model.top]
    assert model.predict(x, verbose=0).shape == (40, 1)


# --- evaluate -------------------------------------------------------------------------


def test_evaluate_returns_a_number_a_list_or_a_dict():
    x, y = three_classes()
    alone = classifier()
    assert isinstance(alone.evaluate(x, y, verbose=0), float)
    model = classifier(metrics=["accuracy"])
    loss, accuracy = model.evaluate(x, y, verbose=0)
    assert model.metrics_names == ["loss", "accuracy"]
    named = model.evaluate(x, y, verbose=0, return_dict=True)
    assert named == {"accuracy": accuracy, "loss": loss}


def test_evaluate_is_the_mean_over_rows_whatever_the_batches():
    x, y = three_classes(23)
    model = classifier(metrics=["accuracy"])
    loss, accuracy = NumpyClassifier(model.get_weights()).loss(
        x.astype(np.float64), y, np.ones(23)
    )
    for batch_size in (1, 5, 23, 100):
        found = model.evaluate(x, y, batch_size=batch_size, verbose=0)
        np.testing.assert_allclose(found, [loss, accuracy], rtol=2e-6)


def test_evaluate_on_some_batches_only():
    x, y = three_classes(20)
    model = classifier()
    some = model.evaluate(x, y, batch_size=4, steps=2, verbose=0)
    assert some == pytest.approx(model.evaluate(x[:8], y[:8], verbose=0), rel=1e-5)


def test_evaluate_trains_nothing_and_keeps_dropout_out():
    x, y = three_classes()
    model = Sequential([Dropout(0.9, input_shape=(4,)), Dense(3, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy")
    before = state_of(model)
    assert model.evaluate(x, y, verbose=0) == model.evaluate(x, y, verbose=0)
    assert same(before, state_of(model))


def test_metrics_regard_weights_only_when_asked_to():
    x, y = three_classes(12)
    weights = np.array([1.0, 0.0, 0.0] * 4)  # only class 0 counts
    model = classifier(metrics=["accuracy"], weighted_metrics=["accuracy"])
    hits = model.predict(x, verbose=0).argmax(axis=1) == y
    _, plain, weighted = model.evaluate(x, y, sample_weight=weights, verbose=0)
    assert model.metrics_names == ["loss", "accuracy", "weighted_accuracy"]
    assert plain == pytest.approx(hits.mean())
    assert weighted == pytest.approx(hits[::3].mean())


def test_a_second_metric_of_a_name_is_numbered():
    x, y = three_classes()
    model = classifier(metrics=["accuracy", "acc", "accuracy"])
    model.evaluate(x, y, verbose=0)
    assert model.metrics_names == ["loss", "accuracy", "acc", "accuracy_1"]


def test_functions_serve_as_loss_and_metric():
    def cubed(y_true, y_pred):
        return nv.abs(y_true - y_pred) ** 3

    x, y = line(20)
    model = Sequential([Dense(1, input_shape=(2,))])
    model.compile("sgd", cubed, metrics=[cubed])
    loss, metric = model.evaluate(x, y[:, None], verbose=0)
    expected = np.mean(np.abs(model.predict(x, verbose=0) - y[:, None]) ** 3)
    assert loss == pytest.approx(expected, rel=1e-5)
    assert metric == pytest.approx(expected, rel=1e-5)
    assert model.metrics_names == ["loss", "cubed"]


# --- predict --------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [1, 2, 3, 31, 32, 33, 70])
def test_predict_gives_a_row_for_each_row(rows):
    x, _ = three_classes(70)
    model = classifier()
    _, expected = NumpyClassifier(model.get_weights()).output(
        x[:rows].astype(np.float64)
    )
    found = model.predict(x[:rows], verbose=0)
    assert found.dtype == np.float32
    assert found.flags.writeable
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)


def test_predict_needs_few_programs():
    x, _ = three_classes(70)
    model = classifier()
    for rows in range(1, 71):
        model.predict(x[:rows], verbose=0)
    assert len(model.forward.recompiles.causes) == 5  # 1, 2, 4, 8, 16 and 32 rows


def test_predict_some_batches_and_outputs_for_callbacks():
    x, _ = three_classes(20)
    seen = []

    class Look(nv.callbacks.Callback):
        def on_predict_batch_end(self, batch, logs=None):
            seen.append((batch, logs["outputs"].shape))

    found = classifier().predict(x, batch_size=8, verbose=0, callbacks=[Look()])
    assert found.shape == (20, 3)
    assert seen == [(0, (8, 3)), (1, (8, 3)), (2, (4, 3))]
    assert classifier().predict(x, batch_size=8, steps=2, verbose=0).shape == (16, 3)


def test_predict_needs_no_compile_and_follows_new_weights():
    model = Sequential([Dense(1, input_shape=(2,))])
    x, _ = line(5)
    model.set_weights([np.ones((2, 1)), np.zeros(1)])
    np.testing.assert_allclose(model.predict(x, verbose=0)[:, 0], x.sum(axis=1), 1e-6)
    model.set_weights([np.zeros((2, 1)), np.ones(1)])
    assert (model.predict(x, verbose=0) == 1).all()


def test_calling_the_model_is_predicting():
    model = classifier()
    x, _ = three_classes(3)
    np.testing.assert_allclose(model(x), model.predict(x, verbose=0), rtol=1e-6)
