"""What a run tells those who watch it, one type an event: the live view, plain lines, or none of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from kzram_ci.base.values import dataclass
from kzram_ci.model.evidence import Judgement


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildStarted:
    """A kernel is built."""

    kernel: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildProgress:
    """Objects that make has made; `total` is 0 while it is unknown."""

    kernel: str
    done: int
    total: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildDone:
    """A kernel is there. `how`: built in 398 s, cached, a ready image."""

    kernel: str
    how: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildFailed:
    """A kernel does not come to be; none of its cells can run. `cause`: the reason without the kernel's name."""

    kernel: str
    reason: str
    cause: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellStarted:
    """A cell boots. `goals`: counters and what is wanted of them, where that was not known before."""

    cell: str
    goals: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CellProgress:
    """The counters of a cell's guest as last seen."""

    cell: str
    counters: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class CellOops:
    """The kernel of a cell complained, or died."""

    cell: str
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CellRetried:
    """A boot did not reach the workload; the cell is booted again."""

    cell: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CellDone:
    """A cell has its final word. `file`: what to open first where that is a finding, "" where there is nothing."""

    cell: str
    judgement: Judgement
    file: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Something worth knowing about a kernel, a cell, a source, an architecture."""

    subject: str
    text: str


BuildEvent = BuildStarted | BuildProgress | BuildDone | BuildFailed
CellEvent = CellStarted | CellProgress | CellOops | CellRetried | CellDone
Event = BuildEvent | CellEvent | Note
Listener = Callable[[Event], None]


def silent(event: Event) -> None:
    """The listener of those who do not watch."""
