"""A few seeded bisections as a whole; the many are in bench/bisect."""

import random
from collections import Counter

import pytest
from bisect_histories import Machine, begin, bisect, infected, line, name

from kzram_ci.bisect.belief.decide import Kind

COMMITS = 127  # suspects: as in bench/bisect, log2(127) + 2 ends = 9 builds


def answers(histories: int, *, rate: float, other: float = 0.0) -> tuple[int, float, float]:
    """How many are wrong, boots a history, builds a history."""
    wrong, boots, builds = 0, 0, 0
    for seed in range(histories):
        culprit = random.Random(seed).randint(1, COMMITS)
        machine = Machine(infected(line(COMMITS), culprit), rate=rate, seed=seed, other=other)
        answer, state, _ = bisect(begin(line(COMMITS)), machine)
        wrong += answer.kind is not Kind.CULPRIT or answer.commits != (name(culprit),)
        boots, builds = boots + len(state.seen), builds + len(machine.built)
    return wrong, boots / histories, builds / histories


# The figures asked for of 1,000 histories, at most one wrong answer of so few. Seeded, so it is green always or never.
# Rarer crashes want more histories for a mean than a unit test has time for.
@pytest.mark.parametrize(
    ("rate", "other", "histories", "most"),
    [(0.9, 0.0, 80, 20.0), (0.5, 0.0, 80, 50.0), (0.3, 0.02, 40, 105.0)],
)
def test_few_boots_fewer_builds_and_the_right_commit(rate: float, other: float, histories: int, most: float) -> None:
    wrong, boots, builds = answers(histories, rate=rate, other=other)
    assert wrong <= 1
    assert boots <= most
    assert builds <= 9.0


def test_a_stated_confidence_is_not_below_what_was_asked() -> None:
    for seed in range(20):
        culprit = random.Random(seed).randint(1, COMMITS)
        answer, _, _ = bisect(begin(line(COMMITS)), Machine(infected(line(COMMITS), culprit), rate=0.7, seed=seed))
        assert 0.99 <= answer.confidence < 1.0


@pytest.mark.parametrize("rate", [0.9, 0.4, 0.0])
def test_ranges_without_a_culprit(rate: float) -> None:
    kinds: Counter[Kind] = Counter()
    for seed in range(20):
        answer, _, _ = bisect(begin(line(COMMITS)), Machine(frozenset(range(COMMITS + 1)), rate=rate, seed=seed))
        kinds[answer.kind] += 1
    assert kinds[Kind.NONE if rate else Kind.NOT_REPRODUCED] >= 19


def test_unrelated_crashes_alone_accuse_nobody() -> None:
    answer, _, _ = bisect(begin(line(COMMITS)), Machine(frozenset(), rate=0.0, seed=1, other=0.3))
    assert answer.kind is Kind.NOT_REPRODUCED
