"""All results of all runs in one SQLite file: append-only history, safe for parallel runs."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kzram_ci.base import clock, files
from kzram_ci.base.cache import cache_root
from kzram_ci.base.errors import InfraError
from kzram_ci.model import codec
from kzram_ci.model.again import AXIS
from kzram_ci.model.cell import Plan
from kzram_ci.model.evidence import CellResult, OopsSummary
from kzram_ci.results.history_schema import BUSY_SECONDS, prepare
from kzram_ci.verdict.judge import principal_oops

STACKS = 20  # of one signature, to see how they differ
FILE = "history.sqlite"


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
    origin: str = ""  # "" for a run of this history's own; else what it was imported from


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
            _insert_run(db, run, plan.name, str(directory), _now(), environment or {}, "")

    def add_result(self, run: str, result: CellResult) -> None:
        """Append a finished cell. Raises InfraError (disk, a lock held too long, an unknown run)."""
        with self._transaction() as db:
            _insert_result(db, run, result, _now())

    def add_past(
        self,
        run: str,
        results: Sequence[CellResult],
        *,
        plan: str,
        directory: str,
        recorded: str,
        origin: str,
        environment: Mapping[str, Any] | None = None,
    ) -> int:
        """A run of elsewhere or of earlier, all or nothing; what is recorded of it already is left out.

        `origin` says what it was read from. Returns how many results are new. Raises InfraError.
        """
        with self._transaction() as db:
            _insert_run(db, run, plan, directory, recorded, environment or {}, origin)
            known = {row[0] for row in db.execute("SELECT DISTINCT cell FROM results WHERE run = ?", (run,))}
            new = [result for result in results if result.id not in known]
            for result in new:
                _insert_result(db, run, result, result.started or recorded)
        return len(new)

    def records(self, *, plan: str = "", cell: str = "", run: str = "", limit: int = 10_000) -> tuple[Record, ...]:
        """Stored results, oldest first, the newest `limit` of those asked for; `cell` may be a shell pattern."""
        where, values = _where(plan=plan, cell=cell, run=run)
        query = (
            "SELECT results.run, runs.plan, runs.directory, results.recorded, results.result FROM results"
            f" JOIN runs ON runs.id = results.run WHERE {where} ORDER BY seq DESC LIMIT ?"
        )
        if not self.path.is_file():
            return ()
        with self._transaction("BEGIN") as db:
            rows = db.execute(query, (*values, limit)).fetchall()
        return tuple(
            Record(
                run=run, plan=name, directory=place, recorded=when, result=codec.from_json(CellResult, json.loads(data))
            )
            for run, name, place, when, data in reversed(rows)
        )

    def runs(self, *, plan: str = "", limit: int = 1_000) -> tuple[RunRecord, ...]:
        """Recorded runs, oldest first, the newest `limit` of them; also those that have no result."""
        columns = "id, plan, directory, recorded, origin"
        newest = f"SELECT {columns} FROM runs WHERE ? IN ('', plan) ORDER BY recorded DESC, id DESC LIMIT ?"
        # of one run at a time, by the index: a join over all results would sort them all for the newest runs
        last = (
            "SELECT verdict, COUNT(*) FROM (SELECT verdict, MAX(seq) FROM results WHERE run = ? GROUP BY cell)"
            " GROUP BY verdict ORDER BY verdict"
        )
        if not self.path.is_file():
            return ()
        with self._transaction("BEGIN") as db:
            rows = db.execute(newest, (plan, limit)).fetchall()
            return tuple(
                RunRecord(
                    run=run,
                    plan=name,
                    directory=place,
                    recorded=when,
                    verdicts=dict(db.execute(last, (run,))),
                    origin=origin,
                )
                for run, name, place, when, origin in reversed(rows)
            )

    def crashes(self, *, plan: str = "", cell: str = "") -> tuple[Crashed, ...]:
        """The signatures of all recorded crashes, the one that was first seen first."""
        where, values = _where(plan=plan, cell=cell)
        rows = f"results JOIN runs ON runs.id = results.run WHERE results.signature != '' AND {where}"
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

    def seconds(self, plan: str, *, newest: int = 2_000) -> dict[str, float]:
        """How long each cell of a plan took in the mean, by what was recorded last; without reading whole results."""
        query = (
            "SELECT cell, AVG(took) FROM (SELECT results.cell AS cell, json_extract(result, '$.seconds') AS took"
            " FROM results JOIN runs ON runs.id = results.run WHERE runs.plan = ? AND verdict IN ('ok', 'finding')"
            " ORDER BY seq DESC LIMIT ?) WHERE took > 0 GROUP BY cell"
        )
        if not self.path.is_file():
            return {}
        with self._transaction("BEGIN") as db:
            return dict(db.execute(query, (plan, newest)))

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
                prepare(db, self.path)
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


def _where(*, plan: str = "", cell: str = "", run: str = "") -> tuple[str, tuple[str, ...]]:
    """The condition for what is asked for. A cell that a run repeated has results under ids of their own as well."""
    wanted = (
        ("runs.plan = ?", (plan,)),
        ("(results.cell GLOB ? OR results.cell GLOB ?)", (cell, f"{cell}/{AXIS}=*")),
        ("results.run = ?", (run,)),
    )
    used = [(text, values) for text, values in wanted if values[0]]
    return " AND ".join(text for text, _ in used) or "1", tuple(value for _, values in used for value in values)


def _oopses(result: str) -> tuple[OopsSummary, ...]:
    found = json.loads(result)["evidence"]["oopses"]
    return tuple(codec.from_json(OopsSummary, one) for one in found)


def default_history() -> History:
    """The user's history, beside the build cache."""
    return History(path=cache_root() / FILE)


def _now() -> str:
    return clock.now_utc().isoformat(timespec="seconds")


def _insert_run(
    db: sqlite3.Connection,
    run: str,
    plan: str,
    directory: str,
    recorded: str,
    environment: Mapping[str, Any],
    origin: str,
) -> None:
    db.execute(
        "INSERT INTO runs (id, plan, directory, recorded, environment, origin) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT DO NOTHING",
        (run, plan, directory, recorded, json.dumps(dict(environment), sort_keys=True), origin),
    )


def _insert_result(db: sqlite3.Connection, run: str, result: CellResult, recorded: str) -> None:
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
        recorded,
        json.dumps(codec.to_json(bare), sort_keys=True),
    )
    db.execute(
        "INSERT INTO results (run, cell, kernel, test, outcome, verdict, signature, kernel_key, recorded, result)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        row,
    )
