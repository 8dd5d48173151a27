"""The tests that cells told of, in every report: each once, by its own name, counted where counts are."""

from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
import report_samples as samples
from junitparser import JUnitXml
from lxml import etree

from kzram_ci.model.points import BAD, Point, PointStatus
from kzram_ci.results.reports import html, junit, kcidb, points, summary, table
from kzram_ci.results.reports.summary_model import CellView, RunView

OURS = Path(__file__).parents[2] / "data" / "junit.xsd"
POINTS = tuple(
    Point(name=f"suite / {status} <&>\x01", status=status, reason=f"why {status}", output="line\x1b[1m & <b>")
    for status in PointStatus
)


@pytest.fixture
def view() -> RunView:
    first, *rest = samples.results()
    first = replace(first, evidence=replace(first.evidence, points=POINTS))
    return RunView(name="r", plan="p", cells=tuple(CellView(result=each) for each in (first, *rest)))


def test_junit_has_a_case_each_and_true_counts(view: RunView) -> None:
    found = JUnitXml.fromstring(junit.render(view).encode())
    cases = [case for suite in found for case in suite]
    mine = [case for case in cases if case.name.startswith("suite / ")]
    assert len(mine) == len(POINTS)
    assert len(cases) == len(POINTS) + len(view.cells)
    assert {case.classname for case in mine} == {f"{view.cells[0].result.kernel}.{view.cells[0].column}"}
    failed = [case for case in mine if case.result and type(case.result[0]).__name__ == "Failure"]
    assert len(failed) == len(BAD)
    suite = next(iter(found))
    assert suite.tests == sum(1 for _ in suite)


def test_the_file_is_valid(view: RunView) -> None:
    schema = etree.XMLSchema(etree.parse(str(OURS)))
    schema.assertValid(etree.fromstring(junit.render(view).encode()))


def test_kcidb_has_a_test_each(view: RunView) -> None:
    tests = [test for test in kcidb.render(view)["tests"] if test["misc"].get("ending")]
    assert [test["misc"]["ending"] for test in tests] == [str(status) for status in PointStatus]
    assert len({test["id"] for test in tests}) == len(POINTS)
    assert all(
        set(test["path"]) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.") for test in tests
    )


def test_people_see_what_did_not_pass(view: RunView) -> None:
    stream = StringIO()
    table.show(view, stream)
    shown = [line for line in stream.getvalue().splitlines() if line.startswith("test ")]
    assert len(shown) == len(BAD)
    assert "fail: suite / fail <&>\\x01: why fail" in shown[0]
    assert "8 tests: 1 pass, 1 fail" in summary.render(view)
    page = html.render(view)
    assert page.count("<td>suite / ") == len(POINTS)
    assert "<b>" not in page.split("8 tests: ")[1].split("</table>")[0]


def test_many_are_cut_where_people_read(view: RunView) -> None:
    cell = view.cells[0]
    many = tuple(Point(name=str(number), status=PointStatus.FAIL) for number in range(100))
    found = replace(cell, result=replace(cell.result, evidence=replace(cell.result.evidence, points=many)))
    lines = points.lines(RunView(name="r", plan="p", cells=(found,)))
    assert len(lines) == points.SHOWN + 1
    assert lines[-1].endswith("and 80 more")
