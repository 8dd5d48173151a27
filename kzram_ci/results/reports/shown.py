"""What a report shows beside the results of a run: what cells left on disk, what changed since another run. Pure."""

from __future__ import annotations

from kzram_ci.base.values import dataclass
from kzram_ci.results.reports.timeline import Timeline


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What lies on disk of a finished cell: console (safe text), counters over time, QEMU's command."""

    console: str = ""
    timeline: Timeline = Timeline()
    command: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Since:
    """What changed since an earlier run of the plan: lines for people, and the ids of the cells they are about."""

    run: str
    recorded: str
    lines: tuple[str, ...]
    cells: frozenset[str] = frozenset()
    nothing: bool = False  # changed: `lines` has that one line
