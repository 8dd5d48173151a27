"""`stop: {evidence: …}`: what a control's losses ask of a cell, and whether the cell got there. Pure.

A cell proves something once a kernel as bad as its control would hardly have come through its races. The control is
the same test on a kernel without the remedy; `races.needed` says how many trials that takes. Both count races alike:

* `grew_class`, for what a remedy in zram has to cope with; on the control each of them overruns. An overrun on the
  console counts though the last sample is older.
* `reuse_refused`, for what stable pages refuse, against `reuse_allowed` on the control: the same place in the kernel,
  where a fault found its page under writeback, with the other answer. Here only the control's samples count, overruns
  and faults of the same moment: how many faults there were at the crash is not known, and a loss that crashed before
  the next sample is left out, which makes the control look better than it is, never worse.
* any other counter against itself, such as the rounds of a script: there a crash is the loss, among as many races as
  the last sample had and one more busiest sample.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import ceil

from kzram_ci.base.errors import NotApplicable
from kzram_ci.model.cell import Cell
from kzram_ci.model.evidence import BootCounts, CellResult, Evidence, Gains
from kzram_ci.model.measure import GREW_CLASS, Target
from kzram_ci.model.outcome import Outcome, Verdict
from kzram_ci.model.vocab import NON_FATAL_TYPES
from kzram_ci.verdict.exposure import OVERRUNS
from kzram_ci.verdict.races import Tally, lost_words, needed, percent, pooled, tally

BURST = 20.0  # races to a trial until samples tell: a cell that guessed too low is booted again
MARGIN = 1.1  # of the races that are still wanting, since the design effect of more samples is another
LEAST_SECONDS = 5  # for another boot
MOST_BOOTS = 60  # of one cell, beyond the plan's repeats
ALLOWED = "reuse_allowed"
COUNTED = (GREW_CLASS, "reuse_refused", "reuse_refused_write", ALLOWED)


def gauged(cell: Cell) -> tuple[str, ...]:
    """The counters whose samples are kept: those that count races."""
    own = cell.evidence.counters(cell.expect.floors) if cell.evidence is not None else ()
    return tuple(dict.fromkeys((*COUNTED, *own)))


def boot_counts(evidence: Evidence) -> BootCounts:
    """What a boot counted of its races: the counters of instruments, and those of the workload itself."""
    own = {name: value for name, value in evidence.counters.items() if "." not in name or name.startswith("workload.")}
    crashed = evidence.panicked or any(oops.type not in NON_FATAL_TYPES for oops in evidence.oopses)
    lines = evidence.overrun_lines
    return BootCounts(counters=own, gains=evidence.gains, overrun_lines=lines, crashed=crashed)


def boots_of(result: CellResult) -> tuple[BootCounts, ...]:
    """Each boot of a cell that came to something."""
    if result.each or not result.evidence.ready:
        return result.each
    return (boot_counts(result.evidence),)


def tally_of(boots: Sequence[BootCounts], name: str) -> Tally | None:
    """The races of all boots by one counter; None when none of them reported it."""
    return pooled(one for boot in boots if (one := _tally(boot, name)) is not None)


def _tally(boot: BootCounts, name: str) -> Tally | None:
    if name not in boot.counters and not (name == GREW_CLASS and _crashed_before_any_sample(boot)):
        return None
    seen, lost = boot.counters.get(name, 0), boot.counters.get(OVERRUNS, 0)
    if name not in COUNTED:
        lost = int(boot.crashed)
        seen += (boot.gains.get(name, Gains()).most + 1) * lost
    elif name == GREW_CLASS:
        lost = max(lost, boot.overrun_lines)
    else:
        lost = min(lost, seen)  # the samples of two files are not of one moment
    one = tally({name: seen, OVERRUNS: lost}, boot.gains, names=(name,))
    return one if one is None else replace(one, stopped=boot.crashed and one.lost > 0)


def _crashed_before_any_sample(boot: BootCounts) -> bool:
    """Whether its console alone tells of a boot's races. A detector that has no counter of races samples others."""
    return boot.overrun_lines > 0 and OVERRUNS not in boot.counters


def target(cell: Cell, control: CellResult | BaseException | None) -> Target:
    """What its control asks of a cell that ends by evidence."""
    against = cell.evidence
    if against is None:
        return Target()
    if how := _not_conclusive(against.control, control):
        return Target(why_not=how)
    assert isinstance(control, CellResult)
    asked = f"its control {against.control}"
    races, name = against.counters(cell.expect.floors)
    seen = tally_of(boots_of(control), name)
    if _raceless(cell, races):
        return Target(why_not=f"{races} must stay 0 here: there is no race to be lost")
    if seen is None:
        return Target(why_not=f"{asked} does not report {name}, which counts the same there as {races} here")
    trials = needed(seen, against.luck) if seen.lost else None
    if trials is None:
        last = "" if name == GREW_CLASS else ", as of the last sample before it crashed"
        return Target(why_not=f"{asked} lost none of {seen.races:,} races ({name}){last}: its rate is not known")
    return Target(trials=trials, effect=max(seen.design_effect, BURST), words=lost_words(seen, against.control))


def _raceless(cell: Cell, races: str) -> bool:
    """Whether the cell's own ceilings leave it no race: what may not grow needs no larger class."""
    limits = dict(cell.expect.ceilings)
    return limits.get(races) == 0 or (races == GREW_CLASS and limits.get("grew") == 0)


def _not_conclusive(name: str, control: CellResult | BaseException | None) -> str:
    """Why a control is not a measure; "" when it lost races, as it must."""
    if not name:
        return "the plan has no kernel that must crash in this test"
    how = ""
    if control is None:
        how = "was not run"
    elif isinstance(control, NotApplicable):
        how = f"cannot race: {control.message}"
    elif isinstance(control, BaseException):
        how = f"has no result: {control}"
    elif control.judgement.verdict is Verdict.SKIPPED:
        how = f"cannot race: {control.judgement.reason}"
    elif (control.judgement.verdict, control.judgement.outcome) != (Verdict.OK, Outcome.OOPS):
        how = f"did not show that its kernel loses races: {control.judgement.reason}"
    return f"its control {name} {how}" if how else ""


def seen_races(cell: Cell, evidences: Sequence[Evidence]) -> Tally | None:
    """The races of a cell's own boots."""
    if cell.evidence is None:
        return None
    races, _ = cell.evidence.counters(cell.expect.floors)
    return tally_of([boot_counts(each) for each in evidences], races)


def armed(cell: Cell, evidences: Sequence[Evidence]) -> Cell:
    """The cell for its next boot: with a stop at the races that are wanting, in the time that is left.

    After the boots that the plan asks for only races are wanting; floors were reached by those, or never will be.
    """
    if cell.evidence is None or cell.target is None or not cell.target.trials:
        return cell
    races, _ = cell.evidence.counters(cell.expect.floors)
    wanting, work = _wanting(cell, evidences), cell.workload
    if len(evidences) < cell.repeats:
        bounds = dict(work.stop)
        if wanting:
            bounds[races] = max(wanting, bounds.get(races, 0))
        return replace(cell, workload=replace(work, stop=tuple(bounds.items())))
    return replace(
        cell,
        workload=replace(work, stop=((races, wanting),), duration_s=_seconds_left(cell, evidences)),
        expect=replace(cell.expect, floors=()),
        evidence=replace(cell.evidence, races=races),
    )


def goals(cell: Cell) -> tuple[tuple[str, int], ...]:
    """The races that a cell runs for, as far as is known before its first boot."""
    if cell.evidence is None or cell.target is None or not cell.target.trials:
        return ()
    return ((cell.evidence.counters(cell.expect.floors)[0], _wanting(cell, ())),)


def wants_more(cell: Cell, evidences: Sequence[Evidence]) -> bool:
    """Whether another boot can bring the races that are wanting: the last one brought some, and there is time."""
    if cell.evidence is None or cell.target is None or not cell.target.trials or not evidences:
        return False
    last = seen_races(cell, evidences[-1:])
    if last is None or not last.races or len(evidences) >= cell.repeats + MOST_BOOTS:
        return False
    in_time = evidences[-1].stop_why != "duration" and _seconds_left(cell, evidences) >= LEAST_SECONDS
    return in_time and _wanting(cell, evidences) > 0


def _wanting(cell: Cell, evidences: Sequence[Evidence]) -> int:
    """Races until the target, by the design effect known so far: no more than there were, for it is known roughly."""
    assert cell.target is not None
    seen, first = seen_races(cell, evidences), ceil(cell.target.trials * cell.target.effect)
    if seen is None or not seen.races:
        return first
    if seen.trials >= cell.target.trials:
        return 0
    wanting = ceil((cell.target.trials * seen.design_effect - seen.races) * MARGIN)
    return max(1, min(wanting, max(first, seen.races)))


def _seconds_left(cell: Cell, evidences: Sequence[Evidence]) -> int:
    ran = sum(each.guest_work_seconds or each.work_seconds for each in evidences)
    return int(cell.workload.duration_s * max(1, cell.repeats) - ran)


def unproved(cell: Cell, evidences: Sequence[Evidence]) -> str:
    """Why the evidence that the plan asks for is not there; "" when it is, or when none is asked for."""
    if cell.evidence is None:
        return ""
    races, _ = cell.evidence.counters(cell.expect.floors)
    wanted = cell.target or target(cell, None)
    if wanted.why_not:
        return f"no evidence: {wanted.why_not}"
    seen = seen_races(cell, evidences)
    if seen is None:
        return f"no evidence: {races} not reported"
    if seen.trials >= wanted.trials:
        return ""
    ended = "its time was over" if evidences[-1].stop_why == "duration" else "then it ended"
    return f"{_races_words(seen, races)}, of {wanted.trials:,} that {_odds(cell)} ({wanted.words}); {ended}"


def proved(cell: Cell, evidences: Sequence[Evidence]) -> str:
    """What the races prove, where `unproved` has nothing to say; "" when no evidence is asked for."""
    seen = seen_races(cell, evidences)
    if cell.evidence is None or cell.target is None or seen is None:
        return ""
    races, _ = cell.evidence.counters(cell.expect.floors)
    return f"{_races_words(seen, races)}; {cell.target.trials:,} {_odds(cell)} ({cell.target.words})"


def _races_words(seen: Tally, name: str) -> str:
    counted = f", counted as {seen.trials:,}" if seen.trials < seen.races else ""
    return f"{seen.races:,} races ({name}){counted}"


def _odds(cell: Cell) -> str:
    assert cell.evidence is not None
    return f"leave a kernel as bad as its control {percent(cell.evidence.luck)}"
