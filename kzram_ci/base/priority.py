"""Processes that give way: a build beside guests takes the processor time that they leave.

A race needs two virtual CPUs that really run at once, and a compiler on each core takes that away. What runs alone, or
before the first guest, keeps the priority of its caller: beside other work of the host it would hardly get on.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar

# By the kernel's table of weights, a tenth of the share of a process at 0 that wants the same core. The I/O scheduler
# goes by it as well, where nothing else is set (ioprio_set(2)).
NICE = 10


def _never() -> bool:
    return False


_others: ContextVar[Callable[[], bool]] = ContextVar("others", default=_never)


@contextmanager
def giving_way(others: Callable[[], bool]) -> Iterator[None]:
    """What this thread starts and waits for in the block gives way from the moment on that `others` says yes."""
    token = _others.set(others)
    try:
        yield
    finally:
        _others.reset(token)


def apply(group: int) -> None:
    """Lower a process group, where this thread gives way and there is something to give way to.

    A priority can be lowered at any time, and raised only by root: a group that was lowered stays so.
    """
    if not _others.get()():
        return
    with suppress(OSError):  # it has ended, or it is not ours any more
        if os.getpriority(os.PRIO_PGRP, group) < NICE:  # the highest of all its members
            os.setpriority(os.PRIO_PGRP, group, NICE)
