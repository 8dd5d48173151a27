"""results.ktap: our own parser reads from it what the run was, whatever texts a guest brings."""

import re
from dataclasses import replace

import pytest
import report_samples as samples
from hypothesis import given
from hypothesis import strategies as st

from kzram_ci import ktap
from kzram_ci.model.evidence import CellResult
from kzram_ci.model.outcome import Outcome, Verdict
from kzram_ci.model.points import BAD, Point, PointStatus
from kzram_ci.results.reports import ktap as written
from kzram_ci.results.reports.summary_model import CellView, RunView

POINTS = tuple(Point(name=f"a {status}", status=status, reason=f"why {status}") for status in PointStatus)


def view_of(*results: CellResult) -> RunView:
    return RunView(name="r", plan="p", cells=tuple(CellView(result=each) for each in results))


def read(view: RunView) -> dict[str, str]:
    report = ktap.parse(written.render(view).encode())
    return {point.name: str(point.status) for point in report.points()}


def test_each_cell_is_a_test_of_its_kernel() -> None:
    view = view_of(*samples.results())
    found = read(view)
    assert len(found) == len(view.cells)
    for cell in view.cells:
        verdict = cell.result.judgement.verdict
        wanted = {Verdict.OK: "pass", Verdict.FINDING: "fail", Verdict.SKIPPED: "skip"}.get(verdict, "error")
        assert found[f"{cell.result.kernel} / {cell.column}"] == wanted


@pytest.mark.parametrize("verdict", Verdict)
def test_every_verdict_has_a_line(verdict: Verdict) -> None:
    result = samples.result(samples.PLAN.cells[0], Outcome.INFRA, verdict)
    line = written.render(view_of(result)).splitlines()[-2]
    assert line.startswith("  ok 1 ") == (verdict in (Verdict.OK, Verdict.SKIPPED))


def test_tests_that_a_cell_told_of_are_below_it() -> None:
    first = samples.results()[0]
    found = read(view_of(replace(first, evidence=replace(first.evidence, points=POINTS))))
    place = f"{first.kernel} / {CellView(result=first).column}"
    for point in POINTS:
        assert (found[f"{place} / {point.name}"] in ("fail", "error", "timeout")) == (point.status in BAD)


def test_a_crash_that_was_expected_is_told() -> None:
    text = written.render(view_of(*samples.results()))
    assert f"# expected crash: {samples.OOPS.title} ({samples.OOPS.signature})" in text


def shape(text: str) -> list[str]:
    """The lines without what was told, so that only their number, order and kind are left."""
    first = replace(samples.results()[0], kernel=text, test=f"{text}\nok 9 {text}")
    point = Point(name=f"{text}\nBail out!", status=PointStatus.FAIL, reason=f"\n  not ok 1 {text}")
    bad = replace(first, evidence=replace(first.evidence, points=(point,)))
    return [re.sub(r"^( *(#|(not )?ok \d|)).*", r"\1", line) for line in written.render(view_of(bad)).splitlines()]


@given(st.text(max_size=30))
def test_texts_of_others_do_not_write_lines(text: str) -> None:
    assert shape(text) == shape("x")
