"""C text as the kernel is written: where functions and statements begin and end, without a parser of C. Pure.

A function has its name and parameters first, `{` in column 0, and ends with `}` in column 0.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from kzram_ci.base.values import dataclass

_BLANK = re.compile(
    # what is not closed ends with the text or the line: to begin anew at each `/*` takes a large text's length squared
    r'/\*.*?(?:\*/|\Z)|//[^\n]*|"(?:\\.|[^"\\\n])*+"?|\'(?:\\.|[^\'\\\n])*+\'?|^[ \t]*#(?:\\\n|[^\n])*+',
    re.DOTALL | re.MULTILINE,
)
_PART = re.compile(r"(?P<stop>[;}])|(?P<open>^\{)|\b(?P<name>[A-Za-z_]\w*+)\s*+\(|(?P<set>=)|\w++|\S", re.MULTILINE)
_IF = re.compile(r"(?:if|while|for|switch)\s*\(")
_ELSE = re.compile(r"\s*else\b\s*")
_LABEL = re.compile(r"(?:^|[;{}])\s*(?:case\b[^:;{}]*|\w+)\s*:\s*$")
_DECLARATIONS = re.compile(r"(?:\s*+(?:\w+\s+|\w+\s*\*[\s*]*)+\w+(?:\[\w*\])?(?:\s*[=,][^;]*)?;)++\s*")
_DEEPEST = 100
_BRACKETS = {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}


class Unreadable(ValueError):
    """The text is not written as expected; says where."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A function by its place in the text: its head, its `{`, and behind its `}`."""

    name: str
    start: int
    brace: int
    end: int


def blank(text: str) -> str:
    """The text with comments, strings and directives as spaces: every place stays where it is."""
    return _BLANK.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)


def functions(code: str) -> Iterator[Function]:
    """The functions of blanked text, in order. A `{` in column 0 without a name and `(` before it is no function's."""
    head, name, value, end = -1, "", False, 0  # since the last `;` or `}`
    for part in _PART.finditer(code):
        if part.lastgroup == "stop":
            head, name, value = -1, "", False
            continue
        if part.lastgroup == "open":
            if end < part.end():
                end = code.find("\n}", part.end())
            if end < 0:
                return
            if name and not value:
                yield Function(name=name, start=head, brace=part.start(), end=end + 2)
        head = part.start() if head < 0 else head
        name = name or part["name"] or ""
        value = value or part.lastgroup == "set"


def behind_bracket(code: str, at: int) -> int:
    """Behind the bracket that closes the one at `at`. Raises Unreadable."""
    depth = 0
    for index in range(at, len(code)):
        depth += _BRACKETS.get(code[index], 0)
        if not depth:
            return index + 1
    raise Unreadable(f"line {line_of(code, at)}: the bracket is not closed")


def behind_statement(code: str, at: int, depth: int = 0) -> int:
    """Behind the statement that begins at `at`; of an `if` with all its `else`. Raises Unreadable."""
    if depth > _DEEPEST:
        raise Unreadable(f"line {line_of(code, at)}: {_DEEPEST} statements within one another")
    if match := _IF.match(code, at):
        at = _behind_blanks(code, behind_bracket(code, match.end() - 1))
        at = behind_statement(code, at, depth + 1)
        if match[0].startswith("if") and (other := _ELSE.match(code, at)):
            at = behind_statement(code, other.end(), depth + 1)
        return at
    if code[at : at + 1] == "{":
        return behind_bracket(code, at)
    while at < len(code) and code[at] != ";":
        if code[at] in ")]}":
            break
        at = behind_bracket(code, at) if code[at] in "([{" else at + 1
    if code[at : at + 1] != ";":
        raise Unreadable(f"line {line_of(code, min(at, len(code) - 1))}: the statement does not end")
    return at + 1


def behind_declarations(code: str, function: Function) -> int:
    """Behind the lines of the declarations that a function begins with, which end with an empty line; else its `{`."""
    begin = line_end(code, function.brace)
    end = code.find("\n\n", begin, function.end) + 1
    block = code[begin:end]
    return end if end and _DECLARATIONS.fullmatch(block) else begin


def begins_statement(code: str, at: int) -> bool:
    """Whether a statement of a block begins at `at`: not the middle of one, not a branch without braces."""
    before = code[:at].rstrip()
    return before.endswith((";", "{", "}")) or bool(_LABEL.search(before[-200:]))


def above(text: str, function: Function) -> int:
    """The start of the line from which a function is told about: of the comment that ends directly above it."""
    start = line_start(text, function.start)
    head = text[:start]
    if head.endswith("*/\n"):
        comment = head.rfind("/*")
        if comment >= 0 and comment == line_start(text, comment):
            return comment
    return start


def line_start(text: str, at: int) -> int:
    """Where the line of a place begins."""
    return text.rfind("\n", 0, at) + 1


def line_end(text: str, at: int) -> int:
    """Behind the line of a place, and behind those that continue it with a backslash."""
    while True:
        end = text.find("\n", at)
        if end < 0:
            return len(text)
        if text[end - 1 : end] != "\\":
            return end + 1
        at = end + 1


def indent(text: str, at: int) -> str:
    """The blanks in front of the line of a place."""
    start = line_start(text, at)
    return text[start : start + len(text[start:]) - len(text[start:].lstrip(" \t"))] if start < len(text) else ""


def line_of(text: str, at: int) -> int:
    """The number of the line of a place."""
    return text.count("\n", 0, at) + 1


def _behind_blanks(code: str, at: int) -> int:
    match = re.compile(r"\s*").match(code, at)
    return match.end() if match else at
