"""What runs when: kernels are built one after another; a cell is submitted when its kernel is there and it has room.

One thread decides. A cell waits as a value in a queue, not in a thread, so the number of cells does not matter. A cell
that ends by evidence waits for its control, whose kernel is built first.
"""

from __future__ import annotations

import queue
import threading
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import field, replace
from functools import partial
from typing import Any

from kzram_ci.base import priority, proc
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import Interrupted, KzramError, NotApplicable, OutOfTime
from kzram_ci.base.spans import span
from kzram_ci.base.values import dataclass
from kzram_ci.model.cell import Cell
from kzram_ci.model.events import BuildFailed, CellStarted, Listener
from kzram_ci.model.evidence import CellResult
from kzram_ci.model.kernel import KernelImage, KernelSpec, RootfsImage
from kzram_ci.model.machine import AccelChoice
from kzram_ci.results.layout import CellDir
from kzram_ci.run.cell_run import run_cell
from kzram_ci.run.elsewhere import Elsewhere, Window
from kzram_ci.run.job import CellJob, Stages, equipment
from kzram_ci.run.pool import Budget, Gate
from kzram_ci.run.relay import Relay, relayed
from kzram_ci.verdict.power import goals, target

POLL_SECONDS = 0.5  # how often a wait looks whether the operator wants to stop

Ended = tuple[Cell, CellResult | BaseException]
Equipment = tuple[RootfsImage, AccelChoice]
Built = tuple[Cell, KernelImage]
Known = Mapping[str, CellResult | BaseException]  # what ended, by the id of its cell
More = Callable[[Known, Collection[str]], Cell | None]  # of what ended and what runs: another cell worth its time


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Cells, and all that is needed to run them. `place` gives a cell's directory.

    `known`: results there are already, of controls. `until`: nothing begins later. `more`: asked for another cell when
    all that were planned have begun and there is room. `elsewhere`: where cells run, if not on threads of this
    process.
    """

    cells: tuple[Cell, ...]
    stages: Stages
    budget: Budget
    place: Callable[[Cell], CellDir]
    boot_retries: int
    listener: Listener
    elsewhere: Elsewhere | None = None
    known: Mapping[str, CellResult] = field(default_factory=dict)
    until: Deadline | None = None
    more: More | None = None

    @property
    def over(self) -> bool:
        """Whether its time is spent."""
        return self.until is not None and self.until.expired()


def run_all(work: Work, executor: Executor | None = None) -> Iterator[Ended]:
    """Each cell with its result, or with what stood against it, as they end.

    Cells run on `executor`, by default on threads of this process; at most as many at a time as the budget has room
    for. After a cancellation nothing new starts: what did not run ends with Interrupted.
    """
    with ExitStack() as stack:
        if executor is None and work.elsewhere is not None:
            executor = work.elsewhere.executor
        if executor is None:
            size = max(1, min(work.budget.most, len(work.cells)))
            executor = stack.enter_context(ThreadPoolExecutor(size, thread_name_prefix="cell"))
        builds = 1 if work.elsewhere is None else work.elsewhere.builds
        builder, helper = ThreadPoolExecutor(builds, "build"), ThreadPoolExecutor(1, "prepare")
        for pool in (builder, helper):
            stack.callback(pool.shutdown, cancel_futures=True)
        relay = stack.enter_context(relayed(work.listener))
        yield from _Scheduler(work, executor, builder, helper, relay).ended()


class _Scheduler:
    """The state of one run; every method runs in one thread."""

    def __init__(self, work: Work, cells: Executor, builder: Executor, helper: Executor, relay: Relay) -> None:
        self._work = work
        self._cells, self._builder, self._helper = cells, builder, helper
        self._relay = relay
        self._gate = Gate(work.budget) if work.elsewhere is None else Window(work.elsewhere)
        self._pending: dict[Future[Any], Callable[[Future[Any]], Iterator[Ended]]] = {}
        self._equipment: dict[tuple[Any, ...], Equipment] = {}
        self._unequipped: dict[tuple[Any, ...], list[Built]] = {}
        self._ready: deque[CellJob] = deque()
        self._to_come: Counter[tuple[Any, ...]] = Counter()  # boots that could share a saved guest, not begun yet
        self._known: dict[str, CellResult | BaseException] = dict(work.known)
        self._awaited = {cell.id for cell in work.cells}  # not ended yet
        self._done: queue.SimpleQueue[Future[Any]] = queue.SimpleQueue()
        self._running: set[str] = set()
        self._building = threading.Lock()  # of this host's processors
        self._images: dict[str, KernelImage] = {}  # by the kernel's name
        self._held: dict[str, list[CellJob]] = {}  # by the id of the control they wait for

    def ended(self) -> Iterator[Ended]:
        """Run everything."""
        for cell, result in self._run():
            self._awaited.discard(cell.id)
            self._running.discard(cell.id)
            self._known[cell.id] = result
            for job in self._held.pop(cell.id, ()):
                self._queue(job)
            yield cell, result

    def _run(self) -> Iterator[Ended]:
        self._start_builds()
        while True:
            if proc.cancelled():
                yield from self._stop_waiting(Interrupted("interrupted"))
            elif self._work.over:
                yield from self._stop_waiting(OutOfTime("the budget was spent before its turn"))
            else:
                yield from self._take_more()
                yield from self._start_cells()
            if not self._pending and not self._ready:
                return
            for future in self._ended_now():
                yield from self._pending.pop(future)(future)

    def _await(self, future: Future[Any], then: Callable[[Future[Any]], Iterator[Ended]]) -> None:
        """Have `then` called in this thread once the future is done. What waits costs nothing until then."""
        self._pending[future] = then
        future.add_done_callback(self._done.put)

    def _ended_now(self) -> Iterator[Future[Any]]:
        """What is done, after a moment if need be."""
        with suppress(queue.Empty):
            yield self._done.get(timeout=POLL_SECONDS)
            while True:
                yield self._done.get_nowait()

    def _start_builds(self) -> None:
        """One build at a time on this host: it takes every core, and variants share an object tree.

        Beside guests it takes what they leave: processor time that they do not get are races that they do not make.
        """

        def build(spec: KernelSpec) -> KernelImage:
            if proc.cancelled():
                raise Interrupted("interrupted before the kernel was built")
            if self._work.over:
                raise OutOfTime("the budget was spent before its kernel was built")
            if self._work.elsewhere is not None:
                with span(f"kernel {spec.name}", "build elsewhere"):
                    self._work.elsewhere.ahead(spec)
            with (
                self._building,
                span(f"kernel {spec.name}", "build"),
                priority.giving_way(lambda: self._gate.busy),
            ):
                return self._work.stages.image(spec)

        cells: dict[str, list[Cell]] = {}
        for cell in self._work.cells:
            cells.setdefault(cell.kernel.name, []).append(cell)
        for of_kernel in sorted(cells.values(), key=lambda own: not any(cell.measured for cell in own)):
            future = self._builder.submit(build, of_kernel[0].kernel)
            self._await(future, partial(self._built, tuple(of_kernel)))

    def _built(self, cells: tuple[Cell, ...], future: Future[KernelImage]) -> Iterator[Ended]:
        if (error := _error(future)) is not None:
            if isinstance(error, Exception) and not isinstance(error, Interrupted | NotApplicable | OutOfTime):
                cause = error.cause if isinstance(error, KzramError) else ""
                self._work.listener(BuildFailed(kernel=cells[0].kernel.name, reason=str(error), cause=cause))
            yield from ((cell, error) for cell in cells)
            return
        self._images[cells[0].kernel.name] = kernel = future.result()
        for cell in cells:
            yield from self._take(cell, kernel)

    def _take(self, cell: Cell, kernel: KernelImage) -> Iterator[Ended]:
        try:
            fitted = self._work.stages.fit(cell, kernel)
        except Exception as misfit:  # what it means is for the caller to say
            yield cell, misfit
            return
        self._equip(fitted, kernel)

    def _equip(self, cell: Cell, kernel: KernelImage) -> None:
        """Root file system and accelerator are the same for many cells: asked for once, beside the builds."""
        key = (*equipment(cell), cell.machine.arch, cell.machine.accel)
        if key in self._equipment:
            self._enqueue(cell, kernel, self._equipment[key])
            return
        waiting = self._unequipped.setdefault(key, [])
        waiting.append((cell, kernel))
        if len(waiting) == 1:
            future = self._helper.submit(self._fetch, cell)
            self._await(future, partial(self._equipped, key))

    def _fetch(self, cell: Cell) -> Equipment:
        with span("root file system", "prepare"):
            rootfs = self._work.stages.rootfs(cell)
        with span("acceleration", "prepare", arch=cell.machine.arch):
            return rootfs, self._work.stages.accel(cell.machine)

    def _equipped(self, key: tuple[Any, ...], future: Future[Equipment]) -> Iterator[Ended]:
        waiting = self._unequipped.pop(key)
        if (error := _error(future)) is not None:  # not kept: a later kernel's cells may have more luck
            yield from ((cell, error) for cell, _ in waiting)
            return
        self._equipment[key] = future.result()
        for cell, kernel in waiting:
            self._enqueue(cell, kernel, self._equipment[key])

    def _enqueue(self, cell: Cell, kernel: KernelImage, equipment: Equipment) -> None:
        rootfs, accel = equipment
        place, retries = self._work.place(cell), self._work.boot_retries
        self._to_come[_sharing(cell, rootfs)] += cell.repeats
        self._queue(CellJob(cell=cell, kernel=kernel, rootfs=rootfs, accel=accel, place=place, boot_retries=retries))

    def _queue(self, job: CellJob) -> None:
        """Into the queue, once the control is known by which a cell ends; controls come first."""
        against = job.cell.evidence
        if against is not None and against.control in self._awaited:
            self._held.setdefault(against.control, []).append(job)
            return
        if against is not None:
            asked = target(job.cell, self._known.get(against.control))
            job = replace(job, cell=replace(job.cell, target=asked))
        if job.cell.measured:
            self._ready.appendleft(job)
        else:
            self._ready.append(job)

    def _take_more(self) -> Iterator[Ended]:
        """Where all that was planned has begun and there is room: more cells, as long as some are worth it."""
        while self._work.more is not None and not self._gate.full and self._awaited <= self._running:
            if (cell := self._work.more(self._known, self._running)) is None:
                return
            self._awaited.add(cell.id)
            yield from self._take(cell, self._images[cell.kernel.name])
            yield from self._start_cells()

    def _start_cells(self) -> Iterator[Ended]:
        """Submit what there is room for, in order; a smaller cell may overtake one that must wait for room."""
        left: deque[CellJob] = deque()
        while self._ready and not self._gate.full:
            job = self._ready.popleft()
            if not self._gate.admit(job.cell.machine):
                left.append(job)
                continue
            self._to_come[(sharing := _sharing(job.cell, job.rootfs))] -= job.cell.repeats
            job = replace(job, others=self._to_come[sharing] + job.cell.repeats - 1)
            self._work.listener(CellStarted(cell=job.cell.id, goals=goals(job.cell)))
            try:
                future = self._cells.submit(run_cell, job, self._work.stages.boot, self._relay)
            except RuntimeError as broken:  # an executor whose workers died, or that was shut down
                self._gate.leave(job.cell.machine)
                yield job.cell, broken
                continue
            self._running.add(job.cell.id)
            self._await(future, partial(self._ran, job))
        self._ready.extendleft(reversed(left))

    def _ran(self, job: CellJob, future: Future[CellResult]) -> Iterator[Ended]:
        self._gate.leave(job.cell.machine)
        error = _error(future)
        yield job.cell, future.result() if error is None else error

    def _stop_waiting(self, why: Interrupted | OutOfTime) -> Iterator[Ended]:
        """What waits will not run. What runs goes on: it sees a cancellation itself, and keeps to its own deadline."""
        if isinstance(why, Interrupted):
            for future in self._pending:
                future.cancel()
        while self._ready:
            yield self._ready.popleft().cell, why


def _sharing(cell: Cell, rootfs: RootfsImage) -> tuple[Any, ...]:
    """What cells have in common that could start from one saved guest."""
    return cell.kernel.name, cell.machine, rootfs.key


def _error(future: Future[Any]) -> BaseException | None:
    return Interrupted("interrupted") if future.cancelled() else future.exception()
