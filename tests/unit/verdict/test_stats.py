"""Bounds against closed forms, a table, and the definition itself."""

from math import comb, isclose

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kzram_ci.verdict import stats
from kzram_ci.verdict.stats import Rate


@pytest.mark.parametrize("trials", [1, 2, 10, 29, 1000, 50_000, 164_831_211])
def test_no_event_has_a_closed_form(trials: int) -> None:
    assert isclose(stats.upper_bound(0, trials), 1 - 0.05 ** (1 / trials), rel_tol=1e-6)


def test_the_rule_of_three() -> None:
    assert isclose(stats.upper_bound(0, 1_000_000), 3 / 1_000_000, rel_tol=0.01)


@pytest.mark.parametrize(
    ("events", "trials", "bound"),
    [(1, 10, 0.394163), (2, 10, 0.506901), (5, 10, 0.777559), (9, 10, 0.994884), (1, 1, 1.0), (10, 10, 1.0)],
)
def test_known_bounds(events: int, trials: int, bound: float) -> None:
    assert isclose(stats.upper_bound(events, trials), bound, abs_tol=1e-6)


def tail(events: int, trials: int, rate: float) -> float:
    return sum(comb(trials, k) * rate**k * (1 - rate) ** (trials - k) for k in range(events + 1))


@given(st.integers(0, 60), st.integers(1, 60))
def test_the_bound_is_where_so_few_events_have_five_percent(events: int, trials: int) -> None:
    if events >= trials:
        return
    bound = stats.upper_bound(events, trials)
    assert events / trials < bound < 1
    assert isclose(tail(events, trials, bound), 0.05, rel_tol=1e-6)


@given(st.integers(0, 40), st.integers(41, 4000))
def test_bounds_shrink_with_trials_and_grow_with_events(events: int, trials: int) -> None:
    here = stats.upper_bound(events, trials)
    assert events / trials < here
    assert stats.upper_bound(events, trials + 1) < here < stats.upper_bound(events + 1, trials)


@pytest.mark.parametrize(
    ("a", "b", "x", "value"), [(2, 3, 0.5, 0.6875), (1, 1, 0.3, 0.3), (0.5, 0.5, 0.5, 0.5), (2, 2, 0, 0), (2, 2, 1, 1)]
)
def test_beta(a: float, b: float, x: float, value: float) -> None:
    assert isclose(stats.beta_cdf(a, b, x), value, abs_tol=1e-12)


@pytest.mark.parametrize(("events", "trials"), [(-1, 5), (6, 5), (0, 0)])
def test_nonsense_is_refused(events: int, trials: int) -> None:
    with pytest.raises(ValueError, match="no bound"):
        stats.upper_bound(events, trials)
    with pytest.raises(ValueError, match="not defined"):
        stats.beta_cdf(1, 1, -0.1)


def test_the_phrase() -> None:
    seen = Rate(events=0, trials=51_234)
    assert stats.phrase(seen) == "0 overruns in 51,234 recompressions; 95 % upper bound 5.8e-05"
    reference = Rate(events=12, trials=1000, name="unstable")
    assert stats.phrase(seen, reference=reference).endswith("5.8e-05, unstable showed 12 overruns in 1,000")
    assert "nothing is proved" in stats.phrase(Rate(events=0, trials=0), reference=reference)
    assert stats.phrase(Rate(events=3, trials=1)).endswith("1.0e+00")
    assert Rate(events=1, trials=0).value == 0.0
