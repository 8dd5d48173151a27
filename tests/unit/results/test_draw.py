"""Reports beside the record: drawn at the beginning, now and then, and at the end; at the cost of the cells."""

import json
import threading
from dataclasses import replace
from pathlib import Path
from unittest import mock

import junitparser
import pytest
import report_samples as samples

from kzram_ci.base import clock
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import InfraError, Interrupted
from kzram_ci.model.cell import Plan
from kzram_ci.results import draw, rundir
from kzram_ci.results.draw import Reports
from kzram_ci.results.reports import html, junit, kcidb, summary, table
from kzram_ci.results.reports.summary_model import CellView, make_view
from kzram_ci.results.rundir import RunDir


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    return rundir.create(tmp_path, samples.PLAN)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draw, "DRAW_SECONDS", 0.01)
    monkeypatch.setattr(draw, "SHARE", 0)


def counts(run: RunDir) -> tuple[int, int, int]:
    found = junitparser.JUnitXml.fromfile(str(run.path / "junit.xml"))
    return found.tests, found.failures, found.errors


def test_all_reports_are_there_before_anything_boots_and_show_everything_at_the_end(run: RunDir) -> None:
    with Reports(run=run).kept_up():
        assert counts(run) == (7, 0, 7)
        assert {path.name for path in run.path.glob("*.*")} >= {"junit.xml", "report.html", "summary.md", "kcidb.json"}
        for result in samples.results():
            (run.path / result.directory / "console.log").write_bytes(b"Linux version 6.12\n\x1b[1m\xff\n" * 1000)
            run.finish(result)
        run.note_environment({"accel": "tcg: KVM did not print"})
    assert counts(run) == (7, 2, 1)
    text = (run.path / "junit.xml").read_text()
    assert "\\x1b[1m\\xff" in text
    assert "KVM did not print" in text
    assert "cells/stock.anonmutate/console.log" in (run.path / "report.html").read_text()
    assert [path.name for path in run.path.rglob(".*")] == [".gitignore"]


def test_every_state_of_a_run_is_a_valid_report(run: RunDir) -> None:
    errors = []
    for result in samples.results():
        run.finish(result)
        Reports(run=run).draw()
        errors.append(counts(run)[2])
        assert json.loads((run.path / "kcidb.json").read_text())["version"]["major"] == 5
    assert errors == [6, 5, 4, 3, 2, 2, 1]


def test_results_are_drawn_while_the_run_goes_on(run: RunDir, quick: None) -> None:
    with Reports(run=run).kept_up():
        run.finish(samples.results()[0])
        deadline = Deadline.after(20)
        while counts(run) != (7, 0, 6) and not deadline.expired():
            clock.sleep(0.01)
        assert counts(run) == (7, 0, 6)


def test_many_results_at_once_are_drawn_once(run: RunDir) -> None:
    reports = Reports(run=run)
    with mock.patch.object(Reports, "draw", autospec=True, side_effect=Reports.draw) as drawn, reports.kept_up():
        for result in samples.results():
            run.finish(result)
    assert drawn.call_count == 2


def test_an_interrupt_is_followed_by_a_last_drawing(run: RunDir) -> None:
    with pytest.raises(Interrupted), Reports(run=run).kept_up():
        run.finish(samples.results()[0])
        raise Interrupted("stop")
    assert counts(run) == (7, 0, 6)
    assert not [thread for thread in threading.enumerate() if thread.name == "draw"]


def test_a_disk_that_is_full_for_a_while_spoils_nothing(run: RunDir, quick: None) -> None:
    full = threading.Event()
    first = Reports.draw

    def sometimes(self: Reports) -> None:
        if full.is_set():
            full.clear()
            raise InfraError("cannot write junit.xml: no space")
        first(self)

    with mock.patch.object(Reports, "draw", sometimes), Reports(run=run).kept_up():
        full.set()
        run.finish(samples.results()[0])
        deadline = Deadline.after(20)
        while counts(run) != (7, 0, 6) and not deadline.expired():
            clock.sleep(0.01)
    assert counts(run) == (7, 0, 6)


def test_a_last_drawing_that_fails_is_told(run: RunDir) -> None:
    with pytest.raises(InfraError, match=r"cannot write .*junit\.xml"), Reports(run=run).kept_up():
        run.finish(samples.results()[0])
        (run.path / "junit.xml").unlink()
        (run.path / "junit.xml").mkdir()


def test_what_lies_on_disk_of_a_finished_cell_is_read_once(run: RunDir) -> None:
    reports = Reports(run=run)
    result = samples.results()[0]
    console = run.path / result.directory / "console.log"
    console.write_text("early")
    assert reports.view().cells[0].console_tail == ""  # it still runs: not evidence yet
    run.finish(result)
    assert reports.view().cells[0].console_tail == "early"
    console.write_text("later")
    assert reports.view().cells[0].console_tail == "early"


def test_the_cost_of_a_drawing_grows_with_its_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts how often anything looks at a cell: no report may walk all cells for each cell."""
    looks = 0
    before = CellView.__getattribute__

    def counting(self: CellView, name: str) -> object:
        nonlocal looks
        looks += 1
        return before(self, name)

    def cost(cells: int) -> int:
        nonlocal looks
        results = [
            samples.result(replace(samples.cell(f"k{i % 10}", f"t{i // 10}", oops=True)), oopses=(samples.OOPS,))
            if i % 2
            else samples.result(samples.cell(f"k{i % 10}", f"t{i // 10}"), counters=samples.CLEAN)
            for i in range(cells)
        ]
        plan = Plan(name="p", cells=tuple(samples.cell(r.kernel, r.test) for r in results))
        looks = 0
        view = make_view(plan, results, name="r")
        for render in (junit.render, summary.render, kcidb.render, html.render, table.plain):
            render(view)
        return looks

    monkeypatch.setattr(CellView, "__getattribute__", counting)
    small, large = cost(100), cost(400)
    assert large < 5 * small
