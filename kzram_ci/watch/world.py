"""What a watch does on this host: ask the repository, run the plan as `kzram-ci run` does, bisect as `bisect` does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from kzram_ci.base import git
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import CommandFailed, CommandTimeout, InfraError, OutOfTime, UserError
from kzram_ci.base.values import dataclass
from kzram_ci.bisect.belief.decide import Kind
from kzram_ci.bisect.reports.view import view_of
from kzram_ci.bisect.run import work
from kzram_ci.bisect.session import store
from kzram_ci.bisect.session.repository import is_url
from kzram_ci.bisect.session.request import BisectRequest, WorkRequest
from kzram_ci.bisect.session.request import begin as begin_bisection
from kzram_ci.bisect.session.store import Session
from kzram_ci.model.events import Listener
from kzram_ci.model.evidence import CellResult
from kzram_ci.results.rundir import RunDir
from kzram_ci.run.recorded import execute
from kzram_ci.run.request import RunRequest, begin
from kzram_ci.watch.model import Bisected, Found, State
from kzram_ci.watch.session import Note

POLL_SECONDS = 120.0  # for the repository to answer
LEAST_SECONDS = 1.0  # of a bisection whose budget a kill has used up: it says how far it is


@dataclass(frozen=True, slots=True, kw_only=True)
class RealWorld:
    """`how`: options of every run; its plan and selection are the watch's, without the commit."""

    repository: str
    branch: str
    how: RunRequest
    budget_s: float
    watched: Callable[[RunDir], Any]  # a context that gives the listener of a run
    tools: Callable[[], Mapping[str, Any]]
    warn: Callable[[str], None]
    listener: Listener

    def tip(self) -> str:
        """The commit that the branch is at."""
        name, deadline = f"refs/heads/{self.branch}", Deadline.after(POLL_SECONDS)
        try:
            if is_url(self.repository):
                answer = git.run("ls-remote", "--exit-code", self.repository, name, deadline=deadline, check=False)
            else:
                answer = git.run(
                    "rev-parse", "--verify", f"{name}^{{commit}}", at=self.repository, deadline=deadline, check=False
                )
        except (CommandTimeout, CommandFailed) as error:
            raise InfraError(f"{self.repository} does not answer: {error.message}") from error
        commit = answer.text().split()[:1]
        if answer.code == 0 and commit:
            return commit[0]
        said = answer.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
        if is_url(self.repository) and answer.code != 2:  # 2: it answered, and has no such branch
            raise InfraError(f"{self.repository} does not answer: {' '.join(said) or 'git ls-remote failed'}")
        if not is_url(self.repository) and not Path(self.repository).is_dir():
            raise UserError(f"no repository {self.repository}", hint="a path of a clone, or its URL")
        raise UserError(f"{self.repository} has no branch {self.branch}", hint=f"git -C {self.repository} branch")

    def run(self, commit: str, directory: str, note: Note) -> Sequence[CellResult]:
        """A new run on the commit, or the rest of one that was stopped."""
        if directory and (Path(directory) / "plan.json").is_file():
            request = RunRequest(resume=Path(directory), **self._options())
        else:
            kernels = (*self.how.selection.kernels, f"git:{self.repository}@{commit}")
            request = replace(self.how, selection=replace(self.how.selection, kernels=kernels))
        run = begin(request, self.warn)
        note(str(run.path))
        with self.watched(run) as listener:
            return execute(request, run, tools=self.tools, listener=listener, warn=self.warn)

    def _options(self) -> dict[str, Any]:
        how = self.how
        return {
            "runs": how.runs, "jobs": how.jobs, "cpus": how.cpus, "make_jobs": how.make_jobs, "accel": how.accel,
            "snapshot": how.snapshot, "sandbox": how.sandbox, "record": how.record,
        }  # fmt: skip

    def bisect(self, state: State, found: Found, note: Note) -> Bisected:
        """As far as the budget goes; what a killed watch spent of it counts."""
        if state.bisection:
            session = store.load(Path(state.bisection))
        else:
            session = begin_bisection(
                BisectRequest(
                    plan=self.how.plan,
                    repository=self.repository,
                    goods=(state.last_good,),
                    bad=state.commit,
                    kernel=found.kernel,
                    test=found.test,
                    signatures=(found.signature or found.outcome,),
                    runs=self.how.runs,
                ),
                self.warn,
            )
            note(str(session.path))
        left = max(LEAST_SECONDS, self.budget_s - _spent(session))
        how = WorkRequest(
            jobs=self.how.jobs, cpus=self.how.cpus, make_jobs=self.how.make_jobs, accel=self.how.accel,
            snapshot=self.how.snapshot, sandbox=self.how.sandbox, budget_s=left,
        )  # fmt: skip
        more: tuple[str, ...] = ()
        try:
            work(session, how, tell=lambda commit, text: self.warn(f"{commit[:12]}: {text}"), listener=self.listener)
        except OutOfTime as error:
            boxed = " --sandbox" if self.how.sandbox else ""
            more = (f"{error.message}; to go on: kzram-ci bisect --resume {session.path}{boxed}",)
        return _answered(session, more)


def _spent(session: Session) -> float:
    """Seconds of boots and builds so far."""
    facts = session.facts
    return sum(boot.seconds for boot in facts.boots) + sum(build.seconds for build in facts.builds)


def _answered(session: Session, more: tuple[str, ...]) -> Bisected:
    findings = session.findings
    answer, lines = findings.facts.answer, view_of(findings, name=str(session.path)).lines
    culprit = answer.commits[0] if answer is not None and answer.kind is Kind.CULPRIT else ""
    subject = findings.commit(culprit).subject if culprit else ""
    return Bisected(directory=str(session.path), lines=(*lines, *more), commit=culprit, subject=subject)
