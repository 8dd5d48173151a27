"""map.toml as values, read once."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import field
from functools import cache
from pathlib import Path
from typing import Any

from kzram_ci.base.values import dataclass

TABLES = ("variant", "met", "opening", "amplifier", "boot", "unreachable", "expect")
_FIELD = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One look into one file: a line that matches gives the fact this value."""

    value: str
    file: str
    pattern: str
    why: str
    since: str = ""
    until: str = ""
    commit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A fact to find out. `otherwise` is its value when no probe matches."""

    name: str
    about: str
    probes: tuple[Probe, ...]
    otherwise: str = ""
    otherwise_why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A rule: when all its conditions hold, its words apply.

    `when`: fact to value; "any" for anything but "", "!value" for anything but that.
    """

    when: Mapping[str, str]
    instead: Mapping[str, str] = field(default_factory=dict)  # or these hold
    having: tuple[str, ...] = ()  # series of which the kernel has one …
    without: tuple[str, ...] = ()  # … and of which it has none
    workload: tuple[str, ...] = ()
    series: tuple[str, ...] = ()
    floors: tuple[str, ...] = ()  # counters
    word: str = ""
    because: str = ""
    cmdline: str = ""
    probability: int = 0  # percent; 0: as the plan says
    before: str = ""  # the series that what is added must come before
    proof: tuple[tuple[str, int], ...] = ()  # (counter, at least): shows that this row is why
    limits: tuple[tuple[str, int], ...] = ()  # (counter, at most)


@cache
def edition() -> str:
    """The map's text: answers are remembered by it, and are void when it changes."""
    return Path(__file__).with_name("map.toml").read_text(encoding="utf-8")


@cache
def _document() -> dict[str, Any]:
    return tomllib.loads(edition())


@cache
def questions() -> tuple[Question, ...]:
    """All facts to find out, in the order of the map."""
    return tuple(
        Question(
            name=row["name"],
            about=row["about"],
            probes=tuple(Probe(**item) for item in row["probe"]),
            otherwise=row.get("otherwise", ""),
            otherwise_why=row.get("otherwise_why", ""),
        )
        for row in _document()["fact"]
    )


@cache
def rows(table: str) -> tuple[Row, ...]:
    """The rules of one of TABLES."""
    return tuple(
        Row(
            when=row.get("when", row.get("needs", {})),
            instead=row.get("or", {}),
            having=tuple(row.get("with", ())),
            without=tuple(row.get("without", ())),
            workload=tuple(row.get("workload", ())),
            series=tuple(row.get("series", ())),
            floors=tuple(row.get("floors", ())),
            word=row.get("use", row.get("outcome", row.get("add", ""))),
            because=row.get("because", row.get("reason", "")),
            cmdline=row.get("cmdline", ""),
            probability=row.get("probability", 0),
            before=row.get("before", ""),
            proof=tuple(row.get("proof", {}).items()),
            limits=tuple(row.get("limits", {}).items()),
        )
        for row in _document()[table]
    )


def series_known() -> frozenset[str]:
    """The series whose effect the map knows."""
    return frozenset(_document()["series_known"])


def reported(series: Collection[str]) -> frozenset[str]:
    """The counters that these series report."""
    table = _document()["counters"]
    return frozenset(counter for name in series for counter in table.get(name, ()))


@cache
def asked() -> Mapping[str, tuple[str, ...]]:
    """The facts that rules ask for, each with the values the map knows, "" for none."""
    named = {name for table in TABLES for row in rows(table) for name in (*row.when, *row.instead)}
    named |= {name for table in ("amplifier", "boot") for row in rows(table) for name in _FIELD.findall(row.cmdline)}
    return {
        question.name: tuple(dict.fromkeys((*(probe.value for probe in question.probes), question.otherwise)))
        for question in questions()
        if question.name in named
    }
