"""Which commits are worth a build: those that do not build sit in runs of neighbours. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from kzram_ci.bisect.belief.graph import Graph
from kzram_ci.bisect.belief.model import Settings
from kzram_ci.bisect.belief.posterior import Tally

HOPS = 24  # beyond, the influence of a neighbour is below 1 %
NEXT_DOOR = 0.85  # that the direct neighbour of an untestable commit is untestable as well


def untestable(counts: Mapping[int, Tally], settings: Settings) -> frozenset[int]:
    """The nodes not to boot (again): unbuildable, unbootable, skipped by the user, or masked by another crash."""
    return frozenset(node for node, tally in counts.items() if tally.untestable(settings.patience))


def chances(graph: Graph, counts: Mapping[int, Tally], settings: Settings) -> dict[int, float]:
    """The probability of being testable for nodes near an untestable one; all other nodes have `usual`.

    A walk from each untestable commit along the graph, stopped by commits that did work.
    """
    broken = untestable(counts, settings)
    works = {node for node, tally in counts.items() if tally.evidence}
    result = dict.fromkeys(broken, 0.0)
    front, influence, base = set(broken), NEXT_DOOR, usual(counts, settings)
    for _ in range(HOPS):
        around = {next_ for node in front for next_ in (*graph.parents[node], *graph.children[node])}
        front = {node for node in around if node not in result and node not in works}
        for node in front:
            result[node] = base * (1.0 - influence)
        influence *= settings.neighbour
    return result


def usual(counts: Mapping[int, Tally], settings: Settings) -> float:
    """The share of commits that can be tested, far from any that cannot: learnt, from one in twenty at first."""
    broken = len(untestable(counts, settings))
    works = sum(1 for tally in counts.values() if tally.evidence)
    return (19.0 + works) / (20.0 + works + broken)
