"""All results of all runs in one SQLite file: append-only history, safe for parallel runs."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kzram_ci.base import clock, files
from kzram_ci.base.cache import cache_root
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import InfraError, UserError
from kzram_ci.model import codec
from kzram_ci.model.cell import Plan
from kzram_ci.model.evidence import CellResult, OopsSummary
from kzram_ci.verdict.judge import principal_oops

SCHEMA_VERSION = 1
BUSY_SECONDS = 30.0
STACKS = 20  # of one signature, to see how they differ
FILE = "history.sqlite"
_SCHEMA = """
CREATE TABLE runs (
    id TEXT PRIMARY KEY, plan TEXT NOT NULL, directory TEXT NOT NULL, recorded TEXT NOT NULL, environment TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE results (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    run TEXT NOT NULL REFERENCES runs (id), cell TEXT NOT NULL, kernel TEXT NOT NULL, test TEXT NOT NULL,
    outcome TEXT NOT NULL, verdict TEXT NOT NULL, signature TEXT NOT NULL, kernel_key TEXT NOT NULL,
    recorded TEXT NOT NULL, result TEXT NOT NULL
);
CREATE INDEX results_by_cell ON results (cell, seq);
CREATE INDEX results_by_run ON results (run, seq);
CREATE TRIGGER runs_stay BEFORE UPDATE ON runs BEGIN SELECT RAISE(ABORT, 'history is append-only'); END;
CREATE TRIGGER runs_remain BEFORE DELETE ON runs BEGIN SELECT RAISE(ABORT, 'history is append-only'); END;
CREATE TRIGGER results_stay BEFORE UPDATE ON results BEGIN SELECT RAISE(ABORT, 'history is append-only'); END;
CREATE TRIGGER results_remain BEFORE DELETE ON results BEGIN SELECT RAISE(ABORT, 'history is append-only'); END;
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One stored result and the run it belongs to. Oops texts are not kept here; the run directory has them."""

    run: str
    plan: str
    directory: str
    recorded: str
    result: CellResult


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """A run, and how many of its results have which verdict (the last of each cell)."""

    run: str
    plan: str
    directory: str
    recorded: str
    verdicts: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Crashed:
    """A signature: how often, in how many runs and in which cells it was the crash, and its newest stacks."""

    signature: str
    count: int
    runs: int
    first: str
    last: str
    cells: tuple[str, ...]
    newest: tuple[OopsSummary, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """The history file. Every call opens it again, so one value may be shared by threads and processes."""

    path: Path

    def add_run(self, run: str, plan: Plan, directory: Path, environment: Mapping[str, Any] | None = None) -> None:
        """Note a run before its first result; noting it again (resume) changes nothing. Raises InfraError."""
        with self._transaction() as db:
            db.execute(
                "INSERT INTO runs VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (run, plan.name, str(directory), _now(), json.dumps(dict(environment or {}), sort_keys=True)),
            )

    def add_result(self, run: str, result: CellResult) -> None:
        """Append a finished cell. Raises InfraError (disk, a lock held too long, an unknown run)."""
        oops = principal_oops(result.evidence.oopses)
        bare = replace(
            result,
            evidence=replace(result.evidence, oopses=tuple(replace(item, text="") for item in result.evidence.oopses)),
        )
        row = (
            run,
            result.id,
            result.kernel,
            result.test,
            str(result.judgement.outcome),
            str(result.judgement.verdict),
            oops.signature if oops is not None else "",
            result.kernel_key,
            _now(),
            json.dumps(codec.to_json(bare), sort_keys=True),
        )
        with self._transaction() as db:
            db.execute(
                "INSERT INTO results"
                " (run, cell, kernel, test, outcome, verdict, signature, kernel_key, recorded, result)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                row,
            )

    def records(self, *, plan: str = "", cell: str = "", run: str = "", limit: int = 10_000) -> tuple[Record, ...]:
        """Stored results, oldest first, the newest `limit` of those asked for; `cell` may be a shell pattern."""
        wanted = (("runs.plan = ?", plan), ("results.cell GLOB ?", cell), ("results.run = ?", run))
        used = [(text, value) for text, value in wanted if value]
        where = " AND ".join(text for text, _ in used) or "1"
        query = (
            "SELECT results.run, runs.plan, runs.directory, results.recorded, results.result FROM results"
            f" JOIN runs ON runs.id = results.run WHERE {where} ORDER BY seq DESC LIMIT ?"
        )
        if not self.path.is_file():
            return ()
        with self._transaction("BEGIN") as db:
            rows = db.execute(query, (*(value for _, value in used), limit)).fetchall()
        return tuple(
            Record(
                run=run, plan=name, directory=place, recorded=when, result=codec.from_json(CellResult, json.loads(data))
            )
            for run, name, place, when, data in reversed(rows)
        )

    def runs(self, *, plan: str = "", limit: int = 1_000) -> tuple[RunRecord, ...]:
        """Recorded runs, oldest first, the newest `limit` of them; also those that have no result."""
        query = (
            "SELECT runs.id, runs.plan, runs.directory, runs.recorded, last.verdict, COUNT(last.verdict) FROM runs"
            " LEFT JOIN (SELECT run, verdict, MAX(seq) FROM results GROUP BY run, cell) AS last ON last.run = runs.id"
            " WHERE ? IN ('', runs.plan) GROUP BY runs.id, last.verdict ORDER BY runs.recorded, runs.id"
        )
        if not self.path.is_file():
            return ()
        with self._transaction("BEGIN") as db:
            rows = db.execute(query, (plan,)).fetchall()
        found: dict[str, RunRecord] = {}
        for run, name, place, when, verdict, count in rows:
            known = found.get(run) or RunRecord(run=run, plan=name, directory=place, recorded=when, verdicts={})
            found[run] = replace(known, verdicts={**known.verdicts, verdict: count} if verdict else known.verdicts)
        return tuple(found.values())[-limit:]

    def crashes(self, *, plan: str = "", cell: str = "") -> tuple[Crashed, ...]:
        """The signatures of all recorded crashes, the one that was first seen first."""
        wanted = (("runs.plan = ?", plan), ("results.cell GLOB ?", cell))
        used = [(text, value) for text, value in wanted if value]
        where = " AND ".join(("results.signature != ''", *(text for text, _ in used)))
        rows = f"results JOIN runs ON runs.id = results.run WHERE {where}"
        sums = (
            "SELECT signature, COUNT(*), COUNT(DISTINCT run), MIN(results.recorded), MAX(results.recorded)"
            f" FROM {rows} GROUP BY signature ORDER BY MIN(seq)"
        )
        cells = f"SELECT signature, cell FROM {rows} GROUP BY signature, cell ORDER BY signature, MIN(seq)"
        newest = (
            "SELECT result FROM results WHERE seq IN (SELECT seq FROM (SELECT seq, ROW_NUMBER() OVER"
            f" (PARTITION BY signature ORDER BY seq DESC) AS place FROM {rows}) WHERE place <= ?) ORDER BY seq DESC"
        )
        if not self.path.is_file():
            return ()
        values = tuple(value for _, value in used)
        with self._transaction("BEGIN") as db:
            counted = db.execute(sums, values).fetchall()
            where_seen = db.execute(cells, values).fetchall()
            shown = db.execute(newest, (*values, STACKS)).fetchall()
        places: dict[str, list[str]] = {}
        for signature, name in where_seen:
            places.setdefault(signature, []).append(name)
        stacks: dict[str, list[OopsSummary]] = {}
        for (text,) in shown:
            if (oops := principal_oops(_oopses(text))) is not None:
                stacks.setdefault(oops.signature, []).append(oops)
        return tuple(
            Crashed(
                signature=signature,
                count=count,
                runs=runs,
                first=first,
                last=last,
                cells=tuple(places[signature]),
                newest=tuple(stacks.get(signature, ())),
            )
            for signature, count, runs, first, last in counted
        )

    def cells(self) -> tuple[str, ...]:
        """Ids of all cells with a result."""
        if not self.path.is_file():
            return ()
        with self._transaction("BEGIN") as db:
            return tuple(row[0] for row in db.execute("SELECT DISTINCT cell FROM results ORDER BY cell"))

    @contextmanager
    def _transaction(self, begin: str = "BEGIN IMMEDIATE") -> Iterator[sqlite3.Connection]:
        with files.disk_errors(f"cannot create {self.path.parent}"):
            self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            db = sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None)
            try:
                _prepare(db, self.path)
                db.execute(begin)
                try:
                    yield db
                except BaseException:
                    db.execute("ROLLBACK")
                    raise
                db.execute("COMMIT")
            finally:
                db.close()
        except sqlite3.Error as error:
            raise InfraError(
                f"history {self.path}: {error}", hint=f"move {self.path} away, or free disk space"
            ) from error


def _oopses(result: str) -> tuple[OopsSummary, ...]:
    found = json.loads(result)["evidence"]["oopses"]
    return tuple(codec.from_json(OopsSummary, one) for one in found)


def default_history() -> History:
    """The user's history, beside the build cache."""
    return History(path=cache_root() / FILE)


def _now() -> str:
    return clock.now_utc().isoformat(timespec="seconds")


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def _prepare(db: sqlite3.Connection, path: Path) -> None:
    """Make the tables on first use. Raises UserError when another version wrote the file."""
    db.execute("PRAGMA foreign_keys = ON")
    if _version(db) == 0:
        # SQLite's own busy handler does not cover the change to WAL, so creating has a lock of its own.
        with files.lock(path.with_name(f"{path.name}.lock"), Deadline.after(BUSY_SECONDS)):
            if _version(db) == 0:
                _create(db)
    if (found := _version(db)) != SCHEMA_VERSION:
        raise UserError(
            f"{path} has schema {found}, this kzram-ci knows {SCHEMA_VERSION}", hint="use the kzram-ci that wrote it"
        )


def _create(db: sqlite3.Connection) -> None:
    db.execute("PRAGMA journal_mode = WAL")  # readers never wait for a writer
    db.execute("BEGIN IMMEDIATE")
    for statement in _statements():
        db.execute(statement)
    db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    db.execute("COMMIT")


def _statements() -> Iterator[str]:
    statement = ""
    for line in _SCHEMA.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement.strip()
            statement = ""
