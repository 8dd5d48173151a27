"""What version 0.1 left on disk is read as what it was; the files under tests/data were written by it."""

import json
import shutil
import sqlite3
from pathlib import Path

import pytest
import report_samples as samples

from kzram_ci.model import codec
from kzram_ci.model.evidence import CellResult
from kzram_ci.results import rundir
from kzram_ci.results.history import history_at

DATA = Path(__file__).parents[2] / "data"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    path = tmp_path / "20261128T160445Z-overrun-292817"
    shutil.copytree(DATA / "run_of_0.1", path)
    return path


def test_a_run_directory_is_read(run: Path) -> None:
    assert rundir.load(run) == (samples.PLAN, samples.results()[:5])


def test_a_run_directory_is_gone_on_with(run: Path) -> None:
    again = rundir.resume(run)
    assert again.finished() == {result.id for result in samples.results()[:5]}
    again.finish(samples.results()[5])
    assert rundir.load(run)[1] == samples.results()[:6]


def test_a_history_is_read_and_continued(tmp_path: Path) -> None:
    history = history_at(tmp_path / "history.sqlite")
    db = sqlite3.connect(Path(str(history.database)))
    db.executescript((DATA / "history_of_0.1.sql").read_text())
    db.close()
    before = history.records()
    assert [record.result.id for record in before] == [result.id for result in samples.results()[:5]]
    assert before[0].result == samples.results()[0]
    assert {(record.run, record.plan) for record in before} == {("20261128T160445Z-overrun-292817", "overrun")}
    history.add_run("new", samples.PLAN, tmp_path)
    history.add_result("new", samples.results()[5])
    assert history.records()[:5] == before
    assert history.records(run="new")[0].result == samples.results()[5]


def test_what_does_not_fit_is_an_error_when_it_is_written(tmp_path: Path) -> None:
    wrong: object = "seven"
    result = samples.result(samples.PLAN.cells[0], seed=wrong)
    with pytest.raises(ValueError, match="seven"):
        codec.to_json(result)
    with pytest.raises(ValueError, match="seed"):
        codec.from_json(
            CellResult,
            json.loads((DATA / "run_of_0.1" / "results.jsonl").read_text().splitlines()[0]) | {"seed": wrong},
        )
