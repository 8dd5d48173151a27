"""Where the virtual CPUs of an emulated guest run: each on processors of the host that no other of that guest has.

Under TCG a virtual CPU is a thread of the host. One that needs another (to flush its TLB, to give up a lock) wakes it
and waits for it in a loop. A host likes to put a thread that is woken next to the one that wakes it: then the loop has
the very processor that the other waits for, until the scheduler takes it away. And a race needs two that run at once.
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

NAME = "CPU {number}/TCG"  # of a virtual CPU's thread, under `-name debug-threads=on` with a thread for each


def shares(processors: Sequence[int], cpus: int, turn: int) -> tuple[frozenset[int], ...]:
    """The processors of each virtual CPU: parts that have none in common; () where there is nothing to part.

    Whole parts, not one processor each, leave the host's scheduler free to get out of the way of what else runs.
    `turn` says which part comes first: the first virtual CPU has the most to do.
    """
    parts = min(cpus, len(processors))
    if parts < 2:
        return ()
    return tuple(frozenset(processors[(number + turn) % parts :: parts]) for number in range(cpus))


class Turns:
    """Which part of the processors a guest of this process begins with: the one that the fewest others begin with."""

    def __init__(self, first: int) -> None:
        """`first`: where to begin; other processes do so elsewhere."""
        self._first = first
        self._lock = threading.Lock()
        self._taken: Counter[tuple[int, int]] = Counter()

    def take(self, parts: int) -> int:
        """The turn of a guest, until it is given back."""
        with self._lock:
            order = [(self._first + number) % parts for number in range(parts)]
            turn = min(order, key=lambda one: self._taken[parts, one])
            self._taken[parts, turn] += 1
            return turn

    def give_back(self, parts: int, turn: int) -> None:
        """A guest is gone."""
        with self._lock:
            self._taken[parts, turn] -= 1


_TURNS = Turns(os.getpid())


class Placed:
    """A guest whose virtual CPUs have their places. It is a matter of speed only: what cannot be had is no news."""

    def __init__(self, pid: int, cpus: int, turns: Turns = _TURNS) -> None:
        """`pid`: QEMU, whose virtual CPUs have their threads already."""
        self._turns = turns
        processors = sorted(os.sched_getaffinity(0))
        self._parts = min(cpus, len(processors))
        if self._parts < 2:
            return
        self._turn = turns.take(self._parts)
        wanted = {NAME.format(number=i): own for i, own in enumerate(shares(processors, cpus, self._turn))}
        with suppress(OSError):
            for task in Path(f"/proc/{pid}/task").iterdir():
                with suppress(OSError, UnicodeDecodeError):
                    if own := wanted.get((task / "comm").read_text("utf-8").strip()):
                        os.sched_setaffinity(int(task.name), own)

    def leave(self) -> None:
        """The guest is gone."""
        if self._parts >= 2:
            self._turns.give_back(self._parts, self._turn)
            self._parts = 0
