"""Functions of one or two tensors, element by element, under TensorFlow 1's names.

Two tensors must have one data type; numbers and arrays take the other operand's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from nervure import ops
from nervure.array import Array
from nervure.errors import DTypeError, explain
from nervure.ops import nn
from nervure.tf1 import data_types
from nervure.tf1.building import matching, one_output
from nervure.tf1.data_types import DType
from nervure.tf1.operators import FUNCTIONS
from nervure.tf1.tensor import Tensor, convert_to_tensor


class Unary(Protocol):
    """A function of one tensor."""

    def __call__(self, x: Any, name: str | None = None) -> Tensor:
        """Return the tensor of the result."""
        ...


class Binary(Protocol):
    """A function of two tensors."""

    def __call__(self, x: Any, y: Any, name: str | None = None) -> Tensor:
        """Return the tensor of the result."""
        ...


def _documented(
    function: Any, name: str, summary: str, example: str, value: str
) -> Any:
    function.__name__ = function.__qualname__ = name
    function.__doc__ = (
        f"Return {summary}, element by element.\n\n"
        f"    >>> import nervure.tf1 as tf\n"
        f"    >>> with tf.Graph().as_default(), tf.Session() as session:\n"
        f"    ...     print(session.run({example}))\n"
        f"    {value}\n"
    )
    return function


def unary(
    kind: str,
    name: str,
    function: Callable[[Array], Array],
    summary: str,
    example: str,
    value: str,
) -> Unary:
    """Return a public function of one tensor."""

    def call(x: Any, name: str | None = None) -> Tensor:
        return one_output(kind, [convert_to_tensor(x)], function, name)

    documented: Unary = _documented(call, name, summary, f"tf.{example}", value)
    return documented


def binary(
    kind: str,
    name: str,
    function: Callable[[Array, Array], Array],
    summary: str,
    example: str,
    value: str,
) -> Binary:
    """Return a public function of two tensors."""

    def call(x: Any, y: Any, name: str | None = None) -> Tensor:
        return one_output(kind, matching(kind, x, y), function, name)

    documented: Binary = _documented(call, name, summary, f"tf.{example}", value)
    return documented


# --- one tensor ----------------------------------------------------------------------

abs = unary("Abs", "abs", ops.abs, "the magnitude", "abs(-2.0)", "2.0")
negative = unary(
    "Neg", "negative", ops.negative, "the negative", "negative(2.0)", "-2.0"
)
sign = unary("Sign", "sign", ops.sign, "-1, 0 or 1", "sign(-2.0)", "-1.0")
square = unary("Square", "square", ops.square, "the square", "square(3.0)", "9.0")
sqrt = unary("Sqrt", "sqrt", ops.sqrt, "the square root", "sqrt(9.0)", "3.0")
rsqrt = unary("Rsqrt", "rsqrt", ops.rsqrt, "1 / the square root", "rsqrt(4.0)", "0.5")
reciprocal = unary(
    "Reciprocal", "reciprocal", ops.reciprocal, "1 / x", "reciprocal(4.0)", "0.25"
)
exp = unary("Exp", "exp", ops.exp, "e to the power of x", "exp(0.0)", "1.0")
expm1 = unary("Expm1", "expm1", ops.expm1, "exp(x) - 1", "expm1(0.0)", "0.0")
log = unary("Log", "log", ops.log, "the natural logarithm", "log(1.0)", "0.0")
log1p = unary("Log1p", "log1p", ops.log1p, "log(1 + x)", "log1p(0.0)", "0.0")
sin = unary("Sin", "sin", ops.sin, "the sine", "sin(0.0)", "0.0")
cos = unary("Cos", "cos", ops.cos, "the cosine", "cos(0.0)", "1.0")
tan = unary("Tan", "tan", ops.tan, "the tangent", "tan(0.0)", "0.0")
asin = unary("Asin", "asin", ops.asin, "the arc sine", "asin(0.0)", "0.0")
acos = unary("Acos", "acos", ops.acos, "the arc cosine", "acos(1.0)", "0.0")
atan = unary("Atan", "atan", ops.atan, "the arc tangent", "atan(0.0)", "0.0")
sinh = unary("Sinh", "sinh", ops.sinh, "the hyperbolic sine", "sinh(0.0)", "0.0")
cosh = unary("Cosh", "cosh", ops.cosh, "the hyperbolic cosine", "cosh(0.0)", "1.0")
tanh = unary("Tanh", "tanh", ops.tanh, "the hyperbolic tangent", "tanh(0.0)", "0.0")
sigmoid = unary(
    "Sigmoid", "sigmoid", ops.sigmoid, "1 / (1 + exp(-x))", "sigmoid(0.0)", "0.5"
)
erf = unary("Erf", "erf", ops.erf, "the error function", "erf(0.0)", "0.0")
floor = unary(
    "Floor", "floor", ops.floor, "the next whole number below", "floor(2.7)", "2.0"
)
ceil = unary(
    "Ceil", "ceil", ops.ceil, "the next whole number above", "ceil(2.1)", "3.0"
)
rint = unary(
    "Rint",
    "rint",
    ops.round,
    "the nearest whole number, even in a tie",
    "rint(2.5)",
    "2.0",
)
round = unary(
    "Round",
    "round",
    ops.round,
    "the nearest whole number, even in a tie",
    "round(2.5)",
    "2.0",
)
is_nan = unary(
    "IsNan", "is_nan", ops.isnan, "whether it is NaN", "is_nan([1.0])", "[False]"
)
is_inf = unary(
    "IsInf", "is_inf", ops.isinf, "whether it is infinite", "is_inf([1.0])", "[False]"
)
is_finite = unary(
    "IsFinite",
    "is_finite",
    ops.isfinite,
    "whether it is finite",
    "is_finite([1.0])",
    "[ True]",
)
logical_not = unary(
    "LogicalNot",
    "logical_not",
    ops.logical_not,
    "whether x is false",
    "logical_not([True])",
    "[False]",
)
softplus = unary(
    "Softplus",
    "softplus",
    nn.softplus,
    "log(1 + exp(x))",
    "nn.softplus(100.0)",
    "100.0",
)

# --- two tensors ---------------------------------------------------------------------

add = binary("Add", "add", ops.add, "x + y", "add([1, 2], 3)", "[4 5]")
subtract = binary("Sub", "subtract", ops.subtract, "x - y", "subtract(3.0, 1.0)", "2.0")
multiply = binary("Mul", "multiply", ops.multiply, "x * y", "multiply(3.0, 2.0)", "6.0")
maximum = binary(
    "Maximum", "maximum", ops.maximum, "the larger one", "maximum([1, 4], 3)", "[3 4]"
)
minimum = binary(
    "Minimum", "minimum", ops.minimum, "the smaller one", "minimum([1, 4], 3)", "[1 3]"
)
pow = binary("Pow", "pow", ops.pow, "x to the power of y", "pow(2.0, 3.0)", "8.0")
floordiv = binary(
    "FloorDiv",
    "floordiv",
    ops.floor_divide,
    "floor(x / y)",
    "floordiv([7, -7], 2)",
    "[ 3 -4]",
)
floormod = binary(
    "FloorMod",
    "floormod",
    ops.remainder,
    "the remainder, with the sign of y",
    "mod([7, -7], 3)",
    "[1 2]",
)
atan2 = binary(
    "Atan2",
    "atan2",
    ops.atan2,
    "the angle of the point (y, x)",
    "atan2(0.0, 1.0)",
    "0.0",
)
squared_difference = binary(
    "SquaredDifference",
    "squared_difference",
    lambda x, y: ops.square(x - y),
    "(x - y)^2",
    "squared_difference(3.0, 1.0)",
    "4.0",
)
equal = binary(
    "Equal", "equal", ops.equal, "whether x = y", "equal([1, 2], 2)", "[False  True]"
)
not_equal = binary(
    "NotEqual",
    "not_equal",
    ops.not_equal,
    "whether x differs from y",
    "not_equal([1, 2], 2)",
    "[ True False]",
)
less = binary(
    "Less", "less", ops.less, "whether x < y", "less([1, 2], 2)", "[ True False]"
)
less_equal = binary(
    "LessEqual",
    "less_equal",
    ops.less_equal,
    "whether x <= y",
    "less_equal([1, 2], 1)",
    "[ True False]",
)
greater = binary(
    "Greater",
    "greater",
    ops.greater,
    "whether x > y",
    "greater([1, 2], 1)",
    "[False  True]",
)
greater_equal = binary(
    "GreaterEqual",
    "greater_equal",
    ops.greater_equal,
    "whether x >= y",
    "greater_equal([1, 2], 2)",
    "[False  True]",
)
logical_and = binary(
    "LogicalAnd",
    "logical_and",
    ops.logical_and,
    "whether both are true",
    "logical_and([True], False)",
    "[False]",
)
logical_or = binary(
    "LogicalOr",
    "logical_or",
    ops.logical_or,
    "whether one is true",
    "logical_or([True], False)",
    "[ True]",
)
logical_xor = binary(
    "LogicalXor",
    "logical_xor",
    ops.logical_xor,
    "whether just one is true",
    "logical_xor([True], True)",
    "[False]",
)
mod = floormod
neg = negative


def truediv(x: Any, y: Any, name: str | None = None) -> Tensor:
    """Return x / y; whole numbers are converted to float64 (small ones to float32).

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     print(session.run(tf.truediv([1, 2], 2)))
    [0.5 1. ]
    """
    first, second = matching("RealDiv", x, y)
    if not first.dtype.is_floating:
        wide = data_types.float32 if first.dtype.size <= 2 else data_types.float64
        first, second = cast(first, wide), cast(second, wide)
    return one_output("RealDiv", [first, second], ops.divide, name)


def divide(x: Any, y: Any, name: str | None = None) -> Tensor:
    """Return x / y as Python 3 divides.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     print(session.run(tf.divide([1.0, 2.0], 2.0)))
    [0.5 1. ]
    """
    return truediv(x, y, name)


def div(x: Any, y: Any, name: str | None = None) -> Tensor:
    """Return x / y as Python 2 divides: whole numbers are rounded down.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     print(session.run(tf.div([7, -7], 2)))
    [ 3 -4]
    """
    first, second = matching("Div", x, y)
    function = ops.divide if first.dtype.is_floating else ops.floor_divide
    return one_output("Div", [first, second], function, name)


realdiv = divide


def cast(x: Any, dtype: Any, name: str | None = None) -> Tensor:
    """Return the tensor in another data type; fractions are cut off.

    Raises
    ------
    DTypeError
        For text, which is no number, and for numbers that become text.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     print(session.run(tf.cast([1.7, -1.7], tf.int32)))
    [ 1 -1]
    """
    tensor = convert_to_tensor(x)
    wanted = data_types.as_dtype(dtype)
    if tensor.dtype == wanted:
        return tensor
    if data_types.string in (tensor.dtype, wanted):
        raise DTypeError(
            explain(
                f"cast: cannot convert {tensor.dtype.name} to {wanted.name}",
                operands=[("x", tensor.type_text, tensor.name)],
                fix="text stays text; convert it in NumPy before it is fed",
            )
        )
    return one_output(
        "Cast", [tensor], lambda value: ops.astype(value, wanted.dtype), name
    )


def _caster(dtype: DType, name: str) -> Unary:
    def call(x: Any, name: str | None = None) -> Tensor:
        return cast(x, dtype, name)

    documented: Unary = _documented(
        call,
        name,
        f"the value as {dtype.name}",
        f"tf.{name}(1)",
        "1.0" if dtype.is_floating else "1",
    )
    return documented


to_float = _caster(data_types.float32, "to_float")
to_double = _caster(data_types.float64, "to_double")
to_int32 = _caster(data_types.int32, "to_int32")
to_int64 = _caster(data_types.int64, "to_int64")


def clip_by_value(
    t: Any, clip_value_min: Any, clip_value_max: Any, name: str | None = None
) -> Tensor:
    """Return the values, moved into a range.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     print(session.run(tf.clip_by_value([-2.0, 0.5, 3.0], 0.0, 1.0)))
    [0.  0.5 1. ]
    """
    x = convert_to_tensor(t)
    low = convert_to_tensor(clip_value_min, x.dtype)
    high = convert_to_tensor(clip_value_max, x.dtype)

    def clipped(value: Array, low: Array, high: Array) -> Array:
        return ops.maximum(ops.minimum(value, high), low)

    return one_output("ClipByValue", [x, low, high], clipped, name or "clip_by_value")


def add_n(inputs: Any, name: str | None = None) -> Tensor:
    """Return the sum of several tensors of one shape and type.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     session.run(tf.add_n([1.0, 2.0, 3.0]))
    np.float32(6.0)
    """
    tensors = [convert_to_tensor(one) for one in inputs]
    first, *others = tensors
    for other in others:
        matching("AddN", first, other)

    def total(*values: Array) -> Array:
        result = values[0]
        for value in values[1:]:
            result = result + value
        return result

    return one_output("AddN", tensors, total, name)


# --- operators -----------------------------------------------------------------------


def _logical(
    of_truths: Binary, of_numbers: Callable[[Array, Array], Array], kind: str
) -> Callable[[Any, Any], Tensor]:
    def call(x: Any, y: Any) -> Tensor:
        first, second = matching(kind, x, y)
        if first.dtype == data_types.bool_:
            return of_truths(first, second)
        return one_output(kind, [first, second], of_numbers)

    return call


def _slot(function: Callable[..., Tensor], name: str) -> Callable[[Any, Any], Tensor]:
    return lambda x, y: function(x, y, name=name)


FUNCTIONS.update(
    {
        "add": _slot(add, "add"),
        "sub": _slot(subtract, "sub"),
        "mul": _slot(multiply, "mul"),
        "truediv": _slot(truediv, "truediv"),
        "floordiv": _slot(floordiv, "floordiv"),
        "mod": _slot(floormod, "mod"),
        "pow": _slot(pow, "pow"),
        "and": _logical(logical_and, ops.bitwise_and, "and"),
        "or": _logical(logical_or, ops.bitwise_or, "or"),
        "xor": _logical(logical_xor, ops.bitwise_xor, "xor"),
        "lt": less,
        "le": less_equal,
        "gt": greater,
        "ge": greater_equal,
        "neg": negative,
        "abs": abs,
        "pos": convert_to_tensor,
        "invert": logical_not,
    }
)
