"""The tree of tests that a log told of, what is wrong with it, and its test points."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from kzram_ci.base.values import dataclass
from kzram_ci.model.points import BAD, Point, PointStatus, counts

SEPARATOR = " / "  # between the names of a test point: KUnit's, kselftest's and LTP's own names hold none
OUTPUT_CHARS = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A test, with the tests it is made of. `line` is where its result stands, from 1."""

    name: str
    status: PointStatus
    reason: str = ""
    number: int | None = None
    line: int = 0
    output: tuple[str, ...] = ()
    tests: tuple[Node, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As the command prints it."""
        return {
            "name": self.name,
            "status": str(self.status),
            "reason": self.reason,
            "number": self.number,
            "line": self.line,
            "output": list(self.output),
            "tests": [test.to_json() for test in self.tests],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All tests of a log. `problems`: what the log says that cannot be, with its line."""

    tests: tuple[Node, ...] = ()
    problems: tuple[str, ...] = ()
    unplanned: bool = False  # no plan: whether tests are missing cannot be known
    bailed: str | None = None  # the reason of a `Bail out!`

    def points(self) -> tuple[Point, ...]:
        """The tests without parts, and those with parts that ended badly for a reason that no part of them has."""
        return tuple(point for test in self.tests for point in _points(test, ()))

    @property
    def bad(self) -> bool:
        """Whether a test failed, or the log contradicts itself."""
        return bool(self.problems) or self.bailed is not None or any(p.status in BAD for p in self.points())

    @property
    def proved(self) -> bool:
        """Whether a test passed, and it is known that none is missing."""
        good = (PointStatus.PASS, PointStatus.XFAIL)
        return not self.bad and not self.unplanned and any(p.status in good for p in self.points())

    def to_json(self) -> dict[str, Any]:
        """As the command prints it."""
        return {
            "ok": self.proved,
            "counts": {str(status): number for status, number in counts(self.points()).items()},
            "problems": list(self.problems),
            "unplanned": self.unplanned,
            "bailed_out": self.bailed,
            "tests": [test.to_json() for test in self.tests],
        }


def _explained(own: PointStatus, parts: Collection[PointStatus]) -> bool:
    """Whether its parts say why a test ended as it did.

    Parts that are missing do not: the test's own line has what cut them off, such as a limit of time or a signal.
    """
    if own is PointStatus.MISSING:
        return not BAD.isdisjoint(parts)
    return own not in BAD or (own is not PointStatus.TIMEOUT and not (BAD - {PointStatus.MISSING}).isdisjoint(parts))


def _points(test: Node, above: tuple[str, ...]) -> Iterator[Point]:
    path = (*above, test.name)
    inner = [point for part in test.tests for point in _points(part, path)]
    yield from inner
    if not inner or not _explained(test.status, {point.status for point in inner}):
        output = "\n".join(test.output)[-OUTPUT_CHARS:]
        yield Point(name=SEPARATOR.join(path), status=test.status, reason=test.reason, output=output)
