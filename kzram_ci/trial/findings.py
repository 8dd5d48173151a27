"""What a trial comes to at one moment: each test, each crash told apart by signature, and the answer. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from kzram_ci.base.values import dataclass
from kzram_ci.model.outcome import Outcome
from kzram_ci.trial import silence
from kzram_ci.trial.decide import Answer, Side, Sides, Standing, sides, standing
from kzram_ci.trial.model import Asked, BootRecord, Facts, Test
from kzram_ci.trial.seen import Boot, What
from kzram_ci.verdict import races
from kzram_ci.verdict.crashes import NO_BOOT, Crash, Wanted
from kzram_ci.verdict.exposure import OVERRUNS

_ENDINGS = (str(Outcome.CORRUPTION), str(Outcome.FAIL), str(Outcome.HANG))
_HOST = frozenset({Outcome.INFRA, Outcome.LOST, Outcome.NOT_RUN})
_OFTEN = 2  # boots, until an ending that a starved host brings about as well is a finding


@dataclass(frozen=True, slots=True, kw_only=True)
class Other:
    """A crash that is not the wanted one: how many boots of each side showed it, over all tests."""

    signature: str
    title: str
    before: int
    after: int

    @property
    def new(self) -> bool:
        """Whether the series brings it: no boot without it showed it."""
        lone = self.after < _OFTEN and self.signature in (*_ENDINGS, NO_BOOT)
        return self.after > 0 and not self.before and not lone


@dataclass(frozen=True, slots=True, kw_only=True)
class Tested:
    """A test, with all that its boots say. `wanted`: the signatures of the crash that is looked for, as they came."""

    test: Test
    standing: Standing
    sides: Sides
    wanted: tuple[tuple[str, int], ...] = ()  # of before: signature, boots
    again: tuple[tuple[str, int], ...] = ()  # of after
    skipped: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prefix:
    """What one boot of a kernel with the first `patches` of the series showed. `faces`: of the wanted crash."""

    test: str
    patches: int
    what: What
    faces: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """The whole trial. `answer` is None while tests are left."""

    asked: Asked
    facts: Facts
    tests: tuple[Tested, ...]
    others: tuple[Other, ...]
    steps: tuple[tuple[int, str], ...]  # patch and signature: what a prefix of the series brings
    answer: Answer | None
    why: str = ""
    prefixes: tuple[Prefix, ...] = ()  # where each patch was asked for

    @property
    def new(self) -> tuple[Other, ...]:
        """What the series brings."""
        return tuple(other for other in self.others if other.new)


def findings_of(asked: Asked, facts: Facts, running: Sequence[tuple[str, Side, int]] = ()) -> Findings:
    """All that follows; `running`: test, side and number of the boots that were started and have not ended."""
    skipped = dict(facts.skipped)
    tests = tuple(_tested(asked, test, facts, running, skipped.get(test.id, "")) for test in asked.tests)
    others = tuple(_others(asked, facts))
    steps = tuple(_steps(asked, facts, others))
    answer, why = _answer(asked, tests, others, facts)
    if steps and answer is not None and answer is not Answer.NOT_FIXED:
        answer, why = (
            Answer.NOT_FIXED,
            f"patch {steps[0][0]} of the series, without those after it, brings {steps[0][1]}",
        )
    prefixes = tuple(_prefixes(asked, facts))
    return Findings(
        asked=asked, facts=facts, tests=tests, others=others, steps=steps, answer=answer, why=why, prefixes=prefixes
    )


def _tested(asked: Asked, test: Test, facts: Facts, running: Sequence[tuple[str, Side, int]], skipped: str) -> Tested:
    own = [boot for boot in facts.boots if boot.test == test.id]
    wanted = wanted_of(asked, test, own)
    lists: dict[Side, tuple[Boot | None, ...]] = {}
    for side in Side:
        known: dict[int, Boot | None] = {
            boot.number: Boot(what=what_of(boot, wanted), races=_races(boot), idle=boot.idle)
            for boot in own
            if boot.side is side
        }
        known |= {number: None for name, its, number in running if (name, its) == (test.id, side)}
        lists[side] = tuple(known[number] for number in sorted(known))
    both = sides(lists[Side.BEFORE], lists[Side.AFTER], asked.settings, guard=test.guard, raced=_raced(test))
    stands = standing(both, asked.settings)
    if skipped:
        stands = Standing(answer=Answer.CANNOT_SAY, why=skipped)
    return Tested(
        test=test,
        standing=stands,
        sides=both,
        wanted=_counted(own, Side.BEFORE, wanted),
        again=_counted(own, Side.AFTER, wanted),
        skipped=skipped,
    )


def _raced(test: Test) -> bool:
    """Whether the plan waits for the crash of an overrun: it bounds them, and describes a crash."""
    return test.described is not None and OVERRUNS in dict(test.cell.expect.ceilings)


def wanted_of(asked: Asked, test: Test, boots: Iterable[BootRecord]) -> Wanted:
    """The crash that is looked for in a test: given, described by the plan, or what before shows most."""
    if asked.signatures:
        return Wanted(given=asked.signatures)
    before = [boot for boot in boots if boot.side is Side.BEFORE and boot.ready]
    crashes = [crash for boot in before for crash in boot.crashes]
    if any(crash.planned for crash in crashes):
        # Data that was damaged is another face of a crash in the code that stores it.
        damage = {crash.signature for crash in crashes} & {str(Outcome.CORRUPTION)}
        # What the kernel died of in a boot that overran is a face of it too, where the plan does not say which is.
        overran = [boot for boot in before if test.described is None and any(crash.planned for crash in boot.crashes)]
        died = {crash.signature for boot in overran for crash in boot.crashes if crash.fatal and not crash.planned}
        return Wanted(plan=True, given=tuple(sorted(damage | died)))
    if test.described is not None:
        return Wanted(plan=True)
    shown = Counter(crash.signature for boot in before if (crash := principal(boot)) is not None)
    return Wanted(given=(shown.most_common(1)[0][0],) if shown else ())


def principal(boot: BootRecord) -> Crash | None:
    """What a boot is remembered for."""
    ranked = sorted(boot.crashes, key=lambda crash: (not crash.planned, not crash.fatal))
    return ranked[0] if ranked else None


def what_of(boot: BootRecord, wanted: Wanted) -> What:
    """What a boot means."""
    if any(wanted.holds(crash) for crash in boot.crashes):
        return What.CRASH
    if wanted.no_boot and not boot.ready and boot.outcome in (Outcome.BOOT_FAILED, Outcome.OOPS):
        return What.CRASH
    if boot.outcome in _HOST or (boot.outcome is Outcome.BOOT_FAILED and boot.ready):
        return What.INFRA
    if not boot.ready:
        return What.INFRA if boot.error and boot.outcome is Outcome.FAIL else What.UNBOOTABLE
    return What.CLEAN if boot.outcome is Outcome.PASS and boot.proved else _unproved(boot)


def _unproved(boot: BootRecord) -> What:
    """Of a boot that ran its workload, without the wanted crash and without a proof."""
    if boot.outcome not in (Outcome.PASS, Outcome.INCONCLUSIVE) and not boot.error:
        return What.OTHER
    return What.IDLE if boot.outcome is Outcome.INCONCLUSIVE and boot.idle else What.INCONCLUSIVE


def _races(boot: BootRecord) -> races.Tally | None:
    """The races of a boot; of one that crashed before the first sample, the overruns that the kernel reported.

    How many came before is not known then, nor whether they came apart: they are one accident.
    """
    counted = races.tally(boot.counters, boot.gains)
    lost = boot.counters.get(OVERRUNS, 0)
    if counted is None and lost > 0:
        return races.Tally(races=lost, lost=lost, design_effect=float(lost))
    return counted


def _counted(boots: Iterable[BootRecord], side: Side, wanted: Wanted) -> tuple[tuple[str, int], ...]:
    """Signatures of the wanted crash on one side, by the boots that showed them; what was counted comes last."""
    seen = Counter(
        name
        for boot in boots
        if boot.side is side
        for name in {crash.signature for crash in boot.crashes if wanted.holds(crash)}
    )
    return tuple(sorted(seen.items(), key=lambda item: (item[0] == OVERRUNS, -item[1], item[0])))


def _others(asked: Asked, facts: Facts) -> Iterable[Other]:
    """Each crash that is not the wanted one; a kernel that does not reach the workload is one too."""
    titles: dict[str, str] = {}
    seen: dict[str, Counter[Side]] = {}
    for test in asked.tests:
        own = [boot for boot in facts.boots if boot.test == test.id]
        wanted = wanted_of(asked, test, own)
        for boot in own:
            shown = {crash.signature: crash.title for crash in boot.crashes if not wanted.holds(crash)}
            if not boot.crashes and what_of(boot, wanted) is What.UNBOOTABLE:
                shown[NO_BOOT] = boot.reason
            # With the wanted crash in a boot, what came with it may follow from it: it is there without the series.
            if boot.side is Side.AFTER and what_of(boot, wanted) is What.CRASH:
                continue
            for signature, title in shown.items():
                titles.setdefault(signature, title)
                seen.setdefault(signature, Counter())[boot.side] += 1
    for signature, counts in sorted(seen.items()):
        yield Other(
            signature=signature,
            title=titles[signature],
            before=counts[Side.BEFORE],
            after=counts[Side.AFTER],
        )


def _steps(asked: Asked, facts: Facts, others: Sequence[Other]) -> Iterable[tuple[int, str]]:
    """What the first patches bring that is neither the wanted crash nor there without the series."""
    known = {other.signature for other in others if other.before}
    for step in sorted(facts.steps, key=lambda step: step.patches):
        test = asked.test(step.boot.test)
        wanted = wanted_of(asked, test, [boot for boot in facts.boots if boot.test == test.id])
        shown = [crash.signature for crash in step.boot.crashes if not wanted.holds(crash)]
        if not step.boot.crashes and what_of(step.boot, wanted) is What.UNBOOTABLE:
            shown = [NO_BOOT]
        if what_of(step.boot, wanted) is not What.CRASH:
            yield from ((step.patches, name) for name in shown if name not in known)


def _prefixes(asked: Asked, facts: Facts) -> Iterable[Prefix]:
    """Test by test, what the first patches did with the wanted crash."""
    for test in asked.tests:
        wanted = wanted_of(asked, test, [boot for boot in facts.boots if boot.test == test.id])
        own = [step for step in facts.steps if step.boot.test == test.id]
        for step in sorted(own, key=lambda step: step.patches):
            faces = dict.fromkeys(crash.signature for crash in step.boot.crashes if wanted.holds(crash))
            yield Prefix(
                test=test.id,
                patches=step.patches,
                what=what_of(step.boot, wanted),
                faces=tuple(faces),
                reason=step.boot.reason,
            )


def fixing_patch(found: Findings, test: Tested) -> int:
    """The patch with which the crash went, by one boot of each prefix; 0 where that cannot be told."""
    own = [prefix for prefix in found.prefixes if prefix.test == test.test.id]
    if test.standing.answer is not Answer.FIXED or not own:
        return 0
    crashed = [prefix.patches for prefix in own if prefix.what is What.CRASH]
    last = max(crashed, default=0)
    later = [prefix for prefix in own if prefix.patches > last]
    return last + 1 if all(prefix.what is What.CLEAN for prefix in later) else 0


def _answer(asked: Asked, tests: Sequence[Tested], others: Sequence[Other], facts: Facts) -> tuple[Answer | None, str]:
    if not facts.done and any(test.standing.answer is None for test in tests):
        return None, ""
    by = {answer: [test for test in tests if test.standing.answer is answer] for answer in Answer}
    new = [other.signature for other in others if other.new]
    if lost := by[Answer.NOT_FIXED]:
        return Answer.NOT_FIXED, f"{_names(lost)}: the crash comes with the series as well"
    if new:
        return Answer.NOT_FIXED, f"the series brings {', '.join(new)}"
    fixed = by[Answer.FIXED]
    doubtful = [test for test in by[Answer.CANNOT_SAY] if test.sides.before.crash or not fixed]
    if doubtful:
        return Answer.CANNOT_SAY, f"{_names(doubtful)}: {doubtful[0].standing.why}"
    if not fixed:
        return Answer.CANNOT_SAY, "no test shows the crash without the series"
    hidden = silence.hides([patch.text for patch in asked.posted.patches], _signatures(fixed))
    return (Answer.CANNOT_SAY, hidden) if hidden else (Answer.FIXED, "")


def _names(tests: Sequence[Tested]) -> str:
    return ", ".join(test.test.id for test in tests)


def _signatures(tests: Sequence[Tested]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for test in tests for name, _ in test.wanted))
