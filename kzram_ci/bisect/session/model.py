"""A bisection as it is kept: what was asked, and what happened so far. Pure; JSON by `model.codec`."""

from __future__ import annotations

from kzram_ci.base.errors import UserError
from kzram_ci.base.values import dataclass
from kzram_ci.bisect.belief.decide import Answer
from kzram_ci.bisect.belief.graph import parse
from kzram_ci.bisect.belief.model import Bisection, Observation, Seen, Settings
from kzram_ci.bisect.session.observations import BootRecord, BuildRecord
from kzram_ci.model.cell import Cell
from kzram_ci.verdict.crashes import Wanted

VERSION = 1
REVERT = "revert"  # in place of a commit, for the boots of the bad end without the culprit


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """What git knows of a commit."""

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
    instead: tuple[Cell, ...] = ()  # the plan's other tests of this kernel that can tell good from bad


@dataclass(frozen=True, slots=True, kw_only=True)
class Revert:
    """The bad end without the culprit. `heals`: the crash is gone; None while not known, `why` is the reason."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedBisection:
    """A bisection as a file holds it: the graph as git printed it, which is its shortest form."""

    version: int
    bad: str
    goods: tuple[str, ...]
    range: tuple[str, ...]  # of `git rev-list --parents`
    settings: Settings
    seen: tuple[tuple[str, Observation], ...] = ()
    same: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedQuestion:
    """The whole of `bisection.json`."""

    asked: Asked
    start: SavedBisection


def saved(state: Bisection) -> SavedBisection:
    """The form of a bisection that is written down."""
    graph = state.graph
    return SavedBisection(
        version=VERSION,
        bad=graph.names[graph.bad],
        goods=tuple(graph.names[good] for good in graph.goods),
        range=graph.lines(),
        settings=state.settings,
        seen=tuple((one.commit, one.what) for one in state.seen),
        same=state.same,
    )


def restored(kept: SavedBisection) -> Bisection:
    """The bisection that `saved` was given. Raises UserError for another version, or a range that is not one."""
    if kept.version != VERSION:
        raise UserError(
            f"the saved bisection has version {kept.version}, this kzram-ci reads {VERSION}",
            hint="start it again without --resume",
        )
    return Bisection(
        graph=parse("\n".join(kept.range), bad=kept.bad, goods=kept.goods),
        settings=kept.settings,
        seen=tuple(Seen(commit=commit, what=what) for commit, what in kept.seen),
        same=kept.same,
    )
