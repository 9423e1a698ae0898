"""Reading graphs that ``nervure.ir.text`` wrote.

Nothing is evaluated: every statement goes through the shape rule of its primitive.
"""

from __future__ import annotations

import json
import re
from typing import Final, NoReturn

from nervure import dtypes
from nervure.dtypes import DType
from nervure.errors import GraphError, explain
from nervure.ir import numerals
from nervure.ir.attrs import NO_ATTRS, Attrs, AttrValue, Constant, Rule
from nervure.ir.bodies import DEEPEST_BODY, body_input, check_closed
from nervure.ir.graph import Graph
from nervure.ir.node import Node, Shape, Site, current_site
from nervure.ir.primitive import primitive_named
from nervure.ir.reading import buffer_attrs, built, fresh_input
from nervure.ir.record import record_type
from nervure.ir.text import BARE_FILE, DEEPEST_TUPLE


def parse(text: str) -> Graph:
    """Read a graph that :func:`~nervure.ir.text.to_text` wrote.

    The inputs are new leaves each time, buffers have no data and rules no code.  A node
    that exists already (a constant, say) is that node, with its own site; a statement
    without a site gets the line that called ``parse``.  Raises :class:`GraphError` with
    the line, what was expected and what was found.

    >>> import nervure.prims
    >>> graph = parse('graph (%x: float32[2]) { %y: float32[2] = exp(%x) return %y }')
    >>> print(graph.to_text(sites=False))
    graph (%0: float32[2] "") {
      %1: float32[2] = exp(%0)
      return %1
    }
    <BLANKLINE>
    """
    return _Parser(text, current_site()).graph()


_SPACE: Final = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_BLANKS: Final = re.compile(r"[ \t]*")
_STRING: Final = re.compile(r'"(?:[^"\\\n]|\\[^\n])*"')
_WORD: Final = re.compile(r"[A-Za-z_][A-Za-z_0-9]*")
_VALUE: Final = re.compile(r"%[A-Za-z_0-9]+")
_INTEGER: Final = re.compile(r"-?[0-9]+(?![.A-Za-z_0-9])")
_TYPE: Final = re.compile(r"([A-Za-z_0-9]+)\[([0-9, \t]*)\]")
_FOUND: Final = re.compile(r"%?[\w.+-]+|\S")
_NAME: Final = rf"(?:'([^'\\\n]*)'|({_STRING.pattern}))"
_COMMENT: Final = re.compile(
    rf"\# ({BARE_FILE.pattern}|{_STRING.pattern}):([0-9]{{1,9}})"
    rf"(?: layer {_NAME})?(?: in {_NAME})?( gradient)?[ \t\r]*(?=\n|\Z)"
)
_LONGEST_INTEGER: Final = 100  # digits; Python's own conversion refuses some thousands
_WORDS: Final[dict[str, AttrValue]] = {"true": True, "false": False, "none": None}
_DTYPES: Final[dict[str, DType]] = {dtype.name: dtype for dtype in dtypes.ALL}


class _Cursor:
    """A place in a text, and how to move it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.place = 0

    def skip(self) -> int:
        """Go past spaces, line ends and comments; return the place."""
        found = _SPACE.match(self.text, self.place)
        assert found is not None  # the pattern matches nothing, too
        self.place = found.end()
        return self.place

    def sees(self, mark: str) -> bool:
        """Say whether ``mark`` comes next."""
        return self.text.startswith(mark, self.skip())

    def given(self, mark: str) -> bool:
        """Go past ``mark`` if it comes next, and say whether it did.

        If not, the place stays before the spaces, where there may be a comment to read.
        """
        start = self.place
        if self.text.startswith(mark, self.skip()):
            self.place += len(mark)
            return True
        self.place = start
        return False

    def take(self, mark: str, expected: str = "") -> None:
        """Go past ``mark``, which must come next."""
        if not self.given(mark):
            self.fail(expected or repr(mark))

    def take_word(self, expected: str) -> None:
        """Go past a word, which must come next."""
        found = _WORD.match(self.text, self.skip())
        if found is None or found.group() != expected:
            self.fail(repr(expected))
        self.place = found.end()

    def matched(
        self, pattern: re.Pattern[str], expected: str, fix: str | None = None
    ) -> str:
        """Go past what ``pattern`` matches and return it."""
        found = pattern.match(self.text, self.skip())
        if found is None:
            self.fail(expected, fix)
        self.place = found.end()
        return found.group()

    def fail(self, expected: str, fix: str | None = None) -> NoReturn:
        """Raise the error for what comes next."""
        start = self.skip()
        token = _FOUND.match(self.text, start)
        found = repr(token.group()[:40]) if token else "the end of the text"
        self.fail_at(start, f"expected {expected}, found {found}", fix=fix)

    def fail_at(
        self,
        place: int,
        problem: str,
        cause: Exception | None = None,
        fix: str | None = None,
    ) -> NoReturn:
        """Raise the error for something at ``place``."""
        line = self.text.count("\n", 0, place) + 1
        column = place - self.text.rfind("\n", 0, place)
        where = f"graph text, line {line}, column {column}: {problem}"
        if fix is None and "\n  fix: " not in problem:
            fix = "write the graph again with to_text(full=True), or correct this place"
        raise GraphError(explain(where, fix=fix)) from cause


class _Attributes(_Cursor):
    """Reads types and the values of attributes."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.types: dict[str, tuple[Shape, DType]] = {}

    def attributes(self) -> Attrs:
        """Read attributes = '{' [word '=' value (',' word '=' value)*] '}'."""
        found: dict[str, AttrValue] = {}
        if self.given("}"):
            return NO_ATTRS
        while True:
            start = self.skip()
            name = self.matched(_WORD, "the name of an attribute")
            if name in found:
                self.fail_at(start, f"the attribute {name!r} is given twice")
            self.take("=")
            found[name] = self.read_value(0)
            if self.given("}"):
                return Attrs(found)
            self.take(",", "',' or '}' after an attribute")

    def read_value(self, depth: int) -> AttrValue:
        """Read the value of an attribute."""
        start = self.skip()
        first = self.text[start : start + 1]
        if first == '"':
            return self.read_string()
        if first == "(":
            return self.read_tuple(depth)
        if first == "-" or first.isdigit():
            return self.read_integer()
        word = self.matched(_WORD, "the value of an attribute")
        if word in _WORDS:
            return _WORDS[word]
        if word in _DTYPES:
            return _DTYPES[word]
        if word == "rule":
            return Rule(None, self.read_string())
        if word == "constant":
            return self.read_constant()
        if word == "graph":
            return self.read_body()
        self.place = start
        return self.fail("true, false, none, a data type, constant<...>, rule or graph")

    def read_body(self) -> Graph:
        """Read a graph within a graph; only a reader of whole graphs can."""
        raise NotImplementedError

    def read_tuple(self, depth: int) -> tuple[AttrValue, ...]:
        """Read tuple = '(' [value ',' [value (',' value)* [',']]] ')'."""
        if depth == DEEPEST_TUPLE:
            self.fail(f"tuples nested at most {DEEPEST_TUPLE} deep")
        self.take("(")
        parts: list[AttrValue] = []
        while not self.given(")"):
            start = self.skip()
            part = self.read_value(depth + 1)
            if isinstance(part, bool):  # 1 == True, so it could pass for a size
                self.fail_at(start, "expected no truth value in a tuple, found one")
            parts.append(part)
            if self.sees(")") and len(parts) > 1:
                continue
            self.take(",", "',' or ')' in a tuple" if len(parts) > 1 else "','")
        return tuple(parts)

    def read_integer(self) -> int:
        """Read a whole number."""
        start = self.place
        digits = self.matched(
            _INTEGER,
            "a whole number",
            fix="numbers with a fraction are written as constant<float32[]>(1.5)",
        )
        if len(digits) > _LONGEST_INTEGER:
            self.fail_at(start, f"a number of {len(digits)} digits is too long")
        return int(digits)

    def read_string(self) -> str:
        """Read a string as in JSON."""
        start = self.skip()
        written = self.matched(_STRING, "text in double quotes")
        try:
            string: str = json.loads(written)
        except ValueError as error:
            problem = f"expected text as in JSON, found {written[:40]}"
            self.fail_at(start, problem, error)
        return string

    def read_constant(self) -> Constant:
        """Read constant = '<' type '>' '(' [number (',' number)*] ')'."""
        self.take("<")
        shape, dtype = self.read_type()
        self.take(">")
        self.take("(")
        start = self.skip()
        end = self.text.find(")", start)
        if end < 0:
            self.fail_at(start, "expected ')' after the numbers of a constant")
        body = self.text[start:end]
        if body.startswith("..."):
            self.fail_at(
                start,
                "the numbers of this constant were left out when it was written",
                fix="write the graph with to_text(full=True)",
            )
        self.place = end + 1
        try:
            return Constant(numerals.elements(body, shape, dtype))
        except GraphError as error:
            self.fail_at(start, f"{error}", error)

    def read_type(self) -> tuple[Shape, DType]:
        """Read type = dtype '[' [size (',' size)*] ']'."""
        start = self.skip()
        if self.given("("):
            return self.read_record()
        written = self.matched(_TYPE, "a type such as float32[32, 10]")
        known = self.types.get(written)
        if known is not None:
            return known
        name, _, sizes = written[:-1].partition("[")
        words = [word.strip() for word in sizes.split(",")] if sizes.strip() else []
        if name not in _DTYPES:
            problem = f"expected a data type, found {name[:40]!r}"
            self.fail_at(start, problem, fix="use one of " + ", ".join(_DTYPES))
        if not all(0 < len(word) < 20 and word.isdigit() for word in words):
            self.fail_at(start, f"expected sizes, found [{sizes[:40]}]")
        known = self.types[written] = (tuple(map(int, words)), _DTYPES[name])
        return known

    def read_record(self) -> tuple[Shape, DType]:
        """Read record = '(' type ',' [type (',' type)* [',']] ')' behind the '('."""
        types = [self.read_plain_type()]
        while not self.given(")"):
            self.take(",", "',' or ')' in the types of several results")
            if not self.sees(")"):
                types.append(self.read_plain_type())
        return (), record_type(types)

    def read_plain_type(self) -> tuple[Shape, DType]:
        """Read a type that is not a record."""
        if self.sees("("):
            self.fail("a type such as float32[32, 10]")
        return self.read_type()


class _Parser(_Attributes):
    """Reads one graph, from left to right; ``depth`` counts the graphs around it."""

    def __init__(self, text: str, site: Site, depth: int = 0) -> None:
        super().__init__(text)
        self.site = site
        self.depth = depth
        self.sites: dict[str, Site] = {}
        self.nodes: dict[str, Node] = {}

    def graph(self) -> Graph:
        """Read graph = 'graph' '(' inputs '{' statement* 'return' [values] '}'."""
        self.take_word("graph")
        graph = self.rest_of_graph()
        if self.skip() != len(self.text):
            self.fail("the end of the text")
        return graph

    def read_body(self) -> Graph:
        """Read the body of a loop or branch, behind the word 'graph'."""
        start = self.place
        if self.depth == DEEPEST_BODY:
            self.fail(f"bodies nested at most {DEEPEST_BODY} deep")
        inner = _Parser(self.text, self.site, self.depth + 1)
        inner.place = start
        try:
            body = inner.rest_of_graph()
        except RecursionError as error:
            self.fail_at(start, "bodies are nested too deep", error)
        self.place = inner.place
        try:
            check_closed(body)
        except GraphError as error:
            self.fail_at(start, f"{error}", error)
        return body

    def rest_of_graph(self) -> Graph:
        """Read what comes after the word 'graph'."""
        self.take("(")
        inputs = self.header()
        self.take("{")
        while self.sees("%"):
            self.statement()
        self.take_word("return")
        outputs = []
        if self.sees("%"):
            outputs.append(self.value())
            while self.given(","):
                outputs.append(self.value())
        self.take("}", "'}' or ',' after the returned values")
        return Graph(outputs, inputs)

    def header(self) -> list[Node]:
        """Read inputs = [input (',' input)*] ')'; input = value ':' type [string]."""
        inputs: list[Node] = []
        if self.given(")"):
            return inputs
        while True:
            name = self.new_name()
            self.take(":")
            shape, dtype = self.read_type()
            label = self.read_string() if self.sees('"') else ""
            if self.depth:
                node = body_input(len(inputs), shape, dtype)
            else:
                node = fresh_input(self.site, shape, dtype, label)
            self.nodes[name] = node
            inputs.append(node)
            if self.given(")"):
                return inputs
            self.take(",", "',' or ')' after an input")

    def statement(self) -> None:
        """Read statement = value ':' type '=' word ['(' operands] ['{' attributes]."""
        start = self.skip()
        name = self.new_name()
        self.take(":")
        written = self.read_type()
        self.take("=")
        op_name = self.matched(_WORD, "the name of a primitive")
        operands = self.operands() if self.given("(") else ()
        attrs = self.attributes() if self.given("{") else NO_ATTRS
        site = self.comment()
        try:
            if op_name == "input":
                raise GraphError("inputs are declared in the header")
            op = primitive_named(op_name)
            if op_name == "buffer":
                attrs = buffer_attrs(attrs, *written)
            node = built(site, op, operands, attrs, written)
        except GraphError as error:
            self.fail_at(start, f"{error}", error)
        self.nodes[name] = node

    def operands(self) -> tuple[Node, ...]:
        """Read operands = [value (',' value)*] ')'."""
        if self.given(")"):
            return ()
        operands = [self.value()]
        while self.given(","):
            operands.append(self.value())
        self.take(")", "',' or ')' after an operand")
        return tuple(operands)

    def value(self) -> Node:
        """Read the name of a value that has been defined."""
        start = self.skip()
        name = self.matched(_VALUE, "a value such as %0")
        node = self.nodes.get(name)
        if node is None:
            self.fail_at(start, f"expected a value defined above, found {name[:40]}")
        return node

    def new_name(self) -> str:
        """Read the name of a value that is being defined."""
        start = self.skip()
        name = self.matched(_VALUE, "a value such as %0")
        if name in self.nodes:
            self.fail_at(start, f"the value {name[:40]} is defined twice")
        return name

    def comment(self) -> Site:
        """Read the site in the comment on the same line, if there is one."""
        blanks = _BLANKS.match(self.text, self.place)
        assert blanks is not None  # the pattern matches nothing, too
        found = _COMMENT.match(self.text, blanks.end())
        if found is None:
            return self.site
        self.place = found.end()
        written = found.group()
        site = self.sites.get(written)
        if site is None:
            file, line, plain_layer, layer, plain, composite, gradient = found.groups()
            try:
                file = json.loads(file) if file.startswith('"') else file
                layer = json.loads(layer) if layer else plain_layer or ""
                composite = json.loads(composite) if composite else plain or ""
            except ValueError:
                return self.site  # another comment, which only looks like a site
            site = Site(file, int(line), layer, composite, gradient is not None)
            self.sites[written] = site
        return site
