"""Where cells run when not on threads of this process: what a run needs to know of it, whatever stands behind."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import AbstractContextManager

from kzram_ci.base.values import dataclass
from kzram_ci.kernel.workshop import KernelContext
from kzram_ci.model.kernel import KernelSpec
from kzram_ci.model.machine import Accel, MachineSpec


def _nothing(spec: KernelSpec) -> None:
    """Nothing is built elsewhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Elsewhere:
    """An executor of cells, and how many it can take at a time, asked again and again: machines come and go.

    `here`: they run on this host all the same, so that a build beside them takes from them. `builds`: kernels at a
    time; `ahead`: has a kernel built elsewhere and left where this host finds it, as far as that can be done.
    """

    executor: Executor
    room: Callable[[], int]
    here: bool = False
    builds: int = 1
    ahead: Callable[[KernelSpec], None] = _nothing


# What gives a run its Elsewhere, for as long as it runs: by how it builds, and the accelerator that it asks for.
Opener = Callable[[KernelContext, Accel | None], AbstractContextManager[Elsewhere]]


class Window:
    """Admits as many cells as there is room for elsewhere: what fits where is decided there."""

    def __init__(self, elsewhere: Elsewhere) -> None:
        self._elsewhere = elsewhere
        self._cells = 0

    @property
    def busy(self) -> bool:
        """Whether guests run on this host."""
        return self._elsewhere.here and self._cells > 0

    @property
    def full(self) -> bool:
        """Whether there is no room for another cell."""
        return self._cells >= self._elsewhere.room()

    def admit(self, machine: MachineSpec) -> bool:
        """Whether a cell may be sent now."""
        if self.full:
            return False
        self._cells += 1
        return True

    def leave(self, machine: MachineSpec) -> None:
        """A cell has ended."""
        self._cells -= 1
