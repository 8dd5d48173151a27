"""Small histories for the tests of bisecting: names, ranges, and a simulated machine that boots them."""

import random
from collections.abc import Sequence

from kzram_ci.bisect.belief.decide import Answer, Boot, Done, next_step
from kzram_ci.bisect.belief.model import Bisection, Observation, Settings, observe, start

Parents = Sequence[tuple[int, ...]]
CRASH, CLEAN = Observation.CRASH, Observation.CLEAN


def name(commit: int) -> str:
    return f"{commit:040x}"


def number(commit: str) -> int:
    return int(commit, 16)


def line(commits: int) -> Parents:
    """Commit 0 is the good end, `commits` the bad end."""
    return [(), *((commit - 1,) for commit in range(1, commits + 1))]


def text(parents: Parents, goods: Sequence[int] = (0,)) -> str:
    rows = [" ".join(map(name, (commit, *parents[commit]))) for commit in range(len(parents)) if commit not in {*goods}]
    return "\n".join(reversed(rows))


def begin(parents: Parents, goods: Sequence[int] = (0,), settings: Settings | None = None) -> Bisection:
    bad = len(parents) - 1
    return start(text(parents, goods), bad=name(bad), goods=tuple(map(name, goods)), settings=settings)


def saw(state: Bisection, commit: int, *what: Observation, times: int = 1) -> Bisection:
    for one in what * times:
        state = observe(state, name(commit), one)
    return state


def infected(parents: Parents, culprit: int) -> frozenset[int]:
    """The culprit and its descendants."""
    bad: set[int] = set()
    for commit, mine in enumerate(parents):
        if commit == culprit or not bad.isdisjoint(mine):
            bad.add(commit)
    return frozenset(bad)


class Machine:
    """Boots commits: `rate` is that of bad ones, `other` of unrelated crashes; commits in `broken` do not build."""

    def __init__(
        self,
        bad: frozenset[int],
        *,
        rate: float,
        seed: int,
        other: float = 0.0,
        broken: frozenset[int] = frozenset(),
    ) -> None:
        self.bad, self.rate, self.other, self.broken = bad, rate, other, broken
        self.random = random.Random(seed)
        self.built: list[int] = []

    def boot(self, commit: int) -> Observation:
        if commit not in self.built:
            self.built.append(commit)
        if commit in self.broken:
            return Observation.UNBUILDABLE
        if self.random.random() < self.other:
            return Observation.OTHER
        return CRASH if commit in self.bad and self.random.random() < self.rate else CLEAN


def bisect(state: Bisection, machine: Machine, most: int = 5000) -> tuple[Answer, Bisection, list[Boot]]:
    """One boot at a time, as the engine does on one core."""
    steps: list[Boot] = []
    while not isinstance(step := next_step(state), Done):
        steps.append(step)
        assert len(steps) < most, "it never ends"
        state = observe(state, step.commit, machine.boot(number(step.commit)))
    return step.answer, state, steps
