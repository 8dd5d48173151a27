"""A bisection as a value: the range, the settings, and everything observed, in order. Pure.

All else (posterior, next commit) follows from this value, so a bisection that was killed goes on from it.
"""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum

from kzram_ci.base.values import dataclass
from kzram_ci.bisect.belief.graph import Graph, parse
from kzram_ci.verdict.likelihood import Beta


class Observation(StrEnum):
    """What one build or boot of a commit showed. Only CRASH and CLEAN are evidence; marks are the user's word."""

    CRASH = "crash"  # the wanted signature
    CLEAN = "clean"  # passed, with the proof the plan asks for
    OTHER = "other"  # crashed, hung or failed in another way: the wanted crash might have come later
    INCONCLUSIVE = "inconclusive"
    INFRA = "infra"
    UNBUILDABLE = "unbuildable"
    UNBOOTABLE = "unbootable"
    MARK_GOOD = "mark-good"
    MARK_BAD = "mark-bad"
    SKIP = "skip"


EVIDENCE = frozenset({Observation.CRASH, Observation.CLEAN})
MARKS = frozenset({Observation.MARK_GOOD, Observation.MARK_BAD, Observation.SKIP})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How sure is sure. Probabilities unless a comment says otherwise; the defaults are tuned in bench/bisect."""

    confidence: float = 0.99
    # An answer waits until its doubt is below this part of what is allowed: the model is never quite the world.
    reserve: float = 0.4
    none: float = 0.1  # prior: no commit of the range is to blame
    rate_bad: tuple[Beta, ...] = (Beta(a=1.75, b=0.4),)
    # The wanted signature on a good kernel: next to never. Were it allowed to be frequent, a crash that is everywhere
    # could not be separated from one that a commit made a little more frequent.
    rate_good: tuple[Beta, ...] = (Beta(a=1.0, b=5_000.0),)
    # The rate of a crash that no commit of the range brought.
    rate_none: tuple[Beta, ...] = (Beta(a=1.75, b=0.4),)
    settle: float = 0.045  # a commit is left for the next build when the doubt about its side is below this
    settle_none: float = 0.04  # the same for the good end: an early error there costs a search, not a wrong answer
    good_first: bool = False  # build the good end before the search even when it is not at hand
    # Crashes of the bad end before the search: they measure the rate that sets all repeats. One more for each
    # `bad_clean` clean boots, for a rare crash is measured worse and its repeats cost more.
    bad_crashes: int = 3
    bad_crashes_most: int = 6
    bad_clean: int = 1
    proofs: int = 1  # crashes of the culprit itself before it is named
    # Crashes of all bad commits together before an answer: with fewer, the first ones may have come early by luck,
    # and every "good" that followed was too cheap.
    crashes: int = 6
    parent_miss: float = 0.02  # chance that the parent's own clean boots are luck
    end_budget: int = 100  # boots of the bad end without a single crash before giving up
    commit_budget: int = 500  # boots of one commit
    neighbour: float = 0.8  # each step away from an untestable commit leaves this part of its influence
    patience: int = 6  # boots of one commit without any evidence, before it counts as untestable


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One observation of one commit (full name)."""

    commit: str
    what: Observation


@dataclass(frozen=True, slots=True, kw_only=True)
class Bisection:
    """`same`: pairs of commits that build the same bytes, so that one cannot be good and the other bad."""

    graph: Graph
    settings: Settings = Settings()
    seen: tuple[Seen, ...] = ()
    same: tuple[tuple[str, str], ...] = ()


def start(
    text: str, *, bad: str, goods: tuple[str, ...], first_parent: bool = False, settings: Settings | None = None
) -> Bisection:
    """A bisection of the range `git rev-list --parents --topo-order` printed. Raises UserError as `parse` does."""
    graph = parse(text, bad=bad, goods=goods, first_parent=first_parent)
    return Bisection(graph=graph, settings=settings or Settings())


def observe(state: Bisection, commit: str, what: Observation) -> Bisection:
    """The state after one more observation. Raises UserError for a commit outside the bisection."""
    state.graph.node(commit)
    return replace(state, seen=(*state.seen, Seen(commit=commit, what=what)))


def same_bytes(state: Bisection, commit: str, other: str) -> Bisection:
    """The state after learning that two commits build the same bytes. Raises UserError as `observe` does."""
    state.graph.node(commit), state.graph.node(other)
    pair = (commit, other)
    return state if pair in state.same else replace(state, same=(*state.same, pair))
