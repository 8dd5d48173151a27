"""One cell, start to end: the only place that knows the order kernel, rootfs, boots, judgement."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from kzram_ci.base import clock, files
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import (
    BuildFailed,
    ConfigUnmet,
    InfraError,
    KernelError,
    KzramError,
    NotApplicable,
    PatchFailed,
)
from kzram_ci.model import codec
from kzram_ci.model.cell import Cell
from kzram_ci.model.events import CellDone, CellRetried, CellStarted, Listener
from kzram_ci.model.evidence import CellResult, Evidence, Judgement
from kzram_ci.model.kernel import KernelImage
from kzram_ci.model.outcome import HOST_OUTCOMES, Outcome, Verdict
from kzram_ci.results.rundir import born
from kzram_ci.verdict.judge import judge, judge_attempts

BootFunction = Callable[[Cell, Path, Deadline], Evidence]
KEPT_IN_PLACE = frozenset({"cell.json", "repro.sh"})
STOP_MARGIN_SECONDS = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CellContext:
    """What a cell needs from the run around it. `boot` is a boot of the cell's kernel in a directory."""

    directory: Path
    relative: str
    kernel: KernelImage
    accel: str
    boot: BootFunction
    boot_retries: int
    listener: Listener


def skipped(cell: Cell, *, relative: str) -> CellResult:
    """The result of a cell that the plan says not to run."""
    word = Judgement(outcome=Outcome.SKIPPED, verdict=Verdict.SKIPPED, reason=cell.skip)
    return replace(born(cell, relative=relative), judgement=word)


def from_error(cell: Cell, error: BaseException, *, relative: str) -> CellResult:
    """The result of a cell whose kernel was never made or whose host failed; no evidence of anything."""
    if isinstance(error, NotApplicable):
        return skipped(replace(cell, skip=error.message), relative=relative)
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


def boot_with_retries(cell: Cell, context: CellContext, directory: Path) -> tuple[Evidence, Judgement, int]:
    """Boot until the workload was reached, at most 1 + boot_retries times. A busy host is no verdict."""
    failures = 0
    while True:
        seconds = cell.machine.boot_seconds + cell.workload.duration_s + STOP_MARGIN_SECONDS
        try:
            evidence = context.boot(cell, directory, Deadline.after(seconds))
        except InfraError as error:
            evidence = Evidence(host_error=str(error))
        word = judge(cell, evidence)
        if word.outcome not in HOST_OUTCOMES or failures >= context.boot_retries:
            return evidence, word, failures
        failures += 1
        context.listener(CellRetried(cell=cell.id, reason=word.reason))
        _set_aside(directory, f"boot-failed-{failures}")


def _set_aside(directory: Path, name: str) -> None:
    """Move what a failed boot left into a folder of its own, so that nothing produced is lost."""
    with files.disk_errors(f"cannot keep what is in {directory}"):
        aside = directory / name
        aside.mkdir()
        for path in directory.iterdir():
            if path.is_file() and path.name not in KEPT_IN_PLACE:
                path.rename(aside / path.name)


def _attempt_aside(directory: Path, number: int) -> None:
    """Make room for the next attempt; boots of this one that failed go with it."""
    _set_aside(directory, name := f"attempt-{number}")
    with files.disk_errors(f"cannot keep what is in {directory}"):
        for path in directory.glob("boot-failed-*"):
            path.rename(directory / name / path.name)


def _bring_back(directory: Path, number: int) -> None:
    """Put the attempt that decided where a reader looks first: into the cell's own directory."""
    attempt = directory / f"attempt-{number}"
    with files.disk_errors(f"cannot show {attempt}"):
        for path in attempt.iterdir():
            path.rename(directory / path.name)
        attempt.rmdir()


def wants_another(cell: Cell, words: list[Judgement]) -> bool:
    """A pass must be repeated until `repeats` passes are in; an expected oops is awaited as long."""
    if len(words) >= cell.repeats or words[-1].outcome in HOST_OUTCOMES:
        return False
    if cell.expect.outcome == "pass":
        return words[-1].verdict is Verdict.OK
    return words[-1].verdict is not Verdict.OK


def run_cell(cell: Cell, context: CellContext) -> CellResult:
    """Run one cell and judge it. Raises Interrupted and UserError only; all else is in the result."""
    began, started = clock.monotonic(), clock.now_utc().isoformat(timespec="seconds")
    context.listener(CellStarted(cell=cell.id))
    words: list[Judgement] = []
    evidences: list[Evidence] = []
    failures = 0
    while not words or wants_another(cell, words):
        directory = context.directory
        if words:
            _attempt_aside(directory, len(words))
        directory.mkdir(parents=True, exist_ok=True)
        attempt = replace(cell, seed=cell.seed + len(words))
        evidence, word, failed = boot_with_retries(attempt, context, directory)
        words.append(word)
        evidences.append(evidence)
        failures += failed
        files.write_json(directory / "evidence.json", codec.to_json(evidence))
    final = judge_attempts(cell, tuple(words))
    same = (i for i, word in enumerate(words) if (word.outcome, word.verdict) == (final.outcome, final.verdict))
    shown = next(same, len(words) - 1)
    if shown != len(words) - 1:
        _attempt_aside(context.directory, len(words))
        _bring_back(context.directory, shown + 1)
    result = replace(
        born(cell, relative=context.relative),
        judgement=final,
        evidence=evidences[shown],
        seed=cell.seed + shown,
        attempts=len(words),
        boot_failures=failures,
        kernel_key=context.kernel.key,
        provenance=context.kernel.provenance,
        kernel_release=context.kernel.release,
        accel=context.accel,
        seconds=round(clock.monotonic() - began, 3),
        started=started,
        directory=context.relative,
    )
    context.listener(CellDone(cell=cell.id, judgement=final))
    return result
