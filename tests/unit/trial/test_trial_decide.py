"""When a series is called a fix: never by luck more often than was allowed, whatever the crash rate is."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, lgamma, log, log1p

import pytest
from trial_lab import trial, wrong

from kzram_ci.trial import luck
from kzram_ci.trial.decide import Answer, Settings, Side, Sides, Standing, sides, standing
from kzram_ci.trial.seen import Boot, What
from kzram_ci.verdict.races import Tally

CRASH, CLEAN, OTHER = (Boot(what=what) for what in (What.CRASH, What.CLEAN, What.OTHER))
DULL, HOST, NO_BOOT = (Boot(what=what) for what in (What.INCONCLUSIVE, What.INFRA, What.UNBOOTABLE))


def stands(
    before: Sequence[Boot | None], after: Sequence[Boot | None], *, guard: bool = False, **settings: int
) -> Standing:
    chosen = Settings(**settings)
    return standing(sides(before, after, chosen, guard=guard), chosen)


def raced(races: int, lost: int = 0, what: What | None = None) -> Boot:
    return Boot(what=what or (What.CRASH if lost else What.CLEAN), races=Tally(races=races, lost=lost))


@pytest.mark.parametrize("asked", [0.2, 0.05, 0.01, 0.001])
def test_the_rule_is_exact_for_every_rate(asked: float) -> None:
    """The sum over all ways before can crash often enough, not a simulation: the worst rate stays below the luck."""
    crashes = luck.crashes_wanted(asked)
    worst = 0.0
    for rate in (0.001, 0.003, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 0.99):
        total = 0.0
        for boots in range(crashes, round(30 * crashes / rate)):
            clean = luck.clean_wanted(crashes, boots, asked)
            ways = lgamma(boots) - lgamma(crashes) - lgamma(boots - crashes + 1)
            total += exp(ways + crashes * log(rate) + (boots - crashes + clean) * log1p(-rate))
            assert luck.chance(crashes, boots, clean) <= asked * (1 + 1e-9)
            assert clean == 1 or luck.chance(crashes, boots, clean - 1) > asked
        worst = max(worst, total)
    assert worst <= asked
    assert worst > 0.9 * asked  # and not more boots than it takes


@pytest.mark.parametrize("rate", [0.1, 0.3, 0.6, 0.9])
def test_a_series_that_changes_nothing_is_not_called_a_fix(rate: float) -> None:
    mistaken = wrong(rate, 600, seed=7, settings=Settings(luck=0.05))
    assert mistaken <= 0.05 + 0.02  # two standard errors of 600 histories
    assert wrong(rate, 300, seed=8, races=20) <= 0.01 + 0.01


@pytest.mark.parametrize(("rate", "races"), [(0.2, 0), (0.9, 0), (0.3, 20), (0.9, 200)])
def test_a_fix_is_found(rate: float, races: int) -> None:
    import random

    now, test = trial(rate, 0.0, random.Random(3), races=races)
    assert now.answer is Answer.FIXED
    assert now.chance is not None and now.chance <= 0.01
    assert now.unit == ("races" if races else "boots")
    assert test.before.crash >= 2 and test.after.clean >= 2


def test_before_comes_first_and_then_in_between() -> None:
    order = []
    test = sides((), (), Settings())
    while (now := standing(test, Settings())).answer is None:
        assert now.wants is not None
        order.append(now.wants)
        if now.wants is Side.BEFORE:
            test = Sides(before=test.before.plus(CRASH), after=test.after)
        else:
            test = Sides(before=test.before, after=test.after.plus(CLEAN))
    before, after = Side.BEFORE, Side.AFTER
    assert order == [before] * 4 + [after, after, before, after, after, after]


def test_one_crash_of_after_ends_it() -> None:
    assert stands([CRASH] * 4, [CLEAN, CRASH]).answer is Answer.NOT_FIXED


def test_a_bug_that_does_not_show_is_bounded() -> None:
    now = stands([CLEAN] * 100, [])
    assert now.answer is Answer.CANNOT_SAY
    assert "0 of 100 boots, 95 % bound 3 %" in now.why
    now = stands([raced(100)] * 4, [])
    assert now.answer is Answer.CANNOT_SAY
    assert "0 overruns in 400 races (95 % bound 0.75 %)" in now.why
    assert stands([raced(100)] * 3, []).wants is Side.BEFORE


def test_too_rare() -> None:
    now = stands([CRASH, *[CLEAN] * 59], [], most=60)
    assert now.answer is Answer.CANNOT_SAY and "too rare to measure: 1 of 60 boots" in now.why


@pytest.mark.parametrize(
    ("boot", "why"),
    [(DULL, "nothing was at stake"), (OTHER, "another crash"), (NO_BOOT, "does not reach"), (HOST, "host failed")],
)
def test_what_is_no_evidence_does_not_become_some_by_waiting(boot: Boot, why: str) -> None:
    for now in (stands([boot] * 5, []), stands([CRASH] * 4, [CLEAN, *[boot] * 5])):
        assert now.answer is Answer.CANNOT_SAY and why in now.why
    assert stands([CRASH] * 4, [CLEAN, boot, boot, CLEAN, *[boot] * 4]).answer is None


def test_what_never_happens_is_seen_early_and_named() -> None:
    still = Boot(what=What.IDLE, idle=("recompressions", "reallocated"))
    other = Boot(what=What.IDLE, idle=("reallocated",))
    now = stands([CRASH] * 4, [still, other])
    assert now.answer is Answer.CANNOT_SAY
    assert now.why == "with the series: nothing was at stake: reallocated stayed at 0 (2 boots in a row)"
    assert "without the series: nothing was at stake" in stands([still, still], []).why
    # one such boot, two that differ, or two that are not in a row
    apart = Boot(what=What.IDLE, idle=("recompressions",))
    assert stands([CRASH] * 4, [still]).answer is None
    assert stands([CRASH] * 4, [apart, other]).answer is None
    assert stands([CRASH] * 4, [still, CLEAN, still]).answer is None
    assert stands([CRASH] * 4, [still, HOST, still]).answer is None


def test_a_pass_without_races_is_no_pass() -> None:
    now = stands([raced(30, 1), raced(30, 1)], [raced(0)] * 5)
    assert now.answer is Answer.CANNOT_SAY and "no race in 5 boots" in now.why


def test_without_a_race_the_bug_cannot_show_where_it_is_one() -> None:
    def before(*boots: Boot, raced: bool = True) -> Standing:
        return standing(sides(boots, (), Settings(), raced=raced), Settings())

    now = before(*[raced(0)] * 5)
    assert now.answer is Answer.CANNOT_SAY
    assert now.why == "without the series: nothing was at stake: no race in 5 boots"
    assert before(*[raced(0)] * 4).answer is None
    assert before(*[raced(0)] * 5, raced=False).answer is None  # another bug, on a kernel that counts races too
    assert before(*[raced(0)] * 5, raced(3)).answer is None
    assert before(*[CLEAN] * 5).answer is None  # a kernel that does not count them


def test_without_races_on_one_side_boots_are_counted() -> None:
    assert stands([raced(30, 1), raced(30, 1)], [raced(500), raced(500)]).unit == "races"
    assert stands([raced(30, 1), raced(30, 1)], [CLEAN, CLEAN]).unit == "boots"
    assert stands([raced(30, 1), raced(30, 1)], [CLEAN, CLEAN]).wants is Side.BEFORE  # four crashes are needed now
    assert stands([raced(30, 0, What.CRASH)], []).wants is Side.BEFORE  # a crash that no lost race explains


def test_boots_count_in_the_order_of_their_start() -> None:
    """The fourth crash came while an earlier boot still ran: that one may be clean, and is part of the sample."""
    waiting = stands([CRASH, None, CRASH, CRASH, CRASH], [])
    assert waiting.answer is None and waiting.wants is None
    test = sides([CRASH, CLEAN, CRASH, CRASH, CRASH], [], Settings())
    assert (test.before.proof, test.before.boots) == (5, 5)


def test_a_host_that_drifted() -> None:
    now = stands([CRASH] * 4 + [CLEAN] * 30, [CLEAN] * 5)
    assert now.answer is Answer.CANNOT_SAY and "stopped coming" in now.why


def test_a_guard_finds_what_is_new_and_needs_no_crash() -> None:
    assert stands([], [], guard=True).wants is Side.BEFORE
    assert stands([CLEAN], [], guard=True).wants is Side.AFTER
    assert stands([CLEAN], [CLEAN, OTHER], guard=True).answer is Answer.NOTHING_NEW
    assert stands([CLEAN], [CRASH], guard=True).answer is Answer.NOT_FIXED
    assert stands([CRASH], [CLEAN], guard=True).wants is Side.BEFORE  # it shows the bug: then it must be fixed here too
    assert stands([CLEAN], [DULL] * 5, guard=True).answer is Answer.CANNOT_SAY


def test_a_luck_that_cannot_be_asked_for() -> None:
    for value in (0.0, 0.6, 1.0, -1.0):
        with pytest.raises(ValueError, match="cannot be asked for"):
            luck.check(value)
