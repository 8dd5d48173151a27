"""`kzram-ci bisect`: the commit that brought a crash, with a stated confidence."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from kzram_ci.base import budget, clock
from kzram_ci.base.cache import cache_root
from kzram_ci.base.errors import KzramError, UserError
from kzram_ci.bisect.belief.decide import Answer, Kind
from kzram_ci.bisect.belief.model import Observation, Settings
from kzram_ci.bisect.belief.posterior import posterior
from kzram_ci.bisect.reports import files as reports
from kzram_ci.bisect.reports.view import view_of, words
from kzram_ci.bisect.session import history as ranges
from kzram_ci.bisect.session import request
from kzram_ci.bisect.session import store as session
from kzram_ci.bisect.session.engine import Engine
from kzram_ci.bisect.session.observations import expectation
from kzram_ci.bisect.session.runner import RealLab
from kzram_ci.bisect.session.store import Session
from kzram_ci.cli.progress import say_seconds
from kzram_ci.kernel.workshop import KernelContext
from kzram_ci.model.events import Event
from kzram_ci.model.machine import Accel
from kzram_ci.plan.library import find_kernel, find_plan, known_kernels
from kzram_ci.plan.load import load_plan
from kzram_ci.results.reports.sanitize import one_line
from kzram_ci.results.reports.table import printable
from kzram_ci.run.pool import host_budget
from kzram_ci.run.stages import real_stages

EPILOG = """\
A crash that comes only sometimes needs several boots of a commit, and a probability as the answer. The bad end is
confirmed first, and so is the good end where its kernel is built already or --good-first is given; else it is one more
commit to choose from, for every clean commit vouches for its ancestors. Then the commit that tells most for its build
and boots is next; at the end culprit and parent are verified, and the culprit is reverted on the bad end where that
applies. The repository is only read.

  kzram-ci bisect log [DIR]                    what `git bisect replay` takes
  kzram-ci bisect status [DIR] [--json]        how far it is
  kzram-ci bisect mark COMMIT good|bad|skip    tell it what you know, also while it is stopped; then --resume
(DIR: a bisection below runs/; without it the newest.)

exit codes: 0 the culprit was found · 1 no commit of the range is to blame · 2 usage, plan or range · 3 several commits
are left that cannot be told apart, or an end cannot be tested · 4 an end cannot be built · 69 infrastructure ·
130 interrupted (go on with --resume)

examples:
  kzram-ci bisect overrun --repo ../linux --good v6.12 --bad v6.13 --kernel stock --test anonmutate-failslab
  kzram-ci bisect my-plan.yaml --repo ../linux --good v6.12 --bad HEAD -- mm drivers/block/zram
  kzram-ci bisect my-plan.yaml --repo ../linux --good v6.1 --bad v6.12 --signature 'null_deref:obj_malloc'
  kzram-ci bisect --resume
"""
ACTIONS = ("log", "status", "mark")
FOUND, NONE, OPEN, UNBUILT = 0, 1, 3, 4
_MARKS = {"good": Observation.MARK_GOOD, "bad": Observation.MARK_BAD, "skip": Observation.SKIP}
_BUILD_QUIET_SECONDS = 10.0


def add_parser(subparsers: Any) -> None:
    """Describe the command."""
    parser = subparsers.add_parser(
        "bisect",
        usage="kzram-ci bisect PLAN --repo R --good REF --bad REF [options] [-- PATH...]\n"
        "       kzram-ci bisect --resume [DIR]\n"
        "       kzram-ci bisect log|status [DIR]\n"
        "       kzram-ci bisect mark COMMIT good|bad|skip [DIR]",
        help="find the commit that brought a crash, even one that comes only sometimes",
        description="Find the commit that brought a crash, by a posterior over the commits between good and bad.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "words", nargs="*", metavar="PLAN", help="file, or name of a plan that ships; log, status, mark"
    )
    parser.add_argument("--repo", metavar="R", help="git repository of the kernel: a path or a URL")
    parser.add_argument("--good", action="append", default=[], metavar="REF", help="does not crash; may be repeated")
    parser.add_argument("--bad", metavar="REF", help="crashes")
    parser.add_argument("--kernel", default="", metavar="NAME", help="whose patches and config go on every commit")
    parser.add_argument("--test", default="", metavar="NAME", help="the test of the plan to boot")
    parser.add_argument(
        "--signature", action="append", default=[], metavar="S",
        help="the crash that is looked for: signature, title or pattern, as `kzram-ci oops` prints it, or one of "
        "corruption, fail, hang; repeated: these are the same (default: what the plan expects, else learnt)",
    )  # fmt: skip
    parser.add_argument("--first-parent", action="store_true", help="follow only first parents of merges")
    parser.add_argument(
        "--good-first", action="store_true", help="build and confirm the good end before the search, in any case"
    )
    parser.add_argument("--confidence", type=float, default=0.99, metavar="P", help="when to stop (default 0.99)")
    parser.add_argument(
        "--resume", nargs="?", const="", metavar="DIR", help="go on with a bisection (default: the newest)"
    )
    parser.add_argument("--runs", type=Path, default=Path("runs"), metavar="DIR", help="where run directories go")
    parser.add_argument(
        "--jobs", type=int, default=0, metavar="N", help="guests at a time (default: what the host bears)"
    )
    parser.add_argument("--make-jobs", type=int, default=0, metavar="N", help="make -jN (default: all CPUs it may use)")
    parser.add_argument("--accel", choices=[str(word) for word in Accel], help="overrides the plan's")
    parser.add_argument("--json", action="store_true", help="the answer, or the status, for programs")
    parser.add_argument("--quiet", action="store_true", help="no progress, only the answer")
    _keep_paths(parser)
    parser.set_defaults(func=main)


def _keep_paths(parser: argparse.ArgumentParser) -> None:
    """Words after -- are paths. argparse alone would take them for more positional words, or refuse them."""
    usual: Callable[..., Any] = parser.parse_known_args

    def parse(args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None) -> Any:
        given = list(args or ())
        cut = given.index("--") if "--" in given else len(given)
        found, rest = usual(given[:cut], namespace)
        found.paths = tuple(given[cut + 1 :])
        return found, rest

    parser.parse_known_args = parse  # type: ignore[method-assign, assignment]


def main(args: argparse.Namespace) -> int:
    """Bisect, or look at a bisection. Raises UserError for words that fit nothing."""
    action, *rest = args.words or [""]
    if action in ACTIONS and args.repo is None:
        return _ACTIONS[action](args, rest)
    if rest:
        raise UserError(f"{rest[0]!r} is one word too many", hint="paths come after --")
    opened = _again(args) if args.resume is not None else _begin(args)
    with session.held(opened.path):
        answer = _work(args, opened)
    _show(args, opened)
    return _code(opened, answer)


def _begin(args: argparse.Namespace) -> Session:
    """A new bisection; nothing is built before all that can be checked is checked."""
    if not args.words:
        raise UserError("no plan", hint="kzram-ci bisect PLAN --repo R --good REF --bad REF")
    missing = [f"--{name}" for name in ("repo", "good", "bad") if not getattr(args, name)]
    if missing:
        raise UserError(f"{' and '.join(missing)} missing", hint="kzram-ci bisect PLAN --repo R --good REF --bad REF")
    if not all(args.signature):
        raise UserError("--signature is empty", hint="leave it out, or name a signature (kzram-ci oops prints it)")
    if not 0.5 < args.confidence < 1.0:
        raise UserError(
            f"--confidence {args.confidence} is no probability above 0.5 and below 1", hint="--confidence 0.99"
        )
    plan = load_plan(find_plan(args.words[0]), find_kernel=find_kernel, known_kernels=known_kernels())
    cell, others = request.pick(plan, args.kernel, args.test)
    expectation(cell, others, tuple(args.signature))
    found = ranges.find(
        args.repo, bad=args.bad, goods=args.good, paths=args.paths, first_parent=args.first_parent,
        cache=cache_root(),
    )  # fmt: skip
    for note in found.notes:
        print(f"kzram-ci: {note}", file=sys.stderr)
    return request.begin(
        plan, cell, others, found, signatures=tuple(args.signature), paths=args.paths, first_parent=args.first_parent,
        settings=Settings(confidence=args.confidence, good_first=args.good_first), root=args.runs,
    )  # fmt: skip


def _again(args: argparse.Namespace) -> Session:
    """One that was stopped; more signatures may be given, everything else is what it was."""
    if args.words or args.repo or args.good or args.bad or args.kernel or args.test or args.paths:
        raise UserError(
            "--resume takes plan, repository and range from the bisection", hint="kzram-ci bisect --resume DIR"
        )
    opened = session.load(Path(args.resume) if args.resume else session.last(args.runs))
    return session.widen(opened, tuple(args.signature)) if args.signature else opened


def _work(args: argparse.Namespace, opened: Session) -> Answer:
    lines = _Lines(opened, quiet=args.quiet)
    size = opened.start.graph.candidates
    lines.tell("", f"{size} commit{'' if size == 1 else 's'} in {os.path.relpath(opened.path)}")
    if opened.asked.note:
        lines.tell("", opened.asked.note)
    cache = cache_root()
    stages, _ = real_stages(
        cache=cache, make_jobs=args.make_jobs, listener=lines.listen, wanted=Accel(args.accel) if args.accel else None
    )
    lab = RealLab(
        store=opened.asked.store,
        cell=opened.asked.cell,
        stages=stages,
        context=KernelContext(cache=cache, jobs=args.make_jobs or budget.cpus(), listener=lines.listen),
        budget=host_budget(args.jobs),
        jobs=args.jobs,
    )
    engine = Engine(session=opened, lab=lab, tell=lines.tell, show=lambda: reports.write(opened))
    try:
        return engine.run()
    except KzramError:
        reports.write(opened)
        if not args.quiet:
            print(f"kzram-ci: go on with: kzram-ci bisect --resume {os.path.relpath(opened.path)}", file=sys.stderr)
        raise


class _Lines:
    """Progress as plain lines: what is asked next and why, every build, every boot."""

    def __init__(self, opened: Session, *, quiet: bool) -> None:
        self._opened, self._quiet = opened, quiet
        self._began, self._built = clock.monotonic(), 0.0

    def tell(self, subject: str, text: str) -> None:
        """A line about a commit, or about all."""
        if self._quiet:
            return
        commit = self._opened.commit(subject)
        name = f"{subject[:12]} {one_line(commit.subject, 50)}".strip()
        line = one_line(f"{name}: {text}" if subject else text, 300)
        passed = clock.monotonic() - self._began
        sys.stderr.write(printable(f"[{say_seconds(passed):>7}] {line}\n", sys.stderr))
        sys.stderr.flush()

    def listen(self, event: Event) -> None:
        """What building tells; the boots tell by themselves."""
        if event.kind == "build-start":
            self._built = clock.monotonic()
        if event.kind == "note":
            self.tell("", f"{event.subject}: {event.text}")
        if event.kind == "build-progress" and clock.monotonic() - self._built > _BUILD_QUIET_SECONDS:
            self._built = clock.monotonic()
            of = f" of about {event.total:,}" if event.total else ""
            self.tell("", f"building: {event.done:,}{of} objects")


def _show(args: argparse.Namespace, opened: Session) -> None:
    if args.json:
        print(json.dumps(_as_json(opened), indent=2))
        return
    root = os.path.relpath(opened.path)
    lines = [*words(opened), "", f"report: {root}/{reports.PAGE} · {root}/{reports.JUNIT} · {root}/{reports.LOG}"]
    sys.stdout.write(printable("".join(f"{one_line(line, 500)}\n" for line in lines), sys.stdout))


def _code(opened: Session, answer: Answer) -> int:
    if answer.kind is Kind.UNTESTABLE_END:
        build = opened.build(answer.commits[0] if answer.commits else opened.bad)
        return UNBUILT if build is not None and build.failed else OPEN
    codes = {Kind.CULPRIT: FOUND, Kind.SUSPECTS: OPEN, Kind.NONE: NONE, Kind.NOT_REPRODUCED: NONE}
    return codes[answer.kind]


def _named(args: argparse.Namespace, rest: Sequence[str]) -> Session:
    if len(rest) > 1:
        raise UserError(f"{rest[1]!r} is one word too many", hint=f"kzram-ci bisect {args.words[0]} [DIR]")
    return session.load(Path(rest[0]) if rest else session.last(args.runs))


def _log(args: argparse.Namespace, rest: Sequence[str]) -> int:
    sys.stdout.write(printable(reports.log_text(_named(args, rest)), sys.stdout))
    return 0


def _status(args: argparse.Namespace, rest: Sequence[str]) -> int:
    opened = _named(args, rest)
    if args.json:
        print(json.dumps(_as_json(opened), indent=2))
        return 0
    view = view_of(opened)
    lines = [os.path.relpath(opened.path), *view.lines, *view.notes]
    for commit in view.visited():
        roles = f" [{', '.join(commit.roles)}]" if commit.roles else ""
        told = commit.tally() or commit.build or f"marked {commit.mark}"
        head = f"{commit.name[:12]} {commit.side or 'open':4} {commit.probability:6.1%}"
        lines.append(f"  {head} {one_line(commit.subject, 60)}{roles}: {told}")
    sys.stdout.write(printable("".join(f"{line}\n" for line in lines), sys.stdout))
    return 0


def _mark(args: argparse.Namespace, rest: Sequence[str]) -> int:
    if len(rest) not in (2, 3) or rest[1] not in _MARKS:
        raise UserError("mark what as what?", hint="kzram-ci bisect mark COMMIT good|bad|skip [DIR]")
    opened = _named(args, rest[2:])
    names = [name for name in opened.start.graph.names if name.startswith(rest[0].lower())]
    if len(names) != 1:
        told = (
            f"{len(names)} commits of this bisection begin with" if names else "no commit of this bisection begins with"
        )
        raise UserError(f"{told} {rest[0]!r}", hint="give more digits; kzram-ci bisect status lists commits")
    marks = (*opened.facts.marks, (names[0], _MARKS[rest[1]]))
    with session.held(opened.path):
        opened.facts = replace(session.load(opened.path).facts, marks=marks)
        posterior(opened.state())  # raises when the marks contradict each other, before they are kept
        opened.note(answer=None, revert=None)
        reports.write(opened)
    print(f"{names[0][:12]} is marked {rest[1]}; kzram-ci bisect --resume {os.path.relpath(opened.path)}")
    return 0


_ACTIONS = {"log": _log, "status": _status, "mark": _mark}


def _as_json(opened: Session) -> dict[str, Any]:
    from kzram_ci.model import codec

    view, answer = view_of(opened), opened.facts.answer
    commits = [
        {"commit": c.name, "subject": c.subject, "probability": c.probability, "side": c.side, "roles": list(c.roles),
         "boots": {what: c.count(what) for what in dict.fromkeys(boot.what for boot in c.boots)}, "build": c.build}
        for c in view.visited()
    ]  # fmt: skip
    return {
        "directory": str(opened.path),
        "done": view.done,
        "answer": codec.to_json(answer) if answer is not None else None,
        "revert": codec.to_json(opened.facts.revert) if opened.facts.revert is not None else None,
        "wanted": view.wanted,
        "no_culprit": view.none,
        "lines": list(view.lines),
        "notes": list(view.notes),
        "commits": commits,
    }
