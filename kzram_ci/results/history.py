"""All results of all runs in one database: append-only history, safe for parallel runs."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from kzram_ci.base import clock
from kzram_ci.base.cache import cache_root
from kzram_ci.base.values import dataclass
from kzram_ci.model import codec
from kzram_ci.model.again import AXIS
from kzram_ci.model.cell import Plan
from kzram_ci.model.evidence import CellResult, OopsSummary
from kzram_ci.results.database import Ask, Database
from kzram_ci.results.history_file import HistoryFile
from kzram_ci.verdict.judge import principal_oops

STACKS = 20  # of one signature, to see how they differ
NEWEST_RESULTS = 10_000  # that a question is answered from: rates of long ago say little of today
FILE = "history.sqlite"
VARIABLE = "KZRAM_DATABASE"  # in the environment: a file or a URL in place of the file in the cache


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
    """The history. Every call opens its database again, so one value may be shared by threads and processes."""

    database: Database

    def add_run(self, run: str, plan: Plan, directory: Path, environment: Mapping[str, Any] | None = None) -> None:
        """Note a run before its first result; noting it again (resume) changes nothing. Raises InfraError."""
        with self.database.writing(run) as ask:
            self._insert_run(ask, run, plan.name, str(directory), _now(), environment or {}, "")

    def add_result(self, run: str, result: CellResult) -> None:
        """Append a finished cell. Raises InfraError (disk, a lock held too long, an unknown run)."""
        with self.database.writing(run) as ask:
            self._insert_result(ask, run, result, _now())

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
        with self.database.writing(run) as ask:
            self._insert_run(ask, run, plan, directory, recorded, environment or {}, origin)
            known = {cell for (cell,) in ask("SELECT DISTINCT cell FROM results WHERE run = :run", {"run": run})}
            new = [result for result in results if result.id not in known]
            for result in new:
                self._insert_result(ask, run, result, result.started or recorded)
        return len(new)

    def records(
        self, *, plan: str = "", cell: str = "", run: str = "", limit: int = NEWEST_RESULTS
    ) -> tuple[Record, ...]:
        """Stored results, oldest first, the newest `limit` of those asked for; `cell` may be a shell pattern."""
        where, values = self._where(plan=plan, cell=cell, run=run)
        query = (
            "SELECT results.run, runs.plan, runs.directory, results.recorded, results.result FROM results"
            f" JOIN runs ON runs.id = results.run WHERE {where} ORDER BY seq DESC LIMIT :newest"
        )
        with self.database.reading() as ask:
            rows = ask(query, {**values, "newest": limit})
        return tuple(
            Record(
                run=run, plan=name, directory=place, recorded=when, result=codec.from_json(CellResult, json.loads(data))
            )
            for run, name, place, when, data in reversed(rows)
        )

    def runs(self, *, plan: str = "", limit: int = 1_000) -> tuple[RunRecord, ...]:
        """Recorded runs, oldest first, the newest `limit` of them; also those that have no result."""
        columns = "id, plan, directory, recorded, origin"
        newest = f"SELECT {columns} FROM runs WHERE :plan IN ('', plan) ORDER BY recorded DESC, id DESC LIMIT :newest"
        # of one run at a time, by the index: a join over all results would sort them all for the newest runs
        last = (
            "SELECT verdict, COUNT(*) FROM results WHERE seq IN"
            " (SELECT MAX(seq) FROM results WHERE run = :run GROUP BY cell) GROUP BY verdict ORDER BY verdict"
        )
        with self.database.reading() as ask:
            rows = ask(newest, {"plan": plan, "newest": limit})
            return tuple(
                RunRecord(
                    run=run,
                    plan=name,
                    directory=place,
                    recorded=when,
                    verdicts={verdict: count for verdict, count in ask(last, {"run": run})},
                    origin=origin,
                )
                for run, name, place, when, origin in reversed(rows)
            )

    def crashes(self, *, plan: str = "", cell: str = "") -> tuple[Crashed, ...]:
        """The signatures of all recorded crashes, the one that was first seen first."""
        where, values = self._where(plan=plan, cell=cell)
        rows = f"results JOIN runs ON runs.id = results.run WHERE results.signature != '' AND {where}"
        sums = (
            "SELECT signature, COUNT(*), COUNT(DISTINCT run), MIN(results.recorded), MAX(results.recorded)"
            f" FROM {rows} GROUP BY signature ORDER BY MIN(seq)"
        )
        cells = f"SELECT signature, cell FROM {rows} GROUP BY signature, cell ORDER BY signature, MIN(seq)"
        newest = (
            "SELECT result FROM results WHERE seq IN (SELECT seq FROM (SELECT seq, ROW_NUMBER() OVER"
            f" (PARTITION BY signature ORDER BY seq DESC) AS place FROM {rows}) AS ranked WHERE place <= :most)"
            " ORDER BY seq DESC"
        )
        with self.database.reading() as ask:
            counted = ask(sums, values)
            where_seen = ask(cells, values)
            shown = ask(newest, {**values, "most": STACKS})
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
            f"SELECT cell, AVG(took) FROM (SELECT results.cell AS cell, {self.database.words.seconds} AS took"
            " FROM results JOIN runs ON runs.id = results.run WHERE runs.plan = :plan AND verdict IN ('ok', 'finding')"
            " ORDER BY seq DESC LIMIT :newest) AS recent WHERE took > 0 GROUP BY cell"
        )
        with self.database.reading() as ask:
            return {cell: took for cell, took in ask(query, {"plan": plan, "newest": newest})}

    def cells(self) -> tuple[str, ...]:
        """Ids of all cells with a result."""
        with self.database.reading() as ask:
            return tuple(cell for (cell,) in ask("SELECT DISTINCT cell FROM results ORDER BY cell", {}))

    def _where(self, *, plan: str = "", cell: str = "", run: str = "") -> tuple[str, dict[str, str]]:
        """The condition for what is asked for. A cell that a run repeated has results under ids of its own as well."""
        words, used, values = self.database.words, [], {}
        if plan:
            used.append("runs.plan = :plan")
            values["plan"] = plan
        if cell:
            used.append(f"(results.cell {words.fits} :cell OR results.cell {words.fits} :again)")
            values |= {"cell": words.pattern(cell), "again": words.pattern(f"{cell}/{AXIS}=*")}
        if run:
            used.append("results.run = :run")
            values["run"] = run
        return " AND ".join(used) or "1 = 1", values

    def _insert_run(
        self,
        ask: Ask,
        run: str,
        plan: str,
        directory: str,
        recorded: str,
        environment: Mapping[str, Any],
        origin: str,
    ) -> None:
        row = {"id": run, "plan": plan, "directory": directory, "recorded": recorded, "origin": origin}
        self._insert(ask, "runs", {**row, "environment": json.dumps(dict(environment), sort_keys=True)})

    def _insert_result(self, ask: Ask, run: str, result: CellResult, recorded: str) -> None:
        oops = principal_oops(result.evidence.oopses)
        bare = replace(
            result,
            evidence=replace(result.evidence, oopses=tuple(replace(item, text="") for item in result.evidence.oopses)),
        )
        row = {
            "run": run,
            "cell": result.id,
            "kernel": result.kernel,
            "test": result.test,
            "outcome": str(result.judgement.outcome),
            "verdict": str(result.judgement.verdict),
            "signature": oops.signature if oops is not None else "",
            "kernel_key": result.kernel_key,
            "recorded": recorded,
            "result": json.dumps(codec.to_json(bare), sort_keys=True),
        }
        self._insert(ask, "results", {**row, "seconds": result.seconds} if self.database.words.own_seconds else row)

    def _insert(self, ask: Ask, table: str, row: Mapping[str, Any]) -> None:
        """A row, unless its key is there."""
        ask(
            f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join(f':{name}' for name in row)})"
            " ON CONFLICT DO NOTHING",
            row,
        )


def _oopses(result: str) -> tuple[OopsSummary, ...]:
    found = json.loads(result)["evidence"]["oopses"]
    return tuple(codec.from_json(OopsSummary, one) for one in found)


def history_at(place: str | Path) -> History:
    """The history in a file, or behind a URL. Raises UserError for a URL that cannot be one."""
    if "://" not in str(place):
        return History(database=HistoryFile(path=Path(place)))
    from kzram_ci.results.history_server import HistoryServer  # for teams only

    return History(database=HistoryServer(url=str(place)))


def default_history(named: str = "") -> History:
    """The history that is named, else the environment's, else the user's own file beside the build cache."""
    return history_at(named or os.environ.get(VARIABLE) or cache_root() / FILE)


def _now() -> str:
    return clock.now_utc().isoformat(timespec="seconds")
