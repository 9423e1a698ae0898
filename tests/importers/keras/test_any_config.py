"""Whatever a configuration says, the answer is a model or an explained error."""

from __future__ import annotations

import copy
import json
import zipfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nervure.errors import NervureError
from nervure.models import Model, load_model

GOLDEN = Path(__file__).parent / "golden"
NAMES = ["dense", "nested", "graph"]

leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 9),
    st.floats(allow_nan=False),
    st.sampled_from(
        ["", "Dense", "relu", "Add", "InputLayer", "float32", "Sequential", "Lambda"]
    ),
)
values = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["class_name", "config", "name", "layers", "kind"]),
            inner,
            max_size=3,
        ),
    ),
    max_leaves=6,
)


def places(value, path=()):
    """Yield the path of every part of plain data."""
    yield path
    if isinstance(value, dict):
        items = list(value.items())
    else:
        items = list(enumerate(value)) if isinstance(value, list) else []
    for key, one in items:
        yield from places(one, (*path, key))


def replaced(value, path, new):
    if not path:
        return new
    result = copy.deepcopy(value)
    part = result
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = new
    return result


def parts_of(name):
    with zipfile.ZipFile(GOLDEN / f"{name}.keras") as archive:
        return {entry: archive.read(entry) for entry in archive.namelist()}


PARTS = {name: parts_of(name) for name in NAMES}
CONFIGS = {name: json.loads(PARTS[name]["config.json"]) for name in NAMES}
PLACES = {name: list(places(CONFIGS[name])) for name in NAMES}


@given(st.sampled_from(NAMES), st.integers(0, 10**6), values)
@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_a_changed_configuration(tmp_path, name, place, new):
    place = PLACES[name][place % len(PLACES[name])]
    config = replaced(CONFIGS[name], place, new)
    path = tmp_path / "m.keras"
    with zipfile.ZipFile(path, "w") as archive:
        for entry, content in PARTS[name].items():
            new = json.dumps(config).encode() if entry == "config.json" else content
            archive.writestr(entry, new)
    try:
        model = load_model(path)
    except NervureError:
        return
    assert isinstance(model, Model)
