"""The order of the stages, with stages that fail in every way; the real ones are tested in tests/real."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from builders import a_cell, a_kernel, a_workload, an_image

from kzram_ci.base import proc
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import (
    BuildFailed,
    ConfigUnmet,
    InfraError,
    Interrupted,
    NotApplicable,
    PatchFailed,
    UserError,
)
from kzram_ci.model.cell import Cell, Expectation, Plan
from kzram_ci.model.events import CellDone, CellRetried, Event, Listener, silent
from kzram_ci.model.evidence import CellResult, Evidence, OopsSummary
from kzram_ci.model.kernel import KernelImage, KernelSpec, RootfsImage
from kzram_ci.model.layout import CellFile
from kzram_ci.model.machine import Accel, AccelChoice, Snapshot
from kzram_ci.model.outcome import Outcome, Verdict
from kzram_ci.model.provenance import AppliedSeries, Provenance
from kzram_ci.results import rundir
from kzram_ci.results.draw import Reports
from kzram_ci.results.layout import RunDirLayout
from kzram_ci.results.rundir import RunDir
from kzram_ci.run.cell_run import setup_key
from kzram_ci.run.job import CellJob, Stages
from kzram_ci.run.plan_run import PlanRun
from kzram_ci.run.pool import Budget

GOOD = Evidence(
    booted=True,
    ready=True,
    exit_code=0,
    counters={"vmstat.pswpout": 9, "zram.writes": 9},
    console_bytes=10,
    qemu_exit=0,
)
OOPS = OopsSummary(title="BUG: NULL deref in obj_malloc", type="null_deref", function="obj_malloc", signature="s")
CRASH = replace(GOOD, exit_code=None, oopses=(OOPS,), panicked=True)
NO_BOOT = Evidence(console_bytes=3)


def cell(name: str, *, kernel_name: str = "k", expect: str = "pass", repeats: int = 1, skip: str = "") -> Cell:
    return a_cell(
        name,
        kernel=a_kernel(kernel_name),
        workload=a_workload(duration_s=1),
        expect=Expectation(outcome=expect),
        repeats=repeats,
        skip=skip,
    )


def image(spec: KernelSpec) -> KernelImage:
    return an_image(spec.name, arch=spec.arch)


class Boots:
    """Evidence in the order it is to be given; the last one is given for ever."""

    def __init__(self, *evidence: Evidence | BaseException) -> None:
        self.evidence = list(evidence)
        self.cells: list[Cell] = []
        self._lock = threading.Lock()

    def __call__(self, job: CellJob, deadline: Deadline, listener: Listener) -> Evidence:
        with self._lock:
            job.place.file(CellFile.CONSOLE).write_text(f"boot {len(self.cells)}")
            self.cells.append(job.cell)
            now = self.evidence.pop(0) if len(self.evidence) > 1 else self.evidence[0]
        if isinstance(now, BaseException):
            raise now
        return now


@pytest.fixture(autouse=True)
def not_cancelled() -> Iterator[None]:
    yield
    proc.resume_all()


Fit = Callable[[Cell, KernelImage], Cell]


def as_is(cell: Cell, kernel: KernelImage) -> Cell:
    return cell


def stages(boot: Boots, build: Callable[[KernelSpec], KernelImage] = image, fit: Fit = as_is) -> Stages:
    return Stages(
        image=build,
        rootfs=lambda arch: RootfsImage(key="r", path="/nowhere/cpio"),
        accel=lambda machine: AccelChoice(accel=Accel.TCG, why="test", proved=True),
        boot=boot,
        fit=fit,
    )


def run(
    tmp_path: Path,
    cells: tuple[Cell, ...],
    boot: Boots,
    *,
    build: Callable[[KernelSpec], KernelImage] = image,
    events: list[Event] | None = None,
    fit: Fit = as_is,
) -> tuple[RunDir, dict[str, CellResult]]:
    where = rundir.create(tmp_path, Plan(name="p", cells=cells))
    plan_run = PlanRun(
        plan=where.plan,
        stages=stages(boot, build, fit),
        budget=Budget(cpus=4, memory_mib=4096),
        place=where.cell_dir,
        sink=where.finish,
        listener=(events if events is not None else []).append,
    )
    plan_run.execute(done=where.finished())
    return where, {result.id: result for result in where.results()}


def test_what_a_result_depends_on_besides_its_kernel_is_one_key() -> None:
    job = CellJob(
        cell=cell("a"),
        kernel=image(cell("a").kernel),
        rootfs=RootfsImage(key="r", path="/nowhere"),
        accel=AccelChoice(accel=Accel.TCG, why="test", proved=True),
        place=RunDirLayout(path=Path("/nowhere")).cell("k/a"),
    )
    key = setup_key(job)

    def started(how: Snapshot) -> CellJob:
        return replace(job, cell=replace(job.cell, machine=replace(job.cell.machine, snapshot=how)))

    same = (
        started(Snapshot.AUTO),
        started(Snapshot.OFF),  # results of before there was `auto` stay comparable
        replace(job, kernel=replace(job.kernel, key="other")),
        replace(job, cell=replace(job.cell, id="x", seed=7, repeats=3, control=True)),
        replace(job, accel=replace(job.accel, why="another")),
    )
    other = (
        started(Snapshot.ON),
        started(Snapshot.PER_SEED),
        replace(job, rootfs=replace(job.rootfs, key="changed")),
        replace(job, accel=replace(job.accel, accel=Accel.KVM)),
        replace(job, cell=replace(job.cell, machine=replace(job.cell.machine, memory_mib=1))),
        replace(job, cell=replace(job.cell, workload=replace(job.cell.workload, duration_s=9))),
        replace(job, cell=replace(job.cell, expect=Expectation(outcome="oops"))),
    )
    assert {setup_key(one) for one in same} == {key}
    assert len({setup_key(one) for one in other} | {key}) == len(other) + 1


def test_a_pass_is_recorded_with_its_kernel(tmp_path: Path) -> None:
    where, results = run(tmp_path, (cell("a"),), Boots(GOOD))
    assert results["k/a"].judgement.outcome is Outcome.PASS
    assert (results["k/a"].kernel_release, results["k/a"].accel) == ("6.12", "tcg")
    assert len((where.path / "results.jsonl").read_text().splitlines()) == 1


def test_what_was_tested_is_in_the_result_and_on_disk(tmp_path: Path) -> None:
    made = Provenance(
        source="git:/linux@v6.13",
        version="6.13.0",
        identity="git:abc",
        commit="c" * 40,
        series=(AppliedSeries(name="s", kind="fix", patches=("1.patch",)),),
    )
    where, results = run(tmp_path, (cell("a"),), Boots(GOOD), build=lambda spec: replace(image(spec), provenance=made))
    assert results["k/a"].provenance == made
    _, (read,) = rundir.load(where.path)
    assert read.provenance == made


def test_each_kernel_is_built_once_for_all_its_cells(tmp_path: Path) -> None:
    built: list[str] = []

    def build(spec: KernelSpec) -> KernelImage:
        built.append(spec.name)
        return image(spec)

    run(tmp_path, (cell("a"), cell("b"), cell("a", kernel_name="z")), Boots(GOOD), build=build)
    assert sorted(built) == ["k", "z"]


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (PatchFailed("hunk 2"), Outcome.PATCH_FAILED),
        (ConfigUnmet("CONFIG_ZRAM"), Outcome.CONFIG_UNMET),
        (BuildFailed("mm/x.c:1:2: error: no"), Outcome.BUILD_FAILED),
        (InfraError("disk full"), Outcome.INFRA),
        (ZeroDivisionError("ours"), Outcome.INFRA),
    ],
)
def test_a_kernel_that_is_not_made_is_no_finding_and_others_run_on(
    tmp_path: Path, error: Exception, outcome: Outcome
) -> None:
    def build(spec: KernelSpec) -> KernelImage:
        if spec.name == "bad":
            raise error
        return image(spec)

    boots = Boots(GOOD)
    _, results = run(tmp_path, (cell("a", kernel_name="bad"), cell("a")), boots, build=build)
    assert results["bad/a"].judgement.outcome is outcome
    assert results["bad/a"].judgement.verdict is Verdict.ERROR
    assert results["k/a"].judgement.verdict is Verdict.OK
    assert [c.kernel.name for c in boots.cells] == ["k"]


def test_a_missing_tool_ends_the_run_after_everything_else_was_recorded(tmp_path: Path) -> None:
    def build(spec: KernelSpec) -> KernelImage:
        if spec.name == "bad":
            raise UserError("flex not found")
        return image(spec)

    with pytest.raises(UserError, match="flex"):
        run(tmp_path, (cell("a", kernel_name="bad"), cell("a")), Boots(GOOD), build=build)
    _, results = rundir.load(next(tmp_path.iterdir()))
    assert {r.id: r.judgement.verdict for r in results} == {"bad/a": Verdict.ERROR, "k/a": Verdict.OK}


def test_boots_that_never_reach_the_workload_are_retried_twice_and_kept(tmp_path: Path) -> None:
    events: list[Event] = []
    where, results = run(tmp_path, (cell("a"),), Boots(NO_BOOT, NO_BOOT, GOOD), events=events)
    assert results["k/a"].judgement.verdict is Verdict.OK
    assert results["k/a"].boot_failures == 2
    directory = where.path / results["k/a"].directory
    assert (directory / "boot-failed-1" / "console.log").read_text() == "boot 0"
    assert (directory / "console.log").read_text() == "boot 2"
    assert sum(isinstance(event, CellRetried) for event in events) == 2


def test_a_retry_after_a_start_from_a_saved_guest_boots(tmp_path: Path) -> None:
    class Seen(Boots):
        def __call__(self, job: CellJob, deadline: Deadline, listener: Listener) -> Evidence:
            afresh.append(job.afresh)
            return super().__call__(job, deadline, listener)

    afresh: list[bool] = []
    run(tmp_path, (cell("a"),), Seen(replace(NO_BOOT, restored=True), NO_BOOT, GOOD))
    assert afresh == [False, True, True]


def test_a_guest_that_never_boots_is_an_error_and_never_a_verdict_on_the_kernel(tmp_path: Path) -> None:
    boots = Boots(NO_BOOT)
    _, results = run(tmp_path, (cell("a", expect="oops", repeats=5),), boots)
    assert results["k/a"].judgement.outcome is Outcome.BOOT_FAILED
    assert results["k/a"].judgement.verdict is Verdict.ERROR
    assert len(boots.cells) == 3


def by_kernel(**evidence: Evidence) -> Boots:
    """Each kernel always does the same."""

    class ByKernel(Boots):
        def __call__(self, job: CellJob, deadline: Deadline, listener: Listener) -> Evidence:
            self.cells.append(job.cell)
            return evidence[job.cell.kernel.name]

    return ByKernel()


def test_a_kernel_that_never_boots_beside_one_that_does_is_a_finding(tmp_path: Path) -> None:
    cells = (cell("a", kernel_name="broken"), cell("a"))
    where, results = run(tmp_path, cells, by_kernel(broken=NO_BOOT, k=GOOD))
    word = results["broken/a"].judgement
    assert (word.outcome, word.verdict) == (Outcome.BOOT_FAILED, Verdict.FINDING)
    assert "while k booted" in word.reason
    lines = (where.path / "results.jsonl").read_text().splitlines()
    assert len(lines) == 2  # each result once, when it is known


def test_a_run_that_goes_on_knows_what_booted_before(tmp_path: Path) -> None:
    cells = (cell("a", kernel_name="broken"), cell("a"))
    first = PlanRun(
        plan=Plan(name="p", cells=cells[1:]),
        stages=stages(by_kernel(k=GOOD)),
        budget=Budget(cpus=4, memory_mib=4096),
        place=lambda cell: RunDirLayout(path=tmp_path).cell(cell.id),
        sink=lambda result: None,
        listener=silent,
    )
    before = first.execute()
    second = replace(first, plan=Plan(name="p", cells=cells), stages=stages(by_kernel(broken=NO_BOOT)))
    (broken,) = second.execute(done=frozenset({"k/a"}), before=before)
    assert broken.judgement.verdict is Verdict.FINDING


def test_an_expected_oops_has_as_many_tries_as_the_plan_says(tmp_path: Path) -> None:
    boots = Boots(GOOD, GOOD, CRASH)
    where, results = run(tmp_path, (cell("a", expect="oops", repeats=5),), boots)
    assert results["k/a"].judgement.verdict is Verdict.OK
    assert results["k/a"].attempts == 3
    assert len({attempt.seed for attempt in boots.cells}) == 3
    cells = where.path / results["k/a"].directory
    assert (cells / "console.log").read_text() == "boot 2"  # what decided is where a reader looks first
    assert [(cells / f"attempt-{number}" / "console.log").read_text() for number in (1, 2)] == ["boot 0", "boot 1"]


def test_each_attempt_keeps_its_own_failed_boots(tmp_path: Path) -> None:
    where, results = run(tmp_path, (cell("a", expect="oops", repeats=3),), Boots(NO_BOOT, GOOD, NO_BOOT, CRASH))
    cells = where.path / results["k/a"].directory
    assert (cells / "attempt-1" / "boot-failed-1" / "console.log").read_text() == "boot 0"
    assert (cells / "attempt-1" / "console.log").read_text() == "boot 1"
    assert (cells / "boot-failed-1" / "console.log").read_text() == "boot 2"
    assert (cells / "console.log").read_text() == "boot 3"


def test_the_attempt_that_decided_is_shown_when_a_later_one_came(tmp_path: Path) -> None:
    where, results = run(tmp_path, (cell("a", repeats=2),), Boots(GOOD))
    cells = where.path / results["k/a"].directory
    assert results["k/a"].seed == cell("a", repeats=2).seed
    assert (cells / "console.log").read_text() == "boot 0"
    assert (cells / "attempt-2" / "console.log").read_text() == "boot 1"
    assert not (cells / "attempt-1").exists()


def test_an_expected_oops_that_does_not_come_is_a_finding(tmp_path: Path) -> None:
    _, results = run(tmp_path, (cell("a", expect="oops", repeats=2),), Boots(GOOD))
    assert results["k/a"].judgement.verdict is Verdict.FINDING
    assert "not reproduced" in results["k/a"].judgement.reason


def test_a_pass_must_be_repeated_and_one_crash_spoils_it(tmp_path: Path) -> None:
    boots = Boots(GOOD, CRASH, GOOD)
    _, results = run(tmp_path, (cell("a", repeats=3),), boots)
    assert results["k/a"].judgement.outcome is Outcome.OOPS
    assert results["k/a"].evidence.oopses == (OOPS,)
    assert len(boots.cells) == 2


def test_the_end_of_a_finding_names_the_file_to_open(tmp_path: Path) -> None:
    events: list[Event] = []
    where, _ = run(tmp_path, (cell("a"), cell("b"), cell("c", expect="oops")), Boots(CRASH, GOOD, GOOD), events=events)
    found = {event.cell: event for event in events if isinstance(event, CellDone)}
    assert len(found) == 3
    for event in found.values():
        wanted = str(where.layout.cell(event.cell).file(CellFile.CONSOLE))
        assert event.file == (wanted if event.judgement.verdict is Verdict.FINDING else "")
    assert [event.judgement.verdict for event in found.values()].count(Verdict.FINDING) >= 1


def test_a_cell_that_the_plan_skips_is_not_booted(tmp_path: Path) -> None:
    boots = Boots(GOOD)
    _, results = run(tmp_path, (cell("a", skip="no zram there"), cell("b")), boots)
    assert results["k/a"].judgement.outcome is Outcome.SKIPPED
    assert [c.id for c in boots.cells] == ["k/b"]


def test_an_interrupted_run_keeps_results_and_leaves_the_rest_not_run(tmp_path: Path) -> None:
    def build(spec: KernelSpec) -> KernelImage:
        if spec.name == "late":
            proc.cancel_all()
            raise Interrupted("interrupted while make ran")
        return image(spec)

    with pytest.raises(Interrupted):
        run(tmp_path, (cell("a"), cell("a", kernel_name="late")), Boots(Interrupted("stop")), build=build)
    run_dir = rundir.open_run(next(tmp_path.iterdir()))
    assert {result.judgement.outcome for result in run_dir.results()} == {Outcome.NOT_RUN}
    Reports(run=run_dir).draw()
    assert 'errors="2"' in (run_dir.path / "junit.xml").read_text()


def test_a_resumed_run_does_not_repeat_what_is_done(tmp_path: Path) -> None:
    where, _ = run(tmp_path, (cell("a"),), Boots(GOOD))
    boots = Boots(GOOD)
    stages = Stages(
        image=image,
        rootfs=lambda arch: RootfsImage(key="r", path="/nowhere"),
        accel=lambda machine: AccelChoice(accel=Accel.TCG, why="test", proved=True),
        boot=boots,
    )
    again = rundir.resume(where.path)
    budget = Budget(cpus=1, memory_mib=1)
    PlanRun(
        plan=again.plan,
        stages=stages,
        budget=budget,
        place=again.cell_dir,
        sink=again.finish,
        listener=silent,
    ).execute(done=again.finished())
    assert boots.cells == []


def test_a_cell_is_judged_as_the_source_of_its_kernel_has_it(tmp_path: Path) -> None:
    """What is expected may be known only once the kernel is there; a cell that proves nothing on it is skipped."""

    def fit(cell: Cell, kernel: KernelImage) -> Cell:
        if cell.test == "b":
            raise NotApplicable("nothing to see on this source")
        return replace(cell, expect=Expectation(outcome="oops"))

    _, results = run(tmp_path, (cell("a", expect="derived"), cell("b", expect="derived")), Boots(CRASH), fit=fit)
    assert (results["k/a"].expected, results["k/a"].judgement.verdict) == ("oops", Verdict.OK)
    assert results["k/b"].judgement.outcome is Outcome.SKIPPED
    assert results["k/b"].judgement.reason == "nothing to see on this source"
