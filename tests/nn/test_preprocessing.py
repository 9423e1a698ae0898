"""Numbers and texts made ready for networks, against NumPy and real Keras.

``keras_lookups.json`` and ``tensorflow_hashes.json`` hold what Keras 3.15 with
TensorFlow 2.21 returned.
"""

import json
import pathlib

import numpy as np
import pytest

import nervure as nv
from nervure.errors import ArgumentError, DTypeError, ShapeError, TraceError
from nervure.layers import (
    CategoryEncoding,
    Discretization,
    Hashing,
    Input,
    IntegerLookup,
    Normalization,
    Rescaling,
    StringLookup,
    TextVectorization,
)
from nervure.nn.layers.preprocessing.text_hashes import fingerprint, keyed_hash

FOLDER = pathlib.Path(__file__).parent
LOOKUPS = json.loads((FOLDER / "keras_lookups.json").read_text(encoding="utf-8"))
HASHES = json.loads((FOLDER / "tensorflow_hashes.json").read_text(encoding="utf-8"))

random = np.random.default_rng(0)


# --- Rescaling, Normalization --------------------------------------------------------


def test_rescaling():
    pixels = random.integers(0, 256, (2, 4, 4, 3)).astype("uint8")
    got = Rescaling(1 / 255)(pixels)
    assert got.dtype == nv.float32
    np.testing.assert_allclose(got, pixels / 255, rtol=1e-6)
    scales = np.array([1.0, 2.0, 3.0])
    got = Rescaling(scales, [0.5, 0.0, -1.0])(pixels)
    np.testing.assert_allclose(got, pixels * scales + [0.5, 0.0, -1.0], rtol=1e-6)
    assert Rescaling(2.0)(Input((None, 3), dtype="uint8")).shape == (None, None, 3)
    config = Rescaling(scales).get_config()
    assert config["scale"] == [1.0, 2.0, 3.0]


@pytest.mark.parametrize("axis", [-1, 1, (1, 2), None])
def test_normalization_adapts(axis):
    x = random.normal(3.0, 2.0, size=(50, 4, 3)).astype("float32")
    layer = Normalization(axis)
    layer.adapt(x)
    kept = {-1: (2,), 1: (1,), None: ()}.get(axis, axis)
    axes = tuple(one for one in range(3) if one not in kept)
    mean, deviation = x.mean(axes, keepdims=True), x.std(axes, keepdims=True)
    np.testing.assert_allclose(layer(x), (x - mean) / deviation, rtol=1e-4, atol=1e-5)
    back = Normalization(axis, invert=True)
    back.adapt(x)
    np.testing.assert_allclose(back(layer(x)), x, rtol=1e-4, atol=1e-4)
    batches = Normalization(axis)
    batches.adapt(x[start : start + 15] for start in range(0, 50, 15))
    np.testing.assert_allclose(batches.adapt_mean, layer.adapt_mean, rtol=1e-5)
    np.testing.assert_allclose(batches.adapt_variance, layer.adapt_variance, rtol=1e-5)


def test_normalization_with_given_moments():
    x = random.normal(size=(5, 3)).astype("float32")
    got = Normalization(mean=2.0, variance=4.0)(x)
    np.testing.assert_allclose(got, (x - 2) / 2, rtol=1e-6)
    got = Normalization(mean=[1.0, 2.0, 3.0], variance=[1.0, 4.0, 0.0])(x)
    expected = (x - [1, 2, 3]) / [1, 2, 1e-7]
    np.testing.assert_allclose(got, expected, rtol=1e-5)
    assert Normalization()(Input((None, 3))).shape == (None, None, 3)
    model = nv.models.Sequential([Normalization(mean=2.0, variance=4.0)])
    np.testing.assert_allclose(model.predict(x, verbose=0), (x - 2) / 2, rtol=1e-6)


def test_wrong_uses_of_normalization():
    with pytest.raises(ArgumentError, match="only the mean"):
        Normalization(mean=1.0)
    with pytest.raises(ShapeError, match="of one shape"):
        Normalization(mean=[1.0], variance=1.0)
    with pytest.raises(ShapeError, match="moments of shape \\[2\\]"):
        Normalization(mean=[1.0, 2.0], variance=[1.0, 2.0])(np.ones((2, 3)))
    with pytest.raises(ArgumentError, match="nothing to adapt"):
        Normalization(mean=1.0, variance=1.0).adapt(np.ones((2, 3)))
    with pytest.raises(ArgumentError, match="no data"):
        Normalization().adapt([])
    with pytest.raises(ArgumentError, match="got int"):
        Normalization().adapt(3)


# --- CategoryEncoding, Discretization ------------------------------------------------


def test_category_encoding():
    categories = np.array([[0, 2, 2], [3, 1, 9]])
    ones = np.eye(10)[categories][..., :4]
    multi = CategoryEncoding(4)(categories)
    np.testing.assert_array_equal(multi, ones.max(1))
    weights = random.random((2, 3)).astype("float32")
    count = CategoryEncoding(4, "count")
    np.testing.assert_array_equal(count(categories), ones.sum(1))
    np.testing.assert_allclose(
        count(categories, count_weights=weights), (ones * weights[..., None]).sum(1)
    )
    each = CategoryEncoding(4, "one_hot")
    np.testing.assert_array_equal(each(categories), ones)
    assert each(categories[:, :1]).shape == (2, 4)
    assert CategoryEncoding(4)(np.array(2)).tolist() == [0.0, 0.0, 1.0, 0.0]
    assert CategoryEncoding(4)(Input((3,), dtype="int32")).shape == (None, 4)
    with pytest.raises(ArgumentError, match="only in the output_mode 'count'"):
        CategoryEncoding(4)(categories, count_weights=weights)
    with pytest.raises(ValueError, match="unknown output_mode"):
        CategoryEncoding(4, "int")
    with pytest.raises(ArgumentError, match="dense arrays only"):
        CategoryEncoding(4, sparse=True)


def test_discretization():
    x = np.array([[-1.5, 0.0, 0.5], [1.0, 3.0, np.inf]], "float32")
    layer = Discretization([0.0, 1.0, 2.0])
    got = layer(x)
    assert got.dtype == nv.int32
    assert got.tolist() == np.digitize(x, [0.0, 1.0, 2.0]).tolist()
    multi = Discretization([0.0, 1.0, 2.0], output_mode="multi_hot")(x)
    assert multi.tolist() == [[1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.0]]
    assert layer(Input((None, 3))).shape == (None, None, 3)


def test_discretization_adapts():
    x = random.normal(size=10_000)
    layer = Discretization(num_bins=4, epsilon=0.01)
    with pytest.raises(ArgumentError, match="has no boundaries yet"):
        layer(x)
    layer.adapt(x)
    expected = np.quantile(x, [0.25, 0.5, 0.75])
    np.testing.assert_allclose(layer.bin_boundaries, expected, atol=0.05)
    shares = np.bincount(layer(x).numpy(), minlength=4) / x.size
    np.testing.assert_allclose(shares, 0.25, atol=0.02)
    again = Discretization.from_config(layer.get_config())
    np.testing.assert_array_equal(again(x), layer(x))
    layer.adapt([x[:5000], x[5000:]][place] for place in range(2))
    np.testing.assert_allclose(layer.bin_boundaries, expected, atol=0.05)
    with pytest.raises(ArgumentError, match="one of bin_boundaries and num_bins"):
        Discretization()
    with pytest.raises(ArgumentError, match="rising"):
        Discretization([1.0, 0.0])


# --- texts ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "case", LOOKUPS, ids=lambda case: f"{case['layer']}-{case['config']}"
)
def test_as_keras_with_tensorflow(case):
    layer = getattr(nv.layers, case["layer"])(**case["config"])
    if "adapt" in case:
        layer.adapt(np.array(case["adapt"]))
        assert layer.get_vocabulary() == case["vocabulary"]
    expected = np.array(case["answer"])
    got = layer(np.array(case["query"]))
    assert got.shape == expected.shape
    np.testing.assert_allclose(got, expected, rtol=1e-5)
    if "adapt" in case:
        again = type(layer).from_config(layer.get_config())
        np.testing.assert_array_equal(again(case["query"]), got)


@pytest.mark.parametrize(("text", "fast", "strong"), HASHES)
def test_hashes_as_tensorflow(text, fast, strong):
    data = text.encode()
    assert fingerprint(data) % (2**31 - 1) == fast
    assert keyed_hash(data, (133, 137)) % (2**31 - 1) == strong


def test_inverted_lookups():
    layer = StringLookup(vocabulary=["a", "b"], invert=True)
    assert layer([[1, 2], [0, 9]]).tolist() == [["a", "b"], ["[UNK]", "[UNK]"]]
    masked = StringLookup(vocabulary=["a"], mask_token="", invert=True)
    assert masked(np.array([0, 1, 2])).tolist() == ["", "[UNK]", "a"]
    numbers = IntegerLookup(vocabulary=[10, 20], invert=True)
    assert numbers([2, 1, 0]).tolist() == [20, 10, -1]
    with pytest.raises(DTypeError, match="looks up whole numbers"):
        layer([0.5])
    with pytest.raises(ArgumentError, match="invert=True"):
        StringLookup(invert=True, output_mode="count")


def test_vocabularies_in_files(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("eins\nzwei\n", encoding="utf-8")
    layer = StringLookup(vocabulary=str(path))
    assert layer(["zwei", b"eins", "drei"]).tolist() == [2, 1, 0]
    assert layer.vocabulary_size() == 3
    assert layer.get_vocabulary(include_special_tokens=False) == ["eins", "zwei"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"vocabulary": ["a", "a"]}, "'a' more than once"),
        ({"vocabulary": []}, "needs a vocabulary"),
        ({"vocabulary": ["a", ""], "mask_token": ""}, "has the mask token ''"),
        ({"vocabulary": ["a", "b"], "max_tokens": 2}, "at most 2"),
        ({"vocabulary": ["a"], "output_mode": "tf_idf"}, "expects idf_weights"),
        (
            {"vocabulary": ["a"], "output_mode": "tf_idf", "idf_weights": [1.0, 2.0]},
            "2 idf_weights for 1 tokens",
        ),
        ({"pad_to_max_tokens": True}, "only if it is given"),
        ({"num_oov_indices": -1}, "num_oov_indices"),
        ({"salt": "pepper"}, "expected salt"),
        ({"output_mode": "words"}, "unknown output_mode"),
    ],
)
def test_wrong_vocabularies(options, message):
    with pytest.raises(ValueError, match=message):
        StringLookup(**options)


def test_unknown_texts_may_be_refused():
    layer = StringLookup(vocabulary=["a"], num_oov_indices=0)
    assert layer(["a", "a"]).tolist() == [0, 0]
    with pytest.raises(ArgumentError, match="does not know 'b'"):
        layer(["a", "b"])
    with pytest.raises(ArgumentError, match="nothing to adapt"):
        layer.adapt(["b"])


def test_texts_are_not_in_graphs():
    with pytest.raises(TraceError, match="works on texts"):
        StringLookup()(Input((3,)))
    with pytest.raises(DTypeError, match="expected texts"):
        StringLookup(vocabulary=["a"])([1, 2])
    with pytest.raises(DTypeError, match="expected whole numbers"):
        IntegerLookup(vocabulary=[1])([1.5])


def test_text_vectorization_with_functions_and_batches():
    layer = TextVectorization(standardize=str.upper, split=lambda text: text.split("-"))
    layer.adapt(iter([["a-b", "b-c"], ["b"]]))
    assert layer.get_vocabulary() == ["", "[UNK]", "B", "C", "A"]
    assert layer([["c-b-x"]]).tolist() == [[3, 2, 1]]
    assert layer("a-b").tolist() == [4, 2]
    assert layer([]).shape == (0, 0)
    with pytest.raises(ShapeError, match="splits texts of shape"):
        layer([["a", "b"]])
    with pytest.raises(ArgumentError, match="got 'one_hot'"):
        TextVectorization(output_mode="one_hot")
    with pytest.raises(ArgumentError, match="output_sequence_length"):
        TextVectorization(output_mode="count", output_sequence_length=3)
    with pytest.raises(ValueError, match="unknown standardize"):
        TextVectorization(standardize="upper")


def test_hashing_of_other_types():
    layer = Hashing(10)
    assert layer([1, 2]).tolist() == layer(["1", "2"]).tolist()
    assert layer([1.7]).tolist() == layer(["1"]).tolist()
    with pytest.raises(ArgumentError, match="expected salt"):
        Hashing(3, salt=[1, 2, 3])
