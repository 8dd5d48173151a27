"""Run cells and builds on one machine within a CPU and memory budget.

The executor is `concurrent.futures.Executor`, so that another one (a cluster's) can take its place: a cell
is a pure value in and a pure value out.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from kzram_ci.base import budget, proc
from kzram_ci.base.errors import Interrupted
from kzram_ci.model.cell import Cell

T = TypeVar("T")
R = TypeVar("R")
QEMU_OVERHEAD_MIB = 256  # firmware, TCG's translation buffer, device models


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What guests may use together: virtual CPUs and memory in MiB."""

    cpus: int
    memory_mib: int


def host_budget(jobs: int = 0) -> Budget:
    """The host's budget; `jobs` > 0 bounds the guests instead of the CPUs.

    Guests may use two virtual CPUs for each real one: a cell is half waiting (boot, the serial port, the
    verifier), and its stop conditions count events, not seconds.
    """
    cpus = 2 * budget.cpus() if jobs <= 0 else 1 << 20
    free = int(budget.memory().available * 0.8)
    return Budget(cpus=max(2, cpus), memory_mib=max(1024, free))


class Gate:
    """Admits a cell when the budget holds it; a cell larger than the budget runs alone."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._cpus = 0
        self._memory = 0
        self._changed = threading.Condition()

    def _fits(self, cpus: int, memory: int) -> bool:
        alone = self._cpus == 0
        return alone or (self._cpus + cpus <= self._budget.cpus and self._memory + memory <= self._budget.memory_mib)

    @contextmanager
    def admit(self, cell: Cell) -> Iterator[None]:
        """Hold the cell's share of the budget. Raises Interrupted while waiting after a cancellation."""
        cpus, memory = cell.machine.cpus, cell.machine.memory_mib + QEMU_OVERHEAD_MIB
        with self._changed:
            while not self._fits(cpus, memory):
                self._changed.wait(timeout=0.5)
                if proc.cancelled():
                    raise Interrupted("interrupted before the cell started")
            self._cpus += cpus
            self._memory += memory
        try:
            yield
        finally:
            with self._changed:
                self._cpus -= cpus
                self._memory -= memory
                self._changed.notify_all()


def run_all(work: Callable[[T], R], items: Sequence[T], *, workers: int) -> Iterator[tuple[T, R | BaseException]]:
    """Yield (item, result or exception) as they finish; after a cancellation nothing new starts.

    The first items are started first, so callers order by importance.
    """
    with ThreadPoolExecutor(max_workers=max(1, workers), thread_name_prefix="cell") as pool:
        pending: dict[Future[R], T] = {pool.submit(work, item): item for item in items}
        while pending:
            done, _ = wait(pending, timeout=0.5, return_when=FIRST_COMPLETED)
            if proc.cancelled():
                for future in pending:
                    future.cancel()
            for future in done:
                item = pending.pop(future)
                if future.cancelled():
                    yield item, Interrupted("interrupted before the cell started")
                    continue
                error = future.exception()
                yield item, error if error is not None else future.result()
