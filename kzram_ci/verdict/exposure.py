"""What several boots of a cell showed together. Pure.

Each boot begins with counters at zero, so what they count can be added up. What they measure (memory, lengths)
cannot: of that the largest is kept.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from kzram_ci.model.evidence import CellResult, Evidence

OVERRUNS = "overruns"
# levels, not counts: the instruments' maxima and what is now, meminfo, vmstat's nr_*, the sizes in zram's mm_stat
_LEVEL = re.compile(
    r"max_|held_max$|\w+_now$|mem\.|vmstat\.nr_|zram\.(orig_|compr_|mem_|same_pages|huge_pages$)|psi\.\w+\.avg"
)


def counter(evidence: Evidence, name: str) -> int | None:
    """A counter as last seen, None when never reported.

    Overruns are also counted on the console: the last sample may be older than the crash.
    """
    value = evidence.counters.get(name)
    if name == OVERRUNS and evidence.overrun_lines:
        return max(value or 0, evidence.overrun_lines)
    return value


def together(evidences: Sequence[Evidence]) -> Evidence:
    """The last boot, with the counters of all."""
    names = dict.fromkeys(name for each in evidences for name in (*each.counters, OVERRUNS))
    totals = {}
    for name in names:
        values = [value for each in evidences if (value := counter(each, name)) is not None]
        if values:
            totals[name] = _added(name, values)
    return replace(evidences[-1], counters=totals)


def summed(counters: Sequence[Mapping[str, int]]) -> dict[str, int]:
    """The counters of several boots or cells as one."""
    names = dict.fromkeys(name for each in counters for name in each)
    return {name: _added(name, [each[name] for each in counters if name in each]) for name in names}


def _added(name: str, values: Sequence[int]) -> int:
    return max(values) if _LEVEL.match(name) else sum(values)


def counted(result: CellResult, name: str) -> int | None:
    """A counter of a cell, all its boots together; None when never reported."""
    return result.totals.get(name) if result.totals else counter(result.evidence, name)


def all_counters(result: CellResult) -> dict[str, int]:
    """All counters of a cell, all its boots together."""
    return dict(result.totals or result.evidence.counters)
