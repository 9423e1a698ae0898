"""The harness notices differences, and makes the same data on both sides."""

from __future__ import annotations

import numpy as np
import pytest

from tests.parity.answers import Answers
from tests.parity.cases import array, is_array, kind_of, nested_kind, read_cases
from tests.parity.comparing import disagreement
from tests.parity.computing import compute
from tests.parity.nervure_side import Nervure

CASE = {"name": "one", "loss": "MeanSquaredError"}


def changed(by: float, *, name: str = "value"):
    expected = {"value": np.array([1.0, -2.0], "float32"), "other 0": np.zeros(2)}
    got = {key: value.copy() for key, value in expected.items()}
    got[name][0] += by
    return disagreement(expected, got, CASE)


def test_differences_are_noticed():
    assert changed(0.0) is None
    assert changed(1e-6) is None
    assert "relative difference" in changed(1e-4)
    assert "relative difference" in changed(np.nan)
    assert "relative difference" in changed(1e-3, name="other 0")


def test_kinds_of_differences():
    one = {"value": np.array([1, 2])}
    assert "expected the answers" in disagreement(one, {}, CASE)
    shape = disagreement(one, {"value": np.array([1])}, CASE)
    assert shape == "value: expected shape (2,), got (1,)"
    assert "expected [1 2]" in disagreement(one, {"value": np.array([1, 3])}, CASE)
    nan = {"value": np.array([np.nan, np.inf])}
    assert disagreement(nan, nan, CASE) is None
    loose = {**CASE, "tolerance": 0.1}
    two = ({"value": np.array([1.0])}, {"value": np.array([1.05])})
    assert disagreement(*two, CASE)
    assert disagreement(*two, loose) is None


def test_small_arrays_are_measured_by_their_group():
    expected = {"gradient 0": np.array([100.0]), "gradient 1": np.array([1e-9])}
    got = {"gradient 0": np.array([100.0]), "gradient 1": np.array([1e-7])}
    assert disagreement(expected, got, CASE) is None


def test_data_of_a_case():
    drawn = array(CASE, "x", {"shape": [4, 3], "of": "probabilities"})
    again = array(CASE, "x", {"shape": [4, 3], "of": "probabilities"})
    np.testing.assert_array_equal(drawn, again)
    np.testing.assert_allclose(drawn.sum(-1), 1, rtol=1e-6)
    assert drawn.dtype == np.float32
    hot = array(CASE, "x", {"shape": [4, 3], "of": "classes"})
    assert (hot.sum(-1) == 1).all()
    whole = array(CASE, "x", {"shape": [50], "dtype": "int32", "low": 2, "high": 4})
    assert set(whole.tolist()) == {2, 3}
    assert set(array(CASE, "x", {"shape": [50], "of": "signs"}).tolist()) == {-1.0, 1.0}
    unit = array(CASE, "x", {"shape": [4, 3], "of": "unit"})
    np.testing.assert_allclose((unit**2).sum(-1), 1, rtol=1e-6)
    assert array(CASE, "x", {"values": [1, 2], "dtype": "int8"}).tolist() == [1, 2]


def test_descriptions():
    assert kind_of(CASE) == "loss"
    assert is_array({"shape": [1]})
    assert not is_array({"units": 1})
    assert nested_kind({"layer": "Dense", "config": {}}) == "layer"
    assert nested_kind({"units": 3}) is None


def test_cases_with_one_name_are_refused(tmp_path):
    (tmp_path / "some.json").write_text('[{"name": "a"}, {"name": "a"}]')
    with pytest.raises(ValueError, match="'some/a' occurs twice"):
        read_cases(tmp_path)


def test_what_keras_refuses_is_told(answers, tmp_path):
    case = {"name": "wrong", "loss": "NoSuchLoss", "y_true": {}, "y_pred": {}}
    with pytest.raises(RuntimeError, match="NoSuchLoss"):
        Answers(tmp_path, {"wrong": case}).of(case)


def test_a_wrong_loss_would_fail(answers, monkeypatch):
    case = read_cases()["losses/huber"]
    expected = answers.of(case)
    assert disagreement(expected, compute(Nervure(), case), case) is None
    wrong = {**case, "config": {"delta": 0.9}}
    assert disagreement(expected, compute(Nervure(), wrong), case)
