"""What a test of many parts said of each of them: the test points of KTAP and TAP, as results carry them."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from kzram_ci.base.units import say_count
from kzram_ci.base.values import dataclass


class PointStatus(StrEnum):
    """How a test point ended. MISSING: it was planned, or begun, and no result of it came."""

    PASS = "pass"
    FAIL = "fail"
    SKIP = "skip"
    XFAIL = "xfail"  # failed, as expected
    TODO = "todo"  # not ready; its result does not count
    TIMEOUT = "timeout"
    ERROR = "error"
    MISSING = "missing"


BAD = frozenset({PointStatus.FAIL, PointStatus.TIMEOUT, PointStatus.ERROR, PointStatus.MISSING})


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A test point without parts of its own; `name` has the names of all it is part of in front."""

    name: str
    status: PointStatus
    reason: str = ""  # what stands behind its directive, or what is missing
    output: str = ""  # what was printed for it, cut to a sane length


def counts(points: Sequence[Point]) -> dict[PointStatus, int]:
    """How many points ended how, in the order of the vocabulary; what never happened is left out."""
    found = {status: sum(point.status is status for point in points) for status in PointStatus}
    return {status: number for status, number in found.items() if number}


def summary(points: Sequence[Point]) -> str:
    """`12 tests: 10 pass, 1 fail, 1 skip`."""
    if not points:
        return "no tests"
    words = ", ".join(f"{number:,} {status}" for status, number in counts(points).items())
    return f"{say_count(len(points), 'test')}: {words}"
