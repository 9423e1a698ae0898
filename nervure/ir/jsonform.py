"""Graphs as JSON: for programs that read them, in any language.

::

    {"format": "nervure-graph", "version": 1,
     "inputs": [{"name": "x", "dtype": "float32", "shape": [5, 4], "site": {...}}],
     "nodes": [{"op": "exp", "operands": [0], "dtype": "float32", "shape": [5, 4],
                "attrs": {}, "site": {"file": "model.py", "line": 12, "layer": ""}}],
     "outputs": [1]}

Operands and outputs are numbers of values: the inputs count from 0, the nodes go on.
An attribute is ``true``, ``false``, ``null``, a whole number, a string, an array (a
tuple), ``{"dtype": name}``, ``{"rule": name}``, ``{"constant": {"dtype": name,
"shape": [...], "base64": text}}``, whose elements are little-endian and in row-major
order, so every bit of a NaN is kept, or ``{"graph": {"inputs": [...], "nodes": [...],
"outputs": [...]}}``, the body of a loop or branch, whose values are numbered on their
own.  The ``dtype`` of a node with several results is the array of their types.
Buffers have a name but no data, rules no code.
A site names the file without its folder, which is nobody's business.  It has the keys
``composite`` (text) and ``gradient`` (true) where there is something to say.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import os
import sys
from collections.abc import Callable
from typing import Any, Final, NoReturn

import numpy as np

from nervure import dtypes
from nervure.dtypes import DType
from nervure.errors import GraphError, explain
from nervure.ir.attrs import Attrs, AttrValue, Constant, Rule
from nervure.ir.bodies import DEEPEST_BODY, body_input, check_closed
from nervure.ir.graph import Graph
from nervure.ir.node import Node, Shape, Site
from nervure.ir.numerals import little_endian
from nervure.ir.primitive import primitive_named
from nervure.ir.reading import buffer_attrs, built, fresh_input
from nervure.ir.record import is_record, record_type, result_types
from nervure.ir.text import DEEPEST_TUPLE, numbered

FORMAT: Final = "nervure-graph"
VERSION: Final = 1

_DTYPES: Final[dict[str, DType]] = {dtype.name: dtype for dtype in dtypes.ALL}
_LARGEST_INTEGER: Final = 10**100
_LARGEST_LINE: Final = 10**9

# --- writing -------------------------------------------------------------------------


def to_json(graph: Graph) -> str:
    """Write ``graph`` as strict JSON, one value a line.

    >>> import numpy as np
    >>> from nervure.prims import leaf
    >>> graph = Graph([leaf.const(np.float32(1.5))])
    >>> json.loads(to_json(graph))["nodes"][0]["attrs"]["value"]["constant"]["base64"]
    'AADAPw=='
    """
    numbers = numbered(graph)
    values = list(numbers)
    count = len(graph.inputs)
    inputs = ",\n  ".join(_dumped(_input_form(node)) for node in values[:count])
    nodes = ",\n  ".join(_dumped(_node_form(n, numbers)) for n in values[count:])
    outputs = _dumped([numbers[node] for node in graph.outputs])
    return (
        f'{{\n"format": "{FORMAT}",\n"version": {VERSION},\n'
        f'"inputs": [{inputs}],\n"nodes": [{nodes}],\n"outputs": {outputs}\n}}\n'
    )


def _dumped(form: object) -> str:
    return json.dumps(form, allow_nan=False)


def _input_form(node: Node) -> dict[str, Any]:
    return {
        "name": node.attrs["name"],
        "dtype": node.dtype.name,
        "shape": list(node.shape),
        "site": _site_form(node.site),
    }


def _node_form(node: Node, numbers: dict[Node, int]) -> dict[str, Any]:
    buffer = node.buffer
    attrs: dict[str, Any]
    if buffer is not None:
        attrs = {"name": buffer.name, "parameter": buffer.parameter}
    else:
        attrs = {name: _attr_form(node.attrs[name], 0) for name in sorted(node.attrs)}
    return {
        "op": node.op.name,
        "operands": [numbers[operand] for operand in node.inputs],
        "dtype": _dtype_form(node.dtype),
        "shape": list(node.shape),
        "attrs": attrs,
        "site": _site_form(node.site),
    }


def _dtype_form(dtype: DType) -> Any:
    """Write a data type; that of several results as a list of types."""
    if not is_record(dtype):
        return dtype.name
    return [{"dtype": one.name, "shape": list(shape)}
            for shape, one in result_types(dtype)]  # fmt: skip


def _body_form(body: Graph) -> dict[str, Any]:
    numbers = numbered(body)
    count = len(body.inputs)
    return {
        "inputs": [
            {"dtype": node.dtype.name, "shape": list(node.shape)}
            for node in body.inputs
        ],
        "nodes": [_node_form(node, numbers) for node in list(numbers)[count:]],
        "outputs": [numbers[node] for node in body.outputs],
    }


def _site_form(site: Site) -> dict[str, Any]:
    file = os.path.basename(site.file)
    form: dict[str, Any] = {"file": file, "line": site.line, "layer": site.scope}
    if site.composite:
        form["composite"] = site.composite
    if site.gradient:
        form["gradient"] = True
    return form


def _attr_form(value: AttrValue, depth: int) -> Any:
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, tuple):
        if depth == DEEPEST_TUPLE:
            raise GraphError(
                explain(
                    f"a tuple is nested deeper than {DEEPEST_TUPLE}",
                    fix="give the primitive flatter attributes",
                )
            )
        return [_attr_form(part, depth + 1) for part in value]
    if isinstance(value, np.dtype):
        return {"dtype": value.name}
    if isinstance(value, Rule):
        return {"rule": value.name}
    if isinstance(value, Constant):
        form = {
            "dtype": value.dtype.name,
            "shape": list(value.shape),
            "base64": base64.b64encode(little_endian(value.value)).decode("ascii"),
        }
        return {"constant": form}
    if isinstance(value, Graph):
        return {"graph": _body_form(value)}
    raise GraphError(
        explain(
            f"an attribute cannot be written as JSON: {value!r}",
            fix="use numbers, texts, data types, tuples, constants and graphs as "
            "attributes",
        )
    )


# --- reading -------------------------------------------------------------------------


_MEND: Final = "write the graph again with to_json, or correct the place that is named"


def from_json(text: str) -> Graph:
    """Read a graph that :func:`to_json` wrote.

    The inputs are new leaves each time, buffers have no data and rules no code.  Raises
    :class:`GraphError` with the path in the JSON, what was expected and what was found.
    """
    try:
        return _graph_of(text)
    except GraphError as error:
        message = f"{error}"
        fix = None if "\n  fix: " in message else _MEND
        raise GraphError(explain(message, fix=fix)) from error


def _graph_of(text: str) -> Graph:
    form = _fields("$", _loaded(text), _GRAPH)
    if form["format"] != FORMAT:
        _fail("$.format", repr(FORMAT), form["format"])
    if form["version"] != VERSION:
        _fail("$.version", f"{VERSION}, the one this Nervure reads", form["version"])
    values: list[Node] = []
    for number, part in enumerate(form["inputs"]):
        values.append(_read_input(f"$.inputs[{number}]", part))
    inputs = tuple(values)
    for number, part in enumerate(form["nodes"]):
        values.append(_read_node(f"$.nodes[{number}]", part, values))
    return Graph(_read_values("$.outputs", form["outputs"], values), inputs)


def _fail(path: str, expected: str, found: object) -> NoReturn:
    shown = repr(found)
    if len(shown) > 60:
        shown = f"{shown[:60]}..."
    raise GraphError(f"graph JSON, {path}: expected {expected}, found {shown}")


def _loaded(text: str) -> Any:
    """Read JSON without what Python adds to it, and without repeated keys."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(pairs)
        if len(result) != len(pairs):
            keys = [key for key, _ in pairs]
            twice = next(key for key in keys if keys.count(key) > 1)
            raise GraphError(f"graph JSON: the key {twice!r} is given twice")
        return result

    def no_constant(word: str) -> NoReturn:
        raise GraphError(f"graph JSON: {word} is not a JSON number")

    try:
        return json.loads(text, object_pairs_hook=unique, parse_constant=no_constant)
    except GraphError:
        raise
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise GraphError(f"graph JSON, {where}: {error.msg}") from error
    except (ValueError, RecursionError) as error:
        raise GraphError(f"graph JSON: {error}") from error


_Check = Callable[[str, Any], None]


def _is_text(path: str, value: Any) -> None:
    if not isinstance(value, str):
        _fail(path, "text", value)


def _is_bool(path: str, value: Any) -> None:
    if not isinstance(value, bool):
        _fail(path, "true or false", value)


def _is_list(path: str, value: Any) -> None:
    if not isinstance(value, list):
        _fail(path, "an array", value)


def _is_object(path: str, value: Any) -> None:
    if not isinstance(value, dict):
        _fail(path, "an object", value)


def _is_count(path: str, value: Any) -> None:
    if type(value) is not int or value < 0:
        _fail(path, "a whole number from 0", value)


def _is_dtype(path: str, value: Any) -> None:
    if not isinstance(value, str) or value not in _DTYPES:
        _fail(path, "one of " + ", ".join(_DTYPES), value)


def _is_shape(path: str, value: Any) -> None:
    _is_list(path, value)
    for axis, extent in enumerate(value):
        _is_count(f"{path}[{axis}]", extent)
        if extent > sys.maxsize:
            _fail(f"{path}[{axis}]", f"a size of at most {sys.maxsize}", extent)


def _is_result_dtype(path: str, value: Any) -> None:
    if not isinstance(value, list) or not value:
        return _is_dtype(path, value)
    for place, one in enumerate(value):
        _fields(f"{path}[{place}]", one, _TYPE)
    return None


_Fields = dict[str, _Check]
_TYPE: Final[_Fields] = {"dtype": _is_dtype, "shape": _is_shape}
_GRAPH: Final[_Fields] = {
    "format": _is_text,
    "version": _is_count,
    "inputs": _is_list,
    "nodes": _is_list,
    "outputs": _is_list,
}
_INPUT: Final[_Fields] = {"name": _is_text, **_TYPE, "site": _is_object}
_NODE: Final[_Fields] = {
    "op": _is_text,
    "operands": _is_list,
    "dtype": _is_result_dtype,
    "shape": _is_shape,
    "attrs": _is_object,
    "site": _is_object,
}
_SITE: Final[_Fields] = {
    "file": _is_text,
    "line": _is_count,
    "layer": _is_text,
    "composite": _is_text,
    "gradient": _is_bool,
}
# What a site need not say.
_USUAL_SITE: Final[dict[str, Any]] = {"composite": "", "gradient": False}
_BUFFER: Final[_Fields] = {"name": _is_text, "parameter": _is_bool}
_CONSTANT: Final[_Fields] = {**_TYPE, "base64": _is_text}
_BODY: Final[_Fields] = {"inputs": _is_list, "nodes": _is_list, "outputs": _is_list}


def _fields(path: str, value: Any, fields: _Fields) -> dict[str, Any]:
    """Return ``value`` if it is an object with just these fields."""
    _is_object(path, value)
    found: dict[str, Any] = value
    if found.keys() != fields.keys():
        _fail(path, "the keys " + ", ".join(fields), list(found))
    for name, check in fields.items():
        check(f"{path}.{name}", found[name])
    return found


def _read_type(form: dict[str, Any]) -> tuple[Shape, DType]:
    if isinstance(form["dtype"], list):
        return tuple(form["shape"]), record_type(list(map(_read_type, form["dtype"])))
    return tuple(form["shape"]), _DTYPES[form["dtype"]]


def _read_site(path: str, value: Any) -> Site:
    _is_object(path, value)
    form = _fields(path, {**_USUAL_SITE, **value}, _SITE)
    if form["line"] > _LARGEST_LINE:
        _fail(f"{path}.line", "the number of a line", form["line"])
    return Site(*(form[key] for key in _SITE))


def _read_input(path: str, value: Any) -> Node:
    form = _fields(path, value, _INPUT)
    shape, dtype = _read_type(form)
    return fresh_input(
        _read_site(f"{path}.site", form["site"]), shape, dtype, form["name"]
    )


def _read_node(path: str, value: Any, values: list[Node]) -> Node:
    form = _fields(path, value, _NODE)
    written = _read_type(form)
    site = _read_site(f"{path}.site", form["site"])
    operands = _read_values(f"{path}.operands", form["operands"], values)
    name, attrs_form = form["op"], form["attrs"]
    if name == "input":
        _fail(f"{path}.op", "an operation (inputs are listed under inputs)", name)
    if name == "buffer":
        found = _fields(f"{path}.attrs", attrs_form, _BUFFER)
        attrs = buffer_attrs(Attrs(found), *written)
    else:
        attrs = Attrs(
            (key, _read_attr(f"{path}.attrs.{key}", part, 0))
            for key, part in attrs_form.items()
        )
    try:
        return built(site, primitive_named(name), operands, attrs, written)
    except GraphError as error:
        raise GraphError(f"graph JSON, {path}: {error}") from error


def _read_values(path: str, numbers: list[Any], values: list[Node]) -> tuple[Node, ...]:
    for place, number in enumerate(numbers):
        if type(number) is not int or not 0 <= number < len(values):
            _fail(f"{path}[{place}]", "the number of a value defined above", number)
    return tuple([values[number] for number in numbers])


def _read_attr(path: str, value: Any, depth: int) -> AttrValue:
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        if abs(value) > _LARGEST_INTEGER:
            _fail(path, "a number of at most 100 digits", f"{value:.3e}")
        return value
    if isinstance(value, list):
        return _read_tuple(path, value, depth)
    if isinstance(value, dict) and len(value) == 1:
        ((kind, content),) = value.items()
        if kind == "dtype":
            _is_dtype(f"{path}.dtype", content)
            return _DTYPES[content]
        if kind == "rule":
            _is_text(f"{path}.rule", content)
            return Rule(None, content)
        if kind == "constant":
            return _read_constant(f"{path}.constant", content)
        if kind == "graph":
            return _read_body(f"{path}.graph", content)
    _fail(
        path,
        "true, false, null, a whole number, text, an array or an object with the key "
        "dtype, constant, rule or graph",
        value,
    )


def _read_body(path: str, value: Any) -> Graph:
    """Read a graph within a graph; their nesting is limited, so this may recurse."""
    if path.count(".graph") > DEEPEST_BODY:
        _fail(path, f"bodies nested at most {DEEPEST_BODY} deep", "a deeper one")
    form = _fields(path, value, _BODY)
    values: list[Node] = []
    for number, part in enumerate(form["inputs"]):
        shape, dtype = _read_type(_fields(f"{path}.inputs[{number}]", part, _TYPE))
        values.append(body_input(number, shape, dtype))
    inputs = tuple(values)
    for number, part in enumerate(form["nodes"]):
        values.append(_read_node(f"{path}.nodes[{number}]", part, values))
    body = Graph(_read_values(f"{path}.outputs", form["outputs"], values), inputs)
    try:
        check_closed(body)
    except GraphError as error:
        raise GraphError(f"graph JSON, {path}: {error}") from error
    return body


def _read_tuple(path: str, value: list[Any], depth: int) -> tuple[AttrValue, ...]:
    if depth == DEEPEST_TUPLE:
        _fail(path, f"arrays nested at most {DEEPEST_TUPLE} deep", "a deeper one")
    parts = []
    for place, part in enumerate(value):
        if isinstance(part, bool):  # 1 == True, so it could pass for a size
            _fail(f"{path}[{place}]", "no truth value in an array", part)
        parts.append(_read_attr(f"{path}[{place}]", part, depth + 1))
    return tuple(parts)


def _read_constant(path: str, value: Any) -> Constant:
    form = _fields(path, value, _CONSTANT)
    shape, dtype = _read_type(form)
    try:
        data = base64.b64decode(form["base64"], validate=True)
    except (binascii.Error, ValueError) as error:
        raise GraphError(f"graph JSON, {path}.base64: {error}") from error
    nbytes = math.prod(shape) * dtype.itemsize
    if len(data) != nbytes:
        _fail(f"{path}.base64", f"{nbytes} bytes", f"{len(data)} bytes")
    bits = np.frombuffer(data, f"<u{dtype.itemsize}").astype(f"u{dtype.itemsize}")
    if dtypes.is_bool(dtype) and bits.size and bits.max() > 1:
        _fail(f"{path}.base64", "bytes 0 and 1 for false and true", int(bits.max()))
    try:
        return Constant(bits.view(dtype).reshape(shape))
    except ValueError as error:
        raise GraphError(f"graph JSON, {path}.shape: {error}") from error
