"""Cells that end by evidence: after their control, by its losses; selected, resumed and repeated with it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from builders import a_cell, a_kernel, a_rootfs, a_workload, an_accel, an_image
from fake_stages import GOOD, OOPS, stages

from kzram_ci.base import proc
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import BuildFailed, Interrupted, NotApplicable
from kzram_ci.model import codec
from kzram_ci.model.cell import Cell, Expectation, Plan
from kzram_ci.model.events import CellStarted, Event, Listener, silent
from kzram_ci.model.evidence import CellResult, Evidence, Gains
from kzram_ci.model.kernel import KernelImage, KernelSpec
from kzram_ci.model.measure import Against
from kzram_ci.model.outcome import Outcome, Verdict
from kzram_ci.model.source import DirectorySource, LocalGit
from kzram_ci.results import rundir
from kzram_ci.results.layout import RunDirLayout
from kzram_ci.run.cell_run import setup_key
from kzram_ci.run.job import CellJob, Stages
from kzram_ci.run.plan_run import PlanRun
from kzram_ci.run.pool import Budget
from kzram_ci.run.request import RunRequest, Selection, begin
from kzram_ci.run.retarget import Known, with_sources
from kzram_ci.run.selection import measured

CRASH = Expectation(outcome="oops")
PASS = Expectation(floors=(("grew_class", 1),))
BUDGET = Budget(cpus=64, memory_mib=1 << 20)


@pytest.fixture(autouse=True)
def not_cancelled() -> Iterator[None]:
    yield
    proc.resume_all()


def the_control(kernel: str = "bad", repeats: int = 3) -> Cell:
    return a_cell(kernel=a_kernel(kernel), expect=CRASH, repeats=repeats, measured=True, control=True)


def remedy(kernel: str = "fixed", control: str = "bad/t") -> Cell:
    against = Against(luck=0.01, control=control)
    work = a_workload(duration_s=60)
    return a_cell(kernel=a_kernel(kernel), workload=work, expect=PASS, evidence=against)


def counted(races: int, lost: int = 0, samples: int = 40) -> Evidence:
    gains = Gains(samples=samples, total=races, squares=races * races // samples, most=races)
    counters = {**GOOD.counters, "grew_class": races, "overruns": lost, "selftest_failures": 0}
    return replace(GOOD, counters=counters, gains={"grew_class": gains}, stop_why="exposure", guest_work_seconds=9.0)


class Guests:
    """Kernels `bad` lose their first race; others win as many as they are told to run."""

    def __init__(self) -> None:
        self.booted: list[Cell] = []

    def __call__(self, job: CellJob, deadline: Deadline, listener: Listener) -> Evidence:
        self.booted.append(job.cell)
        if job.cell.kernel.name.startswith("bad"):
            return replace(counted(1, lost=1), exit_code=None, oopses=(OOPS,), panicked=True, gains={})
        return counted(dict(job.cell.workload.stop).get("grew_class", 7))

    @property
    def names(self) -> list[str]:
        return [cell.kernel.name for cell in self.booted]


def run(
    tmp_path: Path, cells: tuple[Cell, ...], how: Stages, events: list[Event] | None = None
) -> dict[str, CellResult]:
    where = rundir.create(tmp_path, Plan(name="p", cells=cells))
    listener = events.append if events is not None else silent
    plan_run = PlanRun(
        plan=where.plan, stages=how, budget=BUDGET, place=where.cell_dir, sink=where.finish, listener=listener
    )
    plan_run.execute()
    return {result.id: result for result in where.results()}


class TestOrder:
    def test_the_control_runs_first_with_all_its_tries(self, tmp_path: Path) -> None:
        guests, events = Guests(), list[Event]()
        built: list[str] = []

        def image(spec: KernelSpec) -> KernelImage:
            built.append(spec.name)
            return an_image(spec.name)

        cells = (remedy("fixed"), remedy("other"), the_control())
        results = run(tmp_path, cells, stages(guests, image), events)
        assert built[0] == "bad"
        assert guests.names[:3] == ["bad"] * 3
        assert next(event.cell for event in events if isinstance(event, CellStarted)) == "bad/t"
        assert {name: result.judgement.verdict for name, result in results.items()} == dict.fromkeys(
            results, Verdict.OK
        )
        assert {event.cell: event.goals for event in events if isinstance(event, CellStarted)} == {
            "bad/t": (), "fixed/t": (("grew_class", 580),), "other/t": (("grew_class", 580),),
        }  # fmt: skip
        told = dict(guests.booted[-1].workload.stop)["grew_class"]
        assert told == 580  # three losses of three ask for 29 trials; twenty races to one until samples tell
        assert "bad/t lost 3 of 3 in 3 boots" in results["fixed/t"].judgement.reason
        assert len(results["bad/t"].each) == 3

    @pytest.mark.parametrize(
        ("error", "words"),
        [(BuildFailed("no compiler"), "has no result: no compiler"), (NotApplicable("no bug"), "cannot race: no bug")],
    )
    def test_without_its_kernel_nothing_is_proved(self, tmp_path: Path, error: Exception, words: str) -> None:
        def image(spec: KernelSpec) -> KernelImage:
            if spec.name == "bad":
                raise error
            return an_image(spec.name)

        results = run(tmp_path, (remedy(), the_control()), stages(Guests(), image))
        word = results["fixed/t"].judgement
        assert (word.outcome, word.verdict) == (Outcome.INCONCLUSIVE, Verdict.INCONCLUSIVE)
        assert words in word.reason

    def test_a_control_that_the_plan_skips_or_lacks(self, tmp_path: Path) -> None:
        skipped = replace(the_control(), skip="not today")
        results = run(tmp_path, (remedy(), remedy("x", control="gone/t"), skipped), stages(Guests()))
        assert "its control bad/t cannot race: not today" in results["fixed/t"].judgement.reason
        assert "its control gone/t was not run" in results["x/t"].judgement.reason

    def test_a_control_that_is_as_good_as_the_rest(self, tmp_path: Path) -> None:
        control = replace(the_control("good"), id="bad/t")
        results = run(tmp_path, (remedy(), control), stages(Guests()))
        assert "its control bad/t did not show that its kernel loses races" in results["fixed/t"].judgement.reason
        assert results["fixed/t"].judgement.verdict is Verdict.INCONCLUSIVE

    def test_an_interrupt_leaves_those_that_wait_not_run(self, tmp_path: Path) -> None:
        def boot(job: CellJob, deadline: Deadline, listener: Listener) -> Evidence:
            proc.cancel_all()
            raise Interrupted("interrupted while the guest ran")

        with pytest.raises(Interrupted):
            run(tmp_path, (remedy(), the_control()), stages(boot))
        (where,) = tmp_path.iterdir()
        assert not rundir.open_run(where).finished()


class TestTime:
    def test_bursts_take_more_boots_of_one_cell(self, tmp_path: Path) -> None:
        class Bursts(Guests):
            def __call__(self, job: CellJob, deadline: Deadline, listener: Listener) -> Evidence:
                seen = super().__call__(job, deadline, listener)
                races = seen.counters["grew_class"]
                gains = {"grew_class": Gains(samples=40, total=races, squares=50 * races, most=50)}
                return replace(seen, gains=gains) if not seen.oopses else seen

        guests = Bursts()
        results = run(tmp_path, (remedy(), the_control()), stages(guests))
        mine = results["fixed/t"]
        assert mine.judgement.verdict is Verdict.OK
        assert mine.attempts == 2
        seeds = [cell.seed for cell in guests.booted if cell.kernel.name == "fixed"]
        assert seeds == [1, 2]
        last = guests.booted[-1].workload
        assert last.duration_s == 51
        assert sum(counts.counters["grew_class"] for counts in mine.each) >= 29 * 36

    def test_a_host_that_is_too_slow_is_inconclusive(self, tmp_path: Path) -> None:
        class Slow(Guests):
            def __call__(self, job: CellJob, deadline: Deadline, listener: Listener) -> Evidence:
                seen = super().__call__(job, deadline, listener)
                return seen if seen.oopses else replace(counted(20), stop_why="duration", guest_work_seconds=60.0)

        word = run(tmp_path, (remedy(), the_control()), stages(Slow()))["fixed/t"].judgement
        assert word.outcome is Outcome.INCONCLUSIVE
        assert "20 races (grew_class), of 29 that" in word.reason
        assert "its time was over" in word.reason


def test_what_a_control_lost_is_not_part_of_the_setup() -> None:
    """Two runs with other numbers of races are the same test; another probability is another."""
    place = RunDirLayout(path=Path("/nowhere")).cell("fixed/t")
    job = CellJob(cell=remedy(), kernel=an_image(), rootfs=a_rootfs(), accel=an_accel(), place=place)
    renamed = replace(job, cell=remedy(control="bad@x/t"))
    other = replace(job, cell=replace(job.cell, evidence=Against(luck=0.05, control="bad/t")))
    assert setup_key(job) == setup_key(renamed) != setup_key(other)
    assert setup_key(replace(job, cell=replace(job.cell, evidence=None))) != setup_key(job)


PLAN = """\
name: p
kernels:
  - {name: bad, source: {kind: directory, path: tree}}
  - {name: fixed, base: bad}
  - {name: other, base: bad}
tests:
  t: {workload: anonmutate, stop: {evidence: 0.01}, expect: {floors: {grew_class: 1}}}
  u: {workload: pressure}
expect:
  - {kernel: bad, test: t, outcome: oops, control: true, repeats: 3}
"""


class TestParts:
    @pytest.fixture
    def plan(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        (tmp_path / "tree").mkdir()
        (tmp_path / "p.yaml").write_text(PLAN)
        monkeypatch.chdir(tmp_path)
        return tmp_path / "p.yaml"

    def begun(self, plan: str, **selection: tuple[str, ...]) -> rundir.RunDir:
        return begin(RunRequest(plan=plan, selection=Selection(**selection), record=False), lambda text: None)  # type: ignore[arg-type]

    def test_a_selected_cell_brings_its_control(self, plan: Path) -> None:
        ids = [cell.id for cell in self.begun(str(plan), cells=("fixed/t",)).plan.cells]
        assert ids == ["bad/t", "fixed/t"]
        assert [cell.id for cell in self.begun(str(plan), kernels=("other",)).plan.cells] == [
            "bad/t", "other/t", "other/u",
        ]  # fmt: skip
        assert [cell.id for cell in self.begun(str(plan), tests=("u",)).plan.cells] == ["bad/u", "fixed/u", "other/u"]

    def test_a_cell_that_is_repeated_takes_the_recorded_control(self, plan: Path, tmp_path: Path) -> None:
        before = self.begun(str(plan))
        guests = Guests()
        PlanRun(
            plan=before.plan, stages=stages(guests), budget=BUDGET, place=before.cell_dir, sink=before.finish,
            listener=silent,
        ).execute()  # fmt: skip
        again = self.begun(str(before.path / "plan.json"), cells=("fixed/t",))
        assert [cell.id for cell in again.plan.cells] == ["fixed/t"]
        assert [result.id for result in again.plan.controls] == ["bad/t"]
        resumed = rundir.resume(again.path)
        guests.booted.clear()
        PlanRun(
            plan=resumed.plan, stages=stages(guests), budget=BUDGET, place=resumed.cell_dir, sink=resumed.finish,
            listener=silent,
        ).execute()  # fmt: skip
        assert guests.names == ["fixed"]
        assert resumed.results()[0].judgement.verdict is Verdict.OK
        third = self.begun(str(again.path / "plan.json"), cells=("fixed/t",))
        assert [result.id for result in third.plan.controls] == ["bad/t"]  # and so does the repetition of that
        unfinished = self.begun(str(self.begun(str(plan)).path / "plan.json"), cells=("fixed/t",))
        assert [cell.id for cell in unfinished.plan.cells] == ["bad/t", "fixed/t"]

    def test_a_resumed_run_knows_the_control_that_ran_before(self, tmp_path: Path) -> None:
        where = rundir.create(tmp_path, Plan(name="p", cells=(the_control(), remedy())))
        guests = Guests()

        def go(done: frozenset[str]) -> None:
            PlanRun(
                plan=where.plan, stages=stages(guests), budget=BUDGET, place=where.cell_dir, sink=where.finish,
                listener=silent,
            ).execute(done, [result for result in where.results() if result.id in done])  # fmt: skip

        go(frozenset({"fixed/t"}))
        assert guests.names == ["bad"] * 3
        go(where.finished())
        assert guests.names[3:] == ["fixed"]
        assert where.results()[1].judgement.verdict is Verdict.OK

    def test_on_other_sources_each_cell_has_the_control_of_its_source(self) -> None:
        plan = Plan(name="p", cells=(the_control(), remedy()))
        two = with_sources(plan, [LocalGit(path="/a", ref="v1"), LocalGit(path="/a", ref="v2")], Known())
        found = {cell.id: cell.evidence.control for cell in two.cells if cell.evidence is not None}
        assert found == {"fixed@v1/t": "bad@v1/t", "fixed@v2/t": "bad@v2/t"}
        assert {cell.id for cell in two.cells} >= set(found.values())

    def test_a_part_that_has_its_controls_stays(self) -> None:
        plan = Plan(name="p", cells=(the_control(), remedy()))
        assert measured(plan, plan) == plan

    def test_an_expanded_plan_is_read_back(self) -> None:
        plan = Plan(name="p", cells=(the_control(), remedy()), controls=(CellResult(id="a", kernel="b", test="c"),))
        assert codec.from_json(Plan, json.loads(json.dumps(codec.to_json(plan)))) == plan
        assert plan.cells[0].kernel.source == DirectorySource(path="/nowhere")
