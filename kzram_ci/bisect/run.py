"""A session from where it stands to its answer: kernels and guests of this host, reports after every step."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from kzram_ci.base import budget
from kzram_ci.base.cache import cache_root
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import KzramError
from kzram_ci.base.files import held
from kzram_ci.bisect.belief.decide import Answer
from kzram_ci.bisect.reports import files
from kzram_ci.bisect.session.engine import Engine
from kzram_ci.bisect.session.request import WorkRequest
from kzram_ci.bisect.session.runner import LocalRunner
from kzram_ci.bisect.session.store import Session
from kzram_ci.kernel.sandbox import wanted
from kzram_ci.kernel.workshop import KernelContext
from kzram_ci.model.events import Listener
from kzram_ci.model.source import theirs
from kzram_ci.run.pool import host_budget, too_many
from kzram_ci.run.stages import real_stages


def work(session: Session, request: WorkRequest, *, tell: Callable[[str, str], None], listener: Listener) -> Answer:
    """Go on until there is an answer; reports are up to date after every step, also after an error.

    Raises UserError when another process works on it, InfraError, Interrupted, OutOfTime.
    """
    with held(session.path):
        engine = Engine(
            session=session,
            runner=local_runner(session, request, tell, listener),
            tell=tell,
            show=lambda: files.write(session),
            until=Deadline.after(request.budget_s) if request.budget_s else None,
        )
        try:
            return engine.run()
        except KzramError:
            files.write(session)
            raise


def local_runner(
    session: Session, request: WorkRequest, tell: Callable[[str, str], None], listener: Listener
) -> LocalRunner:
    """Builds and boots on this host, as `kzram-ci run` does."""
    boxed = wanted(request.sandbox, partial(tell, ""), theirs=theirs(session.asked.cell.kernel.source))
    jobs = request.make_jobs or budget.cpus()
    context = KernelContext(cache=cache_root(), listener=listener, jobs=jobs, sandbox=boxed)
    stages, _ = real_stages(context, request.accel, request.snapshot)
    limit = host_budget(request.jobs, request.cpus)
    if fewer := too_many(limit, [session.asked.cell.machine] * request.jobs):
        tell("", fewer)
    return LocalRunner(
        store=session.asked.store,
        repository=session.asked.repository,
        cell=session.asked.cell,
        stages=stages,
        context=context,
        budget=limit,
    )
