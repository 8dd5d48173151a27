"""The boots of one commit: several at a time, each written down as it ends."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import replace
from itertools import count

from kzram_ci.base import files
from kzram_ci.base.errors import InfraError
from kzram_ci.base.values import dataclass
from kzram_ci.bisect.belief.model import EVIDENCE, Observation
from kzram_ci.bisect.session.builds import Tell
from kzram_ci.bisect.session.model import REVERT
from kzram_ci.bisect.session.observations import BootRecord, boot_record
from kzram_ci.bisect.session.runner import Kernel, Runner
from kzram_ci.bisect.session.store import Session, boot_directory
from kzram_ci.model import codec
from kzram_ci.model.cell import Cell
from kzram_ci.model.evidence import Evidence
from kzram_ci.model.layout import CellFile
from kzram_ci.model.outcome import Outcome
from kzram_ci.run.crew import work_through
from kzram_ci.run.one_boot import booting

HOST_PATIENCE = 5  # boots in a row that failed on the host, until the bisection stops


@dataclass(frozen=True, slots=True, kw_only=True)
class Boots:
    """Boots commits in the threads of `pool`."""

    session: Session
    runner: Runner
    tell: Tell
    pool: Executor

    def run(self, commit: str, kernel: Kernel, times: int, more: Callable[[], int]) -> None:
        """Boot a commit `times` times; `more` is asked after each boot how many boots are wanted from then on.

        Every boot that was started counts, also after a crash (see `work_through`).
        """
        wanted, cell = times, self._cell(commit)

        def choose(running: tuple[int, ...]) -> int | None:
            if len(running) >= wanted:
                return None
            taken = {*running, *(boot.number for boot in self._records(commit))}
            return next(number for number in count(1) if number not in taken)

        def settled() -> BaseException | None:
            nonlocal wanted, cell
            failure = self._spoilt(commit)
            wanted, cell = more() if failure is None else 0, self._cell(commit)
            return failure

        work_through(
            self.pool,
            self.runner.workers,
            choose=choose,
            work=lambda number: self._boot(cell, commit, kernel, number, others=max(times, wanted) - 1),
            keep=lambda booted: self._keep(*booted),
            settled=settled,
        )

    def _records(self, commit: str) -> list[BootRecord]:
        return [boot for boot in self.session.facts.boots if boot.commit == commit]

    def _cell(self, commit: str) -> Cell:
        """What is booted. A saved guest comes from a boot that went well: where one that did not may be the wanted
        crash, or where this kernel did not boot before, every boot is one.
        """
        cell, wanted = self.session.asked.cell, self.session.findings.wanted
        if wanted.no_boot or wanted.unknown or any(boot.no_boot for boot in self._records(commit)):
            return booting(cell)
        return cell

    def _boot(
        self, cell: Cell, commit: str, kernel: Kernel, number: int, *, others: int
    ) -> tuple[BootRecord, Evidence]:
        directory, relative = boot_directory(self.session, commit, number)
        cell = replace(cell, seed=cell.seed + number - 1)
        with files.disk_errors(f"cannot create {directory}"):
            directory.mkdir(parents=True)
        try:
            evidence, accel = self.runner.boot(cell, kernel, directory, others=others)
        except InfraError as error:
            evidence, accel = Evidence(host_error=str(error)), ""
        record = boot_record(cell, evidence, commit=commit, number=number, directory=relative, accel=accel)
        return record, evidence

    def _keep(self, boot: BootRecord, evidence: Evidence) -> None:
        session, before = self.session, self.session.findings.wanted
        files.write_json(session.path / boot.directory / CellFile.EVIDENCE, codec.to_json(evidence))
        ours = sorted((*self._records(boot.commit), boot), key=lambda one: one.number)
        others = (one for one in session.facts.boots if one.commit != boot.commit)
        session.keep(replace(session.facts, boots=(*others, *ours)))
        now = session.findings
        what = next(seen.what for seen in now.boots_of(boot.commit) if seen.record.number == boot.number)
        title = boot.principal.signature if boot.principal is not None else boot.reason
        self.tell(boot.commit, f"boot {boot.number}: {what}{f': {title}' if title else ''} ({boot.seconds:.1f} s)")
        if now.wanted != before:
            self.tell("", f"wanted from now on: {now.wanted.text()} (what the bad end shows most)")

    def _spoilt(self, commit: str) -> BaseException | None:
        """A host that fails again and again ends the bisection; a commit that does so on a good host is skipped."""
        session, findings = self.session, self.session.findings
        recent = findings.boots_of(commit)[-HOST_PATIENCE:]
        if len(recent) < HOST_PATIENCE or any(boot.what is not Observation.INFRA for boot in recent):
            return None
        elsewhere = any(
            boot.what in EVIDENCE for other, boots in findings.boots.items() if other != commit for boot in boots
        )
        last = recent[-1].record
        if elsewhere and last.outcome is Outcome.LOST and commit != REVERT:
            session.keep(replace(session.facts, marks=(*session.facts.marks, (commit, Observation.SKIP))))
            self.tell(commit, f"skipped: {HOST_PATIENCE} guests in a row were lost, other commits boot well")
            return None
        return InfraError(
            f"{HOST_PATIENCE} boots in a row failed on this host, the last one: {last.reason}",
            hint=f"repair the host, then kzram-ci bisect --resume {session.path}",
        )
