"""Races: the chances that a test had to go wrong, and what none or some of them lost proves. Pure.

A recompression of a page that did not change cannot overrun, with or without a remedy, so it is no trial. A
trial is a *race*: a second result that needs a larger size class than the object has (`grew_class`, which a remedy in
zram has to cope with), or a write fault that met a page under writeback and was refused (`reuse_refused_write`, which
without stable pages would have changed the page under zram). On one kernel only one of the two happens: what is
refused does not change, so it cannot grow.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, log, log1p

from kzram_ci.verdict.exposure import OVERRUNS
from kzram_ci.verdict.stats import CONFIDENCE, lower_bound, upper_bound

GREW_CLASS = "grew_class"
REFUSED_WRITE = "reuse_refused_write"
RACES = (GREW_CLASS, REFUSED_WRITE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Races of one or several boots: how many, how many of them overran, and how much they came in bursts.

    `design_effect` (1 or more) is how many races count as one independent trial.
    """

    races: int
    lost: int
    boots: int = 1
    design_effect: float = 1.0

    @property
    def trials(self) -> int:
        """Independent trials: races, bursts counted as one."""
        return max(self.lost, min(self.races, 1), int(self.races / self.design_effect))

    def bound(self, confidence: float = CONFIDENCE) -> float | None:
        """The largest share of lost races that is not ruled out; None without races."""
        return upper_bound(self.lost, self.trials, confidence) if self.trials else None

    def at_least(self, confidence: float = CONFIDENCE) -> float | None:
        """The smallest share of lost races that is not ruled out; None without races."""
        return lower_bound(self.lost, self.trials, confidence) if self.trials else None


def races(counters: Mapping[str, int]) -> int | None:
    """How many races a boot had; None when its kernel counts none."""
    known = [counters[name] for name in RACES if name in counters]
    return sum(known) if known else None


def tally(counters: Mapping[str, int], increments: Sequence[int] = ()) -> Tally | None:
    """The tally of one boot; `increments` are the new races of each sample. None when its kernel counts none.

    An overrun is a race, though the counter of races may be older than the crash.
    """
    seen = races(counters)
    if seen is None:
        return None
    lost = counters.get(OVERRUNS, 0)
    return Tally(races=max(seen, lost), lost=lost, design_effect=design_effect(increments))


def pooled(tallies: Iterable[Tally]) -> Tally | None:
    """Several boots as one: sums, with the largest design effect. None of none."""
    parts = tuple(tallies)
    if not parts:
        return None
    return Tally(
        races=sum(part.races for part in parts),
        lost=sum(part.lost for part in parts),
        boots=sum(part.boots for part in parts),
        design_effect=max(part.design_effect for part in parts),
    )


def design_effect(increments: Sequence[int]) -> float:
    """Variance over mean of equal samples: 1 for races that come independently, more where they come in bursts.

    Fewer than 8 samples, or none with a race, say nothing: 1.
    """
    count, total = len(increments), sum(increments)
    if count < 8 or not total:
        return 1.0
    mean = total / count
    variance = sum((value - mean) ** 2 for value in increments) / (count - 1)
    return max(1.0, variance / mean)


def needed(control: Tally, luck: float) -> int | None:
    """How many races an unfixed kernel would survive with a probability of `luck` at most; None when it never would.

    The control's rate enters with its lower bound, so that few boots of it ask for more races, not for fewer.
    Raises ValueError unless 0 < luck < 1.
    """
    if not 0.0 < luck < 1.0:
        raise ValueError(f"a probability of {luck} cannot be asked for")
    rate = control.at_least()
    if rate is None or rate <= 0.0:
        return None
    return 1 if rate >= 1.0 else max(1, ceil(log(luck) / log1p(-rate)))


def luck_of(control: Tally, seen: Tally) -> float | None:
    """The probability that a kernel as bad as the control comes through the races seen; None when it is not known."""
    rate = control.at_least()
    if rate is None or rate <= 0.0 or seen.lost:
        return None
    return float((1.0 - rate) ** seen.trials)


def phrase(seen: Tally, control: Tally | None = None, name: str = "the kernel without the remedy") -> str:
    """One line: "0 overruns in 1,212 races (95 % bound 0.25 %); unstable lost 31 of 33 (at least 84 %)"."""
    count = f"{_many(seen.lost, 'overrun')} in {_many(seen.races, 'race')}"
    bound = seen.bound()
    if bound is None:
        return f"{count}: nothing was at stake, nothing is proved"
    bursts = f", {seen.design_effect:.1f} races counted as one" if seen.design_effect > 1.05 else ""
    text = f"{count} (95 % bound {percent(bound)}{bursts})"
    if control is None or not control.races:
        return text
    least = control.at_least()
    boots = f" in {_many(control.boots, 'boot')}" if control.boots > 1 else ""
    tail = f" (at least {percent(least)})" if least is not None else ""
    return f"{text}; {name} lost {control.lost:,} of {control.races:,}{boots}{tail}"


def percent(share: float) -> str:
    """A share for people, with two digits that count: 0.25 %, 12 %."""
    value = 100.0 * share
    return f"{value:.0f} %" if value >= 10 else f"{value:.2g} %"


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
