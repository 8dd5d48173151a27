"""Fisher's exact test against published tables and against its own definition."""

from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kzram_ci.verdict.significance import chance, differs, interval
from kzram_ci.verdict.stats import Rate


def rate(events: int, trials: int) -> Rate:
    return Rate(events=events, trials=trials)


@pytest.mark.parametrize(
    ("before", "after", "wanted"),
    [
        (rate(3, 4), rate(1, 4), 0.4857),  # Fisher's tea
        (rate(1, 10), rate(11, 14), 0.002759),
        (rate(0, 20), rate(1, 3), 0.1304),
        (rate(0, 20), rate(3, 3), 0.000565),
        (rate(0, 0), rate(5, 5), 1.0),
    ],
)
def test_known_tables(before: Rate, after: Rate, wanted: float) -> None:
    assert chance(before, after) == pytest.approx(wanted, rel=1e-3)
    assert chance(after, before) == pytest.approx(chance(before, after))
    assert differs(before, after) is (wanted < 0.05)


tables = st.tuples(st.integers(0, 30), st.integers(0, 30), st.integers(0, 30), st.integers(0, 30))


@given(tables)
def test_it_is_the_sum_over_all_tables_that_are_not_more_probable(table: tuple[int, int, int, int]) -> None:
    a, b, c, d = table
    if not a + b or not c + d:
        return
    ways = [comb(a + b, k) * comb(c + d, a + c - k) for k in range(max(0, a - d), min(a + b, a + c) + 1)]
    seen = comb(a + b, a) * comb(c + d, c)
    wanted = sum(way for way in ways if way <= seen) / comb(a + b + c + d, a + c)
    assert chance(rate(a, a + b), rate(c, c + d)) == pytest.approx(wanted, rel=1e-6)


def test_an_interval_of_nothing_is_everything() -> None:
    assert interval(rate(0, 0)) == (0.0, 1.0)
    low, high = interval(rate(0, 10))
    assert [low, high] == pytest.approx([0.0, 0.3085], abs=1e-4)
