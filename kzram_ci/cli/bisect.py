"""`kzram-ci bisect`: the commit that brought a crash, with a stated confidence."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kzram_ci.base.errors import KzramError, UserError
from kzram_ci.bisect.reports import status
from kzram_ci.bisect.session.request import (
    MARKS,
    BisectRequest,
    MarkRequest,
    ResumeRequest,
    WorkRequest,
    begin,
    mark,
    reopen,
)
from kzram_ci.bisect.session.store import Session
from kzram_ci.cli import arguments
from kzram_ci.cli.bisect_progress import Lines
from kzram_ci.results.reports.table import printable

EPILOG = """\
A crash that comes only sometimes needs several boots of a commit, and a probability as the answer. The bad end is
confirmed first, and so is the good end where its kernel is built already or --good-first is given; else it is one more
commit to choose from, since a clean commit is evidence for all its ancestors. The next commit is the one that is
expected to narrow the search most for its cost; at the end culprit and parent are verified, and the culprit is
reverted on the bad end where that applies. The repository is only read.

more (each with a --help of its own; DIR: a bisection below runs/, without it the newest):
  kzram-ci bisect status [DIR] [--json]        # how far it is
  kzram-ci bisect log [DIR]                    # what `git bisect replay` takes
  kzram-ci bisect mark COMMIT good|bad|skip    # add what you know, also while it is stopped; then resume
  kzram-ci bisect resume [DIR]                 # go on; the same as --resume [DIR]

exit codes: 0 the culprit was found · 1 no commit of the range is to blame · 2 usage, plan or range · 3 several commits
are left that cannot be separated, or an end cannot be tested · 4 an end cannot be built · 69 infrastructure ·
130 interrupted (go on with --resume)

examples:
  kzram-ci bisect overrun --repo ../linux --good v6.12 --bad v6.13 --kernel stock --test anonmutate-failslab
  kzram-ci bisect my-plan.yaml --repo ../linux --good v6.12 --bad HEAD -- mm drivers/block/zram
  kzram-ci bisect my-plan.yaml --repo ../linux --good v6.1 --bad v6.12 --signature 'null_deref:obj_malloc'
  kzram-ci bisect smoke --repo ../linux --good v6.12 --bad HEAD --kernel stock --signature boot-failed
  kzram-ci bisect --resume
"""
TRAILING = True  # main hands on what stands after `--`: paths
START, ACTIONS = "start", ("start", "resume", "status", "log", "mark")


def normal_form(words: Sequence[str]) -> tuple[str, ...]:
    """`bisect PLAN …` is short for `bisect start PLAN …`."""
    return tuple(words) if words and words[0] in ACTIONS else (START, *words)


def add_parser(subparsers: Any) -> None:
    """Describe the command and its actions."""
    parser = subparsers.add_parser(
        "bisect",
        help="find the commit that brought a crash, even one that comes only sometimes",
        description="Find the commit that brought a crash, by a posterior over the commits between good and bad.",
    )
    actions = parser.add_subparsers(dest="action", metavar="|".join(ACTIONS), required=True)
    _add_start(actions)
    resume = _add(actions, "resume", "go on with a bisection that was stopped", _resume)
    _directory(resume)
    _work_options(resume)
    state = _add(actions, "status", "how far a bisection is", _status)
    _directory(state)
    state.add_argument("--json", action="store_true", help="for programs")
    _directory(_add(actions, "log", "print what `git bisect replay` takes", _log))
    marking = _add(actions, "mark", "add what you know of a commit (its last mark counts)", _mark, "mark 1a2b3c bad")
    marking.add_argument("commit", metavar="COMMIT", help="the first digits of its name")
    marking.add_argument("side", metavar="|".join(MARKS), choices=tuple(MARKS), help="skip: it cannot be tested")
    _directory(marking)


def _add(actions: Any, name: str, text: str, func: Any, example: str = "") -> argparse.ArgumentParser:
    shown = f"example: kzram-ci bisect {example or name}"
    parser: argparse.ArgumentParser = actions.add_parser(
        name, help=text, description=f"{text[0].upper()}{text[1:]}.", epilog=shown
    )
    parser.set_defaults(func=func)
    return parser


def _directory(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", nargs="?", default="", metavar="DIR", help="of a bisection (default: the newest)")
    _runs(parser)


def _runs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--runs", type=Path, default=Path("runs"), metavar="DIR", help="where run directories are")


def _add_start(actions: Any) -> None:
    parser = actions.add_parser(
        START,
        usage="kzram-ci bisect PLAN --repo R --good REF --bad REF [options] [-- PATH...]\n"
        "       kzram-ci bisect --resume [DIR]\n"
        "       kzram-ci bisect resume|status|log [DIR]\n"
        "       kzram-ci bisect mark COMMIT good|bad|skip [DIR]",
        help="begin a bisection (the word may be left out)",
        description="Find the commit that brought a crash, by a posterior over the commits between good and bad.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("plan", nargs="?", default="", metavar="PLAN", help="file, or name of a plan that ships")
    parser.add_argument("--repo", default="", metavar="R", help="git repository of the kernel: a path or a URL")
    parser.add_argument("--good", action="append", default=[], metavar="REF", help="does not crash; repeatable")
    parser.add_argument("--bad", default="", metavar="REF", help="crashes")
    parser.add_argument("--kernel", default="", metavar="NAME", help="its patches and config go on every commit")
    parser.add_argument("--test", default="", metavar="NAME", help="the test of the plan to boot")
    parser.add_argument(
        "--arch", default="", metavar="ARCH", help="architecture of kernel and guests, in place of the plan's"
    )
    parser.add_argument("--first-parent", action="store_true", help="follow only first parents of merges")
    parser.add_argument(
        "--good-first", action="store_true", help="build and confirm the good end before the search, in any case"
    )
    parser.add_argument(
        "--confidence", type=arguments.number, default=0.99, metavar="P", help="when to stop (default 0.99)"
    )
    parser.add_argument(
        "--resume", nargs="?", const="", metavar="DIR", help="go on with a bisection (default: the newest)"
    )
    _runs(parser)
    _work_options(parser)
    parser.set_defaults(func=_start, takes_trailing=True)


def _work_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--signature", action="append", default=[], metavar="S",
        help="the crash that is looked for: signature, title or pattern, as `kzram-ci oops` prints it, or one of "
        "corruption, fail, hang, boot-failed; repeatable: all mean the same bug (default: what the plan expects, else "
        "what the bad end shows most)",
    )  # fmt: skip
    arguments.add_guests(parser)
    arguments.add_make_jobs(parser)
    parser.add_argument("--accel", choices=arguments.ACCELS, help="overrides the plan's")
    parser.add_argument("--snapshot", choices=arguments.SNAPSHOTS, help=arguments.SNAPSHOT_HELP)
    arguments.add_sandbox(parser, "where REPO is a URL and bubblewrap works")
    parser.add_argument("--json", action="store_true", help="the answer for programs")
    parser.add_argument("--quiet", action="store_true", help="no progress, only the answer")


def _start(args: argparse.Namespace) -> int:
    if args.resume is not None:
        if args.plan or args.repo or args.good or args.bad or args.kernel or args.test or args.arch or args.trailing:
            raise UserError(
                "--resume takes plan, repository and range from the bisection", hint="kzram-ci bisect --resume DIR"
            )
        args.directory = args.resume
        return _resume(args)
    if args.plan in ACTIONS and not args.repo:
        raise UserError(f"{args.plan} comes before all options", hint=f"kzram-ci bisect {args.plan} --help")
    asked = BisectRequest(
        plan=args.plan,
        repository=args.repo,
        goods=tuple(args.good),
        bad=args.bad,
        kernel=args.kernel,
        test=args.test,
        signatures=tuple(args.signature),
        paths=args.trailing,
        first_parent=args.first_parent,
        good_first=args.good_first,
        confidence=args.confidence,
        runs=args.runs,
        arch=args.arch,
    )
    how = _how(args)
    session = begin(asked, warn=lambda text: print(f"kzram-ci: {text}", file=sys.stderr))
    return _go(session, how, as_json=args.json, quiet=args.quiet)


def _resume(args: argparse.Namespace) -> int:
    asked = ResumeRequest(directory=args.directory, runs=args.runs, signatures=tuple(args.signature))
    return _go(reopen(asked), _how(args), as_json=args.json, quiet=args.quiet)


def _how(args: argparse.Namespace) -> WorkRequest:
    accel, snapshot = arguments.accel(args.accel), arguments.snapshot(args.snapshot)
    return WorkRequest(
        jobs=args.jobs,
        cpus=args.cpus,
        make_jobs=args.make_jobs,
        accel=accel,
        snapshot=snapshot,
        sandbox=args.sandbox,
    )


def _go(session: Session, how: WorkRequest, *, as_json: bool, quiet: bool) -> int:
    """Work until there is an answer, and show it."""
    from kzram_ci.bisect.run import work  # all of building and booting; no other action needs it

    root, lines = os.path.relpath(session.path), Lines(session, quiet=quiet)
    lines.begin(root)
    try:
        work(session, how, tell=lines.tell, listener=lines.listen)
    except KzramError:
        if not quiet:
            print(f"kzram-ci: go on with: kzram-ci bisect --resume {root}", file=sys.stderr)
        raise
    if as_json:
        _print_json(session)
    else:
        _print(status.answer_text(session.findings, directory=root))
    return status.exit_code(session.findings)


def _print(lines: Sequence[str]) -> None:
    sys.stdout.write(printable("".join(f"{line}\n" for line in lines), sys.stdout))


def _print_json(session: Session) -> None:
    print(json.dumps(status.as_json(session.findings, directory=str(session.path)), indent=2))


def _status(args: argparse.Namespace) -> int:
    session = reopen(ResumeRequest(directory=args.directory, runs=args.runs))
    if args.json:
        _print_json(session)
    else:
        _print(status.status_text(session.findings, directory=os.path.relpath(session.path)))
    return 0


def _log(args: argparse.Namespace) -> int:
    session = reopen(ResumeRequest(directory=args.directory, runs=args.runs))
    sys.stdout.write(printable(status.log_text(session.findings), sys.stdout))
    return 0


def _mark(args: argparse.Namespace) -> int:
    asked = MarkRequest(commit=args.commit, side=args.side, directory=args.directory, runs=args.runs)
    session, commit = mark(asked)
    print(f"{commit[:12]} is marked {args.side}; kzram-ci bisect --resume {os.path.relpath(session.path)}")
    return 0
