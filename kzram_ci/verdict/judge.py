"""The only place that decides: evidence of a boot against what the plan expects. Pure.

Rules, in order of rank:

1. An oops after the workload began outranks all else, the lost connection it caused most of all. Before
   that, watchdogs and bare panics are the host's (`boot-failed`); other crashes are the kernel's.
2. What the workload read back wrong (`corruption`), then overruns and other crossed ceilings (`fail`),
   then a complaint on the console (`oops`).
3. How it ended: host error, flood, panic without a report, hang, lost, exit token other than 0.
4. Only what ended with exit token 0 can pass, and only with proof: pages written to zram, every floor
   reached, every ceiling's counter reported. Without proof it is `inconclusive`; absence of bad news is never good
   news.
5. What rests on the detector is an error where its self-test failed, and proves nothing where there was none.

`ok` means what the plan expected: that pass, or the expected oops with its floors.
"""

from __future__ import annotations

import signal
from collections.abc import Iterable, Sequence

from kzram_ci.base import patterns
from kzram_ci.base.units import say_count
from kzram_ci.model.cell import Cell, OopsWanted
from kzram_ci.model.evidence import Evidence, Judgement, OopsSummary
from kzram_ci.model.outcome import HOST_OUTCOMES, Outcome, Verdict
from kzram_ci.model.vocab import HOST_LIKE_TYPES, NON_FATAL_TYPES
from kzram_ci.verdict import detector, own, power
from kzram_ci.verdict.exposure import OVERRUNS, counter, together

FAST_CLOCK = 1.5  # guest seconds in a host second; what is more is a clock that was measured wrongly
EXIT_BAD_ARGUMENTS, EXIT_CORRUPTION, EXIT_SET_UP = 2, 3, 4


def fatal(oops: OopsSummary) -> bool:
    """Whether the kernel dies of it (`oops=panic`); a WARNING, the detector's own too, is not a crash."""
    return oops.type not in NON_FATAL_TYPES


def principal_oops(oopses: Sequence[OopsSummary]) -> OopsSummary | None:
    """The one to show first: the first that the kernel dies of, else the first complaint, else None."""
    return next((oops for oops in oopses if fatal(oops)), oopses[0] if oopses else None)


def below_floors(cell: Cell, evidence: Evidence) -> tuple[str, ...]:
    """A line for each floor not reached: "recompressions 31,204 < 50,000"."""
    lines = []
    for name, bound in cell.expect.floors:
        value = counter(evidence, name)
        if value is None:
            lines.append(f"{name} not reported, wanted {bound:,}")
        elif value < bound:
            lines.append(f"{name} {value:,} < {bound:,}")
    return tuple(lines)


def above_ceilings(cell: Cell, evidence: Evidence) -> tuple[str, ...]:
    """A line for each ceiling crossed; an expected pass has the ceiling 0 on overruns even when the plan is silent."""
    bounds = dict(cell.expect.ceilings)
    if cell.expect.outcome == "pass":
        bounds.setdefault(OVERRUNS, 0)
    return tuple(
        f"{name} {value:,} > {bound:,}"
        for name, bound in bounds.items()
        if (value := counter(evidence, name)) is not None and value > bound
    )


def unseen_ceilings(cell: Cell, evidence: Evidence) -> tuple[str, ...]:
    """A line for each ceiling of the plan whose counter was not reported: whether it was crossed is not known."""
    return tuple(
        f"{name} not reported, wanted at most {bound:,}"
        for name, bound in cell.expect.ceilings
        if counter(evidence, name) is None
    )


def written(cell: Cell, evidence: Evidence) -> int:
    """Pages that really went to zram. With swap, mkswap's own writes must not count: only pages swapped out do."""
    return evidence.counters.get("vmstat.pswpout" if cell.workload.zram.swap else "zram.writes", 0)


def matches(oops: OopsSummary, wanted: OopsWanted) -> bool:
    """Whether an oops is the crash a plan waits for. A complaint counts only where the plan names its type."""
    if wanted.types and oops.type not in wanted.types:
        return False
    if not wanted.types and not fatal(oops):
        return False
    functions = (*((oops.function,) if oops.function else ()), *oops.frames)
    if wanted.function and not any(patterns.found(wanted.function, name) for name in functions):
        return False
    return not wanted.title or patterns.found(wanted.title, oops.title)


def judge(cell: Cell, evidence: Evidence) -> Judgement:
    """What one boot of a cell was worth."""
    if not evidence.ready:
        return _before_workload(evidence)
    dead = evidence.panicked or any(fatal(oops) for oops in evidence.oopses)
    return detector.trusted(cell, evidence, _after_workload(cell, evidence), crashed=dead)


def _after_workload(cell: Cell, evidence: Evidence) -> Judgement:
    if evidence.oopses and any(fatal(oops) or _awaited(cell, oops) for oops in evidence.oopses):
        return _crashed(cell, evidence)
    return _damaged(cell, evidence) or _ended_badly(cell, evidence) or _ended_well(cell, evidence)


def _judged(outcome: Outcome, verdict: Verdict, reason: str) -> Judgement:
    return Judgement(outcome=outcome, verdict=verdict, reason=reason)


def _join(parts: Iterable[str]) -> str:
    return "; ".join(part for part in parts if part)


def _missed(cell: Cell) -> str:
    """What to add to a finding where an oops was expected."""
    return "" if cell.expect.outcome == "pass" else "the expected oops was not reproduced"


def _awaited(cell: Cell, oops: OopsSummary) -> bool:
    return cell.expect.outcome == "oops" and matches(oops, cell.expect.oops)


def _last_line(evidence: Evidence) -> str:
    return f'last console line "{evidence.last_line.strip()[:120]}"' if evidence.last_line.strip() else ""


def _before_workload(evidence: Evidence) -> Judgement:
    """The workload never started: no data about it, unless the kernel itself broke on the way."""
    crash = next((o for o in evidence.oopses if fatal(o) and o.type not in HOST_LIKE_TYPES), None)
    if crash is not None:
        return _judged(Outcome.OOPS, Verdict.FINDING, f"{crash.title}; before the workload started")
    if evidence.exit_code in (EXIT_BAD_ARGUMENTS, EXIT_SET_UP) or (evidence.booted and evidence.guest_errors):
        text = _join(evidence.guest_errors) or f"exit token {evidence.exit_code}"
        return _judged(Outcome.FAIL, Verdict.ERROR, f"set-up in the guest failed: {text}")
    if evidence.host_error:
        return _judged(Outcome.INFRA, Verdict.ERROR, evidence.host_error)
    if not evidence.console_bytes and not evidence.booted:
        how = "the guest printed nothing"
    else:
        how = "init ran, the workload did not start" if evidence.booted else "the kernel did not reach init"
    why = "deadline passed" if evidence.deadline_hit else _qemu(evidence)
    text = evidence.oopses[0].title if evidence.oopses else _last_line(evidence)
    return _judged(Outcome.BOOT_FAILED, Verdict.ERROR, _join((how, why, text)))


def _qemu(evidence: Evidence) -> str:
    if evidence.panicked:
        return "the kernel panicked"
    return "" if evidence.qemu_exit is None else f"QEMU ended with {evidence.qemu_exit}"


def _crashed(cell: Cell, evidence: Evidence) -> Judgement:
    """An oops: the expected one with its floors is ok, everything else is a finding."""
    overruns = counter(evidence, OVERRUNS)
    seen = () if overruns is None else (f"{say_count(overruns, 'overrun')} seen",)
    crash = principal_oops(evidence.oopses) or evidence.oopses[0]
    if cell.expect.outcome != "oops":
        return _judged(Outcome.OOPS, Verdict.FINDING, _join((crash.title, *seen)))
    expected = next((oops for oops in evidence.oopses if matches(oops, cell.expect.oops)), None)
    if expected is None:
        return _judged(Outcome.OOPS, Verdict.FINDING, _join((f"not the expected oops: {crash.title}", *seen)))
    missing = below_floors(cell, evidence)
    if missing:
        return _judged(Outcome.OOPS, Verdict.FINDING, f"{expected.title}; its cause is not proved: {_join(missing)}")
    over = above_ceilings(cell, evidence)
    if over:
        return _judged(Outcome.OOPS, Verdict.FINDING, _join((expected.title, *over)))
    if unseen := unseen_ceilings(cell, evidence):
        return _judged(Outcome.OOPS, Verdict.INCONCLUSIVE, _join((f"as expected: {expected.title}", *unseen)))
    return _judged(Outcome.OOPS, Verdict.OK, _join((f"as expected: {expected.title}", *seen)))


def _damaged(cell: Cell, evidence: Evidence) -> Judgement | None:
    """Damage that did not crash: it stands however the boot ended."""
    over = above_ceilings(cell, evidence)
    if evidence.corruptions or evidence.exit_code == EXIT_CORRUPTION:
        first = evidence.corruptions[0] if evidence.corruptions else "the workload read back what it did not write"
        count = f"{len(evidence.corruptions):,} corruptions, first: " if len(evidence.corruptions) > 1 else ""
        return _judged(Outcome.CORRUPTION, Verdict.FINDING, _join((count + first, *over, _missed(cell))))
    complaint = evidence.oopses[0].title if evidence.oopses else ""
    if over:
        return _judged(Outcome.FAIL, Verdict.FINDING, _join((*over, "no crash", complaint, _missed(cell))))
    overruns = counter(evidence, OVERRUNS) or 0
    if cell.expect.outcome == "oops" and overruns and (evidence.exit_code == 0 or complaint):
        text = f"{overruns:,} overruns, no crash"
        return _judged(Outcome.FAIL, Verdict.FINDING, _join((text, complaint, _missed(cell))))
    if complaint:
        ending = "then it hung" if evidence.exit_code is None and evidence.deadline_hit else ""
        return _judged(Outcome.OOPS, Verdict.FINDING, _join((complaint, ending, _missed(cell))))
    return None


def _ended_badly(cell: Cell, evidence: Evidence) -> Judgement | None:
    """No oops, no damage, and not the end that a good cell has."""
    if evidence.flooded:
        return _judged(Outcome.FAIL, Verdict.FINDING, _join((_flood(cell, evidence), _last_line(evidence))))
    if evidence.panicked:
        text = _join(("the kernel panicked and left no report", _last_line(evidence), _missed(cell)))
        return _judged(Outcome.OOPS, Verdict.FINDING, text)
    if evidence.host_error:
        return _judged(Outcome.INFRA, Verdict.ERROR, evidence.host_error)
    return _without_token(cell, evidence) if evidence.exit_code is None else _by_token(cell, evidence)


def _flood(cell: Cell, evidence: Evidence) -> str:
    if evidence.console_bytes >= cell.machine.console_limit_mib << 20:
        return f"console flooded: {evidence.console_bytes:,} bytes"
    return "control port flooded"


def _without_token(cell: Cell, evidence: Evidence) -> Judgement:
    wanted = dict(cell.expect.floors)
    if evidence.missing:
        unseen = [f"{name} not reported by this kernel, wanted {wanted.get(name, 1):,}" for name in evidence.missing]
        return _judged(Outcome.INCONCLUSIVE, Verdict.INCONCLUSIVE, _join((*unseen, "ended at once")))
    if evidence.idle:
        ran = f"in {evidence.work_seconds:.0f} s of work"
        still = [f"{name} stayed at 0 {ran}, wanted {wanted.get(name, 1):,}" for name in evidence.idle]
        return _judged(Outcome.INCONCLUSIVE, Verdict.INCONCLUSIVE, _join((*still, "ended early")))
    if evidence.deadline_hit:
        text = _join(("deadline passed, guest alive", _last_line(evidence), _missed(cell)))
        return _judged(Outcome.HANG, Verdict.FINDING, text)
    garbage = f"{evidence.garbage:,} lines of the control port were garbage" if evidence.garbage else ""
    return _judged(
        Outcome.LOST, Verdict.ERROR, _join(("no exit token", garbage, _qemu(evidence), _last_line(evidence)))
    )


def _by_token(cell: Cell, evidence: Evidence) -> Judgement | None:
    if evidence.exit_code in (EXIT_BAD_ARGUMENTS, EXIT_SET_UP) or (evidence.exit_code == 0 and evidence.guest_errors):
        text = _join(evidence.guest_errors) or f"exit token {evidence.exit_code}"
        return _judged(Outcome.FAIL, Verdict.ERROR, f"set-up in the guest failed: {text}")
    if cell.workload.own is not None and (judged := own.ended_badly(cell, evidence)) is not None:
        return _judged(judged.outcome, judged.verdict, _join((judged.reason, *evidence.guest_errors, _missed(cell))))
    if evidence.exit_code == 0:
        return None
    text = _join((_exit_words(evidence), *evidence.guest_errors, _missed(cell)))
    return _judged(Outcome.FAIL, Verdict.FINDING, text)


def _exit_words(evidence: Evidence) -> str:
    code = evidence.exit_code or 0
    if code > 128:
        try:
            name = signal.Signals(code - 128).name
        except ValueError:
            name = f"signal {code - 128}"
        killed = evidence.counters.get("vmstat.oom_kill", 0)
        return f"the workload was killed by {name}" + (f" ({killed:,} OOM kills)" if killed else "")
    return f"the workload exited with {code}"


def _ended_well(cell: Cell, evidence: Evidence) -> Judgement:
    """Exit token 0 and a clean console: a pass if there is proof."""
    if cell.workload.own is not None:
        return _own_ended_well(cell, evidence)
    pages = written(cell, evidence)
    name = "vmstat.pswpout" if cell.workload.zram.swap else "zram.writes"
    if pages <= 0:
        return _judged(Outcome.INCONCLUSIVE, Verdict.INCONCLUSIVE, f"nothing was written to zram ({name} {pages})")
    if cell.expect.outcome == "oops":
        if fast := _fast_clock(evidence):
            return fast
        overruns = counter(evidence, OVERRUNS)
        text = "overruns not reported" if overruns is None else f"overruns {overruns:,}"
        stopped = f"stopped by {evidence.stop_why}" if evidence.stop_why else ""
        return _judged(Outcome.PASS, Verdict.FINDING, _join((_missed(cell), text, stopped)))
    missing = (*below_floors(cell, evidence), *unseen_ceilings(cell, evidence))
    if missing:
        return _fast_clock(evidence) or _judged(Outcome.INCONCLUSIVE, Verdict.INCONCLUSIVE, _join(missing))
    proof = [f"{bound_name} {counter(evidence, bound_name):,}" for bound_name, _ in cell.expect.floors]
    overruns = counter(evidence, OVERRUNS)
    if overruns is not None:
        proof.append(f"{OVERRUNS} {overruns:,}")
    return _judged(Outcome.PASS, Verdict.OK, ", ".join(dict.fromkeys((*proof, f"{name} {pages:,}"))))


def _own_ended_well(cell: Cell, evidence: Evidence) -> Judgement:
    """As `_ended_well`, of a test that the plan brings: what it must have done is in its floors, if anywhere."""
    if cell.expect.outcome == "oops":
        return _fast_clock(evidence) or _judged(Outcome.PASS, Verdict.FINDING, _missed(cell))
    if missing := (*below_floors(cell, evidence), *unseen_ceilings(cell, evidence)):
        return _fast_clock(evidence) or _judged(Outcome.INCONCLUSIVE, Verdict.INCONCLUSIVE, _join(missing))
    return own.proof(cell, evidence)


def _fast_clock(evidence: Evidence) -> Judgement | None:
    """A guest that misjudged its clock ended long before its time: the boot was bad, and is not evidence.

    On a starved host the kernel may measure its TSC several times too slow, and with `tsc=reliable` nothing
    corrects that ("PIT calibration deviates from HPET", arch/x86/kernel/tsc.c, seen on 6.12).
    """
    ran, real = evidence.guest_work_seconds, evidence.work_seconds
    if evidence.stop_why != "duration" or real <= 0 or ran < FAST_CLOCK * real:
        return None
    text = f"the guest's clock ran {ran / real:.1f} times too fast: its {ran:.0f} s were {real:.0f} s"
    return _judged(Outcome.BOOT_FAILED, Verdict.ERROR, text)


def judge_attempts(cell: Cell, judgements: tuple[Judgement, ...], evidences: tuple[Evidence, ...]) -> Judgement:
    """The judgement of a cell from its attempts, in order, and what each of them left.

    An expected pass needs every attempt to pass, `repeats` of them; the worst other judgement decides. An
    expected oops needs one attempt that shows it; it is "not reproduced" only when all tries were made.
    """
    if not judgements:
        return Judgement()
    good = [j for j in judgements if j.verdict is Verdict.OK]
    if len(good) == len(judgements) or (cell.expect.outcome == "oops" and good):
        return _with_evidence(cell, _as_expected(cell, judgements, evidences), evidences)
    return _not_as_expected(cell, judgements, evidences)


def _with_evidence(cell: Cell, word: Judgement, evidences: tuple[Evidence, ...]) -> Judgement:
    """A pass that is to end by evidence: without it, it proves nothing."""
    if cell.evidence is None or word.outcome is not Outcome.PASS:
        return word
    if missing := power.unproved(cell, evidences):
        return _judged(Outcome.INCONCLUSIVE, Verdict.INCONCLUSIVE, _join((missing, word.reason)))
    return _judged(word.outcome, word.verdict, _join((word.reason, power.proved(cell, evidences))))


def _as_expected(cell: Cell, judgements: tuple[Judgement, ...], evidences: tuple[Evidence, ...]) -> Judgement:
    total = len(judgements)
    first = next(number for number, j in enumerate(judgements, start=1) if j.verdict is Verdict.OK)
    if cell.expect.outcome == "oops":
        found = judgements[first - 1]
        return found if total == 1 else _counted(found, f"attempt {first} of {total}")
    if total < cell.repeats:
        few = f"only {total} of {cell.repeats} repeats were made"
        return _judged(Outcome.INCONCLUSIVE, Verdict.INCONCLUSIVE, few)
    if total == 1:
        return judgements[0]
    return _counted(_ended_well(cell, together(evidences)), f"{total} of {total} passed, all counted together")


def _not_as_expected(cell: Cell, judgements: tuple[Judgement, ...], evidences: tuple[Evidence, ...]) -> Judgement:
    total = len(judgements)
    bad = [j for j in judgements if j.verdict is not Verdict.OK]
    ranks = (Verdict.FINDING, Verdict.ERROR, Verdict.INCONCLUSIVE, Verdict.SKIPPED)
    worst = min(bad, key=lambda j: ranks.index(j.verdict))
    broken = next((j for j in bad if j.outcome in HOST_OUTCOMES), None)
    if cell.expect.outcome == "oops" and broken is not None and worst.outcome is Outcome.PASS:
        worst = broken  # the kernel did nothing wrong yet and not every try was made: no "not reproduced"
    if total == 1 and cell.repeats == 1:
        return worst
    if total > 1 and all(j.outcome is Outcome.PASS for j in judgements):
        return _counted(
            _ended_well(cell, together(evidences)), f"{total} of {cell.repeats} tries, all counted together"
        )
    return _counted(worst, f"attempt {judgements.index(worst) + 1} of {total}, {cell.repeats} planned")


def _counted(judged: Judgement, note: str) -> Judgement:
    return _judged(judged.outcome, judged.verdict, f"{judged.reason} ({note})")
