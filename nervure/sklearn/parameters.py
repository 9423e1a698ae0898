"""Parameters with their names checked: a misspelt one is an error that says so."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

from sklearn.base import BaseEstimator

from nervure.errors import explain, nearest_names


class ParameterNames(BaseEstimator):
    """The base of all estimators: knows its parameters' names, and guesses others.

    scikit-learn reads the parameters from the signature of ``__init__``.  A class may
    also take parameters of the functions and objects that it is given
    (``hidden_size``, ``optimizer__learning_rate``): it keeps them in
    :attr:`_routed`, and :meth:`_routed_defaults` names all there are.
    """

    _routed: dict[str, Any]

    def __new__(cls, *_arguments: Any, **parameters: Any) -> Any:
        """Make an estimator; raises :class:`TypeError` for a misspelt parameter."""
        signature = inspect.signature(cls.__init__)
        kinds = [one.kind for one in signature.parameters.values()]
        if inspect.Parameter.VAR_KEYWORD not in kinds:
            known = cls._get_param_names()
            for name in parameters:
                if name not in known:
                    raise TypeError(unknown_parameter(cls.__name__, name, known))
        return super().__new__(cls)

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        # Without this, tools would show the signature of __new__.  scikit-learn takes
        # whatever is in it for a parameter's name, so `**others` is not.
        own = [
            one
            for one in list(inspect.signature(cls.__init__).parameters.values())[1:]
            if one.kind is not inspect.Parameter.VAR_KEYWORD
        ]
        cls.__signature__ = inspect.Signature(own)  # type: ignore[attr-defined]

    def _routed_defaults(self) -> Mapping[str, Any]:
        """Return the parameters there are besides those of ``__init__``."""
        return {}

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters by name.

        With ``deep`` also those of the objects and functions among them, at their
        defaults if they were not given.
        """
        found: dict[str, Any] = super().get_params(deep=deep)
        if deep:
            found = {**self._routed_defaults(), **found}
        return {**found, **vars(self).get("_routed", {})}

    def set_params(self, **parameters: Any) -> Any:
        """Set parameters and return the estimator.

        Raises :class:`ValueError` for an unknown name, with the nearest ones; nothing
        is changed then.
        """
        own = set(self._get_param_names())
        before = dict(vars(self))
        # Replacing an object comes before setting its parameters.
        ordered = sorted(parameters, key=lambda name: name.count("__"))
        try:
            for name in ordered:
                self._set_param(name, parameters[name], own)
        except ValueError:
            vars(self).clear()
            vars(self).update(before)
            raise
        return self

    def _set_param(self, name: str, value: Any, own: set[str]) -> None:
        known = own if name in own else self.get_params(deep=True)
        if name not in known:
            raise ValueError(unknown_parameter(type(self).__name__, name, known))
        head, _, rest = name.partition("__")
        if name in own:
            setattr(self, name, value)
        elif rest and hasattr(getattr(self, head, None), "set_params"):
            getattr(self, head).set_params(**{rest: value})
        else:
            self._routed = {**self._routed, name: value}


def unknown_parameter(owner: str, name: str, known: Iterable[str]) -> str:
    """Return the message for a parameter that an estimator does not have."""
    names = sorted(known)
    near = nearest_names(name, names)
    fix = (
        "did you mean " + " or ".join(repr(one) for one in near) + "?"
        if near
        else "its parameters are " + ", ".join(names)
    )
    return explain(f"{owner} has no parameter {name!r}", fix=fix)
