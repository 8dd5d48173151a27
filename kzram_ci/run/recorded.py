"""A run in its directory: the scheduler, each result on disk and in the history, reports kept up."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from kzram_ci.base import budget, files
from kzram_ci.base.cache import cache_root
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import InfraError, Interrupted, KzramError
from kzram_ci.base.spans import span
from kzram_ci.base.units import say_count, say_duration
from kzram_ci.kernel.sandbox import wanted
from kzram_ci.kernel.workshop import KernelContext
from kzram_ci.model.again import base_id
from kzram_ci.model.cell import Plan
from kzram_ci.model.events import Listener, Note
from kzram_ci.model.evidence import CellResult
from kzram_ci.model.layout import FOR_PROGRAMS, REPORTS
from kzram_ci.model.machine import Accel, AccelChoice
from kzram_ci.model.outcome import Outcome
from kzram_ci.model.source import theirs
from kzram_ci.results.draw import Reports
from kzram_ci.results.history import History
from kzram_ci.results.kept import keep
from kzram_ci.results.reports.summary_model import RunView
from kzram_ci.results.rundir import RunDir
from kzram_ci.run.again import Repeats, least_known_first, past_of
from kzram_ci.run.blaming import blames
from kzram_ci.run.plan_run import PlanRun
from kzram_ci.run.pool import host_budget, too_many
from kzram_ci.run.request import RunRequest, Warn
from kzram_ci.run.stages import real_stages
from kzram_ci.store.shared import Shelf

_TOOLS_SECONDS = 60.0  # for asking every tool its version
HISTORY_FAILURES = 3


def execute(
    request: RunRequest, run: RunDir, *, tools: Callable[[], Mapping[str, Any]], listener: Listener, warn: Warn
) -> tuple[CellResult, ...]:
    """Run what is not finished yet; every result is on disk as soon as it is known. `tools`: for environment.json.

    Raises UserError, InfraError, Interrupted (which says how to go on) after every result that could be had.
    """
    with files.held(run.path):
        try:
            return _execute(request, run, tools=tools, listener=listener, warn=warn)
        except Interrupted as stop:
            done = sum(cell.id in run.finished() for cell in run.plan.cells)
            of = f"{done} of {say_count(len(run.plan.cells), 'cell')} done"
            what = "interrupted" if type(stop) is Interrupted else stop.message
            raise type(stop)(f"{what}, {of}; to go on: kzram-ci run --resume {shown_at(run)}") from stop


def _execute(
    request: RunRequest, run: RunDir, *, tools: Callable[[], Mapping[str, Any]], listener: Listener, warn: Warn
) -> tuple[CellResult, ...]:
    plan, history = run.plan, request.history
    until = Deadline.after(request.budget_s) if request.budget_s else None
    memory = None if history is None else _Memory(history, run, warn)
    if history is not None:
        history.add_run(run.path.name, plan, run.path)
    jobs = request.make_jobs or budget.cpus()
    context = KernelContext(
        cache=cache_root(),
        jobs=jobs,
        listener=listener,
        refresh=request.refresh,
        sandbox=wanted(request.sandbox, warn, theirs=any(theirs(cell.kernel.source) for cell in plan.cells)),
        shelf=Shelf(request.stores),
    )
    stages, chosen = real_stages(context, request.accel, request.snapshot)

    def sink(result: CellResult) -> None:
        with span("record", "record", cell=result.id):
            run.finish(result)
        run.note_environment(_accelerators(chosen.accels))
        if memory is not None and result.judgement.outcome is not Outcome.NOT_RUN:
            with span("history", "record", cell=result.id):
                memory.add(result)

    done = run.finished()
    with span("look ahead", "plan"):
        plan = stages.ahead(plan, done)
    limit = host_budget(request.jobs or plan.jobs, request.cpus)
    todo = (cell.machine for cell in plan.cells if cell.id not in done and not cell.skip)
    if request.elsewhere is None and (fewer := too_many(limit, todo)):
        warn(fewer)
    night = _night(request, run, history, plan, until) if until is not None else None
    away = nullcontext() if request.elsewhere is None else request.elsewhere(context, request.accel)
    with away as elsewhere, Reports(run=run, history=history).kept_up(), _noted_meanwhile(run, tools):
        PlanRun(
            plan=plan if night is None else replace(plan, cells=least_known_first(plan.cells, night.past)),
            stages=stages,
            budget=limit,
            place=run.cell_dir,
            sink=sink,
            listener=listener,
            until=until,
            more=None if night is None else night.more,
            elsewhere=elsewhere,
        ).execute(done=done, before=tuple(result for result in run.results() if result.id in done))
        if night is not None:
            run.note_environment({"budget": f"{say_duration(request.budget_s)}; {night.words()}"})
        if not request.for_git:  # which wants an exit code, a hundred times
            with span("whose code it is", "report"):
                _note_blames(run, cache_root())
    if not request.for_git:
        with span("store", "record"):
            keep(run, context.shelf, lambda text: listener(Note(subject="store", text=text)))
    return run.results()


def _night(request: RunRequest, run: RunDir, history: History | None, plan: Plan, until: Deadline) -> Repeats:
    """What fills a budget: the cells of the plan that are still to run, and what is recorded of them."""
    known = history.records(plan=plan.name) if history is not None else ()
    done = run.finished()
    repeats = [cell for cell in plan.cells if base_id(cell.id) != cell.id]
    return Repeats(
        cells=[cell for cell in plan.cells if cell.id not in done and base_id(cell.id) == cell.id],
        past=past_of(record.result for record in known if record.run != run.path.name),
        until=until,
        salt=run.path.name,
        grow=run.grow,
        made=Counter(base_id(cell.id) for cell in repeats),
    )


def _note_blames(run: RunDir, cache: Path) -> None:
    known = run.blames()
    found = blames(view_of(run), known, cache)
    if found != known:
        run.note_blames(found)


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


class _Memory:
    """The run directory is the record; a history that cannot be written is worth a warning, not the run."""

    def __init__(self, history: History, run: RunDir, warn: Warn) -> None:
        self._history, self._run, self._warn = history, run, warn
        self._failed = 0  # in a row

    def add(self, result: CellResult) -> None:
        """Record a result. A server that is lost costs each result a wait, so it is given up after some."""
        if self._failed >= HISTORY_FAILURES:
            return
        try:
            self._history.add_result(self._run.path.name, result)
        except InfraError as error:
            self._failed += 1
            self._warn(f"history: {error}")
            if self._failed == HISTORY_FAILURES:
                again = f"kzram-ci history import {shown_at(self._run)}"
                self._warn(f"nothing more of this run goes into the history; it is added later by: {again}")
        else:
            self._failed = 0


def usual_seconds(request: RunRequest, run: RunDir) -> dict[str, float]:
    """How long the cells of a run took before; empty where that is not known."""
    try:
        return request.history.seconds(run.plan.name) if request.history is not None else {}
    except KzramError:  # it is only for the view: a history that cannot be used is told when it is written
        return {}


def view_of(run: RunDir, history: History | None = None) -> RunView:
    """What there is to show of a run; with a history also what changed since the last good run."""
    return Reports(run=run, history=history).seen_with_past()


def shown_at(run: RunDir) -> str:
    """A run directory as a person names it: relative to where they are, unless it is elsewhere."""
    relative = os.path.relpath(run.path)
    return str(run.path) if relative.startswith("..") else relative


def report_files(run: RunDir) -> tuple[str, ...]:
    """The reports for people and CI."""
    return tuple(f"{shown_at(run)}/{name}" for name in REPORTS if name not in FOR_PROGRAMS)
