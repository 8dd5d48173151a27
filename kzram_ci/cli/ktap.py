"""`kzram-ci ktap`: the tests that logs of KTAP or TAP tell of."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from kzram_ci.cli import inputs
from kzram_ci.ktap import Parser, Report
from kzram_ci.model.points import BAD, Point, summary
from kzram_ci.results.reports.sanitize import one_line, visible

EXAMPLE = """\
exit codes: 0 tests passed, and none is missing · 1 a test failed or is missing, or a log contradicts itself · 2 a log
could not be read · 3 nothing is proved: no test passed, or no plan says how many there are

examples:
  kzram-ci ktap console.log                     # KUnit's, with the kernel's own lines between
  ./run_kselftest.sh -c size | kzram-ci ktap -
  kzram-ci ktap --json test.tap | jq '.[].counts'
"""
SHOWN_OUTPUT = 20  # lines of a test that failed


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "ktap",
        help="the tests in logs of KTAP or TAP, and how each ended",
        description="Read KTAP and TAP 13 or 14 from logs of any bytes: KUnit on a console, kselftest, scripts.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "logs",
        nargs="+",
        metavar="FILE",
        help="a log, any bytes, as they are or compressed (gzip, xz, bzip2); - is standard input",
    )
    parser.add_argument("--json", action="store_true", help="print a JSON array, one object a log")
    parser.set_defaults(func=main, only_looks=True)


def main(args: argparse.Namespace) -> int:
    """The command."""
    entries: list[dict[str, Any]] = []
    codes: set[int] = set()
    for name in args.logs:
        try:
            report = _read(name)
        except OSError as error:
            print(f"kzram-ci: {name}: {error.strerror or error}", file=sys.stderr)
            codes.add(2)
            continue
        codes.add(1 if report.bad else 0 if report.proved else 3)
        if args.json:
            entries.append({"log": name, **report.to_json()})
        else:
            _show(name, report)
    if args.json:
        json.dump(entries, sys.stdout)
        print()
    return next(code for code in (2, 1, 3, 0) if code in codes)


def _read(name: str) -> Report:
    parser = Parser()
    for piece in inputs.log(name):
        parser.feed(piece)
    return parser.finish()


def _show(name: str, report: Report) -> None:
    points = report.points()
    for point in points:
        _show_point(point)
    for problem in report.problems:
        print(f"{name}: {problem}")
    if report.bailed is not None:
        print(f"{name}: bailed out: {one_line(report.bailed)}")
    if report.unplanned and points:
        print(f"{name}: no plan: whether tests are missing cannot be known")
    print(f"{name}: {summary(points)}")


def _show_point(point: Point) -> None:
    reason = f" ({one_line(point.reason)})" if point.reason else ""
    print(f"{point.status:<8} {one_line(point.name, 500)}{reason}")
    if point.status in BAD and point.output:
        for line in visible(point.output).splitlines()[-SHOWN_OUTPUT:]:
            print(f"         {line}")
