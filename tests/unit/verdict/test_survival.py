"""Survival of boots against a data set that every textbook has, and what must hold for any."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kzram_ci.verdict.survival import Life, kaplan_meier

# Freireich et al., 1963: weeks of remission with 6-mercaptopurine; + was still in remission
WEEKS = "6,6,6,6+,7,9+,10,10+,11+,13,16,17+,19+,20+,22,23,25+,32+,32+,34+,35+"
REMISSION = [Life(units=float(week.rstrip("+")), died=not week.endswith("+")) for week in WEEKS.split(",")]


def test_the_textbook_s_curve_and_its_intervals() -> None:
    curve = kaplan_meier(REMISSION)
    assert [(step.at, step.at_risk, step.deaths) for step in curve.steps] == [
        (6, 21, 3),
        (7, 17, 1),
        (10, 15, 1),
        (13, 12, 1),
        (16, 11, 1),
        (22, 7, 1),
        (23, 6, 1),
    ]
    shares = [round(step.share, 4) for step in curve.steps]
    assert shares == [0.8571, 0.8067, 0.7529, 0.6902, 0.6275, 0.5378, 0.4482]
    first, last = curve.steps[0], curve.steps[-1]
    bounds = [first.low, first.high, last.low, last.high]
    assert bounds == pytest.approx([0.6197, 0.9516, 0.1881, 0.6801], abs=1e-4)
    assert curve.median() == 23
    assert (curve.deaths, curve.boots, curve.end) == (9, 21, 35)


def test_none_died_and_all_died() -> None:
    alive = kaplan_meier([Life(units=5, died=False)] * 3)
    assert (alive.steps, alive.median(), alive.ended) == ((), None, (5, 5, 5))
    dead = kaplan_meier([Life(units=units, died=True) for units in (1, 2, 3)])
    assert [round(step.share, 3) for step in dead.steps] == [0.667, 0.333, 0.0]
    assert (dead.steps[-1].low, dead.steps[-1].high) == (0.0, 0.0)
    assert kaplan_meier([]).boots == 0


@given(st.lists(st.builds(Life, units=st.floats(0, 1e12), died=st.booleans()), max_size=40))
def test_a_curve_only_falls_and_stays_within_its_bounds(lives: list[Life]) -> None:
    curve = kaplan_meier(lives)
    shares = [1.0, *(step.share for step in curve.steps)]
    assert shares == sorted(shares, reverse=True)
    for step in curve.steps:
        assert 0.0 <= step.low <= step.share + 1e-12
        assert step.share - 1e-12 <= step.high <= 1.0
    assert curve.deaths == sum(life.died for life in lives)
