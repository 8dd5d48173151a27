"""One cell, start to end: the only place that knows the order kernel, rootfs, boots, judgement."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from kzram_ci.base import clock, files, spans
from kzram_ci.base.clock import Deadline
from kzram_ci.base.digest import digest_json
from kzram_ci.base.errors import (
    BuildFailed,
    ConfigUnmet,
    InfraError,
    KernelError,
    KzramError,
    NotApplicable,
    OutOfTime,
    PatchFailed,
)
from kzram_ci.base.spans import span
from kzram_ci.model import codec
from kzram_ci.model.cell import Cell
from kzram_ci.model.events import CellRetried, Listener
from kzram_ci.model.evidence import CellResult, Evidence, Judgement
from kzram_ci.model.layout import CellFile
from kzram_ci.model.outcome import HOST_OUTCOMES, Outcome, Verdict
from kzram_ci.results.rundir import born
from kzram_ci.run.job import BootStage, CellJob
from kzram_ci.verdict import power
from kzram_ci.verdict.exposure import together
from kzram_ci.verdict.judge import judge, judge_attempts

STOP_MARGIN_SECONDS = 120.0


def skipped(cell: Cell, *, relative: str) -> CellResult:
    """The result of a cell that the plan skips."""
    word = Judgement(outcome=Outcome.SKIPPED, verdict=Verdict.SKIPPED, reason=cell.skip)
    return replace(born(cell, relative=relative), judgement=word)


def from_error(cell: Cell, error: BaseException, *, relative: str) -> CellResult:
    """The result of a cell whose kernel was never made or whose host failed; no evidence of anything."""
    if isinstance(error, NotApplicable):
        return skipped(replace(cell, skip=error.message), relative=relative)
    if isinstance(error, OutOfTime):
        late = Judgement(outcome=Outcome.NOT_RUN, verdict=Verdict.INCONCLUSIVE, reason=f"not run: {error.message}")
        return replace(born(cell, relative=relative), judgement=late)
    outcomes: tuple[tuple[type[BaseException], Outcome], ...] = (
        (PatchFailed, Outcome.PATCH_FAILED),
        (ConfigUnmet, Outcome.CONFIG_UNMET),
        (BuildFailed, Outcome.BUILD_FAILED),
        (KernelError, Outcome.BUILD_FAILED),
        (InfraError, Outcome.INFRA),
    )
    outcome = next((word for kind, word in outcomes if isinstance(error, kind)), Outcome.INFRA)
    reason = str(error) if isinstance(error, KzramError) else f"{type(error).__name__}: {error}"
    cause = error.cause if isinstance(error, KzramError) else reason
    word = Judgement(outcome=outcome, verdict=Verdict.ERROR, reason=reason, cause=cause)
    return replace(born(cell, relative=relative), judgement=word)


def boot_with_retries(job: CellJob, boot: BootStage, listener: Listener) -> tuple[Evidence, Judgement, int]:
    """Boot until the workload was reached, at most 1 + boot_retries times. A busy host is not a verdict."""
    cell, failures = job.cell, 0
    while True:
        seconds = cell.machine.boot_seconds + cell.workload.duration_s + STOP_MARGIN_SECONDS
        began = clock.monotonic()
        with span("boot", "boot", cell=cell.id, seed=cell.seed):
            try:
                evidence = boot(job, Deadline.after(seconds), listener)
            except InfraError as error:
                evidence = Evidence(host_error=str(error))
        _phases(evidence, began)
        with span("judge", "judge", cell=cell.id):
            word = judge(cell, evidence)
        if word.outcome not in HOST_OUTCOMES or failures >= job.boot_retries:
            return evidence, word, failures
        failures += 1
        job = replace(job, afresh=job.afresh or evidence.restored)
        listener(CellRetried(cell=cell.id, reason=word.reason))
        job.place.keep_failed_boot(failures)


def _phases(evidence: Evidence, began: float) -> None:
    """The parts of a boot, for a trace: until the guest was up, its workload, what came after."""
    starting = max(0.0, clock.monotonic() - began - evidence.seconds)  # before QEMU ran, and reading what it left
    at = began + starting
    for name, seconds in (("boots", evidence.boot_seconds), ("workload", evidence.work_seconds)):
        if seconds > 0:
            spans.past(name, "guest", at, seconds)
            at += seconds


def wants_another(cell: Cell, words: list[Judgement], evidences: list[Evidence]) -> bool:
    """A pass must be repeated until `repeats` passes are in, and its evidence; an expected oops is awaited as long.

    A control by which others are measured makes all its tries: each is a loss more.
    """
    if words[-1].outcome in HOST_OUTCOMES:
        return False
    good = words[-1].verdict is Verdict.OK
    if len(words) >= cell.repeats:
        return good and power.wants_more(cell, evidences)
    return good if cell.expect.outcome == "pass" else cell.measured or not good


def setup_key(job: CellJob) -> str:
    """What a result depends on besides its kernel and chance: with the same key the same verdict is to be expected.

    `auto` restores only what behaves as if it had booted, so results of booted guests stay comparable with its own.
    """
    cell = job.cell
    parts: list[Any] = [cell.machine.booting(), cell.workload, cell.expect]
    if cell.evidence is not None:
        parts.append(replace(cell.evidence, control=""))
    return digest_json([*map(codec.to_json, parts), job.rootfs.key, str(job.accel.accel)])


def run_cell(job: CellJob, boot: BootStage, listener: Listener) -> CellResult:
    """Run one cell and judge it. Raises Interrupted and UserError only; all else is in the result."""
    with span(f"cell {job.cell.id}", "cell", kernel=job.cell.kernel.name, test=job.cell.test):
        return _run_cell(job, boot, listener)


def _run_cell(job: CellJob, boot: BootStage, listener: Listener) -> CellResult:
    began, started = clock.monotonic(), clock.now_utc().isoformat(timespec="seconds")
    cell, place = job.cell, job.place
    words: list[Judgement] = []
    evidences: list[Evidence] = []
    failures = 0
    while not words or wants_another(cell, words, evidences):
        if words:
            place.keep_attempt(len(words))
        place.path.mkdir(parents=True, exist_ok=True)
        attempt = replace(job, cell=replace(power.armed(cell, evidences), seed=cell.seed + len(words)))
        evidence, word, failed = boot_with_retries(attempt, boot, listener)
        words.append(word)
        evidences.append(evidence)
        failures += failed
        files.write_json(place.file(CellFile.EVIDENCE), codec.to_json(evidence))
    final = judge_attempts(cell, tuple(words), tuple(evidences))
    same = (i for i, word in enumerate(words) if (word.outcome, word.verdict) == (final.outcome, final.verdict))
    shown = next(same, len(words) - 1)
    if shown != len(words) - 1:
        place.keep_attempt(len(words))
        place.bring_back(shown + 1)
    return replace(
        born(cell, relative=place.relative),
        judgement=final,
        evidence=evidences[shown],
        seed=cell.seed + shown,
        attempts=len(words),
        totals=together(evidences).counters if len(evidences) > 1 else {},
        each=tuple(map(power.boot_counts, evidences)) if len(evidences) > 1 else (),
        boot_failures=failures,
        kernel_key=job.kernel.key,
        setup_key=setup_key(job),
        provenance=job.kernel.provenance,
        kernel_release=job.kernel.release,
        accel=str(job.accel.accel),
        seconds=round(clock.monotonic() - began, 3),
        started=started,
    )
