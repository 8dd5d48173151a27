"""The skip rules of helpers.toml: read once, on first use, and compiled to anchored expressions."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Function names with one reason; see the head of helpers.toml for `where`. `name` is set for the walk sets."""

    where: str
    why: str
    names: str
    name: str = ""


@cache
def families() -> tuple[Family, ...]:
    """All rules."""
    data = tomllib.loads(files("kzram_ci.oops").joinpath("helpers.toml").read_text(encoding="utf-8"))
    return tuple(Family(**entry) for entry in data["family"])


@cache
def pattern(names: str) -> re.Pattern[str]:
    """One anchored expression for names with stars; a star never spans a character that cannot be in a symbol."""
    words = (re.escape(word).replace(r"\*", r"[\w.$]*") for word in names.split())
    return re.compile("(?:" + "|".join(words) + r")\Z")


@cache
def helpers(kind: str, title: str) -> re.Pattern[str]:
    """All functions that a report of this type and title passes over."""
    wanted = ("any", kind, title.lower().rpartition(": ")[2])
    return pattern(" ".join(family.names for family in families() if family.where in wanted))


@cache
def walk(name: str) -> re.Pattern[str]:
    """One of the sets that stalls, overflows and hung tasks are judged by."""
    return next(pattern(family.names) for family in families() if family.name == name)
