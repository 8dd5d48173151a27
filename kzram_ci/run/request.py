"""What a run is asked to do, and the run directory that follows from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from pathlib import Path
from typing import Literal

from kzram_ci.base.errors import UserError
from kzram_ci.base.spans import span
from kzram_ci.base.values import dataclass
from kzram_ci.model.cell import Cell, Plan
from kzram_ci.model.layout import RunFile
from kzram_ci.model.machine import Accel, Snapshot
from kzram_ci.results import rundir
from kzram_ci.results.history import History, default_history
from kzram_ci.results.reports.sanitize import one_line
from kzram_ci.results.rundir import RunDir
from kzram_ci.run.elsewhere import Opener
from kzram_ci.run.selection import Selection, again, plan_of, plan_without_name, selected
from kzram_ci.store.shared import Stores
from kzram_ci.verdict import repeats

__all__ = ["RunRequest", "Selection", "Warn", "begin"]

Warn = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """What to run, and how. `plan`: a file or a name; "" for ready images alone. `repeats`: None for the plan's own,
    "auto" for as many as "good" needs.

    `resume`: a run directory to go on with, in place of plan and selection; "newest" for the newest that is not
    finished. `accel`, `snapshot`: in place of the plan's.
    """

    plan: str = ""
    selection: Selection = Selection()
    repeats: int | Literal["auto"] | None = None
    runs: Path = Path("runs")
    resume: Path | Literal["newest"] | None = None
    budget_s: float = 0.0  # seconds for all of it; 0: as long as it takes, and nothing more than that
    jobs: int = 0
    cpus: int = 0
    make_jobs: int = 0
    accel: Accel | None = None
    snapshot: Snapshot | None = None
    refresh: bool = False
    sandbox: bool | None = None  # makefiles run under bubblewrap; None: where the source is theirs
    stores: Stores | None = None  # None: those of the environment
    elsewhere: Opener | None = None  # opens other machines for the cells
    record: bool = True  # in the history
    database: str = field(default="", repr=False)  # of the history, where it is not the usual one; may hold a password
    for_git: bool = False  # `git bisect run` reads the exit code

    @property
    def history(self) -> History | None:
        """Where results of all runs go."""
        return default_history(self.database) if self.record else None


def begin(request: RunRequest, warn: Warn) -> RunDir:
    """A new run directory, or one to go on with. Raises UserError."""
    with span("plan", "plan"):
        return _begun(request, warn)


def _begun(request: RunRequest, warn: Warn) -> RunDir:
    if request.resume is not None:
        if request.plan or not request.selection.everything:
            raise UserError("--resume takes its plan from the run directory", hint="kzram-ci run --resume [RUNDIR]")
        return rundir.resume(rundir.newest(request.runs) if request.resume == "newest" else request.resume)
    name = request.plan or plan_without_name(request.selection.kernels)
    if not name:
        raise UserError("no plan", hint="kzram-ci run testplans/overrun.yaml")
    path = Path(name)
    # The expanded plan of a run: `repro.sh` needs neither plan nor kernel files.
    expanded = path.name == RunFile.PLAN
    before = rundir.open_run(path.parent) if expanded else None
    whole = before.plan if before is not None else plan_of(name, request.selection.archs)
    recorded = before.finished_results() if before is not None else ()
    plan = selected(whole, request.selection, None if expanded else again(name, request.selection), recorded)
    if not expanded and (lost := _controls_left_out(whole, plan)):
        warn(lost)
    if request.for_git:
        _warn_of_turned_codes(plan, warn)
    return rundir.create(request.runs, _repeated(plan, request, whole, warn))


def _controls_left_out(whole: Plan, plan: Plan) -> str:
    """What a selection gives up: without a control, a pass does not say that this run would have seen a crash."""
    had, kept = _controls(whole), _controls(plan)
    if len(kept) == len(plan.cells):  # the controls themselves are what was asked for
        return ""
    crashing = [cell for cell in had if cell.expect.outcome == "oops"]
    if had and not kept:
        lost, what = had, "no control is selected"
    elif crashing and not any(cell.expect.outcome == "oops" for cell in kept):
        lost, what = crashing, "no control that must crash is selected"
    else:
        return ""
    names = one_line(", ".join(cell.id for cell in lost), 200)
    return f"{what}: this run cannot show that it separates a good kernel from a bad one; left out: {names}"


def _controls(plan: Plan) -> list[Cell]:
    return [cell for cell in plan.cells if cell.control and not cell.skip]


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
