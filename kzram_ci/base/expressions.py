"""Regular expressions that are compiled when they are first used: a command that starts needs hardly any of them."""

from __future__ import annotations

import re
from typing import AnyStr, cast

_METHODS = ("match", "search", "fullmatch", "finditer", "findall", "sub", "split")


class _Later:
    """Stands in for a pattern. Its methods are the pattern's own from the first use on, so they cost nothing more."""

    __slots__ = ("_flags", "pattern", *_METHODS)

    def __init__(self, pattern: str | bytes, flags: int) -> None:
        self.pattern, self._flags = pattern, flags

    def __getattr__(self, name: str) -> object:
        compiled = re.compile(self.pattern, self._flags)
        for method in _METHODS:
            setattr(self, method, getattr(compiled, method))
        return getattr(compiled, name)


def later(pattern: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]:
    """`re.compile`, put off. A pattern that is wrong is found on first use, so each needs a test."""
    return cast("re.Pattern[AnyStr]", _Later(pattern, flags))
