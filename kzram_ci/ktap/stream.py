"""Lines of a log to the tree of tests, as they come.

Levels are told apart by what stands in front of their lines: blanks (KTAP, TAP 14), or "# " (the runner of kselftest
puts that before all a test prints). A result at one level takes the levels below it as its parts. Everything else that
a console holds is output of the test that runs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from kzram_ci.ktap.lines import (
    MOST_TESTS,
    BailOut,
    Parsed,
    PlanLine,
    PointLine,
    Subtest,
    Version,
    parsed,
    version_behind,
)
from kzram_ci.ktap.report import Node, Report
from kzram_ci.model.points import PointStatus
from kzram_ci.oops.lines import split

MOST_POINTS = 200_000
MOST_PROBLEMS = 100
MOST_LEVELS = 32
KEPT_OUTPUT = 60  # lines for a test, the last ones
LINE_CHARS = 400

_BEGINS = re.compile(rb"TAP version|1\.\.|ok[ \t]+0*1")  # what a stream of tests can begin with
_BLANKS = re.compile(r"[ \t]+")
_RUNS = "# selftests: "  # the runner of kselftest names a test before it runs it
_HASHES = re.compile(r"(?:[ \t]*# )+[ \t]*")


@dataclass(slots=True)
class _Level:
    """A stream of tests that is not over. `parts` belong to the result that comes next."""

    prefix: str
    line: int
    version: str = ""
    name: str = ""
    next_name: str = ""
    begun: str = ""  # the name of the test whose parts are below
    planned: int | None = None
    skipped: str | None = None  # the reason of `1..0 # SKIP reason`
    highest: int = 0
    nodes: list[Node] = field(default_factory=list)
    numbers: set[int] = field(default_factory=set)
    parts: list[Node] = field(default_factory=list)
    output: list[str] = field(default_factory=list)
    yaml: bool = False

    @property
    def untouched(self) -> bool:
        return self.planned is None and not self.nodes and not self.parts

    def say(self, text: str) -> None:
        self.output.append(text[:LINE_CHARS])
        if len(self.output) > 2 * KEPT_OUTPUT:
            del self.output[:-KEPT_OUTPUT]

    def taken(self) -> tuple[str, ...]:
        lines, self.output = tuple(self.output[-KEPT_OUTPUT:]), []
        return lines


class Parser:
    """Feed it pieces of a log, of any bytes and cut anywhere; `finish` gives the report."""

    def __init__(self) -> None:
        self._partial = b""
        self._number = 0
        self._skip = 0  # length of a prefix that is not known, as the head of the stream had it
        self._levels: list[_Level] = []
        self._tests: list[Node] = []
        self._problems: list[str] = []
        self._points = 0
        self._unplanned = False
        self._bailed: str | None = None

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        *lines, self._partial = (self._partial + data).split(b"\n")
        for raw in lines:
            self._raw(raw)
        if len(self._partial) > 1 << 16:  # no line of ours; only its head is looked at
            self._partial = self._partial[: 1 << 13]

    def finish(self) -> Report:
        """The report. A log may end in the middle of everything."""
        if self._partial:
            self._raw(self._partial)
            self._partial = b""
        self._close_root()
        return Report(
            tests=tuple(self._tests),
            problems=tuple(self._problems),
            unplanned=self._unplanned,
            bailed=self._bailed,
        )

    # ---- one line

    def _raw(self, raw: bytes) -> None:
        self._number += 1
        if not self._levels and not _BEGINS.search(raw):
            return  # most of a console, at the speed of one search
        for line in split(raw, self._number, 0, 0):
            self._line(line.text.rstrip())

    def _line(self, text: str) -> None:
        found: Parsed
        if not self._levels:
            found = parsed(text)
            if isinstance(found, Version | PlanLine) or (isinstance(found, PointLine) and found.number == 1):
                self._skip = 0
                self._levels.append(_Level("", self._number))
                self._take(0, found, text)
            elif (at := version_behind(text)) > 0:
                self._begin_behind(text, at)
            return
        if self._skip:
            text = text[self._skip :]
        fitting = (at for at in reversed(range(len(self._levels))) if text.startswith(self._levels[at].prefix))
        if (depth := next(fitting, None)) is None:
            self._outdented(text)
            return
        content = text[len(self._levels[depth].prefix) :]
        if self._in_yaml(depth, content):
            return
        if (found := parsed(content)) is not None:
            self._take(depth, found, content)
            return
        if not self._opened(depth, content):
            level = self._levels[depth if content.startswith("#") else -1]
            if content.startswith(_RUNS):
                level.begun = content[2:]
            level.say(content)

    def _begin_behind(self, text: str, at: int) -> None:
        """A collector of logs puts the same number of characters before each line: they are passed over."""
        lead = text[:at]
        self._skip = 0 if not lead.strip(" \t#") else at
        self._levels.append(_Level("" if self._skip else lead, self._number))
        self._take(0, parsed(text[at:]), text)

    def _outdented(self, text: str) -> None:
        """A line left of all levels: the log began in the middle."""
        found = parsed(text)
        if not isinstance(found, Version | PlanLine | PointLine):
            self._levels[-1].say(text)
            return
        below = self._closed_to(0)
        root = self._levels.pop()
        root.parts += below
        over = self._over(root)
        if isinstance(found, PointLine):
            self._levels.append(_Level("", self._number, parts=over))
        else:
            self._tests += over
            self._unplanned = self._unplanned or root.planned is None
            self._levels.append(_Level("", self._number))
        self._take(0, found, text)

    def _in_yaml(self, depth: int, content: str) -> bool:
        """A block of YAML belongs to the result before it, whatever its lines look like."""
        level = self._levels[depth]
        if not level.yaml:
            if depth == len(self._levels) - 1 and level.nodes and re.fullmatch(r"[ \t]+---", content):
                level.yaml = True
            return level.yaml
        level.yaml = content.strip() != "..." and content[:1] in (" ", "\t", "")
        return level.yaml or content.strip() == "..."

    def _opened(self, depth: int, content: str) -> bool:
        """Whether a line begins a level: a head, plan, name or result behind blanks; a head or plan behind "# "."""
        if len(self._levels) >= MOST_LEVELS:
            return False
        if (blanks := _BLANKS.match(content)) and (found := parsed(content[blanks.end() :])) is not None:
            if isinstance(found, BailOut):
                return False
            self._open(depth, blanks[0], found, content)
            return True
        if (hashes := _HASHES.match(content)) is None:
            return False
        if not isinstance(found := parsed(content[hashes.end() :]), Version | PlanLine):
            return False
        self._open(depth, hashes[0], found, content)
        return True

    def _open(self, depth: int, lead: str, found: Parsed, content: str) -> None:
        level = self._levels[depth]
        new = _Level(level.prefix + lead, self._number, name=level.next_name)
        if isinstance(found, PointLine):  # the levels that are deeper still are its parts
            new.parts = self._closed_to(depth)
        else:
            level.parts += self._closed_to(depth)
        level.begun, level.next_name = level.next_name or level.begun, ""
        self._levels.append(new)
        self._take(len(self._levels) - 1, found, content)

    # ---- what a line means

    def _take(self, depth: int, found: Parsed, content: str) -> None:
        level = self._levels[depth]
        match found:
            case Version(text):
                self._head(depth, text)
            case PlanLine():
                self._plan(level, found)
            case PointLine(number=None) if self._levels[0].version.startswith("KTAP"):
                level.say(content)  # KTAP's results are numbered: these are words of the kernel
            case PointLine():
                self._result(depth, found)
            case Subtest(name):
                own = level.untouched and not level.name and (depth > 0 or level.version.startswith("KTAP"))
                if own and depth == len(self._levels) - 1:
                    level.name = name
                    if depth:
                        self._levels[depth - 1].begun = name
                else:
                    level.next_name = name
            case BailOut(reason):
                self._bailed = reason or "without a reason"
                self._close_root()
            case None:
                level.say(content)

    def _head(self, depth: int, text: str) -> None:
        level = self._levels[depth]
        if level.untouched and depth == len(self._levels) - 1:
            level.version = level.version or text
            return
        if depth == 0:
            self._close_root()
            self._levels.append(_Level(level.prefix, self._number, version=text))
            return
        above = self._levels[depth - 1]
        above.parts += self._closed_to(depth - 1)
        self._levels.append(_Level(level.prefix, self._number, version=text))

    def _plan(self, level: _Level, plan: PlanLine) -> None:
        if plan.impossible:
            self._problem(f"the plan {plan.impossible} cannot be")
            return
        if level.planned is not None:
            self._problem(f"a second plan, 1..{plan.count}, after 1..{level.planned}")
            return
        level.planned = plan.count
        level.taken()
        if plan.count == 0:
            reason = plan.reason[4:].lstrip(" :") if plan.reason.upper().startswith("SKIP") else plan.reason
            level.skipped = reason or "no tests"

    def _result(self, depth: int, point: PointLine) -> None:
        level = self._levels[depth]
        parts = (*level.parts, *self._closed_to(depth))
        name = point.name or level.begun or level.next_name
        level.parts, level.next_name, level.begun = [], "", ""
        self._points += 1
        if self._points > MOST_POINTS:
            if self._points == MOST_POINTS + 1:
                self._problem(f"more than {MOST_POINTS:,} results; the rest is not read")
            return
        number = level.highest + 1 if point.number is None else point.number
        if number > MOST_TESTS or number < 1:
            self._problem(f"no test can have the number of {point.name or 'this one'!r}")
        elif number in level.numbers:
            self._problem(f"the number {number} comes twice")
        else:
            level.numbers.add(number)
            level.highest = max(level.highest, number)
        level.nodes.append(
            Node(
                name=name or str(number),
                status=point.status,
                reason=point.reason,
                number=number,
                line=self._number,
                output=level.taken(),
                tests=parts,
            )
        )

    def _problem(self, text: str) -> None:
        if len(self._problems) < MOST_PROBLEMS:
            self._problems.append(f"line {self._number}: {text}")

    # ---- the end of levels

    def _closed_to(self, depth: int) -> list[Node]:
        """The tests of the levels below `depth`, which are over now."""
        below: list[Node] = []
        while len(self._levels) > depth + 1:
            level = self._levels.pop()
            level.parts += below
            below = self._over(level)
        return below

    def _over(self, level: _Level) -> list[Node]:
        """The tests of a level, with those that are missing."""
        nodes = list(level.nodes)
        if level.parts:
            nodes.append(
                Node(
                    name=level.begun or level.next_name or str(level.highest + 1),
                    status=PointStatus.MISSING,
                    reason="it was begun, and no result of it came",
                    line=self._number,
                    output=level.taken(),
                    tests=tuple(level.parts),
                )
            )
            level.numbers.add(level.highest + 1)
        if level.skipped is not None and not nodes:
            return [Node(name=level.name or "all", status=PointStatus.SKIP, reason=level.skipped, line=level.line)]
        if level.planned is not None and level.highest > level.planned:
            self._problem(f"a result with the number {level.highest}, and the plan is 1..{level.planned}")
        upto = level.highest if level.planned is None else level.planned
        nodes += [_missing(first, last, self._number) for first, last in _gaps(level.numbers, upto)]
        return nodes

    def _close_root(self) -> None:
        if not self._levels:
            return
        below = self._closed_to(0)
        root = self._levels.pop()
        root.parts += below
        if not (root.version or root.nodes or root.parts or root.skipped):
            return  # something that looks like a plan is a word of the program
        self._tests += self._over(root)
        self._unplanned = self._unplanned or root.planned is None


def _missing(first: int, last: int, line: int) -> Node:
    name = str(first) if first == last else f"{first} to {last}"
    return Node(name=name, status=PointStatus.MISSING, reason="planned, and no result came", line=line)


def _gaps(numbers: Iterable[int], upto: int) -> list[tuple[int, int]]:
    """The ranges from 1 to `upto` without a number."""
    gaps, expected = [], 1
    for number in sorted(number for number in numbers if number <= upto):
        if number > expected:
            gaps.append((expected, number - 1))
        expected = number + 1
    return [*gaps, (expected, upto)] if expected <= upto else gaps


def parse(data: bytes) -> Report:
    """The report of a whole log."""
    parser = Parser()
    parser.feed(data)
    return parser.finish()
