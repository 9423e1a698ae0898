"""Masks travel from layer to layer and leave filling out of losses and metrics."""

import numpy as np
import pytest

import nervure as nv
from nervure.layers import Dense, Dropout, Input, Layer
from nervure.models import Sequential
from nervure.nn.masking import mask_of, masks_of

IDS = np.array([[1, 2, 0, 0], [3, 0, 0, 0], [1, 1, 1, 2]], "int32")
LABELS = np.array([[0, 1, 1, 1], [1, 0, 0, 1], [0, 1, 1, 0]], "int32")


class Lookup(Layer):
    """Rows of a table; the number 0 is filling."""

    def build(self, input_shape):
        self.table = self.add_weight((5, 3), "uniform", name="table")

    def call(self, inputs):
        flat = nv.take(self.table.value, nv.reshape(inputs, (-1,)), axis=0)
        return nv.reshape(flat, (*inputs.shape, 3))

    def compute_mask(self, inputs, previous_mask=None):
        return inputs != 0


class Watching(Layer):
    """Remembers whether it was given a mask, and of which shape."""

    def __init__(self):
        super().__init__()
        self.supports_masking = True
        self.seen = []

    def call(self, inputs, mask=None):
        self.seen.append(None if mask is None else mask.shape)
        return inputs * 1.0


class Attending(Layer):
    def __init__(self):
        super().__init__()
        self.supports_masking = True

    def call(self, query, value, query_mask=None, value_mask=None):
        self.seen = (query_mask, value_mask)
        return query + value


def tagger(weighted=()):
    model = Sequential([Input((4,), dtype="int32"), Lookup(), Dense(2, "softmax")])
    for place, weight in enumerate(model.weights):
        weight.assign(np.random.RandomState(place).randn(*weight.shape))
    model.compile(
        "sgd",
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
        weighted_metrics=list(weighted),
    )
    return model


def test_a_mask_reaches_the_layer_that_asks_for_it():
    watching = Watching()
    output = watching(Dropout(0.5)(Dense(2)(Lookup()(IDS))))
    assert watching.seen == [(3, 4)]
    assert mask_of(output).tolist() == (IDS != 0).tolist()
    assert mask_of(output * 2.0) is None  # an operation knows nothing of masks


def test_a_mask_reaches_layers_in_a_model_that_is_being_traced():
    watching = Watching()
    model = Sequential([Input((4,), dtype="int32"), Lookup(), watching])
    assert watching.seen == [(60, 4), (120, 4)]  # the two trials of unknown sizes
    model.predict(IDS, verbose=0)
    assert watching.seen[-1] == (4, 4)  # three rows are filled up to four


def test_a_mask_that_is_passed_is_used_and_handed_on():
    mask = IDS != 0
    layer = Watching()
    output = layer(IDS.astype("float32"), mask=mask)
    assert np.array_equal(np.asarray(output.mask), mask)


def test_several_arguments_have_masks_of_their_own():
    layer = Attending()
    x = Lookup()(IDS)
    layer(x, value=x * 1.0)
    assert layer.seen[0] is x.mask
    assert layer.seen[1] is None


def test_masks_of_a_tree_keep_its_form():
    x = Lookup()(IDS)
    assert masks_of({"a": x, "b": [x * 2]}) == {"a": x.mask, "b": [None]}
    assert masks_of(x * 1.0) is None


def test_the_array_itself_is_not_changed():
    x = nv.asarray(IDS)
    masked = x.masked(x != 0)
    assert x.mask is None and masked.mask is not None
    assert masked.tolist() == IDS.tolist()


def test_a_layer_that_loses_a_mask_says_so():
    with pytest.warns(UserWarning, match=r"'plain'.*supports_masking = True"):
        Plain(name="plain")(Lookup()(IDS))


class Plain(Layer):
    def call(self, inputs):
        return inputs + 1.0


def test_a_wrong_number_of_masks_is_refused():
    class TwoMasks(Plain):
        def compute_mask(self, inputs, previous_mask=None):
            return [inputs != 0, inputs != 1]

    with pytest.raises(nv.errors.ShapeError, match="returned 1 arrays.*2 masks"):
        TwoMasks()(IDS)


def test_loss_and_metrics_leave_filling_out():
    """Against NumPy, and against the numbers of Keras 3.15 for these weights."""
    model = tagger(weighted=["accuracy"])
    found = model.evaluate(IDS, LABELS, verbose=0, return_dict=True)
    output = model.predict(IDS, verbose=0).astype("float64")
    counts = IDS != 0
    chosen = np.take_along_axis(output, LABELS[..., None], -1)[..., 0]
    np.testing.assert_allclose(found["loss"], -np.log(chosen)[counts].mean(), rtol=1e-6)
    np.testing.assert_allclose(found["loss"], 1.7858015298843384, rtol=1e-6)
    right = (output.argmax(-1) == LABELS)[counts]
    np.testing.assert_allclose(found["accuracy"], right.mean(), rtol=1e-6)
    np.testing.assert_allclose(found["weighted_accuracy"], 3 / 7, rtol=1e-6)


def test_a_mask_multiplies_sample_weights():
    model = tagger(weighted=["accuracy"])
    weights = np.array([1.0, 2.0, 3.0])
    found = model.evaluate(
        IDS, LABELS, sample_weight=weights, verbose=0, return_dict=True
    )
    output = model.predict(IDS, verbose=0).astype("float64")
    chosen = np.take_along_axis(output, LABELS[..., None], -1)[..., 0]
    both = (IDS != 0) * weights[:, None]
    expected = (-np.log(chosen) * both).sum() / (IDS != 0).sum()
    np.testing.assert_allclose(found["loss"], expected, rtol=1e-6)
    right = (output.argmax(-1) == LABELS) * both
    np.testing.assert_allclose(
        found["weighted_accuracy"], right.sum() / both.sum(), rtol=1e-6
    )


def test_a_batch_of_nothing_but_filling_has_the_loss_zero():
    model = tagger()
    loss, accuracy = model.evaluate(np.zeros_like(IDS), LABELS, verbose=0)
    assert loss == 0 and accuracy == 0


def test_filling_has_no_gradient():
    model = tagger()
    before = model.get_weights()[0].copy()
    model.fit(IDS, LABELS, epochs=1, verbose=0)
    after = model.get_weights()[0]
    assert np.array_equal(before[[0, 4]], after[[0, 4]])  # filling, and an unused row
    assert not np.array_equal(before[1], after[1])
