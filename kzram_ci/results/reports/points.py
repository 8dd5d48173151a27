"""The tests that a cell told of (KTAP, TAP), in the words of each report. Pure."""

from __future__ import annotations

from typing import Any

from kzram_ci.model.points import BAD, Point, PointStatus, summary
from kzram_ci.results.reports.sanitize import cut, one_line
from kzram_ci.results.reports.summary_model import CellView, RunView

SHOWN = 20  # tests of a cell that did not pass, where people read
OUTPUT_LIMIT = 4 << 10
MESSAGE_LIMIT = 500
NAME_LIMIT = 300
KCIDB_STATUS = {
    PointStatus.PASS: "PASS",
    PointStatus.FAIL: "FAIL",
    PointStatus.SKIP: "SKIP",
    PointStatus.XFAIL: "PASS",
    PointStatus.TODO: "DONE",
    PointStatus.TIMEOUT: "FAIL",
    PointStatus.ERROR: "ERROR",
    PointStatus.MISSING: "MISS",
}


def bad(cell: CellView) -> tuple[Point, ...]:
    """The tests of a cell that did not pass."""
    return tuple(point for point in cell.result.evidence.points if point.status in BAD)


def told(cell: CellView) -> str:
    """`12 tests: 10 pass, 2 fail`; empty where a cell told of none."""
    return summary(cell.result.evidence.points) if cell.result.evidence.points else ""


def words(point: Point) -> str:
    """One line: `fail: suite / name: reason`."""
    return ": ".join(part for part in (str(point.status), one_line(point.name), one_line(point.reason)) if part)


def lines(view: RunView) -> list[str]:
    """For the table: a line a test that did not pass."""
    found = []
    for cell in view.cells:
        failed = bad(cell)
        found += [f"test {one_line(cell.result.id)}: {words(point)}" for point in failed[:SHOWN]]
        if len(failed) > SHOWN:
            found.append(f"test {one_line(cell.result.id)}: and {len(failed) - SHOWN:,} more")
    return found


def junit_cases(cell: CellView) -> list[Any]:
    """A testcase each, beside the cell's own."""
    from junit_xml import TestCase

    place = f"{one_line(cell.result.kernel)}.{one_line(cell.column)}"
    cases = []
    for point in cell.result.evidence.points:
        output = cut(point.output, OUTPUT_LIMIT, tail=True)
        case = TestCase(one_line(point.name, NAME_LIMIT) or "unnamed", classname=place, stdout=output or None)
        message = one_line(point.reason, MESSAGE_LIMIT)
        if point.status in BAD:
            case.add_failure_info(message=message or str(point.status), output=output, failure_type=str(point.status))
        elif point.status is PointStatus.SKIP:
            case.add_skipped_info(message=message or "no reason given")
        cases.append(case)
    return cases


def kcidb_status(point: Point) -> str:
    """A status of the schema."""
    return KCIDB_STATUS[point.status]
