"""The commits of a range as a DAG, read from `git rev-list --parents --topo-order` text. Pure.

Every set of commits is one Python integer with a bit a candidate, so that "which commits could have broken this
one" is a lookup and an intersection is one instruction a 64 commits: 10,000 commits stay well under 100 ms.

Nodes: first the candidates (the listed commits, oldest first), then the observers: commits that can be booted but
cannot be the culprit (good ends, parents outside the range, and a bad end that path limits took off the list).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import field

from kzram_ci.base.errors import UserError
from kzram_ci.base.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """Nodes are integers. `reach[n]` is the set of candidates that are ancestors of `n` or `n` itself: if one of
    them is the culprit, `n` is bad, else it is good.
    """

    names: tuple[str, ...]
    parents: tuple[tuple[int, ...], ...]
    candidates: int  # nodes below this number are the range
    bad: int
    goods: tuple[int, ...]
    reach: tuple[int, ...] = field(init=False, repr=False, compare=False)
    children: tuple[tuple[int, ...], ...] = field(init=False, repr=False, compare=False)
    numbers: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "reach", tuple(_reach(self.parents, self.candidates, self.bad)))
        children: list[list[int]] = [[] for _ in self.names]
        for node, parents in enumerate(self.parents):
            for parent in parents:
                children[parent].append(node)
        object.__setattr__(self, "children", tuple(map(tuple, children)))
        object.__setattr__(self, "numbers", {name: node for node, name in enumerate(self.names)})

    @property
    def everything(self) -> int:
        """The set of all candidates."""
        return (1 << self.candidates) - 1

    def node(self, commit: str) -> int:
        """The node of a full commit name. Raises UserError when the commit is not part of the range."""
        try:
            return self.numbers[commit]
        except KeyError:
            raise UserError(
                f"commit {commit[:12]} is not part of this bisection", hint="kzram-ci bisect status lists its commits"
            ) from None

    def members(self, commits: int) -> Iterator[int]:
        """The nodes in a set, oldest first."""
        while commits:
            lowest = commits & -commits
            yield lowest.bit_length() - 1
            commits ^= lowest

    def lines(self) -> tuple[str, ...]:
        """The range as `git rev-list --parents` prints it, newest first; `parse` reads it back to an equal value."""
        return tuple(
            " ".join((self.names[node], *(self.names[parent] for parent in self.parents[node])))
            for node in reversed(range(self.candidates))
        )


def _reach(parents: Sequence[Sequence[int]], candidates: int, bad: int) -> Iterator[int]:
    done: list[int] = []
    for node in range(candidates):
        mine = 1 << node
        for parent in parents[node]:
            if parent < candidates:
                mine |= done[parent]
        done.append(mine)
        yield mine
    for node in range(candidates, len(parents)):
        # A bad end off the list descends from all of it; any other observer is an ancestor of a good end.
        yield (1 << candidates) - 1 if node == bad else 0


def _rows(text: str, first_parent: bool) -> list[tuple[str, tuple[str, ...]]]:
    rows = []
    for line in text.splitlines():
        if words := line.split():
            # git lists all parents of a merge even with --first-parent; the history followed has one.
            rows.append((words[0], tuple(words[1:2] if first_parent else words[1:])))
    rows.reverse()
    return rows


def parse(text: str, *, bad: str, goods: Iterable[str], first_parent: bool = False) -> Graph:
    """Read `git rev-list --parents --topo-order [--first-parent] BAD ^GOOD... [-- PATH...]`.

    `bad` and `goods` are full commit names. Raises UserError when the range is empty, when a good end lies inside
    the range, and when a child is listed after its parent (the text was not in topological order).
    """
    rows = _rows(text, first_parent)
    goods = tuple(dict.fromkeys(goods))
    listed = {name: node for node, (name, _) in enumerate(rows)}
    if not rows:
        raise UserError(
            "there is no commit between good and bad", hint="exchange --good and --bad, or widen the paths after --"
        )
    if inside := [good for good in goods if good in listed]:
        raise UserError(f"the good end {inside[0][:12]} lies inside the range it should bound", hint="fix --good")
    outside = [parent for _, parents in rows for parent in parents if parent not in listed]
    names = list(dict.fromkeys([*listed, *goods, *outside, bad]))
    numbers = {name: node for node, name in enumerate(names)}
    parents = [tuple(numbers[parent] for parent in parents) for _, parents in rows]
    for node, mine in enumerate(parents):
        if any(node <= parent < len(rows) for parent in mine):
            raise UserError("the list of commits is not in topological order", hint="git rev-list --topo-order")
    parents += [()] * (len(names) - len(rows))
    if numbers[bad] >= len(rows):  # path limits: hang the bad end on the tips of what is left
        tips = set(range(len(rows))) - {parent for mine in parents for parent in mine}
        parents[numbers[bad]] = tuple(sorted(tips))
    return Graph(
        names=tuple(names),
        parents=tuple(parents),
        candidates=len(rows),
        bad=numbers[bad],
        goods=tuple(numbers[good] for good in goods),
    )
