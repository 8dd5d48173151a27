"""How probable each commit is as the culprit, and that no commit of the range is to blame. Pure.

Culprits that the observations cannot separate (the same observed commits descend from them) form one class with
one likelihood, so a range of any length has only as many classes as commits were booted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from math import exp, inf, log

from kzram_ci.base.errors import UserError
from kzram_ci.base.values import dataclass
from kzram_ci.bisect.belief.graph import Graph
from kzram_ci.bisect.belief.model import Bisection, Observation, Settings
from kzram_ci.verdict.likelihood import log_evidence, mean_rate, miss


@dataclass(slots=True, kw_only=True)
class Tally:
    """What was seen of one commit, counted."""

    crashes: int = 0
    clean: int = 0
    useless: int = 0  # boots without evidence about the wanted crash
    unbuildable: bool = False
    unbootable: int = 0
    marks: frozenset[Observation] = frozenset()

    @property
    def evidence(self) -> int:
        """Boots that are evidence."""
        return self.crashes + self.clean

    def untestable(self, patience: int) -> bool:
        """Whether it makes no sense to boot this commit (again)."""
        if self.unbuildable or Observation.SKIP in self.marks:
            return True
        # One failed boot may be the host's; a kernel that hides the crash behind another one never gives evidence.
        return not self.evidence and (self.unbootable >= 2 or self.useless + self.unbootable >= patience)


def sum_of(counts: Iterable[Tally]) -> Tally:
    """Several tallies as one."""
    total = Tally()
    for one in counts:
        total.crashes += one.crashes
        total.clean += one.clean
        total.useless += one.useless
        total.unbuildable |= one.unbuildable
        total.unbootable += one.unbootable
        total.marks |= one.marks
    return total


def tallies(state: Bisection) -> dict[int, Tally]:
    """The counts of each observed node."""
    counts: dict[int, Tally] = {}
    for (commit, what), times in Counter((seen.commit, seen.what) for seen in state.seen).items():
        tally = counts.setdefault(state.graph.numbers[commit], Tally())
        match what:
            case Observation.CRASH:
                tally.crashes = times
            case Observation.CLEAN:
                tally.clean = times
            case Observation.UNBUILDABLE:
                tally.unbuildable = True
            case Observation.UNBOOTABLE:
                tally.unbootable = times
            case Observation.OTHER | Observation.INCONCLUSIVE:
                tally.useless += times
            case Observation.INFRA:
                pass  # the host's, not the commit's
            case mark:
                tally.marks |= {mark}
    return counts


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspects:
    """A class: culprits that no observation so far separates. `weight` is the probability of all together; `crashes`
    and `clean` are the boots that would have been of bad kernels if one of them is the culprit.
    """

    commits: int
    size: int
    weight: float
    crashes: int
    clean: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Posterior:
    """Classes, the most probable first. All weights and `none` add up to 1."""

    graph: Graph
    settings: Settings
    classes: tuple[Suspects, ...]
    none: float
    crashes: int  # of all boots
    clean: int

    @property
    def top(self) -> Suspects | None:
        """The most probable class; none when marks and equal bytes ruled out every commit."""
        return self.classes[0] if self.classes else None

    def probability(self, node: int) -> float:
        """That this node is the culprit."""
        return next((one.weight / one.size for one in self.classes if one.commits >> node & 1), 0.0)

    def each(self) -> tuple[float, ...]:
        """The probability of every candidate, oldest first: with `none` they add up to 1."""
        result = [0.0] * self.graph.candidates
        for one in self.classes:
            for node in self.graph.members(one.commits):
                result[node] = one.weight / one.size
        return tuple(result)

    def bad(self, node: int) -> float:
        """That this node's kernel has the bug, given that some commit of the range is to blame."""
        reach, known = self.graph.reach[node], 1.0 - self.none
        if known <= 0.0:
            return 0.0
        total = sum(one.weight * (reach & one.commits).bit_count() / one.size for one in self.classes)
        return min(1.0, total / known)

    def rate_bad(self) -> float:
        """The expected crash rate of a bad kernel, a boot."""
        priors, known = self.settings.rate_bad, 1.0 - self.none
        if known <= 0.0:
            return mean_rate(priors, self.crashes, self.clean)
        return sum(one.weight * mean_rate(priors, one.crashes, one.clean) for one in self.classes) / known

    def rate_good(self) -> float:
        """The expected rate of the wanted crash on a good kernel, a boot."""
        priors, known = self.settings.rate_good, 1.0 - self.none
        if known <= 0.0:
            return 0.0
        return (
            sum(
                one.weight * mean_rate(priors, self.crashes - one.crashes, self.clean - one.clean)
                for one in self.classes
            )
            / known
        )

    def miss(self, boots: int) -> float:
        """The chance that so many more boots of a bad kernel are all clean."""
        top = self.top
        crashes, clean = (top.crashes, top.clean) if top else (self.crashes, self.clean)
        return miss(self.settings.rate_bad, crashes, clean, boots)


def _possible(state: Bisection, counts: dict[int, Tally]) -> tuple[int, bool]:
    """The candidates not ruled out by marks and equal bytes, and whether "none" still is possible."""
    graph, none = state.graph, True
    possible = graph.everything
    for node, tally in counts.items():
        if Observation.MARK_GOOD in tally.marks:
            possible &= ~graph.reach[node]
            none = False  # the crash is not everywhere
        if Observation.MARK_BAD in tally.marks:
            possible &= graph.reach[node]
            none = False
    for one, other in state.same:
        possible &= ~(graph.reach[graph.numbers[one]] ^ graph.reach[graph.numbers[other]])
    return possible, none


def _partition(graph: Graph, possible: int, counts: Iterable[tuple[int, Tally]]) -> list[tuple[int, int, int]]:
    """(set, crashes, clean) a class: split by every commit with evidence; the counts are those of its bad boots."""
    classes = [(possible, 0, 0)] if possible else []
    for node, tally in counts:
        reach, split = graph.reach[node], []
        for commits, crashes, clean in classes:
            if inside := commits & reach:
                split.append((inside, crashes + tally.crashes, clean + tally.clean))
            if outside := commits & ~reach:
                split.append((outside, crashes, clean))
        classes = split
    return classes


def posterior(state: Bisection, counts: dict[int, Tally] | None = None) -> Posterior:
    """The posterior of a bisection; `counts` are its `tallies`, when the caller has them already.

    Raises UserError when the user's marks leave no possibility.
    """
    counts = tallies(state) if counts is None else counts
    settings = state.settings
    possible, none = _possible(state, counts)
    if not possible and not none:
        raise UserError("the marks contradict each other: no commit is left", hint="kzram-ci bisect log, then fix one")
    evidence = [(node, counts[node]) for node in sorted(counts) if counts[node].evidence]
    crashes = sum(tally.crashes for _, tally in evidence)
    clean = sum(tally.clean for _, tally in evidence)
    parts = _partition(state.graph, possible, evidence)
    logs = [
        log((1.0 - settings.none) * commits.bit_count() / state.graph.candidates)
        + log_evidence(settings.rate_bad, bad_crashes, bad_clean)
        + log_evidence(settings.rate_good, crashes - bad_crashes, clean - bad_clean)
        for commits, bad_crashes, bad_clean in parts
    ]
    # No culprit: one rate for all commits, good or bad.
    flake = log(settings.none) + log_evidence(settings.rate_none, crashes, clean) if none else -inf
    highest = max([*logs, flake])
    weights = [exp(one - highest) for one in logs]
    total = sum(weights) + exp(flake - highest)
    classes = [
        Suspects(commits=part[0], size=part[0].bit_count(), weight=weight / total, crashes=part[1], clean=part[2])
        for part, weight in zip(parts, weights, strict=True)
    ]
    classes.sort(key=lambda one: (-one.weight, one.commits))
    return Posterior(
        graph=state.graph,
        settings=settings,
        classes=tuple(classes),
        none=exp(flake - highest) / total,
        crashes=crashes,
        clean=clean,
    )
