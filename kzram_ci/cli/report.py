"""`kzram-ci report`: render a run directory's reports again from its results, and show the table."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kzram_ci.cli.arguments import add_database
from kzram_ci.cli.show import show_annotations, show_run
from kzram_ci.model import codec
from kzram_ci.model.layout import REPORTS
from kzram_ci.results import kept
from kzram_ci.results.draw import Reports
from kzram_ci.results.history import default_history
from kzram_ci.verdict.exitcode import exit_code

EXAMPLE = """\
example: kzram-ci report runs/20260101T000000Z-overrun-1a2b3c
         kzram-ci report RUNDIR --json | jq '.[].judgement.outcome'
         kzram-ci report RUNDIR --store-read s3://team/kzram    # a run of another machine, which left it there
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRequest:
    """A run directory. `exit_code`: exit as the run itself would have. `read`: stores that may have it."""

    run: Path
    read: tuple[str, ...] = ()
    as_json: bool = False
    exit_code: bool = False
    annotations: bool = False
    database: str = ""


def add_parser(subparsers: Any) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser(
        "report",
        help="render the reports of a run directory again",
        description="Draw all reports of a run again from its results.jsonl (docs/runs.md), and show the table.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run", metavar="RUNDIR", type=Path, help="a directory under runs/")
    parser.add_argument("--json", action="store_true", help="print the results instead, as a JSON array")
    parser.add_argument("--exit-code", action="store_true", help="exit as the run itself would have")
    parser.add_argument(
        "--annotations", action="store_true", help="print what went wrong as workflow commands of GitHub instead"
    )
    add_database(parser)
    parser.add_argument(
        "--store-read", action="append", default=[], metavar="URL",
        help="take the run from there if RUNDIR does not exist (default: $KZRAM_STORE_READ, $KZRAM_STORE)",
    )  # fmt: skip
    parser.set_defaults(func=main, only_looks=True)


def main(args: argparse.Namespace) -> int:
    """The command."""
    return render(
        ReportRequest(
            run=args.run,
            as_json=args.json,
            exit_code=args.exit_code,
            annotations=args.annotations,
            database=args.database,
            read=tuple(args.store_read),
        )
    )


def render(request: ReportRequest) -> int:
    """Render; exit 0 when that worked, whatever the results are, unless the run's own exit code is wanted."""
    run = kept.opened(request.run, request.read, lambda text: print(f"kzram-ci: {text}", file=sys.stderr))
    reports = Reports(run=run, history=default_history(request.database))
    if request.as_json:
        print(json.dumps([codec.to_json(result) for result in run.results()], indent=2))
    elif request.annotations:
        show_annotations(reports.view())
    else:
        reports.draw()
        show_run(reports.view(), root=str(request.run), files=paths(request.run))
    return exit_code(run.results()) if request.exit_code else 0


def paths(root: Path) -> tuple[str, ...]:
    """The lines that name the reports of a run directory."""
    return tuple(f"{name}: {root / name}" for name in REPORTS if (root / name).is_file())
