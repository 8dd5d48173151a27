"""The run as KTAP, version 1: a subtest a kernel, in it a test a cell, in it the tests that a cell told of. Pure.

KTAP is what KUnit and kselftest write, so what collects their results takes these as well. An error and an open
question are `not ok` with the directive ERROR; a crash that the plan expects is `ok`, and told in a line before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kzram_ci.model.outcome import Verdict
from kzram_ci.model.points import BAD, Point, PointStatus
from kzram_ci.results.reports import summary_model
from kzram_ci.results.reports.sanitize import one_line
from kzram_ci.results.reports.summary_model import CellView, RunView

DIRECTIVES = {
    PointStatus.PASS: "",
    PointStatus.FAIL: "",
    PointStatus.SKIP: "SKIP",
    PointStatus.XFAIL: "XFAIL",
    PointStatus.TODO: "TODO",
    PointStatus.TIMEOUT: "TIMEOUT",
    PointStatus.ERROR: "ERROR",
    PointStatus.MISSING: "ERROR",
}
OF_A_CELL = {
    Verdict.OK: "",
    Verdict.FINDING: "",
    Verdict.INCONCLUSIVE: "ERROR",
    Verdict.ERROR: "ERROR",
    Verdict.SKIPPED: "SKIP",
}
_BAD = (Verdict.FINDING, Verdict.ERROR, Verdict.INCONCLUSIVE)


def render(view: RunView) -> str:
    """The whole file as text. Any text in the results is made safe here."""
    head = ["KTAP version 1", f"1..{len(view.kernels)}", _note(f"plan: {view.plan}"), _note(f"run: {view.name}")]
    for number, kernel in enumerate(view.kernels, 1):
        cells = view.of(kernel)
        head += _indented(["KTAP version 1", _note(f"Subtest: {kernel}"), f"1..{len(cells)}"])
        for place, cell in enumerate(cells, 1):
            head += _indented(_cell(view, cell, place))
        head.append(_line(number, kernel, good=not any(cell.result.judgement.verdict in _BAD for cell in cells)))
    return "\n".join(head) + "\n"


def _cell(view: RunView, cell: CellView, number: int) -> Iterator[str]:
    result, points = cell.result, cell.result.evidence.points
    verdict, reason = result.judgement.verdict, result.judgement.reason
    if points:
        yield from _indented(["KTAP version 1", _note(f"Subtest: {cell.column}"), f"1..{len(points)}"])
        yield from _indented([_point(place, point) for place, point in enumerate(points, 1)])
    yield _note(f"{result.judgement.outcome}: {reason}")
    if cell.oops is not None:
        word = "expected crash" if verdict is Verdict.OK else "crash"
        yield _note(f"{word}: {cell.oops.title} ({cell.oops.signature})")
    if proof := summary_model.proof(view, cell):
        yield _note(f"proof: {proof}")
    if result.directory:
        yield _note(f"directory: {result.directory}")
    yield _line(number, cell.column, good=verdict not in _BAD, directive=OF_A_CELL[verdict], reason=reason)


def _point(number: int, point: Point) -> str:
    good = point.status not in BAD
    return _line(number, point.name, good=good, directive=DIRECTIVES[point.status], reason=point.reason)


def _line(number: int, name: str, *, good: bool, directive: str = "", reason: str = "") -> str:
    told = f" # {directive} {_safe(reason)}".rstrip() if directive else ""
    return f"{'ok' if good else 'not ok'} {number} {_safe(name) or 'unnamed'}{told}"


def _note(text: str) -> str:
    return f"# {one_line(text, 500)}"


def _safe(text: str) -> str:
    """A description has no `#`: that begins a directive."""
    return one_line(text, 300).replace("#", "\\x23")


def _indented(lines: Sequence[str] | Iterator[str]) -> list[str]:
    return [f"  {line}" for line in lines]
