"""A history of any age is read and continued: every older version is renewed, by one process and by many."""

import multiprocessing
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import report_samples as samples

from kzram_ci.results import history_schema
from kzram_ci.results.history import History, history_at
from kzram_ci.results.history_schema import SCHEMA_VERSION, STEPS

DATA = Path(__file__).parents[2] / "data"
RUN = "20261128T160445Z-overrun-292817"


def old(path: Path, version: int) -> History:
    """A file as that version left it: 0.1's own, with what came until then."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.executescript((DATA / "history_of_0.1.sql").read_text())
        db.execute("PRAGMA journal_mode = WAL")
        for number in range(1, version):
            db.executescript(STEPS[number])
            db.execute(f"PRAGMA user_version = {number + 1}")
    return history_at(path)


def shape(path: Path) -> list[tuple[str, str]]:
    """All there is but the data, as SQLite tells it."""
    with closing(sqlite3.connect(path)) as db:
        names = [
            row[0] for row in db.execute("SELECT name FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY 1")
        ]
        columns = [
            (f"{name}.{row[1]}", f"{row[2]} {row[3]} {row[4]} {row[5]}")
            for name in names
            for row in db.execute(f"PRAGMA table_info({name})")
        ]
    return [*((name, "") for name in names), *columns]


@pytest.mark.parametrize("version", range(1, SCHEMA_VERSION + 1))
def test_every_older_version_is_renewed_without_a_loss_and_ends_as_a_new_one(tmp_path: Path, version: int) -> None:
    history = old(tmp_path / "old.sqlite", version)
    assert len(history.records()) == 5
    assert [run.origin for run in history.runs()] == [""]
    history.add_result(RUN, samples.results()[5])
    assert len(history.records(run=RUN)) == 6
    new = history_at(tmp_path / "new.sqlite")
    new.add_run("x", samples.PLAN, tmp_path)
    assert shape(Path(str(history.database))) == shape(Path(str(new.database)))
    with closing(sqlite3.connect(Path(str(history.database)))) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            db.execute("UPDATE runs SET origin = 'x'")


def test_a_step_that_fails_leaves_the_version_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    history = old(tmp_path / "old.sqlite", 1)
    before = shape(Path(str(history.database)))
    monkeypatch.setattr(history_schema, "STEPS", (STEPS[0], "CREATE TABLE half (a);\nCREATE TABLE runs (b);\n"))
    with pytest.raises(Exception, match="already exists"):
        history.records()
    assert shape(Path(str(history.database))) == before


def read(path: Path) -> int:
    return len(history_at(path).records())


def test_many_processes_renew_it_once(tmp_path: Path) -> None:
    history = old(tmp_path / "old.sqlite", 1)
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        assert pool.map(read, [Path(str(history.database))] * 8) == [5] * 8
