"""`kzram-ci issues`: one issue on GitHub for each new finding, never two."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from kzram_ci.results.draw import Reports
from kzram_ci.results.issues import Tracker
from kzram_ci.results.reports.table import printable
from kzram_ci.results.reports.tickets import tickets
from kzram_ci.results.rundir import open_run

EXAMPLE = """\
A finding is the same where its crash has the same signature; without a crash, where the same cell did the same. Its
issue has a mark that does not show, by which it is found again: then the run is added as a comment, once, and a closed
issue is opened again. Needs gh, the command line of GitHub, and a login, or $GH_TOKEN.

example: kzram-ci issues runs/20260101T000000Z-overrun-1a2b3c --dry-run
         kzram-ci issues runs/* --repo me/linux --link "$RUN_URL"
"""


def add_parser(subparsers: Any) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser(
        "issues",
        help="one issue on GitHub for each new finding of a run",
        description="Open an issue for each finding that has none, and add a comment to those that have.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("runs", nargs="+", metavar="RUNDIR", type=Path, help="a directory under runs/")
    parser.add_argument("--repo", default="", metavar="OWNER/NAME", help="default: that of the working directory")
    parser.add_argument("--label", default="kzram-ci", help="of the issues (default: %(default)s)")
    parser.add_argument("--link", default="", metavar="URL", help="where the run can be seen")
    parser.add_argument("--dry-run", action="store_true", help="show the commands that would change something")
    parser.set_defaults(func=main)


def main(args: argparse.Namespace) -> int:
    """The command."""
    tracker = Tracker(repository=args.repo, label=args.label, dry=args.dry_run)
    for path in args.runs:
        found = tickets(Reports(run=open_run(path)).view(), args.link)
        if not found:
            _tell(f"{path}: no finding")
        tracker.report(found, _tell)
    return 0


def _tell(line: str) -> None:
    sys.stdout.write(printable(f"{line}\n", sys.stdout))
