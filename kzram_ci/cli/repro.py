"""`kzram-ci repro`: run one cell of a run directory again, or print how."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
from pathlib import Path
from typing import Any

from kzram_ci.base.errors import UserError
from kzram_ci.base.values import dataclass
from kzram_ci.cli.answers import VERSION
from kzram_ci.model.layout import CellFile, RunFile
from kzram_ci.results import rundir
from kzram_ci.results.again import commands, find_cell
from kzram_ci.results.reports.table import printable

EXAMPLE = """\
example: kzram-ci repro runs/20260101T000000Z-overrun-1a2b3c unstable/anonmutate
         kzram-ci repro RUNDIR CELL --print     # the commands, and QEMU's own command line
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReproRequest:
    """A cell of a run directory, by id or by the name of its folder; `show`: print the commands, run nothing."""

    run: Path
    cell: str
    show: bool = False
    as_json: bool = False


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
    parser.add_argument(
        "--json", action="store_true", help="for programs: the commands, or the results as run has them"
    )
    parser.set_defaults(func=main)


def main(args: argparse.Namespace) -> int:
    """The command."""
    return repeat(ReproRequest(run=args.run, cell=args.cell, show=args.show, as_json=args.json))


def repeat(request: ReproRequest) -> int:
    """Run `repro.sh` in this process's place, or print what it does. Raises UserError for an unknown cell."""
    run = rundir.open_run(request.run)
    result = find_cell(run.results(), request.cell)
    place = run.layout.cell(result.id)
    if request.show:
        lines = commands(run, result)
        told = {"version": VERSION, "cell": result.id, "commands": lines}
        text = json.dumps(told, indent=2) if request.as_json else "\n".join(lines)
        sys.stdout.write(printable(f"{text}\n", sys.stdout))
        return 0
    script = place.file(CellFile.REPRO)
    if not script.is_file():
        raise UserError(
            f"{script} is gone", hint=f"kzram-ci run --cell {shlex.quote(result.id)} {request.run}/{RunFile.PLAN}"
        )
    sys.stdout.flush()
    more = ("--json",) if request.as_json else ()
    os.execv("/bin/sh", ("/bin/sh", str(script), *more))  # in our place: signals and the exit code are the run's own
