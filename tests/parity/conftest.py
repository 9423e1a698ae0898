"""The answers of Keras for the cases of this run of the tests."""

from __future__ import annotations

import pytest

from tests.parity.answers import Answers, NoKerasError, keras_python
from tests.parity.cases import read_cases


@pytest.fixture(scope="session")
def answers(request: pytest.FixtureRequest) -> Answers:
    """Return the answers for the selected cases, of which all are asked at once."""
    try:
        keras_python()
    except NoKerasError as missing:
        pytest.skip(str(missing))
    cases = read_cases()
    chosen = {
        item.callspec.params["identity"]
        for item in request.session.items
        if "identity" in getattr(getattr(item, "callspec", None), "params", {})
    }
    folder = request.config.cache.mkdir("parity")
    return Answers(folder, {one: cases[one] for one in chosen if one in cases})
