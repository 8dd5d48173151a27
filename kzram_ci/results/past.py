"""Runs of the past, by the name of a run directory or of a run in the history."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kzram_ci.base.errors import UserError
from kzram_ci.model.evidence import CellResult
from kzram_ci.model.layout import RunFile
from kzram_ci.results import rundir
from kzram_ci.results.history import History


def results_of(name: str, history: History) -> Sequence[CellResult]:
    """Results of a run by directory or by name in the history. Raises UserError when there is neither."""
    if (Path(name) / RunFile.PLAN).is_file():
        return rundir.open_run(Path(name)).results()  # what did not run, too: it may have been ok before
    latest = {record.result.id: record.result for record in history.records(run=Path(name).name)}
    if not latest:
        raise UserError(f"no run {name}, neither a run directory nor in the history", hint="kzram-ci history")
    return tuple(latest.values())
