"""One line of KTAP or TAP. Every pattern is anchored, so that a hostile line costs time linear in its length."""

from __future__ import annotations

import re

from kzram_ci.base.values import dataclass
from kzram_ci.model.points import PointStatus

# Neither a plan nor a number of a test may be larger: a kernel's whole KUnit run has some ten thousand points.
MOST_TESTS = 1_000_000

# Behind " # ", in any case. What a directive makes of "ok", and of "not ok". Old runners of kselftest say
# "not ok … # SKIP"; "ok … # TIMEOUT" contradicts itself.
DIRECTIVES = {
    "SKIP": (PointStatus.SKIP, PointStatus.SKIP),
    "TODO": (PointStatus.PASS, PointStatus.TODO),
    "XFAIL": (PointStatus.XFAIL, PointStatus.XFAIL),
    "TIMEOUT": (PointStatus.TIMEOUT, PointStatus.TIMEOUT),
    "ERROR": (PointStatus.ERROR, PointStatus.ERROR),
}

_VERSION = re.compile(r"(KTAP version \d{1,3}|TAP version \d{1,3})\s*$")
_ANYWHERE = re.compile(r"(KTAP version 1|TAP version 1[234])\s*$")
_PLAN = re.compile(r"1\.\.(-?\d+)\s*(?:#\s*(.*))?$")
_POINT = re.compile(r"(not ok|ok)(?:[ \t]+(\d+)(?=[ \t]|$))?(?:[ \t]+(.*))?$")
_SUBTEST = re.compile(r"# Subtest:\s*(.*)$")
_BAIL = re.compile(r"Bail out!\s*(.*)$")
_HASH = re.compile(r"(?:^|[ \t])#[ \t]*")
_WORD = re.compile(r"([A-Za-z]+)\b:?[ \t]*(.*)$")


@dataclass(frozen=True, slots=True)
class Version:
    """The head of a stream of tests."""

    text: str


@dataclass(frozen=True, slots=True)
class PlanLine:
    """How many tests there will be. `text`: the number as written, where it is impossible."""

    count: int
    reason: str = ""
    impossible: str = ""


@dataclass(frozen=True, slots=True)
class PointLine:
    """The result of one test. `number` is None where the line has none."""

    number: int | None
    name: str
    status: PointStatus
    reason: str


@dataclass(frozen=True, slots=True)
class Subtest:
    """The name of tests to come."""

    name: str


@dataclass(frozen=True, slots=True)
class BailOut:
    """The program gave up."""

    reason: str


Parsed = Version | PlanLine | PointLine | Subtest | BailOut | None


def parsed(text: str) -> Parsed:
    """What a line without its indentation means; None for everything that is no part of the grammar."""
    head = text[:1]
    if head in "KT" and (match := _VERSION.match(text)):
        return Version(match[1])
    if head == "1" and (match := _PLAN.match(text)):
        return _plan(match[1], (match[2] or "").strip())
    if head in "no" and (match := _POINT.match(text)):
        return _point(match)
    if head == "#" and (match := _SUBTEST.match(text)):
        return Subtest(match[1].strip())
    if head == "B" and (match := _BAIL.match(text)):
        return BailOut(match[1].strip())
    return None


def version_behind(text: str) -> int:
    """Where in a line the head of a stream stands, behind a prefix that is not known; -1: nowhere."""
    match = _ANYWHERE.search(text[-40:])
    return -1 if match is None else len(text) - len(text[-40:]) + match.start()


def _plan(digits: str, reason: str) -> PlanLine:
    count = _number(digits)
    if count is None:
        return PlanLine(0, impossible=f"1..{digits[:20]}")
    return PlanLine(count, reason=reason)


def _number(digits: str) -> int | None:
    """A number of tests that can be; int() itself refuses thousands of digits."""
    if len(digits.lstrip("0")) > 9 or digits.startswith("-"):
        return None
    return value if (value := int(digits)) <= MOST_TESTS else None


def _point(match: re.Match[str]) -> PointLine | None:
    good = match[1] == "ok"
    number = None if match[2] is None else _number(match[2])
    name, reason, status = _described((match[3] or "").strip(), good)
    if match[2] is not None and number is None:
        number = MOST_TESTS + 1  # beyond every plan: the tree says so
    return PointLine(number, name, status, reason)


def _described(text: str, good: bool) -> tuple[str, str, PointStatus]:
    """Name, reason and status of what stands behind the number."""
    plain = PointStatus.PASS if good else PointStatus.FAIL
    if text.startswith("- "):
        text = text[2:].lstrip()
    elif text == "-":
        text = ""
    cut = _HASH.search(text)
    if cut is None:
        return text.replace("\\#", "#"), "", plain
    name, rest = text[: cut.start()].strip().replace("\\#", "#"), text[cut.end() :].strip()
    word = _WORD.match(rest)
    known = DIRECTIVES.get(word[1].upper()) if word is not None else None
    if word is None or known is None:  # "ok 1 # what it tests", or what the runner of kselftest adds: "# exit=1"
        return (name, rest, plain) if name else (rest, "", plain)
    reason = word[2].strip()
    return name or reason, reason, known[0] if good else known[1]
