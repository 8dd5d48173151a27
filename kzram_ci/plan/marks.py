"""YAML text to plain data that remembers where each key and value stands, and the list of what is wrong.

Only the node graph of PyYAML is used, never its constructors: tags cannot make objects, duplicate keys are
errors, and scalars follow YAML 1.2 (`on`, `no` and `12:30` are words, as editors with a schema read them).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from kzram_ci.base.errors import PlanError

Key = str | int
Where = tuple[Key, ...]
LISTED = 24  # words of an error's list
MAX_NODES = 100_000  # after aliases are expanded: a plan is written by hand
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


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing wrong, at a line and column counted from 1."""

    file: str
    line: int
    column: int
    path: str
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.path + ': ' if self.path else ''}{self.text}"


class PlanErrors(PlanError):
    """All that is wrong with a plan and the kernels it names; `str()` has a line for each."""

    def __init__(self, errors: Iterable[Problem]) -> None:
        """`errors` in the order they are to be read."""
        self.errors = tuple(errors)
        super().__init__("\n".join(str(error) for error in self.errors))


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One parsed file. `keys` and `values` hold (line, column) by path."""

    file: str
    data: Any = None
    keys: dict[Where, tuple[int, int]] = field(default_factory=dict)
    values: dict[Where, tuple[int, int]] = field(default_factory=dict)

    def has(self, where: Where) -> bool:
        """Whether the path exists in the file."""
        return where in self.values

    def locate(self, where: Where, *, key: bool = False) -> tuple[int, int]:
        """Line and column of a value (or of its key); of the nearest parent when the path is not in the file."""
        if key and where in self.keys:
            return self.keys[where]
        while where and where not in self.values:
            where = where[:-1]
        return self.values.get(where, (1, 1))


class Problems:
    """Collects what is wrong, over several files, so that all of it is reported at once."""

    def __init__(self) -> None:
        self.documents: dict[str, Document] = {}
        self._found: dict[Problem, None] = {}

    def add(self, file: str, where: Where, text: str, *, key: bool = False) -> None:
        """Record a problem of a file at a path; `key`: point at the key instead of the value."""
        document = self.documents.get(file) or Document(file=file)
        line, column = document.locate(where, key=key)
        self.add_at(file, line, column, spell(where), text)

    def add_at(self, file: str, line: int, column: int, path: str, text: str) -> None:
        """Record a problem at a known position; the same problem twice is one."""
        self._found[Problem(file, line, column, path, text)] = None

    def __bool__(self) -> bool:
        return bool(self._found)

    def raise_if_any(self) -> None:
        """Raise PlanErrors with all that was recorded, file by file, from top to bottom."""
        if self._found:
            files = {problem.file: rank for rank, problem in reversed(list(enumerate(self._found)))}
            raise PlanErrors(sorted(self._found, key=lambda p: (files[p.file], p.line, p.column)))


def spell(where: Where) -> str:
    """A path as people write it: `kernels[0].source.path`."""
    text = ""
    for part in where:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def did_you_mean(word: str, known: Iterable[str], *, cutoff: float = 0.6) -> str:
    """`; did you mean x?` with the nearest known word, or nothing."""
    names = {name.lower(): name for name in known}
    near = difflib.get_close_matches(word.lower(), names, n=1, cutoff=cutoff)
    return f"; did you mean {names[near[0]]}?" if near else ""


def allowed(word: object, known: Iterable[str]) -> str:
    """`allowed: a, b, c`, and the nearest word; of a long list only the words nearest to the given one."""
    names = list(dict.fromkeys(known))
    near = did_you_mean(word, names) if isinstance(word, str) else ""
    if len(names) <= LISTED:
        return f"allowed: {', '.join(names) or 'none'}{near}"
    nearest = difflib.get_close_matches(str(word), names, n=LISTED // 2, cutoff=0.0)
    return f"allowed: {', '.join(nearest)}, … ({len(names)} words in all){near}"


def parse(text: str | bytes, file: str, problems: Problems) -> Document:
    """The data of a file with positions, registered with `problems`, which also get what is wrong with it."""
    document = Document(file=file)
    problems.documents[file] = document
    node = _compose(text, file, problems)
    if node is None:
        return document
    data = _Builder(document, problems).build(node, ())
    document = Document(file=file, data=data, keys=document.keys, values=document.values)
    problems.documents[file] = document
    return document


def _compose(text: str | bytes, file: str, problems: Problems) -> Any:
    """The root node, or None with the syntax error recorded."""
    import yaml

    class Loader(yaml.SafeLoader):
        yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012

    for name, pattern, first in _SCALARS:
        Loader.add_implicit_resolver(_TAG + name, pattern, first)
    try:
        decoded = text.decode("utf-8-sig") if isinstance(text, bytes) else text
        node = yaml.compose(decoded, Loader=Loader)
    except UnicodeDecodeError as error:
        before = error.object[: error.start]
        column = error.start - (before.rfind(b"\n") + 1) + 1
        problems.add_at(file, before.count(b"\n") + 1, column, "", "not UTF-8 text")
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = "; ".join(part for part in (error.problem, error.context) if part)
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        problems.add_at(file, line, column, "", f"not YAML: {said}")
    except yaml.reader.ReaderError as error:
        before_text = decoded[: error.position]
        column = error.position - (before_text.rfind("\n") + 1) + 1
        told = f"not YAML: character U+{ord(decoded[error.position]):04X} is not allowed"
        problems.add_at(file, before_text.count("\n") + 1, column, "", told)
    except RecursionError:
        problems.add_at(file, 1, 1, "", "not a plan: nested too deeply")
    else:
        if node is None:
            problems.add_at(file, 1, 1, "", "the file is empty")
        return node
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


_MAKERS: dict[str, Callable[[str], Any]] = {
    "str": str,
    "null": lambda text: None,
    "bool": lambda text: text.lower() == "true",
    "int": lambda text: int(text, 0) if text[:2] in {"0x", "0o"} else int(text),
    "float": float,
}


def _tag(node: Any) -> str:
    return str(node.tag).replace(_TAG, "!!")
