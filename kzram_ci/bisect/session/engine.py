"""The loop: ask what tells most, build it, boot it, write it down, until there is an answer.

Nothing is decided here (decide.py does) and nothing is remembered here (session.py does), so a bisection that was
killed goes on where its last boot ended.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from itertools import count
from statistics import fmean

from kzram_ci.base import clock, files, proc
from kzram_ci.base.errors import InfraError, Interrupted, KernelError
from kzram_ci.bisect.belief.decide import Answer, Boot, Costs, Done, Kind, Stage, next_step
from kzram_ci.bisect.belief.model import EVIDENCE, Observation
from kzram_ci.bisect.belief.posterior import posterior
from kzram_ci.bisect.session.observations import BootRecord, BuildRecord, record, told
from kzram_ci.bisect.session.runner import Kernel, Lab
from kzram_ci.bisect.session.store import REVERT, Commit, Revert, Session, place
from kzram_ci.model import codec
from kzram_ci.model.evidence import Evidence
from kzram_ci.model.outcome import Outcome

FIRST_BUILD, FIRST_BOOT = 40.0, 6.0  # seconds, before anything was measured (docs/measurements.md)
HOST_PATIENCE = 5  # boots in a row that the host spoiled, until the bisection stops
LUCK = 0.02  # chance that the clean boots of a reverted culprit are luck
MOST_REVERT_BOOTS = 120

Tell = Callable[[str, str], None]  # subject, text
_WHY = {
    Stage.CONFIRM_BAD: "does the bad end crash?",
    Stage.CONFIRM_GOOD: "is the good end good?",
    Stage.SEARCH: "tells most for its cost",
    Stage.SETTLE: "its side is still in doubt",
    Stage.VERIFY_CULPRIT: "does the culprit itself crash?",
    Stage.VERIFY_PARENT: "is its parent good?",
}


@dataclass(slots=True, kw_only=True)
class Engine:
    """One run of a bisection. `show` brings the reports up to date; it is called after every step."""

    session: Session
    lab: Lab
    tell: Tell
    show: Callable[[], None] = lambda: None
    kernels: dict[str, Kernel] = field(default_factory=dict)
    _known: dict[str, bool] = field(default_factory=dict)

    def run(self) -> Answer:
        """Go on until there is an answer. Raises InfraError, UserError, Interrupted; what happened is on disk."""
        session = self.session
        self._known = dict(self.lab.cached(session.asked.commits))
        with ThreadPoolExecutor(max_workers=max(1, self.lab.workers), thread_name_prefix="boot") as pool:
            while isinstance(step := self._next(), Boot):
                if proc.cancelled():
                    raise Interrupted("interrupted between two boots")
                self._say_step(step)
                fresh = session.build(step.commit) is None
                kernel = self._kernel(session.commit(step.commit))
                if kernel is not None and not (fresh and self._known_bytes(step.commit)):
                    self._boots(pool, step, kernel)
                self.show()
            session.note(answer=step.answer)
            self.show()
            self._revert(pool, step.answer)
        self.show()
        return step.answer

    def _next(self) -> Boot | Done:
        return next_step(self.session.state(), self.costs())

    def costs(self) -> Costs:
        """In seconds, as measured so far. Boots run beside each other, builds do not."""
        facts, workers = self.session.facts, max(1, self.lab.workers)
        boots = [boot.seconds for boot in facts.boots if boot.seconds]
        made = [build.seconds for build in facts.builds if build.seconds and not build.failed]
        builds = [seconds for seconds in made[1:] or made if seconds]  # the first may have been from nothing
        known = {name: 0.0 for name, there in self._known.items() if there}
        known |= {name: 0.0 for name in self.session.start.graph.names if self.session.build(name) is not None}
        return Costs(
            boot=(fmean(boots) if boots else FIRST_BOOT) / workers,
            build=fmean(builds) if made[1:] else FIRST_BUILD,
            builds=known,
        )

    def _known_bytes(self, commit: str) -> bool:
        """Whether a fresh kernel turned out to be one that was booted: then decide anew before any boot."""
        session = self.session
        content = session.content(commit)
        twins = [boot.commit for boot in session.facts.boots if session.content(boot.commit) == content]
        if twins:
            self.tell(commit, f"builds the same bytes as {twins[0][:12]}, whose boots count for it")
        return bool(twins)

    def _say_step(self, step: Boot) -> None:
        boots = "1 boot" if step.times == 1 else f"up to {step.times} boots"
        self.tell(step.commit, f"{step.stage}: {_WHY[step.stage]} ({boots})")

    def _kernel(self, commit: Commit) -> Kernel | None:
        """The kernel of a commit; None when it cannot be made, which is written down."""
        if commit.name in self.kernels:
            return self.kernels[commit.name]
        began = clock.monotonic()
        try:
            kernel = self.lab.build(commit)
        except KernelError as error:
            self._built(BuildRecord(commit=commit.name, failed=str(error), seconds=clock.monotonic() - began))
            self.tell(commit.name, f"cannot be built, no information: {error}")
            return None
        self.kernels[commit.name] = kernel
        image = kernel.image
        if self.session.build(commit.name) is None or commit.name == REVERT:
            self._built(
                BuildRecord(
                    commit=commit.name,
                    key=image.key,
                    sha256=kernel.sha256,
                    release=image.release,
                    seconds=0.0 if image.cached else round(clock.monotonic() - began, 1),
                    cached=image.cached,
                )
            )
            self.tell(commit.name, "built before" if image.cached else f"built in {clock.monotonic() - began:.0f} s")
        return kernel

    def _built(self, build: BuildRecord) -> None:
        others = tuple(other for other in self.session.facts.builds if other.commit != build.commit)
        self.session.note(builds=(*others, build))

    def _boots(self, pool: ThreadPoolExecutor, step: Boot, kernel: Kernel) -> None:
        """Boot a commit, several at a time, as long as the decision wants this commit.

        Every boot that was started counts, also after a crash: a crash ends its boot sooner, so dropping what
        still runs would drop clean boots more often than crashes.
        """

        def more() -> int:
            again = self._next()
            return again.times if isinstance(again, Boot) and again.commit == step.commit else 0

        self._some(pool, step.commit, kernel, step.times, more)

    def _some(self, pool: ThreadPoolExecutor, commit: str, kernel: Kernel, times: int, more: Callable[[], int]) -> None:
        running: dict[Future[tuple[BootRecord, Evidence]], int] = {}
        failure: BaseException | None = None
        while True:
            while len(running) < min(times, self.lab.workers) and failure is None and not proc.cancelled():
                taken = {*running.values(), *(boot.number for boot in self.session.boots_of(commit))}
                number = next(number for number in count(1) if number not in taken)
                running[pool.submit(self._boot, commit, kernel, number)] = number
            if not running:
                break
            done, _ = wait(running, timeout=0.5, return_when=FIRST_COMPLETED)
            for future in done:
                running.pop(future)
                if (error := future.exception()) is not None:
                    failure = failure or error
                    continue
                self._finished(*future.result())
            if done and failure is None:
                failure = self._spoilt(commit)
                times = more() if failure is None else 0
        if failure is not None:
            raise failure

    def _boot(self, commit: str, kernel: Kernel, number: int) -> tuple[BootRecord, Evidence]:
        session = self.session
        directory, relative = place(session, commit, number)
        cell = replace(session.asked.cell, seed=session.asked.cell.seed + number - 1)
        with files.disk_errors(f"cannot create {directory}"):
            directory.mkdir(parents=True)
        try:
            evidence, accel = self.lab.boot(cell, kernel, directory)
        except InfraError as error:
            evidence, accel = Evidence(host_error=str(error)), ""
        return record(cell, evidence, commit=commit, number=number, directory=relative, accel=accel), evidence

    def _finished(self, boot: BootRecord, evidence: Evidence) -> None:
        session = self.session
        before = session.wanted()
        files.write_json(session.path / boot.directory / "evidence.json", codec.to_json(evidence))
        boots = sorted((*session.facts.boots, boot), key=lambda one: (one.commit != boot.commit, one.number))
        ours = [one for one in boots if one.commit == boot.commit]
        session.note(boots=(*(one for one in session.facts.boots if one.commit != boot.commit), *ours))
        crash = boot.principal
        what = told(boot, session.wanted())
        title = f": {crash.signature}" if crash is not None else f": {boot.reason}" if boot.reason else ""
        self.tell(boot.commit, f"boot {boot.number}: {what}{title} ({boot.seconds:.1f} s)")
        if (now := session.wanted()) != before:
            self.tell("", f"wanted from now on: {now.words()} (what the bad end shows most)")

    def _spoilt(self, commit: str) -> BaseException | None:
        """Tell boots that the host spoils again and again from a commit that does."""
        session = self.session
        wanted = session.wanted()
        recent = session.boots_of(commit)[-HOST_PATIENCE:]
        if len(recent) < HOST_PATIENCE or any(told(boot, wanted) is not Observation.INFRA for boot in recent):
            return None
        elsewhere = [boot for boot in session.facts.boots if boot.commit != commit and told(boot, wanted) in EVIDENCE]
        if elsewhere and recent[-1].outcome is Outcome.LOST and commit != REVERT:
            session.note(marks=(*session.facts.marks, (commit, Observation.SKIP)))
            self.tell(commit, f"skipped: {HOST_PATIENCE} guests in a row were lost, other commits boot well")
            return None
        return InfraError(
            f"{HOST_PATIENCE} boots in a row failed on this host, the last one: {recent[-1].reason}",
            hint=f"repair the host, then kzram-ci bisect --resume {session.path}",
        )

    def _revert(self, pool: ThreadPoolExecutor, answer: Answer) -> None:
        """See whether the bad end is healed when the culprit is taken out of it."""
        session = self.session
        if answer.kind is not Kind.CULPRIT or (session.facts.revert and session.facts.revert.heals is not None):
            return
        tree, why = self.lab.without(answer.commits[0], session.bad)
        clean = self._enough()
        session.note(revert=Revert(tree=tree, why=why, boots=clean))
        if why:
            self.tell(REVERT, why)
            return
        twin = next((name for name in session.start.graph.names if session.commit(name).tree == tree), "")
        if twin and any(told(boot, session.wanted()) in EVIDENCE for boot in session.boots_of(twin)):
            session.note(revert=self._verdict(tree, clean, of=twin))
            return
        self.tell(REVERT, f"does the bad end heal without the culprit? ({clean} boots)")
        version = session.commit(session.bad).version
        healed = Commit(name=REVERT, tree=tree, version=version, subject="the bad end without the culprit")
        kernel = self._kernel(healed)
        if kernel is None:
            session.note(revert=Revert(tree=tree, why="the bad end without the culprit does not build", boots=clean))
            return
        if (same := self._same_as_booted(kernel)) is not None:
            session.note(revert=self._verdict(tree, clean, of=same))
            return

        def more() -> int:
            result = self._verdict(tree, clean, of=REVERT)
            seen = [told(boot, session.wanted()) for boot in session.boots_of(REVERT)]
            useless = len(seen) - sum(what in EVIDENCE for what in seen)
            return 0 if result.heals is not None or useless > clean else clean - seen.count(Observation.CLEAN)

        self._some(pool, REVERT, kernel, more(), more)
        session.note(revert=self._verdict(tree, clean, of=REVERT))

    def _same_as_booted(self, kernel: Kernel) -> str | None:
        session = self.session
        return next(
            (
                build.commit
                for build in session.facts.builds
                if build.sha256 == kernel.sha256 and build.commit != REVERT and session.boots_of(build.commit)
            ),
            None,
        )

    def _verdict(self, tree: str, clean: int, *, of: str) -> Revert:
        wanted = self.session.wanted()
        seen = [told(boot, wanted) for boot in self.session.boots_of(of)]
        same = "" if of == REVERT else f"the same kernel as {of[:12]}"
        if Observation.CRASH in seen:
            return Revert(tree=tree, heals=False, boots=clean, why=same)
        good = seen.count(Observation.CLEAN)
        return Revert(tree=tree, heals=True if good >= clean or (same and good) else None, boots=clean, why=same)

    def _enough(self) -> int:
        """Clean boots that a bad kernel would show by luck with a chance below LUCK."""
        belief = posterior(self.session.state())
        return next((n for n in range(1, MOST_REVERT_BOOTS) if belief.miss(n) <= LUCK), MOST_REVERT_BOOTS)
