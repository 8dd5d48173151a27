"""What a series costs: counters of clean boots with it against those without, as ratios with an interval. Pure.

Boots that crashed end early and count less, so only clean boots are compared, and both sides must have some: a test
whose kernel always crashes without the series has no cost to compare with. Inside the noise nothing is called a
regression.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import exp, log, sqrt
from statistics import fmean, stdev

from kzram_ci.base.units import say_count
from kzram_ci.base.values import dataclass
from kzram_ci.model.outcome import Outcome
from kzram_ci.trial.decide import Side
from kzram_ci.trial.findings import Findings
from kzram_ci.trial.model import BootRecord

LEAST = 2  # clean boots of each side
BOOTS = 4  # of each side of a test that need not crash, when costs are asked for
WORK_MS = "work_ms"  # what the workload took, by the host's clock: not a counter of the guest
DEFAULT = (WORK_MS, "wasted_bytes", "slack_now", "reuse_copied", "held_max")
# Of Student's t at 97.5 %, by degrees of freedom; few boots make wide intervals.
_T = (12.71, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """One counter in one test. `low` and `high` bound the ratio; None where it cannot be formed, `why` says why.

    Without a counter: nothing in this test can be compared.
    """

    test: str
    counter: str = ""
    before: float = 0.0
    after: float = 0.0
    ratio: float | None = None
    low: float = 0.0
    high: float = 0.0
    why: str = ""

    @property
    def certain(self) -> bool:
        """Whether the difference is more than noise."""
        return self.ratio is not None and not self.low <= 1.0 <= self.high

    def text(self) -> str:
        """One line."""
        if not self.counter:
            return f"{self.test}: {self.why}"
        if self.ratio is None:
            return f"{self.counter} ({self.test}): {self.why}"
        word = "within the noise" if not self.certain else "more" if self.ratio > 1 else "less"
        return f"{self.counter} ({self.test}): {self.ratio:.3g} ({self.low:.3g} to {self.high:.3g}), {word}"


def costs_of(found: Findings) -> Iterator[Cost]:
    """Each counter that was asked for, in each test; one of the usual ones only where the kernels count it."""
    for test in found.tests if found.asked.costs else ():
        before, after = (_clean(found.facts.boots, test.test.id, side) for side in Side)
        if len(before) < LEAST or len(after) < LEAST:
            counts = f"{say_count(len(before), 'clean boot')} without the series, {len(after)} with it"
            yield Cost(test=test.test.id, why=f"{counts}: too few to compare")
            continue
        for name in found.asked.costs:
            sides = [[float(boot.counters[name]) for boot in own if name in boot.counters] for own in (before, after)]
            if any(sides) or name not in DEFAULT:
                yield _cost(test.test.id, name, sides[0], sides[1])


def _clean(boots: Sequence[BootRecord], test: str, side: Side) -> list[BootRecord]:
    return [boot for boot in boots if boot.test == test and boot.side is side and boot.outcome is Outcome.PASS]


def _cost(test: str, name: str, before: Sequence[float], after: Sequence[float]) -> Cost:
    if len(before) < LEAST or len(after) < LEAST:
        where = [words for words, own in (("without", before), ("with", after)) if len(own) < LEAST]
        why = f"the kernel {' and the one '.join(f'{words} the series' for words in where)} does not count it"
        return Cost(test=test, counter=name, why=why)
    one, other = fmean(before), fmean(after)
    if one <= 0 or other <= 0:
        return Cost(
            test=test, counter=name, before=one, after=other, why=f"{other:,.0f} with the series, {one:,.0f} without"
        )
    # Of the logarithm of the ratio, by the spread of both sides (delta method, Welch without his degrees of freedom).
    spread = sqrt((stdev(before) / one) ** 2 / len(before) + (stdev(after) / other) ** 2 / len(after))
    freedom = min(len(before), len(after)) - 1
    width = (_T[freedom - 1] if freedom <= len(_T) else 2.0) * spread
    middle = log(other / one)
    return Cost(
        test=test, counter=name, before=one, after=other,
        ratio=exp(middle), low=exp(middle - width), high=exp(min(middle + width, 700.0)),
    )  # fmt: skip
