"""YAML text to plain data that remembers where each key and value stands. Pure.

Only the node graph of PyYAML is used, never its constructors: tags cannot make objects, duplicate keys are
errors, and scalars follow YAML 1.2 (`on`, `no` and `12:30` are words, as editors with a schema read them).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any

from kzram_ci.base.grammar.problems import Document, Problems, Where, spell

MAX_LEVELS = 2_000
MAX_NODES = 100_000  # after aliases are expanded: these files are written by hand
_TAG = "tag:yaml.org,2002:"
_SCALARS = (
    ("null", re.compile(r"^(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""]),
    ("bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")),
    ("int", re.compile(r"^(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$"), list("-+0123456789")),
    (
        "float",
        re.compile(r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$"),
        list("-+.0123456789"),
    ),
)


class Map(dict[str, Any]):
    """A mapping that knows its file and its place in it, so that a validator can point at its keys."""

    file: str = ""
    at: Where = ()


class Whole(int):
    """A whole number that remembers how it was written: as a name, 0012 is not 12."""

    text: str


class Decimal(float):
    """A number with a fraction or an exponent that remembers how it was written: 12e3 may be a commit."""

    text: str


def parse(text: str | bytes, file: str, problems: Problems) -> Document:
    """The data of a file with positions, registered with `problems`, which also get what is wrong with it.

    `data` is None only where something is wrong.
    """
    document = Document(file=file)
    problems.documents[file] = document
    node = _compose(text, file, problems)
    if node is None:
        return document
    try:
        data = _Builder(document, problems).build(node, ())
    except RecursionError:
        problems.add_at(file, 1, 1, "", "nested too deeply")
        return document
    if data is None:
        problems.add_at(file, *document.locate(()), "", "there is nothing in the file")
    document = Document(file=file, data=data, keys=document.keys, values=document.values)
    problems.documents[file] = document
    return document


def _compose(text: str | bytes, file: str, problems: Problems) -> Any:
    """The root node, or None with the syntax error recorded."""
    import yaml

    try:
        decoded = text.decode("utf-8-sig") if isinstance(text, bytes) else text
        node = _composed_fast(decoded)
        if node is None:  # what is wrong is said by the one whose words and places the tests hold
            node = yaml.compose(decoded, Loader=_loader(yaml.SafeLoader))
    except UnicodeDecodeError as error:
        before = error.object[: error.start]
        column = error.start - (before.rfind(b"\n") + 1) + 1
        problems.add_at(file, before.count(b"\n") + 1, column, "", "not UTF-8 text")
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        parts = "; ".join(part for part in (error.problem, error.context) if part)
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        problems.add_at(file, line, column, "", f"not YAML: {parts}")
    except yaml.reader.ReaderError as error:
        before_text = decoded[: error.position]
        column = error.position - (before_text.rfind("\n") + 1) + 1
        text = f"not YAML: character U+{ord(decoded[error.position]):04X} is not allowed"
        problems.add_at(file, before_text.count("\n") + 1, column, "", text)
    except RecursionError:
        problems.add_at(file, 1, 1, "", "nested too deeply")
    else:
        if node is None:
            problems.add_at(file, 1, 1, "", "the file is empty")
        return node
    return None


@cache
def _loader(base: Any) -> Any:
    """A loader of PyYAML whose words are those of YAML 1.2."""
    loader: Any = type("Loader", (base,), {"yaml_implicit_resolvers": {}})
    for name, pattern, first in _SCALARS:
        loader.add_implicit_resolver(_TAG + name, pattern, first)
    return loader


def _composed_fast(text: str) -> Any:
    """The root node by libyaml, ten times as fast; None where it is not there, or has something to say of the file.

    libyaml's composer recurses in C, where too many levels end the process: so many brackets, or columns, are not
    its business.
    """
    import yaml

    if not yaml.__with_libyaml__ or text.count("[") + text.count("{") > MAX_LEVELS:
        return None
    if max(map(len, text.splitlines()), default=0) > MAX_LEVELS:
        return None
    try:
        return yaml.compose(text, Loader=_loader(yaml.CSafeLoader))
    except yaml.YAMLError:
        return None


class _Builder:
    """Turns nodes into data, noting positions on the way."""

    def __init__(self, document: Document, problems: Problems) -> None:
        self._document = document
        self._problems = problems
        self._open: list[Any] = []
        self._count = 0

    def build(self, node: Any, where: Where) -> Any:
        import yaml

        self._count += 1
        self._document.values[where] = (node.start_mark.line + 1, node.start_mark.column + 1)
        if self._count > MAX_NODES:
            if self._count == MAX_NODES + 1:
                self._bad(node, where, f"more than {MAX_NODES:,} values; aliases expand to too much")
            return None
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, where)
        if any(node is other for other in self._open):
            self._bad(node, where, "an alias that contains itself")
            return None
        self._open.append(node)
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, where)
            if node.tag != _TAG + "seq":
                self._bad(node, where, f"the tag {_tag(node)} is not allowed")
            return [self.build(item, (*where, index)) for index, item in enumerate(node.value)]
        finally:
            self._open.pop()

    def _bad(self, node: Any, where: Where, text: str) -> None:
        mark = node.start_mark
        self._problems.add_at(self._document.file, mark.line + 1, mark.column + 1, spell(where), text)

    def _mapping(self, node: Any, where: Where) -> Map:
        import yaml

        if node.tag != _TAG + "map":
            self._bad(node, where, f"the tag {_tag(node)} is not allowed")
        result = Map()
        result.file, result.at = self._document.file, where
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._bad(key_node, where, "a key must be a word")
                continue
            key = str(key_node.value)
            mark = (key_node.start_mark.line + 1, key_node.start_mark.column + 1)
            place = (*where, key)
            if key in result:
                first = self._document.keys[place][0]
                self._bad(key_node, place, f"the key is given twice; the first is in line {first}")
                continue
            self._document.keys[place] = mark
            result[key] = self.build(value_node, place)
        return result

    def _scalar(self, node: Any, where: Where) -> Any:
        kind, text = node.tag.removeprefix(_TAG), node.value
        make = _MAKERS.get(kind)
        if make is None:
            self._bad(node, where, f"the tag {_tag(node)} is not allowed")
            return None
        try:
            return make(text)
        except ValueError:
            self._bad(node, where, f"{text[:40]!r} is not a number")
            return None


def _written(number: Whole | Decimal, text: str) -> Whole | Decimal:
    number.text = text
    return number


_MAKERS: dict[str, Callable[[str], Any]] = {
    "str": str,
    "null": lambda text: None,
    "bool": lambda text: text.lower() == "true",
    "int": lambda text: _written(Whole(int(text, 0) if text[:2] in {"0x", "0o"} else int(text)), text),
    "float": lambda text: _written(Decimal(text), text),
}


def _tag(node: Any) -> str:
    return str(node.tag).replace(_TAG, "!!")
