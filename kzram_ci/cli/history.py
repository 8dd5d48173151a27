"""`kzram-ci history`: outcomes of cells over all recorded runs, and how flaky they are."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kzram_ci.results.history import History, default_history
from kzram_ci.results.reports.sanitize import one_line
from kzram_ci.results.reports.table import printable
from kzram_ci.results.trails import Trail, trails

EXAMPLE = """\
example: kzram-ci history
         kzram-ci history 'unstable/*' --last 20
         kzram-ci history --plan overrun --json

Every `kzram-ci run` adds its results; nothing has to be switched on. They stay when a run directory is removed.
CELL is an id such as stock/anonmutate-failslab, or a pattern; `kzram-ci plan PLAN` lists the ids of a plan.
`kzram-ci compare RUN RUN` sets two runs side by side, `kzram-ci report RUN` shows one again.

The trail shows one letter a run, oldest first: . ok, F finding, i inconclusive, e error, s skipped.
flaky: how often ok and finding differ from their majority on the very same kernel (same key); errors and
inconclusive runs are not verdicts and do not count.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryRequest:
    """Which results to show: of cells that match, of one plan, the newest `last` of each cell."""

    cell: str = ""
    plan: str = ""
    last: int = 0
    as_json: bool = False
    database: Path | None = None


def add_parser(subparsers: Any) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser(
        "history",
        help="outcomes of cells over all recorded runs",
        description="Show for each cell what it did over all recorded runs, and how flaky it is.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("cell", nargs="?", default="", metavar="CELL", help="cell id or pattern (default: all)")
    parser.add_argument("--plan", default="", metavar="NAME", help="only runs of this plan")
    parser.add_argument("--last", type=int, default=0, metavar="N", help="only the newest N results of each cell")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--database", type=Path, metavar="FILE", help="history file (default: in the cache)")
    parser.set_defaults(func=main)


def main(args: argparse.Namespace) -> int:
    """The command."""
    return show(
        HistoryRequest(cell=args.cell, plan=args.plan, last=args.last, as_json=args.json, database=args.database)
    )


def show(request: HistoryRequest) -> int:
    """Read the history and print it."""
    history = History(path=request.database) if request.database else default_history()
    found = trails(history.records(plan=request.plan, cell=request.cell), last=request.last)
    if request.as_json:
        print(json.dumps([dataclasses.asdict(trail) for trail in found], indent=2))
    elif found:
        sys.stdout.write(printable("\n".join(as_text(found)) + "\n", sys.stdout))
    else:
        print(f"nothing recorded in {history.path}")
    return 0


def as_text(found: Sequence[Trail]) -> list[str]:
    """Aligned lines for people."""
    rows = [("plan", "cell", "runs", "flaky", "outcomes", "trail")]
    for line in found:
        outcomes = ", ".join(
            f"{count} {word}" for word, count in sorted(line.outcomes.items(), key=lambda item: -item[1])
        )
        flaky = "-" if line.flake_rate is None else f"{line.flake_rate:.0%}"
        rows.append((one_line(line.plan), one_line(line.cell), str(line.runs), flaky, outcomes, line.trail[-60:]))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]
