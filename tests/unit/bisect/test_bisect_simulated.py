"""A few seeded bisections as a whole; the many are in bench/bisect."""

import random
from collections import Counter

import pytest
from bisect_histories import Machine, begin, bisect, infected, line, name

from kzram_ci.bisect.decide import Kind

COMMITS = 64


def answers(histories: int, *, rate: float, other: float = 0.0) -> tuple[int, float, float]:
    """How many are right, boots a history, builds a history."""
    right, boots, builds = 0, 0, 0
    for seed in range(histories):
        culprit = random.Random(seed).randint(1, COMMITS)
        machine = Machine(infected(line(COMMITS), culprit), rate=rate, seed=seed, other=other)
        answer, state, _ = bisect(begin(line(COMMITS)), machine)
        right += answer.kind is Kind.CULPRIT and answer.commits == (name(culprit),)
        boots, builds = boots + len(state.seen), builds + len(machine.built)
    return right, boots / histories, builds / histories


@pytest.mark.parametrize(("rate", "other", "most"), [(0.9, 0.0, 22), (0.5, 0.0, 55), (0.3, 0.02, 115)])
def test_forty_histories(rate: float, other: float, most: float) -> None:
    right, boots, builds = answers(40, rate=rate, other=other)
    assert right >= 38
    assert boots <= most
    assert builds <= 9.0


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
