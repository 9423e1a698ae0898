"""Elementwise primitives as LLVM instructions: one table entry each.

A value in flight has the type in which its data type is computed: float16 and bfloat16
travel as ``float`` and are rounded when they are stored, truth values are ``i1``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from nervure import dtypes
from nervure.dtypes import DType
from nervure.exec.cpu import conversions, mathlib
from nervure.exec.cpu.llvm import (
    FunctionBuilder,
    Value,
    constant,
    element_of,
    lanes_of,
    scalar_type,
    vector_type,
)
from nervure.ir.node import Node

Emit = Callable[[FunctionBuilder, Node, Sequence[Value]], Value]

NARROW = (dtypes.float16, dtypes.bfloat16)


def register_type(dtype: DType) -> str:
    """Return the LLVM type in which one element of ``dtype`` travels."""
    return "float" if dtype in NARROW else scalar_type(dtype)


def is_floating(value: Value) -> bool:
    """Tell whether a value holds floating-point numbers."""
    return element_of(value.type) in ("float", "double")


def _number(x: Value, number: int | float) -> Value:
    return constant(number, x.type)


def emit(b: FunctionBuilder, node: Node, operands: Sequence[Value]) -> Value:
    """Append the instructions of one elementwise node."""
    return TABLE[node.op.name](b, node, operands)


# How many instructions an operation takes, roughly, where it is not about one.
_COSTS = {"exp": 20, "expm1": 30, "log": 25, "log1p": 30, "tanh": 30, "sigmoid": 25,
          "erf": 35, "pow": 80, "sin": 40, "cos": 40, "atan2": 40, "rem": 30, "div": 3,
          "sqrt": 3, "random_bits": 90}  # fmt: skip


def cost_of(node: Node) -> float:
    """Return the number of instructions for an element of 4 bytes, roughly."""
    return _COSTS.get(node.op.name, 1) * max(node.dtype.itemsize, 4) / 4


# --- arithmetic ----------------------------------------------------------------------


def _arithmetic(float_op: str, integer_op: str) -> Emit:
    def rule(b: FunctionBuilder, node: Node, operands: Sequence[Value]) -> Value:
        x, y = operands
        if is_floating(x):
            return b.binary(float_op, x, y, b.flags)
        return b.binary(integer_op, x, y)

    return rule


def _neg(b: FunctionBuilder, node: Node, operands: Sequence[Value]) -> Value:
    (x,) = operands
    if is_floating(x):
        return b.emit(x.type, f"fneg {x}")
    return b.binary("sub", _number(x, 0), x)


def _abs(b: FunctionBuilder, node: Node, operands: Sequence[Value]) -> Value:
    (x,) = operands
    if is_floating(x):
        return b.intrinsic("fabs", x)
    if dtypes.is_unsigned(node.dtype):
        return x
    return b.intrinsic("abs", x, Value("i1", "false"))


def _div(b: FunctionBuilder, node: Node, operands: Sequence[Value]) -> Value:
    """Integer division is undefined for a zero divisor and for min / -1: avoid both."""
    x, y = operands
    if is_floating(x):
        return b.binary("fdiv", x, y)
    zero, one = _number(x, 0), _number(x, 1)
    by_zero = b.compare("icmp", "eq", y, zero)
    if dtypes.is_unsigned(node.dtype):
        quotient = b.binary("udiv", x, b.select(by_zero, one, y))
        return b.select(by_zero, zero, quotient)
    by_minus_one = b.compare("icmp", "eq", y, _number(x, -1))
    safe = b.select(b.binary("or", by_zero, by_minus_one), one, y)
    quotient = b.binary("sdiv", x, safe)
    quotient = b.select(by_minus_one, b.binary("sub", zero, x), quotient)
    return b.select(by_zero, zero, quotient)


def _rem(b: FunctionBuilder, node: Node, operands: Sequence[Value]) -> Value:
    x, y = operands
    if is_floating(x):
        return mathlib.rem(b, x, y)
    zero, one = _number(x, 0), _number(x, 1)
    unsafe = b.compare("icmp", "eq", y, zero)
    if dtypes.is_unsigned(node.dtype):
        rest = b.binary("urem", x, b.select(unsafe, one, y))
        return b.select(unsafe, zero, rest)
    by_minus_one = b.compare("icmp", "eq", y, _number(x, -1))
    unsafe = b.binary("or", unsafe, by_minus_one)
    return b.select(unsafe, zero, b.binary("srem", x, b.select(unsafe, one, y)))


def _pow(b: FunctionBuilder, node: Node, operands: Sequence[Value]) -> Value:
    x, y = operands
    if is_floating(x):
        return mathlib.pow(b, x, y)
    return _integer_power(b, x, y, dtypes.is_signed(node.dtype))


def _integer_power(b: FunctionBuilder, x: Value, y: Value, signed: bool) -> Value:
    """Square and multiply over all bits of the exponent, without branches."""
    zero, one = _number(x, 0), _number(x, 1)
    width = int(element_of(x.type)[1:])
    negative = b.compare("icmp", "slt", y, zero) if signed else None
    with b.loop(0, width, 1, [one, x, y]) as loop:
        result, square, rest = loop.carried
        odd = b.compare("icmp", "ne", b.binary("and", rest, one), zero)
        product = b.select(odd, b.binary("mul", result, square), result)
        loop.next = [
            product,
            b.binary("mul", square, square),
            b.binary("lshr", rest, one),
        ]
    power = loop.results[0]
    if negative is None:
        return power
    # 1 / x^n rounded toward zero: only bases 1 and -1 leave anything
    is_one = b.compare("icmp", "eq", x, one)
    is_minus_one = b.compare("icmp", "eq", x, _number(x, -1))
    odd = b.compare("icmp", "ne", b.binary("and", y, one), zero)
    sign = b.select(odd, _number(x, -1), one)
    reciprocal = b.select(is_one, one, b.select(is_minus_one, sign, zero))
    return b.select(negative, reciprocal, power)


def _extremum(name: str) -> Emit:
    def rule(b: FunctionBuilder, node: Node, operands: Sequence[Value]) -> Value:
        x, y = operands
        return extremum(b, name, node.inputs[0].dtype, x, y)

    return rule


def extremum(b: FunctionBuilder, name: str, dtype: DType, x: Value, y: Value) -> Value:
    """Return the larger (``maximum``) or smaller operand; NaN wins.

    Of two equal ones y is returned: that is one instruction on x86.
    """
    if is_floating(x):
        condition = "ogt" if name == "maximum" else "olt"
        better = b.select(b.compare("fcmp", condition, x, y), x, y)
        return b.select(b.compare("fcmp", "uno", x, x), x, better)
    if dtypes.is_bool(dtype):
        return b.binary("or" if name == "maximum" else "and", x, y)
    sign = "s" if dtypes.is_signed(dtype) else "u"
    return b.intrinsic(f"{sign}{name[:3]}", x, y)


def _compare(float_condition: str, integer_condition: str) -> Emit:
    def rule(b: FunctionBuilder, node: Node, operands: Sequence[Value]) -> Value:
        x, y = operands
        if is_floating(x):
            return b.compare("fcmp", float_condition, x, y)
        dtype = node.inputs[0].dtype
        if integer_condition == "eq":
            return b.compare("icmp", "eq", x, y)
        sign = "s" if dtypes.is_signed(dtype) else "u"
        return b.compare("icmp", sign + integer_condition, x, y)

    return rule


def _bitwise(op: str) -> Emit:
    return lambda b, node, operands: b.binary(op, operands[0], operands[1])


def _not(b: FunctionBuilder, node: Node, operands: Sequence[Value]) -> Value:
    (x,) = operands
    return b.binary("xor", x, _number(x, 1 if element_of(x.type) == "i1" else -1))


def _shift(left: bool) -> Emit:
    """Shifts of the width or more are undefined in LLVM and defined here."""

    def rule(b: FunctionBuilder, node: Node, operands: Sequence[Value]) -> Value:
        x, y = operands
        width = int(element_of(x.type)[1:])
        too_far = b.compare("icmp", "uge", y, _number(y, width))
        amount = b.select(too_far, _number(y, 0), y)
        if left or dtypes.is_unsigned(node.dtype):
            moved = b.binary("shl" if left else "lshr", x, amount)
            return b.select(too_far, _number(x, 0), moved)
        signs = b.binary("ashr", x, _number(x, width - 1))
        return b.select(too_far, signs, b.binary("ashr", x, amount))

    return rule


def _is_finite(b: FunctionBuilder, node: Node, operands: Sequence[Value]) -> Value:
    (x,) = operands
    size = b.intrinsic("fabs", x)
    return b.compare("fcmp", "olt", size, _number(x, float("inf")))


# --- types ---------------------------------------------------------------------------


def _cast(b: FunctionBuilder, node: Node, operands: Sequence[Value]) -> Value:
    (x,) = operands
    return convert(b, x, node.inputs[0].dtype, node.dtype)


def convert(b: FunctionBuilder, x: Value, source: DType, target: DType) -> Value:
    """Convert a value in flight; see the primitive ``cast`` for the rules."""
    lanes = lanes_of(x.type)
    type_ = vector_type(register_type(target), lanes)
    if source in NARROW and target != source:
        x = round_to(b, x, source)  # in flight it has more digits than its type
    if dtypes.is_bool(target):
        if is_floating(x):  # NaN is not zero, hence true
            return b.compare("fcmp", "une", x, _number(x, 0.0))
        return (
            x if dtypes.is_bool(source) else b.compare("icmp", "ne", x, _number(x, 0))
        )
    if dtypes.is_float(target):
        return _to_float(b, x, source, target, type_)
    if is_floating(x):
        sign = "s" if dtypes.is_signed(target) else "u"
        name = f"llvm.fpto{sign}i.sat.{_spell(type_)}.{_spell(x.type)}"
        return b.call(name, type_, [x])
    if dtypes.is_bool(source):
        return b.convert("zext", x, type_)
    if target.itemsize < source.itemsize:
        return b.convert("trunc", x, type_)
    return b.convert("sext" if dtypes.is_signed(source) else "zext", x, type_)


def _to_float(
    b: FunctionBuilder, x: Value, source: DType, target: DType, type_: str
) -> Value:
    if target in NARROW:
        return round_to(b, _float_to_round(b, x, source, target), target)
    if is_floating(x):
        return b.convert("fpext" if "double" in type_ else "fptrunc", x, type_)
    return b.convert("sitofp" if dtypes.is_signed(source) else "uitofp", x, type_)


def _float_to_round(
    b: FunctionBuilder, x: Value, source: DType, target: DType
) -> Value:
    """Return ``float`` from which ``target`` is rounded as if only once."""
    lanes = lanes_of(x.type)
    op = "sitofp" if dtypes.is_signed(source) else "uitofp"
    if not is_floating(x):
        if source.itemsize < 4 or target == dtypes.float16:
            return b.convert(op, x, vector_type("float", lanes))
        if source.itemsize == 8:
            x = conversions.marked(b, x, dtypes.is_signed(source))
        x = b.convert(op, x, vector_type("double", lanes))
    return conversions.to_odd_float(b, x) if "double" in x.type else x


def round_to(b: FunctionBuilder, x: Value, dtype: DType) -> Value:
    """Round a ``float`` in flight to the digits of a narrow type."""
    type_ = vector_type(scalar_type(dtype), lanes_of(x.type))
    return b.convert("fpext", b.convert("fptrunc", x, type_), x.type)


def _spell(type_: str) -> str:
    words = {"float": "f32", "double": "f64"}
    element, lanes = element_of(type_), lanes_of(type_)
    word = words.get(element, element)
    return word if lanes == 1 else f"v{lanes}{word}"


def _bitcast(b: FunctionBuilder, node: Node, operands: Sequence[Value]) -> Value:
    """The bits are those in memory, so narrow floats are rounded first."""
    (x,) = operands
    source, target = node.inputs[0].dtype, node.dtype
    lanes = lanes_of(x.type)
    if source in NARROW:
        x = b.convert("fptrunc", x, vector_type(scalar_type(source), lanes))
    x = b.convert("bitcast", x, vector_type(scalar_type(target), lanes))
    if target in NARROW:
        x = b.convert("fpext", x, vector_type("float", lanes))
    return x


def _select(b: FunctionBuilder, node: Node, operands: Sequence[Value]) -> Value:
    return b.select(*operands)


def _function(name: str) -> Emit:
    rule = getattr(mathlib, name)
    return lambda b, node, operands: rule(b, *operands)


TABLE: dict[str, Emit] = {
    "neg": _neg,
    "abs": _abs,
    "not": _not,
    "is_finite": _is_finite,
    "add": _arithmetic("fadd", "add"),
    "sub": _arithmetic("fsub", "sub"),
    "mul": _arithmetic("fmul", "mul"),
    "div": _div,
    "rem": _rem,
    "pow": _pow,
    "maximum": _extremum("maximum"),
    "minimum": _extremum("minimum"),
    "and": _bitwise("and"),
    "or": _bitwise("or"),
    "xor": _bitwise("xor"),
    "shift_left": _shift(left=True),
    "shift_right": _shift(left=False),
    "eq": _compare("oeq", "eq"),
    "lt": _compare("olt", "lt"),
    "le": _compare("ole", "le"),
    "select": _select,
    "cast": _cast,
    "bitcast": _bitcast,
    **{
        name: _function(name)
        for name in (
            "floor", "round", "exp", "expm1", "log", "log1p", "sqrt", "sin", "cos",
            "tanh", "sigmoid", "erf", "atan2",
        )
    },
}  # fmt: skip
