"""Regular expressions of others, searched in bounded time; and our own, where a text of others is long. Pure.

Python's own `re` tries every way in which `(a+)+$` can fail to match, which takes centuries on a line of fifty letters.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar

from kzram_ci.base.errors import UserError
from kzram_ci.base.expressions import later
from kzram_ci.base.values import dataclass

if TYPE_CHECKING:
    from regex import Match, Pattern

SECONDS = 1.0  # for one text; a line takes microseconds, a large file of the kernel some milliseconds
_Made = TypeVar("_Made")


class PatternTooSlow(UserError):
    """A regular expression that does not come to an end."""


@lru_cache(maxsize=512)
def _compiled(pattern: str, multiline: bool) -> Pattern[str]:
    import regex

    return regex.compile(pattern, regex.MULTILINE if multiline else 0)


def _within(pattern: str, call: Callable[[], _Made]) -> _Made:
    try:
        return call()
    except TimeoutError as error:
        shown = pattern if len(pattern) <= 60 else f"{pattern[:60]}…"
        raise PatternTooSlow(
            f"the regular expression {shown!r} did not come to an end within {SECONDS:g} s",
            hint="write it without repeats inside of repeats, such as (a+)+",
        ) from error


# One part of an expression that is right by its looks, for `re` and for `regex`: no flags, no look behind, no counts
_LOOKS_RIGHT = later(
    r"""
    (?P<text> (?: [^\\^$|?*+()\[\]{}] | \\[wWsSdDntrfv.()\[\]{}*+?^$|/\\"'-]
        | \[\^? (?: a-z | A-Z | 0-9 | [\w\s.,;:<>=!?(){}*+/%"'@$] | \\[wWsSdDntrfv.()\[\]{}*+?^$|/\\-] )+ -?\] )+
        (?: [*+?]\?? )? (?![*+?{]) )
    | (?P<place> \\[bB] (?![*+?{]) | [$^|] (?![*+?{]) )
    | (?P<look> \(\?[=!] (?![*+?{]) )
    | (?P<group> \((?!\?) (?![*+?{]) | \(\?: (?![*+?{]) | \(\?P<(?P<name>[A-Za-z_]\w*)> (?![*+?{]) )
    | (?P<end> \) (?P<times>[*+?]\??)? (?![*+?{]) )
    """,
    re.VERBOSE | re.ASCII,
)
_DEEPEST = 20  # of groups in groups; both compilers take more


def looks_right(pattern: str) -> bool:
    """Whether an expression is of so simple a kind that its form says that it is right; False says nothing.

    To compile one takes `regex` half a millisecond, and a plan may name a hundred that only a later run uses.
    """
    names: set[str] = set()
    opened: list[str] = []
    at = 0
    while (part := _LOOKS_RIGHT.match(pattern, at)) is not None:
        at, name = part.end(), part["name"]
        if name is not None:
            if name in names:
                return False
            names.add(name)
        if part["group"] or part["look"]:
            opened.append("group" if part["group"] else "look")
            if len(opened) > _DEEPEST:
                return False
        elif part["end"] and (not opened or (opened.pop() == "look" and part["times"])):
            return False
    return at == len(pattern) and not opened


def check(pattern: str) -> None:
    """Raise ValueError with what is wrong with a regular expression."""
    if looks_right(pattern):
        return
    import regex

    try:
        _compiled(pattern, multiline=False)
    except (regex.error, RecursionError, OverflowError) as error:
        raise ValueError(f"{pattern!r} is not a regular expression: {error}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounded:
    """A regular expression of which every call has an end: as `re`'s own, or PatternTooSlow."""

    pattern: str
    multiline: bool = False

    def search(self, text: str, start: int = 0, end: int | None = None) -> Match[str] | None:
        """The first place."""
        own = _compiled(self.pattern, self.multiline)
        return _within(self.pattern, lambda: own.search(text, start, end, timeout=SECONDS))

    def fullmatch(self, text: str) -> Match[str] | None:
        """The whole text."""
        own = _compiled(self.pattern, self.multiline)
        return _within(self.pattern, lambda: own.fullmatch(text, timeout=SECONDS))

    def finditer(self, text: str, start: int = 0, end: int | None = None) -> tuple[Match[str], ...]:
        """All places, found at once: the time is for all of them together."""
        own = _compiled(self.pattern, self.multiline)
        return _within(self.pattern, lambda: tuple(own.finditer(text, start, end, timeout=SECONDS)))

    @property
    def groupindex(self) -> Mapping[str, int]:
        """Names of groups."""
        return _compiled(self.pattern, self.multiline).groupindex


def found(pattern: str, text: str, *, multiline: bool = False) -> bool:
    """Whether a text holds a pattern. Raises PatternTooSlow."""
    return Bounded(pattern=pattern, multiline=multiline).search(text) is not None
