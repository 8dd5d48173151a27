"""Run directories and JUnit files into the history: ours and any runner's, once, and nothing that is neither."""

from dataclasses import replace
from pathlib import Path

import pytest
import report_samples as samples

from kzram_ci.base.errors import KzramError, UserError
from kzram_ci.model.outcome import Outcome, Verdict
from kzram_ci.results import questions, rundir
from kzram_ci.results.draw import Reports
from kzram_ci.results.history import NEWEST_RESULTS, History, history_at
from kzram_ci.results.imports import import_path

PYTEST = """<?xml version="1.0" encoding="utf-8"?>
<testsuites name="pytest tests"><testsuite name="pytest" timestamp="2026-03-04T05:06:07.123456+00:00">
<testcase classname="tests.test_a" name="test_one" time="0.5"/>
<testcase classname="tests.test_a" name="test_two" time="1,234.5"><failure message="boom">trace</failure></testcase>
<testcase classname="tests.test_a" name="test_three"><error message="no disk"/></testcase>
<testcase name="test_four"><skipped type="pytest.skip" message="not here"/></testcase>
</testsuite></testsuites>
"""


@pytest.fixture
def history(tmp_path: Path) -> History:
    return history_at(tmp_path / "history.sqlite")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    made = rundir.create(tmp_path / "runs", samples.PLAN)
    for result in samples.results()[:6]:
        made.finish(result)
    Reports(run=made).draw()
    return made.path


def test_a_run_directory_comes_in_as_it_was_and_once(history: History, run: Path) -> None:
    first = import_path(run, history)
    assert (first.run, first.new, first.known) == (run.name, 6, 0)
    assert history.records()[0].result == samples.results()[0]
    [known] = history.runs()
    assert (known.plan, known.origin, known.recorded) == ("overrun", "run directory", "2026-01-02T03:04:05+00:00")
    rundir.open_run(run).finish(samples.results()[6])
    again = import_path(run, history)
    assert (again.new, again.known) == (1, 6)
    assert len(history.records()) == 7


def test_our_own_junit_brings_plan_run_ids_kernels_and_signatures(history: History, run: Path) -> None:
    done = import_path(run / "junit.xml", history)
    assert (done.run, done.new) == (run.name, 7)
    found = {record.result.id: record.result for record in history.records(plan="overrun")}
    assert set(found) == {cell.id for cell in samples.PLAN.cells}
    crash = found["saved-clen/anonmutate"]
    assert (crash.judgement.outcome, crash.judgement.verdict) == (Outcome.OOPS, Verdict.FINDING)
    assert crash.evidence.oopses[0].signature == samples.OOPS.signature
    assert crash.kernel_key == "f00dfeed" * 8
    assert found["unstable/anonmutate"].control
    inconclusive = found["saved-clen/directmutate/algorithm=lz4"]
    assert (inconclusive.judgement.outcome, inconclusive.judgement.verdict) == (
        Outcome.INCONCLUSIVE,
        Verdict.INCONCLUSIVE,
    )
    assert [crashed.signature for crashed in history.crashes()] == [samples.OOPS.signature]


def test_a_junit_of_another_runner(history: History, tmp_path: Path) -> None:
    file = tmp_path / "report.xml"
    file.write_text(PYTEST)
    done = import_path(file, history)
    assert done.new == 4
    assert import_path(file, history).known == 4
    [known] = history.runs()
    assert (known.plan, known.recorded, known.origin) == (
        "pytest tests",
        "2026-03-04T05:06:07+00:00",
        "junit report.xml",
    )
    found = {record.result.id: record.result for record in history.records()}
    assert {name: str(result.judgement.verdict) for name, result in found.items()} == {
        "tests.test_a/test_one": "ok",
        "tests.test_a/test_two": "finding",
        "tests.test_a/test_three": "error",
        "pytest/test_four": "skipped",
    }
    assert found["tests.test_a/test_two"].seconds == 1234.5
    assert found["tests.test_a/test_two"].judgement.reason == "boom"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is not XML"),
        ("<html/>", "is not a JUnit file: its root is <html>"),
        ("<testsuites/>", "has no testcase"),
        ("<testsuite><testcase name='a'>", "is not XML"),
        ("<!DOCTYPE x [<!ENTITY a 'b'>]><testsuite><testcase name='&a;'/></testsuite>", "entities"),
        ("<?xml version='1.0' encoding='no-such'?><testsuite/>", "is not XML"),
    ],
)
def test_what_is_no_junit_says_so(history: History, tmp_path: Path, text: str, why: str) -> None:
    file = tmp_path / "x.xml"
    file.write_text(text)
    with pytest.raises(UserError, match=why):
        import_path(file, history)
    assert history.runs() == ()


def test_suites_in_one_another_as_deep_as_they_are(history: History, tmp_path: Path) -> None:
    depth = 5_000
    file = tmp_path / "deep.xml"
    file.write_text("<testsuite>" * depth + "<testcase name='t'/>" + "</testsuite>" * depth)
    assert import_path(file, history).new == 1


def test_an_answer_from_the_newest_results_says_so(history: History, tmp_path: Path) -> None:
    cases = "".join(f"<testcase name='t{number}'/>" for number in range(NEWEST_RESULTS + 1))
    (tmp_path / "many.xml").write_text(f"<testsuite name='s'>{cases}</testsuite>")
    import_path(tmp_path / "many.xml", history)
    assert questions.cells(history).lines[-1] == "of the newest 10,000 results; a CELL or --plan shows older ones"
    assert "newest" not in questions.cells(history, cell="s/t7").lines[-1]


def test_neither_a_run_nor_a_file(history: History, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not a run directory"):
        import_path(tmp_path, history)
    with pytest.raises(UserError, match="no such run, history or JUnit file"):
        import_path(tmp_path / "none.xml", history)
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "plan.json").write_text("{}")
    with pytest.raises(KzramError, match="damaged"):
        import_path(tmp_path / "odd", history)


def test_an_import_is_all_or_nothing(history: History) -> None:
    broken = replace(samples.results()[1], seed="seven")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="seven"):
        history.add_past(
            "r", (samples.results()[0], broken), plan="p", directory="", recorded="2026-01-01", origin="test"
        )
    assert history.runs() == ()
