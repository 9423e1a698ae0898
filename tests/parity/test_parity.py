"""Every case of the parity table: Nervure computes what Keras computes."""

from __future__ import annotations

import pytest

from tests.parity.cases import read_cases
from tests.parity.comparing import disagreement
from tests.parity.computing import compute
from tests.parity.nervure_side import Nervure

CASES = read_cases()
# A sample of each file belongs to the quick tests; the others take minutes.
EVERY = 10


def _parameters():
    counts: dict[str, int] = {}
    parameters = []
    for identity in CASES:
        file = identity.rpartition("/")[0]
        counts[file] = counts.get(file, -1) + 1
        quick = counts[file] % EVERY == 0
        marks = () if quick else pytest.mark.slow
        parameters.append(pytest.param(identity, id=identity, marks=marks))
    return parameters


@pytest.mark.parametrize("identity", _parameters())
def test_as_in_keras(identity, answers):
    case = CASES[identity]
    expected = answers.of(case)
    got = compute(Nervure(), case, expected)
    problem = disagreement(expected, got, case)
    assert problem is None, problem
