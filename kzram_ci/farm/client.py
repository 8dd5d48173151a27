"""The run's side: an executor whose cells run on the workers of a scheduler, and come back into the run directory."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, InvalidStateError, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import kzram_ci
from kzram_ci.base import clock, proc
from kzram_ci.base.errors import InfraError, Interrupted
from kzram_ci.base.values import dataclass
from kzram_ci.farm import there
from kzram_ci.farm.messages import Began, Failed, parse
from kzram_ci.farm.parcel import Parcel, Returned, at_home, bound_here, sent_off, unpack
from kzram_ci.model.events import CellRetried, Listener, Note
from kzram_ci.model.evidence import CellResult
from kzram_ci.model.machine import Accel, MachineSpec
from kzram_ci.run.job import CellJob
from kzram_ci.run.pool import QEMU_OVERHEAD_MIB, host_budget
from kzram_ci.store.shared import Shelf

RETRIES = 2  # of a cell whose worker's host failed; one whose worker is lost begins again as often as dask lets it
LOOK_SECONDS = 2.0  # between two looks at the workers
NO_WORKER_SECONDS = 120.0
FETCH_SECONDS = 60.0  # for a result to come; if the worker that has it is lost meanwhile, the cell runs again
FETCHERS = 32  # beyond five at a time, dask's client asks for several results by one message
TALK = 50.0  # messages about progress a second, from all workers together: each costs the scheduler what a cell does


class Gone(Interrupted):
    """The scheduler or all of its workers are gone: what did not run can be gone on with."""

    exit_code = InfraError.exit_code
    actor = InfraError.actor


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How a run's cells go out. `here`: the workers are on this host, and share its cache."""

    shelf: Shelf
    listener: Listener
    cache: Path
    here: bool = False
    accel: Accel | None = None


class Away(Future[CellResult]):
    """A cell on a worker. Unlike a thread's, it can be given up while it runs: when the operator stops the run."""

    def __init__(self) -> None:
        super().__init__()
        self.give_up: Callable[[], object] = lambda: None

    def cancel(self) -> bool:
        """Give it up, if the run was stopped; else a cell that began goes on to its end, as on a thread."""
        return proc.cancelled() and self.abandon()

    def abandon(self) -> bool:
        """Give it up; the worker stops its guest."""
        if not self.fail(Interrupted("interrupted")):  # first: what is given up is heard of as lost, from a thread
            return False
        self.give_up()
        return True

    def finish(self, result: CellResult) -> bool:
        """It came back; False when it was given up before."""
        with suppress(InvalidStateError):
            self.set_result(result)
            return True
        return False

    def fail(self, error: BaseException) -> bool:
        """It will not come back; False when it has already."""
        with suppress(InvalidStateError):
            self.set_exception(error)
            return True
        return False


class FarmExecutor(Executor):
    """`submit` takes what a run submits: `run_cell`, a job, its boot, a listener."""

    def __init__(self, client: Any, terms: Terms, task: Callable[..., Returned] = there.cell) -> None:
        """On a client of dask. `task`: what a worker is to do with a parcel and the topic of its messages."""
        self._client, self._terms, self._task = client, terms, task
        self.topic = f"kzram-ci-{client.id}"
        self._lock = threading.Lock()
        self._jobs: dict[str, tuple[CellJob, Away, Any]] = {}  # by the task's key
        self._begun: dict[str, tuple[str, str]] = {}  # by the cell's id: the worker it began on, why it failed there
        self._at_home = ThreadPoolExecutor(max(1, host_budget().most), thread_name_prefix="here")
        self._fetchers = ThreadPoolExecutor(FETCHERS, thread_name_prefix="fetch")
        self._resources: list[dict[str, float]] = []
        self._room = 0
        self._needs: dict[MachineSpec, dict[str, float]] = {}  # since the last look
        self._numbers = 0
        self._over = threading.Event()
        client.subscribe_topic(self.topic, self._heard)
        self._look()
        threading.Thread(target=self._watch, name="workers", daemon=True).start()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Send a cell to a worker; one that is bound to files of this host runs here, on a thread."""
        job, boot, relay = args
        terms = self._terms
        why = "" if terms.here else bound_here(job, terms.cache)
        if why:
            terms.listener(Note(subject=job.cell.id, text=f"runs on this host: {why}"))
            return self._at_home.submit(fn, job, boot, relay)
        away = Away()
        try:
            if not terms.here:
                sent_off(job, terms.cache, terms.shelf, lambda text: terms.listener(Note(subject="store", text=text)))
            needs = self._needed(job.cell.machine)
        except (InfraError, Interrupted) as error:
            away.fail(error)
            return away
        parcel = Parcel(
            job=job,
            boot=boot,
            cache=str(terms.cache),
            stores=terms.shelf.stores,
            version=kzram_ci.__version__,
            here=terms.here,
            accel=terms.accel,
            pace=self._room / TALK,
        )
        self._numbers += 1
        key = f"cell-{self._client.id}-{self._numbers}"
        task = self._client.submit(self._task, parcel, self.topic, key=key, resources=needs, retries=RETRIES)
        away.give_up = task.release  # waits for no answer, unlike `cancel`: there may be a thousand
        with self._lock:
            self._jobs[key] = (job, away, task)
        self._await(key, task)
        return away

    def room(self) -> int:
        """How many cells the workers can take together."""
        return self._room

    def least(self, name: str) -> float:
        """What every worker has of a resource; 0 without workers."""
        return min((one.get(name, 0.0) for one in self._resources), default=0.0)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Give up what still runs."""
        self._over.set()
        with self._lock:
            left = [away for _, away, _ in self._jobs.values()]
        for away in left:
            away.abandon()
        for pool in (self._at_home, self._fetchers):
            pool.shutdown(wait=wait, cancel_futures=cancel_futures)

    def _watch(self) -> None:
        """See which workers there are, until the end; give all cells up when there is none for too long."""
        pause, missed = 0.0, clock.monotonic()
        while not self._over.wait(pause):
            began = clock.monotonic()
            self._look()
            now = clock.monotonic()
            pause = max(LOOK_SECONDS, 20 * (now - began))  # a look at many workers takes a while
            if self._resources:
                missed = now
            elif now - missed > NO_WORKER_SECONDS:
                self._lose(Gone(f"no worker for {NO_WORKER_SECONDS:.0f} s"))

    def _look(self) -> None:
        try:
            info = self._client.scheduler_info(n_workers=-1)
            self._saw([dict(one.get("resources", {})) for one in info["workers"].values()])
        except Exception:  # of whatever kind a broken connection is
            self._saw([])
            if self._client.status not in ("running", "connecting"):
                self._lose(Gone("the connection to the scheduler was lost"))

    def _saw(self, resources: list[dict[str, float]]) -> None:
        self._resources, self._needs = resources, {}
        self._room = sum(int(one.get("vm", 0)) for one in resources)

    def _needed(self, machine: MachineSpec) -> dict[str, float]:
        known = self._needs
        if machine not in known:
            known[machine] = needed(machine, self._resources)
        return known[machine]

    def _lose(self, error: Gone) -> None:
        with self._lock:
            left, self._jobs = list(self._jobs.values()), {}
        for _, away, _ in left:
            away.fail(error)

    def _await(self, key: str, task: Any) -> None:
        """Have a task's result fetched once it is there; dask's own thread for that must not wait for a network."""

        def fetch(ended: Any) -> None:
            with suppress(RuntimeError):  # shut down: it is not wanted any more
                self._fetchers.submit(self._back, key, ended)

        task.add_done_callback(fetch)

    def _back(self, key: str, task: Any) -> None:
        """A task has ended: its files first, then the result. One that was lost with its worker runs again."""
        with self._lock:
            job, away, _ = self._jobs.get(key, (None, None, None))
        if job is None or away is None or away.done():
            return
        try:
            away.finish(self._result(job, task))
        except TimeoutError:
            self._await(key, task)
            return
        except BaseException as error:
            away.fail(error)
        with self._lock:
            self._jobs.pop(key, None)

    def _result(self, job: CellJob, task: Any) -> CellResult:
        if task.status in ("cancelled", "lost"):
            raise Gone("the scheduler gave a cell up")
        try:
            found: Returned = task.result(timeout=FETCH_SECONDS)
        except (InfraError, TimeoutError):
            raise
        except Exception as error:
            raise translated(error) from error
        unpack(found.files, job.place.path)
        for name in found.left_out:
            self._terms.listener(Note(subject=job.cell.id, text=f"{name} is too large to come back: left out"))
        if found.error is not None:
            raise found.error
        if found.result is None:
            raise InfraError(f"worker {found.worker} returned nothing")
        return at_home(found.result, job, found.left_out)

    def _heard(self, event: Any) -> None:
        """What a worker tells: (time, message)."""
        match parse(event[1]):
            case None:
                return
            case Began(cell=cell, worker=worker):
                before = self._begun.get(cell)
                self._begun[cell] = (worker, "")
                if before is not None:
                    why = before[1] or f"worker {before[0]} was lost"
                    self._terms.listener(CellRetried(cell=cell, reason=f"{why}; begins again on {worker}"))
            case Failed(cell=cell, worker=worker, why=why):
                self._begun[cell] = (worker, f"worker {worker}: {why}")
            case message:
                self._terms.listener(message)


def needed(machine: MachineSpec, workers: list[dict[str, float]]) -> dict[str, float]:
    """What of a worker a guest takes; one that is larger than every worker takes a whole one.

    Raises InfraError when there are workers, and none of them runs guests of its architecture.
    """
    kind = f"vm-{machine.arch}"
    able = [one for one in workers if one.get(kind, 0) > 0]
    if workers and not able:
        raise InfraError(f"no worker runs guests of {machine.arch}", hint="kzram-ci doctor, on a worker, says why")
    wanted = {"cpu": float(machine.cpus), "memory": float(machine.memory_mib + QEMU_OVERHEAD_MIB)}
    most = {name: max((one.get(name, 0.0) for one in able), default=value) for name, value in wanted.items()}
    return {"vm": 1.0, kind: 1.0, **{name: min(value, most[name]) for name, value in wanted.items()}}


def translated(error: Exception) -> Exception:
    """What dask says of a task, in our words: a worker that is lost again and again is the host's matter."""
    name = type(error).__name__
    if name == "KilledWorker":
        last = getattr(getattr(error, "last_worker", None), "address", "unknown")
        return InfraError(f"each worker that ran this cell was lost, the last one at {last}", hint="look at its memory")
    if name in ("CancelledError", "FutureCancelledError", "CommClosedError"):
        return Gone(f"the scheduler gave a cell up ({name})")
    return error
