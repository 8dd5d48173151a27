"""Runs of the past, by the name of a run directory or of a run in the history."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from kzram_ci.base.errors import UserError
from kzram_ci.model.evidence import CellResult
from kzram_ci.model.layout import RunFile
from kzram_ci.results import rundir
from kzram_ci.results.history import History
from kzram_ci.results.reports.compare import Change, compare


def results_of(name: str, history: History) -> Sequence[CellResult]:
    """Results of a run by directory or by name in the history. Raises UserError when there is neither."""
    if (Path(name) / RunFile.PLAN).is_file():
        return rundir.open_run(Path(name)).results()  # what did not run, too: it may have been ok before
    latest = {record.result.id: record.result for record in history.records(run=Path(name).name)}
    if not latest:
        raise UserError(f"no run {name}, neither a run directory nor in the history", hint="kzram-ci history")
    return tuple(latest.values())


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
