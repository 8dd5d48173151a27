"""`kzram-ci watch`: run what is new on a branch; bisect and report a new finding, once."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from kzram_ci.cli import arguments, progress
from kzram_ci.cli.kernel_option import KERNEL_HELP
from kzram_ci.host import environment

if TYPE_CHECKING:
    from kzram_ci.model.events import Listener
    from kzram_ci.results.rundir import RunDir

TRAILING = True
EPILOG = """\
A finding is what the plan does not expect: a crash, a corruption, a hang, a kernel that does not build. Each is
reported once, whatever shows it later; trouble of the host is not one, and is tried again. The report goes into
DIR/outbox (text, JSON, a mail that any mailer takes), and to a webhook or a command where they are named: the command
gets the JSON on standard input. A watch that was killed goes on where it was, in a run or a bisection too.

exit codes with --once: 0 nothing new was found · 1 a new finding was reported · 2 usage · 69 infrastructure ·
130 interrupted

examples:
  kzram-ci watch ../linux my-branch overrun --kernel stock
  kzram-ci watch https://example.org/linux.git main nightly --budget 4h --webhook https://example.org/hook
  */30 * * * *  kzram-ci watch ../linux my-branch overrun --once --mail-to me@example.org -- sendmail-report    (cron)
"""


def add_parser(subparsers: Any) -> None:
    """Describe the command."""
    parser = subparsers.add_parser(
        "watch",
        usage="kzram-ci watch REPO BRANCH PLAN [options] [-- COMMAND...]",
        help="run what is new on a branch; bisect and report new findings",
        description="Poll a branch, run a plan on what is new, bisect a new finding, and write one report.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("repository", metavar="REPO", help="git repository of the kernel: a path or a URL")
    parser.add_argument("branch", metavar="BRANCH", help="the branch")
    parser.add_argument("plan", metavar="PLAN", help="file, or name of a plan that ships")
    parser.add_argument("--kernel", action="append", default=[], metavar="GLOB", help=KERNEL_HELP.partition(";")[0])
    parser.add_argument("--test", action="append", default=[], metavar="GLOB", help="only these tests")
    parser.add_argument(
        "--budget", type=arguments.duration, default=7200.0, metavar="TIME", help="for a bisection (default 2h)"
    )
    parser.add_argument(
        "--interval", type=arguments.duration, default=600.0, metavar="TIME", help="between two looks (default 10m)"
    )
    parser.add_argument("--once", action="store_true", help="one round, for cron")
    parser.add_argument("--good", default="", metavar="COMMIT", help="known to be good, until a run shows a newer one")
    parser.add_argument("--directory", type=Path, metavar="DIR", help="what the watch keeps (default: below --runs)")
    parser.add_argument("--mail-to", default="undisclosed-recipients:;", metavar="ADDRESS", help="To: of the mail file")
    parser.add_argument("--mail-from", default="kzram-ci <kzram-ci@localhost>", metavar="ADDRESS", help="its From:")
    parser.add_argument("--webhook", default="", metavar="URL", help="gets each report by POST, as JSON")
    parser.add_argument("--runs", type=Path, default=Path("runs"), metavar="DIR", help="where run directories go")
    arguments.add_guests(parser)
    arguments.add_make_jobs(parser)
    parser.add_argument("--accel", choices=arguments.ACCELS, help="overrides the plan's")
    parser.add_argument("--no-history", action="store_true", help="leave the results out of the history")
    arguments.add_database(parser)
    arguments.add_sandbox(parser, "where bubblewrap works")
    parser.add_argument("--quiet", action="store_true", help="no progress")
    parser.set_defaults(func=main, takes_trailing=True)


def main(args: argparse.Namespace) -> int:
    """The command."""
    from kzram_ci.run.request import RunRequest, Selection  # heavy; --help needs none of it
    from kzram_ci.watch.request import WatchRequest, opened

    how = RunRequest(
        plan=args.plan,
        selection=Selection(kernels=tuple(args.kernel), tests=tuple(args.test)),
        runs=args.runs,
        jobs=args.jobs,
        cpus=args.cpus,
        make_jobs=args.make_jobs,
        accel=arguments.accel(args.accel),
        sandbox=args.sandbox,
        record=not args.no_history,
        database=args.database,
    )
    request = WatchRequest(
        repository=args.repository,
        branch=args.branch,
        how=how,
        budget_s=args.budget,
        good=args.good,
        directory=args.directory,
        sender=args.mail_from,
        to=args.mail_to,
        webhook=args.webhook,
        command=tuple(args.trailing),
    )
    with (
        Path(os.devnull).open("w") as nowhere,
        opened(
            request, watched=_watched(nowhere if args.quiet else sys.stderr), tools=environment.tools, tell=_tell
        ) as watch,
    ):
        if args.once:
            return 1 if watch.round() else 0
        watch.forever(args.interval)
    return 0


def _watched(stream: IO[str]) -> Callable[[RunDir], Any]:
    @contextmanager
    def shown(run: RunDir) -> Iterator[Listener]:
        run.note_environment(environment.describe())
        with progress.watch(run.plan, stream, done=run.finished()) as listener:
            yield listener

    return shown


def _tell(text: str) -> None:
    print(f"kzram-ci: {text}", file=sys.stderr)
