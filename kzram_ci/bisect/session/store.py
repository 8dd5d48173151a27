"""A bisection on disk: facts first, everything else follows from them.

```
runs/<UTC time>-bisect-<plan>-<id>/
  bisection.json   what was asked: cell, range, commits, settings; written once
  state.json       boots, builds, marks, answer, revert; replaced in one step after every boot
  plan.yaml  git-bisect.log  junit.xml  report.html  boots/<commit>/<number>/console.log …
```
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from kzram_ci.base import clock, files
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import InfraError, UserError
from kzram_ci.bisect.belief import model as states
from kzram_ci.bisect.belief.decide import Answer
from kzram_ci.bisect.belief.model import Bisection, Observation, Seen
from kzram_ci.bisect.session.observations import BootRecord, BuildRecord, Wanted, learnt, told
from kzram_ci.model import codec
from kzram_ci.model.cell import Cell

ASKED, STATE, PLAN = "bisection.json", "state.json", "plan.yaml"
REVERT = "revert"  # in place of a commit, for the boots of the bad end without the culprit


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """What git says of a commit."""

    name: str
    tree: str
    version: str = ""  # of its Makefile: it decides which patches and build fixes fit
    subject: str = ""
    author: str = ""
    date: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was asked, resolved: enough to go on without the plan and without another look at refs."""

    plan: str
    cell: Cell
    repository: str  # as the user gave it: a path (absolute) or a URL
    store: str  # the bare repository that builds read from
    wanted: Wanted
    note: str = ""
    paths: tuple[str, ...] = ()
    first_parent: bool = False
    commits: tuple[Commit, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Revert:
    """The bad end without the culprit. `heals` is None while nobody knows; `why` says what stood against it."""

    tree: str = ""
    heals: bool | None = None
    why: str = ""
    boots: int = 0  # clean ones that were asked for


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What happened so far."""

    boots: tuple[BootRecord, ...] = ()
    builds: tuple[BuildRecord, ...] = ()
    marks: tuple[tuple[str, Observation], ...] = ()
    notes: tuple[str, ...] = ()
    answer: Answer | None = None
    revert: Revert | None = None


@dataclass(slots=True, kw_only=True)
class Session:
    """An open bisection; one process writes it."""

    path: Path
    asked: Asked
    start: Bisection
    facts: Facts = Facts()
    _commits: dict[str, Commit] = field(default_factory=dict)
    _builds: dict[str, BuildRecord] = field(default_factory=dict)  # by commit, and by tree

    def __post_init__(self) -> None:
        self._commits = {commit.name: commit for commit in self.asked.commits}
        self._index()

    def _index(self) -> None:
        self._builds = {}
        for record in self.facts.builds:
            self._builds.setdefault(self.commit(record.commit).tree or record.commit, record)
            self._builds[record.commit] = record

    def commit(self, name: str) -> Commit:
        """A commit of the range; one that git was not asked about has no subject."""
        return self._commits.get(name) or Commit(name=name, tree="")

    def note(self, **changes: Any) -> None:
        """Change the facts and write them down, in one step."""
        self.facts = replace(self.facts, **changes)
        if "builds" in changes:
            self._index()
        files.write_json(self.path / STATE, codec.to_json(self.facts))

    def build(self, commit: str) -> BuildRecord | None:
        """The build of a commit, or of another with the same tree."""
        return self._builds.get(commit) or self._builds.get(self.commit(commit).tree)

    def content(self, commit: str) -> str:
        """What tells kernels apart: the image's bytes, before the build the tree, without that the commit."""
        record = self.build(commit)
        return (record.sha256 if record is not None else "") or self.commit(commit).tree or commit

    def boots_of(self, commit: str) -> tuple[BootRecord, ...]:
        """The boots that were made of a commit itself."""
        return tuple(boot for boot in self.facts.boots if boot.commit == commit)

    @property
    def bad(self) -> str:
        """The bad end's full name."""
        return self.start.graph.names[self.start.graph.bad]

    @property
    def goods(self) -> tuple[str, ...]:
        """The good ends' full names."""
        return tuple(self.start.graph.names[good] for good in self.start.graph.goods)

    def wanted(self) -> Wanted:
        """The crash that is looked for: given, described by the plan, or learnt from the bad end."""
        wanted = self.asked.wanted
        if wanted.given or wanted.plan:
            return wanted
        found = learnt(self.facts.boots, self.bad)
        return Wanted(given=(found,)) if found else wanted

    def state(self) -> Bisection:
        """The bisection as deciding sees it."""
        wanted, names = self.wanted(), self.start.graph.names
        broken = {self.content(record.commit) for record in self.facts.builds if record.failed}
        seen = [Seen(commit=name, what=Observation.UNBUILDABLE) for name in names if self.content(name) in broken]
        seen += [
            Seen(commit=boot.commit, what=told(boot, wanted)) for boot in self.facts.boots if boot.commit != REVERT
        ]
        seen += [
            Seen(commit=commit, what=what) for commit, what in dict(self.facts.marks).items()
        ]  # the last one counts
        first: dict[str, str] = {}
        same = []
        for name in names:
            content = self.content(name)
            if (other := first.setdefault(content, name)) != name and content not in broken:
                same.append((other, name))
        return replace(self.start, seen=tuple(seen), same=tuple(same))


def create(root: Path, asked: Asked, start: Bisection, plan_text: str) -> Session:
    """Make the directory of a new bisection. Raises InfraError (disk)."""
    slug = "".join(char if char.isalnum() or char in "._-" else "-" for char in asked.plan)[:60]
    path = root.absolute() / f"{clock.now_utc():%Y%m%dT%H%M%SZ}-bisect-{slug}-{uuid.uuid4().hex[:6]}"
    files.make_private(path)
    files.write_atomic(path / PLAN, plan_text)
    data = {"asked": codec.to_json(asked), "start": states.to_json(start)}
    files.write_json(path / ASKED, data)
    session = Session(path=path, asked=asked, start=start)
    session.note()
    return session


def load(path: Path) -> Session:
    """A bisection as it is on disk. Raises UserError when the directory is none, InfraError when it is damaged."""
    path = path.absolute()
    if not (path / ASKED).is_file():
        raise UserError(f"{path} is no bisection: no {ASKED} in it", hint="name a directory runs/…-bisect-…")
    data = files.read_json(path / ASKED)
    try:
        asked, start = codec.from_json(Asked, data["asked"]), states.from_json(data["start"])
        facts = codec.from_json(Facts, files.read_json(path / STATE)) if (path / STATE).is_file() else Facts()
    except (ValueError, KeyError, TypeError) as error:
        raise InfraError(f"{path} is damaged: {' '.join(str(error).split())[:200]}") from error
    return Session(path=path, asked=asked, start=start, facts=facts)


def widen(session: Session, signatures: tuple[str, ...]) -> Session:
    """More signatures that count as the wanted crash, for the boots that were made as well."""
    wanted = session.asked.wanted
    given = tuple(dict.fromkeys((*(wanted.given or session.wanted().given), *signatures)))
    asked = replace(session.asked, wanted=replace(wanted, given=given))
    data = {"asked": codec.to_json(asked), "start": states.to_json(session.start)}
    files.write_json(session.path / ASKED, data)
    return Session(path=session.path, asked=asked, start=session.start, facts=replace(session.facts, answer=None))


def last(root: Path) -> Path:
    """The newest bisection below a directory of runs. Raises UserError when there is none."""
    found = sorted(path.parent for path in root.glob(f"*-bisect-*/{ASKED}"))
    if not found:
        raise UserError(f"no bisection in {root}", hint="kzram-ci bisect PLAN --repo R --good G --bad B")
    return found[-1]


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Be the only one who works on a bisection. Raises UserError when somebody else does."""
    try:
        with files.lock(path / "lock", Deadline.after(0.1)):
            yield
    except InfraError as error:
        if "another kzram-ci holds" not in error.message:
            raise
        raise UserError(f"another kzram-ci works on {path}", hint="wait for it, or stop it") from error


def place(session: Session, commit: str, number: int) -> tuple[Path, str]:
    """The directory of a boot; what a killed boot left there is set aside, nothing produced is lost."""
    relative = f"boots/{commit if commit == REVERT else commit[:12]}/{number}"
    path = session.path / relative
    if path.exists():
        aside = next(
            name for n in range(1, 10_000) if not (name := path.with_name(f"{number}-interrupted-{n}")).exists()
        )
        with files.disk_errors(f"cannot move {path}"):
            shutil.move(path, aside)
    return path, relative
