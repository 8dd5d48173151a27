"""`kzram-ci history`: outcomes of cells over all recorded runs, how flaky they are, and the runs themselves."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kzram_ci.base.suggest import did_you_mean
from kzram_ci.base.units import say_count
from kzram_ci.model import codec
from kzram_ci.results.crashes import crashes, lines
from kzram_ci.results.history import History, default_history
from kzram_ci.results.past_text import cell_lines, result_lines, run_lines
from kzram_ci.results.reports.table import printable
from kzram_ci.results.trails import trails

EXAMPLE = """\
example: kzram-ci history                          a line a cell
         kzram-ci history 'unstable/*' --last 20   and each result: date, run, kernel, source
         kzram-ci history --runs                   the runs
         kzram-ci history --crashes                each crash once: how often, when, where
         kzram-ci history --plan overrun --json

The trail shows one letter a run, oldest first: . ok, F finding, i inconclusive, e error, s skipped.
flaky: how often ok and finding differ from their majority on the very same kernel, root file system, machine, workload
and expectation; errors and inconclusive runs are not verdicts and do not count.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryRequest:
    """Which results to show: of cells that match, of one plan, the newest `last` of each; or `runs`, or `crashes`."""

    cell: str = ""
    plan: str = ""
    last: int = 0
    runs: bool = False
    crashes: bool = False
    as_json: bool = False
    database: Path | None = None


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
        "cell", nargs="?", default="", metavar="CELL", help="cell id or pattern, with each result (default: all cells)"
    )
    parser.add_argument("--plan", default="", metavar="NAME", help="only runs of this plan")
    parser.add_argument("--last", type=int, default=0, metavar="N", help="only the newest N results of each cell")
    parser.add_argument("--runs", action="store_true", help="list the runs, newest first")
    parser.add_argument("--crashes", action="store_true", help="list the crashes by signature, most frequent first")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--database", type=Path, metavar="FILE", help="history file (default: in the cache)")
    parser.set_defaults(func=main)


def main(args: argparse.Namespace) -> int:
    """The command."""
    return show(
        HistoryRequest(
            cell=args.cell,
            plan=args.plan,
            last=args.last,
            runs=args.runs,
            crashes=args.crashes,
            as_json=args.json,
            database=args.database,
        )
    )


def show(request: HistoryRequest) -> int:
    """Read the history and print it."""
    history = History(path=request.database) if request.database else default_history()
    if request.runs:
        return _print(history.runs(plan=request.plan), run_lines, history, request)
    if request.crashes:
        return _print(crashes(history.crashes(plan=request.plan, cell=request.cell)), lines, history, request)
    found = trails(history.records(plan=request.plan, cell=request.cell), last=request.last)

    def as_text(found: Sequence[Any]) -> list[str]:
        lines = cell_lines(found)
        for trail in found if request.cell else ():
            lines += ["", *result_lines(trail)]
        return lines

    return _print(found, as_text, history, request)


def _print(
    found: Sequence[Any], as_text: Callable[[Sequence[Any]], list[str]], history: History, request: HistoryRequest
) -> int:
    if request.as_json:
        print(json.dumps([codec.to_json(one) for one in found], indent=2))
    elif found:
        sys.stdout.write(printable("\n".join(as_text(found)) + "\n", sys.stdout))
    else:
        print(nothing(request, history))
    return 0


def nothing(request: HistoryRequest, history: History) -> str:
    """Why there is nothing to show: no history, or none that fits."""
    cells = history.cells()
    if not cells and not history.runs():
        return f"nothing recorded in {history.path}"
    known = f"{say_count(len(cells), 'cell')} recorded in {history.path}"
    plans = sorted({run.plan for run in history.runs()})
    if request.plan and request.plan not in plans:
        near = did_you_mean(request.plan, plans)
        return f"no recorded run of a plan named {request.plan!r}{near}; recorded plans: {', '.join(plans)}"
    if request.cell:
        return f"no cell matches {request.cell!r}; {known}{did_you_mean(request.cell, cells)}"
    return f"no result of {known}"
