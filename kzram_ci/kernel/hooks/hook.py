"""Hooks as values: what is put into a source, and what says where. Pure."""

from __future__ import annotations

import re
from enum import StrEnum

from kzram_ci.base.patterns import Bounded
from kzram_ci.base.values import dataclass

_GROUP = re.compile(r"(?<!\(\?)(?<!\(\?P)<(\w+)>")
_LVALUE = r"[\w>.\[\]-]+"


class Put(StrEnum):
    """Where the text goes, seen from the place that is found."""

    BEFORE = "before"  # the statement
    AFTER = "after"  # the statement; of an `if`, all its branches
    INSIDE = "inside"  # the first in the block of the statement
    DECLARED = "declared"  # the last of the declarations that a function begins with
    ABOVE = "above"  # the function, and the comment that belongs to it
    BELOW = "below"  # the line: of a directive, a label, a makefile


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way to find the place. Patterns are regular expressions over code without comments, strings, directives.

    In them a blank stands for any blanks, and `<name>` for a simple expression that the text can use as `$name`.
    """

    put: Put
    text: str
    at: str = ""  # what is found; its group `here`, if it has one, is the place
    function: str = ""  # only in functions whose whole name matches; "": anywhere, directives and comments included
    having: tuple[str, ...] = ()  # and whose body has all of these
    given: tuple[str, ...] = ()  # only in a file that has all of these …
    unless: tuple[str, ...] = ()  # … and none of these
    from_function: tuple[str, ...] = ()  # patterns with groups for the text; each group has one value there
    from_file: tuple[str, ...] = ()
    sets: tuple[tuple[str, str], ...] = ()  # more names for the text; they may use the groups


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """Something to put into a file, as often as `times` says, by the ways together."""

    name: str
    file: str
    mark: str  # stands in each text once, and nowhere in a file that lacks the hook
    ways: tuple[Way, ...]
    given: str = ""  # only for a file that has this; for others there is nothing to do
    times: int = 1
    each: str = ""  # once for each of these, instead of `times`, but for functions that `among` does not match
    among: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What must follow what, in each function that holds a mark, once all is in its place."""

    file: str
    mark: str
    steps: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """All hooks of a series, and the checks of the result."""

    hooks: tuple[Hook, ...] = ()
    orders: tuple[Order, ...] = ()

    def files(self) -> tuple[str, ...]:
        """Every file that is changed."""
        return tuple(dict.fromkeys(hook.file for hook in self.hooks))


def compiled(pattern: str) -> Bounded:
    """A pattern of a hook as a regular expression that comes to an end."""
    spaced = re.sub(r"(?<![\\\[]) +", lambda match: r"\s+", pattern)
    return Bounded(pattern=_GROUP.sub(lambda match: f"(?P<{match[1]}>{_LVALUE})", spaced), multiline=True)
