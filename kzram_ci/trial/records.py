"""What is kept of a boot. Pure."""

from __future__ import annotations

from dataclasses import replace

from kzram_ci.model.cell import Expectation
from kzram_ci.model.evidence import Evidence
from kzram_ci.model.outcome import Verdict
from kzram_ci.trial.costs import WORK_MS
from kzram_ci.trial.decide import Side
from kzram_ci.trial.model import Asked, BootRecord, Test
from kzram_ci.verdict.crashes import Crash, crashes_of
from kzram_ci.verdict.exposure import OVERRUNS, counter
from kzram_ci.verdict.judge import below_floors, judge
from kzram_ci.verdict.races import RACES

_DETECTOR = "zram_overrun"  # the functions of series overrun-detector


def passing(expect: Expectation) -> Expectation:
    """What a good kernel shows in a test: a pass. A floor of overruns is the proof of a crash, not of exposure."""
    if expect.outcome == "pass":
        return expect
    floors = tuple((name, bound) for name, bound in expect.floors if name != OVERRUNS)
    return Expectation(outcome="pass", floors=floors, ceilings=expect.ceilings)


def boot_record(
    asked: Asked, test: Test, evidence: Evidence, *, side: Side, number: int, seed: int, directory: str, accel: str
) -> BootRecord:
    """The facts of a boot that a trial keeps."""
    judged = judge(test.cell, evidence)
    overruns = counter(evidence, OVERRUNS) or 0
    wanted = test.described
    crashes = [_marked(crash, overruns) for crash in crashes_of(evidence, judged, wanted)]
    crashes += [
        Crash(signature=name, title=f"{value:,} {name}", planned=name == OVERRUNS)
        for name, value in _crossed(test, evidence)
    ]
    known = {name: counter(evidence, name) for name in (*RACES, OVERRUNS, *asked.costs)}
    return BootRecord(
        test=test.id,
        side=side,
        number=number,
        seed=seed,
        outcome=judged.outcome,
        reason=judged.reason,
        error=judged.verdict is Verdict.ERROR,
        crashes=tuple(crashes),
        ready=evidence.ready,
        proved=not below_floors(test.cell, evidence),
        idle=tuple(name for name, bound in test.cell.expect.floors if bound > 0 and not counter(evidence, name)),
        worked=round(max(0.0, evidence.seconds - evidence.boot_seconds), 3),
        counters={
            WORK_MS: round(1000 * evidence.work_seconds),
            **{name: value for name, value in known.items() if value is not None},
        },
        gains=evidence.gains,
        seconds=round(evidence.seconds, 3),
        directory=directory,
        accel=accel,
    )


def _crossed(test: Test, evidence: Evidence) -> list[tuple[str, int]]:
    """Counters above the plan's ceilings; overruns always have the ceiling 0."""
    bounds = {OVERRUNS: 0, **dict(test.cell.expect.ceilings)}
    return [
        (name, value)
        for name, bound in bounds.items()
        if (value := counter(evidence, name)) is not None and value > bound
    ]


def _marked(crash: Crash, overruns: int) -> Crash:
    """The detector's own report of an overrun is one more face of the overrun."""
    return replace(crash, planned=True) if overruns and _DETECTOR in crash.title else crash
