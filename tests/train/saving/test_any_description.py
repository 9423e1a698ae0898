"""Whatever a description says, the answer is a model or an explained error."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nervure.errors import NervureError
from nervure.models import Model, load_model
from nervure.train.saving.container import read_container, write_container
from tests.importers.keras.test_any_config import places, replaced, values
from tests.train.builders import classifier
from tests.train.saving.test_files import graph

ENTRIES = frozenset({"model.json", "variables.safetensors"})


class Goods(list):
    """Good files; without their content in the messages of Hypothesis."""

    def __repr__(self):
        return "good files"


@pytest.fixture(scope="module")
def goods(tmp_path_factory):
    folder = tmp_path_factory.mktemp("good")
    found = Goods()
    for number, model in enumerate((classifier(metrics=["accuracy"]), graph())):
        if not model.compiled:
            model.compile("adam", {"sum": "mse", "class": "mae"})
        model.save(folder / f"{number}.nv")
        _, content = read_container(folder / f"{number}.nv", ("model",), ENTRIES)
        described = json.loads(content["model.json"])
        found.append((described, list(places(described)), content))
    return found


@given(st.integers(0, 1), st.integers(0, 10**6), values)
@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_a_changed_description(tmp_path, goods, which, place, new):
    described, paths, content = goods[which]
    changed = replaced(described, paths[place % len(paths)], new)
    path = tmp_path / "m.nv"
    write_container(
        path, "model", content | {"model.json": json.dumps(changed).encode()}
    )
    try:
        model = load_model(path)
    except NervureError:
        return
    assert isinstance(model, Model)
