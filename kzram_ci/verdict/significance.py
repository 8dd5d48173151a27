"""Whether two counts differ by more than chance: Fisher's exact test, two-sided. Pure.

1 crash in 3 boots after 0 in 20 may be luck; the test says how probable so large a difference is when both kernels
crash alike. Exact, so it holds for the few boots that there are.
"""

from __future__ import annotations

from math import exp, lgamma

from kzram_ci.verdict.stats import Rate, lower_bound, upper_bound

NOISE = 0.05  # a difference that chance makes at least as often is none
_SLACK = 1e-7  # of a relative difference between two probabilities that are equal


def chance(before: Rate, after: Rate) -> float:
    """The probability, if both had one rate, of a table that is at most as probable as this one; 1 without trials."""
    if before.trials <= 0 or after.trials <= 0:
        return 1.0
    events, trials = before.events + after.events, before.trials + after.trials
    lowest, highest = max(0, events - after.trials), min(events, before.trials)
    weights = [_log_ways(before.trials, k) + _log_ways(after.trials, events - k) for k in range(lowest, highest + 1)]
    total = _log_ways(trials, events)
    seen = weights[before.events - lowest]
    return min(1.0, sum(exp(weight - total) for weight in weights if weight <= seen + _SLACK))


def differs(before: Rate, after: Rate) -> bool:
    """Whether chance is not enough to explain the difference."""
    return chance(before, after) < NOISE


def interval(rate: Rate) -> tuple[float, float]:
    """The rates that are not ruled out with 95 % confidence, both sides (Clopper and Pearson)."""
    if rate.trials <= 0:
        return 0.0, 1.0
    return lower_bound(rate.events, rate.trials, 0.975), upper_bound(rate.events, rate.trials, 0.975)


def _log_ways(of: int, take: int) -> float:
    return lgamma(of + 1) - lgamma(take + 1) - lgamma(of - take + 1)
