"""The start of a script, and its flags: ``tf.app``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from nervure.errors import ArgumentError, explain


class _Flags:
    """The values of flags, read from the command line when first looked at."""

    def __init__(self) -> None:
        self.__dict__["_parser"] = argparse.ArgumentParser()
        self.__dict__["_values"] = {}
        self.__dict__["_rest"] = None

    def _define(self, name: str, default: Any, help: str | None, kind: Any) -> None:
        self._parser.add_argument(f"--{name}", default=default, help=help, type=kind)
        self.__dict__["_rest"] = None

    def parse(self, arguments: Sequence[str]) -> list[str]:
        """Read flags from arguments and return the others."""
        found, rest = self._parser.parse_known_args(list(arguments))
        self._values.update(vars(found) | self._values.get("set by hand", {}))
        self.__dict__["_rest"] = rest
        return list(rest)

    def __getattr__(self, name: str) -> Any:
        if self._rest is None:
            self.parse(sys.argv[1:])
        if name not in self._values:
            raise AttributeError(f"the flag {name!r} has not been defined")
        return self._values[name]

    def __setattr__(self, name: str, value: Any) -> None:
        self._values.setdefault("set by hand", {})[name] = value
        self._values[name] = value


FLAGS = _Flags()


def _truth(text: str) -> bool:
    words = {"true": True, "1": True, "false": False, "0": False}
    if text.lower() not in words:
        raise ArgumentError(
            explain(
                f"expected true or false, got {text!r}",
                fix="write --name=true or --name=false",
            )
        )
    return words[text.lower()]


class flags:  # noqa: N801 - TensorFlow's name of a module
    """Flags of the command line.

    >>> import nervure.tf1 as tf
    >>> tf.app.flags.DEFINE_integer("steps_of_example", 10, "how many steps")
    >>> tf.app.flags.FLAGS.steps_of_example
    10
    """

    FLAGS = FLAGS

    @staticmethod
    def DEFINE_string(name: str, default: str | None, help: str | None = None) -> None:  # noqa: N802
        """Define a flag that is text."""
        FLAGS._define(name, default, help, str)

    @staticmethod
    def DEFINE_integer(name: str, default: int | None, help: str | None = None) -> None:  # noqa: N802
        """Define a flag that is a whole number."""
        FLAGS._define(name, default, help, int)

    @staticmethod
    def DEFINE_float(name: str, default: float | None, help: str | None = None) -> None:  # noqa: N802
        """Define a flag that is a number."""
        FLAGS._define(name, default, help, float)

    @staticmethod
    def DEFINE_boolean(  # noqa: N802
        name: str, default: bool | None, help: str | None = None
    ) -> None:
        """Define a flag that is true or false."""
        FLAGS._define(name, default, help, _truth)

    DEFINE_bool = DEFINE_boolean


def run(
    main: Callable[[list[str]], Any] | None = None, argv: Sequence[str] | None = None
) -> NoReturn:
    """Call ``main`` with the arguments that are no flags, and end the program.

    Parameters
    ----------
    main
        The function; by default that of the script.
    argv
        The program's name and its arguments; by default those of the command line.

    >>> import nervure.tf1 as tf
    >>> try:
    ...     tf.app.run(main=lambda arguments: print(len(arguments)), argv=["script"])
    ... except SystemExit:
    ...     pass
    1
    """
    given = list(sys.argv if argv is None else argv)
    function = main or sys.modules["__main__"].main
    rest = FLAGS.parse(given[1:])
    sys.exit(function([*given[:1], *rest]))
