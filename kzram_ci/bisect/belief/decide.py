"""What to do next: boot which commit, or answer. Pure.

    confirm the bad end → confirm the good end → search → verify culprit and parents → answer

The good end is confirmed before the search when its kernel is local or `Settings.good_first` is set. Else it is
one more commit to choose from: a commit that stays clean is evidence for all its ancestors, so most bisections
never build the good end; when one commit after the other crashes, it soon is the most informative one.

Between two builds a *settle* loop boots what is built already, as long as the side of any commit is in doubt: a
boot is cheap, and a wrong turn costs at least a build. Only then the next commit is built, the most informative
one for its cost. Everything follows from the state, so a resumed bisection decides as the killed one would have.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field
from enum import StrEnum

from kzram_ci.base.values import dataclass
from kzram_ci.bisect.belief.model import Bisection, Observation
from kzram_ci.bisect.belief.posterior import Posterior, Suspects, Tally, posterior, sum_of, tallies
from kzram_ci.bisect.belief.untestable import chances, untestable, usual
from kzram_ci.verdict.likelihood import information, miss

LEAST_BITS = 1e-9  # a boot with less information is not worth making


class Stage(StrEnum):
    """Why a commit is booted."""

    CONFIRM_BAD = "confirm-bad"
    CONFIRM_GOOD = "confirm-good"
    SEARCH = "search"
    SETTLE = "settle"
    VERIFY_CULPRIT = "verify-culprit"
    VERIFY_PARENT = "verify-parent"


class Kind(StrEnum):
    """The kinds of answers."""

    CULPRIT = "culprit"  # one commit
    SUSPECTS = "suspects"  # several that cannot be separated: no commit between them can be tested
    NONE = "none"  # no commit of this range is to blame: the good end crashes too
    NOT_REPRODUCED = "not-reproduced"  # the bad end does not crash: no commit of this range is to blame
    UNTESTABLE_END = "untestable-end"  # an end cannot be built or booted, or shows another crash first


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """In any one unit (seconds). `builds`: what is known of single commits (0: cached under its build key)."""

    boot: float = 1.0
    build: float = 40.0  # of a commit not in `builds`: incremental, or cold for the first
    builds: Mapping[str, float] = field(default_factory=dict)

    def of(self, commit: str) -> float:
        """The cost of building a commit."""
        return self.builds.get(commit, self.build)


@dataclass(frozen=True, slots=True, kw_only=True)
class Boot:
    """Boot `commit` (full name). `times`: boots, if all are clean, until the decision moves on; a crash ends them."""

    commit: str
    times: int
    stage: Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """`confidence`: the probability that the answer is right. `commits` is empty when no commit is to blame."""

    kind: Kind
    commits: tuple[str, ...] = ()
    confidence: float
    runner_up: str = ""  # a commit, or "" when the runner-up is "none of them"
    runner_up_probability: float = 0.0
    rate_bad: float = 0.0
    rate_good: float = 0.0
    boots: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The bisection is over."""

    answer: Answer


Step = Boot | Done


@dataclass(frozen=True, slots=True, kw_only=True)
class _View:
    """A state with everything that follows from it, computed once a decision."""

    state: Bisection
    counts: dict[int, Tally]
    belief: Posterior
    broken: frozenset[int]
    shared: dict[int, Tally]  # of commits that build the same bytes as another: what was seen of all of them

    def tally(self, node: int) -> Tally:
        return self.shared.get(node) or self.counts.get(node) or Tally()

    def boot(self, node: int, stage: Stage, times: int) -> Boot:
        return Boot(commit=self.state.graph.names[node], stage=stage, times=max(1, times))

    def open(self, node: int) -> bool:
        """Whether more boots of it are allowed and make sense."""
        return node not in self.broken and self.tally(node).evidence < self.state.settings.commit_budget


def next_step(state: Bisection, costs: Costs | None = None) -> Step:
    """The next boot, or the answer. Raises UserError when the user's marks contradict each other."""
    counts = tallies(state)
    shared = _shared(state, counts)
    broken = untestable({**counts, **shared}, state.settings)
    view = _View(state=state, counts=counts, belief=posterior(state, counts), broken=broken, shared=shared)
    return (
        _confirm_bad(view)
        or _confirm_good(view, costs or Costs())
        or _conclude(view)
        or _settle(view, state.settings.settle)
        or _build(view, costs or Costs())
        or _prove(view)
        or _settle(view, LEAST_BITS)
        or _give_up(view)
    )


def _shared(state: Bisection, counts: Mapping[int, Tally]) -> dict[int, Tally]:
    """A boot of one commit is a boot of every commit with the same bytes: no kernel is booted twice for its names."""
    groups: dict[int, set[int]] = {}
    for one, other in state.same:
        nodes = (state.graph.numbers[one], state.graph.numbers[other])
        merged = set().union(*(groups.get(node, {node}) for node in nodes))
        groups |= dict.fromkeys(merged, merged)
    return {
        node: sum_of(counts[other] for other in group if other in counts)
        for node, group in groups.items()
        if not group.isdisjoint(counts)
    }


def _confirm_bad(view: _View) -> Step | None:
    graph, settings = view.state.graph, view.state.settings
    tally = view.tally(graph.bad)
    # A rare crash needs more of them: a rate measured too high by luck makes every later "good" too cheap.
    wanted = min(settings.bad_crashes_most, settings.bad_crashes + tally.clean // settings.bad_clean)
    if Observation.MARK_BAD in tally.marks or tally.crashes >= wanted:
        return None
    if graph.bad in view.broken:
        return _done(view, Kind.UNTESTABLE_END, (graph.names[graph.bad],), 1.0)
    left = settings.end_budget - tally.evidence
    if left > 0:
        return view.boot(graph.bad, Stage.CONFIRM_BAD, left)
    if tally.crashes:
        return None
    luck = (1.0 - settings.none) * miss(settings.rate_bad, 0, 0, tally.clean)
    return _done(view, Kind.NOT_REPRODUCED, (), settings.none / (settings.none + luck))


def _confirm_good(view: _View, costs: Costs) -> Step | None:
    """The good ends must not crash; none of them when all are marked or cannot be tested."""
    graph, settings, none = view.state.graph, view.state.settings, view.belief.none
    if none >= settings.confidence:
        return _done(view, Kind.NONE, (), none)
    testable = [good for good in graph.goods if view.open(good)]
    marked = any(Observation.MARK_GOOD in view.tally(good).marks for good in graph.goods)
    if marked or not testable:
        return None
    fresh = not any(view.tally(good).evidence for good in testable)
    if fresh and not settings.good_first and all(costs.of(graph.names[good]) > 0.0 for good in testable):
        return None  # the search takes it when it is the most informative one
    if not fresh and none <= settings.settle_none:
        return None
    # Evidence against "the crash is everywhere" is the same on every good end: the one that is built is cheapest.
    node = max(testable, key=lambda good: (view.tally(good).evidence, -costs.of(graph.names[good])))
    return view.boot(node, Stage.CONFIRM_GOOD, _times(view, none, settings.settle_none))


def _times(view: _View, doubt: float, enough: float) -> int:
    """Clean boots until a doubt (probability of bad) sinks to `enough`."""
    if not 0.0 < doubt < 1.0:
        return 1
    wanted = enough / (1.0 - enough) * (1.0 - doubt) / doubt
    low, high = 1, view.state.settings.commit_budget
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if view.belief.miss(middle) <= wanted else (middle + 1, high)
    return low


def _conclude(view: _View) -> Step | None:
    """Verify and answer once one class is beyond the confidence and nothing can split it."""
    top, settings = view.belief.top, view.state.settings
    if top is None or 1.0 - top.weight > (1.0 - settings.confidence) * settings.reserve:
        return None
    if top.size > 1 and any(True for _ in _splitters(view, top)):
        return None
    names = tuple(view.state.graph.names[node] for node in view.state.graph.members(top.commits))
    if top.size > 1:
        return _done(view, Kind.SUSPECTS, names, top.weight)
    return _verify(view, top.commits.bit_length() - 1) or _done(view, Kind.CULPRIT, names, top.weight)


def _verify(view: _View, culprit: int) -> Boot | None:
    """The culprit itself must have crashed, its parents themselves must not: by their own boots, old or new."""
    graph, settings = view.state.graph, view.state.settings
    if proof := _prove(view):
        return proof
    for parent in graph.parents[culprit]:
        tally = view.tally(parent)
        if Observation.MARK_GOOD in tally.marks or not view.open(parent):
            continue
        if view.belief.miss(tally.clean) > settings.parent_miss:
            return view.boot(parent, Stage.VERIFY_PARENT, _times(view, 0.5, settings.parent_miss))
    return None


def _prove(view: _View) -> Boot | None:
    """The culprit must have crashed itself, and all bad commits together often enough to know the rate.

    Before the last clean boots of its parent: how many those must be depends on the rate.
    """
    top, settings = view.belief.top, view.state.settings
    if top is None or top.size > 1:
        return None
    culprit = top.commits.bit_length() - 1
    tally = view.tally(culprit)
    few = top.crashes < settings.crashes and Observation.MARK_BAD not in tally.marks
    if view.open(culprit) and (few or tally.crashes < settings.proofs):
        return view.boot(culprit, Stage.VERIFY_CULPRIT, settings.crashes)
    return None


def _splitters(view: _View, suspects: Suspects) -> Iterator[int]:
    """Testable commits without evidence that would separate some of these suspects from the others."""
    graph = view.state.graph
    for node, reach in enumerate(graph.reach[: graph.candidates]):
        inside = reach & suspects.commits
        if inside and inside != suspects.commits and node not in view.broken and not view.tally(node).evidence:
            yield node


def _settle(view: _View, least: float) -> Boot | None:
    """More boots of a commit that was booted before, while its side is in doubt by more than `least`."""
    best, chosen, rate = 0.0, None, view.belief.rate_bad()
    for node in sorted(view.counts):
        doubt = _doubt(view, node)
        if not view.tally(node).evidence or not view.open(node) or min(doubt, 1.0 - doubt) <= least:
            continue
        if (bits := information(doubt, rate)) > best + LEAST_BITS:
            best, chosen = bits, node
    if chosen is None:
        return None
    settings = view.state.settings
    enough = max(least, (1.0 - settings.confidence) * settings.reserve)
    return view.boot(chosen, Stage.SETTLE, _times(view, _doubt(view, chosen), enough))


def _doubt(view: _View, node: int) -> float:
    """That this kernel crashes: for the bug in it, or (on a commit no candidate reaches) for no commit's fault."""
    return view.belief.bad(node) if view.state.graph.reach[node] else view.belief.none


def _build(view: _View, costs: Costs) -> Boot | None:
    """The most informative new commit for its cost: build, and boots until its side is known."""
    graph, settings, belief = view.state.graph, view.state.settings, view.belief
    times = _times(view, 0.5, settings.settle)
    rate, seen = max(belief.rate_bad(), 1e-6), 1.0 - belief.miss(times)
    testable, far = chances(graph, view.counts, settings), usual(view.counts, settings)
    best, chosen, odds = 0.0, None, 0.5
    for node, bad in _candidates(view):
        tally = view.tally(node)
        boots = bad * min(times, 1.0 / rate) + (1.0 - bad) * times
        boots *= 1.0 + tally.useless  # one that already wasted boots wastes more
        build = 0.0 if node in view.counts else costs.of(graph.names[node])
        # Which commit of the range is to blame matters only if one is; the good end shows whether one is.
        weight = 1.0 - belief.none if graph.reach[node] else 1.0
        value = weight * testable.get(node, far) * information(bad, seen) / (build + boots * costs.boot)
        if value > best * (1.0 + 1e-9):
            best, chosen, odds = value, node, bad
    if chosen is None:
        return None
    stage = Stage.SEARCH if graph.reach[chosen] else Stage.CONFIRM_GOOD
    return view.boot(chosen, stage, _times(view, odds, settings.settle))


def _candidates(view: _View) -> Iterator[tuple[int, float]]:
    """(node, probability that it is bad) of the commits that may be booted for the first time."""
    graph, settle = view.state.graph, view.state.settings.settle
    scale = 1.0 / max(1e-9, 1.0 - view.belief.none)  # bad given that some commit is to blame
    # Classes that hold next to nothing change no choice, only the time it takes with 10,000 commits. For the same
    # reason the few that hold most are asked first: they rule out nearly all commits.
    splitting = [(one.commits, scale * one.weight / one.size) for one in view.belief.classes if one.weight > 1e-4]
    rest, heavy = scale * sum(one.weight for one in view.belief.classes if one.weight > 1e-4), 0
    while heavy < len(splitting) and rest > settle / 2.0:
        rest -= splitting[heavy][0].bit_count() * splitting[heavy][1]
        heavy += 1
    known = view.broken | {node for node, tally in view.counts.items() if tally.evidence}
    for node, reach in enumerate(graph.reach[: graph.candidates]):
        bad = 0.0
        for commits, each in splitting[:heavy]:
            bad += (reach & commits).bit_count() * each
        if bad + rest <= settle or bad >= 1.0 - settle or node in known:
            continue
        for commits, each in splitting[heavy:]:
            bad += (reach & commits).bit_count() * each
        # What is less open than a settled commit is a doubt about built kernels: it takes boots, not a build.
        if settle < bad < 1.0 - settle:
            yield node, bad
    none = view.belief.none
    if none > view.state.settings.settle_none and not any(view.tally(good).evidence for good in graph.goods):
        yield from ((good, none) for good in graph.goods if good not in known)


def _give_up(view: _View) -> Done:
    """Nothing more can be learnt: name the fewest classes that together reach the confidence."""
    total, chosen = 0.0, 0
    for one in view.belief.classes:
        total, chosen = total + one.weight, chosen | one.commits
        if total >= view.state.settings.confidence:
            break
    graph, none = view.state.graph, view.belief.none
    unknown = not any(view.tally(good).evidence for good in graph.goods)
    if unknown and total < view.state.settings.confidence and none > 1.0 - view.state.settings.confidence:
        # The crash may be everywhere, and no good end can be booted to find out.
        return _done(view, Kind.UNTESTABLE_END, tuple(graph.names[good] for good in graph.goods), 1.0)
    if none > total:
        return _done(view, Kind.NONE, (), none)
    names = tuple(graph.names[node] for node in graph.members(chosen))
    return _done(view, Kind.CULPRIT if len(names) == 1 else Kind.SUSPECTS, names, total)


def _done(view: _View, kind: Kind, commits: tuple[str, ...], confidence: float) -> Done:
    name, probability = "", view.belief.none
    for one in view.belief.classes:
        others = [node for node in view.state.graph.members(one.commits) if view.state.graph.names[node] not in commits]
        if others and one.weight / one.size > probability:
            name, probability = view.state.graph.names[others[-1]], one.weight / one.size
    return Done(
        answer=Answer(
            kind=kind,
            commits=commits,
            confidence=confidence,
            runner_up=name,
            runner_up_probability=probability if commits or name else 0.0,
            rate_bad=view.belief.rate_bad(),
            rate_good=view.belief.rate_good(),
            boots=sum(tally.evidence + tally.useless + tally.unbootable for tally in view.counts.values()),
        )
    )
