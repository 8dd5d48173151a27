"""Hooks put into a file: each place is found in the text as it was, exactly as often as wanted, or none is. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from string import Template
from typing import TYPE_CHECKING

from kzram_ci.base.patterns import Bounded
from kzram_ci.base.values import dataclass
from kzram_ci.kernel.hooks import ctext
from kzram_ci.kernel.hooks.ctext import Function, Unreadable
from kzram_ci.kernel.hooks.hook import Hook, Put, Way, compiled

if TYPE_CHECKING:
    from regex import Match


class Misplaced(ValueError):
    """A hook has no place, too many, or one that cannot be right. Says which and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Insert:
    """A text and where it goes."""

    hook: str
    at: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """A match of a way. `at`: the place; `function`: the one that holds it."""

    at: int
    groups: tuple[tuple[str, str], ...]
    function: Function | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    """A file, and what is asked of it more than once."""

    text: str
    code: str
    functions: tuple[Function, ...]


def inserts(text: str, hooks: Sequence[Hook]) -> tuple[Insert, ...]:
    """What the hooks of one file put where, in the order of the file. Raises Misplaced."""
    code = ctext.blank(text)
    file = _File(text=text, code=code, functions=tuple(ctext.functions(code)))
    found: list[Insert] = []
    for hook in hooks:
        if hook.mark in text:
            raise Misplaced(f"{hook.name}: {hook.mark!r} is there already")
        if hook.given and not compiled(hook.given).search(code):
            continue
        found += _of(hook, file)
    return tuple(sorted(found, key=lambda item: item.at))


def put(text: str, found: Sequence[Insert]) -> str:
    """The text with the inserts in it; those of one place in their order."""
    parts, last = [], 0
    for item in found:
        parts += [text[last : item.at], item.text]
        last = item.at
    return "".join((*parts, text[last:]))


def wanted(hook: Hook, text: str) -> int:
    """How often a hook must be in a file of this text."""
    code = ctext.blank(text)
    if hook.given and not compiled(hook.given).search(code):
        return 0
    if not hook.each:
        return hook.times
    among, each = Bounded(pattern=hook.among or r"\w+"), compiled(hook.each)
    others = [item for item in ctext.functions(code) if not among.fullmatch(item.name)]
    # what is in no function that is known counts too: it would have no hook, and that must be told
    places = (match.start() for match in each.finditer(code))
    return sum(not any(item.brace <= at < item.end for item in others) for at in places)


def _of(hook: Hook, file: _File) -> list[Insert]:
    """The inserts of one hook: all its ways together must give as many places as it wants, no place twice."""
    want = wanted(hook, file.text)
    found = [(way, place) for way in hook.ways for place in _places(way, file)]
    told = f"{hook.name}: its place was found {len(found)} times, wanted {'once' if want == 1 else f'{want} times'}"
    if len(found) != want or not want:
        raise Misplaced(told)
    made = [_insert(hook, way, place, file) for way, place in found]
    if len({item.at for item in made}) != want:
        raise Misplaced(f"{told}, and one place twice")
    return made


def _places(way: Way, file: _File) -> Iterator[_Found]:
    if not all(compiled(pattern).search(file.code) for pattern in way.given):
        return
    if any(compiled(pattern).search(file.code) for pattern in way.unless):
        return
    if not way.function:
        yield from (_found(match, None) for match in compiled(way.at).finditer(file.text))
        return
    for function in file.functions:
        if not Bounded(pattern=way.function).fullmatch(function.name):
            continue
        if not all(compiled(item).search(file.code, function.brace, function.end) for item in way.having):
            continue
        if not way.at:
            yield _Found(at=function.start, groups=(), function=function)
            continue
        for match in compiled(way.at).finditer(file.code, function.start, function.end):
            yield _found(match, function)


def _found(match: Match[str], function: Function | None) -> _Found:
    groups = match.groupdict()
    at = match.start("here") if groups.get("here") is not None else match.start()
    return _Found(at=at, groups=_values(groups), function=function)


def _values(groups: dict[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple((name, " ".join(value.split())) for name, value in groups.items() if value is not None)


def _insert(hook: Hook, way: Way, place: _Found, file: _File) -> Insert:
    names = dict(place.groups)
    function = place.function
    span = (function.start, function.end) if function else (0, len(file.code))
    for patterns, (start, end) in ((way.from_function, span), (way.from_file, (0, len(file.code)))):
        for pattern in patterns:
            names |= _taken(hook, pattern, file.code, start, end)
    try:
        for name, value in way.sets:
            names[name] = Template(value).substitute(names)
        text = Template(way.text).substitute(names)
        at, indent = _target(way, place, file)
    except KeyError as error:
        raise Misplaced(f"{hook.name}: nothing in the source gives {error}") from error
    except Unreadable as error:
        raise Misplaced(f"{hook.name}: {error}") from error
    lines = [f"{indent}{line}" if line and not line.startswith("#") else line for line in text.rstrip("\n").split("\n")]
    made = "\n".join(lines)
    return Insert(hook=hook.name, at=at, text=f"{made}\n\n" if way.put is Put.ABOVE else f"{made}\n")


def _taken(hook: Hook, pattern: str, code: str, start: int, end: int) -> dict[str, str]:
    """The groups of a pattern, which have one value each, however often it is found. Raises Misplaced."""
    values: dict[str, set[str]] = {}
    for match in compiled(pattern).finditer(code, start, end):
        for name, value in _values(match.groupdict()):
            values.setdefault(name, set()).add(value)
    for name in compiled(pattern).groupindex:
        if len(values.get(name, ())) != 1:
            have = " and ".join(sorted(values.get(name, ()))) or "nothing"
            raise Misplaced(f"{hook.name}: {name} is {have} in the source, one value is needed (/{pattern}/)")
    return {name: next(iter(found)) for name, found in values.items()}


def _target(way: Way, place: _Found, file: _File) -> tuple[int, str]:
    """Where the text begins, always at the start of a line, and its indentation. Raises Unreadable."""
    text, code, at, function = file.text, file.code, place.at, place.function
    if way.put is Put.ABOVE:
        assert function is not None
        return ctext.above(text, function), ""
    if way.put is Put.DECLARED:
        assert function is not None
        return ctext.behind_declarations(code, function), "\t"
    if way.put is Put.BELOW:
        return ctext.line_end(text, at), "\t" if function else ""
    here = f"line {ctext.line_of(text, at)}"
    if not ctext.begins_statement(code, at):
        raise Unreadable(f"{here}: no statement of a block begins there")
    if code[ctext.line_start(text, at) : at].strip():
        raise Unreadable(f"{here}: the statement does not begin its line")
    indent = ctext.indent(text, at)
    if way.put is Put.BEFORE:
        return ctext.line_start(text, at), indent
    if way.put is Put.INSIDE:
        head = re.compile(r"[^;{}]*?\)\s*(\{)").match(code, at)
        if head is None:
            raise Unreadable(f"{here}: the statement has no block")
        behind, indent = head.end(), f"{indent}\t"
    else:
        behind = ctext.behind_statement(code, at)
    end = ctext.line_end(text, behind)
    if code[behind:end].strip():
        raise Unreadable(f"{here}: something follows in the same line")
    return end, indent
