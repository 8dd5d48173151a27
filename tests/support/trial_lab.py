"""Trials of kernels whose crash rates are known: what `kzram-ci try` would answer."""

from __future__ import annotations

import random
from dataclasses import replace

from kzram_ci.trial.decide import Answer, Settings, Side, Sides, Standing, sides, standing
from kzram_ci.trial.seen import Boot, What
from kzram_ci.verdict.races import Tally


def trial(
    before: float, after: float, chance: random.Random, *, races: int = 0, settings: Settings | None = None
) -> tuple[Standing, Sides]:
    """One trial to its end. The rates are those of a boot, or with `races` in a boot those of one race."""
    chosen = settings or Settings()
    test = sides((), (), chosen)
    while True:
        now = standing(test, chosen)
        if now.answer is not None or now.wants is None:
            return now, test
        rate = before if now.wants is Side.BEFORE else after
        boot = _boot(rate, chance, races)
        if now.wants is Side.BEFORE:
            test = replace(test, before=test.before.plus(boot))
        else:
            test = replace(test, after=test.after.plus(boot))


def _boot(rate: float, chance: random.Random, races: int) -> Boot:
    if not races:
        return Boot(what=What.CRASH if chance.random() < rate else What.CLEAN)
    lost = next((number for number in range(1, races + 1) if chance.random() < rate), 0)
    return Boot(what=What.CRASH if lost else What.CLEAN, races=Tally(races=lost or races, lost=min(lost, 1)))


def wrong(rate: float, histories: int, seed: int, *, races: int = 0, settings: Settings | None = None) -> float:
    """How often a series that changes nothing is called a fix."""
    chance = random.Random(seed)
    answers = (trial(rate, rate, chance, races=races, settings=settings)[0].answer for _ in range(histories))
    return sum(answer is Answer.FIXED for answer in answers) / histories
