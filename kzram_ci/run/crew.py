"""Several boots at a time, chosen one by one: what was seen so far decides what is booted next."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from typing import TypeVar

from kzram_ci.base import proc

_POLL_SECONDS = 0.5
Job = TypeVar("Job")
Result = TypeVar("Result")


def work_through(
    pool: Executor,
    workers: int,
    *,
    choose: Callable[[tuple[Job, ...]], Job | None],
    work: Callable[[Job], Result],
    keep: Callable[[Result], None],
    settled: Callable[[], BaseException | None],
) -> None:
    """Have `workers` jobs run in `pool`, until `choose` has no other and all have ended, or this process is cancelled.

    choose: the next job, with those that run now in view; keep: takes each result, in this thread; settled: asked
    after results were kept, for a reason to begin no other job. What runs by then ends and is kept: a crash ends its
    boot sooner, so dropping what still runs would drop clean boots more often than crashes.

    Raises the first error of a job, or what `settled` gave, once nothing runs any more.
    """
    running: dict[Future[Result], Job] = {}
    failure: BaseException | None = None
    while True:
        while failure is None and not proc.cancelled() and len(running) < workers:
            if (job := choose(tuple(running.values()))) is None:
                break
            running[pool.submit(work, job)] = job
        if not running:
            break
        done, _ = wait(running, timeout=_POLL_SECONDS, return_when=FIRST_COMPLETED)
        for future in done:
            running.pop(future)
            if (error := future.exception()) is not None:
                failure = failure or error
            else:
                keep(future.result())
        if done and failure is None:
            failure = settled()
    if failure is not None:
        raise failure
