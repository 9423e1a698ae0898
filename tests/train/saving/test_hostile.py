"""No file is believed before it is verified, and none is executed."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import zipfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nervure.errors import FileFormatError, NervureError, UnknownNameError
from nervure.models import load_model
from nervure.train.saving.container import write_container
from tests.train.builders import regressor


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    path = tmp_path_factory.mktemp("good") / "m.nv"
    regressor("adam").save(path)
    return path.read_bytes()


def entries_of(data):
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def load(folder, data):
    path = folder / "m.nv"
    path.write_bytes(data)
    return load_model(path)


def rewritten(good, **changes):
    """Return the file with other entries, and a manifest that agrees with them."""
    entries = entries_of(good)
    del entries["manifest.json"]
    for name, data in changes.items():
        entries[name.replace("_", ".")] = data
    return entries


def written(folder, entries):
    path = folder / "m.nv"
    write_container(path, "model", entries)
    return path.read_bytes()


def zipped(entries, compression=zipfile.ZIP_STORED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return buffer.getvalue()


def with_manifest(good, **changes):
    entries = entries_of(good)
    manifest = json.loads(entries["manifest.json"]) | changes
    entries["manifest.json"] = json.dumps(manifest).encode()
    return zipped(entries.items())


class Boom:
    def __reduce__(self):
        return print, ("executed",)


def test_the_good_one_is_good(tmp_path, good):
    assert load(tmp_path, good).count_params() == 3


def test_truncated_anywhere(tmp_path, good):
    for size in (0, 1, 10, len(good) // 3, len(good) // 2, len(good) - 1):
        with pytest.raises(FileFormatError, match="damaged"):
            load(tmp_path, good[:size])


@given(st.data())
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_a_changed_byte_never_passes_unseen(tmp_path, good, data):
    place = data.draw(st.integers(0, len(good) - 1))
    changed = bytearray(good)
    changed[place] ^= data.draw(st.integers(1, 255))
    expected = load(tmp_path, good).get_weights()
    try:
        model = load(tmp_path, bytes(changed))
    except NervureError:
        return
    # Only what zip notes beside the content may change: times, attributes, ...
    assert [one.tolist() for one in model.get_weights()] == [
        one.tolist() for one in expected
    ]


@pytest.mark.parametrize(
    "change, words",
    [
        ({"version": 99}, "version 99"),
        ({"version": "1"}, "version is '1'"),
        ({"version": True}, "version is True"),
        ({"format": "other"}, "format nervure"),
        ({"kind": "backup"}, "holds a 'backup'"),
        ({"entries": {}}, "does not list"),
        ({"entries": []}, "does not list"),
        ({"entries": {"model.json": 3, "variables.safetensors": None}}, "checksum"),
    ],
)
def test_a_manifest_that_lies(tmp_path, good, change, words):
    with pytest.raises(FileFormatError, match=words):
        load(tmp_path, with_manifest(good, **change))


def test_other_entries(tmp_path, good):
    entries = list(entries_of(good).items())
    for name in ("../../evil.py", "/etc/passwd", "code.py", "C:\\evil", "model.json/x"):
        with pytest.raises(FileFormatError, match="unexpected entry"):
            load(tmp_path, zipped([*entries, (name, b"import os")]))
    with pytest.warns(UserWarning, match="Duplicate"):
        doubled = zipped([*entries, entries[1]])
    with pytest.raises(FileFormatError, match="two entries"):
        load(tmp_path, doubled)
    for missing in range(3):
        rest = [one for place, one in enumerate(entries) if place != missing]
        with pytest.raises(FileFormatError, match="manifest"):
            load(tmp_path, zipped(rest))


def test_a_bomb_is_not_unpacked(tmp_path, good):
    entries = dict(entries_of(good))
    entries["variables.safetensors"] = bytes(50_000_000)
    bomb = zipped(entries.items(), zipfile.ZIP_DEFLATED)
    assert len(bomb) < 100_000
    with pytest.raises(FileFormatError, match="packed"):
        load(tmp_path, bomb)


def test_pickles_and_text(tmp_path, good, capsys):
    bomb = pickle.dumps(Boom())
    for data in (bomb, b"PK", b"print('executed')", zipped([("m.pkl", bomb)])):
        with pytest.raises(FileFormatError):
            load(tmp_path, data)
    for name in ("model_json", "variables_safetensors"):
        data = written(tmp_path, rewritten(good, **{name: bomb}))
        with pytest.raises(FileFormatError):
            load(tmp_path, data)
    assert "executed" not in capsys.readouterr().out


def model_with(good, model):
    described = json.loads(entries_of(good)["model.json"])
    described["model"] = model
    return rewritten(good, model_json=json.dumps(described).encode())


def dense(**config):
    return {
        "class_name": "Sequential",
        "config": {
            "name": "s",
            "trainable": True,
            "dtype": "float32",
            "input": {"shape": [None, 2], "dtype": "float32"},
            "layers": [{"class_name": "Dense", "config": {"units": 1, **config}}],
        },
    }


@pytest.mark.parametrize(
    "model",
    [
        None,
        [],
        "Dense",
        {"class_name": "Dense"},
        {"class_name": "Dense", "config": {"units": 1}},
        {"class_name": "Sequential", "config": {}},
        {"class_name": "Sequential", "config": dense()["config"] | {"layers": 3}},
        {"class_name": "Sequential", "config": dense()["config"] | {"layers": [[]]}},
        {"class_name": "Sequential", "config": dense()["config"] | {"input": 7}},
        dense(units=-1),
        dense(units="many"),
        dense(units=10**13),
        dense(colour="red"),
        dense(activation={"class_name": "os.system", "config": {}}),
        dense(activation="__import__('os')"),
        dense(name="a/../../b"),
        dense(dtype="object"),
        {"class_name": "os.system", "config": {"command": "true"}},
        {"class_name": "Layer", "config": {}},
    ],
)
def test_descriptions_that_make_no_model(tmp_path, good, model):
    data = written(tmp_path, model_with(good, model))
    with pytest.raises(NervureError) as caught:
        load(tmp_path, data)
    assert isinstance(caught.value, FileFormatError | UnknownNameError)


def test_very_deep_descriptions(tmp_path, good):
    nested = dense()
    for _ in range(200):
        outer = dense()
        outer["config"]["layers"] = [nested]
        nested = outer
    with pytest.raises(FileFormatError):
        load(tmp_path, written(tmp_path, model_with(good, nested)))
    text = b'{"model":' + b"[" * 100_000
    data = written(tmp_path, rewritten(good, model_json=text))
    with pytest.raises(FileFormatError):
        load(tmp_path, data)


def test_safetensors_that_lie(tmp_path, good):
    def header(text, body=b""):
        return len(text).to_bytes(8, "little") + text + body

    for tensors in (
        b"",
        (10**18).to_bytes(8, "little"),
        header(b'{"a":{"dtype":"F32","shape":[1000000],"data_offsets":[0,4000000]}}'),
        header(b'{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,0]}}'),
        header(b"{}"),
        header(b"not json"),
    ):
        data = written(tmp_path, rewritten(good, variables_safetensors=tensors))
        with pytest.raises(FileFormatError):
            load(tmp_path, data)


def test_what_compile_is_told(tmp_path, good):
    described = json.loads(entries_of(good)["model.json"])
    for change in (
        {"loss": {"class_name": "Evil", "config": {}}},
        {"optimizer": "evil"},
        {"optimizer": {"class_name": "Adam", "config": {"evil": 1}}},
        {"metrics": 3},
        {"loss": ["mse", "mae"]},
    ):
        compiling = described["compile"] | change
        text = json.dumps(described | {"compile": compiling}).encode()
        data = written(tmp_path, rewritten(good, model_json=text))
        with pytest.raises(NervureError):
            load(tmp_path, data)


def test_the_checksum_is_that_of_the_content(good):
    entries = entries_of(good)
    manifest = json.loads(entries["manifest.json"])
    for name, listed in manifest["entries"].items():
        assert listed["sha256"] == hashlib.sha256(entries[name]).hexdigest()
        assert listed["bytes"] == len(entries[name])
