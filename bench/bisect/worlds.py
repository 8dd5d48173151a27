"""Simulated histories to bisect: which commits crash how often, which do not build. Seeded, so every run is the same.

A world answers two questions, does this commit build and what does one boot of it say, and counts what was asked.
All methods get the same worlds.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from kzram_ci.bisect.belief.graph import Graph, parse
from kzram_ci.bisect.belief.model import Observation

RUN = 4  # mean length of a run of neighbours that do not build


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One kind of history. `right` (per cent), `boots` and `builds` are what was asked for; 0: nothing was."""

    name: str
    rate: float  # P(crash | bad), a boot
    commits: int = 128  # the good end, 126 between, the bad end: 127 possible culprits
    other: float = 0.0  # unrelated crashes, a boot of any commit
    false: float = 0.0  # P(wanted crash | good), a boot
    unbuildable: float = 0.0  # share of commits, in runs
    culprit: bool = True
    merges: bool = False
    right: float = 0.0
    boots: float = 0.0
    builds: float = 0.0


ROWS = (
    Row(name="p 0.9", rate=0.9, right=99.5, boots=20, builds=9),
    Row(name="p 0.5", rate=0.5, right=99, boots=50, builds=9),
    Row(name="p 0.3, 2 % unrelated crashes", rate=0.3, other=0.02, right=98, boots=105, builds=9),
    Row(name="p 0.1", rate=0.1, right=97, boots=330, builds=9),
    Row(name="no culprit: 0.9 everywhere", rate=0.9, culprit=False, right=99),
    Row(name="no culprit: 0.5 everywhere", rate=0.5, culprit=False, right=99),
    Row(name="no culprit: 0.3 everywhere, 2 % unrelated", rate=0.3, other=0.02, culprit=False, right=99),
    Row(name="no culprit: 0.1 everywhere", rate=0.1, culprit=False, right=99),
    Row(name="no culprit: never crashes", rate=0.0, culprit=False, right=99),
    Row(name="no culprit: never, 2 % unrelated", rate=0.0, other=0.02, culprit=False, right=99),
    Row(name="p 0.9, 10 % unbuildable in runs", rate=0.9, unbuildable=0.1),
    Row(name="p 0.5, 10 % unbuildable in runs", rate=0.5, unbuildable=0.1),
    Row(name="p 0.9, merges", rate=0.9, merges=True),
    Row(name="p 0.5, merges", rate=0.5, merges=True),
    Row(name="p 0.5, good crashes 0.1 %", rate=0.5, false=0.001),
    Row(name="p 0.05", rate=0.05),
)


def _parents(row: Row, rng: random.Random) -> list[tuple[int, ...]]:
    """Parents of each commit, which all have smaller numbers; commit 0 is the good end."""
    parents: list[tuple[int, ...]] = [()]
    while len(parents) < row.commits:
        tip = len(parents) - 1
        branch, trunk = rng.randint(2, 8), rng.randint(1, 4)
        if not row.merges or tip + branch + trunk + 1 >= row.commits or rng.random() < 0.5:
            parents.append((tip,))
            continue
        parents += [(tip,), *((tip + step,) for step in range(1, branch))]
        parents += [(tip,), *((tip + branch + step,) for step in range(1, trunk))]
        parents.append((tip + branch + trunk, tip + branch))
    return parents


def _broken(row: Row, rng: random.Random) -> frozenset[int]:
    """Runs of commits that do not build; never an end."""
    broken: set[int] = set()
    while len(broken) < row.unbuildable * row.commits:
        first, length = rng.randrange(1, row.commits - 1), 1 + int(rng.expovariate(1.0 / (RUN - 1)))
        broken.update(range(first, min(first + length, row.commits - 1)))
    return frozenset(broken)


def name(commit: int) -> str:
    """The full name of a commit of any world."""
    return f"{commit:040x}"


@dataclass(slots=True, kw_only=True)
class World:
    """One history. Commits are numbers from 0, the good end; the culprit is any of the others, each as likely."""

    row: Row
    seed: int
    parents: list[tuple[int, ...]] = field(init=False)
    culprit: int = field(init=False)
    broken: frozenset[int] = field(init=False)
    bad: frozenset[int] = field(init=False)
    built: set[int] = field(init=False, default_factory=set)
    boots: int = field(init=False, default=0)
    rng: random.Random = field(init=False)

    def __post_init__(self) -> None:
        shape = random.Random(f"shape {self.seed}")
        self.parents = _parents(self.row, shape)
        self.culprit = shape.randrange(1, self.row.commits)
        self.broken = _broken(self.row, shape)
        bad: set[int] = set()
        for commit in range(self.row.commits):
            if not self.row.culprit or commit == self.culprit or any(parent in bad for parent in self.parents[commit]):
                bad.add(commit)
        self.bad = frozenset(bad)
        self.rng = random.Random(f"boots {self.seed}")

    def text(self) -> str:
        """The range as `git rev-list --parents --topo-order BAD ^GOOD` prints it."""
        rows = (" ".join(map(name, (commit, *self.parents[commit]))) for commit in range(1, self.row.commits))
        return "\n".join(reversed(list(rows)))

    def graph(self) -> Graph:
        """The range; commit c is node c - 1, the good end the last one."""
        return parse(self.text(), bad=name(self.row.commits - 1), goods=(name(0),))

    def builds(self, commit: int) -> bool:
        """Build it (again is free); whether it can be booted."""
        self.built.add(commit)
        return commit not in self.broken

    def boot(self, commit: int) -> Observation:
        """Build if needed, boot once."""
        if not self.builds(commit):
            return Observation.UNBUILDABLE
        self.boots += 1
        if self.rng.random() < self.row.other:
            return Observation.OTHER
        crashes = self.rng.random() < (self.row.rate if commit in self.bad else self.row.false)
        return Observation.CRASH if crashes else Observation.CLEAN

    def alike(self) -> frozenset[int]:
        """The culprit, and the commits that no test of a commit that builds can tell from it."""
        graph = self.graph()
        alike = graph.everything
        for commit in range(1, self.row.commits):
            if commit not in self.broken:
                reach = graph.reach[commit - 1]
                alike &= reach if commit in self.bad else ~reach
        return frozenset(node + 1 for node in graph.members(alike))
