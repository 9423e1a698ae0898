import copy
import pickle
import warnings

import numpy as np
import pytest

import nervure as nv
from nervure.errors import NotBuiltError, ShapeError, TraceError, UnknownNameError
from nervure.layers import Dense, Dropout, Flatten, Input, Layer, Reshape
from nervure.nn.naming import reset_names
from nervure.nn.symbolic import SymbolicTensor
from nervure.nn.variable import Variable


@pytest.fixture(autouse=True)
def _fresh_names():
    reset_names()


class Scale(Layer):
    def __init__(self, factor=2.0, **options):
        super().__init__(**options)
        self.factor = factor

    def build(self, input_shape):
        self.scale = self.add_weight((input_shape[-1],), "ones", name="scale")

    def call(self, inputs, training=None):
        self.seen = training
        return inputs * self.scale * self.factor


class Block(Layer):
    def __init__(self):
        super().__init__()
        self.first = Dense(3)
        self.rest = [Dense(3), {"last": Scale()}]
        self.offset = Variable(np.zeros(3, "float32"), name="offset", trainable=False)

    def call(self, inputs):
        x = self.rest[0](self.first(inputs))
        return self.rest[1]["last"](x) + self.offset


# --- calling -------------------------------------------------------------------------


def test_inputs_are_converted_to_the_layers_type():
    layer = Scale()
    for given in ([[1.0, 2.0]], np.array([[1.0, 2.0]]), nv.asarray([[1.0, 2.0]])):
        out = layer(given)
        assert out.dtype == "float32"
        assert out.tolist() == [[2.0, 4.0]]
    assert Scale(dtype="float64")(np.ones((1, 2), "float32")).dtype == "float64"
    assert layer(np.array([[1, 2]], "uint8")).tolist() == [[2.0, 4.0]]


def test_pandas_and_other_array_likes():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": [1.0], "b": [2.0]})
    assert Scale()(frame).tolist() == [[2.0, 4.0]]


def test_nodes_carry_the_layers_name():
    layer = Scale(name="mine")
    out = layer(nv.parameter([[1.0, 2.0]]))
    assert out.node.site.scope == "mine"


@pytest.mark.parametrize("given", [None, True, False])
def test_training_flag(given):
    layer = Scale()
    layer(np.ones((1, 2)), training=given)
    assert layer.seen is bool(given)


def test_training_flag_comes_from_the_enclosing_call():
    class Outer(Layer):
        def __init__(self):
            super().__init__()
            self.inner = Scale()

        def call(self, inputs):
            return self.inner(inputs)

    class Stubborn(Outer):
        def call(self, inputs):
            return self.inner(inputs, training=False)

    outer, stubborn = Outer(), Stubborn()
    outer(np.ones((1, 2)), training=True)
    stubborn(np.ones((1, 2)), training=True)
    assert outer.inner.seen is True
    assert stubborn.inner.seen is False
    outer(np.ones((1, 2)))
    assert outer.inner.seen is False


def test_default_of_the_training_parameter():
    class Always(Layer):
        def call(self, inputs, training=True):
            self.seen = training
            return inputs

    layer = Always()
    layer(np.ones(2))
    assert layer.seen is True


def test_several_inputs():
    class Add(Layer):
        def call(self, inputs):
            first, second = inputs
            return first + second

    out = Add()([np.ones((2, 3)), np.ones((2, 3))])
    assert out.tolist() == [[2.0] * 3] * 2
    both = Add()([Input((3,)), Input((3,))])
    assert both.shape == (None, 3)


def test_call_without_definition():
    with pytest.raises(NotImplementedError, match="Layer does not define call"):
        Layer()(np.ones(2))


# --- building ------------------------------------------------------------------------


def test_built_once_and_named():
    layer = Scale()
    assert not layer.built
    assert layer.weights == []
    layer(np.ones((5, 2)))
    weight = layer.weights[0]
    layer(np.ones((3, 2)))
    assert layer.built
    assert layer.weights[0] is weight
    assert weight.path == "scale/scale"
    assert repr(layer) == "<Scale name=scale, built=True>"


def test_build_may_be_called_directly():
    layer = Dense(4)
    layer.build((None, 3))
    assert layer.built
    assert [one.path for one in layer.weights] == ["dense/kernel", "dense/bias"]


def test_a_failing_build_changes_nothing():
    class Failing(Layer):
        def build(self, input_shape):
            self.one = self.add_weight((2,), "ones", name="one")
            if input_shape[-1] != 2:
                raise ValueError("no")

        def call(self, inputs):
            return inputs * self.one

    layer = Failing()
    with pytest.raises(ValueError, match="no"):
        layer(np.ones((1, 3)))
    assert not layer.built
    assert layer.weights == []
    assert not hasattr(layer, "one")
    layer(np.ones((1, 2)))
    assert len(layer.weights) == 1


def test_super_build_is_one_building():
    class Twice(Scale):
        def build(self, input_shape):
            super().build(input_shape)
            self.more = self.add_weight((1,), "zeros", name="more")

    layer = Twice()
    layer(np.ones((1, 2)))
    assert [one.path for one in layer.weights] == ["twice/scale", "twice/more"]


def test_unknown_features_are_explained():
    with pytest.raises(ShapeError, match="number of features of its input"):
        Dense(2)(Input((None,)))
    with pytest.raises(ShapeError, match="a size of its input that it needs"):
        Scale()(Input((None,)))


def test_built_inside_a_compiled_function():
    layer = Dense(2)
    nv.random.seed(1)

    @nv.compile
    def forward(x):
        return layer(x)

    x = np.ones((1, 3), "float32")
    first = forward(x)
    assert np.abs(layer.kernel.numpy()).min() > 0
    assert first.tolist() == layer(x).tolist()
    nv.random.seed(1)
    eager = Dense(2)
    eager(x)
    assert np.array_equal(eager.kernel.numpy(), layer.kernel.numpy())


def test_forgotten_super_init_still_works():
    class Forgetful(Layer):
        def __init__(self):
            self.inner = Dense(2)

        def call(self, inputs):
            return self.inner(inputs)

    layer = Forgetful()
    layer(np.ones((1, 3)))
    assert len(layer.weights) == 2
    assert layer.name == "forgetful"


# --- weights -------------------------------------------------------------------------


def test_tracking_of_attributes():
    block = Block()
    block(np.ones((1, 3)))
    assert [one.path for one in block.weights] == [
        "offset",
        "block/dense/kernel",
        "block/dense/bias",
        "block/dense_1/kernel",
        "block/dense_1/bias",
        "block/scale/scale",
    ]
    assert [one.path for one in block.non_trainable_weights] == ["offset"]
    assert block.count_params() == 3 + 2 * (9 + 3) + 3
    block.rest.append(block.first)  # a shared layer counts once
    assert len(block.weights) == 6
    del block.first
    assert block.weights[1].path == "block/dense_1/kernel"
    assert block.weights[-1].path == "block/dense/bias"


def test_a_layer_that_knows_its_parent():
    block = Block()
    block.first.parent = block
    block(np.ones((1, 3)))
    assert len(list(block.flattened())) == 4
    assert len(block.weights) == 6
    block.trainable = False
    assert block.trainable_weights == []


def test_freezing_and_thawing():
    block = Block()
    block(np.ones((1, 3)))
    block.rest[0].trainable = False
    assert len(block.trainable_weights) == 3
    assert len(block.non_trainable_weights) == 3
    block.trainable = False
    assert block.trainable_variables == []
    assert not block.first.kernel.trainable
    block.trainable = True
    assert len(block.trainable_weights) == 5
    assert [one.path for one in block.non_trainable_weights] == ["offset"]


def test_frozen_before_it_is_built():
    layer = Dense(2, trainable=False)
    layer(np.ones((1, 3)))
    assert layer.trainable_weights == []
    layer.trainable = True
    assert len(layer.trainable_weights) == 2


def test_order_of_weights_is_that_of_their_birth():
    layer = Dense(2)
    layer(np.ones((1, 3)))
    layer.kernel.trainable = False
    assert [one.name for one in layer.weights] == ["kernel", "bias"]
    assert [one.name for one in layer.trainable_weights] == ["bias"]


def test_get_and_set_weights():
    layer, other = Dense(2), Dense(2)
    layer(np.ones((1, 3)))
    other(np.ones((1, 3)))
    values = layer.get_weights()
    other.set_weights(values)
    assert all(map(np.array_equal, other.get_weights(), values))
    values[0][:] = 0  # copies
    assert np.abs(layer.kernel.numpy()).max() > 0


@pytest.mark.parametrize(
    "change, text",
    [
        (lambda one: one[:1], "the layer 'dense' has 2 weights, got 1 arrays"),
        (
            lambda one: [one[0].T, one[1]],
            "the weight 'dense/kernel' has shape \\[3, 2\\]",
        ),
        (lambda one: [one[0] * 2, one[1][:1]], "the weight 'dense/bias' has shape"),
    ],
)
def test_wrong_weights_change_nothing(change, text):
    layer = Dense(2)
    layer(np.ones((1, 3)))
    before = layer.get_weights()
    with pytest.raises(ShapeError, match=text):
        layer.set_weights(change(before))
    assert all(map(np.array_equal, layer.get_weights(), before))


def test_count_before_building():
    with pytest.raises(NotBuiltError, match="has no weights yet"):
        Dense(2).count_params()
    assert Flatten().count_params() == 0


def test_regularizers_give_losses():
    layer = Dense(
        2,
        kernel_initializer="ones",
        kernel_regularizer=lambda weight: 0.1 * nv.sum(weight * weight),
    )
    layer(np.ones((1, 3)))
    (loss,) = layer.losses
    assert loss.item() == pytest.approx(0.6)
    layer.trainable = False
    assert layer.losses == []


def test_seed_generators_are_variables_but_no_weights():
    layer = Dropout(0.5)
    assert layer.weights == []
    assert [one.name for one in layer.variables] == ["key", "counter"]
    assert len(layer.non_trainable_variables) == 2
    assert layer.count_params() == 0


# --- symbolic calls ------------------------------------------------------------------


def test_symbolic_calls_are_recorded():
    x = Input((28, 28), name="image")
    layer = Flatten()
    y = layer(x)
    assert y.shape == (None, 784)
    assert y.origin[0].layer is layer
    assert y.origin[0].inputs == [x]
    assert layer.input is x
    assert layer.output is y
    assert layer.input_shape == (None, 28, 28)
    assert layer.output_shape == (None, 784)
    assert x.origin[0].layer.name == "image"


def test_a_layer_called_twice_has_its_first_output():
    layer = Dense(3)
    first = layer(Input((4,)))
    second = layer(Input((4,)))
    assert layer.output is first
    assert second.origin[0] is not first.origin[0]
    assert len(layer.weights) == 2


def test_symbolic_calls_compute_and_draw_nothing():
    layer = Dropout(0.5)
    layer(Input((4,)), training=True)
    assert layer.seed_generator.counter.numpy() == 0


@pytest.mark.parametrize(
    "layer, given, expected",
    [
        (Dense(3), (None, 5), (None, 3)),
        (Dense(3), (None, None, 5), (None, None, 3)),
        (Dense(3), (2, 5), (2, 3)),
        (Flatten(), (None, 2, 3), (None, 6)),
        (Flatten(), (None, None, 3), (None, None)),
        (Flatten(), (None,), (None, 1)),
        (Reshape((3, -1)), (None, 6), (None, 3, 2)),
        (Reshape((-1,)), (None, None, 2), (None, None)),
        (Dropout(0.5), (None, 7), (None, 7)),
        (Block(), (None, 3), (None, 3)),
    ],
)
def test_compute_output_shape(layer, given, expected):
    assert layer.compute_output_shape(given) == expected


def test_layers_without_symbolic_calls():
    with pytest.raises(NotBuiltError, match="has no symbolic output yet"):
        _ = Flatten().output
    layer = Dense(3)
    layer(np.ones((2, 5)))
    assert layer.input_shape == (2, 5)
    assert layer.output_shape == (2, 3)


def test_symbolic_tensors_have_no_value():
    x = Input((3,))
    for use in (np.asarray, bool, float, len, list):
        with pytest.raises(TraceError, match="a symbolic tensor has no value"):
            use(x)
    assert repr(x) == "<SymbolicTensor 'input_layer' float32[None, 3] from input_layer>"


def test_errors_on_stand_ins_say_so():
    class Wrong(Layer):
        def call(self, inputs):
            return inputs @ nv.ones((4, 2))

    with pytest.raises(ShapeError) as caught:
        Wrong()(Input((3,)))
    assert any("stand-ins of size 60" in note for note in caught.value.__notes__)


def test_call_must_return_arrays():
    class Wrong(Layer):
        def call(self, inputs):
            return "text"

    with pytest.raises(
        TraceError, match="expected call\\(\\) to return arrays, got str"
    ):
        Wrong()(Input((3,)))


# --- input checks --------------------------------------------------------------------


def test_wrong_features_are_explained():
    layer = Dense(4, name="head")
    layer(np.ones((2, 3)))
    with pytest.raises(ShapeError) as caught:
        layer(nv.ones((2, 5)))
    lines = f"{caught.value}".splitlines()
    assert lines[0] == (
        "dense (layer 'head'): expected an input with 3 features, got 5"
    )
    assert lines[1].startswith(
        "  input   float32[2, 5]  from broadcast, test_layer.py:"
    )
    assert lines[2] == "  kernel  float32[3, 4]  variable 'head/kernel'"
    assert lines[4] == (
        "  fix: the layer was built for inputs of shape (None, 3); give it such "
        "inputs, or make a new layer"
    )


def test_missing_batch_axis_is_explained():
    layer = Dense(4)
    with pytest.raises(ShapeError, match="at least 2 axes, got 1") as caught:
        layer(np.ones(3))
    assert f"{caught.value}".endswith(
        "fix: the first axis is the batch: for one sample x pass x[None]"
    )
    assert not layer.built


# --- arguments -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "options, expected",
    [
        ({}, None),
        ({"input_shape": (784,)}, (None, 784)),
        ({"input_shape": 784}, (None, 784)),
        ({"input_shape": [28, None]}, (None, 28, None)),
        ({"input_dim": 784}, (None, 784)),
        ({"batch_input_shape": (32, 784)}, (32, 784)),
    ],
)
def test_declared_input_shape(options, expected):
    layer = Dense(2, **options)
    assert layer.declared_input_shape == expected
    copy_ = Dense.from_config(layer.get_config())
    assert copy_.declared_input_shape == expected


def test_wrong_options():
    match = "'activaton'\n  fix: did you mean 'activation'\\?"
    with pytest.raises(TypeError, match=match):
        Dense(2, activaton="relu")
    with pytest.raises(ValueError, match="give only one of input_shape and input_dim"):
        Dense(2, input_shape=(3,), input_dim=3)
    with pytest.raises(ShapeError, match="expected a shape, got"):
        Dense(2, input_shape=(2.5,))
    with pytest.raises(ShapeError, match="expected a shape, got"):
        Dense(2, input_shape="ab")
    with pytest.raises(ValueError, match="the name of a layer must be a string"):
        Dense(2, name="a/b")
    with pytest.raises(UnknownNameError, match="did you mean 'relu'"):
        Dense(2, activation="reluu")
    with pytest.raises(ValueError, match="units to be a whole number from 1, got 0"):
        Dense(0)
    with pytest.raises(ValueError, match="units to be a whole number from 1, got 2.5"):
        Dense(2.5)


def test_config_is_plain_data_and_makes_an_equal_layer():
    import json

    layer = Dense(3, "relu", kernel_initializer=nv.initializers.HeNormal(seed=1))
    config = json.loads(json.dumps(layer.get_config()))
    assert config["activation"] == "relu"
    assert config["kernel_initializer"] == {
        "class_name": "HeNormal",
        "config": {"seed": 1, "input_axes": None, "output_axes": None},
    }
    other = Dense.from_config(config)
    assert other.get_config() == layer.get_config()
    x = np.ones((1, 4))
    assert other(x).tolist() == layer(x).tolist()


def test_config_of_a_users_layer():
    layer = Scale(3.0, name="s")
    assert layer.get_config() == {
        "factor": 3.0,
        "name": "s",
        "trainable": True,
        "dtype": "float32",
    }

    class Hiding(Layer):
        def __init__(self, secret):
            super().__init__()

    with pytest.raises(TypeError, match="Hiding does not keep its argument 'secret'"):
        Hiding(1).get_config()
    with pytest.raises(TypeError, match="plain data cannot hold"):
        Dense(1, activation=lambda x: x).get_config()


def test_layers_can_be_copied_and_pickled():
    layer = Dense(3, input_shape=(2,))
    x = np.ones((1, 2))
    expected = layer(x).tolist()
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert other(x).tolist() == expected
        other.kernel.assign(np.zeros((2, 3)))
        assert layer(x).tolist() == expected


def test_input_layer():
    assert Input((3,), batch_size=5).shape == (5, 3)
    assert Input(batch_shape=(5, None)).shape == (5, None)
    assert Input((3,), dtype="int64").dtype == "int64"
    assert Input(()).shape == (None,)
    with pytest.raises(ValueError, match="give one of shape and batch_shape"):
        Input()
    layer = nv.layers.InputLayer((3,), name="x")
    assert layer.input is layer.output
    again = nv.layers.InputLayer.from_config(layer.get_config())
    assert again.output.shape == (None, 3)
    assert isinstance(again.output, SymbolicTensor)


def test_no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Block()(np.ones((1, 3)))


# --- additions to the loss ----------------------------------------------------------


class Sparse(Layer):
    """Adds the sum of its output to the loss."""

    def call(self, inputs):
        self.add_loss(0.5 * nv.sum(inputs))
        return inputs * 1.0


def test_add_loss_keeps_what_the_last_call_added():
    layer = Sparse()
    layer([[1.0, 3.0]])
    layer([[2.0, 4.0]])
    assert [float(one) for one in layer.losses] == [3.0]
    layer.clear_losses()
    assert layer.losses == []


def test_a_symbolic_call_adds_nothing():
    layer = Sparse()
    layer(nv.layers.Input((2,)))
    assert layer.losses == []


def test_activity_regularizer_counts_each_sample_once():
    layer = nv.layers.Dense(
        1, kernel_initializer="ones", activity_regularizer=lambda x: nv.sum(x * x)
    )
    layer([[1.0, 1.0], [2.0, 2.0]])
    assert [float(one) for one in layer.losses] == [10.0]  # (4 + 16) / 2, as in Keras


def test_add_loss_refuses_what_is_no_array():
    with pytest.raises(nv.errors.ArgumentError, match="expects an array, got float"):
        Sparse().add_loss(3.0)


def test_activity_regularizers_have_names_and_configurations():
    layer = nv.layers.Dense(1, activity_regularizer="l2")
    assert layer.activity_regularizer.l2 == pytest.approx(0.01)
    again = nv.layers.deserialize(nv.layers.serialize(layer))
    assert again.activity_regularizer.l2 == pytest.approx(0.01)
    with pytest.raises(UnknownNameError, match="unknown regularizer: 3"):
        nv.layers.Dense(1, activity_regularizer=3)


def test_a_training_flag_that_was_given_is_part_of_the_call():
    layer = nv.layers.Dropout(0.5)
    layer(nv.layers.Input((2,)), training=False)
    assert layer._calls[0].arguments[1] == {"training": False}
