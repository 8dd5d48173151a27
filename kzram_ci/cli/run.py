"""`kzram-ci run`: a plan from sources to JUnit."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from kzram_ci.cli import arguments
from kzram_ci.cli.kernel_option import (
    ARCHS_HELP,
    KERNEL_HELP,
    PATCH_HELP,
    REFRESH_HELP,
    add_arch,
    add_farm,
    add_sandbox,
    add_stores,
    farm_of,
    patches_of,
    stores_from,
)

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from kzram_ci.run.request import RunRequest

REPEAT_HELP = (
    "boot each cell N times (overrides repeats); auto: as often as it takes until a pass by luck is improbable; the "
    "crash rate is that of the history, or else what the plan promises"
)
BUDGET_HELP = (
    "spend so much time (2h, 90m): each cell has its turn, those first of which least is known, then cells are booted "
    "again where doubt is; what has no time left is not run, and is reported so"
)
SINCE_HELP = "at the end show only what changed since the last good run of the plan, in place of the table"
EPILOG = """\
exit codes: 0 all ok · 1 findings · 2 usage or plan · 3 inconclusive · 4 a kernel did not patch, configure or
build · 69 infrastructure · 130 interrupted. With --bisect-run: 0 good · 1 bad · 125 skip · 128 abort.

examples:
  kzram-ci run testplans/overrun.yaml
  kzram-ci run overrun --kernel unstable --test 'anonmutate*' --repeat 5
  kzram-ci run overrun --kernel stock --kernel git:../linux@v6.13
  kzram-ci run overrun --arch arm64 --kernel unstable
  kzram-ci run overrun --kernel unstable --patch my-fix=0001-zram-fix.patch   # with the crash as a control
  kzram-ci run --kernel image:/boot/vmlinuz-$(uname -r)
  git bisect run kzram-ci run my-plan.yaml --bisect-run --kernel directory:. --repeat auto
  kzram-ci run nightly --budget 2h --since-last-good
  kzram-ci run --resume
"""


def add_parser(subparsers: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the command."""
    parser = subparsers.add_parser(
        "run",
        help="run a test plan: build, boot, judge, report",
        description="Build a plan's kernels, boot its cells, judge them by evidence, write a run directory.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "plan", nargs="?", metavar="PLAN", help="file, or name of a plan that ships (default for images: distro)"
    )
    parser.add_argument("--kernel", action="append", default=[], metavar="GLOB|SOURCE", help=KERNEL_HELP)
    parser.add_argument("--test", action="append", default=[], metavar="GLOB", help="only these tests")
    parser.add_argument("--cell", action="append", default=[], metavar="ID", help="only these cells")
    parser.add_argument("--patch", action="append", default=[], metavar="[NAME=]FILE", help=PATCH_HELP)
    add_arch(parser, ARCHS_HELP, several=True)
    parser.add_argument("--repeat", type=arguments.repeat, metavar="N|auto", help=REPEAT_HELP)
    parser.add_argument("--budget", type=arguments.duration, default=0.0, metavar="TIME", help=BUDGET_HELP)
    parser.add_argument("--since-last-good", action="store_true", help=SINCE_HELP)
    parser.add_argument("--runs", type=Path, default=Path("runs"), metavar="DIR", help="where run directories go")
    parser.add_argument(
        "--resume",
        nargs="?",
        const="",
        metavar="RUNDIR",
        help="go on where a run was stopped (default: the newest that is)",
    )
    arguments.add_guests(parser)
    parser.add_argument("--refresh", action="store_true", help=REFRESH_HELP)
    arguments.add_make_jobs(parser)
    parser.add_argument("--accel", choices=arguments.ACCELS, help="overrides the plan's")
    parser.add_argument("--snapshot", choices=arguments.SNAPSHOTS, help=arguments.SNAPSHOT_HELP)
    add_sandbox(parser)
    add_stores(parser)
    add_farm(parser)
    parser.add_argument("--bisect-run", action="store_true", help="exit codes for `git bisect run`")
    parser.add_argument("--no-history", action="store_true", help="leave the results out of the history")
    arguments.add_database(parser)
    parser.add_argument(
        "--trace", type=Path, metavar="FILE", help="write where the time went, in Chrome's trace format"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress, only the table")
    parser.add_argument("--json", action="store_true", help="print the results for programs instead of the table")
    parser.set_defaults(func=main)


def main(args: argparse.Namespace) -> int:
    """The command."""
    from kzram_ci.run.request import RunRequest, Selection  # heavy; --help needs none of it

    selection = Selection(
        kernels=tuple(args.kernel),
        tests=tuple(args.test),
        cells=tuple(args.cell),
        patches=patches_of(args.patch),
        archs=tuple(args.arch),
    )
    request = RunRequest(
        plan=args.plan or "",
        selection=selection,
        repeats=args.repeat,
        runs=args.runs,
        resume=None if args.resume is None else Path(args.resume) if args.resume else "newest",
        jobs=args.jobs,
        cpus=args.cpus,
        make_jobs=args.make_jobs,
        budget_s=args.budget,
        accel=arguments.accel(args.accel),
        snapshot=arguments.snapshot(args.snapshot),
        refresh=args.refresh,
        sandbox=args.sandbox,
        stores=stores_from(args.store, args.store_read),
        elsewhere=farm_of(args.scheduler, args.tls, args.insecure, args.jobs, args.cpus),
        record=not args.no_history,
        database=args.database,
        for_git=args.bisect_run,
    )
    return run(request, quiet=args.quiet, only_changes=args.since_last_good, as_json=args.json)


def run(request: RunRequest, *, quiet: bool = False, only_changes: bool = False, as_json: bool = False) -> int:
    """Run, report, return the exit code."""
    from kzram_ci.cli import progress
    from kzram_ci.cli.show import show_changes, show_json, show_run
    from kzram_ci.host import environment
    from kzram_ci.run.recorded import execute, report_files, shown_at, usual_seconds, view_of
    from kzram_ci.run.request import begin
    from kzram_ci.verdict.exitcode import exit_code

    directory = begin(request, _warn)
    directory.note_environment(environment.describe())
    code = 0
    try:
        with (
            Path(os.devnull).open("w") as nowhere,
            progress.watch(
                directory.plan,
                nowhere if quiet else sys.stderr,
                done=directory.finished(),
                usual=usual_seconds(request, directory),
            ) as listener,
        ):
            results = execute(request, directory, tools=environment.tools, listener=listener, warn=_warn)
        code = exit_code(results, bisect=request.for_git)
    except Exception as error:
        code = getattr(error, "exit_code", 70)
        raise
    finally:
        if as_json:
            show_json(directory.results(), run=shown_at(directory), code=code)
        else:
            shown = view_of(directory, request.history if only_changes else None)
            (show_changes if only_changes else show_run)(shown, root=shown_at(directory), files=report_files(directory))
    return code


def _warn(text: str) -> None:
    print(f"kzram-ci: {text}", file=sys.stderr)
