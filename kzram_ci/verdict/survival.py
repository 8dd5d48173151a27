"""How long boots lived: the Kaplan-Meier estimate, with boots that did not die as they are, not left out. Pure.

A boot that was ended before it died has lived at least so long; to leave it out, or to count it as a death, would both
be wrong. The estimate (Kaplan and Meier, 1958) drops at each death by the share of those that were still there. Its
interval is Greenwood's on the scale log(-log S), which never leaves 0 to 1 (Kalbfleisch and Prentice, 1980).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, log, sqrt

from kzram_ci.base.values import dataclass

_Z = 1.959964  # 95 %, both sides


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """One boot: how long it lived, in whatever is counted, and whether it died then or was ended."""

    units: float
    died: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """From `at` on, `share` of the boots live, between `low` and `high` with 95 % confidence."""

    at: float
    share: float
    low: float
    high: float
    at_risk: int  # that had lived until `at`
    deaths: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Survival:
    """The curve of several boots. `steps`: one a moment of deaths; `end`: the longest life seen, dead or ended."""

    steps: tuple[Step, ...]
    ended: tuple[float, ...]  # when those that did not die were ended
    end: float
    boots: int

    @property
    def deaths(self) -> int:
        """How many died."""
        return sum(step.deaths for step in self.steps)

    def median(self) -> float | None:
        """Until when half of them died; None when fewer did."""
        return next((step.at for step in self.steps if step.share <= 0.5), None)


def kaplan_meier(lives: Sequence[Life]) -> Survival:
    """The curve. Boots that were ended at the moment of a death were at risk of it."""
    steps: list[Step] = []
    share, greenwood = 1.0, 0.0
    for at in sorted({life.units for life in lives if life.died}):
        at_risk = sum(life.units >= at for life in lives)
        deaths = sum(life.died and life.units == at for life in lives)
        share *= 1.0 - deaths / at_risk
        if at_risk > deaths:
            greenwood += deaths / (at_risk * (at_risk - deaths))
        low, high = _interval(share, greenwood)
        steps.append(Step(at=at, share=share, low=low, high=high, at_risk=at_risk, deaths=deaths))
    return Survival(
        steps=tuple(steps),
        ended=tuple(sorted(life.units for life in lives if not life.died)),
        end=max((life.units for life in lives), default=0.0),
        boots=len(lives),
    )


def _interval(share: float, greenwood: float) -> tuple[float, float]:
    """Where all have died there is no variance to go by: nothing is said beyond the estimate."""
    if not 0.0 < share < 1.0:
        return share, share
    width = _Z * sqrt(greenwood) / abs(log(share))
    return share ** exp(width), share ** exp(-width)
