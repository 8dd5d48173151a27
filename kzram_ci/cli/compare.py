"""`kzram-ci compare`: what changed between two runs."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from kzram_ci.base.values import dataclass
from kzram_ci.cli.arguments import add_database
from kzram_ci.model import codec
from kzram_ci.results.history import default_history
from kzram_ci.results.past import changes_of, pair_of
from kzram_ci.results.reports.compare import as_lines, kernel_changes
from kzram_ci.results.reports.table import printable

EXAMPLE = """\
example: kzram-ci compare runs/20260101T000000Z-overrun-1a2b3c runs/20260102T000000Z-overrun-4d5e6f
         kzram-ci compare 20260101T000000Z-overrun-1a2b3c RUNDIR --fail-on-regression
         kzram-ci compare last-good RUNDIR      # with the last run of its plan in which every cell was ok

A verdict that changed on the same kernel in the same set-up, or as often as it did before, is flaky: that is noise.

exit codes: 0 nothing new · 1 a finding that the cell did not show before; with --fail-on-regression also a cell that
was ok and no longer is (a finding, an error, inconclusive) · 2 no such run
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareRequest:
    """Two runs, each a run directory or the name of a run in the history."""

    before: str
    after: str
    as_json: bool = False
    fail_on_regression: bool = False
    database: str = ""


def add_parser(subparsers: Any) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser(
        "compare",
        help="what changed between two runs",
        description="Show the cells that differ between two runs, and what made their kernels differ.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("before", metavar="RUN_A", help="run directory, the name of a run in the history, or last-good")
    parser.add_argument("after", metavar="RUN_B", help="run directory, or the name of a run in the history")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--fail-on-regression", action="store_true", help="exit 1 also when a cell is not ok any more")
    add_database(parser)
    parser.set_defaults(func=main, only_looks=True)


def main(args: argparse.Namespace) -> int:
    """The command."""
    return show(
        CompareRequest(
            before=args.before,
            after=args.after,
            as_json=args.json,
            fail_on_regression=args.fail_on_regression,
            database=args.database,
        )
    )


def show(request: CompareRequest) -> int:
    """Compare and print. Raises UserError for a run that is not known."""
    history = default_history(request.database)
    before, after, names = pair_of(request.before, request.after, history)
    changes = changes_of(before, after, history, names=names)
    kernels = kernel_changes(before, after)
    if request.as_json:
        print(json.dumps([codec.to_json(change) for change in changes], indent=2))
    else:
        sys.stdout.write(printable("\n".join(as_lines(changes, kernels, total=len(after))) + "\n", sys.stdout))
    return 1 if any(change.new or (request.fail_on_regression and change.worse) for change in changes) else 0
