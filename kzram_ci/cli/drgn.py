"""`kzram-ci drgn`: open the memory of a guest that crashed."""

from __future__ import annotations

import argparse
import importlib.util
import os
import shlex
import sys
from pathlib import Path
from typing import Any

from kzram_ci.base.errors import UserError
from kzram_ci.results import rundir
from kzram_ci.results.again import find_cell

TRAILING = True  # words after `--` are drgn's: a script and its arguments
EPILOG = """\
A cell has its memory when its plan says `machine: {dump: on-crash}` and it crashed or hung. Inside, `prog` is the
kernel: prog.crashed_thread().stack_trace(), prog["init_task"], dmesg(prog) and so on (https://drgn.readthedocs.io).

examples: kzram-ci drgn runs/20260101T000000Z-overrun-1a2b3c unstable/anonmutate
          kzram-ci drgn RUNDIR CELL -- my-script.py
          kzram-ci drgn RUNDIR CELL --print      # the commands for drgn and crash
"""


def add_parser(subparsers: Any) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser(
        "drgn",
        usage="kzram-ci drgn [options] RUNDIR CELL [-- SCRIPT [ARGUMENT...]]",
        help="open the memory of a guest that crashed",
        description="Open the memory of a guest that crashed or hung in drgn, with the kernel's symbols.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run", metavar="RUNDIR", type=Path, help="a directory under runs/")
    parser.add_argument("cell", metavar="CELL", help="cell id, or the name of its folder under cells/")
    parser.add_argument("--print", action="store_true", dest="show", help="print the commands, run nothing")
    parser.set_defaults(func=main, takes_trailing=True)


def main(args: argparse.Namespace) -> int:
    """The command."""
    run = rundir.open_run(args.run)
    result = find_cell(run.results(), args.cell)
    dump = result.evidence.dump
    if dump is None:
        why = result.evidence.dump_missing or "its memory was not kept"
        raise UserError(f"{result.id}: {why}", hint="machine: {dump: on-crash} in the plan")
    core = run.layout.at(result.directory).path / dump.file
    if not core.is_file():
        raise UserError(f"{core} is gone", hint=f"kzram-ci repro {args.run} {shlex.quote(result.id)} makes another")
    symbols = ("-s", dump.vmlinux) if dump.vmlinux else ()
    if args.show:
        print(shlex.join(("drgn", "-c", str(core), *symbols)))
        if dump.vmlinux:
            print(shlex.join(("crash", dump.vmlinux, str(core))))
        return 0
    if dump.vmlinux and not Path(dump.vmlinux).is_file():
        raise UserError(f"{dump.vmlinux} is gone", hint=f"kzram-ci build {shlex.quote(result.kernel)} makes it again")
    if importlib.util.find_spec("drgn") is None:
        raise UserError("drgn is not installed", hint="pip install 'kzram-ci[drgn]', or --print for crash's command")
    sys.stdout.flush()
    words = (sys.executable, "-m", "drgn", "-c", str(core), *symbols, *args.trailing)
    os.execv(sys.executable, words)  # in our place: the terminal and the exit code are drgn's own
