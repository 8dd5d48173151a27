"""How probable counts of crashes are when the crash rate is unknown. Pure.

A rate with a Beta(a, b) prior that showed k crashes in k + m boots has the probability B(a+k, b+m) / B(a, b): the
rate is integrated out, never guessed. Order does not enter, only counts.
"""

from __future__ import annotations

from functools import lru_cache
from math import exp, lgamma, log, log2

from kzram_ci.base.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Beta:
    """What is believed of a rate before any boot; `weight` for its part in a mixture."""

    a: float
    b: float
    weight: float = 1.0


@lru_cache(maxsize=1 << 16)
def _log_beta(a: float, b: float) -> float:
    return lgamma(a) + lgamma(b) - lgamma(a + b)


def _log_one(prior: Beta, crashes: float, clean: float) -> float:
    return _log_beta(prior.a + crashes, prior.b + clean) - _log_beta(prior.a, prior.b)


@lru_cache(maxsize=1 << 16)
def log_evidence(priors: tuple[Beta, ...], crashes: int, clean: int) -> float:
    """Log of the probability of one certain sequence with these counts; `priors` is a mixture."""
    if len(priors) == 1:
        return _log_one(priors[0], crashes, clean)
    terms = [log(prior.weight) + _log_one(prior, crashes, clean) for prior in priors]
    highest = max(terms)
    return highest + log(sum(exp(term - highest) for term in terms))


def mean_rate(priors: tuple[Beta, ...], crashes: int, clean: int) -> float:
    """The probability that the next boot crashes, after these counts."""
    return exp(log_evidence(priors, crashes + 1, clean) - log_evidence(priors, crashes, clean))


def miss(priors: tuple[Beta, ...], crashes: int, clean: int, boots: int) -> float:
    """The probability that a bad commit shows no crash in `boots` more boots, after these counts."""
    return exp(log_evidence(priors, crashes, clean + boots) - log_evidence(priors, crashes, clean))


def entropy(probability: float) -> float:
    """Of a yes-or-no question, in bits."""
    if not 0.0 < probability < 1.0:
        return 0.0
    return -probability * log2(probability) - (1.0 - probability) * log2(1.0 - probability)


def information(bad: float, seen: float) -> float:
    """Bits of information in a test that shows a bad commit with probability `seen` and a good one never, when the
    commit is bad with probability `bad`: the mutual information of answer and truth.
    """
    return max(0.0, entropy(bad * seen) - bad * entropy(seen))
