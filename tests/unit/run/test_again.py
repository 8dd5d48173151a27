"""`run --budget`: everything has its turn, the rest of the time goes where doubt is, and the end is kept."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from builders import a_cell, a_kernel, an_image
from fake_stages import GOOD, OOPS, stages

from kzram_ci.base import clock, proc
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import InfraError
from kzram_ci.model.again import base_id
from kzram_ci.model.cell import Cell, Plan
from kzram_ci.model.events import Listener, silent
from kzram_ci.model.evidence import CellResult, Evidence
from kzram_ci.model.kernel import KernelImage, KernelSpec
from kzram_ci.model.outcome import Outcome, Verdict
from kzram_ci.results import rundir
from kzram_ci.results.rundir import RunDir
from kzram_ci.run.again import Past, Repeats, least_known_first
from kzram_ci.run.job import CellJob, Stages
from kzram_ci.run.plan_run import PlanRun
from kzram_ci.run.pool import Budget
from kzram_ci.verdict.exitcode import exit_code

ONE = Budget(cpus=64, memory_mib=1 << 20, guests=1)


class Watch:
    """A clock that boots and builds move on."""

    def __init__(self, seconds: Mapping[str, float]) -> None:
        self.now, self._seconds, self._lock = 1000.0, seconds, threading.Lock()

    def boot(self, job: CellJob, deadline: Deadline, listener: Listener) -> Evidence:
        with self._lock:
            self.now += self._seconds.get(job.cell.test, 10.0)
        return replace(GOOD, oopses=(OOPS,), panicked=True) if job.cell.test.startswith("crash") else GOOD


class InStep:
    """Two guests that boot side by side: time moves on for both at once, so each boot takes ten seconds."""

    def __init__(self, watch: Watch) -> None:
        self._watch, self._both = watch, threading.Barrier(2, self._pass)

    def _pass(self) -> None:
        self._watch.now += 10.0

    def boot(self, job: CellJob, deadline: Deadline, listener: Listener) -> Evidence:
        try:
            self._both.wait(timeout=5)
        except threading.BrokenBarrierError:  # the other one has nothing left to do
            self._pass()
        return GOOD


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Iterator[Watch]:
    made = Watch({"slow": 100.0})
    monkeypatch.setattr(clock, "monotonic", lambda: made.now)
    yield made
    proc.resume_all()


def night(
    tmp_path: Path, cells: tuple[Cell, ...], how: Stages, seconds: float, past: Past | None = None, guests: int = 1
) -> RunDir:
    run = rundir.create(tmp_path, Plan(name="p", cells=cells))
    until = Deadline.after(seconds)
    repeats = Repeats(cells=cells, past=past or {}, until=until, salt="s", grow=run.grow)
    PlanRun(
        plan=replace(run.plan, cells=least_known_first(cells, past or {})),
        stages=how,
        budget=replace(ONE, guests=guests),
        place=run.cell_dir,
        sink=run.finish,
        listener=silent,
        until=until,
        more=repeats.more,
    ).execute()
    return run


def boots(run: RunDir) -> Counter[str]:
    return Counter(base_id(one.id) for one in run.results() if one.judgement.outcome is not Outcome.NOT_RUN)


def test_each_cell_has_its_turn_then_the_time_goes_where_doubt_is(watch: Watch, tmp_path: Path) -> None:
    cells = (a_cell("quick"), a_cell("slow"), a_cell("crash"))
    began = watch.now
    run = night(tmp_path, cells, stages(watch.boot), 400)
    seen = boots(run)
    assert seen["k/crash"] == 1  # decided
    assert seen["k/quick"] > 4 * seen["k/slow"] > 0
    assert 390 <= watch.now - began <= 400  # a repeat is not begun that would not fit
    assert {one.id for one in rundir.open_run(run.path).plan.cells} == {one.id for one in run.results()}
    assert exit_code(run.results()) == 1


def test_several_guests_share_the_repeats(watch: Watch, tmp_path: Path) -> None:
    run = night(tmp_path, (a_cell("a"), a_cell("b")), stages(InStep(watch).boot), 200, guests=2)
    seen = boots(run)
    assert abs(seen["k/a"] - seen["k/b"]) <= 2
    assert sum(seen.values()) >= 18
    names = [one.id for one in run.results()]
    assert len(names) == len(set(names))


def test_what_has_no_time_left_is_not_run_and_says_why(watch: Watch, tmp_path: Path) -> None:
    cells = tuple(a_cell("slow", id=f"k/slow-{n}") for n in range(4))
    run = night(tmp_path, cells, stages(watch.boot), 150)
    words = Counter((one.judgement.outcome, one.judgement.verdict) for one in run.results())
    assert words == {(Outcome.PASS, Verdict.OK): 2, (Outcome.NOT_RUN, Verdict.INCONCLUSIVE): 2}
    assert run.results()[-1].judgement.reason == "not run: the budget was spent before its turn"
    assert exit_code(run.results()) == 3
    again = rundir.open_run(run.path)
    assert len(again.finished()) == 2  # the others run when the run is gone on with
    assert again.results() == run.results()


def test_no_build_begins_once_the_time_is_over(watch: Watch, tmp_path: Path) -> None:
    built: list[str] = []

    def image(spec: KernelSpec) -> KernelImage:
        built.append(spec.name)
        watch.now += 300
        return an_image(spec.name)

    cells = tuple(a_cell("t", kernel=a_kernel(name)) for name in ("one", "two"))
    run = night(tmp_path, cells, stages(watch.boot, image), 100)
    assert built == ["one"]
    reasons = {one.id: one.judgement.reason for one in run.results()}
    assert reasons["two/t"] == "not run: the budget was spent before its kernel was built"
    assert reasons["one/t"] == "not run: the budget was spent before its turn"


def test_a_kernel_that_does_not_build_is_not_asked_for_more(watch: Watch, tmp_path: Path) -> None:
    def image(spec: KernelSpec) -> KernelImage:
        raise InfraError("no disk")

    run = night(tmp_path, (a_cell("t"),), stages(watch.boot, image), 100)
    assert [one.judgement.outcome for one in run.results()] == [Outcome.INFRA]


def test_what_the_last_night_had_no_time_for_comes_first() -> None:
    passed = CellResult(id="", kernel="", test="", attempts=1, seconds=5.0, kernel_key="k", setup_key="s")
    passed = replace(passed, judgement=replace(passed.judgement, outcome=Outcome.PASS, verdict=Verdict.OK))
    cells = tuple(a_cell(test, kernel=a_kernel(name)) for name in ("a", "b") for test in ("x", "y"))
    past = {"a/x": [passed] * 9, "a/y": [passed] * 9, "b/x": [passed] * 9}
    assert [cell.id for cell in least_known_first(cells, past)] == ["b/y", "b/x", "a/x", "a/y"]
    assert least_known_first(cells, {}) == cells


def test_a_run_that_is_gone_on_with_numbers_on(watch: Watch, tmp_path: Path) -> None:
    run = rundir.create(tmp_path, Plan(name="p", cells=(a_cell("t"),)))
    repeats = Repeats(
        cells=run.plan.cells, past={}, until=Deadline.after(99), salt="s", grow=run.grow, made=Counter({"k/t": 2})
    )
    passed = replace(
        rundir.born(run.plan.cells[0], relative=""),
        attempts=1,
        judgement=replace(CellResult(id="", kernel="", test="").judgement, outcome=Outcome.PASS, verdict=Verdict.OK),
    )
    made = repeats.more({"k/t": passed}, ())
    assert made is not None
    assert made.id == "k/t/again=4"
    assert "1 repeat" not in repeats.words()
