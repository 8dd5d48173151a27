"""`kzram-ci history`: outcomes of cells over all recorded runs, how flaky they are, and the runs themselves."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kzram_ci.base.errors import UserError
from kzram_ci.cli.arguments import add_database, whole
from kzram_ci.model import codec
from kzram_ci.results import questions
from kzram_ci.results.history import History, default_history
from kzram_ci.results.imports import import_path
from kzram_ci.results.reports.table import printable

EXAMPLE = """\
example: kzram-ci history                          # a line a cell
         kzram-ci history 'unstable/*' --last 20   # and each result: date, run, kernel, source
         kzram-ci history --runs                   # the runs
         kzram-ci history --crashes                # each crash once: how often, when, where
         kzram-ci history --plan overrun --json
         kzram-ci history import runs/* junit.xml  # runs of elsewhere, JUnit files of any runner, history files
         kzram-ci history serve                    # the same as a web page, on this host only

The trail shows one letter a run, oldest first: . ok, F finding, i inconclusive, e error, s skipped.
ok: results as expected, of those with a verdict; crashed: boots that the kernel did not survive; behind both the rates
that this does not rule out (95 %). flaky: how often ok and finding differ from their majority on the very same kernel,
root file system, machine, workload and expectation. trend: whether the newer half of the verdicts differs from the
older one by more than chance. Errors and inconclusive runs are not verdicts and do not count.
"""
IMPORT, SERVE = "import", "serve"


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryRequest:
    """Which results to show: of cells that match, of one plan, the newest `last` of each; or `runs`, or `crashes`."""

    cell: str = ""
    plan: str = ""
    last: int = 0
    runs: bool = False
    crashes: bool = False
    as_json: bool = False
    database: str = ""

    @property
    def history(self) -> History:
        """The history that is asked for."""
        return default_history(self.database)


def add_parser(subparsers: Any) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser(
        "history",
        help="outcomes of cells over all recorded runs",
        description="Show for each cell what it did over all recorded runs, and how flaky it is; or list the runs.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "words",
        nargs="*",
        metavar="CELL | import PATH... | serve",
        help="cell id or pattern, with each result (default: all cells); or what to do instead",
    )
    parser.add_argument("--plan", default="", metavar="NAME", help="only runs of this plan")
    parser.add_argument("--last", type=whole(1), default=0, metavar="N", help="only the newest N results of each cell")
    parser.add_argument("--runs", action="store_true", help="list the runs, newest first")
    parser.add_argument("--crashes", action="store_true", help="list the crashes by signature, most frequent first")
    parser.add_argument("--json", action="store_true", help="for programs")
    add_database(parser)
    parser.add_argument("--address", default="127.0.0.1", help="of serve (default: %(default)s, for this host only)")
    parser.add_argument("--port", type=whole(0, 65535), default=8080, help="of serve; 0: any (default: %(default)s)")
    parser.set_defaults(func=main)


def main(args: argparse.Namespace) -> int:
    """The command."""
    word, *rest = args.words or [""]
    request = HistoryRequest(
        cell=word,
        plan=args.plan,
        last=args.last,
        runs=args.runs,
        crashes=args.crashes,
        as_json=args.json,
        database=args.database,
    )
    if word == IMPORT:
        return take_in(request, [Path(name) for name in rest])
    if rest:
        raise UserError(f"one cell or pattern at a time, not also {rest[0]}", hint="quote a pattern: 'unstable/*'")
    return serve(request, args.address, args.port) if word == SERVE else show(request)


def take_in(request: HistoryRequest, paths: Sequence[Path]) -> int:
    """Import each run directory and JUnit file; a wrong one ends it, and what came before it stays."""
    if not paths:
        raise UserError("history import: name run directories, JUnit files or history files")
    done = []
    for path in paths:
        one = import_path(path, request.history)
        done.append(one)
        if not request.as_json:
            print(printable(str(one), sys.stdout))
    if request.as_json:
        print(json.dumps([codec.to_json(one) for one in done], indent=2))
    return 0


def serve(request: HistoryRequest, address: str, port: int) -> int:
    """Serve the page until Ctrl-C."""
    from kzram_ci.results.serve import server, until_interrupted  # heavy, and only here

    with server(request.history, address, port) as made:
        print(f"http://{made.server_address[0]!s}:{made.server_address[1]}/ (Ctrl-C ends it)", flush=True)
        until_interrupted(made)
    return 0


def show(request: HistoryRequest) -> int:
    """Read the history and print it."""
    history, plan, cell = request.history, request.plan, request.cell
    if request.runs:
        answer = questions.runs(history, plan=plan)
    elif request.crashes:
        answer = questions.crashed(history, plan=plan, cell=cell)
    else:
        answer = questions.cells(history, plan=plan, cell=cell, last=request.last)
    if request.as_json:
        print(json.dumps([codec.to_json(one) for one in answer.found], indent=2))
    else:
        sys.stdout.write(printable("\n".join(answer.lines) + "\n", sys.stdout))
    return 0
