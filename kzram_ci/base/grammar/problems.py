"""The list of what is wrong with some files, each with its place. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field, replace
from typing import Any

from kzram_ci.base.errors import PlanError
from kzram_ci.base.escaped import escaped
from kzram_ci.base.values import dataclass

Key = str | int
Where = tuple[Key, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong, at a line and column counted from 1."""

    file: str
    line: int
    column: int
    path: str
    text: str

    def __str__(self) -> str:
        return escaped(f"{self.file}:{self.line}:{self.column}: {self.path + ': ' if self.path else ''}{self.text}")


class GrammarErrors(PlanError):
    """All that is wrong with some files; `str()` has a line for each."""

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
        """Whether the path exists in the file, in either spelling."""
        return self.spelled(where) in self.values

    def spelled(self, where: Where) -> Where:
        """The path as the file spells it: with dashes or with underscores."""
        found: Where = ()
        for part in where:
            ways = (part, part.replace("_", "-"), part.replace("-", "_")) if isinstance(part, str) else (part,)
            found = (*found, next((way for way in ways if (*found, way) in self.values), part))
        return found

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
        self._found: dict[Problem, dict[str, None]] = {}  # and what it is about

    def add(self, file: str, where: Where, text: str, *, key: bool = False, about: str = "") -> None:
        """Record a problem of a file at a path; `key`: point at the key instead of the value.

        `about`: what is wrong by it, such as `cell a/b`; a problem of many is reported once.
        """
        document = self.documents.get(file) or Document(file=file)
        where = document.spelled(where)
        line, column = document.locate(where, key=key)
        self.add_at(file, line, column, spell(where), text, about=about)

    def add_at(self, file: str, line: int, column: int, path: str, text: str, *, about: str = "") -> None:
        """Record a problem at a known position; the same problem twice is one."""
        self._found.setdefault(Problem(file, line, column, path, text), {})[about] = None

    def __bool__(self) -> bool:
        return bool(self._found)

    def raise_if_any(self) -> None:
        """Raise GrammarErrors with all that was recorded, file by file, from top to bottom."""
        if self._found:
            files = {problem.file: rank for rank, problem in reversed(list(enumerate(self._found)))}
            found = (_with_subjects(problem, list(about)) for problem, about in self._found.items())
            raise GrammarErrors(sorted(found, key=lambda p: (files[p.file], p.line, p.column)))


def _with_subjects(problem: Problem, about: list[str]) -> Problem:
    """`(cell a/b and 2 others)` at the end."""
    if not about[0]:
        return problem
    others = f" and {len(about) - 1} other{'s' if len(about) > 2 else ''}" if len(about) > 1 else ""
    return replace(problem, text=f"{problem.text} ({about[0]}{others})")


def spell(where: Where) -> str:
    """A path as people write it: `kernels[0].source.path`."""
    text = ""
    for part in where:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text
