"""A trial from where it stands to its answer: kernels and guests of this host, a report after every test."""

from __future__ import annotations

import re
from collections.abc import Callable

from kzram_ci.base import budget, clock, files
from kzram_ci.base.cache import cache_root
from kzram_ci.base.errors import KzramError, UserError
from kzram_ci.kernel.sandbox import wanted
from kzram_ci.kernel.workshop import KernelContext
from kzram_ci.model import codec
from kzram_ci.model.events import Listener
from kzram_ci.model.evidence import Evidence
from kzram_ci.model.layout import CellFile, RunFile
from kzram_ci.results.reports import html, junit, summary
from kzram_ci.results.reports.summary_model import make_view
from kzram_ci.run.pool import host_budget, too_many
from kzram_ci.run.stages import real_stages
from kzram_ci.trial.findings import Findings
from kzram_ci.trial.reports import text
from kzram_ci.trial.reports.as_run import as_run
from kzram_ci.trial.reports.reply import reply
from kzram_ci.trial.session import store
from kzram_ci.trial.session.builds import Builds
from kzram_ci.trial.session.engine import Engine
from kzram_ci.trial.session.request import WorkRequest
from kzram_ci.trial.session.store import Session


def work(session: Session, request: WorkRequest, *, tell: Callable[[str], None], listener: Listener) -> Findings:
    """Go on until there is an answer; the report is up to date after every test, also after an error.

    Raises UserError when another process works on it, KernelError (patches, build), InfraError, Interrupted.
    """
    with files.held(session.path):
        jobs, boxed = request.make_jobs or budget.cpus(), wanted(request.sandbox, tell)
        context = KernelContext(cache=cache_root(), listener=listener, jobs=jobs, sandbox=boxed)
        stages, _ = real_stages(context, request.accel, request.snapshot)
        limit = host_budget(request.jobs, request.cpus)
        largest = max((test.cell.machine for test in session.asked.tests), key=lambda machine: machine.cpus)
        if fewer := too_many(limit, [largest] * request.jobs):
            tell(fewer)
        engine = Engine(
            session=session,
            stages=stages,
            budget=limit,
            builds=Builds(session=session, stages=stages, tell=tell),
            listener=listener,
            tell=tell,
            show=lambda: write(session),
        )
        try:
            return engine.run()
        except KzramError:
            write(session)
            raise


def write(session: Session) -> None:
    """The report as the facts stand, and the reports of a run of both kernels."""
    found = session.findings()
    files.write_atomic(session.path / store.REPORT, "".join(f"{line}\n" for line in text.report(found)))

    def evidence(directory: str) -> Evidence:
        try:
            return codec.from_json(Evidence, files.read_json(session.path / directory / CellFile.EVIDENCE))
        except (KzramError, ValueError):
            return Evidence()

    plan, results = as_run(found, evidence)
    view = make_view(plan, results, name=session.path.name)
    files.write_atomic(session.path / RunFile.JUNIT, junit.render(view))
    if results:
        files.write_atomic(session.path / RunFile.SUMMARY, summary.render(view))
        files.write_atomic(session.path / RunFile.HTML, html.render(view))


def write_reply(session: Session) -> str:
    """Write a reply to the series beside the report; its path. Raises UserError for a series that was not mail."""
    now = clock.now_utc()
    domain = re.search(r"@([A-Za-z0-9.-]+)>", session.asked.tester)
    name = f"{now:%Y%m%d%H%M%S}.{session.path.name.rpartition('-')[2]}@{domain[1] if domain else 'kzram-ci.invalid'}"
    try:
        mail = reply(session.findings(), now=now, message_id=name)
    except ValueError as error:
        raise UserError(f"--reply: {error}", hint="the report is in report.txt") from error
    path = session.path / store.REPLY
    files.write_atomic(path, mail)
    return str(path)
