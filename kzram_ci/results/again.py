"""A cell of a run by the name a person gives it, and the commands that repeat it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from kzram_ci.base.errors import UserError
from kzram_ci.base.suggest import did_you_mean
from kzram_ci.model.evidence import CellResult
from kzram_ci.model.layout import CellFile, RunFile
from kzram_ci.plan.matrix import safe_id
from kzram_ci.results import rundir
from kzram_ci.results.layout import cell_folder

MOST_LISTED = 24  # cells in an error message


def find_cell(results: tuple[CellResult, ...], name: str) -> CellResult:
    """A cell by id or folder name. Raises UserError with near matches."""
    for result in results:
        if name.rstrip("/") in (result.id, safe_id(result.id), cell_folder(result.id)):
            return result
    known = [result.id for result in results]
    raise UserError(f"no cell {name!r} in this run{did_you_mean(name, known)}", hint=f"cells: {listed(known)}")


def listed(names: Sequence[str], most: int = MOST_LISTED) -> str:
    """All names; of many the first, and how many more there are."""
    more = len(names) - most
    return ", ".join(names) if more <= 0 else f"{', '.join(names[:most])} and {more} more"


def commands(run: rundir.RunDir, result: CellResult) -> list[str]:
    """The commands that repeat a cell: the whole cell, its script, the bare boot."""
    plan = shlex.quote(str(run.layout.file(RunFile.PLAN)))
    lines = [
        "# the cell, with retries and judgement:",
        f"kzram-ci run {shlex.quote(f'--cell={result.id}')} {plan}",
    ]
    qemu = run.layout.at(result.directory).file(CellFile.QEMU_ARGV)
    if qemu.is_file():
        lines += [
            "# the boot alone, console on this terminal:",
            f"sh {shlex.quote(str(qemu))}",
            "# QEMU as it was started then, by kzram-ci:",
            *(f"#   {line}" for line in run.layout.at(result.directory).qemu_command().splitlines()),
        ]
    return lines
