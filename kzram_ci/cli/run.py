"""`kzram-ci run`: a plan from sources to JUnit."""

from __future__ import annotations

import argparse
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from kzram_ci.base.cache import cache_root
from kzram_ci.base.errors import InfraError, KzramError, UserError
from kzram_ci.cli import progress
from kzram_ci.cli.kernel_option import KERNEL_HELP, REFRESH_HELP
from kzram_ci.cli.repeat_option import REPEAT_HELP, repeat, repeated
from kzram_ci.host import environment
from kzram_ci.model.cell import Plan
from kzram_ci.model.evidence import CellResult
from kzram_ci.model.machine import Accel
from kzram_ci.results import history as store
from kzram_ci.results import rundir
from kzram_ci.results.reports import table
from kzram_ci.results.rundir import RunDir
from kzram_ci.run.plan_run import PlanRun
from kzram_ci.run.pool import host_budget
from kzram_ci.run.selection import Selection, plan_of, plan_without_name, selected
from kzram_ci.run.stages import real_stages
from kzram_ci.verdict.exitcode import exit_code

if TYPE_CHECKING:
    from argparse import _SubParsersAction

_TOOLS_SECONDS = 60.0  # for asking every tool its version

EPILOG = """\
exit codes: 0 all ok · 1 findings · 2 usage or plan · 3 inconclusive · 4 a kernel did not patch, configure or
build · 69 infrastructure · 130 interrupted. With --bisect-run: 0 good · 1 bad · 125 skip · 128 abort.

examples:
  kzram-ci run testplans/overrun.yaml
  kzram-ci run overrun --kernel unstable --test 'anonmutate*' --repeat 5
  kzram-ci run overrun --kernel stock --kernel git:../linux@v6.13
  kzram-ci run --kernel image:/boot/vmlinuz-$(uname -r)
  git bisect run kzram-ci run my-plan.yaml --bisect-run --kernel directory:. --repeat auto
  kzram-ci run --resume runs/20260101T000000Z-overrun-1a2b3c
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
    parser.add_argument("--repeat", type=repeat, default=0, metavar="N|auto", help=REPEAT_HELP)
    parser.add_argument("--runs", type=Path, default=Path("runs"), metavar="DIR", help="where run directories go")
    parser.add_argument("--resume", type=Path, metavar="RUNDIR", help="go on where a stopped run was")
    parser.add_argument(
        "--jobs", type=int, default=0, metavar="N", help="guests at a time (default: what the host bears)"
    )
    parser.add_argument("--refresh", action="store_true", help=REFRESH_HELP)
    parser.add_argument("--make-jobs", type=int, default=0, metavar="N", help="make -jN (default: all CPUs it may use)")
    parser.add_argument("--accel", choices=[str(word) for word in Accel], help="overrides the plan's")
    parser.add_argument("--bisect-run", action="store_true", help="exit codes for `git bisect run`")
    parser.add_argument("--no-history", action="store_true", help="leave the results out of the history")
    parser.add_argument("--quiet", action="store_true", help="no progress, only the table")
    parser.set_defaults(func=main)


def main(args: argparse.Namespace) -> int:
    """Run, report, return the exit code."""
    run = _open(args)
    history = None if args.no_history else store.default_history()
    try:
        results = _execute(args, run, history)
    except KzramError:
        _show(run)
        raise
    _show(run)
    return exit_code(results, bisect=args.bisect_run)


def _open(args: argparse.Namespace) -> RunDir:
    """A new run directory, or one to go on with. Raises UserError."""
    for name in ("jobs", "make_jobs"):
        if getattr(args, name) < 0:
            raise UserError(f"--{name.replace('_', '-')} cannot be negative")
    if args.resume is not None:
        if args.plan or args.kernel or args.test or args.cell:
            raise UserError(
                "--resume takes its plan from the run directory", hint=f"kzram-ci run --resume {args.resume}"
            )
        return rundir.resume(args.resume)
    name = args.plan or plan_without_name(args.kernel)
    if not name:
        raise UserError("no plan", hint="kzram-ci run testplans/overrun.yaml")
    path = Path(name)
    # The expanded plan of a run: `repro.sh` needs neither plan nor kernel files.
    plan = rundir.open_run(path.parent).plan if path.name == rundir.PLAN_JSON else plan_of(name)
    history = None if args.no_history else store.default_history()
    asked = selected(plan, Selection(kernels=tuple(args.kernel), tests=tuple(args.test), cells=tuple(args.cell)))
    if args.bisect_run:
        _warn(asked)
    return rundir.create(args.runs, repeated(asked, args.repeat, history, whole=plan))


def _warn(plan: Plan) -> None:
    """Say it when "good" will mean the opposite of what `git bisect` users expect."""
    for cell in plan.cells:
        if cell.expect.outcome == "oops" and not cell.control:
            text = "the plan expects an oops: a commit that shows it is good, one that does not is bad"
            print(f"kzram-ci: {cell.id}: {text}", file=sys.stderr)


def _execute(args: argparse.Namespace, run: RunDir, history: store.History | None) -> tuple[CellResult, ...]:
    plan: Plan = run.plan
    run.note_environment(environment.describe())
    if history is not None:
        history.add_run(run.path.name, plan, run.path)
    with (
        _tools_noted(run),
        Path(os.devnull).open("w") as nowhere,
        progress.watch(plan, nowhere if args.quiet else sys.stderr) as listener,
    ):
        stages, chosen = real_stages(
            cache=cache_root(),
            make_jobs=args.make_jobs,
            listener=listener,
            wanted=Accel(args.accel) if args.accel else None,
            refresh=args.refresh,
        )

        def sink(result: CellResult) -> None:
            run.finish(result)
            run.note_environment({"accel": {arch: f"{c.accel}: {c.why}" for (_, arch), c in chosen.accels.items()}})
            if history is not None:
                _remember(history, run, result)

        PlanRun(
            plan=plan,
            stages=stages,
            budget=host_budget(args.jobs or plan.jobs),
            place=run.place,
            sink=sink,
            listener=listener,
        ).execute(done=run.finished())
    return run.results()


@contextmanager
def _tools_noted(run: RunDir) -> Iterator[None]:
    """Ask the tools for their versions beside the run: asking first would delay the first boot by a quarter."""
    asking = threading.Thread(target=lambda: run.note_environment(environment.tools()), name="tools", daemon=True)
    asking.start()
    try:
        yield
    finally:
        asking.join(_TOOLS_SECONDS)


def _remember(history: store.History, run: RunDir, result: CellResult) -> None:
    """The run directory is the record; a history that cannot be written is worth a word, not the run."""
    try:
        history.add_result(run.path.name, result)
    except InfraError as error:
        print(f"kzram-ci: history: {error}", file=sys.stderr)


def _show(run: RunDir) -> None:
    shown = os.path.relpath(run.path)
    root = shown if not shown.startswith("..") else str(run.path)
    files = [f"{root}/{name}" for name in rundir.REPORTS if name != "kcidb.json"]
    table.show(run.view(), sys.stdout, root=root, files=files)
