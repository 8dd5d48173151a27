"""`kzram-ci repro`: run one cell of a run directory again, or print how."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kzram_ci.base.errors import UserError
from kzram_ci.base.suggest import did_you_mean
from kzram_ci.model.evidence import CellResult
from kzram_ci.model.layout import CellFile, RunFile
from kzram_ci.plan.matrix import safe_id
from kzram_ci.results import rundir
from kzram_ci.results.layout import cell_folder
from kzram_ci.results.reports.table import printable

EXAMPLE = """\
example: kzram-ci repro runs/20260101T000000Z-overrun-1a2b3c unstable/anonmutate
         kzram-ci repro RUNDIR CELL --print     # the commands, and QEMU's own command line
"""


MOST_LISTED = 24  # cells in an error message


@dataclass(frozen=True, slots=True, kw_only=True)
class ReproRequest:
    """A cell of a run directory, by id or by the name of its folder; `show`: print the commands, run nothing."""

    run: Path
    cell: str
    show: bool = False


def add_parser(subparsers: Any) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser(
        "repro",
        help="run one cell of a run directory again",
        description="Run one cell of a run directory again, in a new run directory.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run", metavar="RUNDIR", type=Path, help="a directory under runs/")
    parser.add_argument("cell", metavar="CELL", help="cell id, or the name of its folder under cells/")
    parser.add_argument("--print", action="store_true", dest="show", help="print the commands, run nothing")
    parser.set_defaults(func=main)


def main(args: argparse.Namespace) -> int:
    """The command."""
    return repeat(ReproRequest(run=args.run, cell=args.cell, show=args.show))


def repeat(request: ReproRequest) -> int:
    """Run `repro.sh` in this process's place, or print what it does. Raises UserError for an unknown cell."""
    run = rundir.open_run(request.run)
    result = find_cell(run.results(), request.cell)
    place = run.layout.cell(result.id)
    if request.show:
        sys.stdout.write(printable("\n".join(commands(run, result)) + "\n", sys.stdout))
        return 0
    script = place.file(CellFile.REPRO)
    if not script.is_file():
        raise UserError(
            f"{script} is gone", hint=f"kzram-ci run --cell {shlex.quote(result.id)} {request.run}/{RunFile.PLAN}"
        )
    sys.stdout.flush()
    os.execv("/bin/sh", ("/bin/sh", str(script)))  # in our place: signals and the exit code are the run's own


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
