"""What changed since the last good run: which run that is, what is told of it, and that the page shows it."""

from dataclasses import replace
from pathlib import Path

import pytest
import report_samples as samples

from kzram_ci.model.again import again
from kzram_ci.model.evidence import CellResult
from kzram_ci.model.outcome import Outcome, Verdict
from kzram_ci.results import rundir
from kzram_ci.results.draw import Reports
from kzram_ci.results.history import History, history_at
from kzram_ci.results.last_good import MOST_LINES, last_good
from kzram_ci.results.reports import summary, table
from kzram_ci.results.trails import trails

GOOD = tuple(samples.result(cell, counters=samples.CLEAN) for cell in samples.PLAN.cells)
BAD = replace(GOOD[0], judgement=replace(GOOD[0].judgement, outcome=Outcome.HANG, verdict=Verdict.FINDING))


@pytest.fixture
def history(tmp_path: Path) -> History:
    return history_at(tmp_path / "history.sqlite")


def record(history: History, run: str, results: tuple[CellResult, ...]) -> None:
    history.add_run(run, samples.PLAN, Path("/runs") / run)
    for result in results:
        history.add_result(run, result)


def test_the_newest_good_run_before_this_one_that_ran_most_of_it(history: History) -> None:
    record(history, "20260101T000000Z-overrun-aaaaaa", GOOD)
    record(history, "20260102T000000Z-overrun-bbbbbb", GOOD)
    record(history, "20260103T000000Z-overrun-cccccc", (BAD, *GOOD[1:]))
    record(history, "20260104T000000Z-overrun-dddddd", GOOD[:2])
    record(history, "20260106T000000Z-overrun-eeeeee", GOOD)
    found = last_good(history, "overrun", "20260105T000000Z-overrun-ffffff", len(GOOD))
    assert found is not None
    assert found.record.run == "20260102T000000Z-overrun-bbbbbb"
    assert len(found.results) == len(GOOD)
    assert last_good(history, "other", "20260105T000000Z-overrun-ffffff", len(GOOD)) is None
    assert last_good(history, "overrun", "20260101T000000Z-overrun-aaaaaa", len(GOOD)) is None


def test_a_cell_that_was_mended_within_a_run_does_not_spoil_it(history: History) -> None:
    record(history, "20260101T000000Z-overrun-aaaaaa", (BAD, *GOOD))
    assert last_good(history, "overrun", "20260102T000000Z-overrun-bbbbbb", len(GOOD)) is not None


def test_a_history_that_is_not_there_or_not_one_is_none(history: History) -> None:
    assert last_good(history, "overrun", "x", 1) is None
    Path(str(history.database)).write_text("not a database")
    assert last_good(history, "overrun", "x", 1) is None


def test_what_changed_is_told_and_what_is_only_new_in_a_line(history: History) -> None:
    record(history, "20260101T000000Z-overrun-aaaaaa", GOOD[:6])
    found = last_good(history, "overrun", "20260102T000000Z-overrun-bbbbbb", 6)
    assert found is not None
    moved = replace(GOOD[1], kernel_key="beef" * 16)
    since = found.since((BAD, moved, *GOOD[2:]))
    assert since.cells == {BAD.id}
    assert since.lines[0].startswith(f"regressed  {BAD.id}: passed, ")
    assert f"1 cell on another kernel: {moved.id}" in since.lines
    assert f"1 cell not in it: {GOOD[6].id}" in since.lines
    assert found.since(GOOD[:6]).lines == ("no change in 6 cells",)


def test_many_changes_are_cut(history: History) -> None:
    cells = [samples.cell("stock", f"t{n}") for n in range(MOST_LINES + 5)]
    record(history, "20260101T000000Z-overrun-aaaaaa", tuple(samples.result(cell) for cell in cells))
    found = last_good(history, "overrun", "20260102T000000Z-overrun-bbbbbb", len(cells))
    assert found is not None
    now = [samples.result(cell, Outcome.HANG, Verdict.FINDING) for cell in cells]
    assert found.since(now).lines[-1] == "and 5 more: kzram-ci compare"


def test_the_page_of_a_run_shows_it(history: History, tmp_path: Path) -> None:
    record(history, "20000101T000000Z-overrun-aaaaaa", GOOD)
    run = rundir.create(tmp_path / "runs", samples.PLAN)
    run.finish(BAD)
    Reports(run=run, history=history).draw()
    page = (run.path / "report.html").read_text()
    assert "Since the last good run, 20000101T000000Z-overrun-aaaaaa" in page
    assert f"<li>regressed {BAD.id}: passed, " in page
    Reports(run=run).draw()
    assert "Since the last good run" not in (run.path / "report.html").read_text()


def test_the_summary_and_the_end_of_a_run_say_only_what_changed(history: History, tmp_path: Path) -> None:
    record(history, "20000101T000000Z-overrun-aaaaaa", GOOD)
    run = rundir.create(tmp_path / "runs", samples.PLAN)
    for result in GOOD:
        run.finish(result)
    view = Reports(run=run, history=history).seen_with_past()
    (line,) = table.since_lines(view, ["report.html"])
    assert line.startswith(f"no change in {len(GOOD)} cells since 20000101T000000Z-overrun-aaaaaa (")
    assert f"no change in {len(GOOD)} cells since" in summary.render(view)
    run.finish(BAD)
    view = Reports(run=run, history=history).seen_with_past()
    head, first, *_, last = table.since_lines(view, ["report.html"])
    assert head.startswith("since 20000101T000000Z-overrun-aaaaaa (")
    assert first.startswith(f"  regressed  {BAD.id}: passed, ")
    assert first.endswith("; a new finding")
    assert last == "report.html"
    assert "### Since 20000101T000000Z" in summary.render(view)
    assert table.since_lines(Reports(run=run).view(), []) == []


def test_a_finding_that_comes_and_goes_is_no_news(history: History, tmp_path: Path) -> None:
    bad = replace(BAD, kernel_key="k", setup_key="s")
    good = tuple(replace(one, kernel_key="k", setup_key="s") for one in GOOD)
    record(history, "20000101T000000Z-overrun-aaaaaa", (bad, *good[1:]))
    record(history, "20000102T000000Z-overrun-bbbbbb", good)
    run = rundir.create(tmp_path / "runs", samples.PLAN)
    for result in (bad, *good[1:]):
        run.finish(result)
    lines = table.since_lines(Reports(run=run, history=history).seen_with_past(), [])
    assert [line.split()[0] for line in lines[1:]] == ["flaky"]
    assert "new finding" not in "".join(lines)


def test_repeats_are_held_against_the_cell_of_the_good_run(history: History, tmp_path: Path) -> None:
    record(history, "20000101T000000Z-overrun-aaaaaa", GOOD)
    run = rundir.create(tmp_path / "runs", samples.PLAN)
    more = again(samples.PLAN.cells[0], 2, "salt")
    run.grow(more)
    for result in (*GOOD, replace(BAD, id=more.id, axes=more.axes)):
        run.finish(result)
    lines = table.since_lines(Reports(run=run, history=history).seen_with_past(), [])
    assert len(lines) == 2
    assert lines[1].startswith(f"  regressed  {BAD.id}: passed, ")
    for result in run.results():
        history.add_result("20000101T000000Z-overrun-aaaaaa", result)
    (trail,) = [one for one in trails(history.records(cell=BAD.id)) if one.cell == BAD.id]
    assert (trail.runs, trail.trail) == (1, "F")


def test_console_counters_and_command_of_a_cell_are_read_from_its_directory(tmp_path: Path) -> None:
    run = rundir.create(tmp_path / "runs", samples.PLAN)
    place = run.layout.at(GOOD[0].directory).path
    (place / "console.log").write_bytes(b"first\n" + b"x" * 300_000 + b"\nlast \x1b[1m\xff\n")
    (place / "control.log").write_bytes(
        b'{"ev":"sample","t":1000,"counters":{"recompressions":1}}\nrubbish\n'
        b'{"ev":"sample","t":2000,"counters":{"recompressions":7}}\n'
    )
    run.finish(GOOD[0])
    shown = Reports(run=run).view().cells[0].shown
    assert shown.console.startswith("first\n")
    assert "bytes are only in console.log …]" in shown.console
    assert shown.console.endswith("last \\x1b[1m\\xff\n")
    assert [one.points for one in shown.timeline.series] == [((1.0, 1.0), (2.0, 7.0))]
