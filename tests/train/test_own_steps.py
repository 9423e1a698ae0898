"""Steps and losses of a subclass's own, additions to the loss, plain Python."""

from __future__ import annotations

import numpy as np
import pytest

import nervure as nv
from nervure.errors import ArgumentError
from nervure.layers import Dense, Input, Layer
from nervure.metrics import Mean
from nervure.models import Model, Sequential
from tests.train.builders import filled, line, regressor


class ByHand(Model):
    """The step that ``fit`` takes by itself, written out."""

    def train_step(self, data):
        x, y = data
        y_pred = self(x, training=True)
        loss = self.compute_loss(y=y, y_pred=y_pred)
        gradients = nv.gradients(loss, self.trainable_variables)
        self.optimizer.apply(gradients, self.trainable_variables)
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss)
            else:
                metric.update_state(y, y_pred)
        return {metric.name: metric.result() for metric in self.metrics}


def linear(kind=Model):
    x = Input((2,))
    model = kind(x, Dense(1, kernel_initializer="ones")(x))
    model.compile("sgd", "mse", metrics=["mae"])
    return model


def test_a_train_step_of_ones_own_is_used():
    x, y = line(24)
    given, own = linear(), linear(ByHand)
    options = {"batch_size": 8, "epochs": 3, "shuffle": False, "verbose": 0}
    wanted = given.fit(x, y, **options).history
    found = own.fit(x, y[:, None], **options).history
    assert list(found) == list(wanted) == ["loss", "mae"]
    np.testing.assert_allclose(found["loss"], wanted["loss"], rtol=1e-5)
    np.testing.assert_allclose(found["mae"], wanted["mae"], rtol=1e-5)
    for one, other in zip(given.get_weights(), own.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)
    assert set(own.evaluate(x, y[:, None], verbose=0, return_dict=True)) == set(wanted)


def test_many_own_steps_run_in_one_call():
    x, y = line(64)
    model = linear(ByHand)
    model.fit(x, y[:, None], batch_size=4, epochs=3, verbose=0)
    assert model._steps[0].train.recompiles.causes == []


def test_a_model_without_call():
    """Two networks with an optimizer each, as generative networks have."""

    class Twins(Model):
        def __init__(self):
            super().__init__()
            self.left = Sequential([Dense(1, input_shape=(2,))])
            self.right = Sequential([Dense(1, input_shape=(2,))])
            self.distance = Mean(name="distance")

        def compile(self, other):
            super().compile()
            self.other = nv.optimizers.get(other)

        @property
        def metrics(self):
            return [self.distance]

        def train_step(self, x):
            loss = nv.mean((self.left(x) - self.right(x)) ** 2)
            gradients = nv.gradients(loss, self.left.trainable_variables)
            self.other.apply(gradients, self.left.trainable_variables)
            self.distance.update_state(loss)
            return {"distance": self.distance.result()}

    x, _ = line(32)
    model = Twins()
    model.compile(nv.optimizers.SGD(0.1))
    right = model.right.get_weights()
    history = model.fit(x, epochs=8, verbose=0)
    assert history.history["distance"][-1] < history.history["distance"][0] / 2
    assert all(map(np.array_equal, right, model.right.get_weights()))


def test_an_autoencoder_as_keras_users_write_it():
    class Sampling(Layer):
        def call(self, inputs):
            mean, log_variance = inputs
            return mean + nv.exp(0.5 * log_variance) * 0.1

    class Autoencoder(Model):
        def __init__(self, encoder, decoder):
            super().__init__()
            self.encoder, self.decoder = encoder, decoder
            self.total = Mean(name="total")

        @property
        def metrics(self):
            return [self.total]

        def call(self, inputs):
            return self.decoder(self.encoder(inputs)[2])

        def train_step(self, data):
            mean, log_variance, code = self.encoder(data, training=True)
            distance = nv.sum((data - self.decoder(code)) ** 2, axis=-1)
            excess = 1 + log_variance - mean**2 - nv.exp(log_variance)
            loss = nv.mean(distance - 0.5 * nv.sum(excess, axis=-1))
            weights = self.trainable_weights
            self.optimizer.apply(nv.gradients(loss, weights), weights)
            self.total.update_state(loss)
            return {metric.name: metric.result() for metric in self.metrics}

    x = Input((6,))
    hidden = Dense(8, activation="relu")(x)
    mean, log_variance = Dense(2)(hidden), Dense(2)(hidden)
    code = Sampling()([mean, log_variance])
    decoder = Sequential([Dense(8, activation="relu", input_shape=(2,)), Dense(6)])
    model = Autoencoder(Model(x, [mean, log_variance, code]), decoder)
    model.compile("adam")
    rows = np.random.default_rng(0).normal(size=(64, 6)).astype("float32")
    totals = model.fit(rows, epochs=5, verbose=0).history["total"]
    assert totals == sorted(totals, reverse=True)
    assert model.predict(rows[:5], verbose=0).shape == (5, 6)


def test_compute_loss_of_ones_own():
    class Doubled(Model):
        def compute_loss(self, x, y, y_pred, sample_weight=None):
            return 2 * nv.mean((y_pred - y) ** 2)

    x, y = line(16)
    model = linear(Doubled)
    plain = linear()
    found = model.evaluate(x, y[:, None], verbose=0, return_dict=True)
    wanted = plain.evaluate(x, y, verbose=0, return_dict=True)
    np.testing.assert_allclose(found["loss"], 2 * wanted["loss"], rtol=1e-6)


def test_what_a_train_step_must_return():
    class Silent(Model):
        def train_step(self, data):
            return None

    class Wide(Model):
        def train_step(self, data):
            return {"loss": data[0]}

    x, y = line(8)
    with pytest.raises(ArgumentError, match="must return a dict of numbers by name"):
        linear(Silent).fit(x, y, verbose=0)
    with pytest.raises(ArgumentError, match="'loss' has the shape"):
        linear(Wide).fit(x, y, verbose=0)


KERAS_ADDED = [1.18785, 1.17174]


# --- additions to the loss ----------------------------------------------------------


class Costly(Layer):
    def call(self, inputs):
        self.add_loss(0.1 * nv.mean(inputs * inputs))
        return inputs * 1.0


def test_what_layers_add_counts():
    """Numbers of Keras 3.15 for the same model and data."""
    generator = np.random.RandomState(0)
    a = generator.randn(20, 4).astype("float32")
    generator.randn(20, 3)
    generator.randint(0, 3, 20)
    y = generator.randn(20, 1).astype("float32")
    x = Input((4,))
    hidden = Dense(4, activity_regularizer=lambda one: 0.01 * nv.sum(one * one))(x)
    model = Model(x, Dense(1)(Costly()(hidden)))
    filled(model)
    model.compile("sgd", "mse")
    history = model.fit(a, y, batch_size=8, epochs=2, shuffle=False, verbose=0)
    np.testing.assert_allclose(history.history["loss"], KERAS_ADDED, atol=2e-5)
    alone = Model(x, Costly()(hidden))
    alone.compile("sgd")
    losses = alone.fit(a, epochs=5, verbose=0).history["loss"]
    assert losses == sorted(losses, reverse=True)


# --- plain Python -------------------------------------------------------------------


def test_steps_as_plain_python_give_the_same_numbers():
    x, y = line(24)
    compiled, eager = linear(), linear()
    eager.compile("sgd", "mse", metrics=["mae"], run_eagerly=True)
    assert eager.run_eagerly
    options = {"batch_size": 8, "epochs": 2, "shuffle": False, "verbose": 0}
    wanted = compiled.fit(x, y, **options).history
    found = eager.fit(x, y, **options).history
    for key, values in wanted.items():
        np.testing.assert_allclose(found[key], values, rtol=1e-5)
    np.testing.assert_allclose(
        eager.evaluate(x, y, verbose=0), compiled.evaluate(x, y, verbose=0), rtol=1e-5
    )
    np.testing.assert_allclose(
        eager.predict(x, verbose=0), compiled.predict(x, verbose=0), rtol=1e-5
    )


def test_values_can_be_looked_at_in_plain_python():
    seen = []

    class Looking(ByHand):
        def train_step(self, data):
            x, y = data
            loss = self.compute_loss(y=y, y_pred=self(x, training=True))
            seen.append(float(loss))
            gradients = nv.gradients(loss, self.trainable_variables)
            self.optimizer.apply(gradients, self.trainable_variables)
            return {"loss": loss}

    x, y = line(24)
    model = linear(Looking)
    model.compile("sgd", "mse", run_eagerly=True)
    model.fit(x, y[:, None], batch_size=8, epochs=4, shuffle=False, verbose=0)
    assert len(seen) == 12 and seen[-1] < seen[0]


# --- one batch ----------------------------------------------------------------------


def test_single_batches():
    x, y = line(12)
    model, fitted = regressor(metrics=["mae"]), regressor(metrics=["mae"])
    fitted.set_weights(model.get_weights())
    logs = model.train_on_batch(x, y, return_dict=True)
    history = fitted.fit(x, y, batch_size=12, shuffle=False, verbose=0).history
    assert logs == {key: values[0] for key, values in history.items()}
    assert all(map(np.array_equal, model.get_weights(), fitted.get_weights()))
    assert model.test_on_batch(x, y) == fitted.evaluate(x, y, verbose=0)
    assert model.test_on_batch(x[:5], y[:5]) == fitted.evaluate(x[:5], y[:5], verbose=0)
    output = model.predict_on_batch(x)
    np.testing.assert_allclose(
        output, fitted.predict(x, verbose=0), rtol=1e-5, atol=1e-6
    )


def test_another_optimizer_is_used_from_the_next_step_on():
    x, y = line(12)
    model = regressor()
    before = model.get_weights()
    model.optimizer = nv.optimizers.SGD(0.0)
    model.fit(x, y, verbose=0)
    assert all(map(np.array_equal, before, model.get_weights()))
    model.optimizer = "sgd"
    model.fit(x, y, verbose=0)
    assert not np.array_equal(before[0], model.get_weights()[0])
