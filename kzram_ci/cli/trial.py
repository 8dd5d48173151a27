"""`kzram-ci try`: a patch series before and after, with a stated chance of being fooled."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from kzram_ci.base.errors import KernelError, KzramError, UserError
from kzram_ci.cli import arguments
from kzram_ci.cli.trial_progress import Lines
from kzram_ci.results.reports.table import printable
from kzram_ci.trial.reports import show
from kzram_ci.trial.session.request import TryRequest, WorkRequest, answerable, begin, reopen
from kzram_ci.trial.session.store import Session

EPILOG = """\
The kernel without the series must crash, else nothing can be said of the one with it. Then both are booted in turn,
until a kernel as bad as before would have come through with a chance below --luck. A test that does not crash on any
kernel of the plan is booted on both sides too: a crash that only comes with the series is a finding.

SERIES: a message id, a URL of it, files, a directory, - for standard input, or commits (A..B, BRANCH). Message ids
need b4 (pip install 'kzram-ci[lore]') or an archive that gives its mailboxes to programs. The newest version counts;
what is missing is refused. Nothing of a mail is run, and nothing is sent; what a patch makes of makefiles is run under
bubblewrap, where this host has it.

exit codes: 0 fixed · 1 not fixed, or a new crash · 2 usage, or no whole series · 3 cannot say · 4 the series does not
apply, or a kernel does not build · 69 infrastructure · 130 interrupted (go on with --resume)

examples:
  kzram-ci try 20161125083709.12345-1-minchan@kernel.org --base v6.12 --repo ../linux
  kzram-ci try fix.mbox --base unstable --test anonmutate-window
  kzram-ci try fix.patch --base git:../linux@v6.12 --test ./repro.sh --files data.bin
  kzram-ci try ../linux-patches/*.patch --base git:../linux@v6.12 --plan my-plan.yaml
  kzram-ci try origin/master..my-fix --repo ../linux --each
  b4 am -c -o- MESSAGE-ID | kzram-ci try - --format b4
"""


def add_parser(subparsers: Any) -> None:
    """Describe the command."""
    parser = subparsers.add_parser(
        "try",
        usage="kzram-ci try SERIES... [options]\n       kzram-ci try --resume [DIR]",
        help="a patch series before and after, with a stated chance of being fooled",
        description="Does a patch series fix the crash? Boots the kernel without it and with it.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("series", nargs="*", metavar="SERIES", help="see below")
    parser.add_argument(
        "--base", default="", metavar="KERNEL",
        help="what to apply it to: a kernel's name, line:6.12, a source (git:DIR@REF), or a ref of --repo (default: "
        "base-commit of the series, where its commits begin, else the plan's kernel that crashes and takes it)",
    )  # fmt: skip
    parser.add_argument("--repo", type=Path, default=Path(), metavar="DIR", help="git repository of commits and refs")
    parser.add_argument("--plan", default="overrun", metavar="PLAN", help="whose tests are run (default: overrun)")
    parser.add_argument("--kernel", default="", metavar="NAME", help="whose instruments and config a source gets")
    parser.add_argument(
        "--arch", default="", metavar="ARCH", help="architecture of kernels and guests, in place of the plan's"
    )
    parser.add_argument(
        "--test", action="append", default=[], metavar="NAME|SCRIPT",
        help="of the plan (a glob), or a script or program of yours (./repro.sh) in place of a plan; repeatable",
    )  # fmt: skip
    parser.add_argument(
        "--files", nargs="+", action="extend", default=[], metavar="FILE", help="what the script needs, from its folder"
    )
    parser.add_argument(
        "--signature", action="append", default=[], metavar="S",
        help="the crash that is looked for, as `kzram-ci oops` prints it (default: what the plan expects, else what "
        "the kernel without the series shows most); repeatable",
    )  # fmt: skip
    parser.add_argument(
        "--luck",
        type=arguments.number,
        default=0.01,
        metavar="P",
        help='allowed chance of a wrong "fixed" (default 0.01)',
    )
    parser.add_argument(
        "--cost", nargs="?", const="", action="append", default=[], metavar="COUNTER",
        help="compare a counter of clean boots, after / before (without a name: time and memory); repeatable",
    )  # fmt: skip
    parser.add_argument("--each", action="store_true", help="build and boot every prefix of the series")
    parser.add_argument("--reply", action="store_true", help="write a reply to the series; it is not sent")
    parser.add_argument("--format", choices=("text", "b4"), default="text", help="b4: what b4 review reads")
    parser.add_argument("--json", action="store_true", help="the answer for programs")
    parser.add_argument("--resume", nargs="?", const="", metavar="DIR", help="go on with a trial (default: the newest)")
    parser.add_argument("--runs", type=Path, default=Path("runs"), metavar="DIR", help="where run directories go")
    arguments.add_guests(parser)
    arguments.add_make_jobs(parser)
    parser.add_argument("--accel", choices=arguments.ACCELS, help="overrides the plan's")
    parser.add_argument("--snapshot", choices=arguments.SNAPSHOTS, help=arguments.SNAPSHOT_HELP)
    arguments.add_sandbox(parser, "where bubblewrap works")
    parser.add_argument("--quiet", action="store_true", help="no progress, only the answer")
    parser.set_defaults(func=_main)


def _main(args: argparse.Namespace) -> int:
    lines = Lines(quiet=args.quiet)
    try:
        return _go(_session(args, lines), args, lines)
    except KernelError as error:
        sys.stdout.write(show.failure(error.message, _form(args)))
        if excerpt := getattr(error, "excerpt", ""):
            sys.stderr.write(printable(f"{excerpt}\n", sys.stderr))
        raise


def _form(args: argparse.Namespace) -> str:
    return "json" if args.json else str(args.format)


def _session(args: argparse.Namespace, lines: Lines) -> Session:
    if args.resume is not None:
        if args.series or args.base or args.test or args.arch:
            raise UserError(
                "--resume takes series, base, tests and architecture from the trial", hint="kzram-ci try --resume [DIR]"
            )
        session = reopen(args.resume, args.runs)
        if args.reply:
            answerable(session.asked.posted)
        return session
    request = TryRequest(
        series=tuple(args.series),
        plan=args.plan,
        base=args.base,
        kernel=args.kernel,
        repository=args.repo,
        tests=tuple(args.test),
        files=tuple(args.files),
        luck=args.luck,
        signatures=tuple(args.signature),
        costs=tuple(args.cost),
        each=args.each,
        reply=args.reply,
        runs=args.runs,
        arch=args.arch,
    )
    return begin(request, stdin=arguments.standard_input, tell=lines.tell)


def _go(session: Session, args: argparse.Namespace, lines: Lines) -> int:
    """Work until there is an answer, and show it."""
    from kzram_ci.trial import run  # all of building and booting; --help needs none of it

    root = os.path.relpath(session.path)
    lines.tell(f"in {root}")
    accel = arguments.accel(args.accel)
    snapshot = arguments.snapshot(args.snapshot)
    how = WorkRequest(
        jobs=args.jobs,
        cpus=args.cpus,
        make_jobs=args.make_jobs,
        accel=accel,
        snapshot=snapshot,
        sandbox=args.sandbox,
    )
    try:
        found = run.work(session, how, tell=lines.tell, listener=lines.listen)
    except KzramError:
        lines.tell(f"go on with: kzram-ci try --resume {root}")
        raise
    sys.stdout.write(printable(show.shown(found, _form(args), directory=str(session.path)), sys.stdout))
    if args.reply:
        lines.tell(f"reply: {os.path.relpath(run.write_reply(session))}")
    return show.exit_code(found)
