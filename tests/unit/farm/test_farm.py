"""A plan on workers in processes of their own, with cells that boot nothing: as on threads, whatever happens."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import fake_stages
import farm_stages
import pytest
import requires
from builders import a_cell, a_kernel

from kzram_ci.base import clock, proc
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import InfraError, Interrupted
from kzram_ci.farm.client import Away, Gone, needed
from kzram_ci.farm.opened import FarmRequest, _dashboard, opened
from kzram_ci.kernel.workshop import KernelContext
from kzram_ci.model.cell import Expectation, Plan
from kzram_ci.model.events import CellProgress, CellRetried, Event, silent
from kzram_ci.model.evidence import CellResult
from kzram_ci.model.layout import CellFile, RunFile
from kzram_ci.model.machine import MachineSpec
from kzram_ci.results import rundir
from kzram_ci.results.rundir import RunDir
from kzram_ci.run.elsewhere import Elsewhere
from kzram_ci.run.plan_run import PlanRun
from kzram_ci.run.pool import Budget

SUPPORT = Path(farm_stages.__file__).parent
BUDGET = Budget(cpus=64, memory_mib=1 << 20)
VARYING = ("seconds", "started")
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(autouse=True)
def ready(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("distributed", "cryptography"):
        try:
            __import__(name)
        except ImportError:
            requires.lacking("cluster", f"no {name}")
    requires.tool("qemu-system-x86_64")
    root = SUPPORT.parents[1]
    monkeypatch.setenv("PYTHONPATH", f"{root}:{SUPPORT}")
    monkeypatch.setenv(farm_stages.VARIABLE, os.urandom(4).hex())
    yield
    proc.resume_all()


def plan_of(*tests: str) -> Plan:
    machine = MachineSpec(cpus=1, memory_mib=64)
    good = Expectation(floors=(("vmstat.pswpout", 1),))
    given = tuple(a_cell(test, kernel=a_kernel("k"), machine=machine, expect=good, seed=7) for test in tests)
    return Plan(name="p", cells=given, boot_retries=1)


class Run:
    """A plan in a run directory, on workers if there is a way to them."""

    def __init__(self, path: Path, plan: Plan) -> None:
        self.directory: RunDir = rundir.create(path, plan)
        self.events: list[Event] = []
        self.sunk: list[str] = []
        self.plan = plan

    def away(self, workers: int) -> AbstractContextManager[Elsewhere]:
        context = KernelContext(listener=self.events.append)
        return opened(FarmRequest(scheduler=f"local:{workers}", jobs=2 * workers, cpus=4 * workers), context, None)

    def execute(self, elsewhere: Elsewhere | None = None) -> tuple[CellResult, ...]:
        return PlanRun(
            plan=self.plan,
            stages=fake_stages.stages(boot=farm_stages.boot),
            budget=BUDGET,
            place=self.directory.cell_dir,
            sink=self._finish,
            listener=self.events.append,
            elsewhere=elsewhere,
        ).execute()

    def _finish(self, result: CellResult) -> None:
        self.sunk.append(result.id)
        self.directory.finish(result)

    def recorded(self) -> dict[str, dict[str, Any]]:
        rows = map(json.loads, self.directory.layout.file(RunFile.RESULTS).read_text().splitlines())
        return {row["id"]: {key: value for key, value in row.items() if key not in VARYING} for row in rows}

    def files(self) -> dict[str, str]:
        cells = self.directory.path / "cells"
        names = (CellFile.CONSOLE, CellFile.EVIDENCE)
        return {f"{path.parent.name}/{path.name}": path.read_text() for n in names for path in cells.rglob(str(n))}


def wait_for(what: Callable[[], object], seconds: float = 90.0) -> None:
    deadline = Deadline.after(seconds)
    while not what():
        assert not deadline.expired()
        clock.sleep(0.05)


def workers() -> list[int]:
    """Local workers of this process."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            words = (path / "cmdline").read_bytes().split(b"\0")
            parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if parent == os.getpid() and b"worker" in words and b"kzram_ci" in words:
            found.append(int(path.name))
    return found


MIXED = ("good-1", "good-2", "crash-1", "infra-1", "defect-1", "silent-1", "command-1")


@pytest.mark.parametrize("count", [1, 4])
def test_the_record_is_the_same_as_on_one_machine(tmp_path: Path, count: int) -> None:
    plan = plan_of(*MIXED)
    alone, farm = Run(tmp_path / "alone", plan), Run(tmp_path / "farm", plan)
    alone.execute()
    with farm.away(count) as elsewhere:
        farm.execute(elsewhere)
    assert farm.recorded() == alone.recorded()
    assert farm.files() == alone.files()
    assert sorted(farm.sunk) == sorted(cell.id for cell in plan.cells)
    assert {event.cell for event in farm.events if isinstance(event, CellProgress)} > {"k/good-1", "k/crash-1"}
    assert not workers()


def test_workers_that_are_killed_lose_nothing(tmp_path: Path) -> None:
    """Two of three, at random moments: every cell has one result, and a line where it began again."""
    plan = plan_of(*(f"napping-{number}" for number in range(9)))
    run = Run(tmp_path, plan)
    stop = threading.Event()

    def kill() -> None:
        chance = random.Random(20)
        wait_for(lambda: any(isinstance(event, CellProgress) for event in run.events))
        for _ in range(2):
            if stop.wait(chance.uniform(0.1, 1.0)):
                return
            os.kill(chance.choice(workers()), signal.SIGKILL)

    killer = threading.Thread(target=kill)
    with run.away(3) as elsewhere:
        killer.start()
        results = run.execute(elsewhere)
        stop.set()
        killer.join()
    assert sorted(run.sunk) == sorted(cell.id for cell in plan.cells)
    assert len(run.recorded()) == len(plan.cells)
    assert {str(result.judgement.outcome) for result in results} == {"pass"}
    again = [event.reason for event in run.events if isinstance(event, CellRetried)]
    assert all("was lost; begins again on local-" in reason for reason in again)


def test_an_interrupt_leaves_no_guest(tmp_path: Path) -> None:
    run = Run(tmp_path, plan_of("good-1", "hold-1", "hold-2"))
    with run.away(2) as elsewhere:

        def interrupt() -> None:
            wait_for(lambda: len(farm_stages.guests()) == 2)
            proc.cancel_all()

        threading.Thread(target=interrupt).start()
        with pytest.raises(Interrupted):
            run.execute(elsewhere)
        proc.resume_all()  # as when only the run was given up: the scheduler says it to the workers
        wait_for(lambda: not farm_stages.guests(), 30)
    assert not workers()
    assert set(run.recorded()) <= {"k/good-1"}


def test_a_farm_whose_workers_are_gone_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kzram_ci.farm.client.NO_WORKER_SECONDS", 3.0)
    run = Run(tmp_path, plan_of("hold-1"))
    with run.away(1) as elsewhere:

        def kill() -> None:
            wait_for(farm_stages.guests)
            os.kill(workers()[0], signal.SIGKILL)

        threading.Thread(target=kill).start()
        with pytest.raises(Gone, match="no worker for 3 s"):
            run.execute(elsewhere)
        wait_for(lambda: not farm_stages.guests(), 30)
    assert not run.sunk


def test_a_scheduler_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kzram_ci.farm.opened.CONNECT_SECONDS", 0.5)
    with (
        pytest.raises(InfraError, match=r"no scheduler answers at tcp://127\.0\.0\.1:9") as told,
        opened(FarmRequest(scheduler="127.0.0.1:9"), KernelContext(listener=silent), None),
    ):
        pass
    assert told.value.exit_code == 69


@pytest.mark.parametrize(
    ("link", "here", "bokeh", "words"),
    [
        ("http://127.0.0.1:1/status", True, True, "dashboard: http://127.0.0.1:1/status"),
        ("http://127.0.0.1:1/status", True, False, "no dashboard: bokeh is not installed (pip install 'kzram-ci["),
        ("http://farm:8787/status", False, False, "dashboard: http://farm:8787/status, if that host has bokeh"),
        (None, False, True, "no dashboard"),
    ],
)
def test_the_dashboard_is_linked_or_what_it_lacks_is_said(
    monkeypatch: pytest.MonkeyPatch, link: str | None, here: bool, bokeh: bool, words: str
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name if bokeh else None)
    assert _dashboard(SimpleNamespace(dashboard_link=link), here=here).startswith(words)


def test_a_guest_takes_its_part_of_a_worker() -> None:
    small = {"vm": 4.0, "vm-x86_64": 4.0, "cpu": 2.0, "memory": 1000.0}
    large = {"vm": 4.0, "vm-x86_64": 4.0, "cpu": 8.0, "memory": 2000.0}
    machine = MachineSpec(cpus=4, memory_mib=4096)
    assert needed(machine, [small, large]) == {"vm": 1.0, "vm-x86_64": 1.0, "cpu": 4.0, "memory": 2000.0}
    assert needed(MachineSpec(cpus=1, memory_mib=256), [])["memory"] == 512.0


def test_a_stranger_is_not_listened_to(tmp_path: Path) -> None:
    """One without a certificate, who does not mind whom it talks to, and one who does not even talk TLS."""
    careless = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    careless.check_hostname, careless.verify_mode = False, ssl.CERT_NONE
    with Run(tmp_path, plan_of("good-1")).away(1) as elsewhere:
        url = urlsplit(elsewhere.executor._client.scheduler.address)  # type: ignore[attr-defined]
        where = (str(url.hostname), int(url.port or 0))
        with (
            pytest.raises(ssl.SSLError, match="certificate required"),
            socket.create_connection(where, 10) as plain,
            careless.wrap_socket(plain) as wrapped,
        ):
            wrapped.recv(1)
        with socket.create_connection(where, 10) as plain:
            plain.sendall(b"\x80\x04K\x01." * 1000)
            with suppress(ConnectionResetError):
                assert plain.recv(100)[:1] in (b"", b"\x15"), "nothing, or the alert of TLS"
        assert elsewhere.room() == 2


def test_a_cell_given_up_by_the_operator_is_interrupted_not_lost() -> None:
    """dask tells a thread at once that the task is gone; the run's exit code depends on who is heard first."""
    away = Away()
    away.give_up = lambda: away.fail(Gone("the scheduler gave a cell up"))
    assert not away.cancel(), "nobody stopped the run"
    proc.cancel_all()
    assert away.cancel()
    assert type(away.exception()) is Interrupted
    assert not away.abandon(), "once"
