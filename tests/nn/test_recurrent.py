"""Recurrent layers against torch, against loops in NumPy, and in training.

``tests/parity/layers/recurrent.json`` compares them with Keras.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

import nervure as nv
from nervure.errors import ArgumentError, ShapeError
from nervure.nn.layers.recurrent.base import DropoutMasks, RecurrentCell

EXECUTORS = ("reference", "cpu")
X = np.random.default_rng(0).normal(size=(3, 6, 5)).astype("float32")
FLAGS = np.array(
    [[1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0], [0, 1, 0, 1, 1, 0]], dtype=bool
)


def in_torch(layer, module, columns):
    """Copy a layer's weights to torch's module, whose gates are in another order."""
    kernel, recurrent, bias = (weight.copy() for weight in layer.get_weights())
    size = kernel.shape[1] // len(columns)

    def ordered(x):
        return np.concatenate(
            [x[..., place * size : (place + 1) * size] for place in columns], -1
        )

    bias = np.atleast_2d(bias)
    values = {
        "weight_ih_l0": ordered(kernel).T,
        "weight_hh_l0": ordered(recurrent).T,
        "bias_ih_l0": ordered(bias[0]),
        "bias_hh_l0": ordered(bias[1]) if len(bias) > 1 else np.zeros_like(bias[0]),
    }
    with torch.no_grad():
        for name, value in values.items():
            getattr(module, name).copy_(torch.from_numpy(value.copy()))
    return module


def perturbed(layer):
    random = np.random.default_rng(1)
    layer(X)
    layer.set_weights(
        [one + random.uniform(0, 0.3, one.shape).astype("f") for one in layer.weights]
    )
    return layer


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize(
    ("make", "module", "columns"),
    [
        (nv.layers.SimpleRNN, torch.nn.RNN, (0,)),
        (nv.layers.LSTM, torch.nn.LSTM, (0, 1, 2, 3)),
        (nv.layers.GRU, torch.nn.GRU, (1, 0, 2)),
    ],
)
def test_values_and_gradients_are_those_of_torch(make, module, columns, executor):
    layer = perturbed(make(4, return_sequences=True, return_state=True))
    other = in_torch(layer, module(5, 4, batch_first=True), columns)
    x = torch.tensor(X, requires_grad=True)
    expected, states = other(x)
    (expected**2).sum().backward()

    @nv.compile
    def run(inputs):
        outputs, *states = layer(inputs)
        slopes = nv.gradients(nv.sum(outputs**2), [inputs, layer.cell.kernel.value])
        return [outputs, *states, *slopes]

    with nv.config.override(executor=executor):
        outputs, *last, slope, kernel_slope = run(nv.asarray(X))
    np.testing.assert_allclose(outputs, expected.detach(), rtol=1e-5, atol=1e-6)
    wanted = states if isinstance(states, tuple) else (states,)
    for one, want in zip(last, wanted, strict=True):
        np.testing.assert_allclose(one, want[0].detach(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(slope, x.grad, rtol=1e-4, atol=1e-5)
    size = kernel_slope.shape[1] // len(columns)
    theirs = other.weight_ih_l0.grad.numpy().T
    ours = np.concatenate(
        [kernel_slope.numpy()[:, p * size : (p + 1) * size] for p in columns], -1
    )
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def masked_rnn(x, flags, kernel, recurrent, zero):
    """Return the outputs of a SimpleRNN without a bias, sample by sample."""
    outputs = np.zeros((*x.shape[:2], kernel.shape[1]))
    for sample in range(len(x)):
        h = np.zeros(kernel.shape[1])
        for step in range(x.shape[1]):
            if flags[sample, step]:
                h = np.tanh(x[sample, step] @ kernel + h @ recurrent)
            shown = flags[sample, step] or not zero
            outputs[sample, step] = h if shown else 0.0
    return outputs


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("zero", [False, True])
@pytest.mark.parametrize("unroll", [False, True])
def test_masked_steps_leave_the_state(executor, zero, unroll):
    layer = nv.layers.SimpleRNN(4, use_bias=False, return_sequences=True,
                                unroll=unroll, zero_output_for_mask=zero)  # fmt: skip
    layer(X)
    expected = masked_rnn(X, FLAGS, *layer.get_weights(), zero)
    with nv.config.override(executor=executor):
        got = layer(X, mask=FLAGS)
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)
        back = nv.layers.SimpleRNN(4, use_bias=False, return_sequences=True,
                                   go_backwards=True, unroll=unroll,
                                   zero_output_for_mask=zero)  # fmt: skip
        back(X)
        back.set_weights(layer.get_weights())
        turned = masked_rnn(X[:, ::-1], FLAGS[:, ::-1], *layer.get_weights(), zero)
        np.testing.assert_allclose(back(X, mask=FLAGS), turned, rtol=1e-5, atol=1e-6)


def test_masks_come_from_the_layer_before():
    words = nv.asarray([[3, 1, 0, 0], [2, 2, 2, 0]])
    model = nv.models.Sequential(
        [
            nv.layers.Embedding(5, 3, mask_zero=True),
            nv.layers.GRU(4, return_sequences=True),
            nv.layers.Bidirectional(nv.layers.LSTM(2)),
        ]
    )
    whole = model(words)
    np.testing.assert_allclose(whole[:1], model(words[:1, :2]), rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(whole[1:], model(words[1:, :3]), rtol=1e-5, atol=1e-7)


def test_stateful_layers_go_on_where_they_stopped():
    layer = nv.layers.LSTM(4, stateful=True, return_sequences=True)
    plain = nv.layers.LSTM(4, return_sequences=True)
    plain(X)
    layer(X)
    layer.set_weights(plain.get_weights())
    layer.reset_state()
    halves = [layer(X[:, :2]), layer(X[:, 2:])]
    expected = plain(X)
    np.testing.assert_allclose(
        nv.concat(halves, axis=1), expected, rtol=1e-5, atol=1e-6
    )
    assert float(nv.sum(nv.abs(layer.states[0].value))) > 0
    assert len(layer.weights) == 3  # states are none
    layer.reset_states()
    assert float(nv.sum(nv.abs(layer.states[0].value))) == 0.0
    np.testing.assert_allclose(
        nv.compile(layer)(X[:, :2]), halves[0], rtol=1e-5, atol=1e-6
    )
    np.testing.assert_allclose(layer(X[:, 2:]), halves[1], rtol=1e-5, atol=1e-6)
    with pytest.raises(ShapeError, match="batches of 3, got one of 2"):
        layer(X[:2])
    with pytest.raises(ShapeError, match="the size of a batch must be known"):
        nv.layers.GRU(2, stateful=True)(nv.layers.Input((4, 5)))


def test_initial_states_are_used_and_checked():
    layer = nv.layers.LSTM(4, return_state=True)
    _, h, c = layer(X[:, :3])
    (whole, *_) = layer(X)
    (later, *_) = layer(X[:, 3:], initial_state=[h, c])
    np.testing.assert_allclose(later, whole, rtol=1e-5, atol=1e-6)
    with pytest.raises(ShapeError, match=r"shapes \[3, 4\], \[3, 4\], got \[3, 4\]"):
        layer(X, initial_state=[h])


@pytest.mark.parametrize("make", [nv.layers.SimpleRNN, nv.layers.LSTM, nv.layers.GRU])
@pytest.mark.parametrize("rates", [(0.5, 0.0), (0.0, 0.5), (0.3, 0.3)])
def test_dropout_is_the_same_in_all_steps(make, rates):
    layer = make(4, dropout=rates[0], recurrent_dropout=rates[1], seed=1)
    layer(X)
    one, other = layer(X, training=True), layer(X, training=True)
    assert not np.allclose(one, other)
    np.testing.assert_array_equal(layer(X), layer(X))
    masks = layer.cell.masks(1000, True)
    for rate, drawn in zip(rates, masks, strict=True):
        assert (drawn is None) == (rate == 0)
        for mask in drawn or ():
            assert set(np.unique(mask)) == {0.0, np.float32(1 / (1 - rate))}
            assert abs(float(nv.mean(mask)) - 1) < 0.1
    count = len(masks.states or masks.inputs)
    assert count == (layer.cell.gates if rates[1] else 1)


def test_separate_masks_do_what_they_say():
    """One mask of ones for each gate is no dropout at all."""
    cells = [
        nv.layers.LSTMCell(3),
        nv.layers.GRUCell(3),
        nv.layers.GRUCell(3, reset_after=False),
    ]
    for cell in cells:
        x, h = nv.asarray(X[:, 0]), nv.ones((3, 3))
        states = [h, *cell.get_initial_state(3)[1:]]
        expected, _ = cell(x, states)
        ones = [nv.ones((3, 5))] * cell.gates
        masks = DropoutMasks(ones, [nv.ones((3, 3))] * cell.gates)
        got, _ = cell.advance(cell.project(x, masks), states, masks)
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)


class Minimal(nv.layers.Layer):
    """The cell of Keras' documentation, which adds to the loss if asked."""

    def __init__(self, units, adds=False):
        super().__init__()
        self.units, self.state_size, self.adds = units, units, adds

    def build(self, input_shape):
        self.kernel = self.add_weight((input_shape[-1], self.units), name="kernel")
        self.recurrent = self.add_weight((self.units, self.units), name="recurrent")

    def call(self, inputs, states):
        output = inputs @ self.kernel + states[0] @ self.recurrent
        if self.adds:
            self.add_loss(nv.sum(output))
        return output, [output]


def test_a_cell_of_ones_own():
    layer = nv.layers.RNN([Minimal(4), Minimal(2)], return_sequences=True)
    assert layer(X).shape == (3, 6, 2)
    (first, second), x = layer.cell.cells, X
    h = [np.zeros((3, 4)), np.zeros((3, 2))]
    for step in range(6):
        h[0] = x[:, step] @ first.kernel.numpy() + h[0] @ first.recurrent.numpy()
        h[1] = h[0] @ second.kernel.numpy() + h[1] @ second.recurrent.numpy()
    np.testing.assert_allclose(layer(X)[:, -1], h[1], rtol=1e-4, atol=1e-5)


def test_losses_that_a_cell_adds_are_kept():
    layer = nv.layers.RNN(Minimal(2, adds=True), return_sequences=True)
    outputs = layer(X)
    total = sum(float(one) for one in layer.losses)
    assert total == pytest.approx(float(nv.sum(outputs)), rel=1e-4)


def test_models_with_recurrent_layers_learn():
    random = np.random.default_rng(0)
    x = random.normal(size=(96, 8, 2)).astype("float32")
    y = (x[:, :, 0].sum(axis=1) > 0).astype("float32")
    nv.utils.set_random_seed(0)
    model = nv.models.Sequential(
        [
            nv.layers.Input((8, 2)),
            nv.layers.Bidirectional(nv.layers.GRU(8, return_sequences=True)),
            nv.layers.LSTM(8, dropout=0.1),
            nv.layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    with nv.config.override(executor="cpu"):
        history = model.fit(x, y, batch_size=32, epochs=20, verbose=0).history
    assert history["loss"][-1] < 0.75 * history["loss"][0]


@pytest.mark.parametrize(
    "layer",
    [
        nv.layers.SimpleRNN(3, activation="relu", go_backwards=True),
        nv.layers.LSTM(3, return_sequences=True, dropout=0.2, unit_forget_bias=False),
        nv.layers.GRU(3, reset_after=False, use_bias=False),
        nv.layers.RNN([nv.layers.LSTMCell(4), nv.layers.GRUCell(2)]),
        nv.layers.Bidirectional(nv.layers.LSTM(3), merge_mode="sum"),
        nv.layers.TimeDistributed(nv.layers.Dense(2)),
    ],
    ids=lambda layer: layer.name,
)
def test_configurations_make_the_same_layer(layer):
    layer(X)
    again = type(layer).from_config(layer.get_config())
    again(X)
    again.set_weights(layer.get_weights())
    np.testing.assert_array_equal(again(X), layer(X))
    assert again.get_config() == layer.get_config()


def test_symbolic_shapes():
    x = nv.layers.Input((None, 5))
    outputs, h, c = nv.layers.LSTM(4, return_sequences=True, return_state=True)(x)
    assert (outputs.shape, h.shape, c.shape) == ((None, None, 4), (None, 4), (None, 4))
    both = nv.layers.Bidirectional(nv.layers.GRU(3))(x)
    assert both.shape == (None, 6)
    assert nv.layers.TimeDistributed(nv.layers.Dense(7))(x).shape == (None, None, 7)


def test_time_distributed_keeps_what_is_added_to_the_loss():
    inner = nv.layers.Dense(2, activity_regularizer=lambda y: nv.sum(y * y))
    layer = nv.layers.TimeDistributed(inner)
    outputs = layer(X)
    found = sum(float(one) for one in layer.losses)
    assert found == pytest.approx(float(nv.sum(outputs**2)) / len(X), rel=1e-4)


@pytest.mark.parametrize(
    ("use", "error", "message"),
    [
        (lambda: nv.layers.LSTM(0), ValueError, "units"),
        (lambda: nv.layers.GRU(2, dropout=1.5), ArgumentError, "from 0 to 1"),
        (lambda: nv.layers.RNN(nv.layers.Dense(2)), ArgumentError, "'state_size'"),
        (lambda: nv.layers.RNN([]), ArgumentError, "at least one cell"),
        (lambda: nv.layers.LSTM(2)(nv.ones((3, 4))), ShapeError, "at least 3"),
        (lambda: nv.layers.GRU(2)(nv.ones((3, 0, 4))), ShapeError, "no steps"),
        (
            lambda: nv.layers.Bidirectional(nv.layers.Dense(2)),
            ArgumentError,
            "a recurrent layer",
        ),
        (
            lambda: nv.layers.Bidirectional(nv.layers.GRU(2), merge_mode="max"),
            ArgumentError,
            "merge_mode",
        ),
        (
            lambda: nv.layers.Bidirectional(
                nv.layers.GRU(2), backward_layer=nv.layers.GRU(2)
            ),
            ArgumentError,
            "different directions",
        ),
        (lambda: nv.layers.TimeDistributed(3), ArgumentError, "expects a layer"),
        (
            lambda: nv.layers.TimeDistributed(nv.layers.Dense(2))(nv.ones((2, 3))),
            ShapeError,
            "at least three axes",
        ),
        (
            lambda: nv.layers.RNN({"class_name": "os.system", "config": {}}),
            ArgumentError,
            "nervure.layers does not have",
        ),
    ],
)
def test_wrong_use_is_explained(use, error, message):
    with pytest.raises(error, match=message):
        use()


def test_cells_are_layers():
    for name in ("SimpleRNNCell", "LSTMCell", "GRUCell"):
        assert issubclass(getattr(nv.layers, name), RecurrentCell)


@pytest.mark.parametrize("channels_first", [False, True])
def test_convolutions_over_time_can_be_used_in_every_way(channels_first):
    shape = (2, 4, 3, 6, 5) if channels_first else (2, 4, 6, 5, 3)
    x = np.random.default_rng(2).normal(size=shape).astype("float32")
    layer = nv.layers.ConvLSTM2D(
        2,
        3,
        padding="same",
        data_format="channels_first" if channels_first else "channels_last",
        return_sequences=True,
        dropout=0.5,
        recurrent_dropout=0.5,
    )
    outputs = layer(x)
    assert outputs.shape == ((2, 4, 2, 6, 5) if channels_first else (2, 4, 6, 5, 2))
    assert not np.allclose(layer(x, training=True), outputs)
    cut = layer(x, mask=np.array([[1, 1, 0, 0], [1, 1, 1, 1]], bool))
    np.testing.assert_allclose(cut[0, 3], outputs[0, 1], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(cut[1], outputs[1], rtol=1e-5, atol=1e-6)
    if channels_first:
        last = nv.layers.ConvLSTM2D(2, 3, padding="same", return_sequences=True)
        turned = np.moveaxis(x, 2, -1)
        last(turned)
        last.set_weights(layer.get_weights())
        np.testing.assert_allclose(
            np.moveaxis(np.asarray(last(turned)), -1, 2), outputs, rtol=1e-4, atol=1e-5
        )
    again = type(layer).from_config(layer.get_config())
    assert again.get_config() == layer.get_config()


def test_wrong_convolutions_over_time_are_explained():
    with pytest.raises(ArgumentError, match="cannot both be above 1"):
        nv.layers.ConvLSTM1D(2, 3, strides=2, dilation_rate=2)
    with pytest.raises(ShapeError, match="must be known"):
        nv.layers.ConvLSTM1D(2, 3)(nv.layers.Input((4, None, 3)))


def test_stateful_models_are_fitted_in_batches_of_their_size():
    random = np.random.default_rng(4)
    x = random.normal(size=(16, 5, 3)).astype("float32")
    model = nv.models.Sequential(
        [
            nv.layers.GRU(4, stateful=True, batch_input_shape=(8, 5, 3)),
            nv.layers.Dense(1),
        ]
    )
    model.compile("sgd", "mse")
    model.fit(x, x.sum((1, 2))[:, None], batch_size=8, shuffle=False, verbose=0)
    gru = model.layers[0]
    assert float(nv.sum(nv.abs(gru.states[0].value))) > 0
    gru.reset_state()
    first = model.predict(x, batch_size=8, verbose=0)
    gru.reset_state()
    np.testing.assert_allclose(
        first, nv.concat([model(x[:8]), model(x[8:])]), rtol=1e-5, atol=1e-6
    )
