"""Settings: one object, a handful of names, each with an environment variable.

>>> from nervure.config import config
>>> with config.override(executor="reference"):
...     config.executor
'reference'

| setting | environment variable | meaning |
|---|---|---|
| ``executor`` | ``NERVURE_EXECUTOR`` | ``reference``, ``cpu``, ``xla`` or ``auto`` |
| ``device`` | ``NERVURE_DEVICE`` | ``cpu``, ``gpu:0``, ...; see ``nervure.device`` |
| ``tf32`` | ``NERVURE_TF32`` | 1: GPUs may make products of float32 in TF32 |
| ``num_threads`` | ``NERVURE_NUM_THREADS`` | worker threads; see ``thread_count`` |
| ``debug`` | ``NERVURE_DEBUG`` | 0 (quiet) to 4 (everything) |
| ``check`` | ``NERVURE_CHECK`` | 1: check every load, store and index; see below |
| ``cache_dir`` | ``NERVURE_CACHE_DIR`` | where compiled objects and data are kept |
| ``skip_passes`` | ``NERVURE_SKIP_PASSES`` | names of passes to leave out |

``auto`` means ``xla`` where there is a GPU or TPU that JAX can use, ``cpu`` elsewhere,
and ``reference`` for what is too little work to be compiled; see
:func:`nervure.exec.base.choose_executor`.  Debug level 1 prints what is evaluated and
compiled again, 2 what each pass changes (and verifies it), 3 the graphs before and
after the passes, 4 the LLVM text of every kernel; each level prints what those below
it print.  Names of passes are written with
commas between them, or are a sequence; see ``nervure.passes``.

``check`` is for finding errors, and makes code several times slower.  An index that is
out of range raises :class:`~nervure.errors.DataError` on the reference and cpu
executors, where it would be clamped; on cpu, each load and store of compiled code is
checked against the buffer that it belongs to, and one outside raises
:class:`~nervure.errors.NativeCodeError`.  Results keep their bits, but for the sign of
NaN.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Final

from nervure.device_names import checked_name
from nervure.errors import SettingError, explain, unknown_name

EXECUTOR_NAMES: Final = ("auto", "reference", "cpu", "xla")
# The passes of ``nervure.passes``, then what executors plan, each in its order.
PASS_NAMES: Final = (
    *("inline", "simplify", "fold", "layout", "merge", "dead"),
    *("fusion", "in_place", "recomputation", "offload", "schedule", "memory"),
)


def _one_of_executors(value: Any) -> str:
    if value not in EXECUTOR_NAMES:
        raise unknown_name("executor", value, EXECUTOR_NAMES)
    return str(value)


def _integer_between(low: int, high: int) -> Callable[[Any], int]:
    def parse(value: Any) -> int:
        try:
            number = int(value)
        except (TypeError, ValueError):
            number = low - 1
        if isinstance(value, float) or not low <= number <= high:
            raise SettingError(
                explain(
                    f"expected a whole number from {low} to {high}, got {value!r}",
                    fix=f"the default is {low}",
                )
            )
        return number

    return parse


def _truth(value: Any) -> bool:
    words = {"": False, "0": False, "false": False, "1": True, "true": True}
    text = str(value).lower()
    if text not in words:
        raise SettingError(
            explain(
                f"expected 0 or 1, got {value!r}",
                fix="use 1 to turn it on, 0 to turn it off",
            )
        )
    return words[text]


def _platform_cache() -> Path:
    """Return the folder for caches that this operating system prescribes."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "nervure"


def _path(value: Any) -> Path:
    return Path(value).expanduser()


def _names_of_passes(value: Any) -> tuple[str, ...]:
    names = value.split(",") if isinstance(value, str) else value
    if not isinstance(names, Iterable) or isinstance(names, bytes):
        raise SettingError(
            explain(
                f"expected names of passes, got {value!r}",
                fix=f"write them with commas: {PASS_NAMES[0]},{PASS_NAMES[1]}",
            )
        )
    given = {one.strip() if isinstance(one, str) else one for one in names} - {""}
    for one in given:
        if one not in PASS_NAMES:
            raise unknown_name("pass", one, PASS_NAMES)
    return tuple(one for one in PASS_NAMES if one in given)


# name -> (environment variable, parser, default)
_SETTINGS: Final[dict[str, tuple[str, Callable[[Any], Any], Any]]] = {
    "executor": ("NERVURE_EXECUTOR", _one_of_executors, "auto"),
    "device": ("NERVURE_DEVICE", checked_name, None),
    "tf32": ("NERVURE_TF32", _truth, False),
    "num_threads": ("NERVURE_NUM_THREADS", _integer_between(0, 4096), 0),
    "debug": ("NERVURE_DEBUG", _integer_between(0, 4), 0),
    "check": ("NERVURE_CHECK", _truth, False),
    "cache_dir": ("NERVURE_CACHE_DIR", _path, None),
    "skip_passes": ("NERVURE_SKIP_PASSES", _names_of_passes, ()),
}


class Config:
    """The settings of this process.

    Reading order: a value set inside ``with config.override(...)`` (this thread or
    task only), then one assigned to the attribute, then the environment variable, then
    the default.  A wrong value raises :class:`~nervure.errors.SettingError` and changes
    nothing.

    >>> with config.override(num_threads=2):
    ...     config.num_threads
    2
    """

    executor: str
    device: str | None
    tf32: bool
    num_threads: int
    debug: int
    check: bool
    cache_dir: Path | None
    skip_passes: tuple[str, ...]

    def __init__(self) -> None:
        object.__setattr__(self, "_assigned", {})
        overrides: ContextVar[dict[str, Any]] = ContextVar("overrides")
        object.__setattr__(self, "_overrides", overrides)

    def __getattr__(self, name: str) -> Any:
        if name not in _SETTINGS:
            raise AttributeError(str(unknown_name("setting", name, list(_SETTINGS))))
        overrides = self._overrides.get({})
        if name in overrides:
            return overrides[name]
        if name in self._assigned:
            return self._assigned[name]
        variable, parse, default = _SETTINGS[name]
        text = os.environ.get(variable)
        if text is None or text == "":
            return default
        return _checked(variable, parse, text)

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in _SETTINGS:
            raise unknown_name("setting", name, list(_SETTINGS))
        self._assigned[name] = _checked(f"config.{name}", _SETTINGS[name][1], value)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *_SETTINGS]

    def __repr__(self) -> str:
        rows = ", ".join(f"{name}={getattr(self, name)!r}" for name in _SETTINGS)
        return f"Config({rows})"

    @contextlib.contextmanager
    def override(
        self,
        *,
        executor: str | None = None,
        device: str | None = None,
        tf32: bool | None = None,
        num_threads: int | None = None,
        debug: int | None = None,
        check: bool | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
        skip_passes: str | Iterable[str] | None = None,
    ) -> Iterator[None]:
        """Change settings inside a ``with`` block, for this thread or task only."""
        given = {
            "executor": executor,
            "device": device,
            "tf32": tf32,
            "num_threads": num_threads,
            "debug": debug,
            "check": check,
            "cache_dir": cache_dir,
            "skip_passes": skip_passes,
        }
        changed = {
            name: _checked(f"config.{name}", _SETTINGS[name][1], value)
            for name, value in given.items()
            if value is not None
        }
        token = self._overrides.set({**self._overrides.get({}), **changed})
        try:
            yield
        finally:
            self._overrides.reset(token)


def _checked(origin: str, parse: Callable[[Any], Any], value: Any) -> Any:
    """Parse a setting and say where a wrong one came from."""
    try:
        return parse(value)
    except (TypeError, ValueError) as error:
        raise SettingError(explain(f"bad setting {origin}: {error}")) from None


config: Final = Config()


def cache_directory() -> Path:
    """Return the folder for cached files; it may not exist yet.

    >>> with config.override(cache_dir="somewhere"):
    ...     cache_directory().name
    'somewhere'
    """
    return config.cache_dir or _platform_cache()


def thread_count() -> int:
    """Return how many worker threads to use.

    That is the setting.  If it is 0, it is what the environment variable
    ``OMP_NUM_THREADS`` says, by which joblib, Dask, Ray and Slurm divide the cores
    among the processes that they start; and else every core that may be used.

    >>> with config.override(num_threads=2):
    ...     thread_count()
    2
    """
    if config.num_threads:
        return int(config.num_threads)
    cores = (
        len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count() or 1
    )
    # A list gives the numbers for nested loops; ours are the outer one.
    given = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    return min(int(given), cores) if given.isdecimal() and int(given) else cores
