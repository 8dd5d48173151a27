"""Workflow commands of GitHub: a crash once, at its line, and no guest gives commands of its own."""

from dataclasses import replace

import report_samples as samples
from hypothesis import given
from hypothesis import strategies as st

from kzram_ci.model.outcome import Outcome, Verdict
from kzram_ci.results.reports import remarks
from kzram_ci.results.reports.remarks import MOST, command
from kzram_ci.results.reports.sanitize import one_line
from kzram_ci.results.reports.summary_model import RunView, make_view


def view(*results: object) -> RunView:
    return make_view(samples.PLAN, results, name="r")  # type: ignore[arg-type]


def test_a_crash_is_one_remark_at_the_line_it_is_named_for() -> None:
    cells = [
        samples.result(cell, Outcome.OOPS, Verdict.FINDING, oopses=(samples.OOPS,)) for cell in samples.PLAN.cells[:2]
    ]
    [line] = remarks.lines(view(*(replace(cell, control=False) for cell in cells)))
    assert line.startswith("::error title=BUG%3A kernel NULL pointer dereference%2C address%3A")
    assert ",file=mm/zsmalloc.c,line=1234::BUG: kernel NULL" in line
    assert line.endswith(" in stock/anonmutate, stock/pressure")


def test_an_expected_crash_is_none_and_what_has_no_verdict_warns_once_a_cause() -> None:
    lines = remarks.lines(view(*samples.results()))
    assert [line.split(" ")[0] for line in lines] == ["::error", "::error", "::warning"]
    assert "saved-clen/anonmutate" in lines[0]
    assert "unstable/anonmutate" not in "".join(lines)
    assert lines[1].endswith("::unstable/directmutate/algorithm=lz4: the expected oops was not reproduced")
    broken = [
        samples.result(cell, Outcome.BUILD_FAILED, Verdict.ERROR, reason=f"{cell.kernel.name}: no gcc")
        for cell in samples.PLAN.cells[3:6]
    ]
    alike = [replace(one, judgement=replace(one.judgement, cause="no gcc")) for one in broken]
    [warning] = remarks.lines(view(*alike))
    assert warning.count("no gcc") == 1


def test_failed_controls_come_first() -> None:
    lost = samples.result(samples.PLAN.cells[2], Outcome.PASS, Verdict.FINDING, reason="not reproduced")
    first, *_ = remarks.lines(view(samples.results()[4], lost))
    assert first.startswith("::error title=controls failed::CONTROLS FAILED")


def test_more_than_github_shows_is_counted() -> None:
    cells = [samples.cell("k", f"t{n}") for n in range(30)]
    results = [samples.result(cell, Outcome.HANG, Verdict.FINDING, reason=f"hung {cell.test}") for cell in cells]
    made = remarks.lines(make_view(replace(samples.PLAN, cells=tuple(cells)), results, name="r"))
    assert len(made) == MOST
    assert made[-1] == "::error title=21 more::and 21 more: see report.html"


@given(st.text(), st.text())
def test_no_text_ends_its_line_or_its_property(title: str, message: str) -> None:
    made = command("error", message, title=title, file="a.c")
    assert "\n" not in made
    assert "\r" not in made
    head = made.removeprefix("::error ").split("::", 1)[0]
    assert [part.partition("=")[0] for part in head.split(",")] == (["title", "file"] if one_line(title) else ["file"])
