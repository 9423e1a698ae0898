"""Functions of arrays as layers: what ``x + y`` on symbolic tensors becomes."""

from __future__ import annotations

from typing import Any, Unpack

from nervure.errors import unknown_name
from nervure.nn.layer import Layer
from nervure.nn.layer_options import LayerOptions
from nervure.nn.naming import automatic_name
from nervure.ops.deferred import OPERATIONS


class Operation(Layer):
    """A function of ``nervure`` as a layer of a model.

    Operators and functions on symbolic tensors make these; there is rarely a reason to
    make one by hand.

    Parameters
    ----------
    function
        The public name: ``"add"``, ``"nn.relu"``.

    Other arguments: see :class:`~nervure.layers.Layer`.  Raises
    :class:`~nervure.errors.UnknownNameError` for what is no function of ``nervure``.

    >>> import nervure as nv
    >>> x = nv.layers.Input((2,))
    >>> nv.sum(x * 2 + 1, axis=-1)
    <SymbolicTensor 'symbolic_tensor_2' float32[None] from sum>
    """

    def __init__(self, function: str, **options: Unpack[LayerOptions]) -> None:
        if function not in OPERATIONS:
            raise unknown_name("function", function, list(OPERATIONS))
        if not options.get("name"):
            options["name"] = automatic_name(_short_name(function))
        super().__init__(**options)
        self.function = function
        # A mask says nothing about the result of any function.
        self.supports_masking = True
        self.built = True

    @property
    def type_name(self) -> str:
        """What the table of a model's layers calls it: ``GetItem``."""
        return "".join(map(str.capitalize, _short_name(self.function).split("_")))

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """Apply the function."""
        return OPERATIONS[self.function](*args, **kwargs)

    def compute_mask(self, inputs: Any, previous_mask: Any) -> None:
        """Return no mask."""

    def _converted(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the arguments as they are: 2 stays a number, integers stay such."""
        return args, kwargs


def _short_name(function: str) -> str:
    """Return a name without its module, as Keras' layers are called."""
    name = function.rpartition(".")[2]
    return "get_item" if name == "getitem" else name
