"""Five ways to find a culprit, each with its own rules, driven by the same worlds.

- *kzram-ci*: `kzram_ci.bisect.belief.decide`, with its default settings and costs.
- *git bisect*: one boot a commit, its word is taken; the ends are taken on trust, as git does.
- *repeats*: git bisect with up to k boots a commit, bad at the first crash. k is the least for which a bad commit
  is missed with less than 1 % / log2(commits) — from the **true** rate, which nobody knows beforehand.
- *syzkaller*: `pkg/bisect/bisect.go` of google/syzkaller (MaxNumTests = 20, `test`, `bisectionDecision`,
  `updateFlaky`, `postTestResult`; read in 2026): 20 boots of the bad end, then 10 a commit; 20 from the first commit
  on that crashed in less than half of its boots. Any crash is bad. Good wants half of the boots clean (three
  quarters when flaky), no verdict is a skip. All boots are made whatever they say, for its machines run side by
  side. The good end is tested first. It states a confidence: the product over the good commits of
  1 - (1 - rate)^clean, with the rate as measured.
- *git-bayesect*: class `Bisector` of the package git-bayesect, as its own `git bayesect run` drives it: priors as
  they are, `select`, one boot, `record`, until `distribution.max()` reaches 0.99 (its own default is 0.95).

The last four look at whether a boot fails, not at its signature: an unrelated crash is a failure to them.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, log, log2

from worlds import World, name

from kzram_ci.bisect.belief.decide import Costs, Done, Kind, next_step
from kzram_ci.bisect.belief.graph import Graph
from kzram_ci.bisect.belief.model import Observation, Settings, observe, start

MOST_BOOTS = 4000  # a method that has not answered by then has no answer
FAILURES = frozenset({Observation.CRASH, Observation.OTHER})


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a method says in the end: these commits, or (empty) no commit of this range. `confidence`: if it states
    one. `answered`: whether it came to an end.
    """

    commits: frozenset[int] = frozenset()
    confidence: float | None = None
    answered: bool = True


Method = Callable[[World], Claim]


def ours(world: World, settings: Settings | None = None) -> Claim:
    """What `kzram-ci bisect` does, with one boot at a time."""
    state = start(world.text(), bad=name(world.row.commits - 1), goods=(name(0),), settings=settings)
    while not isinstance(step := next_step(state, Costs()), Done):
        if world.boots > MOST_BOOTS:
            return Claim(answered=False)
        for _ in range(step.times):
            seen = world.boot(int(step.commit, 16))
            state = observe(state, step.commit, seen)
            if seen in (Observation.CRASH, Observation.UNBUILDABLE):
                break
    answer = step.answer
    if answer.kind is Kind.UNTESTABLE_END:
        return Claim(answered=False)
    return Claim(commits=frozenset(int(commit, 16) for commit in answer.commits), confidence=answer.confidence)


def good_first(world: World) -> Claim:
    """The same, but the good end is always built and booted before the search."""
    return ours(world, Settings(good_first=True))


def bisected(world: World, test: Callable[[int], bool | None]) -> frozenset[int]:
    """git's own search: the commit that halves what is left, `test` says bad, good, or None for skip."""
    graph: Graph = world.graph()
    left, skipped = graph.reach[graph.bad], set[int]()
    while left.bit_count() > 1:
        total = left.bit_count()
        halves = [
            (min(part := (graph.reach[node] & left).bit_count(), total - part), -node)
            for node in graph.members(left)
            if node not in skipped
        ]
        best, number = max(halves, default=(0, 0))
        if not best:
            break  # "There are only 'skip'ped commits left to test"
        match test(-number + 1):
            case None:
                skipped.add(-number)
            case True:
                left &= graph.reach[-number]
            case False:
                left &= ~graph.reach[-number]
    return frozenset(node + 1 for node in graph.members(left))


def repeats(world: World) -> int:
    """k for the method of that name."""
    if not 0.0 < world.row.rate < 1.0:
        return 10
    return max(1, ceil(log(0.01 / log2(world.row.commits)) / log(1.0 - world.row.rate)))


def git_bisect(world: World) -> Claim:
    """One boot a commit."""
    return _repeated(world, 1)


def git_bisect_k(world: World) -> Claim:
    """Up to k boots a commit."""
    return _repeated(world, repeats(world))


def _repeated(world: World, most: int) -> Claim:
    def test(commit: int) -> bool | None:
        if not world.builds(commit):
            return None
        return any(world.boot(commit) in FAILURES for _ in range(most))

    return Claim(commits=bisected(world, test))


def syzkaller(world: World) -> Claim:
    """See the head of this file."""
    flaky, first, confidence, chance = False, True, 1.0, 1.0

    def test(commit: int) -> bool | None:
        nonlocal flaky, first, confidence, chance
        if not world.builds(commit):
            return None
        total = 20 if flaky or first else 10
        bad = sum(world.boot(commit) in FAILURES for _ in range(total))
        ratio, good = bad / total, total - bad
        if first:
            chance = ratio
        if bad:
            flaky = flaky or ratio < 0.5
            chance = min(chance, (chance + ratio) / 2.0)
        elif not first:
            confidence *= 1.0 - (1.0 - chance) ** good
        first = False
        return bad > 0

    if not test(world.row.commits - 1) or test(0):
        return Claim()  # "the crash wasn't reproduced", "happens on the oldest tested release"
    commits = bisected(world, test)
    if len(commits) == 1:
        world.built.update(world.parents[min(commits)][:1])  # detectNoopChange builds the parent, if it is not built
    return Claim(commits=commits, confidence=confidence)


def bayesect(world: World) -> Claim:
    """See the head of this file. Raises ImportError without the package."""
    bisector_class = importlib.import_module("git_bayesect").Bisector
    chain = [world.row.commits - 1]  # --first-parent, newest first: its indices
    while chain[-1]:
        chain.append(world.parents[chain[-1]][0])
    broken = set[int]()
    bisector = bisector_class([1.0] * len(chain))
    while world.boots < MOST_BOOTS // 2:
        index = int(bisector.select())
        if chain[index] in broken:  # it would select the same commit for ever: the nearest that is not known to fail
            index = min((n for n, commit in enumerate(chain) if commit not in broken), key=lambda n: abs(n - index))
        seen = world.boot(chain[index])
        if seen is Observation.UNBUILDABLE:
            broken.add(chain[index])
        bisector.record(index, None if seen is Observation.UNBUILDABLE else seen in FAILURES)
        probability = float(bisector.distribution.max())
        if probability >= 0.99:
            return Claim(commits=frozenset({chain[int(bisector.distribution.argmax())]}), confidence=probability)
    return Claim(answered=False)


def right(world: World, claim: Claim) -> bool:
    """Whether a claim is true. A set is right when it holds the culprit and nothing that a test could have told from
    it. Without a culprit, only "no commit of this range" is right.
    """
    if not claim.answered:
        return False
    if not world.row.culprit:
        return not claim.commits
    return world.culprit in claim.commits and claim.commits <= world.alike()
