"""What a count of events proves: exact one-sided bounds on a rate (Clopper and Pearson, 1934). Pure.

"0 overruns" means little without "in how many recompressions": zero events in N trials still allow a
rate of about 3/N at 95 % confidence. The bounds are exact, not approximations, so they hold for small N.
"""

from __future__ import annotations

from functools import lru_cache
from math import exp, expm1, lgamma, log, log1p, sqrt

from kzram_ci.base.values import dataclass

CONFIDENCE = 0.95
_TINY = 1e-300
_STEPS = 200  # of bisection; each halves a logarithmic interval, so this is below the precision of a float
_TERMS = 20_000  # of the continued fraction; it needs about sqrt(max(a, b))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """`events` out of `trials`, with a name for people ("unstable"), counted in so many boots."""

    events: int
    trials: int
    name: str = ""
    boots: int = 1

    @property
    def value(self) -> float:
        """Events for each trial; 0 without trials."""
        return self.events / self.trials if self.trials else 0.0


def _fraction(a: float, b: float, x: float) -> float:
    """Continued fraction of the incomplete beta function, by Lentz's method."""
    c, d = 1.0, 1.0 - (a + b) * x / (a + 1.0)
    d = 1.0 / (d if abs(d) > _TINY else _TINY)
    result = d
    for m in range(1, _TERMS):
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1.0 + term * d
            d = 1.0 / (d if abs(d) > _TINY else _TINY)
            c = 1.0 + term / c
            c = c if abs(c) > _TINY else _TINY
            result *= c * d
        if abs(c * d - 1.0) < 1e-15:
            return result
    return result


def beta_cdf(a: float, b: float, x: float) -> float:
    """The regularized incomplete beta function I_x(a, b), for a, b > 0 and 0 <= x <= 1."""
    if not (a > 0 and b > 0 and 0.0 <= x <= 1.0):
        raise ValueError(f"beta_cdf({a}, {b}, {x}) is not defined")
    if x in (0.0, 1.0):
        return x
    front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x))
    if x < (a + 1.0) / (a + b + 2.0):
        return min(1.0, front * _fraction(a, b, x) / a)
    return max(0.0, 1.0 - front * _fraction(b, a, 1.0 - x) / b)


def _check(events: float, trials: float, confidence: float) -> None:
    if not (0 <= events <= trials and trials > 0 and 0.0 < confidence < 1.0):
        raise ValueError(f"no bound for {events} events in {trials} trials at confidence {confidence}")


@lru_cache(maxsize=1 << 12)
def upper_bound(events: float, trials: float, confidence: float = CONFIDENCE) -> float:
    """The largest rate that is not ruled out: at it, so few events come with probability 1 - confidence.

    Counts that were divided by a design effect need not be whole (Korn and Graubard, 1998). Raises ValueError unless
    0 <= events <= trials and trials > 0.
    """
    _check(events, trials, confidence)
    alpha = 1.0 - confidence
    if events == trials:
        return 1.0
    if events == 0:
        return -expm1(log(alpha) / trials)
    low, high = events / trials, 1.0
    for _ in range(_STEPS):  # the middle is geometric: bounds are small, and their leading digits count
        middle = sqrt(low * high)
        if 1.0 - beta_cdf(events + 1.0, trials - events, middle) > alpha:
            low = middle
        else:
            high = middle
    return high


def lower_bound(events: float, trials: float, confidence: float = CONFIDENCE) -> float:
    """The smallest rate that is not ruled out. Raises ValueError as `upper_bound` does."""
    _check(events, trials, confidence)
    return 1.0 - upper_bound(trials - events, trials, confidence) if events else 0.0


def _count(number: int, plural: str) -> str:
    return f"{number:,} {plural.removesuffix('s') if number == 1 else plural}"


def phrase(seen: Rate, *, event: str = "overruns", trial: str = "recompressions", reference: Rate | None = None) -> str:
    """One line for a report: what a pass proves, beside the counts that the unfixed kernel (`reference`) showed."""
    boots = f" of {seen.boots} boots" if seen.boots > 1 else ""
    count = f"{_count(seen.events, event)} in {seen.trials:,} {trial}{boots}"
    if seen.trials <= 0:
        return f"{count}: nothing was exposed, nothing is proved"
    events = max(0, min(seen.events, seen.trials))  # a guest may say anything
    parts = [f"{count}; {CONFIDENCE:.0%} upper bound {upper_bound(events, seen.trials):.1e}".replace("95%", "95 %")]
    if reference is not None and reference.trials > 0:
        shown = f"{_count(reference.events, event)} in {reference.trials:,}"
        parts.append(f"{reference.name or 'the unfixed kernel'} showed {shown}")
    return ", ".join(parts)
