"""What report.html shows, in its order: what happened, how that is known, and the evidence of each cell. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from kzram_ci.base.values import dataclass
from kzram_ci.model.evidence import OopsSummary
from kzram_ci.model.outcome import Outcome, Verdict
from kzram_ci.model.points import BAD, Point
from kzram_ci.results.reports import charts, controls, odds
from kzram_ci.results.reports.charts import Forest, Small
from kzram_ci.results.reports.fitting import escaped_bytes, fitted
from kzram_ci.results.reports.odds import Odds, Survivors
from kzram_ci.results.reports.sanitize import one_line, visible
from kzram_ci.results.reports.summary_model import CellView, RunView, crash_text
from kzram_ci.results.reports.timeline import oops_times

CONSOLE_BYTES = 1_100_000  # of all consoles together, and so on: 200 cells are a page of 5 MB at most
TRACE_BYTES = 400_000
CRASH_BYTES = 400_000
POINT_BYTES = 300_000
OUTPUT_LIMIT = 4 << 10  # characters of a test that did not pass
MOST_OPEN = 12  # cells
SYMBOLS = {
    Verdict.OK: "✓",
    Verdict.FINDING: "✗",
    Verdict.INCONCLUSIVE: "?",
    Verdict.ERROR: "!",
    Verdict.SKIPPED: "-",
}
NOT_RUN = "·"


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A piece of the console; the next oops begins where one with an anchor does."""

    anchor: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OopsLine:
    """An oops of a cell: when it came, and where in the console it begins."""

    oops: OopsSummary
    at: float | None
    anchor: str  # "" where the console's excerpt does not hold it


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceLine:
    """A line of a decoded stack; `blamed`: the frame that the crash is named for."""

    text: str
    blamed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CellPage:
    """One cell with all that there is to see of it."""

    cell: CellView
    anchor: str
    symbol: str
    kind: str  # a verdict, or not-run
    smalls: tuple[Small, ...]
    oopses: tuple[OopsLine, ...]
    trace: tuple[TraceLine, ...]
    console: tuple[Segment, ...]
    crash: int | None  # the number of its crash in the list of them
    points: tuple[Point, ...]
    changed: bool

    @property
    def bad(self) -> bool:
        """Whether a person wants to see it first."""
        return self.kind in ("finding", "inconclusive", "error")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """All of it. `cells` in the order of the plan; `rows`: kernels, those of failed controls first."""

    view: RunView
    cells: tuple[CellPage, ...]
    rows: tuple[str, ...]
    crash_texts: tuple[str, ...]
    odds: tuple[Odds, ...]
    forests: tuple[tuple[str, Forest], ...]
    survivors: tuple[Survivors, ...]
    points_left_out: int
    by_id: Mapping[str, CellPage]

    @property
    def few_bad(self) -> bool:
        """Whether those to look at are so few that all of them are open from the start."""
        return sum(one.bad for one in self.cells) <= MOST_OPEN

    def at(self, kernel: str, column: str) -> CellPage | None:
        """The cell of a place in the matrix."""
        found = self.view.at(kernel, column)
        return None if found is None else self.of(found)

    def of(self, cell: CellView) -> CellPage:
        """The page of a cell."""
        return self.by_id[cell.result.id]

    def kinds(self) -> dict[str, int]:
        """How many cells are of which kind, for the filter."""
        order = (*(str(verdict) for verdict in SYMBOLS), "not-run")
        counted = {kind: sum(cell.kind == kind for cell in self.cells) for kind in order}
        return {kind: count for kind, count in counted.items() if count}


def page_of(view: RunView) -> Page:
    """The page of a run."""
    consoles = fitted([visible(cell.shown.console or cell.console_tail) for cell in view.cells], CONSOLE_BYTES)
    traces = fitted([visible(cell.oops.decoded) if cell.oops else "" for cell in view.cells], TRACE_BYTES)
    shown, left_out = _points(view)
    crash_of = {cell.result.id: number for number, group in enumerate(view.crash_groups) for cell in group.cells}
    anchors = _anchors([cell.result.id for cell in view.cells])
    cells = tuple(
        _cell(view, cell, anchor, console, trace, points, crash_of.get(cell.result.id))
        for cell, anchor, console, trace, points in zip(view.cells, anchors, consoles, traces, shown, strict=True)
    )
    known = odds.odds(view)
    failed = {cell.result.kernel for cell in controls.failed_cells(view)}
    return Page(
        view=view,
        cells=cells,
        rows=tuple(sorted(view.kernels, key=lambda kernel: kernel not in failed)),
        crash_texts=fitted([visible(crash_text(group.oops)) for group in view.crash_groups], CRASH_BYTES),
        odds=known,
        forests=tuple(odds.forests(view, known)),
        survivors=odds.survivors(view),
        points_left_out=left_out,
        by_id={one.cell.result.id: one for one in cells},
    )


def _cell(
    view: RunView,
    cell: CellView,
    anchor: str,
    console: str,
    trace: str,
    points: tuple[Point, ...],
    crash: int | None,
) -> CellPage:
    judgement = cell.result.judgement
    not_run = judgement.outcome is Outcome.NOT_RUN
    times = oops_times(cell.result.evidence.oopses)
    segments, begun = _segments(console, cell.result.evidence.oopses, anchor)
    at = {id(oops): when for when, oops in times}
    return CellPage(
        cell=cell,
        anchor=anchor,
        symbol=NOT_RUN if not_run else SYMBOLS[judgement.verdict],
        kind="not-run" if not_run else str(judgement.verdict),
        smalls=charts.small_multiples(cell.shown.timeline, [when for when, _ in times]),
        oopses=tuple(
            OopsLine(oops=oops, at=at.get(id(oops)), anchor=begun.get(number, ""))
            for number, oops in enumerate(cell.result.evidence.oopses)
        ),
        trace=tuple(_trace(trace, cell.oops)),
        console=segments,
        crash=crash,
        points=points,
        changed=view.since is not None and cell.result.id in view.since.cells,
    )


def _anchors(ids: Sequence[str]) -> list[str]:
    """Names for links, from ids, so that a link stays right in the next run of the plan; no two alike."""
    used: dict[str, int] = {}
    found = []
    for name in ids:
        slug = "cell-" + (re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:80] or "unnamed")
        used[slug] = used.get(slug, 0) + 1
        found.append(slug if used[slug] == 1 else f"{slug}--{used[slug]}")
    return found


def _segments(console: str, oopses: Sequence[OopsSummary], anchor: str) -> tuple[tuple[Segment, ...], dict[int, str]]:
    """The console in pieces, each oops at the start of one; and the anchors of those that it holds."""
    starts: dict[int, int] = {}
    for number, oops in enumerate(oopses):
        first = visible(oops.text.split("\n", 1)[0].rstrip("\r"))
        place = _line_at(console, first) if first.strip() else -1
        if place >= 0 and place not in starts:
            starts[place] = number
    begun = {number: f"{anchor}-oops-{number + 1}" for number in starts.values()}
    cuts = [0, *sorted(place for place in starts if place), len(console)]
    pieces = tuple(
        Segment(anchor=begun[starts[start]] if start in starts else "", text=console[start:end])
        for start, end in pairwise(cuts)
        if end > start
    )
    return pieces, begun


def _line_at(console: str, line: str) -> int:
    """Where the line begins, -1 where it is not there."""
    if console.startswith(line):
        return 0
    found = console.find("\n" + line)
    return found + 1 if found >= 0 else -1


def _trace(text: str, oops: OopsSummary | None) -> Iterator[TraceLine]:
    """The lines; the first with the function that the crash is named for is the blamed one."""
    name = oops.function if oops is not None else None
    blamed = re.compile(rf"(?<![\w.]){re.escape(name)}\b") if name else None
    for line in text.rstrip("\n").split("\n") if text.strip() else ():
        hit = blamed is not None and blamed.search(line) is not None
        blamed = None if hit else blamed
        yield TraceLine(text=line, blamed=hit)


def _points(view: RunView) -> tuple[list[tuple[Point, ...]], int]:
    """The tests of each cell, those that did not pass first, while there is room; and how many are not shown."""
    room, left_out = POINT_BYTES, 0
    shown: list[tuple[Point, ...]] = []
    for cell in view.cells:
        kept = []
        for point in sorted(cell.result.evidence.points, key=lambda point: point.status not in BAD):
            room -= _point_bytes(point) if room > 0 else 0
            if room > 0:
                kept.append(point)
            else:
                left_out += 1
        shown.append(tuple(kept))
    return shown, left_out


def _point_bytes(point: Point) -> int:
    """At most what a test takes in the page."""
    output = point.output[:OUTPUT_LIMIT] if point.status in BAD else ""
    return 80 + escaped_bytes(one_line(point.name)) + escaped_bytes(one_line(point.reason)) + escaped_bytes(output)
