"""What a watch keeps between two rounds, and what it found. Pure; JSON by `model.codec`."""

from __future__ import annotations

from enum import StrEnum

from kzram_ci.base.values import dataclass

VERSION = 1


class Phase(StrEnum):
    """What a watch is at. Each is entered on disk before its work begins."""

    IDLE = "idle"  # waits for a new commit
    TESTING = "testing"  # runs the plan on `commit`
    BISECTING = "bisecting"  # looks for the commit that brought the first of `found`
    TELLING = "telling"  # delivers the report on `found`


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A finding of a run: a cell that did something else than its plan expects, or a kernel that does not build."""

    cell: str
    kernel: str
    test: str  # with axes: the cell's id without its kernel
    outcome: str
    title: str
    signature: str = ""
    file: str = ""  # what to open
    bisectable: bool = True

    @property
    def fingerprint(self) -> str:
        """What makes two findings the same: the crash, else the cell and what it did."""
        return self.signature or f"{self.cell}: {self.outcome}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bisected:
    """What became of a bisection. `commit`: the culprit, "" where there is none, or none yet."""

    directory: str = ""
    lines: tuple[str, ...] = ()
    commit: str = ""
    subject: str = ""
    why_not: str = ""  # there is no bisection


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """A watch at one moment. `last_good`: the newest commit on which the plan was ok as a whole."""

    version: int = VERSION
    repository: str
    branch: str
    plan: str
    last_good: str = ""
    tested: str = ""  # the newest commit that came to an end
    phase: Phase = Phase.IDLE
    commit: str = ""  # that is worked on
    run: str = ""  # directory of its run
    found: tuple[Found, ...] = ()  # new ones, not reported yet
    bisection: str = ""  # directory
    bisected: Bisected | None = None
    when: str = ""  # the report was made, UTC
    sent: tuple[str, ...] = ()  # channels that have it
    reported: tuple[str, ...] = ()  # fingerprints, of all time
    trouble: str = ""  # of the host, at the last try; no finding
    tries: int = 0  # of `commit` that ended in trouble


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One report: new findings of one commit, and who brought the first of them."""

    id: str
    when: str
    repository: str
    branch: str
    plan: str
    commit: str
    last_good: str
    run: str
    found: tuple[Found, ...]
    bisected: Bisected
