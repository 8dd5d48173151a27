"""What the boots of one test say so far, and which kernel to boot next. Pure.

Before must crash, else nothing can be said of after. Then both are booted in turn, so that a host that drifts does so
for both, until a kernel as bad as before would have come through with a chance below the luck that was asked for.
Where both kernels count races, they are the unit (`verdict.races`), else boots (`luck`). One wanted crash of after
ends it: the series does not help.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from functools import lru_cache

from kzram_ci.base.values import dataclass
from kzram_ci.trial import luck as boot_luck
from kzram_ci.trial.seen import Boot, Seen, What, seen
from kzram_ci.verdict import races
from kzram_ci.verdict.likelihood import Beta, miss
from kzram_ci.verdict.stats import upper_bound

_PRIOR = (Beta(a=1.75, b=0.4),)  # of a crash rate, as a bisection has it
_needed = lru_cache(maxsize=256)(races.needed)  # asked before every boot, and dear
_DRIFT = 0.01  # a chance below this is not luck: before no longer does what it did


class Side(StrEnum):
    """A kernel of the trial: without the series, or with it."""

    BEFORE = "before"
    AFTER = "after"


class Answer(StrEnum):
    """What one test says of the series."""

    FIXED = "fixed"
    NOT_FIXED = "not fixed"
    CANNOT_SAY = "cannot say"
    NOTHING_NEW = "nothing new"  # of a test that shows no crash without the series either, and need not


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How sure is sure, and when to give up. Numbers of boots, unless a comment says otherwise."""

    luck: float = 0.01  # the chance of a wrong "fixed" that is allowed
    silent: int = 100  # of before without one crash: the bug does not show
    silent_races: int = 300  # the same in races, none of them lost; in `silent_boots` at least
    silent_boots: int = 4
    most: int = 1_000  # of one side, until the crash is too rare to measure
    patience: int = 5  # in a row without any evidence
    idle: int = 2  # in a row in which what is to prove something did not happen once
    guard_before: int = 1
    guard_after: int = 2
    # Whatever the races say: crashes of before, each of which makes the races that after needs fewer, and clean ones.
    least_before: int = 4
    least_after: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """Both sides of one test. `guard`: it is there to find what the series breaks, and need not crash without it."""

    before: Seen
    after: Seen
    guard: bool = False
    raced: bool = False  # the wanted crash is an overrun: it comes from a lost race, and from nothing else


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a test stands. `wants`: the side to boot next, while there is no answer; None: wait for those that run.

    `chance`: with which a kernel as bad as before comes through what after came through; None while not known.
    """

    answer: Answer | None = None
    why: str = ""
    wants: Side | None = None
    chance: float | None = None
    unit: str = "boots"


def sides(
    before: Sequence[Boot | None],
    after: Sequence[Boot | None],
    settings: Settings,
    *,
    guard: bool = False,
    raced: bool = False,
) -> Sides:
    """The boots of a test, in the order in which they were started; None: still running."""
    proof = boot_luck.crashes_wanted(settings.luck)
    found = (seen(boots, proof_crashes=proof) for boots in (before, after))
    return Sides(before=next(found), after=next(found), guard=guard, raced=raced)


def standing(test: Sides, settings: Settings) -> Standing:
    """Where the test stands."""
    before, after = test.before, test.after
    if after.crash:
        return Standing(answer=Answer.NOT_FIXED, why="the wanted crash came with the series as well")
    if test.guard and not before.crash:
        return _guarded(test, settings)
    by_races = bool(before.crash) and not before.uncounted and not after.uncounted
    if not before.crash or not (by_races or before.proof):
        return _unproved(before, settings, raced=test.raced)
    if dull := _dull(after, settings):
        return Standing(answer=Answer.CANNOT_SAY, why=f"with the series: {dull}")
    return _in_races(test, settings) if by_races else _in_boots(test, settings)


_NAMES = {Side.BEFORE: "without the series", Side.AFTER: "with the series"}
_DULL = {
    What.OTHER: "another crash comes before the wanted one could",
    What.INCONCLUSIVE: "nothing was at stake: the proof that the plan asks for was not reached",
    What.IDLE: "nothing was at stake: what the proof counts did not happen",
    What.UNBOOTABLE: "the kernel does not reach the workload",
    What.INFRA: "the host failed",
}


def _dull(side: Seen, settings: Settings) -> str:
    """Why the last boots, all of them, are no evidence; "" when some are."""
    last = side.idle[-settings.idle :]
    if len(last) == settings.idle and (still := [name for name in last[0] if all(name in names for names in last)]):
        return f"nothing was at stake: {', '.join(still)} stayed at 0 ({len(last)} boots in a row)"
    if len(side.tail) < settings.patience:
        return ""
    return f"{_DULL[Counter(side.tail).most_common(1)[0][0]]} ({len(side.tail)} boots in a row)"


def _guarded(test: Sides, settings: Settings) -> Standing:
    for side, name, wanted in (
        (test.before, Side.BEFORE, settings.guard_before),
        (test.after, Side.AFTER, settings.guard_after),
    ):
        told = side.clean + side.other
        if not told and (dull := _dull(side, settings)):
            return Standing(answer=Answer.CANNOT_SAY, why=f"{_NAMES[name]}: {dull}")
        if told + side.running < wanted:
            return Standing(wants=name)
        if told < wanted:
            return Standing()
    return Standing(answer=Answer.NOTHING_NEW)


def _unproved(before: Seen, settings: Settings, *, raced: bool) -> Standing:
    """Before has not crashed as often as it must."""
    if raced and not before.crash and before.clean >= settings.patience and _raceless(before):
        why = f"without the series: nothing was at stake: no race in {before.clean} boots"
        return Standing(answer=Answer.CANNOT_SAY, why=why)
    if dull := _dull(before, settings):
        return Standing(answer=Answer.CANNOT_SAY, why=f"without the series: {dull}")
    if not before.crash and (silent := _silent(before, settings)):
        return Standing(answer=Answer.CANNOT_SAY, why=f"the bug does not show without the series ({silent})")
    if before.crash + before.clean >= settings.most:
        why = f"the crash is too rare to measure: {before.crash} of {before.crash + before.clean:,} boots"
        return Standing(answer=Answer.CANNOT_SAY, why=f"{why} without the series")
    left = settings.silent - before.clean
    most = before.proof_crashes - before.crash if before.crash else min(left, settings.patience)
    return Standing(wants=Side.BEFORE if before.running < most else None)


def _raceless(side: Seen) -> bool:
    """Whether each boot counted its races, and there was none."""
    return side.tally is not None and not side.uncounted and not side.tally.races


def _silent(before: Seen, settings: Settings) -> str:
    """What bounds a crash that never came, when enough was tried."""
    met = before.tally
    if met and not before.uncounted and met.trials >= settings.silent_races and before.clean >= settings.silent_boots:
        return races.phrase(met)
    if before.clean >= settings.silent:
        return f"0 of {before.clean} boots, 95 % bound {races.percent(upper_bound(0, before.clean))}"
    return ""


def _in_boots(test: Sides, settings: Settings) -> Standing:
    """After against before, boot by boot."""
    before, after = test.before, test.after
    wanted, extra = before.proof_crashes, before.boots - before.proof
    if extra and before.crashes == wanted and miss(_PRIOR, wanted, before.proof - wanted, extra) < _DRIFT:
        why = f"without the series the crash stopped coming: {wanted} in {before.proof} boots, then none in {extra}"
        return Standing(answer=Answer.CANNOT_SAY, why=why)
    # The first of the two is exact. The second takes what before did later into account, and can only ask for more.
    proofs = ((wanted, before.proof), (before.crashes, before.boots))
    chance = max(boot_luck.chance(*proof, after.boots) for proof in proofs)
    need = max(boot_luck.clean_wanted(*proof, settings.luck) for proof in proofs)
    if after.boots >= need and extra >= _in_between(need):
        return Standing(answer=Answer.FIXED, chance=chance)
    if after.clean >= settings.most:
        why = f"the crash is too rare to measure: {need:,} clean boots would be needed"
        return Standing(answer=Answer.CANNOT_SAY, why=why, chance=chance)
    under_way = after.clean + after.running
    if extra + before.running < _in_between(min(under_way, need)):
        return Standing(wants=Side.BEFORE, chance=chance)
    return Standing(wants=Side.AFTER if under_way < need else None, chance=chance)


def _in_between(clean: int) -> int:
    """How many boots of before belong between so many of after."""
    return (clean + 2) // 4


def _in_races(test: Sides, settings: Settings) -> Standing:
    """After against before, race by race."""
    before, after = test.before, test.after
    assert before.tally is not None
    need = _needed(before.tally, settings.luck)
    met = after.tally.trials if after.tally is not None else 0
    enough = need is not None and met >= need and after.clean >= settings.least_after
    if enough and before.crash >= settings.least_before:
        chance = races.luck_of(before.tally, after.tally) if after.tally is not None else None
        return Standing(answer=Answer.FIXED, chance=chance, unit="races")
    if after.clean >= settings.patience and not met:
        why = f"with the series: nothing was at stake: no race in {after.clean} boots"
        return Standing(answer=Answer.CANNOT_SAY, why=why, unit="races")
    if max(before.started, after.started) >= settings.most:
        why = f"{need or 'more'} races would be needed, {met} came in {after.clean} boots"
        return Standing(answer=Answer.CANNOT_SAY, why=why, unit="races")
    lacking = before.crash + before.running < settings.least_before or need is None
    going = after.clean + after.running
    if lacking and (enough or before.started <= after.started + 1):
        return Standing(wants=Side.BEFORE, unit="races")
    if enough or going >= max(settings.least_after, _boots_for(need, met, after.clean)):
        return Standing(unit="races")
    later = before.started < settings.least_before - 1 + _in_between(after.started)
    return Standing(wants=Side.BEFORE if later else Side.AFTER, unit="races")


def _boots_for(need: int | None, met: int, clean: int) -> int:
    """How many boots of after it takes to have so many races, as far as those so far tell."""
    if need is None or not met or not clean:
        return clean + 1
    return max(clean + 1, -(-need * clean // met)) if met < need else clean
