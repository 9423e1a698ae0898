"""Settings: where a value comes from, and what is refused."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from nervure.config import Config, cache_directory, thread_count
from nervure.errors import NervureError, SettingError, UnknownNameError

# The package shows the settings themselves under the module's name.
module = sys.modules[Config.__module__]

VARIABLES = {
    "executor": "NERVURE_EXECUTOR",
    "device": "NERVURE_DEVICE",
    "tf32": "NERVURE_TF32",
    "num_threads": "NERVURE_NUM_THREADS",
    "debug": "NERVURE_DEBUG",
    "check": "NERVURE_CHECK",
    "cache_dir": "NERVURE_CACHE_DIR",
    "skip_passes": "NERVURE_SKIP_PASSES",
}
DEFAULTS = {
    "executor": "auto",
    "device": None,
    "tf32": False,
    "num_threads": 0,
    "debug": 0,
    "check": False,
    "cache_dir": None,
    "skip_passes": (),
}


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in VARIABLES.values():
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture
def config(monkeypatch: pytest.MonkeyPatch) -> Config:
    """A fresh object, so that what a test assigns is gone afterwards."""
    fresh = Config()
    monkeypatch.setattr(module, "config", fresh)
    return fresh


def test_there_are_few_settings_and_each_is_documented(config: Config) -> None:
    assert {name for name in dir(config) if name in module._SETTINGS} == set(VARIABLES)
    assert len(module._SETTINGS) < 12
    text = module.__doc__ or ""
    for name, variable in VARIABLES.items():
        assert f"| ``{name}`` | ``{variable}`` |" in text
        assert getattr(config, name) == DEFAULTS[name]


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("executor", "reference", "reference"),
        ("device", "gpu", "gpu:0"),
        ("device", "cpu", "cpu"),
        ("tf32", "1", True),
        ("num_threads", "3", 3),
        ("debug", "4", 4),
        ("check", "1", True),
        ("check", "TRUE", True),
        ("check", "0", False),
        ("check", "false", False),
        ("cache_dir", "/some/where", Path("/some/where")),
        ("cache_dir", "~/here", Path.home() / "here"),
    ],
)
def test_environment_variables_are_read_when_asked_for(
    config: Config, monkeypatch: pytest.MonkeyPatch, name: str, text: str, value: Any
) -> None:
    monkeypatch.setenv(VARIABLES[name], text)
    assert getattr(config, name) == value
    monkeypatch.setenv(VARIABLES[name], "")  # empty is as good as absent
    assert getattr(config, name) == DEFAULTS[name]


def test_an_inner_value_wins_over_an_outer_one(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NERVURE_DEBUG", "1")
    assert config.debug == 1
    config.debug = 2
    assert config.debug == 2
    with config.override(debug=3, check=True):
        assert (config.debug, config.check) == (3, True)
        with config.override(debug=0):
            assert (config.debug, config.check) == (0, True)
        assert config.debug == 3
        config.debug = 4  # hidden while the override lasts
        assert config.debug == 3
    assert (config.debug, config.check) == (4, False)


def test_an_override_ends_with_its_block_even_after_an_error(config: Config) -> None:
    with pytest.raises(KeyError), config.override(executor="reference", check=False):
        raise KeyError
    assert config.executor == "auto"


def test_an_override_holds_for_its_thread_only(config: Config) -> None:
    seen: list[int] = []

    def look() -> None:
        seen.append(config.debug)
        with config.override(debug=2):
            seen.append(config.debug)

    with config.override(debug=1):
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
        assert config.debug == 1
    assert seen == [0, 2]


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("num_threads", -1, "expected a whole number from 0 to 4096, got -1"),
        ("num_threads", 4097, "expected a whole number from 0 to 4096, got 4097"),
        ("num_threads", 2.0, "expected a whole number from 0 to 4096, got 2.0"),
        ("num_threads", "many", "expected a whole number from 0 to 4096, got 'many'"),
        ("debug", 5, "expected a whole number from 0 to 4, got 5"),
        ("debug", None, "expected a whole number from 0 to 4, got None"),
        ("check", "yes", "expected 0 or 1, got 'yes'"),
        ("check", 2, "expected 0 or 1, got 2"),
        ("executor", "Reference", "unknown executor: 'Reference'"),
        ("executor", 1, "unknown executor: 1"),
        ("skip_passes", "inlin", "unknown pass: 'inlin'"),
        ("skip_passes", 3, "expected names of passes, got 3"),
    ],
)
def test_a_wrong_value_is_refused_and_changes_nothing(
    config: Config, monkeypatch: pytest.MonkeyPatch, name: str, value: Any, message: str
) -> None:
    with pytest.raises(SettingError) as caught:
        setattr(config, name, value)
    first = str(caught.value).splitlines()[0]
    assert first == f"bad setting config.{name}: {message}"
    assert getattr(config, name) == DEFAULTS[name]
    if value is None:
        return  # in an override None means: leave it
    together = {"cache_dir": "/elsewhere", name: value}
    with pytest.raises(SettingError), config.override(**together):
        pass
    assert config.cache_dir is None
    if isinstance(value, str):
        monkeypatch.setenv(VARIABLES[name], value)
        with pytest.raises(SettingError) as caught:
            getattr(config, name)
        first = str(caught.value).splitlines()[0]
        assert first == f"bad setting {VARIABLES[name]}: {message}"


def test_unknown_settings_get_the_nearest_name(config: Config) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'num_threads'"):
        config.num_thread = 3
    with pytest.raises(AttributeError, match="did you mean 'executor'"):
        config.excutor  # noqa: B018
    with pytest.raises(TypeError):
        config.override(excutor="cpu")  # type: ignore[call-arg]
    assert not hasattr(config, "nonsense")


def test_wrong_settings_are_value_errors_of_nervure(config: Config) -> None:
    with pytest.raises(ValueError, match="bad setting") as caught:
        config.debug = 9
    assert isinstance(caught.value, NervureError)


def test_repr_shows_every_setting(config: Config) -> None:
    config.debug = 2
    assert repr(config) == (
        "Config(executor='auto', device=None, tf32=False, num_threads=0, debug=2, "
        "check=False, cache_dir=None, skip_passes=())"
    )


def test_the_number_of_threads(config: Config) -> None:
    available = thread_count()
    assert 1 <= available <= (os.cpu_count() or 1)
    with config.override(num_threads=7):
        assert thread_count() == 7


@pytest.mark.parametrize("text", ["1", " 1 ", "1,4", "100000", "0", "many", "", "-1"])
def test_the_number_of_threads_that_others_leave_us(
    config: Config, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    """joblib, Dask, Ray and Slurm tell their processes in OMP_NUM_THREADS."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    cores = thread_count()
    monkeypatch.setenv("OMP_NUM_THREADS", text)
    assert thread_count() == (1 if text.strip().startswith("1") and "0" not in text
                              else cores)  # fmt: skip
    with config.override(num_threads=7):
        assert thread_count() == 7


def test_the_cache_folder(
    config: Config, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with config.override(cache_dir=tmp_path):
        assert cache_directory() == tmp_path
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_directory() == tmp_path / "nervure"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_directory() == Path.home() / ".cache" / "nervure"
    monkeypatch.setattr("sys.platform", "darwin")
    assert cache_directory() == Path.home() / "Library" / "Caches" / "nervure"
    monkeypatch.setattr("sys.platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    assert cache_directory() == tmp_path / "local" / "nervure"


@pytest.mark.parametrize("value", [5, None, 1.5])
def test_a_folder_that_is_none_is_explained(value: Any) -> None:
    settings = Config()
    with pytest.raises(SettingError, match=r"bad setting config\.cache_dir"):
        settings.cache_dir = value
    assert settings.cache_dir is None
