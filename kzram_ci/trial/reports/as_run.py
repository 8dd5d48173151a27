"""A trial as a run of two kernels, before and after, so that the reports of runs show it. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from kzram_ci.model.cell import Cell, Expectation, Plan
from kzram_ci.model.evidence import CellResult, Evidence, Judgement
from kzram_ci.model.outcome import Outcome, Verdict
from kzram_ci.trial.decide import Answer, Side
from kzram_ci.trial.findings import Findings, Tested, wanted_of, what_of
from kzram_ci.trial.model import BootRecord
from kzram_ci.trial.reports.text import headline, side_text
from kzram_ci.trial.seen import What

# What a test says of the kernel with the series.
_AFTER = {
    Answer.FIXED: (Outcome.PASS, Verdict.OK),
    Answer.NOTHING_NEW: (Outcome.PASS, Verdict.OK),
    Answer.NOT_FIXED: (Outcome.OOPS, Verdict.FINDING),
    Answer.CANNOT_SAY: (Outcome.INCONCLUSIVE, Verdict.INCONCLUSIVE),
}


def as_run(found: Findings, evidence: Callable[[str], Evidence]) -> tuple[Plan, tuple[CellResult, ...]]:
    """The plan of two kernels and its results; `evidence`: of a boot, by its directory."""
    pairs = [(test, side) for test in found.tests for side in Side if not test.skipped]
    cells = tuple(_cell(found, test, side) for test, side in pairs)
    made = (_result(found, test, side, cell, evidence) for (test, side), cell in zip(pairs, cells, strict=True))
    results = tuple(result for result in made if result is not None)
    plan = Plan(name=f"try {found.asked.posted.title}", description=headline(found), cells=cells)
    return plan, results


def _cell(found: Findings, test: Tested, side: Side) -> Cell:
    spec = replace(found.asked.before if side is Side.BEFORE else found.asked.after, name=str(side))
    cell = replace(test.test.cell, id=f"{side}/{test.test.id}", kernel=spec)
    if side is Side.BEFORE and not test.test.guard:
        return replace(cell, expect=Expectation(outcome="oops"), control=True)
    return cell


def _result(
    found: Findings, test: Tested, side: Side, cell: Cell, evidence: Callable[[str], Evidence]
) -> CellResult | None:
    boots = [boot for boot in found.facts.boots if (boot.test, boot.side) == (test.test.id, side)]
    if not boots:
        return None
    shown = _shown(found, test, boots)
    builds = {build.patches: build for build in found.facts.builds}
    build = builds.get(0 if side is Side.BEFORE else len(found.asked.posted.patches))
    return CellResult(
        id=cell.id,
        kernel=str(side),
        test=cell.test,
        axes=cell.axes,
        seed=shown.seed,
        control=cell.control,
        expected=cell.expect.outcome,
        judgement=_judged(found, test, side, shown),
        evidence=evidence(shown.directory),
        attempts=len(boots),
        kernel_key=build.key if build is not None else "",
        kernel_release=build.release if build is not None else "",
        accel=shown.accel,
        seconds=round(sum(boot.seconds for boot in boots), 3),
        directory=shown.directory,
    )


def _shown(found: Findings, test: Tested, boots: list[BootRecord]) -> BootRecord:
    """The boot that says most: a wanted crash, else another one, else the last."""
    wanted = wanted_of(found.asked, test.test, [boot for boot in found.facts.boots if boot.test == test.test.id])
    ranked = (What.CRASH, What.OTHER, What.UNBOOTABLE)
    for what in ranked:
        if (boot := next((boot for boot in boots if what_of(boot, wanted) is what), None)) is not None:
            return boot
    return boots[-1]


def _judged(found: Findings, test: Tested, side: Side, shown: BootRecord) -> Judgement:
    seen = test.sides.before if side is Side.BEFORE else test.sides.after
    reason = side_text(seen)
    if side is Side.BEFORE:
        if seen.crash:
            return Judgement(outcome=Outcome.OOPS, verdict=Verdict.OK, reason=f"{reason}; {shown.reason}")
        verdict = Verdict.OK if test.standing.answer is Answer.NOTHING_NEW else Verdict.INCONCLUSIVE
        return Judgement(outcome=Outcome.PASS if seen.clean else shown.outcome, verdict=verdict, reason=reason)
    new = {other.signature for other in found.new}
    if brought := next((crash for crash in shown.crashes if crash.signature in new), None):
        text = f"new with the series: {brought.signature}; {reason}"
        return Judgement(outcome=shown.outcome, verdict=Verdict.FINDING, reason=text)
    if test.standing.answer is None:
        return Judgement(outcome=Outcome.INCONCLUSIVE, verdict=Verdict.INCONCLUSIVE, reason=f"not finished; {reason}")
    outcome, verdict = _AFTER[test.standing.answer]
    if test.standing.answer is Answer.NOT_FIXED:
        outcome, reason = shown.outcome, f"{reason}; {shown.reason}"
    why = test.standing.why
    return Judgement(outcome=outcome, verdict=verdict, reason=f"{why}; {reason}" if why else reason)
