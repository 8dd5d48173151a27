"""Regular expressions of others, searched in bounded time. Pure.

Python's own `re` tries every way in which `(a+)+$` can fail to match, which takes centuries on a line of fifty letters.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from kzram_ci.base.errors import UserError

if TYPE_CHECKING:
    from regex import Pattern

SECONDS = 1.0  # for one text; a line takes microseconds


class PatternTooSlow(UserError):
    """A regular expression that does not come to an end."""


@lru_cache(maxsize=512)
def _compiled(pattern: str, multiline: bool) -> Pattern[str]:
    import regex

    return regex.compile(pattern, regex.MULTILINE if multiline else 0)


def check(pattern: str) -> None:
    """Raise ValueError with what is wrong with a regular expression."""
    import regex

    try:
        _compiled(pattern, multiline=False)
    except (regex.error, RecursionError, OverflowError) as error:
        raise ValueError(f"{pattern!r} is not a regular expression: {error}") from error


def found(pattern: str, text: str, *, multiline: bool = False) -> bool:
    """Whether a text holds a pattern. Raises PatternTooSlow."""
    try:
        return _compiled(pattern, multiline).search(text, timeout=SECONDS) is not None
    except TimeoutError as error:
        shown = pattern if len(pattern) <= 60 else f"{pattern[:60]}…"
        raise PatternTooSlow(
            f"the regular expression {shown!r} did not come to an end within {SECONDS:g} s",
            hint="write it without repeats inside of repeats, such as (a+)+",
        ) from error
