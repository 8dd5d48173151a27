"""Races as trials: what is counted, what is pooled, and what a number of them proves."""

import random
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kzram_ci.verdict import races
from kzram_ci.verdict.races import Tally


def test_a_race_is_a_grown_class_or_a_refused_write() -> None:
    assert races.races({"grew_class": 7, "recompressions": 9000}) == 7
    assert races.races({"reuse_refused_write": 3, "grew_class": 0, "reuse_refused": 8}) == 3
    assert races.races({"recompressions": 9000, "grew": 5}) is None
    assert races.tally({"recompressions": 9000, "overruns": 1}) is None


def test_an_overrun_is_a_race_though_the_last_sample_is_older() -> None:
    seen = races.tally({"grew_class": 0, "overruns": 1})
    assert seen == Tally(races=1, lost=1)


def test_no_races_prove_nothing() -> None:
    nothing = Tally(races=0, lost=0)
    assert nothing.bound() is None
    assert races.phrase(nothing) == "0 overruns in 0 races: nothing was at stake, nothing is proved"


def test_the_phrase_says_races_bound_bursts_and_control() -> None:
    seen = Tally(races=1212, lost=0)
    control = Tally(races=33, lost=31, boots=3)
    assert races.phrase(seen) == "0 overruns in 1,212 races (95 % bound 0.25 %)"
    assert races.phrase(seen, control, "unstable") == (
        "0 overruns in 1,212 races (95 % bound 0.25 %); unstable lost 31 of 33 in 3 boots (at least 82 %)"
    )
    burst = Tally(races=1212, lost=0, design_effect=4.0)
    assert races.phrase(burst) == "0 overruns in 1,212 races (95 % bound 0.98 %, 4.0 races counted as one)"
    assert races.phrase(Tally(races=1, lost=1)).startswith("1 overrun in 1 race ")


@given(st.integers(0, 5000), st.integers(0, 50), st.floats(1.0, 40.0), st.integers(0, 5000), st.integers(0, 50))
def test_more_races_never_prove_less(a: int, lost: int, effect: float, b: int, more: int) -> None:
    one = Tally(races=a + lost, lost=lost, design_effect=effect)
    other = Tally(races=b + more, lost=more, design_effect=1.0)
    both = races.pooled([one, other])
    assert both is not None
    assert (both.races, both.lost, both.boots) == (one.races + other.races, lost + more, 2)
    assert both.design_effect == effect
    assert lost <= one.trials <= one.races
    bound, least = one.bound(), one.at_least()
    if bound is not None and least is not None:
        assert 0.0 <= least <= lost / one.trials <= bound <= 1.0
    if not lost and one.races:
        grown = Tally(races=one.races * 2, lost=0, design_effect=effect).bound()
        assert grown is not None
        assert bound is None or grown <= bound


def test_bursts_are_told_from_independent_races() -> None:
    rng = random.Random(7)
    spread = [sum(rng.random() < 0.02 for _ in range(100)) for _ in range(400)]
    bursts = [8 * value for value in spread]
    assert races.design_effect(spread) < 1.3
    assert 6.0 < races.design_effect(bursts) < 11.0
    assert races.design_effect([0] * 100) == 1.0
    assert races.design_effect([5, 0, 0]) == 1.0


@pytest.mark.parametrize("luck", [0.5, 0.05, 0.001])
def test_needed_and_luck_are_one_question(luck: float) -> None:
    control = Tally(races=33, lost=31)
    count = races.needed(control, luck)
    assert count is not None
    reached = races.luck_of(control, Tally(races=count, lost=0))
    missed = races.luck_of(control, Tally(races=count - 1, lost=0))
    assert reached is not None and missed is not None
    assert reached <= luck < missed or (count == 1 and reached <= luck)


def test_a_control_that_lost_nothing_gives_no_measure() -> None:
    assert races.needed(Tally(races=500, lost=0), 0.01) is None
    assert races.luck_of(Tally(races=500, lost=0), Tally(races=9, lost=0)) is None
    assert races.luck_of(Tally(races=9, lost=9), Tally(races=9, lost=1)) is None
    with pytest.raises(ValueError, match="cannot be asked for"):
        races.needed(Tally(races=9, lost=9), 0.0)


@pytest.mark.parametrize("rate", [0.02, 0.1, 0.4, 0.9])
def test_an_unfixed_kernel_passes_no_more_often_than_stated(rate: float) -> None:
    """Exact, over every result that a control of 40 races can have: luck is kept on average over the controls."""
    luck, trials = 0.05, 40
    passes = 0.0
    for lost in range(trials + 1):
        chance = comb(trials, lost) * rate**lost * (1 - rate) ** (trials - lost)
        count = races.needed(Tally(races=trials, lost=lost), luck)
        passes += chance * ((1 - rate) ** count if count is not None else 0.0)
    assert passes <= luck
