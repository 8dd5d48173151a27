"""Runs of the past, by the name of a run directory or of a run in the history."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from kzram_ci.base.errors import UserError
from kzram_ci.model.again import base_id
from kzram_ci.model.evidence import CellResult
from kzram_ci.model.layout import RunFile
from kzram_ci.results import rundir
from kzram_ci.results.history import History
from kzram_ci.results.last_good import last_good
from kzram_ci.results.reports.compare import Change, compare

LAST_GOOD = "last-good"


def results_of(name: str, history: History) -> Sequence[CellResult]:
    """Results of a run by directory or by name in the history. Raises UserError when there is neither."""
    if (Path(name) / RunFile.PLAN).is_file():
        return rundir.open_run(Path(name)).results()  # what did not run, too: it may have been ok before
    run = Path(name).name  # none: every run
    latest = {record.result.id: record.result for record in (history.records(run=run) if run else ())}
    if not latest:
        raise UserError(
            f"no run {name or repr(name)}, neither a run directory nor in the history", hint="kzram-ci history"
        )
    return tuple(latest.values())


def pair_of(
    before: str, after: str, history: History
) -> tuple[Sequence[CellResult], Sequence[CellResult], tuple[str, str]]:
    """Results of two runs, and their names; `last-good` is the last good run of the later one's plan before it.

    Raises UserError for a run that is not known.
    """
    now = results_of(after, history)
    if before != LAST_GOOD:
        return results_of(before, history), now, (before, after)
    name, plan = Path(after).absolute().name, _plan_of(after, history)
    good = last_good(history, plan, name, len({base_id(result.id) for result in now}))
    if good is None:
        where = f"before {name} in {history.database}"
        raise UserError(f"no good run of the plan {plan} {where}", hint="kzram-ci history --runs")
    return good.of(now), now, (good.record.run, after)


def _plan_of(run: str, history: History) -> str:
    if (Path(run) / RunFile.PLAN).is_file():
        return rundir.open_run(Path(run)).plan.name
    return history.records(run=Path(run).name, limit=1)[0].plan


def changes_of(
    before: Sequence[CellResult], after: Sequence[CellResult], history: History, *, names: tuple[str, str]
) -> tuple[Change, ...]:
    """What changed between two runs of these names, in the light of what the history knows of the cells that did."""
    first = compare(before, after)
    past = earlier((change.id for change in first), history, names=names) if first else {}
    return compare(before, after, past) if any(past.values()) else first


def earlier(ids: Iterable[str], history: History, *, names: tuple[str, str]) -> dict[str, tuple[CellResult, ...]]:
    """Recorded results of each cell, but for those of the two runs, and of runs that began after the later one."""
    own = {Path(name).name for name in names}
    last = Path(names[1]).name
    return {
        cell: tuple(
            record.result
            for record in history.records(cell=_literal(cell))
            if record.run not in own and not (record.run[:1].isdigit() and record.run > last)
        )
        for cell in ids
    }


def _literal(cell: str) -> str:
    """A shell pattern that only this id fits."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in cell)
