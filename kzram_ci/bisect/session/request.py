"""What the user asks of a bisection, and all checks that need no build."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from kzram_ci.base import files
from kzram_ci.base.cache import cache_root
from kzram_ci.base.errors import UserError
from kzram_ci.base.values import dataclass
from kzram_ci.bisect.belief.model import Bisection, Observation, Settings, start
from kzram_ci.bisect.session import store
from kzram_ci.bisect.session.choice import choose_cell, others_of, same_test
from kzram_ci.bisect.session.commits import describe
from kzram_ci.bisect.session.findings import findings_of
from kzram_ci.bisect.session.history import Range, find
from kzram_ci.bisect.session.model import Asked
from kzram_ci.bisect.session.repository import is_url
from kzram_ci.bisect.session.store import Session
from kzram_ci.bisect.session.wanted import expectation
from kzram_ci.model.cell import Cell, Plan
from kzram_ci.model.kernel import KernelSpec
from kzram_ci.model.machine import Accel, Snapshot
from kzram_ci.model.source import LocalGit, RemoteGit
from kzram_ci.run.selection import plan_of

EXAMPLE = "kzram-ci bisect PLAN --repo R --good REF --bad REF"
MARKS = {"good": Observation.MARK_GOOD, "bad": Observation.MARK_BAD, "skip": Observation.SKIP}


@dataclass(frozen=True, slots=True, kw_only=True)
class BisectRequest:
    """A new bisection, in the user's words."""

    plan: str
    repository: str
    goods: tuple[str, ...]
    bad: str
    kernel: str = ""
    test: str = ""
    signatures: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    first_parent: bool = False
    good_first: bool = False
    confidence: float = Settings().confidence
    runs: Path = Path("runs")
    arch: str = ""  # in place of the plan's


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeRequest:
    """A bisection to go on with; without `directory` the newest below `runs`. `signatures` are added to its own."""

    directory: str = ""
    runs: Path = Path("runs")
    signatures: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkRequest:
    """What the user knows of a commit; `side` is a key of MARKS."""

    commit: str
    side: str
    directory: str = ""
    runs: Path = Path("runs")


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkRequest:
    """How to work: guests at a time, their virtual CPUs, make jobs (0: the host's), what comes before the plan's."""

    jobs: int = 0
    cpus: int = 0
    make_jobs: int = 0
    accel: Accel | None = None
    snapshot: Snapshot | None = None
    sandbox: bool | None = None  # makefiles run under bubblewrap; None: where the repository is a URL
    budget_s: float = 0.0  # seconds; 0: until there is an answer


def begin(request: BisectRequest, warn: Callable[[str], None]) -> Session:
    """A new bisection on disk; `warn` gets what the user should know before it starts. Raises UserError, InfraError."""
    _check(request)
    plan = plan_of(request.plan, (request.arch,) if request.arch else ())
    cell, others = choose_cell(plan, request.kernel, request.test)
    cell, wanted, note = expectation(cell, others, request.signatures)
    found = find(
        request.repository, bad=request.bad, goods=request.goods, paths=request.paths,
        first_parent=request.first_parent, cache=cache_root(),
    )  # fmt: skip
    for text in found.notes:
        warn(text)
    state = _state(request, found)
    asked = Asked(
        plan=plan.name,
        cell=_alone(cell, found),
        repository=found.repository,
        store=found.store,
        wanted=wanted,
        note=note,
        paths=request.paths,
        first_parent=request.first_parent,
        commits=describe(found.store, state.graph.names),
        instead=tuple(_alone(other, found) for other in _instead(plan, cell, request.signatures)),
    )
    session = store.create(request.runs, asked, state, plan.text)
    if found.notes:
        session.keep(replace(session.facts, notes=found.notes))
    return session


def _check(request: BisectRequest) -> None:
    if not request.plan:
        raise UserError("no plan", hint=EXAMPLE)
    given = {"--repo": request.repository, "--good": request.goods, "--bad": request.bad}
    if missing := [name for name, value in given.items() if not value]:
        raise UserError(f"{' and '.join(missing)} missing", hint=EXAMPLE)
    if not all(request.signatures):
        raise UserError("--signature is empty", hint="leave it out, or name a signature (kzram-ci oops prints it)")
    if not 0.5 < request.confidence < 1.0:
        raise UserError(
            f"--confidence {request.confidence} is not a probability above 0.5 and below 1", hint="--confidence 0.99"
        )


def _state(request: BisectRequest, found: Range) -> Bisection:
    settings = Settings(confidence=request.confidence, good_first=request.good_first)
    return start(found.text, bad=found.bad, goods=found.goods, first_parent=request.first_parent, settings=settings)


def _instead(plan: Plan, cell: Cell, signatures: tuple[str, ...]) -> Iterator[Cell]:
    """The other tests of the kernel that could be bisected with, as they would be."""
    for other in others_of(plan, cell):
        try:
            yield expectation(other, same_test(plan, other), signatures)[0]
        except UserError:  # it cannot tell good from bad
            continue


def _alone(cell: Cell, found: Range) -> Cell:
    """The cell as a bisection boots it: on a commit, once a boot."""
    return replace(cell, kernel=_at(cell.kernel, found), repeats=1, cases=())


def _at(kernel: KernelSpec, found: Range) -> KernelSpec:
    """The plan's kernel with the repository in the place of its own source."""
    if is_url(found.repository):
        return replace(kernel, source=RemoteGit(url=found.repository, ref=found.bad))
    return replace(kernel, source=LocalGit(path=found.repository, ref=found.bad))


def reopen(request: ResumeRequest) -> Session:
    """A bisection that was stopped, or one to look at. Raises UserError, InfraError."""
    session = store.load(Path(request.directory) if request.directory else store.newest(request.runs))
    if not request.signatures:
        return session
    with files.held(session.path):
        return store.widen(session, request.signatures)


def mark(request: MarkRequest) -> tuple[Session, str]:
    """Keep what the user knows of a commit; the commit's full name. Raises UserError when marks contradict."""
    path = reopen(ResumeRequest(directory=request.directory, runs=request.runs)).path
    with files.held(path):
        session = store.load(path)
        commit = _one_commit(session, request.commit)
        marks = (*session.facts.marks, (commit, MARKS[request.side]))
        facts = replace(session.facts, marks=marks, answer=None, revert=None)
        findings_of(session.asked, session.start, facts)  # raises before a contradicting mark is kept
        session.keep(facts)
    return session, commit


def _one_commit(session: Session, prefix: str) -> str:
    names = [name for name in session.start.graph.names if name.startswith(prefix.lower())]
    if len(names) == 1:
        return names[0]
    raise UserError(
        f"{len(names) or 'no'} commits of this bisection begin with {prefix!r}",
        hint=f"give {'more digits' if names else 'a name from the list'}; kzram-ci bisect status lists commits",
    )
