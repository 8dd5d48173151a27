"""The loop: ask for the next boot, build, boot, write it down, until every test has its answer.

Nothing is decided here (`decide` does) and nothing is remembered here (`store` does), so a trial that was killed goes
on where its last boot ended.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import count

from kzram_ci.base import files, proc
from kzram_ci.base.errors import InfraError, Interrupted, NotApplicable
from kzram_ci.model import codec
from kzram_ci.model.cell import Plan
from kzram_ci.model.events import Listener
from kzram_ci.model.evidence import Evidence, OopsSummary
from kzram_ci.model.kernel import KernelImage, KernelSpec
from kzram_ci.model.layout import CellFile
from kzram_ci.run.crew import work_through
from kzram_ci.run.job import Stages
from kzram_ci.run.one_boot import boot_alone, booting, guests_at_a_time
from kzram_ci.run.pool import Budget
from kzram_ci.trial.decide import Side
from kzram_ci.trial.findings import Findings, Tested, wanted_of, what_of
from kzram_ci.trial.idle import idle_limits
from kzram_ci.trial.model import BootRecord, StepBoot, Test
from kzram_ci.trial.records import boot_record
from kzram_ci.trial.seen import What
from kzram_ci.trial.session.builds import Builds
from kzram_ci.trial.session.store import Session, boot_directory
from kzram_ci.verdict.judge import fatal, principal_oops

Tell = Callable[[str], None]
Running = tuple[tuple[str, Side, int], ...]
HOST_PATIENCE = 5  # boots in a row that failed on the host, until the trial stops


def _told(oops: OopsSummary) -> str:
    """A crash for the report: its title, then where the kernel was, with file and line as far as they are known."""
    text = oops.decoded or oops.text
    return text if oops.title in text else f"{oops.title}\n{text}"


@dataclass(slots=True, kw_only=True)
class Engine:
    """One run of a trial. `show` brings the reports up to date."""

    session: Session
    stages: Stages
    budget: Budget
    builds: Builds
    listener: Listener
    tell: Tell
    show: Callable[[], None] = lambda: None
    _images: dict[Side, KernelImage] = field(default_factory=dict)

    def run(self) -> Findings:
        """Go on until there is an answer. Raises KernelError, InfraError, UserError, Interrupted.

        What happened is on disk, also then.
        """
        if (found := self.session.findings()).answer is not None and self.session.facts.done:
            return found
        self._look_ahead()
        if all(test.id in dict(self.session.facts.skipped) for test in self.session.asked.tests):
            return self._ended()
        self._images = dict(zip(Side, self.builds.both(), strict=True))
        for test in sorted(self.session.asked.tests, key=lambda test: test.guard):
            if self._applies(test):
                self._test(test)
            self.show()
        if self.session.asked.each:
            self._steps()
        return self._ended()

    def _ended(self) -> Findings:
        self.session.keep(replace(self.session.facts, done=True))
        self.show()
        return self.session.findings()

    def _look_ahead(self) -> None:
        """Write down which tests can show nothing, as far as the sources tell before the kernels are built."""
        session, known = self.session, dict(self.session.facts.skipped)
        tests = tuple(test for test in session.asked.tests if test.id not in known)
        for name, reason in self._foreseen(tests).items():
            self._skip(name, reason)
        if tests and session.asked.instead and len(session.facts.skipped) == len(session.asked.tests):
            unfit = self._foreseen(session.asked.instead)
            fit = tuple(test.id for test in session.asked.instead if test.id not in unfit)
            session.keep(replace(session.facts, fit=fit))

    def _foreseen(self, tests: Sequence[Test]) -> dict[str, str]:
        """The tests that can show nothing on one of the kernels, and why, as a run finds it out."""
        asked = self.session.asked
        owners = {f"{spec.name}/{test.id}": (test, spec) for spec in (asked.before, asked.after) for test in tests}
        cells = tuple(replace(test.cell, id=name, kernel=spec) for name, (test, spec) in owners.items())
        if not cells:
            return {}
        found = self.stages.ahead(Plan(name=asked.plan, cells=cells), ())
        return {owners[cell.id][0].id: cell.skip for cell in reversed(found.cells) if cell.skip}

    def _skip(self, name: str, reason: str) -> None:
        facts = self.session.facts
        self.session.keep(replace(facts, skipped=(*facts.skipped, (name, reason))))
        self.tell(f"{name}: skipped: {reason}")

    def _applies(self, test: Test) -> bool:
        """Whether the test can show something on both kernels; what speaks against it is written down."""
        if test.id in dict(self.session.facts.skipped):
            return False
        try:
            for image in self._images.values():
                self.stages.fit(test.cell, image)
        except NotApplicable as error:
            self._skip(test.id, error.message)
            return False
        return True

    def _test(self, test: Test) -> None:
        workers = guests_at_a_time(test.cell.machine, self.budget)

        def choose(running: Running) -> tuple[str, Side, int] | None:
            side = self._now(test, running).standing.wants
            return None if side is None else (test.id, side, self._number(test, side, running))

        with ThreadPoolExecutor(max_workers=workers, thread_name_prefix="boot") as pool:
            work_through(
                pool,
                workers,
                choose=choose,
                work=lambda job: self._boot(test, job[1], job[2]),
                keep=lambda booted: self._keep(test, *booted),
                settled=lambda: self._spoilt(test),
            )
        if proc.cancelled():
            raise Interrupted("interrupted between two boots")
        now = self._now(test, ())
        self.tell(f"{test.id}: {now.standing.answer}{f': {now.standing.why}' if now.standing.why else ''}")

    def _steps(self) -> None:
        """Boot every prefix of the series once in every test; the last one was booted as the whole."""
        skipped = dict(self.session.facts.skipped)
        for patches in range(1, len(self.session.asked.posted.patches)):
            image = self.builds.prefix(patches)
            for test in self.session.asked.tests:
                done = any((s.patches, s.boot.test) == (patches, test.id) for s in self.session.facts.steps)
                if done or test.id in skipped:
                    continue
                if proc.cancelled():
                    raise Interrupted("interrupted between two boots")
                boot, _ = self._boot(test, Side.AFTER, 1, image=image, prefix=patches)
                self.session.keep(
                    replace(self.session.facts, steps=(*self.session.facts.steps, StepBoot(patches=patches, boot=boot)))
                )
                self.tell(f"{test.id}, {self.builds.named(patches)}: {boot.outcome}: {boot.reason}")

    def _now(self, test: Test, running: Running) -> Tested:
        found = self.session.findings(running)
        return next(tested for tested in found.tests if tested.test.id == test.id)

    def _number(self, test: Test, side: Side, running: Running) -> int:
        own = [boot for boot in self.session.facts.boots if (boot.test, boot.side) == (test.id, side)]
        taken = {boot.number for boot in own} | {n for name, its, n in running if (name, its) == (test.id, side)}
        return next(number for number in count(1) if number not in taken)

    def _boot(
        self, test: Test, side: Side, number: int, *, image: KernelImage | None = None, prefix: int = 0
    ) -> tuple[BootRecord, Evidence]:
        """One boot of a side, or of the kernel with the first patches of the series."""
        kind = f"patch-{prefix}" if prefix else str(side)
        directory, relative = boot_directory(self.session, test.id, kind, number)
        seed = test.cell.seed + number - 1
        cell = replace(test.cell, seed=seed, kernel=self._spec(side))
        if self._may_not_boot(test, side):
            cell = booting(cell)
        try:
            evidence, accel = boot_alone(
                cell, image or self._images[side], directory=directory, stages=self.stages, listener=self.listener,
                idle=idle_limits(test, self.session.facts.boots) if side is Side.AFTER else (),
                others=0 if prefix else 1,  # a side is booted until something is shown
            )  # fmt: skip
        except InfraError as error:
            evidence, accel = Evidence(host_error=str(error)), ""
        record = boot_record(
            self.session.asked, test, evidence, side=side, number=number, seed=seed, directory=relative, accel=accel
        )
        return record, evidence

    def _may_not_boot(self, test: Test, side: Side) -> bool:
        """Whether a boot that does not go well may be what is looked for, or was seen of this side."""
        boots = self.session.facts.boots
        wanted = wanted_of(self.session.asked, test, [boot for boot in boots if boot.test == test.id])
        return wanted.no_boot or wanted.unknown or any(boot.no_boot for boot in boots if boot.side is side)

    def _spec(self, side: Side) -> KernelSpec:
        return self.session.asked.before if side is Side.BEFORE else self.session.asked.after

    def _keep(self, test: Test, boot: BootRecord, evidence: Evidence) -> None:
        session = self.session
        files.write_json(session.path / boot.directory / CellFile.EVIDENCE, codec.to_json(evidence))
        boots = (*session.facts.boots, boot)
        wanted = wanted_of(session.asked, test, boots)
        what = what_of(boot, wanted)
        facts = replace(session.facts, boots=boots)
        if what is What.CRASH and boot.side is Side.BEFORE and not facts.oops:
            faces = {crash.signature for crash in boot.crashes if wanted.holds(crash)}
            shown = next((oops for oops in evidence.oopses if oops.signature in faces and fatal(oops)), None)
            shown = shown or principal_oops(evidence.oopses)
            facts = replace(facts, oops=_told(shown) if shown is not None else boot.reason)
        session.keep(facts)
        self.tell(f"{test.id}, {boot.side} {boot.number}: {what}: {boot.reason} ({boot.seconds:.1f} s)")

    def _spoilt(self, test: Test) -> BaseException | None:
        """A host that fails again and again ends the trial."""
        own = [boot for boot in self.session.facts.boots if boot.test == test.id][-HOST_PATIENCE:]
        wanted = wanted_of(self.session.asked, test, own)
        if len(own) < HOST_PATIENCE or any(what_of(boot, wanted) is not What.INFRA for boot in own):
            return None
        return InfraError(
            f"{HOST_PATIENCE} boots in a row failed on this host, the last one: {own[-1].reason}",
            hint=f"repair the host, then kzram-ci try --resume {self.session.path}",
        )
