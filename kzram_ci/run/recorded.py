"""A run from what was asked to results on disk: the plan, its run directory, the scheduler, the history."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from kzram_ci.base import budget
from kzram_ci.base.cache import cache_root
from kzram_ci.base.errors import InfraError, UserError
from kzram_ci.kernel.workshop import KernelContext
from kzram_ci.model.cell import Plan
from kzram_ci.model.events import Listener
from kzram_ci.model.evidence import CellResult
from kzram_ci.model.layout import REPORTS, RunFile
from kzram_ci.model.machine import Accel, AccelChoice
from kzram_ci.results import rundir
from kzram_ci.results.draw import Reports
from kzram_ci.results.history import History, default_history
from kzram_ci.results.reports.summary_model import RunView
from kzram_ci.results.rundir import RunDir
from kzram_ci.run.plan_run import PlanRun
from kzram_ci.run.pool import host_budget
from kzram_ci.run.selection import Selection, plan_of, plan_with, plan_without_name, selected
from kzram_ci.run.stages import real_stages
from kzram_ci.verdict import repeats

_TOOLS_SECONDS = 60.0  # for asking every tool its version

Warn = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """What to run, and how. `plan`: a file or a name; "" for ready images alone. `repeats`: None for the plan's own,
    "auto" for as many as "good" needs.

    `resume`: a run directory to go on with, in place of plan and selection. `accel`: in place of the plan's.
    """

    plan: str = ""
    selection: Selection = Selection()
    repeats: int | Literal["auto"] | None = None
    runs: Path = Path("runs")
    resume: Path | None = None
    jobs: int = 0
    make_jobs: int = 0
    accel: Accel | None = None
    refresh: bool = False
    record: bool = True  # in the history
    for_git: bool = False  # `git bisect run` reads the exit code

    @property
    def history(self) -> History | None:
        """Where results of all runs go."""
        return default_history() if self.record else None


def begin(request: RunRequest, warn: Warn) -> RunDir:
    """A new run directory, or one to go on with. Raises UserError."""
    for option, value in (("--jobs", request.jobs), ("--make-jobs", request.make_jobs)):
        if value < 0:
            raise UserError(f"{option} cannot be negative")
    if request.resume is not None:
        if request.plan or not request.selection.everything:
            raise UserError(
                "--resume takes its plan from the run directory", hint=f"kzram-ci run --resume {request.resume}"
            )
        return rundir.resume(request.resume)
    name = request.plan or plan_without_name(request.selection.kernels)
    if not name:
        raise UserError("no plan", hint="kzram-ci run testplans/overrun.yaml")
    path = Path(name)
    # The expanded plan of a run: `repro.sh` needs neither plan nor kernel files.
    expanded = path.name == RunFile.PLAN
    whole = rundir.open_run(path.parent).plan if expanded else plan_of(name)
    plan = selected(whole, request.selection, None if expanded else partial(plan_with, name))
    if request.for_git:
        _warn_of_turned_codes(plan, warn)
    return rundir.create(request.runs, _repeated(plan, request, whole, warn))


def _warn_of_turned_codes(plan: Plan, warn: Warn) -> None:
    """Say it when "good" will mean the opposite of what `git bisect` users expect."""
    for cell in plan.cells:
        if cell.expect.outcome == "oops" and not cell.control:
            warn(f"{cell.id}: the plan expects an oops: a commit that shows it is good, one that does not is bad")


def _repeated(plan: Plan, request: RunRequest, whole: Plan, warn: Warn) -> Plan:
    if request.repeats is None:
        return plan
    if request.repeats != "auto":
        return repeats.times(plan, request.repeats)
    records = history.records(plan=plan.name) if (history := request.history) is not None else ()
    often, lines = repeats.often_enough(plan, (record.result for record in records), whole=whole)
    for line in lines:
        warn(line)
    return often


def execute(
    request: RunRequest, run: RunDir, *, tools: Callable[[], Mapping[str, Any]], listener: Listener, warn: Warn
) -> tuple[CellResult, ...]:
    """Run what is not finished yet; every result is on disk as soon as it is known. `tools`: for environment.json.

    Raises UserError, InfraError, Interrupted after every result that could be had.
    """
    plan, history = run.plan, request.history
    if history is not None:
        history.add_run(run.path.name, plan, run.path)
    jobs = request.make_jobs or budget.cpus()
    context = KernelContext(cache=cache_root(), jobs=jobs, listener=listener, refresh=request.refresh)
    stages, chosen = real_stages(context, request.accel)

    def sink(result: CellResult) -> None:
        run.finish(result)
        run.note_environment(_accelerators(chosen.accels))
        if history is not None:
            _remember(history, run, result, warn)

    done = run.finished()
    plan = stages.ahead(plan, done)
    with Reports(run=run).kept_up(), _noted_meanwhile(run, tools):
        PlanRun(
            plan=plan,
            stages=stages,
            budget=host_budget(request.jobs or plan.jobs),
            place=run.cell_dir,
            sink=sink,
            listener=listener,
        ).execute(done=done, before=tuple(result for result in run.results() if result.id in done))
    return run.results()


def _accelerators(chosen: Mapping[tuple[Accel, str], AccelChoice]) -> dict[str, Any]:
    """For environment.json: what each architecture's guests ran on, and in full why not on KVM."""
    details = {arch: choice.detail for (_, arch), choice in chosen.items() if choice.detail}
    accels = {arch: str(choice) for (_, arch), choice in chosen.items()}
    return {"accel": accels, **({"accel_detail": details} if details else {})}


@contextmanager
def _noted_meanwhile(run: RunDir, ask: Callable[[], Mapping[str, Any]]) -> Iterator[None]:
    """Ask the tools for their versions beside the run: asking first would delay the first boot by a quarter."""
    asking = threading.Thread(target=lambda: run.note_environment(ask()), name="tools", daemon=True)
    asking.start()
    try:
        yield
    finally:
        asking.join(_TOOLS_SECONDS)


def _remember(history: History, run: RunDir, result: CellResult, warn: Warn) -> None:
    """The run directory is the record; a history that cannot be written is worth a warning, not the run."""
    try:
        history.add_result(run.path.name, result)
    except InfraError as error:
        warn(f"history: {error}")


def view_of(run: RunDir) -> RunView:
    """What there is to show of a run."""
    return Reports(run=run).view()


def shown_at(run: RunDir) -> str:
    """A run directory as a person names it: relative to where they are, unless it is elsewhere."""
    relative = os.path.relpath(run.path)
    return str(run.path) if relative.startswith("..") else relative


def report_files(run: RunDir) -> tuple[str, ...]:
    """The reports for people and CI."""
    return tuple(f"{shown_at(run)}/{name}" for name in REPORTS if name != RunFile.KCIDB)
