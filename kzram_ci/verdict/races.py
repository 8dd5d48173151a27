"""Races: the chances that a test had to go wrong, and what none or some of them lost proves. Pure.

A recompression of a page that did not change cannot overrun, with or without a remedy, so it is no trial. A
trial is a *race*: a second result that needs a larger size class than the object has (`grew_class`, which a remedy in
zram has to cope with), or a write fault that met a page under writeback and was refused (`reuse_refused_write`, which
without stable pages would have changed the page under zram). On one kernel only one of the two happens: what is
refused does not change, so it cannot grow.

Races come in bursts: a batch of pages is changed and forced out together. What a burst comes to may be one and the
same accident, so n races count as n / d trials, with the design effect d taken from the samples of their counter.
Rates and bounds are those of Clopper and Pearson for n / d trials with k / d of them lost (Korn and Graubard, 1998).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import ceil, log, log1p

from kzram_ci.base.values import dataclass
from kzram_ci.model.evidence import Gains
from kzram_ci.model.measure import GREW_CLASS
from kzram_ci.verdict.exposure import OVERRUNS
from kzram_ci.verdict.stats import CONFIDENCE, lower_bound, upper_bound

REFUSED_WRITE = "reuse_refused_write"
RACES = (GREW_CLASS, REFUSED_WRITE)
LEAST_SAMPLES = 8  # fewer do not tell a variance
_LEAST_LUCK = 1e-12  # smaller probabilities are not worth a word


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Races of one or several boots: how many, how many of them were lost, and how much they came in bursts.

    `design_effect` (1 or more) is how many races count as one trial. `stopped`: each boot ended because it lost, so
    the number of races was decided by the losses (a negative binomial sample).
    """

    races: int
    lost: int
    boots: int = 1
    design_effect: float = 1.0
    stopped: bool = False

    @property
    def trials(self) -> int:
        """Whole trials: races, a burst counted as one."""
        return max(min(self.races, 1), int(self.races / self.design_effect))

    def rate(self) -> float | None:
        """The share of lost races; None where that cannot be said.

        Of N races until the k-th loss, k / N is too large on average: E(1 / N) = -p ln p / (1 - p) for k = 1. Then
        (k - 1) / (N - 1) is right on average for every p (Haldane, 1945), and one loss alone says nothing.
        """
        if not self.stopped:
            return self.lost / self.races if self.races else None
        return (self.lost - 1) / (self.races - 1) if self.lost > 1 else None

    def bound(self, confidence: float = CONFIDENCE) -> float | None:
        """The largest share of lost races that is not ruled out; None without races.

        Where a loss ended the boot, the last race was lost by design: N > n - 1 races were needed when at most k - 1
        of n - 1 were lost, so the bound is the one of k - 1 in n - 1.
        """
        if not self.races:
            return None
        lost, races = self.lost / self.design_effect, self.races / self.design_effect
        if not self.stopped or not self.lost:
            return upper_bound(lost, races, confidence)
        return upper_bound(max(0.0, lost - 1.0), races - 1.0, confidence) if races > 1.0 else 1.0

    def at_least(self, confidence: float = CONFIDENCE) -> float | None:
        """The smallest share of lost races that is not ruled out; None without races.

        It is the same for both ways to stop: N <= n races were needed for k losses exactly when at least k of n were
        lost.
        """
        if not self.races:
            return None
        return lower_bound(self.lost / self.design_effect, self.races / self.design_effect, confidence)


def tally(
    counters: Mapping[str, int], gains: Mapping[str, Gains] | None = None, *, names: tuple[str, ...] = RACES
) -> Tally | None:
    """The tally of one boot by the counters that count its races. None when its kernel has none of them.

    An overrun is a race, though the counter of races may be older than the crash. However many races of a boot were
    lost, they are not less than one accident: the boots of a control are independent.
    """
    known = [name for name in names if name in counters]
    if not known:
        return None
    lost = max(0, counters.get(OVERRUNS, 0))  # a guest may say anything
    seen = max(sum(counters[name] for name in known), lost)
    effect = max(design_effect((gains or {}).get(name, Gains())) for name in known)
    return Tally(races=seen, lost=lost, design_effect=max(1.0, min(effect, float(lost or seen))))


def pooled(tallies: Iterable[Tally]) -> Tally | None:
    """Several boots or cells as one: sums, and the design effect that leaves no more trials, or losses, than they had.

    None of none.
    """
    parts = tuple(tallies)
    if not parts:
        return None
    seen, lost = sum(part.races for part in parts), sum(part.lost for part in parts)
    trials = sum(part.races / part.design_effect for part in parts)
    accidents = sum(part.lost / part.design_effect for part in parts)
    return Tally(
        races=seen,
        lost=lost,
        boots=sum(part.boots for part in parts),
        design_effect=max(1.0, seen / trials if trials else 1.0, lost / accidents if accidents else 1.0),
        stopped=all(part.stopped for part in parts),
    )


def design_effect(gains: Gains) -> float:
    """How many races count as one trial: 1 for races that come one by one, more where they come in bursts.

    Variance over mean of what equal samples counted: for bursts that come independently, with m races each, that is
    E(m²) / E(m), the largest effect that m can have. Of fewer samples than tell a variance each counts as one burst.
    No race in the samples: 1, there is nothing to be told.
    """
    if not gains.total:
        return 1.0
    if gains.samples < LEAST_SAMPLES:
        return max(1.0, gains.squares / gains.total)
    mean = gains.total / gains.samples
    variance = (gains.squares - gains.samples * mean * mean) / (gains.samples - 1)
    return max(1.0, variance / mean)


def needed(control: Tally, luck: float) -> int | None:
    """How many trials a kernel as bad as the control comes through with a probability of `luck` at most.

    The probability covers both ways to be wrong, half of it each: that the control's rate was measured too high, for
    which it enters with its lower bound at confidence 1 - luck / 2, and that a kernel of that rate loses none. So a
    control of few losses asks for more trials, not for fewer. None when the control lost none. Raises ValueError
    unless 0 < luck < 1.
    """
    if not 0.0 < luck < 1.0:
        raise ValueError(f"a probability of {luck} cannot be asked for")
    rate = control.at_least(1.0 - luck / 2.0)
    if rate is None or rate <= 0.0:
        return None
    return 1 if rate >= 1.0 else max(1, ceil(log(luck / 2.0) / log1p(-rate)))


def luck_of(control: Tally, seen: Tally) -> float | None:
    """The probability, as `needed` counts it, that a kernel as bad as the control comes through what was seen.

    None when it is not known: the control lost none, or these races were not all won.
    """
    if seen.lost or not seen.trials or needed(control, 0.5) is None:
        return None
    low, high = _LEAST_LUCK, 1.0
    while high / low > 1.001:
        middle = (low * high) ** 0.5
        if (needed(control, middle) or 0) <= seen.trials:
            high = middle
        else:
            low = middle
    return high


def phrase(seen: Tally, control: Tally | None = None, name: str = "the kernel without the remedy") -> str:
    """One line: "0 overruns in 1,212 races (95 % bound 0.25 %); unstable lost 31 of 33 (at least 84 %)"."""
    count = f"{_many(seen.lost, 'overrun')} in {_many(seen.races, 'race')}"
    bound = seen.bound()
    if bound is None:
        return f"{count}: nothing was at stake, nothing is proved"
    bursts = f"; they came in bursts, counted as {seen.trials:,}" if seen.trials < seen.races else ""
    text = f"{count} (95 % bound {percent(bound)}{bursts})"
    return text if control is None or not control.races else f"{text}; {lost_words(control, name)}"


def lost_words(control: Tally, name: str) -> str:
    """What the control lost: "unstable lost 31 of 33 in 3 boots (at least 82 %)".

    Where its losses ended its boots that is no estimate: there its rate is told, too.
    """
    least, rate = control.at_least(), control.rate() if control.stopped else None
    boots = f" in {_many(control.boots, 'boot')}" if control.boots > 1 else ""
    about = f"{percent(rate)}, " if rate is not None and rate < 1.0 else ""
    tail = f" ({about}at least {percent(least)})" if least is not None else ""
    return f"{name} lost {control.lost:,} of {control.races:,}{boots}{tail}"


def percent(share: float) -> str:
    """A share for people, with two digits that count: 0.25 %, 12 %."""
    value = 100.0 * share
    return f"{value:.0f} %" if value >= 10 else f"{value:.2g} %"


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
