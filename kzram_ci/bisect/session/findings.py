"""A bisection at one moment: what was asked, what happened, and all that follows from the two. Pure.

Everything derived is computed here, once a change. Who asks later (deciding, reports, the command line) only reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from kzram_ci.base.values import dataclass
from kzram_ci.bisect.belief.graph import Graph
from kzram_ci.bisect.belief.model import Bisection, Observation, Seen
from kzram_ci.bisect.belief.standing import Standing, standing_of
from kzram_ci.bisect.session.model import REVERT, Asked, Commit, Facts
from kzram_ci.bisect.session.observations import BootRecord, BuildRecord, SeenBoot, dominant_signature, observed
from kzram_ci.verdict.crashes import Wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """`boots`: by commit, or REVERT. `builds`: the build of each commit, made of it or of another with the same tree.
    `contents`: what makes two kernels the same: the image's bytes, before the build the tree, else the commit.
    """

    asked: Asked
    facts: Facts
    wanted: Wanted
    commits: Mapping[str, Commit]
    builds: Mapping[str, BuildRecord]
    contents: Mapping[str, str]
    boots: Mapping[str, tuple[SeenBoot, ...]]
    standing: Standing

    @property
    def graph(self) -> Graph:
        """The range."""
        return self.standing.state.graph

    @property
    def bad(self) -> str:
        """The bad end's full name."""
        return self.graph.names[self.graph.bad]

    @property
    def goods(self) -> tuple[str, ...]:
        """The good ends' full names."""
        return tuple(self.graph.names[good] for good in self.graph.goods)

    def commit(self, name: str) -> Commit:
        """A commit of the range; one that git was not asked about has no subject."""
        return self.commits.get(name) or Commit(name=name, tree="")

    def boots_of(self, commit: str) -> tuple[SeenBoot, ...]:
        """The boots that were made of a commit itself."""
        return self.boots.get(commit, ())

    def boots_like(self, commit: str) -> tuple[SeenBoot, ...]:
        """The boots of every commit of the range whose kernel has the same content."""
        content = self.contents[commit]
        alike = (boots for name, boots in self.boots.items() if name != REVERT and self.contents[name] == content)
        return tuple(boot for boots in alike for boot in boots)

    def parents(self, commit: str) -> tuple[str, ...]:
        """The parents of a commit, as far as they belong to the bisection."""
        return tuple(self.graph.names[parent] for parent in self.graph.parents[self.graph.node(commit)])


def findings_of(asked: Asked, start: Bisection, facts: Facts) -> Findings:
    """All that follows. Raises UserError when marks contradict each other, or what equal kernels showed."""
    commits = {commit.name: commit for commit in asked.commits}
    names = start.graph.names
    builds = _builds(facts.builds, commits, names)
    contents = {name: _content(name, builds.get(name), commits.get(name)) for name in (*names, REVERT)}
    wanted = _wanted(asked, facts.boots, names[start.graph.bad])
    seen = tuple(observed(facts.boots, wanted))
    boots: dict[str, list[SeenBoot]] = {}
    for boot in seen:
        boots.setdefault(boot.record.commit, []).append(boot)
    return Findings(
        asked=asked,
        facts=facts,
        wanted=wanted,
        commits=commits,
        builds=builds,
        contents=contents,
        boots={name: tuple(found) for name, found in boots.items()},
        standing=standing_of(_state(start, facts, contents, seen)),
    )


def _builds(
    records: Sequence[BuildRecord], commits: Mapping[str, Commit], names: Sequence[str]
) -> dict[str, BuildRecord]:
    own = {record.commit: record for record in records}
    trees: dict[str, BuildRecord] = {}
    for record in records:
        if (commit := commits.get(record.commit)) is not None and commit.tree:
            trees.setdefault(commit.tree, record)
    found = dict(own)
    for name in names:
        commit = commits.get(name)
        if name not in own and commit is not None and commit.tree in trees:
            found[name] = trees[commit.tree]
    return found


def _content(name: str, build: BuildRecord | None, commit: Commit | None) -> str:
    return (build.sha256 if build is not None else "") or (commit.tree if commit is not None else "") or name


def _wanted(asked: Asked, boots: Iterable[BootRecord], bad: str) -> Wanted:
    """Given, described by the plan, or what the bad end shows most."""
    if asked.wanted.given or asked.wanted.plan:
        return asked.wanted
    found = dominant_signature(boots, bad)
    return Wanted(given=(found,)) if found else asked.wanted


def _state(start: Bisection, facts: Facts, contents: Mapping[str, str], boots: Iterable[SeenBoot]) -> Bisection:
    """The bisection as deciding sees it."""
    names = start.graph.names
    broken = {contents[record.commit] for record in facts.builds if record.failed}
    seen = [Seen(commit=name, what=Observation.UNBUILDABLE) for name in names if contents[name] in broken]
    seen += [Seen(commit=boot.record.commit, what=boot.what) for boot in boots if boot.record.commit != REVERT]
    seen += [Seen(commit=commit, what=what) for commit, what in dict(facts.marks).items()]  # the last one counts
    first: dict[str, str] = {}
    same = []
    for name in names:
        content = contents[name]
        if (other := first.setdefault(content, name)) != name and content not in broken:
            same.append((other, name))
    return Bisection(graph=start.graph, settings=start.settings, seen=tuple(seen), same=tuple(same))
