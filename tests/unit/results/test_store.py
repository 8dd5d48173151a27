import sqlite3
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import report_samples as samples

from kzram_ci.base import proc
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import InfraError, UserError
from kzram_ci.model.outcome import Outcome, Verdict
from kzram_ci.results.history import History, history_at
from kzram_ci.results.history_schema import SCHEMA_VERSION

WRITER = """
import sys
from pathlib import Path
import report_samples as samples
from kzram_ci.results.history import History, history_at
history = history_at(Path(sys.argv[1]))
history.add_run(sys.argv[2], samples.PLAN, Path("runs") / sys.argv[2])
for _ in range(10):
    for result in samples.results():
        history.add_result(sys.argv[2], result)
"""


def filled(path: Path) -> History:
    history = history_at(path / "deep" / "history.sqlite")
    history.add_run("run-1", samples.PLAN, path / "run-1", {"accel": "tcg"})
    for result in samples.results():
        history.add_result("run-1", result)
    return history


def test_what_went_in_comes_out_without_the_oops_texts(tmp_path: Path) -> None:
    records = filled(tmp_path).records()
    assert [record.result.id for record in records] == [result.id for result in samples.results()]
    crash = records[2].result
    assert crash.evidence.oopses[1] == replace(samples.OOPS, text="")
    assert replace(crash, evidence=samples.results()[2].evidence) == samples.results()[2]
    assert {(record.run, record.plan) for record in records} == {("run-1", "overrun")}


def test_filters(tmp_path: Path) -> None:
    history = filled(tmp_path)
    assert len(history.records(cell="unstable/*")) == 2
    assert len(history.records(cell="unstable/anonmutate")) == 1
    assert history.records(plan="other") == history.records(run="other") == ()
    assert [record.result.id for record in history.records(limit=1)] == ["emergency-class/anonmutate"]


def test_a_path_may_be_any_bytes(tmp_path: Path) -> None:
    history = history_at(tmp_path / "of\udcff" / "history.sqlite")
    history.add_run("run\udcff", samples.PLAN, tmp_path / "runs\udcff")
    history.add_result("run\udcff", samples.results()[0])
    assert [record.directory for record in history.records(run="run\udcff")] == [f"{tmp_path}/runs\\udcff"]
    assert history.records(cell="\udcff*") == ()


def test_nothing_recorded_is_no_file(tmp_path: Path) -> None:
    history = history_at(tmp_path / "none.sqlite")
    assert history.records() == ()
    assert not Path(str(history.database)).exists()


def test_noting_a_run_again_keeps_it(tmp_path: Path) -> None:
    history = filled(tmp_path)
    history.add_run("run-1", replace(samples.PLAN, name="changed"), tmp_path)
    assert {record.plan for record in history.records()} == {"overrun"}


@pytest.mark.parametrize("statement", ["DELETE FROM results", "UPDATE results SET verdict = 'ok'", "DELETE FROM runs"])
def test_history_is_append_only(tmp_path: Path, statement: str) -> None:
    db = sqlite3.connect(str(filled(tmp_path).database))
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        db.execute(statement)
    db.close()


def test_schema_version_and_journal(tmp_path: Path) -> None:
    history = filled(tmp_path)
    db = sqlite3.connect(Path(str(history.database)))
    assert db.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
    assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(UserError, match="has schema 99"):
        history.records()


def test_errors_are_one_line_and_roll_back(tmp_path: Path) -> None:
    history = filled(tmp_path)
    with pytest.raises(InfraError, match="FOREIGN KEY"):
        history.add_result("unknown run", samples.results()[0])
    assert len(history.records()) == 7
    Path(str(history.database)).write_bytes(b"no database at all, but long enough to be looked at" * 100)
    with pytest.raises(InfraError, match="not a database"):
        history.records()


def test_parallel_threads_lose_nothing(tmp_path: Path) -> None:
    history = history_at(tmp_path / "history.sqlite")
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            history.add_run(f"run-{number}", samples.PLAN, tmp_path)
            for result in samples.results():
                history.add_result(f"run-{number}", result)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert len(history.records()) == 6 * 7
    assert len(history.records(run="run-3")) == 7


def test_parallel_processes_lose_nothing(tmp_path: Path) -> None:
    path = str(tmp_path / "history.sqlite")
    source = Path(__file__).parents[2] / "support"
    env = {"PYTHONPATH": f"{source}:{source.parents[1]}"}
    children = [proc.spawn((sys.executable, "-c", WRITER, path, f"run-{n}"), env=env) for n in range(3)]
    codes = [proc.wait(child, ("writer",), Deadline.after(120)) for child in children]
    assert codes == [0, 0, 0]
    assert len(history_at(Path(path)).records()) == 3 * 70


def test_how_long_cells_took_is_the_mean_of_those_with_a_verdict(tmp_path: Path) -> None:
    history = history_at(tmp_path / "h.sqlite")
    assert history.seconds("overrun") == {}
    history.add_run("r", samples.PLAN, tmp_path)
    good = samples.result(samples.PLAN.cells[0])
    broken = samples.result(samples.PLAN.cells[1], Outcome.INFRA, Verdict.ERROR)
    for result in (replace(good, seconds=10.0), replace(good, seconds=20.0), replace(broken, seconds=9.0)):
        history.add_result("r", result)
    assert history.seconds(samples.PLAN.name) == {good.id: 15.0}
    assert history.seconds("other") == {}
