"""What the user asks of a trial, and all checks that need no build."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from kzram_ci.base import git
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import CommandFailed, UserError
from kzram_ci.base.values import dataclass
from kzram_ci.kernel.posted import Posted
from kzram_ci.kernel.workshop import KernelContext
from kzram_ci.model.cell import Cell, Expectation, OopsWanted, Plan
from kzram_ci.model.kernel import KernelSpec
from kzram_ci.model.machine import Accel, Snapshot
from kzram_ci.model.source import LocalGit
from kzram_ci.plan.counters import fault_of
from kzram_ci.plan.select import select
from kzram_ci.trial import luck
from kzram_ci.trial.costs import BOOTS, DEFAULT
from kzram_ci.trial.decide import Settings
from kzram_ci.trial.model import Asked, Test
from kzram_ci.trial.records import passing
from kzram_ci.trial.reports.text import patches_text
from kzram_ci.trial.session import store
from kzram_ci.trial.session.base import base_of, check_applies, with_series
from kzram_ci.trial.session.inbox import deliver
from kzram_ci.trial.session.own_test import ChosenTests, chosen_tests
from kzram_ci.trial.session.store import Session

BEFORE, AFTER = "before", "after"


@dataclass(frozen=True, slots=True, kw_only=True)
class TryRequest:
    """A new trial, in the user's words. `series`: what was given; `tests`: patterns of names, or scripts."""

    series: tuple[str, ...]
    plan: str
    files: tuple[str, ...] = ()  # of a test that is a script
    base: str = ""
    kernel: str = ""
    repository: Path = Path()
    tests: tuple[str, ...] = ()
    luck: float = Settings().luck
    signatures: tuple[str, ...] = ()
    costs: tuple[str, ...] = ()
    each: bool = False
    reply: bool = False  # a reply is to be written: the series must have been mail
    runs: Path = Path("runs")
    arch: str = ""  # in place of the plan's


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkRequest:
    """How to work: guests at a time, their virtual CPUs, make jobs (0: the host's), what comes before the plan's."""

    jobs: int = 0
    cpus: int = 0
    make_jobs: int = 0
    accel: Accel | None = None
    snapshot: Snapshot | None = None  # in place of the plan's
    sandbox: bool | None = None  # makefiles run under bubblewrap; None: where this host has it


def begin(request: TryRequest, *, stdin: Callable[[], bytes], tell: Callable[[str], None]) -> Session:
    """A new trial on disk; `tell` gets what the user should know before it starts.

    Raises UserError, PatchFailed (where the series does not apply), InfraError.
    """
    try:
        luck.check(request.luck)
    except ValueError as error:
        raise UserError(f"--luck: {error}", hint="--luck 0.01") from error
    if not all(request.signatures):
        raise UserError("--signature is empty", hint="leave it out, or name a signature (kzram-ci oops prints it)")
    for name in request.costs:
        if name and name not in DEFAULT and (fault := fault_of(name)):
            raise UserError(
                f"--cost: {fault}", hint="--cost alone takes the usual ones; docs/plans.md has all counters"
            )
    tests = replace(chosen_tests(request.plan, request.tests, request.files, request.kernel), arch=request.arch)
    plan = tests.plan()
    came = deliver(request.series, repository=request.repository, since=request.base, stdin=stdin)
    if request.reply:
        answerable(came.posted)
    context = KernelContext()
    base = base_of(
        came.posted, plan, word=request.base, kernel=request.kernel,
        arch=request.arch, repository=request.repository, fork=came.fork, context=context,
    )  # fmt: skip
    notes = (*came.posted.notes, *base.notes)
    for note in (f"{came.posted.title}: {patches_text(len(came.posted.patches))}, on {base.why}", *notes):
        tell(note)
    check_applies(base.spec, came.posted, _repositories(base.spec, request.repository), context)
    chosen = tests_of(plan, tests, request, base.spec)
    asked = Asked(
        plan=plan.name,
        tests=chosen,
        instead=_instead(chosen, plan, tests, request, base.spec),
        before=base.spec,
        after=with_series(base.spec, came.posted, f"{base.spec.name}+series"),
        posted=came.posted,
        settings=_settings(request),
        signatures=request.signatures,
        costs=tuple(dict.fromkeys(name for word in request.costs for name in (DEFAULT if not word else (word,)))),
        each=request.each,
        tester=_tester(request.repository),
        notes=(f"base: {base.why}", *notes),
    )
    return store.create(request.runs, asked)


def answerable(posted: Posted) -> None:
    """Raise UserError for a series that was not mail: before hours of boots, not after them."""
    if not posted.parent.message_id:
        raise UserError(
            "--reply: the series was not given as mail, so there is no one to answer",
            hint="give a message id or a mailbox; without --reply the report is in report.txt",
        )


def tests_of(plan: Plan, tests: ChosenTests, request: TryRequest, spec: KernelSpec) -> tuple[Test, ...]:
    """The tests that a kernel with no name in the plan gets, as a good kernel passes them. Raises UserError."""
    name = next(name for name in (BEFORE, "before-the-series", "b-4") if name not in _kernels(plan))
    whole = tests.with_kernels(lambda known: {**known, name: replace(spec, name=name)})
    if name not in _kernels(whole):
        text = f"no test of {plan.name} runs on a kernel that the plan does not name"
        raise UserError(text, hint="give another --plan, or leave `kernels:` out of a test and use `matrix: exclude:`")
    chosen = select(whole, kernels=(name,), tests=tests.names)
    cells = [cell for cell in chosen.cells if not cell.skip]
    if not cells:
        skip = chosen.cells[0].skip
        raise UserError(
            f"no test of {plan.name} can run on {spec.name}: {skip}", hint="choose another --plan or --test"
        )
    waited = _described(plan)
    found = [_test(cell, spec, waited.get((cell.test, cell.axes))) for cell in cells]
    anything = any(test.described for test in found)
    alone = anything and not request.signatures
    guarded = [replace(test, guard=test.cell.control or (alone and test.described is None)) for test in found]
    if all(test.guard for test in guarded):  # what was asked for is looked for
        return tuple(replace(test, guard=False) for test in guarded)
    return tuple(guarded)


def _instead(
    chosen: Sequence[Test], plan: Plan, tests: ChosenTests, request: TryRequest, spec: KernelSpec
) -> tuple[Test, ...]:
    """The tests of the plan that show a crash, beside those that were asked for."""
    if not tests.names:
        return ()
    names = {test.id for test in chosen}
    return tuple(
        test
        for test in tests_of(plan, replace(tests, names=()), request, spec)
        if test.id not in names and not test.guard
    )


def _settings(request: TryRequest) -> Settings:
    plain, least = Settings(luck=request.luck), BOOTS if request.costs else 0
    return replace(plain, guard_before=max(plain.guard_before, least), guard_after=max(plain.guard_after, least))


def _kernels(plan: Plan) -> set[str]:
    return {cell.kernel.name for cell in plan.cells}


def _described(plan: Plan) -> Mapping[tuple[str, tuple[tuple[str, str], ...]], OopsWanted]:
    """The crash that the plan waits for in each test, on whichever kernel."""
    found: dict[tuple[str, tuple[tuple[str, str], ...]], OopsWanted] = {}
    for cell in plan.cells:
        for expect in (cell.expect, *(case.expect for case in cell.cases)):
            if expect.outcome == "oops":
                found.setdefault((cell.test, cell.axes), expect.oops)
    return found


def _test(cell: Cell, spec: KernelSpec, waited: OopsWanted | None) -> Test:
    """A test as a good kernel passes it: of a derived expectation, the case of a pass."""
    case = next((case for case in cell.cases if case.expect.outcome == "pass"), None)
    if case is not None:
        cell = replace(cell, machine=case.machine, workload=case.workload, expect=case.expect, skip="")
    described = waited or (cell.expect.oops if cell.expect.outcome == "oops" else None)
    expect: Expectation = passing(cell.expect)
    name = "/".join(cell.id.split("/")[1:])
    plain = replace(cell, kernel=spec, expect=expect, repeats=1, cases=(), evidence=None, measured=False)
    return Test(id=name, cell=replace(plain, id=f"{spec.name}/{name}"), described=described)


def _repositories(spec: KernelSpec, given: Path) -> tuple[Path, ...]:
    own = (Path(spec.source.path),) if isinstance(spec.source, LocalGit) else ()
    return tuple(dict.fromkeys((*own, *((given,) if (given / ".git").exists() else ()))))


def _tester(repository: Path) -> str:
    """Who tests, by the user's own git; "" where git does not know."""
    words: list[str] = []
    for key in ("user.name", "user.email"):
        env = {"GIT_CONFIG_GLOBAL": None, "GIT_CONFIG_NOSYSTEM": None}
        try:
            done = git.run("config", "--get", key, at=repository, env=env, deadline=Deadline.after(10.0), check=False)
        except CommandFailed:
            return ""
        words.append(re.sub(r"[<>\r\n]", "", done.text()).strip())
    return f"{words[0]} <{words[1]}>" if all(words) else ""


def reopen(directory: str, runs: Path) -> Session:
    """A trial that was stopped, or one to look at. Raises UserError, InfraError."""
    return store.load(Path(directory) if directory else store.newest(runs))
