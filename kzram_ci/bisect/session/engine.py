"""The loop: ask for the next step, build, boot, write it down, until there is an answer.

Nothing is decided here (`belief.decide` does) and nothing is remembered here (`store` does), so a bisection that was
killed goes on where its last boot ended.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from statistics import fmean

from kzram_ci.base import proc
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import Interrupted, OutOfTime
from kzram_ci.bisect.belief.decide import Answer, Boot, Costs, Done, Kind, Stage, next_step
from kzram_ci.bisect.session.boots import Boots
from kzram_ci.bisect.session.builds import Builds, Tell
from kzram_ci.bisect.session.ends import look_at_ends
from kzram_ci.bisect.session.revert import try_revert
from kzram_ci.bisect.session.runner import Kernel, Runner
from kzram_ci.bisect.session.store import Session

FIRST_BUILD, FIRST_BOOT = 40.0, 6.0  # seconds, before anything was measured (docs/measurements.md)
_WHY = {
    Stage.CONFIRM_BAD: "does the bad end crash?",
    Stage.CONFIRM_GOOD: "is the good end good?",
    Stage.SEARCH: "narrows the search most for its cost",
    Stage.SETTLE: "its side is still in doubt",
    Stage.VERIFY_CULPRIT: "does the culprit itself crash?",
    Stage.VERIFY_PARENT: "is its parent good?",
}


@dataclass(slots=True, kw_only=True)
class Engine:
    """One run of a bisection. `show` brings the reports up to date; it is called after every step."""

    session: Session
    runner: Runner
    tell: Tell
    show: Callable[[], None] = lambda: None
    until: Deadline | None = None  # no step begins later
    _local: dict[str, bool] = field(default_factory=dict)

    def run(self) -> Answer:
        """Go on until there is an answer. Raises InfraError, UserError, Interrupted, OutOfTime; all is on disk."""
        session, runner = self.session, self.runner
        self._local = dict(runner.cached(session.asked.commits))
        look_at_ends(session, runner, self.tell)
        builds = Builds(session=session, runner=runner, tell=self.tell)
        with ThreadPoolExecutor(max_workers=max(1, runner.workers), thread_name_prefix="boot") as pool:
            boots = Boots(session=session, runner=runner, tell=self.tell, pool=pool)
            while isinstance(step := self._next(), Boot):
                if proc.cancelled():
                    raise Interrupted("interrupted between two boots")
                if self._over():
                    raise OutOfTime("the budget was spent before there was an answer")
                self._say_step(step)
                fresh = step.commit not in session.findings.builds
                kernel = builds.kernel(session.findings.commit(step.commit))
                if kernel is not None and not (fresh and self._known_bytes(step.commit)):
                    self._boot(boots, step, kernel)
                self.show()
            session.keep(replace(session.facts, answer=step.answer))
            self.show()
            if step.answer.kind is Kind.CULPRIT and not self._over():
                try_revert(session, builds, boots, step.answer.commits[0])
        self.show()
        return step.answer

    def _over(self) -> bool:
        return self.until is not None and self.until.expired()

    def _next(self) -> Boot | Done:
        return next_step(self.session.findings.standing.state, self.costs())

    def _boot(self, boots: Boots, step: Boot, kernel: Kernel) -> None:
        """Boot a commit as long as the decision wants this commit."""

        def more() -> int:
            again = self._next()
            if self._over():
                return 0
            return again.times if isinstance(again, Boot) and again.commit == step.commit else 0

        boots.run(step.commit, kernel, step.times, more)

    def costs(self) -> Costs:
        """In seconds, as measured so far. Boots run beside each other, builds do not."""
        findings, workers = self.session.findings, max(1, self.runner.workers)
        boots = [boot.seconds for boot in findings.facts.boots if boot.seconds]
        made = [build.seconds for build in findings.facts.builds if build.seconds and not build.failed]
        builds = [seconds for seconds in made[1:] or made if seconds]  # the first may have been from nothing
        known = {name for name, there in self._local.items() if there} | findings.builds.keys()
        return Costs(
            boot=(fmean(boots) if boots else FIRST_BOOT) / workers,
            build=fmean(builds) if made[1:] else FIRST_BUILD,
            builds=dict.fromkeys(known, 0.0),
        )

    def _known_bytes(self, commit: str) -> bool:
        """Whether a fresh kernel turned out to be one that was booted: then decide again before any boot."""
        alike = self.session.findings.boots_like(commit)
        if alike:
            self.tell(commit, f"builds the same bytes as {alike[0].record.commit[:12]}, whose boots count for it")
        return bool(alike)

    def _say_step(self, step: Boot) -> None:
        boots = "1 boot" if step.times == 1 else f"up to {step.times} boots"
        self.tell(step.commit, f"{step.stage}: {_WHY[step.stage]} ({boots})")
