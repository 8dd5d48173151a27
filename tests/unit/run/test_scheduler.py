"""When what runs, with stages that build and boot nothing."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import fake_stages
import pytest
from builders import a_cell, a_kernel, a_rootfs, an_accel, an_image
from fake_stages import GOOD, stages

from kzram_ci.base import clock, priority, proc
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import BuildFailed, CommandFailed, InfraError, Interrupted, PlanError
from kzram_ci.model.cell import Cell, Expectation, Plan
from kzram_ci.model.events import BuildFailed as KernelFailed
from kzram_ci.model.events import CellDone, CellProgress, CellStarted, Event, Listener
from kzram_ci.model.evidence import CellResult, Evidence
from kzram_ci.model.kernel import KernelImage, KernelSpec
from kzram_ci.model.machine import Accel, MachineSpec
from kzram_ci.model.outcome import Outcome
from kzram_ci.results.layout import RunDirLayout
from kzram_ci.run.job import CellJob, Stages
from kzram_ci.run.plan_run import PlanRun
from kzram_ci.run.pool import QEMU_OVERHEAD_MIB, Budget, Gate

WIDE = Budget(cpus=64, memory_mib=1 << 20)


@pytest.fixture(autouse=True)
def not_cancelled() -> Iterator[None]:
    yield
    proc.resume_all()


def cells(count: int, *, kernels: int = 1, cpus: int = 2, test: str = "t") -> tuple[Cell, ...]:
    machine = MachineSpec(cpus=cpus, memory_mib=256)
    return tuple(a_cell(f"{test}-{n}", kernel=a_kernel(f"k{n % kernels}"), machine=machine) for n in range(count))


def plan_run(
    tmp_path: Path, given: tuple[Cell, ...], how: Stages, *, budget: Budget = WIDE, events: list[Event] | None = None
) -> tuple[PlanRun, list[CellResult]]:
    sunk: list[CellResult] = []
    run = PlanRun(
        plan=Plan(name="p", cells=given),
        stages=how,
        budget=budget,
        place=lambda cell: RunDirLayout(path=tmp_path).cell(cell.id),
        sink=sunk.append,
        listener=(events if events is not None else []).append,
    )
    return run, sunk


class Together:
    """A boot that notes how many run at a time, and what they take together."""

    def __init__(self, seconds: float = 0.02) -> None:
        self.running: list[Cell] = []
        self.most, self.most_cpus, self.threads = 0, 0, 0
        self._seconds = seconds
        self._lock = threading.Lock()

    def __call__(self, job: CellJob, deadline: Deadline, listener: Listener) -> Evidence:
        with self._lock:
            self.running.append(job.cell)
            self.most = max(self.most, len(self.running))
            self.most_cpus = max(self.most_cpus, sum(cell.machine.cpus for cell in self.running))
            self.threads = max(self.threads, threading.active_count())
        clock.sleep(self._seconds)
        with self._lock:
            self.running.remove(job.cell)
        return GOOD


class TestBudget:
    def test_guests_use_no_more_cpus_than_there_are(self, tmp_path: Path) -> None:
        boot = Together()
        run, sunk = plan_run(tmp_path, cells(9), stages(boot), budget=Budget(cpus=4, memory_mib=1 << 20))
        run.execute()
        assert len(sunk) == 9
        assert (boot.most, boot.most_cpus) == (2, 4)

    def test_nor_more_memory(self, tmp_path: Path) -> None:
        boot = Together()
        budget = Budget(cpus=64, memory_mib=3 * (256 + QEMU_OVERHEAD_MIB))
        run, _ = plan_run(tmp_path, cells(9), stages(boot), budget=budget)
        run.execute()
        assert boot.most == 3

    @pytest.mark.parametrize("guests", [1, 2, 5])
    def test_jobs_bound_the_guests(self, tmp_path: Path, guests: int) -> None:
        boot = Together()
        run, _ = plan_run(tmp_path, cells(9), stages(boot), budget=replace(WIDE, guests=guests))
        run.execute()
        assert boot.most == guests

    def test_a_guest_larger_than_the_host_runs_alone(self, tmp_path: Path) -> None:
        boot = Together()
        given = (*cells(3), *cells(1, cpus=16, test="large"))
        run, sunk = plan_run(tmp_path, given, stages(boot), budget=Budget(cpus=4, memory_mib=1 << 20))
        run.execute()
        assert len(sunk) == 4
        assert boot.most_cpus == 16

    def test_a_small_guest_overtakes_one_that_waits_for_room(self) -> None:
        gate = Gate(Budget(cpus=4, memory_mib=1 << 20))
        small, large = MachineSpec(cpus=2), MachineSpec(cpus=4)
        assert gate.admit(small)
        assert not gate.admit(large)
        assert gate.admit(small)
        assert gate.full
        gate.leave(small)
        gate.leave(small)
        assert gate.admit(large)
        assert not gate.admit(small)


class TestSize:
    def test_a_thousand_cells_need_no_thousand_threads(self, tmp_path: Path) -> None:
        before = threading.active_count()
        boot = Together(seconds=0)
        run, sunk = plan_run(tmp_path, cells(1000, kernels=40), stages(boot), budget=Budget(cpus=8, memory_mib=1 << 20))
        run.execute()
        assert len(sunk) == 1000
        assert boot.threads - before <= 8 + 2  # guests of one CPU at the most, the builder, the helper


class TestOrder:
    def test_a_cell_runs_while_the_next_kernel_is_built(self, tmp_path: Path) -> None:
        booted = threading.Event()

        def image(spec: KernelSpec) -> KernelImage:
            assert spec.name == "k0" or booted.wait(20), "the first kernel's cells waited for the second kernel"
            return an_image(spec.name)

        def boot(job: CellJob, deadline: Deadline, listener: Listener) -> Evidence:
            booted.set()
            return GOOD

        run, sunk = plan_run(tmp_path, cells(4, kernels=2), stages(boot, image))
        run.execute()
        assert {result.judgement.outcome for result in sunk} == {Outcome.PASS}

    def test_a_build_gives_way_to_the_guests_that_run_beside_it(self, tmp_path: Path) -> None:
        booted, built = threading.Event(), threading.Event()
        found: dict[str, int] = {}

        def image(spec: KernelSpec) -> KernelImage:
            assert spec.name == "k0" or booted.wait(20)
            shell = proc.run(("sh", "-c", "sleep 0.3; cut -d' ' -f19 /proc/$$/stat"), deadline=Deadline.after(20))
            found[spec.name] = int(shell.text())
            if spec.name == "k1":
                built.set()
            return an_image(spec.name)

        def boot(job: CellJob, deadline: Deadline, listener: Listener) -> Evidence:
            booted.set()
            built.wait(20)
            return GOOD

        run, _ = plan_run(tmp_path, cells(4, kernels=2), stages(boot, image))
        run.execute()
        own = os.getpriority(os.PRIO_PROCESS, 0)
        assert found == {"k0": own, "k1": max(own, priority.NICE)}

    def test_what_all_cells_need_is_asked_for_once(self, tmp_path: Path) -> None:
        asked: list[str] = []
        how = Stages(
            image=fake_stages.image,
            rootfs=lambda cell: asked.append(cell.kernel.arch) or a_rootfs(),  # type: ignore[func-returns-value]
            accel=lambda machine: asked.append(machine.accel) or an_accel(),  # type: ignore[func-returns-value]
            boot=fake_stages.boot,
        )
        given = cells(20, kernels=4)
        machine = replace(given[0].machine, accel=Accel.KVM)
        run, sunk = plan_run(tmp_path, (*given, a_cell("forced", machine=machine)), how)
        run.execute()
        assert len(sunk) == 21
        assert sorted(asked) == sorted(["x86_64", Accel.AUTO, "x86_64", Accel.KVM])

    def test_a_root_file_system_that_fails_fails_the_cells_that_wait_and_is_tried_again(self, tmp_path: Path) -> None:
        tries: list[str] = []
        first_failed = threading.Event()

        def rootfs(arch: str) -> object:
            tries.append(arch)
            if len(tries) == 1:
                raise InfraError("no space")
            return a_rootfs()

        def image(spec: KernelSpec) -> KernelImage:
            assert spec.name == "k0" or first_failed.wait(20)
            return an_image(spec.name)

        how = replace(stages(image=image), rootfs=rootfs)  # type: ignore[arg-type]
        run, sunk = plan_run(tmp_path, cells(4, kernels=2), how)

        def sink(result: CellResult) -> None:
            sunk.append(result)
            first_failed.set()

        replace(run, sink=sink).execute()
        assert {result.id: result.judgement.outcome for result in sunk} == {
            "k0/t-0": Outcome.INFRA,
            "k0/t-2": Outcome.INFRA,
            "k1/t-1": Outcome.PASS,
            "k1/t-3": Outcome.PASS,
        }

    def test_a_boot_knows_how_many_could_share_its_saved_guest(self, tmp_path: Path) -> None:
        found: dict[str, int] = {}

        def boot(job: CellJob, deadline: Deadline, listener: Listener) -> Evidence:
            found.setdefault(job.cell.id, job.others)
            return GOOD

        first, second, third = cells(3)
        larger = replace(third, machine=replace(third.machine, memory_mib=512))
        alone = replace(cells(1, test="other")[0], kernel=a_kernel("k1"), id="k1/alone")
        given = (first, replace(second, repeats=3), larger, alone)
        run, _ = plan_run(tmp_path, given, stages(boot), budget=Budget(cpus=2, memory_mib=1 << 20))
        run.execute()
        assert found == {"k0/t-0": 3, "k0/t-1": 2, "k0/t-2": 0, "k1/alone": 0}

    def test_every_cell_begins_and_ends_with_an_event(self, tmp_path: Path) -> None:
        events: list[Event] = []

        def image(spec: KernelSpec) -> KernelImage:
            if spec.name == "k1":
                raise BuildFailed("mm/x.c:1:2: error: no")
            return an_image(spec.name)

        run, sunk = plan_run(tmp_path, cells(6, kernels=2), stages(image=image), events=events)
        run.execute()
        assert [event for event in events if isinstance(event, KernelFailed)] == [
            KernelFailed(kernel="k1", reason="mm/x.c:1:2: error: no", cause="mm/x.c:1:2: error: no")
        ]
        started = {event.cell for event in events if isinstance(event, CellStarted)}
        done = [event.cell for event in events if isinstance(event, CellDone)]
        assert started == {"k0/t-0", "k0/t-2", "k0/t-4"}
        assert sorted(done) == sorted(result.id for result in sunk) == sorted(cell.id for cell in run.plan.cells)
        assert {event.cell for event in events if isinstance(event, CellProgress)} == started


class TestInterrupt:
    def test_nothing_new_starts_and_what_ended_is_kept(self, tmp_path: Path) -> None:
        def boot(job: CellJob, deadline: Deadline, listener: Listener) -> Evidence:
            if job.cell.test == "t-2":
                proc.cancel_all()
                raise Interrupted("interrupted while the guest ran")
            return GOOD

        run, sunk = plan_run(tmp_path, cells(100), stages(boot), budget=replace(WIDE, guests=1))
        with pytest.raises(Interrupted):
            run.execute()
        assert [result.id for result in sunk] == ["k0/t-0", "k0/t-1"]

    def test_kernels_that_wait_are_not_built(self, tmp_path: Path) -> None:
        built: list[str] = []

        def image(spec: KernelSpec) -> KernelImage:
            built.append(spec.name)
            proc.cancel_all()
            raise Interrupted("interrupted while make ran")

        run, sunk = plan_run(tmp_path, cells(20, kernels=10), stages(image=image))
        with pytest.raises(Interrupted):
            run.execute()
        assert (built, sunk) == (["k0"], [])


EVERY = ("pass", "crash", "silent", "infra", "command", "defect", "slow")


def every_kind() -> tuple[Cell, ...]:
    return tuple(
        a_cell(f"{name}-{expected}", kernel=a_kernel(kernel), expect=Expectation(outcome=expected), repeats=2)
        for kernel in ("k0", "k1")
        for name in EVERY
        for expected in ("pass", "oops")
    )


def executed(tmp_path: Path, executor: Executor) -> dict[str, CellResult]:
    run, sunk = plan_run(tmp_path, every_kind(), stages(), budget=replace(WIDE, guests=4))
    run.execute(executor=executor)
    assert len(sunk) == len(every_kind())
    return {result.id: replace(result, seconds=0, started="") for result in sunk}


class TestExecutors:
    def test_threads_and_processes_give_the_same_results(self, tmp_path: Path) -> None:
        with ThreadPoolExecutor(4) as threads:
            here = executed(tmp_path / "threads", threads)
        with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as processes:
            there = executed(tmp_path / "processes", processes)
        assert here == there
        assert {result.judgement.outcome for result in here.values()} >= {Outcome.PASS, Outcome.OOPS, Outcome.INFRA}
        files = [
            sorted(str(path.relative_to(root)) for path in root.rglob("*.*"))
            for root in (tmp_path / "threads", tmp_path / "processes")
        ]
        assert files[0] == files[1]

    def test_an_executor_that_breaks_is_the_hosts_fault(self, tmp_path: Path) -> None:
        class Broken(Executor):
            def submit(self, *args: object, **more: object) -> Future[object]:  # type: ignore[override]
                raise RuntimeError("cannot schedule new futures after shutdown")

        run, sunk = plan_run(tmp_path, cells(3), stages())
        run.execute(executor=Broken())
        assert [result.judgement.outcome for result in sunk] == [Outcome.INFRA] * 3
        assert "cannot schedule" in sunk[0].judgement.reason

    def test_a_job_can_be_pickled(self, tmp_path: Path) -> None:
        (given,) = cells(1)
        place = RunDirLayout(path=tmp_path).cell(given.id)
        job = CellJob(cell=given, kernel=an_image(), rootfs=a_rootfs(), accel=an_accel(), place=place)
        assert pickle.loads(pickle.dumps(job)) == job

    @pytest.mark.parametrize(
        "make",
        [
            lambda: InfraError("no disk", hint="buy one", log="/x.log"),
            lambda: PlanError("a.yaml:1:2: no"),
            lambda: CommandFailed(("git", "fetch"), 128, "fatal: no\n", name="git fetch", log="/x"),
        ],
    )
    def test_errors_come_back_whole_from_another_process(self, make: Callable[[], Exception]) -> None:
        before = make()
        after = pickle.loads(pickle.dumps(before))
        assert (type(after), str(after), vars(after)) == (type(before), str(before), vars(before))
